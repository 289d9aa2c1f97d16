"""Which judgements of the public are too suspicious to count, and why.

Pure rules over what the records tell, applied whenever results are read: nothing is deleted, and a
rule that is mended gives back what it took. No address of anybody is known here, only pseudonyms.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from mi_arena.study.statistics import wilson

Reason = Literal["same_talk", "too_fast", "flood"]
"""``same_talk``: word for word what another rater had said before. ``too_fast``: judged before
anybody could have read. ``flood``: one of many equal verdicts by one rater in a short time."""


@dataclass(frozen=True)
class Limits:
    """Where honest ends."""

    own_letters: int = 30
    """A shorter talk of one's own may well be somebody else's too ("yes", "I don't know")."""
    form_seconds: float = 1.5
    """From the last word of a reply to a form that is filled and sent; nobody is faster."""
    letters_a_second: float = 60
    """Of both sides' replies, over the whole battle: several times what practised readers reach."""
    flood: int = 10
    """So many equal verdicts of one rater ..."""
    flood_seconds: float = 600
    """... within this time are no judgements."""


LIMITS = Limits()
MUCH = 0.25
"""A larger share that doesn't count is an alarm, however long it has been so."""


class Vote(NamedTuple):
    """A judgement as the rules see it."""

    battle: str
    rater: str
    role: str
    at: float
    """When it was stored; all times in seconds since 1970."""
    began_at: float
    """When the battle began."""
    read_from: float
    """When the last replies were there whole."""
    letters: int
    """Of all replies, both sides'."""
    talk: str
    """A hash of what the client said beyond a starter; the same words, the same hash."""
    own_letters: int
    """How much that was."""
    verdict: str
    """Every answer of the form but its free text."""


@dataclass(frozen=True)
class Jump:
    """The share that is excluded of the latest judgements, and of those before."""

    latest: float | None
    before: float | None
    n_latest: int
    n_before: int
    alarm: bool


def excluded(votes: Iterable[Vote], limits: Limits = LIMITS) -> dict[str, Reason]:
    """The battles whose judgement doesn't count, with the first reason that fits.

    Experts are known people and are never excluded.
    """
    public = sorted((v for v in votes if v.role == "public"), key=lambda v: (v.at, v.battle))
    found: dict[str, Reason] = {battle: "flood" for battle in _floods(public, limits)}
    found |= {vote.battle: "too_fast" for vote in public if _too_fast(vote, limits)}
    return found | {battle: "same_talk" for battle in _said_before(public, limits)}


def by_reason(reasons: Mapping[str, Reason]) -> dict[Reason, int]:
    """How many judgements each reason has taken; those that took none are left out."""
    return dict(Counter(reasons.values()))


def jump(flags: Sequence[bool], latest: int = 50, least: int = 20) -> Jump:
    """Whether the excluded share has jumped or is large: a broken rule would drop honest votes in
    silence.

    ``flags``: excluded or not, in the order of the judgements. Alarm where the 95 % Wilson interval
    of the latest lies above ``MUCH`` as a whole (rules are applied on reading, so a broken one
    takes the votes of before too, and nothing jumps), or above the interval of those before, where
    there are ``least``.
    """
    new, old = flags[-latest:], flags[:-latest]
    now, then = wilson(sum(new), len(new)), wilson(sum(old), len(old))
    alarm = False
    if len(new) >= least:
        before = (then.high or 0.0) if len(old) >= least else 1.0
        alarm = (now.low or 0.0) > min(before, MUCH)
    return Jump(now.value, then.value, len(new), len(old), alarm)


def _said_before(votes: Sequence[Vote], limits: Limits) -> set[str]:
    """Talks that another rater had first; the first one counts."""
    first: dict[str, str] = {}
    again = set()
    for vote in votes:
        long = vote.own_letters >= limits.own_letters
        if long and first.setdefault(vote.talk, vote.rater) != vote.rater:
            again.add(vote.battle)
    return again


def _too_fast(vote: Vote, limits: Limits) -> bool:
    in_all = max(vote.at - vote.began_at, 0.0)
    unread = vote.letters > limits.letters_a_second * in_all
    return unread or vote.at - vote.read_from < limits.form_seconds


def _floods(votes: Sequence[Vote], limits: Limits) -> set[str]:
    alike: dict[tuple[str, str], list[Vote]] = defaultdict(list)
    for vote in votes:
        alike[vote.rater, vote.verdict].append(vote)
    found: set[str] = set()
    for run in alike.values():
        for at in range(len(run) - limits.flood + 1):
            these = run[at : at + limits.flood]
            if these[-1].at - these[0].at <= limits.flood_seconds:
                found |= {vote.battle for vote in these}
    return found
