"""Asking an OpenAI-compatible endpoint many times: kept, paced, priced.

Whoever asks builds an `Asker` and hands its work to `each`. What a question means, and what a good
answer is, nobody knows here.
"""
