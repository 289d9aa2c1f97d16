"""Scripts that measure models; each runs as ``python -m eval.NAME``."""
