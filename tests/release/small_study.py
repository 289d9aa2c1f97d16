"""Small studies in a store of their own: epochs as the arena opens them, battles as told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mi_arena.access.identity import Identities, Identity
from mi_arena.battles.epochs import Epoch, Epochs
from mi_arena.battles.state import SIDES
from mi_arena.battles.tokens import Tokens
from mi_arena.dialogue import Message
from mi_arena.miti.coding import Coding
from mi_arena.records.battle_events import (
    BattleEnded,
    BattleFlagged,
    BattleStarted,
    ClientSaid,
    ConsentGiven,
    EpochClosed,
    Judgement,
    Overall,
    Replied,
    Reply,
    Withdrawn,
)
from mi_arena.records.events import Event, new_event_id
from mi_arena.records.payloads import Payload
from mi_arena.records.store import DATABASE_NAME, EventStore
from mi_arena.records.workspace_events import (
    BattleDrawn,
    CodingSubmitted,
    DialogueImported,
    MatchJudged,
)
from mi_arena.study.allocation import tuned_side

SECRET = b"a secret of small studies"
VISITOR = Identity("rater-of-a-visitor", "public")
EXPERT = Identity("rater-of-an-expert", "expert", "ann")
CHIEF = Identity("rater-of-the-chief", "admin", "chief")


@dataclass(frozen=True)
class Plan:
    """How a battle goes."""

    who: Identity = VISITOR
    says: tuple[str, ...] = ("想少抽一点", "怕咳嗽")
    answers: str = "您想了很久。您打算怎么做？"
    judged: bool = True
    overall: Overall = "A"
    reason: str | None = None
    flagged: bool = False
    ended: bool = False
    withdrawn: bool = False


@dataclass
class SmallStudy:
    """Appends what the arena would."""

    folder: Path
    store: EventStore = field(init=False)
    battles: list[str] = field(default_factory=list)
    """In the order in which they began."""

    def __post_init__(self) -> None:
        self.store = EventStore(self.folder / DATABASE_NAME)
        self._epochs = Epochs(self.store, SECRET)
        self._tokens = Tokens(Identities(SECRET))

    def epoch(self, pair: str = "pair-quokka", version: int = 1) -> Epoch:
        """The open epoch of a pair with this served; opens one."""
        with self.store.transaction() as transaction:
            served = {"pair": pair, "version": version, "decoding": {"temperature": 1.0, "k": None}}
            return self._epochs.current(transaction, pair, served)

    def close(self, epoch: Epoch) -> None:
        self.tell(EpochClosed(reason="admin"), CHIEF, epoch.id)

    def battle(self, epoch: Epoch, plan: Plan | None = None) -> str:
        """A battle from beginning to end; its id."""
        plan = plan or Plan()
        who = plan.who
        with self.store.transaction() as transaction:
            index = transaction.next_allocation(epoch.id)
        event_id = new_event_id()
        token = self._tokens.begun(event_id)
        battle = self._tokens.battle(token)
        self.battles.append(battle)
        if not self.store.count("consent_given", rater=who.rater):
            self.tell(ConsentGiven(version="1", lang="zh"), who)
        started = BattleStarted(
            battle=battle, token_hash=self._tokens.kept(token), pair=epoch.pair, topic="smoking",
            starter=None, lang="zh", allocation_index=index,
            tuned_side=tuned_side(epoch.seed, index),
        )  # fmt: skip
        self.tell(started, who, epoch.id, event_id)
        for number, text in enumerate(plan.says, 1):
            self.round(battle, number, text, plan)
        if plan.flagged:
            self.tell(
                BattleFlagged(
                    battle=battle, round=1, category="self_harm", source="client", terms=["x"]
                ),
                who,
                epoch.id,
            )
        if plan.ended:
            self.tell(BattleEnded(battle=battle, reason="start_over"), who, epoch.id)
        if plan.judged:
            self.judge(epoch, battle, token, plan)
        return battle

    def round(self, battle: str, number: int, text: str, plan: Plan) -> None:
        self.tell(ClientSaid(battle=battle, round=number, text=text), plan.who)
        sides = {
            side: Reply(
                text=f"{side}{number}：{plan.answers}", end="stop", tokens=7, prompt_tokens=40,
                messages_left_out=0, token_seconds=[0.5, 0.75],
            )
            for side in SIDES
        }  # fmt: skip
        self.tell(Replied(battle=battle, round=number, sides=sides, seed=number), plan.who)

    def judge(self, epoch: Epoch, battle: str, token: str, plan: Plan) -> None:
        receipt = self._tokens.receipt_hash(self._tokens.receipt(token))
        judged = Judgement(
            battle=battle, overall=plan.overall, scales={"empathy": 1}, reason=plan.reason,
            guess="A", confidence=4, rounds=len(plan.says), form_version="1",
            ordinal=self.store.count("judgement", rater=plan.who.rater) + 1, receipt_hash=receipt,
        )  # fmt: skip
        self.tell(judged, plan.who, epoch.id)
        if plan.withdrawn:
            self.tell(Withdrawn(battle=battle, receipt_hash=receipt), plan.who, epoch.id)

    def draw(self, battle: str) -> None:
        """Experts get it: as the dialogues ``BATTLE-A`` and ``BATTLE-B`` and as ``BATTLE-m``."""
        (started,) = self.store.events("battle_started", battle=battle)
        dialogues = {side: f"{battle}-{side}" for side in SIDES}
        drawn = BattleDrawn(battle=battle, match=f"{battle}-m", dialogues=dialogues)
        self.tell(drawn, CHIEF, started.epoch)

    def import_match(self, name: str) -> None:
        """Of two systems from elsewhere; its dialogues are ``NAME-1`` and ``NAME-2``."""
        said = [Message(role="client", content="想戒烟"), Message(role="counselor", content="嗯。")]
        for number, system in enumerate(("remote:one", "remote:two"), 1):
            self.tell(
                DialogueImported(
                    dialogue=f"{name}-{number}", messages=said, system=system, pair="theirs",
                    match=name, topic="smoking", lang="zh",
                ),
                CHIEF,
            )  # fmt: skip

    def code(self, dialogue: str, coding: str, revision: int = 1) -> None:
        filled = Coding(globals={"CCT": 4}, counts={"Q": revision}, change_goal="少抽烟")
        told = CodingSubmitted(
            coding=coding, revision=revision, source="assigned", dialogue=dialogue,
            assignment=coding, trained=True, form="quick", filled=filled,
        )  # fmt: skip
        self.tell(told, EXPERT)

    def judge_match(self, match: str, a_dialogue: str, assignment: str) -> None:
        told = MatchJudged(
            assignment=assignment, match=match, a_dialogue=a_dialogue, overall="A",
            form_version="1",
        )  # fmt: skip
        self.tell(told, EXPERT)

    def withdraw(self, battle: str) -> None:
        """As its rater would, with the receipt."""
        (judged,) = self.store.events("judgement", battle=battle)
        assert isinstance(judged.payload, Judgement)
        gone = Withdrawn(battle=battle, receipt_hash=judged.payload.receipt_hash)
        self.tell(gone, VISITOR, judged.epoch)

    def tell(
        self,
        payload: Payload,
        who: Identity,
        epoch: str | None = None,
        event_id: str | None = None,
    ) -> None:
        self.store.append(
            Event.of(payload, role=who.role, rater=who.rater, epoch=epoch, event_id=event_id)
        )
