"""Judging a battle: when it may be judged, what is stored of it, and how it is taken back.

Whose battle it is, and whether both sides are still answering, is known already.
"""

from __future__ import annotations

from contextlib import suppress

from mi_arena.battles.ending import end, ended_by
from mi_arena.battles.form import FORM_VERSION, Answers
from mi_arena.battles.live import of_battle
from mi_arena.battles.refusal import Refused, saving, unknown
from mi_arena.battles.state import BattleState
from mi_arena.battles.tokens import Tokens
from mi_arena.records.battle_events import Judgement, Withdrawn
from mi_arena.records.events import Event
from mi_arena.records.payloads import Role
from mi_arena.records.receipts import find_receipt
from mi_arena.records.store import AlreadyStored, EventStore, Transaction


class Judging:
    """The judgements of a store, each with its receipt. Any number of threads may call it."""

    def __init__(self, store: EventStore, tokens: Tokens, rounds_to_judge: int):
        self._store, self._tokens, self._rounds = store, tokens, rounds_to_judge

    def judge(
        self, state: BattleState, token: str, role: Role, answers: Answers, *, answering: bool
    ) -> None:
        """Store what the battle's rater answered, or end the battle where their reason does.

        ``role``: theirs. ``answering``: a turn still runs. Raises ``Refused``.
        """
        if state.judgement is not None:
            return
        self._may_be_judged(state, answering)
        reason = answers.cleaned_reason()
        if reason and (ending := ended_by(state, len(state.rounds), reason, role)):
            end(self._store, state, ending)
            return
        receipt_hash = self._tokens.receipt_hash(self._tokens.receipt(token))
        with saving(), suppress(AlreadyStored), self._store.transaction() as transaction:
            # It may have ended since it was looked at.
            if _is_over(transaction, state):
                raise Refused("not_open")
            judgement = Judgement(
                battle=state.started.battle,
                overall=answers.overall,
                scales=answers.scales,
                reason=reason,
                guess=answers.guess,
                confidence=answers.confidence,
                rounds=state.complete_rounds,
                ordinal=transaction.count("judgement", rater=state.rater) + 1,
                form_version=FORM_VERSION,
                receipt_hash=receipt_hash,
            )
            transaction.append_all(of_battle(state, role, judgement))

    def withdraw(self, receipt: str) -> None:
        """Withdraw the record that a receipt belongs to. Raises ``Refused``."""
        wanted = self._tokens.receipt_hash(receipt)
        judged = find_receipt(self._store, wanted)
        if judged is None:
            raise unknown(self._store, "bad_receipt")
        assert isinstance(judged.payload, Judgement)
        withdrawn = Event.of(
            Withdrawn(battle=judged.payload.battle, receipt_hash=wanted),
            role=judged.role,
            epoch=judged.epoch,
            rater=judged.rater,
        )
        with saving():
            try:
                self._store.append(withdrawn)
            except AlreadyStored:
                raise Refused("already_withdrawn") from None

    def _may_be_judged(self, state: BattleState, answering: bool) -> None:
        if not state.open:
            raise Refused("not_open")
        if answering:
            raise Refused("still_answering")
        if state.complete_rounds < self._rounds:
            raise Refused("too_few_rounds", rounds=self._rounds)


def _is_over(transaction: Transaction, state: BattleState) -> bool:
    ended = transaction.count("battle_ended", battle=state.started.battle)
    return ended + transaction.count("epoch_closed", epoch=state.epoch) > 0
