"""Runs a pair of arms in lock step, in this process or over an OpenAI-compatible server."""
