"""What is kept: typed events and the durable, append-only log that holds them."""
