"""How the safety networks are taught: what is shown, that they learn, where thresholds fall."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from mi_arena.safety import reading
from training.safety_data import Example, everyday, labelled, shown
from training.safety_network import batches, learn
from training.safety_thresholds import joined, threshold
from training.sentence_encoder import kept_pieces

DANGER = [Example(f"我不想活了{n}", "client", 1, False) for n in range(12)]
HARMLESS = [Example(f"今天走了{n}公里", "client", 0, False) for n in range(12)]
REPLIES = [
    Example("一天吃两片安眠药", "model", 2, False),
    Example("您愿意多说说吗", "model", 0, False),
]


def test_lines_are_told_apart_and_none_is_there_twice(tmp_path: Path) -> None:
    lines = [
        {"text": "我想死。", "speaker": "client", "lang": "zh", "stop": True,
         "category": "self_harm"},
        {"text": "我想死", "speaker": "client", "lang": "zh", "stop": True,
         "category": "self_harm"},
        {"text": "Fine!", "speaker": "model", "lang": "en", "stop": False, "category": None},
    ]  # fmt: skip
    file = tmp_path / "lines.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    first = 1 + reading.KINDS["client"].index("self_harm")
    assert labelled([file]) == [
        Example("我想死", "client", first, False),
        Example("fine", "model", 0, True),
    ]


def test_everyday_turns_leave_out_tests_flags_and_what_patterns_meet(tmp_path: Path) -> None:
    def dialogue(id_: str, said: str, **meta: object) -> str:
        messages = [
            {"role": "client", "content": said},
            {"role": "counselor", "content": "你好。再见。"},
        ]
        return json.dumps({"id": id_, "source": "x", "messages": messages, "meta": meta})

    file = tmp_path / "dialogues.jsonl"
    told = [
        dialogue("1", "我去跑步", split="train"),
        dialogue("2", "我去游泳", split="test"),
        dialogue("3", "我去睡觉", split="train", flags=["crisis"]),
        dialogue("4", "我想自杀", split="train"),
    ]
    file.write_text("\n".join(told), encoding="utf-8")
    assert [one.text for one in everyday(file, "client")] == ["我去跑步"]
    assert {one.text for one in everyday(file, "model")} == {"你好", "你好, 再见"}


def test_every_line_is_shown_with_its_kind_and_some_beside_a_harmless_one() -> None:
    lines = [*DANGER, *HARMLESS] * 10
    seen = list(shown(lines, HARMLESS, 1, 0))[: len(lines)]
    assert [one.kind for one in seen] == [one.kind for one in lines]
    assert all(line.text in one.text for line, one in zip(lines, seen, strict=True))
    beside = sum(line.text != one.text for line, one in zip(lines, seen, strict=True))
    assert 0.1 < beside / len(lines) < 0.3
    assert seen == list(shown(lines, HARMLESS, 1, 0))[: len(lines)]
    assert seen != list(shown(lines, HARMLESS, 2, 0))[: len(lines)]


def test_batches_hold_every_text_once() -> None:
    tokenizer = reading.reader().tokenizer
    examples = [*DANGER, *HARMLESS, *REPLIES]
    got = [one for _, some in batches(tokenizer, examples, 0) for one in some]
    assert sorted(got, key=lambda one: one.text) == sorted(examples, key=lambda one: one.text)


def test_a_network_learns_what_it_is_shown() -> None:
    torch.manual_seed(0)
    network = reading.Network()
    losses = learn(network, [*DANGER, *HARMLESS, *REPLIES], HARMLESS, 0, 8, 2e-3, 0.0)
    assert losses[-1] < losses[0] / 2
    taught = reading.Reader(reading.reader().tokenizer, reading.reader().embeddings, [network])
    danger, harmless = (
        taught.read([one.text for one in some], "client")[:, 0] for some in (DANGER, HARMLESS)
    )
    assert danger.min() > harmless.max()


@pytest.mark.parametrize(
    ("stop", "harmless", "recall", "expected"),
    [
        ([1, 2, 3, 4], [-1, 0], 1.0, 0.5),
        ([1, 2, 3, 4], [-1, 0, 1.5], 0.6, 1.75),
        ([1, 2, 3, 4], [0, 2.5], 0.6, 0.5),  # no false alarm more down to there
        ([1, 2], [], 1.0, 0.5),
    ],
)
def test_thresholds(
    stop: list[float], harmless: list[float], recall: float, expected: float
) -> None:
    odds = np.array([*stop, *harmless], float)
    kinds = np.array([True] * len(stop) + [False] * len(harmless))
    assert threshold(odds, kinds, recall) == pytest.approx(expected)


def test_networks_are_joined(tmp_path: Path) -> None:
    torch.manual_seed(0)
    files = []
    for number in range(2):
        files.append(tmp_path / f"{number}.npz")
        np.savez_compressed(files[-1], allow_pickle=False, **reading.packed(reading.Network()))
    joined(files, tmp_path / "both.npz")
    both = reading.read_networks(tmp_path / "both.npz")
    assert len(both) == 2
    assert not torch.equal(both[0].hidden.weight, both[1].hidden.weight)


def test_the_vocabulary_keeps_what_chinese_and_english_are_made_of() -> None:
    pieces = ["<unk>", "<s>", "</s>", "▁自杀", "自殺", "▁don", "'", "Don", "при", "，", ","]
    assert [pieces[number] for number in kept_pieces(pieces)] == [
        "<unk>", "<s>", "</s>", "▁自杀", "▁don", "'", ",",
    ]  # fmt: skip
