"""What LoRA tuning learns from: labels, what is left out, batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mi_arena.chat_formats import IGNORE
from mi_arena.dialogue import read_dialogues
from mi_arena.jobs.finetune_config import load_config
from mi_arena.jobs.script import BadInput
from tests.small_dialogues import made_up, write
from tests.training.finetuning import record_of, write_config
from training import finetune, models
from training.batches import Padding, collate, length_grouped
from training.examples import build_examples, held_out, manifest_hash
from training.finetune_data import prepare

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_labels_lie_on_counsellor_turns_only(base: Path) -> None:
    chat = models.load_chat(str(base), "demo")
    [dialogue] = made_up(1)
    [example] = build_examples([dialogue], chat, 256, "high").examples
    learnt = [t for t in example.labels if t != IGNORE]
    end = next(iter(chat.stop_ids))
    assert learnt.count(end) == 3
    said = [m.content for m in dialogue.messages if m.role == "counselor"]
    assert chat.decode(learnt) == "".join(said)


def test_quality_and_split_leave_out_and_are_counted(base: Path, data: Path) -> None:
    chat = models.load_chat(str(base), "demo")
    dialogues = read_dialogues(data)
    made = build_examples(dialogues, chat, 256, "high")
    assert (made.counts.read, made.counts.used) == (31, 24)
    assert (made.counts.left_out_quality, made.counts.left_out_test_split) == (4, 3)
    assert {(d.model_extra or {}).get("quality") for d in made.dialogues} == {"high", None}
    every = build_examples(read_dialogues(data), chat, 256, None)
    assert every.counts.used == 28


def test_long_dialogues_are_cut_at_a_round_and_counted(base: Path) -> None:
    chat = models.load_chat(str(base), "demo")
    [long] = made_up(1, rounds=6)
    two_rounds = chat.example(long.messages[:4])
    room = len(chat.example(long.messages[:6]).input_ids) - 1
    made = build_examples([long], chat, room, None)
    assert made.examples == [two_rounds]
    assert (made.counts.cut, made.counts.rounds_cut, made.counts.used) == (1, 4, 1)
    none = build_examples([long], chat, 16, None)
    assert (none.counts.used, none.counts.left_out_too_long) == (0, 1)


def test_what_follows_the_last_reply_is_not_part_of_an_example(base: Path) -> None:
    chat = models.load_chat(str(base), "demo")
    [dialogue] = made_up(1, rounds=2)
    open_end = dialogue.model_copy(update={"messages": dialogue.messages[:3]})
    silent = dialogue.model_copy(update={"messages": dialogue.messages[:1]})
    made = build_examples([open_end, silent], chat, 256, None)
    assert made.examples == [chat.example(dialogue.messages[:2])]
    assert made.counts.left_out_no_counselor_turn == 1


def test_several_files_are_learnt_from(tmp_path: Path, base: Path, data: Path) -> None:
    more = write(tmp_path / "more.jsonl", made_up(6, seed=9))
    config = write_config(tmp_path, base, data, data=[str(data), str(more)], epochs=1)
    assert finetune.main([str(config), "--out", str(tmp_path / "run")]) == 0
    record = record_of(tmp_path / "adapter")
    assert record["data"]["read"] == 37
    assert record["config"]["data"] == [data.name, "more.jsonl"]


def test_held_out_is_seeded_and_apart() -> None:
    train, held = held_out(30, 0.1, 0)
    assert len(held) == 3
    assert sorted(train + held) == list(range(30))
    assert held_out(30, 0.1, 0) == (train, held)
    assert held_out(30, 0.1, 1) != (train, held)
    assert held_out(5, 0, 0) == ([0, 1, 2, 3, 4], [])


def test_batches_hold_everything_once_and_pads_are_never_learnt(base: Path) -> None:
    lengths = [3, 50, 4, 49, 5, 48, 6, 47, 7, 46, 8]
    batches = length_grouped(lengths, 2, (0, 1))
    assert sorted(i for batch in batches for i in batch) == list(range(11))
    assert batches == length_grouped(lengths, 2, (0, 1)) != length_grouped(lengths, 2, (0, 2))

    chat = models.load_chat(str(base), "demo")
    short, long = (chat.example(made_up(1, rounds=r)[0].messages) for r in (1, 3))
    batch = collate([short, long], chat.pad_id, torch.device("cpu"))
    size = len(short.input_ids)
    assert batch.input_ids[0].tolist()[:size] == short.input_ids
    assert set(batch.input_ids[0].tolist()[size:]) == {chat.pad_id}
    assert set(batch.labels[0].tolist()[size:]) == {IGNORE}
    assert batch.attention_mask.sum(1).tolist() == [size, len(long.input_ids)]
    rows = Padding(chat.pad_id)([vars(short), vars(long)])
    assert all(torch.equal(rows[name], getattr(batch, name)) for name in rows)


def test_the_batch_that_is_not_full_comes_last() -> None:
    for epoch in range(5):
        batches = length_grouped(range(11), 2, (0, epoch))
        assert [len(batch) for batch in batches] == [2, 2, 2, 2, 2, 1]


def test_a_validation_file_stands_for_the_share(tmp_path: Path, base: Path, data: Path) -> None:
    held = write(tmp_path / "held.jsonl", made_up(3, seed=7))
    config = load_config(write_config(tmp_path, base, data, validation_data=str(held)))
    chat = models.load_chat(str(base), "demo")
    found = prepare(config, chat)
    assert (len(found.train), len(found.validation)) == (24, 3)
    assert found.validation_counts is not None and found.validation_counts.used == 3
    assert found.validation_manifest_sha256 == manifest_hash(made_up(3, seed=7))
    same = load_config(write_config(tmp_path, base, data, validation_data=str(data)))
    with pytest.raises(BadInput, match="24 of its dialogues are in data too"):
        prepare(same, chat)


def test_the_manifest_names_the_dialogues_whatever_their_order() -> None:
    one, two = made_up(2)
    assert manifest_hash([one, two]) == manifest_hash([two, one]) != manifest_hash([one])
