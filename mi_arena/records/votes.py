"""From events to the votes that the rules of exclusion look at; reads on from where it was.

Of what was said only a hash and a length are held, and those only in memory.
"""

from __future__ import annotations

import hashlib
import json
import threading
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mi_arena.records.store import EventStore
from mi_arena.study.exclusions import LIMITS, Limits, Reason, Vote, excluded

# SQLite takes the lengths: no reply leaves the database.
_NEWS = """
SELECT seq, kind, battle, epoch, rater, role, created_at,
       CASE kind
         WHEN 'battle_started' THEN json_extract(payload, '$.starter')
         WHEN 'client_said' THEN json_extract(payload, '$.text')
         WHEN 'replied' THEN length(json_extract(payload, '$.sides.A.text'))
                           + length(json_extract(payload, '$.sides.B.text'))
         WHEN 'judgement' THEN payload
       END
FROM events
WHERE seq > ? AND kind IN ('battle_started', 'client_said', 'replied', 'judgement')
ORDER BY seq
"""
_ANSWERS = ("overall", "scales", "guess", "confidence")


@dataclass
class _Battle:
    began_at: float
    by_starter: bool
    read_from: float
    letters: int = 0
    own_letters: int = 0
    rounds: int = 0
    talk: Any = field(default_factory=hashlib.sha256)


class Votes:
    """The votes of a store. Any number of threads may ask."""

    def __init__(self, store: EventStore, limits: Limits = LIMITS):
        self._store, self._limits = store, limits
        self._lock = threading.Lock()
        self._read = 0
        self._battles: dict[str, _Battle] = {}
        self._votes: dict[str, list[Vote]] = {}
        self._excluded: dict[str, tuple[int, dict[str, Reason]]] = {}

    def of(self, epoch: str) -> list[Vote]:
        """Every judgement of an epoch, in the order in which they were stored.

        Raises ``Unreadable``.
        """
        with self._lock:
            self._read_on()
            return list(self._votes.get(epoch, ()))

    def excluded(self, epoch: str) -> dict[str, Reason]:
        """The battles of an epoch whose judgement doesn't count, and why. Raises ``Unreadable``."""
        votes = self.of(epoch)
        with self._lock:
            n, found = self._excluded.get(epoch, (-1, {}))
            if n != len(votes):
                found = excluded(votes, self._limits)
                self._excluded[epoch] = len(votes), found
            return dict(found)

    def flags(self, epoch: str) -> list[bool]:
        """Of each judgement of the public, in their order, whether it is excluded."""
        found = self.excluded(epoch)
        return [vote.battle in found for vote in self.of(epoch) if vote.role == "public"]

    def _read_on(self) -> None:
        with self._store.reading() as connection:
            rows = connection.exec_driver_sql(_NEWS, (self._read,)).all()
        for seq, kind, battle, epoch, rater, role, created_at, told in rows:
            at = datetime.fromisoformat(created_at).timestamp()
            if kind == "battle_started":
                self._battles[battle] = _Battle(at, told is not None, at)
            elif battle in self._battles and kind == "judgement":
                vote = _vote(self._battles.pop(battle), battle, rater, role, at, json.loads(told))
                self._votes.setdefault(epoch, []).append(vote)
            elif battle in self._battles:
                _hear(self._battles[battle], kind, at, told)
            self._read = seq


def _hear(battle: _Battle, kind: str, at: float, told: Any) -> None:
    if kind == "replied":
        battle.read_from, battle.letters = at, battle.letters + (told or 0)
        return
    battle.rounds += 1
    if battle.rounds == 1 and battle.by_starter:
        return  # not their own words
    words = "".join(unicodedata.normalize("NFKC", told).casefold().split())
    battle.own_letters += len(words)
    battle.talk.update(words.encode() + b"\n")


def _vote(
    battle: _Battle, name: str, rater: str, role: str, at: float, answers: dict[str, Any]
) -> Vote:
    return Vote(
        battle=name,
        rater=rater,
        role=role,
        at=at,
        began_at=battle.began_at,
        read_from=battle.read_from,
        letters=battle.letters,
        talk=battle.talk.hexdigest(),
        own_letters=battle.own_letters,
        verdict=json.dumps([answers.get(name) for name in _ANSWERS], sort_keys=True),
    )
