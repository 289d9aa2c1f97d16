"""Scripts that make models and corpora; each runs as ``python -m training.NAME``."""
