"""Predictions against references, in two named profiles: ``python -m eval.score``."""
