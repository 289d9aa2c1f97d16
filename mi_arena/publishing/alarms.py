"""What does not add up in the records, and what is to be known of them, as data: a shell is told it
in English, a page in the language of its reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Code = Literal[
    "no_battle",
    "not_counted",
    "not_restored",
    "only_there",
    "doubled",
    "late",
    "another_copy",
    "overlap",
    "not_set",
    "kept_here",
    "released_more",
]
NOTICES: frozenset[Code] = frozenset({"overlap", "kept_here"})
"""What may well be meant: told, but nobody is woken."""
LINES: dict[Code, str] = {
    "no_battle": "{judgements} judgements are of battles whose beginning is not stored, and count "
    "nowhere: look in the dataset's history for shards that were removed, put them back and "
    "restart the app",
    "not_counted": "epoch {epoch}: {share:.0%} of the latest {judgements} judgements are not "
    "counted: see by which rule, honest ones may be among them",
    "not_restored": "the records are not restored: nothing is taken until they are",
    "only_there": "{events} events of the dataset are not in the store: a restart puts back those "
    "that were lost; the others say again what may be said once, as two copies of the app do: run "
    "one copy only",
    "doubled": "{events} events stand in the dataset more than once",
    "late": "{events} events wait to be published, the oldest for {seconds:.0f} s",
    "another_copy": "{events} events came into the dataset from another copy of the app while this "
    "one ran, and are put back here: two take what raters say; stop the other, then start this one "
    "again",
    "overlap": "{events} events came into the dataset from another copy of the app, and are put "
    "back here: as a rule from the one before, as it ended; if a second one runs, stop it",
    "not_set": "nothing is published any more: MI_ARENA_DATASET is not set, and events of this "
    "folder were published before; set it, or where this is meant, set it to none",
    "kept_here": "nothing is published, as MI_ARENA_DATASET is none: {events} events are on this "
    "disk alone",
    "released_more": "{table}: the last release counts {records} more, in it and left out, than "
    "are stored: records were lost since, or it was built from others; restore them, or build a "
    "release and push it",
}


@dataclass(frozen=True)
class Alarm:
    """One thing that is not as it should be; or, a notice, that may be as it is meant."""

    code: Code
    values: Mapping[str, str | int | float]
    """By the names in its line; ``share`` is 0 to 1."""

    @classmethod
    def of(cls, code: Code, **values: str | int | float) -> Alarm:
        return cls(code, values)

    @property
    def is_notice(self) -> bool:
        return self.code in NOTICES

    @property
    def line(self) -> str:
        return LINES[self.code].format(**self.values)
