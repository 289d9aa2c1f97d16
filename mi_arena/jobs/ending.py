"""How a script ends: what its run directory notes, what its console says, and its exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.jobs.script import (
    DONE,
    STOPPED,
    WRONG_INPUT,
    BadInput,
    LimitReached,
    fault_line,
    first_line,
    tell_fault,
)

GOES_ON = "the same command goes on from here"
ANEW = "the same command does it from the start"


@contextmanager
def noted(run: RunDirectory | None) -> Iterator[None]:
    """Note in the run directory, if there is one, how what is inside ended; it ends all the same.

    On a full disk not even that can be noted, and what filled it is told.
    """
    try:
        yield
    except BaseException as end:
        if run is not None:
            with suppress(OSError):
                _note(run, end)
        raise
    if run is not None:
        run.end("done")


def exit_code(script: str, work: Callable[[], None], then: str = GOES_ON) -> int:
    """Do the work and return the exit code; what ends it early is told in one line.

    ``then`` is what the same command does after a stop.
    """
    try:
        work()
    except (BadInput, OSError) as error:
        print(f"{script}: {first_line(error)}", file=sys.stderr)
        return WRONG_INPUT
    except (LimitReached, KeyboardInterrupt) as stop:
        print(f"{script}: {why_stopped(stop)}; {then}", file=sys.stderr)
        return STOPPED
    except Exception as fault:
        return tell_fault(script, fault)
    return DONE


def why_stopped(stop: BaseException) -> str:
    """The limit that was reached, or that somebody asked for it."""
    return str(stop) or "stopped"


def _note(run: RunDirectory, end: BaseException) -> None:
    match end:
        case BadInput() | OSError():
            run.end("failed", first_line(end))
        case LimitReached() | KeyboardInterrupt():
            run.log(why_stopped(end))
            run.end("stopped", str(end) or None)
        case _:
            run.end("failed", fault_line(end))
