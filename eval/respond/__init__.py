"""Replies of systems to every round of a test set, as a predictions file."""
