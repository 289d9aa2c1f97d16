"""Whether a release still says what an older one of the same study said. Pure.

Of an epoch that was open, its commitment. Of one that was closed, everything but what may change
for a reason that the card tells: withdrawn records leave, texts are masked anew, experts hand in
more, and which judgements don't count follows from rules that may be corrected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mi_arena.study.audit import Problem
from mi_arena.study.told import EpochTold, Rows, Told

ALWAYS = ("pair", "opened_on", "nonce", "seed_commitment", "fingerprint")
ONCE_CLOSED = ("closed_on", "closed_for", "served", "battles")
MADE_ANEW = frozenset({"text", "client", "reason", "change_goal", "excluded_reason"})
"""Columns, and fields inside them, that every release makes by the rules of its day."""
LATER = ("crisis_found", "minor")
"""Why a battle may be left out that was not, and was not withdrawn: patterns of danger are mended,
and its rater may say later that they are under age."""


class Release(NamedTuple):
    """One of the two."""

    told: Told
    rows: Rows


class Since(NamedTuple):
    """What changed for a reason in epochs that were closed."""

    withdrawn: int
    """Battles, as those of the next two."""
    held_back: int
    """Left out for a reason that came later."""
    come: int
    """Left out before."""
    recounted: int
    """Judgements that count and did not, or the other way round."""


def compare(before: Release, after: Release) -> tuple[list[Problem], Since]:
    """What does not hold between them, and what changed for a reason."""
    now = {epoch.epoch: epoch for epoch in after.told.epochs}
    problems = [
        Problem(None, battle, "was withdrawn, and its tombstone is gone")
        for battle in sorted(before.told.withdrawn - after.told.withdrawn)
    ]
    counts: Counter[str] = Counter()
    for epoch in before.told.epochs:
        later = now.get(epoch.epoch)
        if later is None:
            problems.append(Problem(epoch.epoch, None, "was told of, and is not any more"))
            continue
        problems += _of_the_epoch(epoch, later)
        if not epoch.open:
            closed = _Closed(epoch, later, before, after)
            problems += closed.problems()
            counts += closed.counts
    return problems, Since(*(counts[name] for name in Since._fields))


def _of_the_epoch(before: EpochTold, after: EpochTold) -> Iterator[Problem]:
    for name in ALWAYS if before.open else (*ALWAYS, *ONCE_CLOSED):
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            told = "was another" if isinstance(was, dict) else f"was {was} before, and is {now}"
            yield Problem(before.epoch, None, f"its {name} {told}")


class _Closed:
    """One epoch that was closed when the older release was made."""

    def __init__(self, was: EpochTold, now: EpochTold, before: Release, after: Release):
        self._epoch, self._withdrawn = was.epoch, after.told.withdrawn
        self._held = Counter(now.withheld or {})
        self._held.subtract(was.withheld or {})
        self._before, self._after = (
            {
                table: [row for row in rows if row["epoch"] == was.epoch]
                for table, rows in told.items()
            }
            for told in (before.rows, after.rows)
        )
        self._there = {row["battle"] for row in self._after["battles"]}
        self.counts: Counter[str] = Counter()

    def problems(self) -> Iterator[Problem]:
        """Fills ``counts`` on the way."""
        yield from self._battles()
        yield from self._rows("judgements", "judgement", "match")
        yield from self._rows("codings", "coding", "dialogue")

    def _battles(self) -> Iterator[Problem]:
        before = {row["battle"]: row for row in self._before["battles"]}
        gone, come = before.keys() - self._there, self._there - before.keys()
        taken_back = gone & self._withdrawn
        self.counts["withdrawn"] = len(taken_back)
        later = sum(max(self._held[reason], 0) for reason in LATER)
        what = "is gone, and was not withdrawn"
        yield from self._moved("held_back", gone - taken_back, later, what)
        let_out = -sum(n for reason, n in self._held.items() if reason != "withdrawn")
        yield from self._moved("come", come, let_out, "was not there before")
        for row in self._after["battles"]:
            yield from self._same(row["battle"], "battle", before.get(row["battle"]), row)

    def _moved(self, name: str, battles: set[str], explained: int, what: str) -> Iterator[Problem]:
        """``explained``: how many may be so by the reasons for which battles are left out."""
        if len(battles) > max(explained, 0):
            yield from (Problem(self._epoch, battle, what) for battle in sorted(battles))
        else:
            self.counts[name] = len(battles)

    def _rows(self, table: str, key: str, subject: str) -> Iterator[Problem]:
        """Of a table whose rows give way to a rater's later ones on the same ``subject``."""
        after = {row[key]: row for row in self._after[table]}
        handed_in = {(row[subject], row["rater"]) for row in after.values()}
        for row in self._before[table]:
            name, now = f"{key} {row[key]}", after.get(row[key])
            if row["battle"] not in self._there:
                continue  # it went with its battle
            if now is not None:
                yield from self._same(row["battle"], name, row, now)
            elif row[subject] is None or (row[subject], row["rater"]) not in handed_in:
                yield Problem(self._epoch, row["battle"], f"{name} is gone")

    def _same(
        self, battle: str, name: str, before: Mapping[str, Any] | None, after: Mapping[str, Any]
    ) -> Iterator[Problem]:
        if before is None or before.get("revision") != after.get("revision"):
            return
        self.counts["recounted"] += before.get("excluded_reason") != after.get("excluded_reason")
        changed = [
            column
            for column in before.keys() & after.keys() - MADE_ANEW
            if _lasting(before[column]) != _lasting(after[column])
        ]
        if changed:
            yield Problem(self._epoch, battle, f"{name} had another {', '.join(sorted(changed))}")


def _lasting(value: Any) -> Any:
    """A value without what every release makes anew."""
    if isinstance(value, dict):
        return {name: _lasting(one) for name, one in value.items() if name not in MADE_ANEW}
    return [_lasting(one) for one in value] if isinstance(value, list) else value
