"""Which turns count as MI-like, and what is written of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_arena.dialogue import Dialogue, read_dialogues
from tests.small_dialogues import made_up, write
from training import demo_mi_turns
from training.demo_mi_turns import KEPT, kind_of, picked, with_context

SAID = "我总是熬夜，第二天很累，不知道怎么办。"


@pytest.mark.parametrize(
    ("turn", "kind"),
    [
        ("听起来熬夜让你第二天很累。你觉得是什么让你睡不下？", "open"),
        ("听起来熬夜让你第二天很累，你想过早点睡吗？", "closed"),
        ("听起来你总是熬夜，很累。能告诉我更多关于睡前的事吗？", "more"),
        ("听起来你总是熬夜，第二天很累，心里也有些着急。", "reflection"),
        ("听起来熬夜让你很累。建议你十点就上床，好吗？", None),
        ("听起来熬夜让你很累。你可以试试喝牛奶，怎么样？", None),
        ("听起来你总是熬夜？那你第二天怎么办？", None),
        ("听起来你总是熬夜？很累。", None),
        ("听起来你累。", None),
        ("听起来你和老板的关系让人为难。你想从哪里说起？", None),
        ("熬夜是很多人都有的事，第二天自然会没有精神。", None),
        ("听起来你总是熬夜，" + "真的很累，" * 20, None),
    ],
)
def test_what_is_mi_like(turn: str, kind: str | None) -> None:
    assert kind_of(turn, SAID) == kind


def test_every_turn_is_picked_with_its_context_and_nothing_else_is_learnt() -> None:
    dialogues = made_up(40, rounds=5)
    found = list(picked(dialogues, seed=0))
    assert found and found == list(picked(dialogues, seed=0)) != list(picked(dialogues, seed=1))
    by_id = {dialogue.id: dialogue for dialogue in dialogues}
    for one in found:
        source, _, place = one.id.rpartition("-")
        assert one.messages[-1] == by_id[source].messages[int(place)]
        assert one.messages[-1].role == "counselor" and one.messages[0].role == "client"
        assert one.meta["context_messages"] == len(one.messages) - 1 <= 7
        assert kind_of(one.messages[-1].content, one.messages[-2].content) == one.meta["kind"]
    assert {one.meta["kind"] for one in found} <= KEPT.keys()


def test_context_is_short_and_begins_with_the_client() -> None:
    [dialogue] = made_up(1, rounds=8)
    run = with_context(dialogue.messages, 15)
    assert run == dialogue.messages[8:16]
    long = [m.model_copy(update={"content": m.content * 20}) for m in dialogue.messages]
    cut = with_context(long, 15)
    assert cut[-1] == long[15] and cut[0].role == "client" and len(cut) < 8
    huge = [m.model_copy(update={"content": m.content * 200}) for m in dialogue.messages]
    assert with_context(huge, 15) == huge[14:16]


def test_the_command_leaves_out_test_and_crisis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crisis = [
        Dialogue.model_validate(d.model_dump() | {"meta": {"split": "train", "flags": ["crisis"]}})
        for d in made_up(20, seed=5)
    ]
    data = write(tmp_path / "d.jsonl", made_up(20), made_up(20, seed=1, split="test"), crisis)
    out = tmp_path / "new" / "turns.jsonl"
    assert demo_mi_turns.main(["--data", str(data), "--out", str(out)]) == 0
    assert {d.id.split("-")[1] for d in read_dialogues(out)} == {"0"}
    assert str(out) in capsys.readouterr().out


@pytest.mark.parametrize("lines", ["", "{broken\n"])
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str
) -> None:
    data = tmp_path / "d.jsonl"
    data.write_text(lines)
    assert demo_mi_turns.main(["--data", str(data), "--out", str(tmp_path / "o.jsonl")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "o.jsonl").exists()
