"""From the books to the rows that the study's tables are made of; what counts is decided here."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select

from mi_arena.records.schema import events_table
from mi_arena.records.store import EventStore
from mi_arena.study.match_results import VerdictRow
from mi_arena.study.miti_results import CodingRow, Source
from mi_arena.workspace.ledger import Books, Handed
from mi_arena.workspace.material import MaterialStore


def coding_rows(books: Books, material: MaterialStore) -> Iterator[CodingRow]:
    """The latest revision of every coding that counts, one of a rater for a dialogue.

    An admin's own codings of their battles are trials and count nowhere; what an admin settled
    stands apart as ``adjudicated``.
    """
    for handed in books.latest():
        source = source_of(handed)
        if source is None:
            continue
        told = handed.told
        coded = books.dialogues.get(told.dialogue)
        if coded is None and told.battle is not None and told.side is not None:
            coded = material.of_battle(told.battle, told.side)
        if coded is not None:
            yield CodingRow(
                dialogue=told.dialogue,
                match=coded.match,
                system=coded.system,
                pair=coded.pair,
                epoch=coded.epoch,
                source=source,
                rater=handed.rater,
                coding=told.filled,
            )


def verdict_rows(books: Books) -> Iterator[VerdictRow]:
    """The latest verdict of every rater on every match that can be judged."""
    latest = {(judged.match, rater): judged for judged, rater in books.verdicts.values()}
    for (match, rater), judged in latest.items():
        opponents = books.opponents(match)
        if opponents is None or judged.a_dialogue not in opponents:
            continue
        first = books.dialogues[judged.a_dialogue]
        (second,) = (books.dialogues[one] for one in opponents if one != judged.a_dialogue)
        preferred = {"A": first.system, "B": second.system}
        yield VerdictRow(
            match=match,
            pair=first.pair,
            epoch=first.epoch,
            systems=frozenset({first.system, second.system}),
            rater=rater,
            preferred=preferred.get(judged.overall, judged.overall),
        )


def report_facts(store: EventStore) -> list[str]:
    """What a report was made from, as lines for its head. Raises ``Unreadable``."""
    counted = select(func.count(), func.max(events_table.c.created_at))
    with store.reading() as connection:
        events, newest = connection.execute(counted).one()
    if not events:
        return ["Made from a record without any event."]
    moment = newest[:16].replace("T", " ")
    return [f"Made from a record of {events} events, the newest of {moment} UTC."]


def source_of(handed: Handed) -> Source | None:
    match handed.told.source:
        case "assigned":
            return "expert" if handed.told.suggestion is None else "expert_suggested"
        case "adjudicated":
            return "adjudicated"
        case "judge":
            return "judge"
        case "self" if handed.role != "admin":
            if handed.told.revealed:
                return "self_trained" if handed.told.trained else "self_untrained"
            return "self_trained_blind" if handed.told.trained else "self_untrained_blind"
    return None
