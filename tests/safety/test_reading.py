"""The networks that read: the same alone or not, packed or not, whatever marks there are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mi_arena.safety import learned, reading
from mi_arena.safety.plain_text import unmarked

TEXTS = ["我想自杀", "昨晚又抽了两根，今天重新开始", "i want to end my life tonight", "ok", ""]


def test_a_text_reads_the_same_beside_others() -> None:
    together = reading.reader().read(TEXTS, "client")
    assert together.shape == (len(TEXTS), len(reading.KINDS["client"]))
    for text, row in zip(TEXTS, together, strict=True):
        assert reading.reader().read([text], "client")[0] == pytest.approx(row, abs=1e-4)


def test_packing_loses_next_to_nothing() -> None:
    torch.manual_seed(0)
    network = reading.Network().eval()
    again = reading.unpacked(reading.packed(network))
    x, there = torch.randn(3, 7, reading.EMBEDDING), torch.ones(3, 7, 1)
    with torch.inference_mode():
        for speaker, logits in network(x, there).items():
            assert torch.allclose(again(x, there)[speaker], logits, atol=0.02)


def test_missing_weights_are_no_network() -> None:
    kept = reading.packed(reading.Network())
    del kept["mean.bias"]
    with pytest.raises(RuntimeError, match=r"mean\.bias"):
        reading.unpacked(kept)


def test_a_short_text_does_not_see_the_padding_beside_a_long_one() -> None:
    """Convolutions look past its end."""
    long = "今天天气不错，我出去走了走，" * 6
    alone, beside = (
        reading.reader().read(texts, "client")[0] for texts in (["我想自杀"], ["我想自杀", long])
    )
    assert alone == pytest.approx(beside, abs=1e-4)


def test_danger_is_above_the_threshold_and_everyday_talk_below() -> None:
    for text in ("我不想活了，今晚就结束", "I am going to kill myself tonight"):
        read = learned.read([text], "client")[0]
        assert read is not None and read.odds > learned.threshold(text, "client")
        assert read.kind == "self_harm"
    for text in ("试过一次，三天就没忍住", "I tried once and lasted three days"):
        read = learned.read([text], "client")[0]
        assert read is not None and read.odds < learned.threshold(text, "client")


def test_danger_in_a_long_text_is_read() -> None:
    text = "今天早上去公园走了一圈，回来吃了碗面，感觉还行。" * 12
    deep = text + "其实我不想活了，药都准备好了。" + text
    calm, read = learned.read([text, deep], "client")
    assert calm is not None and read is not None
    assert read.odds > learned.threshold(deep, "client") > calm.odds


@given(st.text(alphabet="字a。. \n!，", max_size=500))
@settings(deadline=None)
def test_windows_cover_the_text_in_order(text: str) -> None:
    end = 0
    for part in learned.windows(text):
        at = text.index(part, max(0, end - len(part)))
        assert at <= end
        end = at + len(part)
    assert end == len(text)


def test_windows_are_whole_sentences_where_they_can_be() -> None:
    text = "今天去公园走了一圈，感觉还行。" * 9
    for part in learned.windows(text):
        assert part.startswith("今") and part.endswith("。")
    assert max(len(part) for part in learned.windows("字" * 500)) == learned.TOGETHER["han"]


def test_broken_characters_are_not_read() -> None:
    assert learned.read(["好的\ufffd"], "client")[0] is None


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("我想自杀。", ["我想自杀"]),
        ("……我想自杀！！", ["我想自杀"]),
        ("真的？！是吗?", ["真的? 是吗?"]),
        ("a\nb — c; d", ["a, b, c, d"]),
        ("I don't (really) know", ["i don't, really, know"]),
        ("自.杀", ["自, 杀", "自杀"]),
        ("k.i.l.l", ["kill"]),
        ("。。。", [""]),
    ],
)
def test_unmarked(text: str, seen: list[str]) -> None:
    assert unmarked(text) == seen


@given(st.text(max_size=80), st.sampled_from(["。", "!", "…", ".", "，", "~", " ", "\n", "；"]))
@example("我想自杀", "。")
@settings(deadline=None)
def test_marks_at_the_end_tell_nothing(text: str, mark: str) -> None:
    assert unmarked(f"{text} {mark}")[0] == unmarked(text)[0]


@given(st.text(max_size=400))
@settings(deadline=None, max_examples=40)
def test_any_text_is_read(text: str) -> None:
    read = learned.read([text], "model")[0]
    assert read is None or np.isfinite(read.odds)
