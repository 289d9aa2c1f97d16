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
from mi_arena.battles.ending import end, ended_by
from mi_arena.battles.form import CONSENT_VERSION, TOPICS, Answers
from mi_arena.battles.judging import Judging
from mi_arena.battles.live import LiveTurn, of_battle, store_replies, watch
from mi_arena.battles.moderation import Moderator
from mi_arena.battles.offer import Offer
from mi_arena.battles.refusal import Refused, cleaned, saving, unknown
from mi_arena.battles.state import BattleState, Round, replay
from mi_arena.battles.tokens import Tokens
from mi_arena.battles.view import BattleView, view_of
from mi_arena.engine.protocol import ARMS, Away, Busy, Engine, EngineError
from mi_arena.pairs import Pair
from mi_arena.records.battle_events import BattleEnded, BattleStarted, ClientSaid, ConsentGiven
from mi_arena.records.events import Event, new_event_id
from mi_arena.records.store import AlreadyStored, EventStore, Transaction
from mi_arena.records.votes import Votes
from mi_arena.safety.limits import RateLimiter
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
        self._judging = Judging(store, self._tokens, rules.rounds_to_judge)

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
            given = ConsentGiven(version=CONSENT_VERSION, lang=lang)
            with saving():
                self.store.append(Event.of(given, role=who.role, rater=who.rater))

    def sign_in(self, who: Identity, code: str) -> str:
        """The sign-in token for a member's invite code. Raises ``Refused``."""
        self._not_too_fast(self._codes, who)
        token = self._identities.sign_in(code)
        if token is None:
            raise unknown(self.store, "bad_receipt")
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
        with saving(), self.offer.steady(), self.store.transaction() as transaction:
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
        text = cleaned(text, self.rules.message_limit)
        number = len(state.rounds) + 1
        if ending := ended_by(state, number, text, who.role):
            end(self.store, state, ending)
            return
        if self.offer.is_away(state.started.pair):
            raise Refused("away")
        self._not_too_fast(self._turns, who)
        said = of_battle(state, who.role, ClientSaid(battle=battle, round=number, text=text))
        with saving():
            try:
                self.store.append_all(said)
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
            with saving():
                store_replies(live, self.store)
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
        ended = BattleEnded(battle=state.started.battle, reason="start_over")
        end(self.store, state, of_battle(state, who.role, ended))
        if live is not None:
            self._forget(state.started.battle, live)

    def view(self, who: Identity, token: str) -> BattleView:
        """The battle as its rater may see it now. Raises ``Refused`` for somebody else's."""
        state, live = self._state(who, token)
        over = self.epochs.is_closed(state.epoch)
        return self._shown(state, live, token, over=over, may_reveal=who.role != "expert" or over)

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

    # ---- its judgement

    def judge(self, who: Identity, token: str, answers: Answers) -> None:
        """Store a judgement; a second one changes nothing. The receipt is in the view after it.

        A reason that shows danger ends the battle instead, like any other words of the client.
        """
        state, live = self._state(who, token)
        self._judging.judge(state, token, who.role, answers, answering=live is not None)

    def withdraw(self, who: Identity, receipt: str) -> None:
        """Withdraw the record that a receipt belongs to, from any browser. Raises ``Refused``."""
        self._not_too_fast(self._receipts, who)
        self._judging.withdraw(receipt)

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
        with self._lock:
            live = self._live.get(battle)
        state = replay(self.store.events(battle=battle))
        if state is None:
            raise unknown(self.store, "no_battle")
        if state.rater != who.rater:
            raise Refused("not_yours")
        if state.pending is None and live is not None and not live.unsaved:
            live = None
        return state, live

    def _under_way(self, records: EventStore | Transaction, who: Identity) -> str:
        """The token of the battle that a rater began last; an empty text unless it goes on."""
        begun = records.latest("battle_started", rater=who.rater)
        if begun is None:
            return ""
        token = self._tokens.begun(begun.event_id)
        state = replay(records.events(battle=self._tokens.battle(token)))
        if state is None or not state.open or records.count("epoch_closed", epoch=state.epoch):
            return ""
        return token

    def _forget(self, battle: str, live: LiveTurn) -> None:
        with self._lock:
            if self._live.get(battle) is live:
                del self._live[battle]

    def _not_too_fast(self, limiter: RateLimiter, who: Identity) -> None:
        if (wait := limiter.allow(who.rater)) > 0:
            raise Refused("too_fast", seconds=round(wait + 0.5))
