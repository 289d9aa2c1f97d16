"""How an epoch stands for its keepers: every battle of it in exactly one column."""

from __future__ import annotations

from dataclasses import dataclass

from mi_arena.records.results_query import EpochInfo, battle_counts, judgement_rows
from mi_arena.records.store import EventStore
from mi_arena.records.votes import Votes
from mi_arena.study.exclusions import jump
from mi_arena.study.results import Group, ResultsTable, results_table


@dataclass(frozen=True)
class EpochStanding:
    """An epoch and what came of its battles, by groups of raters.

    Those judged (counted or not), left, flagged and withdrawn of both groups, those ``under_way``
    and the ``trials`` are together all that were begun.
    """

    epoch: EpochInfo
    battles: int
    public: ResultsTable
    expert: ResultsTable
    under_way: int
    trials: int
    """Battles of admins, which no table counts."""
    alarm: bool = False
    """The share of judgements that don't count has jumped or is large."""


def standing_of(store: EventStore, votes: Votes, epoch: EpochInfo, minimum: int) -> EpochStanding:
    """Raises ``Unreadable``."""
    rows, counts = judgement_rows(store, epoch.id), battle_counts(store, epoch.id)
    excluded = votes.excluded(epoch.id)

    def of(group: Group) -> ResultsTable:
        return results_table(
            rows, counts, epoch=epoch.id, role=group, minimum=minimum, excluded=excluded
        )

    of_raters = [one for one in counts if one.role != "admin"]
    return EpochStanding(
        epoch,
        battles=sum(one.battles for one in counts),
        public=of("public"),
        expert=of("expert"),
        under_way=sum(one.battles for one in of_raters if one.state == "going_on"),
        trials=sum(one.battles for one in counts if one.role == "admin"),
        alarm=jump(votes.flags(epoch.id)).alarm,
    )
