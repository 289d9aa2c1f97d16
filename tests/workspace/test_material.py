"""Material: which battles are drawn, what was said in them, and files that are imported whole."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from mi_arena.access.identity import Identities
from mi_arena.battles.state import SIDES
from mi_arena.dialogue import Message
from mi_arena.records.drafts import Drafts
from mi_arena.records.payloads import MAX_MESSAGES
from mi_arena.records.store import EventStore
from mi_arena.records.workspace_events import DialogueImported, WorkReleased
from mi_arena.workspace.material import BadImport, Imported
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import (
    ANN,
    ANSWERS,
    CHIEF,
    EPOCH,
    VISITOR,
    append_battle,
    append_judgement,
    append_round,
    assign,
    flagged,
    import_match,
    invited,
    jsonl,
    line,
    said_by,
    tell,
    train,
    withdrawn,
)

MI_ZH = Path(__file__).resolve().parents[2] / "mi_arena" / "assets" / "mi_zh" / "test.jsonl"
DANGER = "我不想活了。"


def drawn_battles(workspace: Workspace) -> set[str | None]:
    return {one.battle for one in workspace.ledger.now().dialogues.values()}


# --- battles


def test_only_judged_battles_of_raters_are_drawn(workspace: Workspace) -> None:
    store = workspace.store
    judged = append_battle(store, "judged")
    of_an_expert = append_battle(store, "of an expert", ANN)
    append_battle(store, "not judged", judged=False)
    append_battle(store, "of an admin", CHIEF)
    for name, ended in (("withdrawn", withdrawn), ("flagged", flagged)):
        tell(store, ended(append_battle(store, name)), VISITOR, EPOCH)
    assert workspace.material.draw_battles() == 2
    assert drawn_battles(workspace) == {judged, of_an_expert}
    assert store.count("battle_drawn") == 2


def test_battles_of_all_epochs_are_drawn_and_keep_theirs(workspace: Workspace) -> None:
    for epoch in ("pair-quokka-1", "pair-quokka-2"):
        append_battle(workspace.store, epoch, epoch=epoch)
    assert workspace.material.draw_battles() == 2
    dialogues = workspace.ledger.now().dialogues.values()
    assert {one.epoch for one in dialogues} == {"pair-quokka-1", "pair-quokka-2"}


def test_drawing_again_adds_only_what_is_new(workspace: Workspace, elsewhere: Workspace) -> None:
    append_battle(workspace.store)
    assert workspace.material.draw_battles() == 1
    books = workspace.ledger.now()
    assert workspace.material.draw_battles() == elsewhere.material.draw_battles() == 0
    assert workspace.ledger.now() is books
    append_battle(workspace.store, "token-2")
    assert elsewhere.material.draw_battles() == 1
    now = workspace.ledger.now()
    assert len(now.dialogues) == 4 and books.dialogues.items() < now.dialogues.items()


def test_admins_who_draw_at_the_same_moment_draw_every_battle_once(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    for number in range(6):
        append_battle(workspace.store, f"token-{number}")
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda one: one.material.draw_battles(), [workspace, elsewhere] * 2))
    assert sum(drawn) == workspace.store.count("battle_drawn") == 6
    assert len(workspace.ledger.now().dialogues) == 12


def test_a_dialogue_is_exactly_the_complete_rounds_of_its_side(workspace: Workspace) -> None:
    store = workspace.store
    battle = append_battle(store, rounds=1, judged=False)
    append_round(store, battle, 2, ends=("stop", "error"))
    append_round(store, battle, 3, ends=("length", "stop"))
    append_round(store, battle, 4, ends=None)
    append_judgement(store, battle)
    workspace.material.draw_battles()
    dialogues = workspace.ledger.now().dialogues.values()
    assert {one.side for one in dialogues} == set(SIDES)
    for one in dialogues:
        assert one.side is not None
        assert workspace.material.messages(one) == (
            Message(role="client", content="来访者1"),
            Message(role="counselor", content=said_by(one.side, 1)),
            Message(role="client", content="来访者3"),
            Message(role="counselor", content=said_by(one.side, 3)),
        )


def test_the_two_dialogues_of_a_battle_are_a_match_under_ids_that_tell_nothing(
    workspace: Workspace,
) -> None:
    battle = append_battle(workspace.store)
    ids = {side: workspace.material.of_side(battle, side) for side in SIDES}
    workspace.material.draw_battles()
    books = workspace.ledger.now()
    assert books.dialogues == {
        dialogue: workspace.material.of_battle(battle, side) for side, dialogue in ids.items()
    }
    ((match, dialogues),) = books.matches.items()
    assert dialogues == (ids["A"], ids["B"])
    assert {books.dialogues[one].match for one in dialogues} == {match}
    assert len({match, *dialogues, battle}) == 4


# --- files


def imported(workspace: Workspace, *lines: dict[str, Any] | str) -> Imported:
    return workspace.material.import_dialogues(jsonl(lines), "in.jsonl")


def test_what_an_imported_dialogue_is(workspace: Workspace) -> None:
    one = line(system="remote:gpt-4", match_id="m7", topic="alcohol") | {"lang": "en"}
    assert imported(workspace, "", one, "  ") == Imported(new=1, known=0, in_danger=0)
    (material,) = workspace.ledger.now().dialogues.values()
    assert (material.system, material.pair, material.epoch) == ("remote:gpt-4", "pair-wombat", None)
    (told,) = (event.payload for event in workspace.store.events("dialogue_imported"))
    assert isinstance(told, DialogueImported) and (told.topic, told.lang) == ("alcohol", "en")
    assert material.battle is None and material.side is None
    said = tuple(Message(role=m["role"], content=m["content"]) for m in one["messages"])
    assert workspace.material.messages(material) == material.messages == said
    assert workspace.ledger.now().matches == {material.match: (material.dialogue,)}
    assert material.match is not None and "m7" not in material.match
    assert "one" not in (material.dialogue, material.match)


@pytest.mark.parametrize(
    ("roles", "kept"),
    [
        ("scoco", "coco"),
        ("scocosc", "coco"),
        ("cocc", "co"),
        ("oco", "oco"),
        ("cooco", "cooco"),
    ],
)
def test_system_prompts_and_unanswered_clients_are_left_out(
    workspace: Workspace, roles: str, kept: str
) -> None:
    """By letters: ``s`` system, ``c`` client, ``o`` counselor."""
    names = {"s": "system", "c": "client", "o": "counselor"}
    messages = [{"role": names[role], "content": f"{number}"} for number, role in enumerate(roles)]
    imported(workspace, line() | {"messages": messages})
    (material,) = workspace.ledger.now().dialogues.values()
    expected = [m for m in messages if m["role"] != "system"][: len(kept)]
    assert [m.model_dump() for m in material.messages] == expected
    assert [m["role"] for m in expected] == [names[role] for role in kept]


def test_nothing_of_a_coded_file_but_roles_and_texts_is_stored(workspace: Workspace) -> None:
    """Utterances with codes would tell a rater what the file's author thought."""
    lines = [json.loads(one) for one in MI_ZH.read_text(encoding="utf-8").splitlines()[:2]]
    assert all("utterances" in one["messages"][1] for one in lines)
    for one in lines:
        one["meta"] = {**one.get("meta", {}), "system": "reference"}
    assert imported(workspace, *lines).new == 2
    stored = [event.payload.model_dump() for event in workspace.store.events("dialogue_imported")]
    for before, after in zip(lines, stored, strict=True):
        assert after["messages"] == [
            {"role": m["role"], "content": m["content"]} for m in before["messages"]
        ]
        assert after["topic"] == before["topic"]
        assert set(after) == {
            "dialogue", "messages", "system", "pair", "match", "topic", "lang", "batch", "file"
        }  # fmt: skip
        assert before["id"] not in json.dumps(after)


def test_importing_again_adds_nothing(workspace: Workspace, elsewhere: Workspace) -> None:
    lines = [line(f"{n}", match_id="m", system=one) for n, one in enumerate(("base", "tuned"))]
    assert imported(workspace, *lines) == Imported(new=2, known=0, in_danger=0)
    books = workspace.ledger.now()
    assert imported(elsewhere, *lines) == Imported(new=0, known=2, in_danger=0)
    assert imported(workspace, *lines[::-1], line("new")) == Imported(new=1, known=2, in_danger=0)
    assert books.dialogues.items() < workspace.ledger.now().dialogues.items()
    assert workspace.store.count("dialogue_imported") == 3


def test_a_line_that_stands_there_twice_is_one_dialogue(workspace: Workspace) -> None:
    assert imported(workspace, line(), line()) == Imported(new=1, known=1, in_danger=0)
    assert len(workspace.ledger.now().dialogues) == 1


@pytest.mark.parametrize(
    "other",
    [
        line("other"),
        line(system="base"),
        line(pair="pair-quokka"),
        line(match_id="m"),
        line() | {"messages": line()["messages"][:2]},
    ],
)
def test_what_differs_is_another_dialogue(workspace: Workspace, other: dict[str, Any]) -> None:
    assert imported(workspace, line(), other).new == 2
    assert len(workspace.ledger.now().dialogues) == 2


def test_ids_need_the_secret(workspace: Workspace, tmp_path: Path) -> None:
    imported(workspace, line(match_id="m"))
    store = EventStore(tmp_path / "other" / "events.sqlite")
    other = Workspace(store, Drafts(tmp_path / "other" / "drafts.sqlite"), Identities(b"another"))
    imported(other, line(match_id="m"))
    one, two = workspace.ledger.now(), other.ledger.now()
    assert not set(one.dialogues) & set(two.dialogues)
    assert not set(one.matches) & set(two.matches)
    other.close()
    store.close()


SECRET = "秘密的话"
TOO_MANY = [{"role": "counselor", "content": SECRET}] * (MAX_MESSAGES + 1)
ONLY_CLIENT = [{"role": "client", "content": SECRET}]
SILENT = [*ONLY_CLIENT, {"role": "counselor", "content": " \n"}]
ALONE = [{"role": "counselor", "content": SECRET}]
USER = [{"role": "user", "content": SECRET}, {"role": "counselor", "content": SECRET}]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"id": "秘密的话', "the line: "),
        ('["秘密的话"]', "the line: "),
        ({**line(), "id": {"秘密的话": 1}}, "id: "),
        ({**line(), "messages": SECRET}, "messages: "),
        ({**line(), "messages": USER}, "messages.0.role: "),
        ({**line(), "messages": TOO_MANY}, "messages: "),
        ({**line(), "messages": ALONE}, "messages: "),
        ({**line(), "messages": ONLY_CLIENT}, "the counselor says nothing"),
        ({**line(), "messages": SILENT}, "the counselor says nothing"),
        ({**line(), "messages": []}, "the counselor says nothing"),
        ({**line(), "meta": {}}, "meta.system is missing; give base, base_prompted, tuned"),
        (line(system=SECRET), "meta.system: "),
        (line(system=None), "meta.system: "),
        (line(system=["tuned"]), "meta.system: "),
        (line(system="remote:"), "meta.system: "),
        (line(pair=SECRET * 200), "meta.pair: "),
        (line(match_id=""), "meta.match_id: "),
        (line(topic={SECRET: 1}), "topic or meta.topic: "),
        ({**line(), "lang": ""}, "lang: "),
    ],
)
def test_a_bad_line_is_named_with_its_number_and_nothing_is_imported(
    workspace: Workspace, bad: dict[str, Any] | str, reason: str
) -> None:
    with pytest.raises(BadImport) as caught:
        imported(workspace, line("good"), "", bad, line("good too"))
    assert str(caught.value).startswith(f"in.jsonl:3: {reason}")
    assert SECRET not in str(caught.value) and "\n" not in str(caught.value)
    assert workspace.store.count() == 0


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_named(workspace: Workspace, text: str) -> None:
    with pytest.raises(BadImport, match=r"in\.jsonl: there is no dialogue in it"):
        workspace.material.import_dialogues(text, "in.jsonl")


def test_dialogues_with_a_sign_of_danger_are_left_out_and_counted(workspace: Workspace) -> None:
    in_danger = line("in danger", match_id="m", system="base")
    in_danger["messages"][2] = {"role": "client", "content": DANGER}
    asked = line("asked", match_id="m")  # the counselor asks about it, the client does not say it
    asked["messages"][3] = {"role": "counselor", "content": DANGER}
    assert imported(workspace, in_danger, asked) == Imported(new=1, known=0, in_danger=1)
    (kept,) = workspace.ledger.now().dialogues.values()
    assert kept.messages[3].content == DANGER
    assert imported(workspace, in_danger, asked) == Imported(new=0, known=1, in_danger=1)


def in_match(name: str, **meta: object) -> dict[str, Any]:
    return line(name, match_id="m", **meta)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (in_match("two", system="base"), "one match_id holds two dialogues of base"),
        (
            in_match("two", pair="pair-quokka"),
            "one match_id holds dialogues of the pairs pair-wombat and pair-quokka",
        ),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_a_match_is_different_systems_of_one_pair(
    workspace: Workspace, second: dict[str, Any], reason: str, at_once: bool
) -> None:
    first = in_match("one", system="base")
    if not at_once:
        imported(workspace, first)
    with pytest.raises(BadImport) as caught:
        imported(workspace, first, line("alone"), second)
    assert str(caught.value).startswith(f"in.jsonl:3: {reason}")
    assert workspace.store.count() == (0 if at_once else 1)
    assert imported(workspace, first, line("alone"), in_match("two")).known == (not at_once)
    ((_, dialogues),) = workspace.ledger.now().matches.items()
    assert len(dialogues) == 2


def test_a_match_takes_a_third_dialogue_only_while_nobody_judges_it(workspace: Workspace) -> None:
    """Two are judged against each other; a third would leave open which two it was."""
    third = line("third", match_id="m", system="reference")
    match = import_match(workspace)
    assign(workspace.store, ANN, match, "match")
    with pytest.raises(BadImport, match=r"in\.jsonl:1: the match of this match_id is being judged"):
        imported(workspace, third)
    assert len(workspace.ledger.now().matches[match]) == 2
    train(workspace.store, ANN)
    (assignment,) = workspace.ledger.now().assignments
    workspace.matches.judge(ANN, assignment, ANSWERS)
    tell(workspace.store, WorkReleased(assignment=assignment), ANN)
    with pytest.raises(BadImport, match="is being judged"):
        imported(workspace, third)
    import_match(workspace, "m2")
    assert imported(workspace, {**third, "meta": {**third["meta"], "match_id": "m2"}}).new == 1
    assert sorted(map(len, workspace.ledger.now().matches.values())) == [2, 3]


def test_imports_at_the_same_moment_make_no_match_that_one_alone_could_not(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    """Five files would each give the match its only dialogue of base."""
    for number in range(6):
        gate = Barrier(5)

        def press(name: str, match: str = f"m{number}", gate: Barrier = gate) -> str:
            device = (workspace, elsewhere)[int(name) % 2]
            text = jsonl([line(f"{match}-{name}", system="base", match_id=match)])
            gate.wait()
            try:
                return str(device.material.import_dialogues(text, "in.jsonl").new)
            except BadImport as error:
                return "two dialogues of base" if "two dialogues of base" in str(error) else "?"

        with ThreadPoolExecutor(5) as pool:
            outcomes = Counter(pool.map(press, map(str, range(5))))
        assert outcomes == {"1": 1, "two dialogues of base": 4}
    assert [len(d) for d in elsewhere.ledger.now().matches.values()] == [1] * 6


def test_no_match_gets_a_third_dialogue_at_the_moment_it_is_handed_out(
    workspace: Workspace, elsewhere: Workspace, identities: Identities
) -> None:
    invited(identities)
    for number in range(8):
        match = import_match(workspace, f"m{number}")
        third = jsonl([line(f"third-{number}", match_id=f"m{number}", system="reference")])
        gate = Barrier(2)

        def hand_out(gate: Barrier = gate) -> int:
            gate.wait()
            return workspace.assignments.draw("match", 1, 0).assigned

        def import_third(text: str = third, gate: Barrier = gate) -> int:
            gate.wait()
            try:
                return elsewhere.material.import_dialogues(text, "in.jsonl").new
            except BadImport:
                return 0

        with ThreadPoolExecutor(2) as pool:
            both = pool.submit(hand_out), pool.submit(import_third)
        assert sum(one.result() for one in both) == 1
        dialogues = workspace.ledger.now().matches[match]
        assert len(dialogues) == 2 + both[1].result()


def test_a_match_id_of_a_file_is_never_that_of_a_battle(workspace: Workspace) -> None:
    battle = append_battle(workspace.store)
    workspace.material.draw_battles()
    imported(workspace, line(match_id=battle))
    assert sorted(map(len, workspace.ledger.now().matches.values())) == [1, 2]


def test_a_file_in_another_encoding_is_refused(workspace: Workspace) -> None:
    garbled = jsonl([line("one")]).encode("gbk").decode("utf-8", errors="replace")
    with pytest.raises(BadImport, match="UTF-8"):
        workspace.material.import_dialogues(garbled, "gbk.jsonl")
    assert workspace.ledger.now().dialogues == {}
