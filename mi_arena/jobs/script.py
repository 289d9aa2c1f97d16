"""What all scripts share: exit codes, how they end, and the errors that do it in one line."""

from __future__ import annotations

import signal
import sys
import traceback

DONE = 0
FAULT = 1
"""A fault of ours: where it happened is told, and what was read is not."""
WRONG_INPUT = 2
STOPPED = 3
"""By a limit that the user set, or by the user."""


class BadInput(ValueError):
    """Something the user can mend; the message is one line saying what, where and how."""


class LimitReached(Exception):
    """A limit that the user set ends the run; the message is one line saying which."""


def fault_line(fault: BaseException) -> str:
    """What a run directory says of a fault: its type, since the message might quote a dialogue."""
    return f"a fault of ours: {type(fault).__name__}"


def tell_fault(script: str, fault: BaseException) -> int:
    """Where a fault happened, on the console, without its message; returns the exit code."""
    traceback.print_tb(fault.__traceback__)
    print(f"{script}: {fault_line(fault)}", file=sys.stderr)
    return FAULT


def stop_on_terminate() -> None:
    """From now on SIGTERM ends the script as Ctrl-C does, with what it has to clear up."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
