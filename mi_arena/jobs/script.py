"""What all scripts share: exit codes, and the errors that end one with a single line."""

from __future__ import annotations

DONE = 0
FAULT = 1
"""A fault of ours: a traceback, which Python's own exit gives."""
WRONG_INPUT = 2
STOPPED = 3
"""By a limit that the user set, or by the user."""


class BadInput(ValueError):
    """Something the user can mend; the message is one line saying what, where and how."""


class LimitReached(Exception):
    """A limit that the user set ends the run; the message is one line saying which."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
