from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.miti.segment import cut

SHIPPED = Path(__file__).resolve().parents[2] / "mi_arena" / "assets" / "mi_zh"


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        ["嗯"],
        ["……"],
        ["  \n"],
        ["你很累。", "还想试试吗？"],
        ["真的！", "他说好；", "然后呢?", "就这样"],
        ["你想戒？！", "说说看。"],
        ["我……", "不知道怎么说。"],
        ["等等…", "好"],
        ["他说：“我不抽了。”", "你怎么看？"],
        ["他说（真的！）", "然后走了。"],
        ["他说：「好。」", "『行！』", "走吧"],
        ['他说"好。"', "你呢？"],
        ["好。", '"明天"再说。'],
        ["一天 3.5 两，不多。"],
        ["第一句\n", "第二句"],
        ["  第一句。\r\n\n  ", "第二句。 "],
        ["You are tired. ", "Is that so? ", "Tell me more."],
        ['She said "stop." ', "And you?"],
        ["It rose to 3.5 percent. ", "Well... ", "maybe."],
        ["wait...what"],
        ["see example.com/x?y=1 for it. ", "Fine"],
        ["真的吗?", "是的!", "好"],
        ["可以试试：\n", "1. 少买一包。\n", "2. 晚饭后走走。"],
        ["！！好吧。", "走。"],
        ["好。”。", "走。"],
        ["3.5"],
    ],
)
def test_where_it_is_cut(pieces: list[str]) -> None:
    """Each row is the text in the pieces wanted, so that joining is tested with it."""
    assert cut("".join(pieces)) == pieces


@settings(deadline=None)
@given(st.text() | st.text(alphabet="你a1 。！？!?；;….\n\"'”’」）)(“「·,，\u3000"))
def test_nothing_is_lost_and_no_piece_is_empty_talk(text: str) -> None:
    pieces = cut(text)
    assert "".join(pieces) == text
    assert all(pieces)
    if len(pieces) > 1:
        for piece in pieces:
            assert any(unicodedata.category(one)[0] not in "PZC" for one in piece)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["你想戒烟。", "难吗？", "真不容易！", "试过；"]), max_size=6))
def test_plain_sentences_are_cut_apart(sentences: list[str]) -> None:
    assert cut("".join(sentences)) == sentences


def test_a_long_run_of_marks_takes_no_time() -> None:
    """Fails by taking minutes if the pattern tries each run from each of its marks."""
    for run in ("." * 100_000 + "x", "?" * 100_000, '."' * 20_000):
        assert "".join(cut(run)) == run


def test_it_finds_nearly_all_borders_that_the_shipped_coder_set() -> None:
    """The coder joins sentences of one thought, but hardly ever cuts where no mark stands."""
    found = missed = 0
    for line in (SHIPPED / "test.jsonl").read_text(encoding="utf-8").splitlines():
        for message in json.loads(line)["messages"]:
            if message["role"] == "counselor":
                coder = borders([one["text"] for one in message["utterances"]])
                ours = borders(cut(message["content"]))
                found += len(coder & ours)
                missed += len(coder - ours)
    assert found > 200 and missed / found < 0.01


def borders(pieces: list[str]) -> set[int]:
    return {len("".join(pieces[:n])) for n in range(1, len(pieces))}
