"""What keeps a visitor safe and the page in order: crisis signs, help, text rules, limits."""
