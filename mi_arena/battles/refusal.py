"""Why something was not done: a code that a page turns into a sentence in the reader's language."""

from __future__ import annotations

from typing import Literal

Code = Literal[
    "no_consent",
    "no_battle",
    "not_yours",
    "empty",
    "too_long",
    "nothing_readable",
    "too_fast",
    "busy",
    "no_pair",
    "not_open",
    "still_answering",
    "too_few_rounds",
    "bad_answers",
    "not_saved",
    "bad_receipt",
    "already_withdrawn",
    "bad_topic",
]


class Refused(Exception):
    """Nothing was changed. ``values`` fill the sentence; they never hold conversation text."""

    def __init__(self, code: Code, **values: float | int | str):
        super().__init__(code)
        self.code: Code = code
        self.values = values
