"""Public counselling corpora as dialogues: read, looked through for problems, cleaned by rules.

``python -m training.corpora`` is the command; ``corpus.read_corpus`` the same without it.
"""
