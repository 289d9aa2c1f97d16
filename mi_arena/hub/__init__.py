"""The Hugging Face Hub as a place that fails in passing: what to wait out, and what to say."""
