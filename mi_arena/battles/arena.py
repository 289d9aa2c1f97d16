"""The arena: everything a rater can do in a battle, with no page in it.

Identity, allocation and history live here and in the event store. A browser brings an opaque
battle token and its own tokens; nothing else that it sends is believed.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from mi_arena.access.identity import Identities, Identity
from mi_arena.battles.form import (
    CONSENT_VERSION,
    FORM_VERSION,
    REASON_LIMIT,
    TOPICS,
    Answers,
)
from mi_arena.battles.live import LiveTurn, flag, of_battle, store_replies, watch
from mi_arena.battles.moderation import Moderator
from mi_arena.battles.offer import Offer
from mi_arena.battles.refusal import Code, Refused, not_saved
from mi_arena.battles.state import BattleState, Round, replay
from mi_arena.battles.tokens import Tokens
from mi_arena.battles.view import BattleView, view_of
from mi_arena.engine.protocol import ARMS, Away, Busy, Engine, EngineError
from mi_arena.pairs import Pair
from mi_arena.records.battle_events import (
    BattleEnded,
    BattleStarted,
    ClientSaid,
    ConsentGiven,
    Judgement,
    Withdrawn,
)
from mi_arena.records.events import Event, new_event_id
from mi_arena.records.receipts import find_receipt
from mi_arena.records.store import AlreadyStored, EventStore, NotStored, Transaction
from mi_arena.records.votes import Votes
from mi_arena.safety.check import findings as signs_of_danger
from mi_arena.safety.limits import RateLimiter
from mi_arena.safety.minors import says_under_age
from mi_arena.safety.text import BadText, clean
from mi_arena.study.allocation import tuned_side
from mi_arena.study.exclusions import LIMITS, Limits

log = logging.getLogger(__name__)

Lang = Literal["zh", "en"]


@dataclass(frozen=True)
class Rules:
    """What an operator may set."""

    rounds_to_judge: int = 2
    message_limit: int = 800
    turns_per_minute: int = 12
    turns_per_minute_in_all: int = 240
    exclusions: Limits = LIMITS


class Arena:
    """Battles over the pairs that are served. Any number of threads may call it."""

    def __init__(
        self,
        store: EventStore,
        identities: Identities,
        secret: bytes,
        pairs: Mapping[str, Pair],
        engines: Mapping[str, Engine],
        rules: Rules,
        moderator: Moderator | None = None,
    ):
        self.store, self.rules = store, rules
        self.votes = Votes(store, rules.exclusions)
        self._moderator = moderator
        self._identities = identities
        self.offer = Offer(store, secret, pairs, engines)
        self.epochs = self.offer.epochs
        self._live: dict[str, LiveTurn] = {}
        self._lock = threading.Lock()
        self._turns = RateLimiter(rules.turns_per_minute, rules.turns_per_minute_in_all, 60)
        self._starts = RateLimiter(
            max(6, rules.turns_per_minute // 2), rules.turns_per_minute_in_all, 60
        )
        """Consents and battles begun: what a hammering newcomer could fill the disk with."""
        self._codes = RateLimiter(6, 60, 60)
        self._receipts = RateLimiter(6, 600, 60)
        """Apart and wide: guessing is hopeless, and nobody may be locked out of withdrawing."""
        self._tokens = Tokens(identities)

    # ---- before a battle

    def has_consented(self, who: Identity) -> bool:
        """Whether the rater agreed to the notice of this version, and has not said since that they
        are under age: then they are asked again whether they are of age."""
        agreed = False
        for event in self.store.events(["consent_given", "battle_ended"], rater=who.rater):
            match event.payload:
                case ConsentGiven(version=version):
                    agreed = agreed or version == CONSENT_VERSION
                case BattleEnded(reason="minor"):
                    agreed = False
        return agreed

    def consent(self, who: Identity, lang: Lang) -> None:
        """Store that the rater agreed to the notice of this version. Raises ``Refused``."""
        if not self.has_consented(who):
            self._not_too_fast(self._starts, who)
            self._append(
                [
                    Event.of(
                        ConsentGiven(version=CONSENT_VERSION, lang=lang),
                        role=who.role,
                        rater=who.rater,
                    )
                ]
            )

    def sign_in(self, who: Identity, code: str) -> str:
        """The sign-in token for a member's invite code. Raises ``Refused``."""
        self._not_too_fast(self._codes, who)
        token = self._identities.sign_in(code)
        if token is None:
            raise self._unknown("bad_receipt")
        return token

    # ---- a battle

    def start(self, who: Identity, topic: str, starter: str | None, lang: Lang) -> str:
        """Begin a battle on a pair drawn at random and return its token for the browser.

        A rater has one open battle: whoever asks for another (a second tab, an answer that was
        lost on its way) gets that one.
        """
        if topic not in TOPICS:
            raise Refused("bad_topic")
        if not self.offer.pairs():
            raise Refused("no_pair")
        if not self.has_consented(who):
            raise Refused("no_consent")
        self._not_too_fast(self._starts, who)
        try:
            with self.offer.steady(), self.store.transaction() as transaction:
                if latest := self._under_way(transaction, who):
                    return latest
                pair = self.offer.drawn()
                if pair is None:
                    raise Refused("away")
                event_id = new_event_id()
                token = self._tokens.begun(event_id)
                epoch = self.offer.epochs_now(transaction)[pair]
                index = transaction.next_allocation(epoch.id)
                transaction.append(
                    Event.of(
                        BattleStarted(
                            battle=self._tokens.battle(token),
                            token_hash=self._tokens.kept(token),
                            pair=pair,
                            topic=topic,
                            starter=starter,
                            lang=lang,
                            allocation_index=index,
                            tuned_side=tuned_side(epoch.seed, index),
                        ),
                        role=who.role,
                        epoch=epoch.id,
                        rater=who.rater,
                        event_id=event_id,
                    )
                )
        except NotStored as error:
            raise self._not_saved(error) from None
        return token

    def open_battle(self, who: Identity) -> str:
        """The token of the rater's open battle, or an empty text: for a browser that lost it."""
        return self._under_way(self.store, who)

    def say(self, who: Identity, token: str, text: str) -> None:
        """Take a client turn and let both sides answer it. Raises ``Refused``.

        The turn is stored before anything is generated, so that it survives whatever happens. One
        that shows danger is not stored: only that there was one, and of which kind.
        """
        state, live = self._state(who, token)
        battle = state.started.battle
        if not state.open or self.epochs.is_closed(state.epoch):
            raise Refused("not_open")
        if live is not None or state.pending is not None:
            raise Refused("still_answering")
        try:
            text = clean(text, self.rules.message_limit)
        except BadText as error:
            raise Refused(error.code, limit=error.limit, length=error.length) from None
        number = len(state.rounds) + 1
        if events := self._not_to_go_on(state, number, text, who):
            self._end(state, events)
            return
        if self.offer.is_away(state.started.pair):
            raise Refused("away")
        self._not_too_fast(self._turns, who)
        said = of_battle(state, who.role, ClientSaid(battle=battle, round=number, text=text))
        try:
            self._append(said)
        except AlreadyStored:
            raise Refused("still_answering") from None
        state.rounds.append(Round(number, text))
        self._answer(who, state)

    def retry(self, who: Identity, token: str) -> None:
        """Try again what broke off: replies that were not stored, or a turn without replies."""
        state, live = self._state(who, token)
        if live is not None:
            if not live.unsaved:
                return
            try:
                store_replies(live, self.store)
            except NotStored as error:
                raise self._not_saved(error) from None
            self._forget(state.started.battle, live)
            return
        if state.pending is None or not state.open:
            return
        if self.epochs.is_closed(state.epoch):
            raise Refused("not_open")
        self._not_too_fast(self._turns, who)
        self._answer(who, state)

    def stop(self, who: Identity, token: str) -> None:
        """Stop both sides where they are."""
        _, live = self._state(who, token)
        if live is not None:
            live.turn.cancel()
            live.finished.wait(10)

    def give_up(self, who: Identity, token: str) -> None:
        """End a battle without a judgement, to start over."""
        state, live = self._state(who, token)
        if not state.open:
            return
        self.stop(who, token)
        self._append(
            [
                Event.of(
                    BattleEnded(battle=state.started.battle, reason="start_over"),
                    role=who.role,
                    epoch=state.epoch,
                    rater=who.rater,
                )
            ]
        )
        if live is not None:
            self._forget(state.started.battle, live)

    def view(self, who: Identity, token: str) -> BattleView:
        """The battle as its rater may see it now. Raises ``Refused`` for somebody else's."""
        return self._view(who, token, *self._state(who, token))

    def glimpses(self, who: Identity, token: str) -> Callable[[], BattleView | None]:
        """A function that gives the view of the running turn, and ``None`` once it has ended.

        Cheap, so that a page may call it several times a second; nothing is read from the store.
        """
        state, live = self._state(who, token)
        blind = who.role == "expert"

        def glimpse() -> BattleView | None:
            if live is None or live.finished.is_set():
                return None
            return self._shown(state, live, token, over=False, may_reveal=not blind)

        return glimpse

    def follow(self, who: Identity, token: str, interval: float) -> Iterator[BattleView]:
        """Views while both sides answer, at most one in ``interval`` seconds; the last is final."""
        _, live = self._state(who, token)
        glimpse = self.glimpses(who, token)
        if live is not None:
            for _ in live.turn.follow(interval):
                if (view := glimpse()) is not None:
                    yield view
            live.finished.wait(30)
        yield self.view(who, token)

    def judge(self, who: Identity, token: str, answers: Answers) -> None:
        """Store a judgement; a second one changes nothing. The receipt is in the view after it.

        A reason that shows danger ends the battle instead, like any other words of the client.
        """
        state, live = self._state(who, token)
        if state.judgement is not None:
            return
        if not state.open:
            raise Refused("not_open")
        if live is not None:
            raise Refused("still_answering")
        if state.complete_rounds < self.rules.rounds_to_judge:
            raise Refused("too_few_rounds", rounds=self.rules.rounds_to_judge)
        reason = None
        if answers.reason and answers.reason.strip():
            try:
                reason = clean(answers.reason, REASON_LIMIT)
            except BadText as error:
                raise Refused(error.code, limit=error.limit, length=error.length) from None
            if events := self._not_to_go_on(state, len(state.rounds), reason, who):
                self._end(state, events)
                return
        try:
            with self.store.transaction() as transaction:
                ended = transaction.count("battle_ended", battle=state.started.battle) > 0
                if ended or self._over(transaction, state):
                    raise Refused("not_open")
                transaction.append(
                    Event.of(
                        Judgement(
                            battle=state.started.battle,
                            overall=answers.overall,
                            scales=answers.scales,
                            reason=reason,
                            guess=answers.guess,
                            confidence=answers.confidence,
                            rounds=state.complete_rounds,
                            ordinal=transaction.count("judgement", rater=who.rater) + 1,
                            form_version=FORM_VERSION,
                            receipt_hash=self._tokens.receipt_hash(self._tokens.receipt(token)),
                        ),
                        role=who.role,
                        epoch=state.epoch,
                        rater=who.rater,
                    )
                )
        except AlreadyStored:
            return
        except NotStored as error:
            raise self._not_saved(error) from None

    def withdraw(self, who: Identity, receipt: str) -> None:
        """Withdraw the record that a receipt belongs to, from any browser. Raises ``Refused``."""
        self._not_too_fast(self._receipts, who)
        wanted = self._tokens.receipt_hash(receipt)
        judged = find_receipt(self.store, wanted)
        if judged is None:
            raise self._unknown("bad_receipt")
        assert isinstance(judged.payload, Judgement)
        try:
            self._append(
                [
                    Event.of(
                        Withdrawn(battle=judged.payload.battle, receipt_hash=wanted),
                        role=judged.role,
                        epoch=judged.epoch,
                        rater=judged.rater,
                    )
                ]
            )
        except AlreadyStored:
            raise Refused("already_withdrawn") from None

    def close(self) -> None:
        """Stop every engine; client turns without replies stay open and can be tried again."""
        self.offer.close()
        with self._lock:
            running = list(self._live.values())
        for live in running:
            live.finished.wait(10)
        if self._moderator is not None:
            self._moderator.close()
        self.store.close()

    # ---- inside

    def _not_to_go_on(
        self, state: BattleState, number: int, text: str, who: Identity
    ) -> list[Event]:
        """What is recorded, without the text, where a text shows danger or says that its writer is
        under age; empty where the battle may go on."""
        findings, young = signs_of_danger(text, "client"), says_under_age(text)
        if findings:
            return flag(state, number, findings, who.role, "minor" if young else "crisis")
        if not young:
            return []
        ended = BattleEnded(battle=state.started.battle, reason="minor")
        return of_battle(state, who.role, ended)

    def _end(self, state: BattleState, events: list[Event]) -> None:
        """Store the end of a battle once, whoever asks for it beside."""
        try:
            with self.store.transaction() as transaction:
                if not transaction.count("battle_ended", battle=state.started.battle):
                    transaction.append_all(events)
        except NotStored as error:
            raise self._not_saved(error) from None

    def _answer(self, who: Identity, state: BattleState) -> None:
        battle = state.started.battle
        offered = self.offer.answering(state.started.pair, state.epoch)
        if offered is None:
            raise Refused("not_open" if self.epochs.is_closed(state.epoch) else "no_pair")
        pair = offered.pair
        seed = secrets.randbits(62)
        with self._lock:
            if battle in self._live:
                return
            try:
                turn = offered.engine.submit(
                    {arm: state.history(arm, pair.system_prompt) for arm in ARMS},
                    pair.decoding,
                    seed,
                )
            except Busy:
                raise Refused("busy") from None
            except Away:
                raise Refused("away") from None
            except EngineError as error:
                log.error("a turn could not be started: %s", error)
                raise Refused("no_pair") from None
            live = self._live[battle] = LiveTurn(state, turn, seed, who.role)
        threading.Thread(
            target=watch,
            args=(live, self.store, lambda: self._forget(battle, live), self._moderator),
            name="turn",
            daemon=True,
        ).start()

    def _view(
        self, who: Identity, token: str, state: BattleState, live: LiveTurn | None
    ) -> BattleView:
        over = self.epochs.is_closed(state.epoch)
        return self._shown(state, live, token, over=over, may_reveal=who.role != "expert" or over)

    def _shown(
        self, state: BattleState, live: LiveTurn | None, token: str, *, over: bool, may_reveal: bool
    ) -> BattleView:
        return view_of(
            state,
            live=live.shown() if live is not None else None,
            unsaved=live is not None and live.unsaved,
            over=over,
            away=self.offer.is_away(state.started.pair),
            rounds_to_judge=self.rules.rounds_to_judge,
            may_reveal=may_reveal,
            receipt=self._tokens.receipt(token) if state.judgement else None,
        )

    def _state(self, who: Identity, token: str) -> tuple[BattleState, LiveTurn | None]:
        if not token:
            raise Refused("no_battle")
        battle = self._tokens.battle(token)
        # The running turn first: one that ends in between is then seen twice, never not at all.
        live = self._current(battle)
        state = replay(self.store.events(battle=battle))
        if state is None:
            raise self._unknown("no_battle")
        if state.rater != who.rater:
            raise Refused("not_yours")
        if state.pending is None and live is not None and not live.unsaved:
            live = None
        return state, live

    def _unknown(self, code: Code) -> Refused:
        """For what the store does not have, unless it may be among what it has lost."""
        return Refused(code if self.store.taking else "not_restored")

    def _under_way(self, records: EventStore | Transaction, who: Identity) -> str:
        """The token of the battle that a rater began last; an empty text unless it goes on."""
        begun = records.latest("battle_started", rater=who.rater)
        if begun is None:
            return ""
        token = self._tokens.begun(begun.event_id)
        state = replay(records.events(battle=self._tokens.battle(token)))
        going_on = state is not None and state.open and not self._over(records, state)
        return token if going_on else ""

    @staticmethod
    def _over(records: EventStore | Transaction, state: BattleState) -> bool:
        return records.count("epoch_closed", epoch=state.epoch) > 0

    def _current(self, battle: str) -> LiveTurn | None:
        with self._lock:
            return self._live.get(battle)

    def _forget(self, battle: str, live: LiveTurn) -> None:
        with self._lock:
            if self._live.get(battle) is live:
                del self._live[battle]

    def _not_too_fast(self, limiter: RateLimiter, who: Identity) -> None:
        if (wait := limiter.allow(who.rater)) > 0:
            raise Refused("too_fast", seconds=round(wait + 0.5))

    def _append(self, events: list[Event]) -> None:
        try:
            self.store.append_all(events)
        except AlreadyStored:
            raise
        except NotStored as error:
            raise self._not_saved(error) from None

    def _not_saved(self, error: NotStored) -> Refused:
        log.error("nothing was saved: %s", error)
        return not_saved(error)
