"""Dialogues in and out of JSONL: nothing is lost, nothing is dropped in silence."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.dialogue import (
    BadLine,
    Dialogue,
    Message,
    Role,
    is_flagged,
    read_dialogues,
    spoken_sha256,
    turns,
    write_dialogues,
)

LINE = {
    "id": "a1",
    "source": "mi_zh",
    "lang": "zh",
    "messages": [
        {"role": "client", "content": "我想戒烟", "utterances": ["我想戒烟"]},
        {"role": "counselor", "content": "听起来你在认真考虑。", "codes": [{"code": "CR"}]},
    ],
    "meta": {"topic": "smoking", "nested": {"n": 1, "none": None}},
    "split": "train",
    "score": 0.5,
}


def write(path: Path, *lines: object) -> Path:
    text = "\n".join(x if isinstance(x, str) else json.dumps(x, ensure_ascii=False) for x in lines)
    path.write_text(text, encoding="utf-8")
    return path


def test_unknown_keys_survive_a_round_trip(tmp_path: Path) -> None:
    dialogues = list(read_dialogues(write(tmp_path / "in.jsonl", LINE, {**LINE, "id": "a2"})))
    assert write_dialogues(tmp_path / "out.jsonl", dialogues) == 2
    out = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in out] == [LINE, {**LINE, "id": "a2"}]
    assert "我想戒烟" in out[0]  # readable, not escaped


def test_blank_lines_are_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "in.jsonl", "", LINE, "   ", {**LINE, "id": "a2"}, "")
    assert [d.id for d in read_dialogues(path)] == ["a1", "a2"]


def test_gzip_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as out:
        out.write(json.dumps(LINE, ensure_ascii=False) + "\n{}\n")
    reader = read_dialogues(path)
    assert next(reader).messages[0].content == "我想戒烟"
    with pytest.raises(BadLine, match=r"in\.jsonl\.gz:2: "):
        next(reader)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{not json", "the line: "),
        ("[]", "the line: "),
        ({**LINE, "id": None}, "id: "),
        ({k: v for k, v in LINE.items() if k != "source"}, "source: "),
        ({**LINE, "messages": [{"role": "user", "content": "x"}]}, "messages.0.role: "),
        ({**LINE, "messages": [{"role": "client"}]}, "messages.0.content: "),
    ],
)
def test_a_bad_line_is_named_with_its_number(tmp_path: Path, bad: object, reason: str) -> None:
    path = write(tmp_path / "in.jsonl", LINE, "", bad)
    reader = read_dialogues(path)
    assert next(reader).id == "a1"
    with pytest.raises(BadLine) as caught:
        next(reader)
    assert str(caught.value).startswith(f"{path}:3: {reason}")
    assert "\n" not in str(caught.value)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = write(tmp_path / "out.jsonl", LINE)
    before = path.read_bytes()

    def breaks_off() -> Iterator[Dialogue]:
        yield Dialogue(id="b", source="t", messages=[Message(role="client", content="x")])
        raise RuntimeError("the source broke off")

    with pytest.raises(RuntimeError):
        write_dialogues(path, breaks_off())
    assert path.read_bytes() == before


def test_a_written_file_replaces_in_one_step(tmp_path: Path) -> None:
    path = write(tmp_path / "out.jsonl", LINE)
    # The new dialogues are read from the very file that is being replaced.
    assert write_dialogues(path, read_dialogues(path)) == 1
    assert json.loads(path.read_text(encoding="utf-8")) == LINE
    assert [p.name for p in tmp_path.iterdir()] == ["out.jsonl"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([], []),
        ([("client", "a"), ("counselor", "b")], [("client", "a"), ("counselor", "b")]),
        (
            [("client", "a"), ("client", "b"), ("counselor", "c"), ("client", "d")],
            [("client", "a\nb"), ("counselor", "c"), ("client", "d")],
        ),
        ([("counselor", "a"), ("counselor", ""), ("counselor", "b")], [("counselor", "a\n\nb")]),
        (
            [("system", "s"), ("client", "a"), ("system", "s"), ("client", "b")],
            [("system", "s"), ("client", "a"), ("system", "s"), ("client", "b")],
        ),
    ],
)
def test_messages_of_one_role_in_a_row_are_one_turn(
    said: list[tuple[Role, str]], expected: list[tuple[Role, str]]
) -> None:
    messages = [Message(role=role, content=content) for role, content in said]
    assert turns(messages) == expected
    assert turns(iter(messages)) == expected


@given(st.lists(st.tuples(st.sampled_from(["client", "counselor"]), st.text(max_size=5))))
def test_turns_alternate_and_lose_no_text(said: list[tuple[Role, str]]) -> None:
    found = turns(Message(role=role, content=content) for role, content in said)
    roles = [role for role, _ in found]
    assert all(one != other for one, other in pairwise(roles))
    assert "\n".join(text for _, text in found) == "\n".join(content for _, content in said)


@pytest.mark.parametrize(
    ("meta", "flagged"),
    [
        ({}, False),
        ({"flags": None}, False),
        ({"flags": 5}, False),
        ({"flags": {"crisis": 1}}, False),
        ({"flags": [["crisis"], 5, None]}, False),
        ({"flags": ["crisis_line"]}, False),
        ({"flags": "no crisis here"}, False),
        ({"flags": "crisis"}, True),
        ({"flags": ["short", "crisis"]}, True),
        ({"flags": 5, "crisis": True}, True),
        ({"crisis": "no"}, False),
    ],
)
def test_flags_of_any_type_are_read(meta: dict[str, Any], flagged: bool) -> None:
    dialogue = Dialogue(id="d", source="s", messages=[], meta=meta)
    assert is_flagged(dialogue, "crisis") is flagged


def test_the_same_dialogue_has_one_hash_wherever_it_is_kept() -> None:
    def said(*messages: tuple[str, str]) -> str:
        return spoken_sha256(Message(role=role, content=text) for role, text in messages)  # type: ignore[arg-type]

    whole = said(("client", "我想戒烟"), ("counselor", "你想戒。"))
    same = (
        said(("system", "提示"), ("client", "我想\n戒烟"), ("counselor", " 你想戒。")),
        said(("client", "我想"), ("client", "戒烟"), ("counselor", "你想戒。"), ("client", "嗯")),
    )
    assert set(same) == {whole}
    others = (
        said(("client", "我想戒酒"), ("counselor", "你想戒。")),
        said(("counselor", "我想戒烟"), ("client", "你想戒。")),
        said(("client", "我想戒烟"), ("counselor", "你想戒。"), ("counselor", "好")),
        said(("counselor", "我想戒烟你想戒。")),
    )
    assert len({whole, *others}) == 5
