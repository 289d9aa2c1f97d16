"""Which turns count as MI-like, and what is written of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_arena.dialogue import Dialogue, Message, read_dialogues
from tests.small_dialogues import made_up, write
from training import demo_mi_turns
from training.demo_mi_turns import is_mi_like, picked, stretches

MI = "听起来熬夜让你第二天很累。你觉得是什么让你睡不下？"
ADVICE = "听起来你很累。建议你十点就上床，好吗？"


@pytest.mark.parametrize(
    ("turn", "wanted"),
    [
        (MI, True),
        ("看起来你想早睡，你愿意说说是什么拦住了你吗？", True),
        (ADVICE, False),
        ("听起来熬夜让你很累。你可以试试喝牛奶，怎么样？", False),
        ("听起来你总是熬夜？那你第二天怎么办？", False),
        ("听起来你总是熬夜，第二天很累，心里也有些着急。", False),
        ("听起来你累，是吗？", False),
        ("听起来你第二天很累又没有精神是吗？", False),
        ("这件事在年轻人里很常见，是什么时候开始的？", False),
        ("听起来你总是熬夜，" + "真的很累，" * 20 + "对吗？", False),
    ],
)
def test_what_is_mi_like(turn: str, wanted: bool) -> None:
    assert is_mi_like(turn) is wanted


def said(*turns: tuple[str, str]) -> Dialogue:
    roles = {"c": "client", "k": "counselor"}
    messages = [Message.model_validate({"role": roles[r], "content": text}) for r, text in turns]
    return Dialogue(id="d", source="s", messages=messages, meta={"split": "train"})


def test_stretches_hold_mi_like_turns_only_and_begin_with_the_client() -> None:
    long = "我总是熬夜，第二天很累。"
    dialogue = said(
        ("c", long), ("k", MI), ("c", "嗯"), ("k", MI), ("c", long), ("k", ADVICE),
        ("c", "嗯"), ("k", MI), ("c", long), ("k", MI), ("c", long),
    )  # fmt: skip
    found = [[m.content for m in run] for run in stretches(dialogue)]
    assert found == [[long, MI, "嗯", MI], [long, MI]]
    assert list(stretches(said(("c", long), ("k", ADVICE), ("c", long)))) == []
    ids = [one.id for one in picked([dialogue])]
    assert ids == ["d-1", "d-2"]
    assert all(one.meta == {"split": "train"} for one in picked([dialogue]))


def test_the_command_leaves_out_test_and_crisis(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def with_mi(seed: int, split: str, flags: list[str]) -> list[Dialogue]:
        return [
            one.model_copy(
                update={
                    "messages": [
                        m if m.role == "client" else m.model_copy(update={"content": MI})
                        for m in one.messages
                    ],
                    "meta": {"split": split, "flags": flags},
                }
            )
            for one in made_up(3, seed=seed)
        ]

    data = write(
        tmp_path / "d.jsonl",
        with_mi(0, "train", []), with_mi(1, "test", []), with_mi(2, "train", ["crisis"]),
    )  # fmt: skip
    out = tmp_path / "new" / "turns.jsonl"
    assert demo_mi_turns.main(["--data", str(data), "--out", str(out)]) == 0
    assert [one.id for one in read_dialogues(out)] == ["made-0-0-1", "made-0-1-1", "made-0-2-1"]
    assert "3 stretches, 9 counsellor turns" in capsys.readouterr().out


@pytest.mark.parametrize("lines", ["", "{broken\n"])
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str
) -> None:
    data = tmp_path / "d.jsonl"
    data.write_text(lines)
    assert demo_mi_turns.main(["--data", str(data), "--out", str(tmp_path / "o.jsonl")]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "o.jsonl").exists()
