"""Whether judgements and codings of a release fit the battles that they are of. Pure.

A judgement of a battle and its battle are one to one; what stood on which side is said by the
battle, and must be said alike by all that hangs on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from mi_arena.study.audit import Problem
from mi_arena.study.told import BattleTold, CodingTold, JudgementTold, Told


def rows_audit(told: Told) -> list[Problem]:
    """What does not fit, in the order of the tables."""
    battles = {one.battle: one for one in told.battles}
    return [
        *_of_battles(told),
        *_twice("judgement", ((one.judgement, one.epoch, one.battle) for one in told.judgements)),
        *(problem for one in told.judgements for problem in _of_judgement(one, battles)),
        *_of_matches(told.judgements),
        *_twice("coding", ((one.coding, one.epoch, one.battle) for one in told.codings)),
        *(problem for one in told.codings for problem in _of_coding(one, battles)),
    ]


def _of_battles(told: Told) -> Iterator[Problem]:
    yield from _twice("battle", ((one.battle, one.epoch, one.battle) for one in told.battles))
    judged = Counter(one.battle for one in told.judgements if one.about == "battle")
    for one in told.battles:
        if one.battle in told.withdrawn:
            yield Problem(one.epoch, one.battle, "is there and was withdrawn by its tombstone")
        if judged[one.battle] != 1:
            yield Problem(one.epoch, one.battle, f"has {judged[one.battle]} judgements, not one")


def _of_judgement(one: JudgementTold, battles: dict[str, BattleTold]) -> Iterator[Problem]:
    battle = battles.get(one.battle or "")
    told = _teller(f"judgement {one.judgement}", one, battle)
    preferred = {"A": one.a_system, "B": one.b_system}.get(one.overall, one.overall)
    if one.preferred != preferred:
        yield told(f"prefers {one.preferred}, by its sides {preferred}")
    if one.about == "match" and one.match is None:
        yield told("is of no match")
    if one.about == "battle" or one.battle is not None:
        yield from map(told, _against(one, battle))
    elif one.epoch is not None:
        yield told("names an epoch, and is of no battle")
    if battle is None:
        return
    stood = [(battle.system_on("A"), battle.system_on("B"))]
    if one.about == "match":  # its sides are dealt anew
        stood.append(stood[0][::-1])
    elif one.rater != battle.rater:
        yield told("is by another rater than its battle")
    if (one.a_system, one.b_system) not in stood:
        yield told(f"has {one.a_system} on A and {one.b_system} on B, unlike its battle")


def _of_matches(judgements: Iterable[JudgementTold]) -> Iterator[Problem]:
    """A rater's last verdict on a match is the only one."""
    seen: set[tuple[str, str]] = set()
    for one in judgements:
        if one.match is None:
            continue
        if (one.match, one.rater) in seen:
            what = f"judgement {one.judgement} is its rater's second of match {one.match}"
            yield Problem(one.epoch, one.battle, what)
        seen.add((one.match, one.rater))


def _of_coding(one: CodingTold, battles: dict[str, BattleTold]) -> Iterator[Problem]:
    battle = battles.get(one.battle or "")
    told = _teller(f"coding {one.coding}", one, battle)
    if one.battle is not None:
        yield from map(told, _against(one, battle))
    elif one.epoch is not None:
        yield told("names an epoch, and is of no battle")
    if battle is not None and (one.side is None or one.system != battle.system_on(one.side)):
        yield told(f"has {one.system} on {one.side}, unlike its battle")


def _against(one: JudgementTold | CodingTold, battle: BattleTold | None) -> Iterator[str]:
    if battle is None:
        yield "is of a battle that is not in the release"
        return
    if one.epoch != battle.epoch:
        yield f"is of epoch {one.epoch}, its battle of {battle.epoch}"
    if one.pair != battle.pair:
        yield f"is of pair {one.pair}, its battle of {battle.pair}"


def _teller(
    name: str, one: JudgementTold | CodingTold, battle: BattleTold | None
) -> Callable[[str], Problem]:
    """Problems of a row belong to the epoch of its battle, if that is known."""
    epoch = one.epoch if battle is None else battle.epoch
    return lambda what: Problem(epoch, one.battle, f"{name} {what}")


def _twice(what: str, rows: Iterable[tuple[str, str | None, str | None]]) -> Iterator[Problem]:
    """``rows``: id, epoch, battle."""
    seen: set[str] = set()
    for id_, epoch, battle in rows:
        if id_ in seen:
            yield Problem(epoch, battle, f"{what} {id_} is there twice")
        seen.add(id_)
