"""The documented projection: a record of events to the rows of a release, and the rest by reason.

A record at one moment in, rows out. What counts among codings and verdicts is decided by the
workspace's books; here it is decided what may go out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from mi_arena.access.keyed import keyed_by
from mi_arena.battles.state import replay
from mi_arena.records.battle_events import BattleEnded, BattleStarted, Judgement
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore
from mi_arena.records.votes import Votes
from mi_arena.records.workspace_events import BattleDrawn, CodingSubmitted, MatchJudged
from mi_arena.release.left_out import Reason, reason_of_battle
from mi_arena.release.masking import Masker
from mi_arena.release.pseudonyms import Pseudonyms
from mi_arena.release.rows import Rows
from mi_arena.release.schema import Row
from mi_arena.release.tables import TABLES, Table
from mi_arena.workspace.ledger import Handed, Ledger, Material
from mi_arena.workspace.material import MaterialStore
from mi_arena.workspace.report import source_of


@dataclass
class Projection:
    """What goes out and what doesn't. Both together are all that the records hold."""

    rows: dict[Table, list[Row]] = field(default_factory=lambda: {table: [] for table in TABLES})
    """By table, sorted by id."""
    left_out: dict[Table, Counter[Reason]] = field(
        default_factory=lambda: {table: Counter() for table in TABLES}
    )
    withheld: dict[str, Counter[Reason]] = field(default_factory=dict)
    """By epoch: the battles of it that are left out."""
    raters: set[str] = field(default_factory=set)
    """Who held the battles that go out, as the records know them."""
    masked: Counter[str] = field(default_factory=Counter)
    """By kind: how often personal data was masked."""
    open_work: int = 0
    """Experts' unfinished work on dialogues that go out: its raters could look up the systems."""


def project(store: EventStore, secret: bytes) -> Projection:
    """All that may go out of a store that does not change meanwhile. Raises ``Unreadable``."""
    making = _Making(store, secret)
    making.battles()
    making.verdicts()
    making.codings()
    making.open_work()
    return making.finished()


class _Making:
    """A projection while it is made; battles first, since the rest hangs on them."""

    def __init__(self, store: EventStore, secret: bytes):
        self._store = store
        ledger = Ledger(store)
        self._books = ledger.now()
        self._material = MaterialStore(store, ledger, keyed_by(secret))
        self._masker = Masker()
        self._rows = Rows(Pseudonyms(secret), self._masker)
        self._votes = Votes(store)
        self._made = Projection()
        self._reasons: dict[str, Reason | None] = {}
        """Of every battle; ``None`` for those that go out."""
        self._young: dict[str, datetime] = {}
        """When a rater last said that they are under age; whoever agreed again is of age since."""
        self._battle_of: dict[str, str] = {}
        """By dialogue and by match: the battle from which they were drawn."""

    def battles(self) -> None:
        closed = {event.epoch for event in self._store.events("epoch_closed")}
        for event in self._store.events("battle_ended"):
            assert isinstance(event.payload, BattleEnded)
            if event.payload.reason == "minor" and event.rater:
                self._young[event.rater] = event.created_at
        for started in self._store.events("battle_started"):
            assert isinstance(started.payload, BattleStarted)
            self._battle(started, started.payload.battle, closed=started.epoch in closed)
        for event in self._store.events("judgement"):
            assert isinstance(event.payload, Judgement)
            if event.payload.battle not in self._reasons:
                self._made.left_out["judgements"]["no_battle"] += 1
        for event in self._store.events("battle_drawn"):
            drawn = event.payload
            assert isinstance(drawn, BattleDrawn)
            self._battle_of |= dict.fromkeys((drawn.match, *drawn.dialogues.values()), drawn.battle)

    def _battle(self, started: Event, battle: str, *, closed: bool) -> None:
        made, events = self._made, list(self._store.events(battle=battle))
        state = replay(events)
        assert state is not None  # it was started
        judged = [(e, e.payload) for e in events if isinstance(e.payload, Judgement)]
        said = self._young.get(state.rater)
        young = said is not None and started.created_at <= said
        reason = reason_of_battle(state, started.role, closed=closed, young=young)
        self._reasons[battle] = reason
        if reason is not None:
            made.left_out["battles"][reason] += 1
            made.left_out["judgements"][reason] += len(judged)
            made.withheld.setdefault(state.epoch, Counter())[reason] += 1
            return
        made.raters.add(state.rater)
        made.rows["battles"].append(self._rows.battle(started, state, events))
        excluded = self._votes.excluded(state.epoch).get(battle)
        made.rows["judgements"] += [
            self._rows.judgement(e, told, state, excluded if e.role == "public" else None)
            for e, told in judged
        ]

    def verdicts(self) -> None:
        """Those on matches."""
        latest = {(v.match, rater): v.assignment for v, rater in self._books.verdicts.values()}
        for event in self._store.events("match_judged"):
            told = event.payload
            assert isinstance(told, MatchJudged)
            last = latest.get((told.match, event.rater or "")) == told.assignment
            sides = self._sides(told)
            reason = self._reason_of_drawn(told.match)
            if reason is None and (sides is None or told.assignment not in self._books.verdicts):
                reason = "taken_back"
            if reason is None and not last:
                reason = "superseded"
            if reason is not None:
                self._made.left_out["judgements"][reason] += 1
            else:
                assert sides is not None
                self._made.rows["judgements"].append(self._rows.match(event, told, *sides))

    def _sides(self, told: MatchJudged) -> tuple[Material, Material] | None:
        """What stood on A and on B; ``None`` where the match is no longer there."""
        opponents = self._books.opponents(told.match)
        if opponents is None or told.a_dialogue not in opponents:
            return None
        (other,) = (one for one in opponents if one != told.a_dialogue)
        return self._books.dialogues[told.a_dialogue], self._books.dialogues[other]

    def codings(self) -> None:
        self._made.left_out["codings"]["practice"] += self._store.count("practice_done")
        latest = {(one.told.coding, one.told.revision): one for one in self._books.latest()}
        for event in self._store.events("coding_submitted"):
            told = event.payload
            assert isinstance(told, CodingSubmitted)
            self._coding(told, latest.get((told.coding, told.revision)))

    def _coding(self, told: CodingSubmitted, handed: Handed | None) -> None:
        """``handed``: the same where it is the last of its rater that counts."""
        source = source_of(handed) if handed is not None else None
        coded = self._books.dialogues.get(told.dialogue)
        if coded is None and told.battle is not None and told.side is not None:
            coded = self._material.of_battle(told.battle, told.side)
        reason = self._reason_of_drawn(told.dialogue, told.battle)
        if reason is None and coded is None:
            reason = "taken_back"
        if reason is None and handed is None:
            reason = "superseded"
        if reason is None and source is None:
            reason = "admin"
        if reason is not None:
            self._made.left_out["codings"][reason] += 1
        else:
            assert coded is not None and handed is not None and source is not None
            self._made.rows["codings"].append(self._rows.coding(handed, coded, source))

    def _reason_of_drawn(self, id_: str, battle: str | None = None) -> Reason | None:
        """Why what came from a battle is left out: as the battle is."""
        battle = battle or self._battle_of.get(id_)
        return self._reasons.get(battle, "no_battle") if battle is not None else None

    def open_work(self) -> None:
        for work in self._books.assignments.values():
            battle = self._battle_of.get(work.target)
            if battle is not None and not self._books.done(work):
                self._made.open_work += self._reason_of_drawn(work.target) is None

    def finished(self) -> Projection:
        for rows in self._made.rows.values():
            rows.sort(key=lambda row: str(next(iter(row.values()))))
        for counts in self._made.left_out.values():
            for reason in [reason for reason, n in counts.items() if not n]:
                del counts[reason]
        self._made.masked = self._masker.counts
        return self._made
