"""A workspace over a real store, and battles, imports and work appended as events."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from mi_arena.access.identity import Identities, Identity
from mi_arena.access.keyed import keyed_by
from mi_arena.access.members import Members
from mi_arena.battles.form import Answers
from mi_arena.battles.state import SIDES
from mi_arena.battles.tokens import Tokens
from mi_arena.dialogue import Message, spoken_sha256
from mi_arena.miti.coding import parse_coding
from mi_arena.miti.vignettes import vignettes
from mi_arena.records.battle_events import (
    BattleFlagged,
    BattleStarted,
    ClientSaid,
    EpochClosed,
    Judgement,
    Replied,
    Reply,
    Side,
    Withdrawn,
)
from mi_arena.records.drafts import DRAFTS_NAME, Drafts
from mi_arena.records.events import Event
from mi_arena.records.payloads import Payload
from mi_arena.records.store import DATABASE_NAME, EventStore
from mi_arena.records.workspace_events import DialogueImported, PracticeDone, WorkAssigned
from mi_arena.workspace.desk import Desk, Job
from mi_arena.workspace.ledger import Task
from mi_arena.workspace.suggestions import Judged
from mi_arena.workspace.workspace import Workspace

SECRET = b"one secret for tests"
EPOCH = "pair-quokka-abc123-1"
"""Like ours, the id of an epoch begins with its pair's."""
ANN = Identity("rater-of-ann", "expert", "ann")
BO = Identity("rater-of-bo", "expert", "bo")
VISITOR = Identity("rater-of-a-visitor", "public")
CHIEF = Identity("rater-of-the-chief", "admin", "chief")
ANSWERS = Answers(overall="B", scales={"empathy": 1}, reason="B 更会听", guess="A", confidence=4)
CLEAN = {(0, 0): "SR", (0, 1): "Q", (1, 0): "CR", (1, 1): "EMPHASIZE"}
"""A code for every utterance of an imported dialogue, breaking no rule."""
JUDGED_CODES: list[list[str | None]] = [["SR", "Q"], ["CR", None]]
"""What `judged` says of the two volleys of such a dialogue."""
End = Literal["stop", "length", "cancelled", "error"]


def open_workspace(folder: Path) -> Workspace:
    """As the app opens it, and as another process would open it on the same files."""
    store = EventStore(folder / DATABASE_NAME, busy_timeout=5)
    identities = Identities(SECRET, Members(store, keyed_by(SECRET)))
    return Workspace(store, Drafts(folder / DRAFTS_NAME), identities)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    opened = open_workspace(tmp_path)
    yield opened
    opened.close()
    opened.store.close()


@pytest.fixture
def elsewhere(workspace: Workspace) -> Iterator[Workspace]:
    """The same workspace as another process has it."""
    opened = open_workspace(workspace.store.path.parent)
    yield opened
    opened.close()
    opened.store.close()


@pytest.fixture
def store(workspace: Workspace) -> EventStore:
    return workspace.store


@pytest.fixture
def identities(store: EventStore) -> Identities:
    return Identities(SECRET, Members(store, keyed_by(SECRET)))


def invited(identities: Identities, role: str = "expert") -> Identity:
    """A new member, signed in."""
    assert identities.members is not None
    code = identities.members.invite(role).code
    return identities.of("browser", identities.sign_in(code))


def train(store: EventStore, *raters: Identity) -> None:
    """Practice done as its key says, as often as the bar asks for when nobody has set it."""
    for who in raters:
        for vignette in vignettes()[:2]:
            tell(store, PracticeDone(vignette=vignette.id, filled=vignette.known), who)


def tell(store: EventStore, payload: Payload, who: Identity, epoch: str | None = None) -> None:
    store.append(Event.of(payload, role=who.role, rater=who.rater, epoch=epoch))


def said_by(side: Side, number: int) -> str:
    """What the counsellor on this side says in a round: two utterances."""
    return f"{side}：您想了很久{number}。您打算怎么做？"


def append_battle(
    store: EventStore,
    token: str = "token-1",
    who: Identity = VISITOR,
    *,
    rounds: int = 2,
    tuned_side: Side = "A",
    epoch: str = EPOCH,
    judged: bool = True,
) -> str:
    """A battle as the arena stores it; its id."""
    battle = Tokens(Identities(SECRET)).battle(token)
    started = BattleStarted(
        battle=battle,
        token_hash="t",
        pair="pair-quokka",
        topic="smoking",
        lang="zh",
        allocation_index=store.count("battle_started", epoch=epoch),
        tuned_side=tuned_side,
    )
    tell(store, started, who, epoch)
    for number in range(1, rounds + 1):
        append_round(store, battle, number, who)
    if judged:
        append_judgement(store, battle, who, epoch=epoch)
    return battle


def append_round(
    store: EventStore,
    battle: str,
    number: int,
    who: Identity = VISITOR,
    *,
    ends: tuple[End, End] | None = ("stop", "stop"),
) -> None:
    """A round; a side that ends in an error has said nothing. ``None``: nobody has answered yet."""
    tell(store, ClientSaid(battle=battle, round=number, text=f"来访者{number}"), who, EPOCH)
    if ends is not None:
        sides = {
            side: Reply(
                text="" if end == "error" else said_by(side, number),
                end=end,
                tokens=1,
                prompt_tokens=1,
                messages_left_out=0,
                token_seconds=[0.5],
            )
            for side, end in zip(SIDES, ends, strict=True)
        }
        tell(store, Replied(battle=battle, round=number, sides=sides, seed=1), who, EPOCH)


def append_judgement(
    store: EventStore, battle: str, who: Identity = VISITOR, epoch: str = EPOCH
) -> None:
    judged = Judgement(
        battle=battle,
        overall="A",
        rounds=2,
        ordinal=store.count("judgement", rater=who.rater) + 1,
        form_version="1",
        receipt_hash="r",
    )
    tell(store, judged, who, epoch)


def withdrawn(battle: str) -> Withdrawn:
    return Withdrawn(battle=battle, receipt_hash="r")


def flagged(battle: str) -> BattleFlagged:
    return BattleFlagged(battle=battle, round=1, category="self_harm", source="client", terms=["x"])


def close_epoch(store: EventStore, epoch: str = EPOCH) -> None:
    tell(store, EpochClosed(reason="admin"), CHIEF, epoch)


def line(name: str = "one", **meta: object) -> dict[str, Any]:
    """A line of a dialogue file; ``meta`` says what it is of."""
    return {
        "id": name,
        "source": "made-up",
        "lang": "zh",
        "messages": [
            {"role": "client", "content": f"我是{name}，想少抽一点。"},
            {"role": "counselor", "content": f"{name}，您想少抽一点。是什么让您想改？"},
            {"role": "client", "content": "怕咳嗽。"},
            {"role": "counselor", "content": "咳嗽让您担心。下一步由您定。"},
        ],
        "meta": {"system": "tuned", "pair": "pair-wombat", **meta},
    }


def jsonl(lines: Iterable[Mapping[str, Any] | str]) -> str:
    return "\n".join(
        one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in lines
    )


def import_alone(workspace: Workspace, *names: str) -> list[str]:
    """Dialogues without a match; their ids in that order."""
    workspace.material.import_dialogues(jsonl(line(name) for name in names), "alone.jsonl")
    by_opening = {
        material.messages[0].content: id_
        for id_, material in workspace.ledger.now().dialogues.items()
        if material.messages
    }
    return [by_opening[line(name)["messages"][0]["content"]] for name in names]


def import_match(workspace: Workspace, name: str = "m") -> str:
    """A match of a base and a tuned dialogue; its id."""
    before = set(workspace.ledger.now().matches)
    lines = [
        line(f"{name}-{number}", system=system, match_id=name)
        for number, system in enumerate(("base", "tuned"))
    ]
    workspace.material.import_dialogues(jsonl(lines), "match.jsonl")
    (new,) = set(workspace.ledger.now().matches) - before
    return new


def one_match(workspace: Workspace, *, from_battle: bool) -> str:
    """The only match there is, drawn or imported; its id."""
    if from_battle:
        append_battle(workspace.store)
        workspace.material.draw_battles()
    else:
        import_match(workspace)
    (match,) = workspace.ledger.now().matches
    return match


def add_third(store: EventStore) -> None:
    """A third dialogue to the first match that was imported, as no import would."""
    first = next(store.events("dialogue_imported")).payload
    assert isinstance(first, DialogueImported)
    tell(store, first.model_copy(update={"dialogue": "third", "system": "reference"}), CHIEF)


def assign(store: EventStore, who: Identity, target: str, task: Task = "coding") -> str:
    """An assignment that no draw decided; its id."""
    assignment = secrets.token_hex(8)
    told = WorkAssigned(assignment=assignment, task=task, target=target)
    store.append(Event.of(told, role="admin", rater=who.rater))
    return assignment


def change(workspace: Workspace, job: Job, **given: Any) -> Desk:
    """One change by somebody whose page shows the latest version; the desk after it."""
    version = workspace.desks.open(job).sheet.version
    return workspace.desks.change(job, version, given)[1]


def hand_in(workspace: Workspace, job: Job, goal: str = "少抽烟", **more: Any) -> Desk:
    """Name the goal and hand in, sure of it."""
    version = change(workspace, job, do="goal", text=goal).sheet.version
    return workspace.desks.submit(job, version, **({"sure": True, "trained": True} | more))


def assigned_to(workspace: Workspace, who: Identity) -> Job:
    """An imported dialogue that a trained rater is to code."""
    train(workspace.store, who)
    (dialogue,) = import_alone(workspace, "one")
    return workspace.assignments.job(who, assign(workspace.store, who, dialogue))


def code_dialogue(
    workspace: Workspace, who: Identity, dialogue: str, codes: Mapping[tuple[int, int], str]
) -> Job:
    """Assign a dialogue and hand in a coding; ``codes`` by volley and utterance, from 0."""
    job = workspace.assignments.job(who, assign(workspace.store, who, dialogue))
    for (volley, utterance), code in codes.items():
        change(workspace, job, do="code", volley=volley, utterance=utterance, code=code)
    hand_in(workspace, job)
    return job


def texts_in(thing: object, hidden: Collection[str] = ()) -> Iterator[str]:
    """Every text that a value leads to, but for what stands in fields named ``hidden``."""
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, BaseModel):
        yield from texts_in(dict(thing), hidden)
    elif is_dataclass(thing):
        yield from texts_in({one.name: getattr(thing, one.name) for one in fields(thing)}, hidden)
    elif isinstance(thing, Mapping):
        for key, value in thing.items():
            yield str(key)
            if key not in hidden:
                yield from texts_in(value, hidden)
    elif isinstance(thing, list | tuple):
        for one in thing:
            yield from texts_in(one, hidden)


def said_in(name: str) -> list[Message]:
    return [Message.model_validate(one) for one in line(name)["messages"]]


def judged(name: str, **changes: Any) -> Judged:
    """The judge's coding of a dialogue of a file, cut at the first full stop of each volley."""
    volleys = []
    for message, codes in zip(said_in(name)[1::2], JUDGED_CODES, strict=True):
        first, rest = message.content.split("。", 1)
        texts = (f"{first}。\n", rest)  # white space is the judge's own
        volleys.append(
            {"utterances": [{"text": t, "code": c} for t, c in zip(texts, codes, strict=True)]}
        )
    coding = parse_coding({"change_goal": "少抽烟", "globals": {"CCT": 4}, "volleys": volleys})
    facts: dict[str, Any] = {
        "dialogue_sha256": spoken_sha256(said_in(name)),
        "coding": coding,
        "model": "gpt-test",
        "prompt_version": "zh-1",
        "prompt_sha256": "ab" * 32,
    }
    return Judged(**(facts | changes))


def import_gold(workspace: Workspace, *names: str) -> tuple[str, list[str]]:
    """Reference dialogues that are compared with nothing: the import's id and theirs."""
    lines = [line(name, system="reference") for name in names]
    before = set(workspace.ledger.now().imports)
    workspace.material.import_dialogues(jsonl(lines), "gold.jsonl")
    books = workspace.ledger.now()
    (batch,) = set(books.imports) - before
    by_text = {
        spoken_sha256(books.dialogues[d].messages): d for d in books.imports[batch].dialogues
    }
    return batch, [by_text[spoken_sha256(said_in(name))] for name in names]
