"""Events go to a private dataset on the Hugging Face Hub, and a lost disk is filled from it."""
