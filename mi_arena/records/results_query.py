"""From events to the rows that results are counted from; what counts is decided here, in SQL.

A judgement counts unless its battle was withdrawn or a sign of danger was seen in it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from mi_arena.records.store import EventStore
from mi_arena.study.results import BattleCount, JudgementRow

# INDEXED BY: these indexes hold every column that is asked for; SQLite, which keeps no statistics
# of this file, would otherwise take a shorter index and open every row.

LEFT_AFTER = timedelta(days=1)

_JUDGEMENTS = """
SELECT judged.battle,
       judged.rater,
       judged.role,
       started.pair,
       started.topic,
       judged.epoch,
       judged.overall,
       started.tuned_side,
       judged.guess,
       judged.ordinal
FROM events AS judged INDEXED BY judgements_counted
JOIN events AS started INDEXED BY battles_counted
  ON started.kind = 'battle_started'
 AND started.epoch = judged.epoch AND started.battle = judged.battle
WHERE judged.kind = 'judgement' AND judged.epoch = ?
  AND judged.battle NOT IN (SELECT battle FROM events WHERE kind = 'withdrawn')
  AND judged.battle NOT IN (SELECT battle FROM events WHERE kind = 'battle_flagged')
"""

_BATTLES = """
SELECT role, topic, tuned_side, state, count(*)
FROM (SELECT role, topic, tuned_side,
             CASE WHEN battle IN (SELECT battle FROM events WHERE kind = 'withdrawn')
                  THEN 'withdrawn'
                  WHEN battle IN (SELECT battle FROM events WHERE kind = 'battle_flagged')
                  THEN 'flagged'
                  WHEN EXISTS (SELECT 1 FROM events AS judged INDEXED BY judgements_counted
                               WHERE judged.kind = 'judgement' AND judged.epoch = started.epoch
                                 AND judged.battle = started.battle)
                  THEN 'judged'
                  WHEN battle IN (SELECT battle FROM events WHERE kind = 'battle_ended')
                    OR EXISTS (SELECT 1 FROM events AS closed
                               WHERE closed.kind = 'epoch_closed' AND closed.epoch = started.epoch)
                    OR seq <= coalesce((SELECT seq FROM events WHERE created_at < ?
                                        ORDER BY created_at DESC LIMIT 1), 0)
                  THEN 'unjudged'
                  ELSE 'going_on' END AS state
      FROM events AS started INDEXED BY battles_counted
      WHERE kind = 'battle_started' AND epoch = ?)
GROUP BY role, topic, tuned_side, state
ORDER BY role, topic, tuned_side, state
"""

_OF_NO_BATTLE = """
SELECT count(*)
FROM events AS judged
WHERE judged.kind = 'judgement'
  AND NOT EXISTS (SELECT 1 FROM events AS started INDEXED BY battles_counted
                  WHERE started.kind = 'battle_started'
                    AND started.epoch = judged.epoch AND started.battle = judged.battle)
"""

_EPOCHS = """
SELECT opened.epoch,
       opened.pair,
       json_extract(opened.payload, '$.fingerprint'),
       opened.created_at,
       (SELECT closed.created_at FROM events AS closed
        WHERE closed.kind = 'epoch_closed' AND closed.epoch = opened.epoch),
       (SELECT count(*) FROM events AS started
        WHERE started.kind = 'battle_started' AND started.epoch = opened.epoch)
FROM events AS opened
WHERE opened.kind = 'epoch_opened'
ORDER BY opened.seq
"""


class EpochInfo(NamedTuple):
    """An epoch as a page lists it; the identities of what was served are not in it."""

    id: str
    pair: str
    fingerprint: str
    opened_at: datetime
    closed_at: datetime | None
    battles: int


def judgement_rows(store: EventStore, epoch: str) -> list[JudgementRow]:
    """The judgements of an epoch that count, in no particular order."""
    with store.reading() as connection:
        # Straight from the driver's cursor: SQLAlchemy's rows would be made only to be copied.
        cursor = connection.exec_driver_sql(_JUDGEMENTS, (epoch,)).cursor
        return [] if cursor is None else [JudgementRow._make(row) for row in cursor.fetchall()]


def judgements_of_no_battle(store: EventStore) -> int:
    """How many judgements count nowhere because the beginning of their battle is not here."""
    with store.reading() as connection:
        return int(connection.exec_driver_sql(_OF_NO_BATTLE).scalar_one())


def battle_counts(store: EventStore, epoch: str, now: datetime | None = None) -> list[BattleCount]:
    """The battles of an epoch by the rater's role, topic, side of the tuned arm, and state.

    A battle without a judgement that was not ended either counts as left once its epoch is closed
    (nobody can judge it any more), or ``LEFT_AFTER`` has passed at ``now`` (default: the clock).
    """
    left_before = ((now or datetime.now(UTC)) - LEFT_AFTER).isoformat(timespec="microseconds")
    with store.reading() as connection:
        rows = connection.exec_driver_sql(_BATTLES, (left_before, epoch)).all()
    return [BattleCount._make(row) for row in rows]


def epochs(store: EventStore) -> list[EpochInfo]:
    """Every epoch, the oldest first."""
    with store.reading() as connection:
        rows = connection.exec_driver_sql(_EPOCHS).all()
    return [
        EpochInfo(
            id=row[0],
            pair=row[1],
            fingerprint=row[2],
            opened_at=datetime.fromisoformat(row[3]),
            closed_at=datetime.fromisoformat(row[4]) if row[4] else None,
            battles=row[5],
        )
        for row in rows
    ]
