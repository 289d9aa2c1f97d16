"""Which corpora are taken, and why: by rank, with a word on how sure that is.

Rankings in, a choice out. Knows nothing of files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from training.rate.results import Group, Ranked, Ranking

WORDS: dict[Group, str] = {"judge": "the judge", "people": "people"}


@dataclass(frozen=True)
class Given:
    """A reason in the words of whoever chooses."""

    reason: str
    chosen: frozenset[str] | None = None
    """For which corpora it was given; ``None`` for whichever come out now."""


@dataclass(frozen=True)
class Choice:
    """The best of a ranking; nothing, with a reason, where there is no ranking to choose by."""

    chosen: tuple[str, ...]
    by: Group | None
    """Whose ranking it follows."""
    clear_cut: bool | None
    """Whether the last taken and the first not taken are apart; ``None`` where nothing says."""
    clear_cut_reason: str
    reason: str
    reason_given: bool = False
    """The reason is somebody's own words."""


def choose(
    rankings: Mapping[Group, Ranking],
    people_rated_all: bool,
    given: Given | None = None,
    judge_stopped: str | None = None,
) -> Choice:
    """Follow people where they rated the whole sample or there is no other ranking, else the judge.

    Few ratings by people tell less than the judge's of all; see the agreement for how far it can
    be trusted. ``judge_stopped`` says why the judge is not through: its ranking is not final, and
    only people who rated all can decide.
    """
    judge, people = rankings["judge"], rankings["people"]
    ranked: Ranking | None = None
    if people_rated_all and people.places:
        ranked = people
    elif judge_stopped:
        return Choice((), None, None, "nothing is ranked for good", f"not yet: {judge_stopped}")
    elif judge.places or people.places:
        ranked = judge if judge.places else people
    if ranked is None:
        why = "; ".join(one.reason for one in (judge, people) if one.reason)
        return Choice((), None, None, "nothing is ranked", f"nothing to choose by: {why}")
    chosen = tuple(one.corpus for one in ranked.places[: ranked.best])
    clear, how = clear_cut(ranked)
    if given and given.chosen in (None, frozenset(chosen)):
        return Choice(chosen, ranked.group, clear, how, given.reason, True)
    reason = f"by normalised total of {WORDS[ranked.group]}"
    return Choice(chosen, ranked.group, clear, how, reason)


def clear_cut(ranked: Ranking) -> tuple[bool | None, str]:
    """Whether the intervals of the last taken and of the first not taken are apart, in words."""
    if len(ranked.places) <= ranked.best:
        return None, f"there are only {len(ranked.places)} corpora: all are taken"
    last, next_one = ranked.places[ranked.best - 1], ranked.places[ranked.best]
    pair = f"{last.corpus} (place {last.place}) and {next_one.corpus} (place {next_one.place})"
    if last.total.mean == next_one.total.mean:
        return False, f"the choice is not clear-cut: {pair} have the same total"
    if last.total.low is None or next_one.total.high is None:
        why = _no_interval(last) or _no_interval(next_one)
        return None, f"whether the choice is clear-cut cannot be told: {why}"
    if last.total.low <= next_one.total.high:
        return False, f"the choice is not clear-cut: the 95 % intervals of {pair} overlap"
    return True, f"the 95 % intervals of {pair} are apart"


def _no_interval(one: Ranked) -> str | None:
    return None if one.total.low is not None else f"{one.corpus}: {one.total.reason}"
