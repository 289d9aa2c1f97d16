"""A language model that codes dialogues with MITI 4.2.1, and how far it can be trusted.

``python -m eval.judge --help``.
"""
