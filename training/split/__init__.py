"""Training and test sets out of dialogue files, without leaks: ``python -m training.split``."""
