"""Counselling dialogues rewritten into MI dialogues by a model, every result checked.

``python -m training.transcribe --help``.
"""
