"""MI Arena: blind comparison of a base chat model and its MI-tuned version."""

__version__ = "0.1.0"
