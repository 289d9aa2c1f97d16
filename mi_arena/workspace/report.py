"""From the books to the rows that the study's tables are made of; what counts is decided here."""

from __future__ import annotations

from collections.abc import Iterator

from mi_arena.study.miti_results import CodingRow, Source
from mi_arena.workspace.ledger import Books, Handed
from mi_arena.workspace.material import MaterialStore


def coding_rows(books: Books, material: MaterialStore) -> Iterator[CodingRow]:
    """The latest revision of every coding that counts.

    An admin's own codings of their battles are trials and count nowhere; what an admin settled
    stands apart as ``adjudicated``.
    """
    for handed in books.latest():
        source = _source(handed)
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


def _source(handed: Handed) -> Source | None:
    match handed.told.source:
        case "assigned":
            return "expert"
        case "adjudicated":
            return "adjudicated"
        case "judge":
            return "judge"
        case "self" if handed.role != "admin":
            return "self_trained" if handed.told.trained else "self_untrained"
    return None
