"""Whether a built release may go out: an old one would bring back what was withdrawn. Pure."""

from __future__ import annotations

from pathlib import Path

from mi_arena.jobs.script import BadInput
from mi_arena.records.release_events import ReleasePushed
from mi_arena.release.manifest import Manifest


def check_fresh(
    folder: Path, built: Manifest, events: int, withdrawn: int, last: ReleasePushed | None
) -> None:
    """``events`` and ``withdrawn`` are the records' own counts. Raises ``BadInput``."""
    known = max(withdrawn, last.tombstones if last else 0)
    if built.tombstones < known:
        late = known - built.tombstones
        raise _stale(folder, f"{late} of {known} withdrawals came after it was built")
    if last is not None and built.events < last.events:
        raise _stale(folder, f"is of {built.events} events, the last release of {last.events}")
    # It was built from other records, or these are not restored: what they count means nothing.
    if built.events > events:
        raise _stale(folder, f"is of {built.events} events, the records hold {events}")


def _stale(folder: Path, why: str) -> BadInput:
    return BadInput(f"{folder}: {why}; build again")
