"""What the judgements of one epoch say: who was preferred, how surely, and what may bias it.

Rows in, a table of numbers out. Knows nothing of where rows come from or how a table is shown.
Public raters and experts are never counted together, and two epochs never pooled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mi_arena.study.exclusions import Reason, by_reason
from mi_arena.study.statistics import Interval, bootstrap_over_raters, wilson

Side = Literal["A", "B"]
Group = Literal["public", "expert"]
State = Literal["judged", "unjudged", "going_on", "flagged", "withdrawn"]

MINIMUM_JUDGEMENTS = 20
"""Below this many judgements no share is told: it would say more of single raters than of arms."""


class JudgementRow(NamedTuple):
    """A judgement that counts, with what its battle hid (a tuple: they come by the 100,000)."""

    battle: str
    rater: str
    role: str
    pair: str
    topic: str
    epoch: str
    overall: str
    """``A``, ``B``, ``tie`` or ``both_unacceptable``."""
    tuned_side: str
    guess: str | None
    ordinal: int
    """1 for the rater's first judgement ever: one reveal teaches the style."""


class BattleCount(NamedTuple):
    """How many battles are alike in these respects.

    ``state``: ``withdrawn`` before ``flagged`` (a sign of danger was seen; not counted as a
    preference) before ``judged`` before ``unjudged`` (left, or cut off by the end of its epoch)
    before ``going_on``.
    """

    role: str
    topic: str
    tuned_side: str
    state: State
    battles: int


@dataclass(frozen=True)
class ResultsTable:
    """The results of one epoch for one group of raters, for one topic or all of them."""

    epoch: str
    pair: str | None
    """``None`` while nothing is judged."""
    topic: str | None
    role: Group
    minimum: int

    battles: int
    """All but the withdrawn ones and those still going on: to whoever is in one of these, a count
    that moved would tell its pair or its sides."""
    judgements: int
    raters: int
    flagged: int
    withdrawn: int
    unjudged: dict[Side, int]
    """Battles without a judgement by the side of the tuned arm. More than that cannot be told:
    a battle that was left says nothing of which side it was left for."""

    tuned_wins_first: Interval
    """tuned/(tuned + base) among the decisive ones of the raters' first judgements."""
    tuned_wins_all: Interval
    """The same among all decisive judgements."""
    ties: Interval
    both_unacceptable: Interval
    """Both shares are of all judgements. A tie is not a pair of bad answers."""
    a_wins: Interval
    """Share of side A among decisive judgements; far from 1/2 is a bias of position."""
    correct_guesses: Interval
    """Among the guesses given; far above 1/2 means that raters could tell the arms apart."""

    excluded: dict[Reason, int] = field(default_factory=dict)
    """Judgements that are stored but not counted here, by why."""


def results_table(
    rows: Sequence[JudgementRow],
    battles: Iterable[BattleCount],
    *,
    epoch: str,
    role: Group,
    topic: str | None = None,
    minimum: int = MINIMUM_JUDGEMENTS,
    excluded: Mapping[str, Reason] | None = None,
) -> ResultsTable:
    """Count the rows of one epoch for one group and, if given, one topic.

    ``rows`` and ``battles`` may hold every group and topic of the epoch; a row of another epoch
    raises ``ValueError``. Those of the ``excluded`` battles are counted apart. A share over fewer
    than ``minimum`` judgements is withheld, counts are not.
    """
    if any(row.epoch != epoch for row in rows):
        raise ValueError(f"a row of another epoch among those of {epoch}: epochs are not pooled")
    excluded = excluded or {}
    chosen = [row for row in rows if row.role == role and topic in (None, row.topic)]
    left_out = {row.battle: excluded[row.battle] for row in chosen if row.battle in excluded}
    chosen = [row for row in chosen if row.battle not in left_out]
    counts = [count for count in battles if count.role == role and topic in (None, count.topic)]
    shares, raters = _shares(chosen)
    shares = {
        name: _withheld(share, len(chosen), minimum)
        if len(chosen) < minimum or 0 < share.n < minimum
        else share
        for name, share in shares.items()
    }
    return ResultsTable(
        epoch=epoch,
        pair=_the_pair(rows),
        topic=topic,
        role=role,
        minimum=minimum,
        battles=sum(c.battles for c in counts if c.state not in ("withdrawn", "going_on")),
        judgements=len(chosen),
        raters=raters,
        flagged=_how_many(counts, "flagged"),
        withdrawn=_how_many(counts, "withdrawn"),
        unjudged={
            "A": _how_many(counts, "unjudged", "A"),
            "B": _how_many(counts, "unjudged", "B"),
        },
        **shares,
        excluded=by_reason(left_out),
    )


def _shares(rows: Sequence[JudgementRow]) -> tuple[dict[str, Interval], int]:
    """Every share of the table by its name there, and the number of raters."""
    n = len(rows)
    number_of = {rater: number for number, rater in enumerate(dict.fromkeys(r.rater for r in rows))}
    rater = np.fromiter((number_of[row.rater] for row in rows), np.int64, n)
    decisive = _flags(rows, [row.overall in ("A", "B") for row in rows])
    tuned = _flags(rows, [row.overall == row.tuned_side for row in rows])
    first = _flags(rows, [row.ordinal == 1 for row in rows])
    per_rater = np.stack(
        [
            np.bincount(rater[decisive & tuned], minlength=len(number_of)),
            np.bincount(rater[decisive & ~tuned], minlength=len(number_of)),
        ],
        axis=1,
    )
    guesses = [row.guess == row.tuned_side for row in rows if row.guess is not None]
    overall = [row.overall for row in rows]
    clustered = "taking repeated judgements of a rater as independent"
    shares = {
        "tuned_wins_first": _wilson(
            tuned[decisive & first], "over raters' first judgements", "no decisive judgement"
        ),
        "tuned_wins_all": bootstrap_over_raters(per_rater),
        "ties": _wilson([o == "tie" for o in overall], clustered, "no judgement"),
        "both_unacceptable": _wilson(
            [o == "both_unacceptable" for o in overall], clustered, "no judgement"
        ),
        "a_wins": _wilson(
            [o == "A" for o in overall if o in ("A", "B")], clustered, "no decisive judgement"
        ),
        "correct_guesses": _wilson(guesses, clustered, "no guess given"),
    }
    return shares, len(number_of)


def _flags(rows: Sequence[JudgementRow], values: Sequence[bool]) -> NDArray[np.bool_]:
    return np.array(values, dtype=bool).reshape(len(rows))


def _wilson(hits: Sequence[bool] | NDArray[np.bool_], over: str, nothing: str) -> Interval:
    found = wilson(int(np.count_nonzero(hits)), len(hits))
    reason = nothing if found.reason else None
    return replace(found, method=f"{found.method}, {over}", reason=reason)


def _withheld(share: Interval, judgements: int, minimum: int) -> Interval:
    """Nothing but why: its own n together with the counts would tell what is withheld."""
    reason = f"fewer than {minimum} judgements"
    return Interval(None, None, None, judgements, share.method, reason)


def _how_many(counts: Iterable[BattleCount], state: State, tuned_side: Side | None = None) -> int:
    return sum(
        count.battles
        for count in counts
        if count.state == state and tuned_side in (None, count.tuned_side)
    )


def _the_pair(rows: Sequence[JudgementRow]) -> str | None:
    pairs = {row.pair for row in rows}
    if len(pairs) > 1:
        raise ValueError(f"an epoch belongs to one pair, not to {len(pairs)}")
    return pairs.pop() if pairs else None
