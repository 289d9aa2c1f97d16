"""Simulated clients that talk to the systems of a pair, and the transcripts of these talks."""
