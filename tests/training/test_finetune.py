"""LoRA tuning: what is learnt from, what comes out, kills and bad input."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import PeftModel
from transformers import AutoModelForCausalLM

from mi_arena.chat_formats import IGNORE
from mi_arena.dialogue import read_dialogues
from tests.processes import kill_when, start
from tests.small_dialogues import made_up, write
from training import finetune, models
from training.batches import collate, length_grouped
from training.epoch_checkpoints import EpochResult, best_epoch
from training.examples import build_examples, held_out, manifest_hash
from training.finetune_config import FinetuneConfig, fields_help, load_config

pytestmark = pytest.mark.usefixtures("one_thread")

EPOCHS = 4


@pytest.fixture(scope="module")
def base(pair_folders: tuple[Path, Path]) -> Path:
    return pair_folders[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(
        tmp_path_factory.mktemp("data") / "mi.jsonl",
        made_up(20, quality="high"),
        made_up(4, seed=1, quality="low"),
        made_up(4, seed=2),
        made_up(3, seed=3, split="test"),
    )


def write_config(folder: Path, base: Path, data: Path, /, **changes: Any) -> Path:
    settings = {
        "base": str(base),
        "data": str(data),
        "output": str(folder / "adapter"),
        "epochs": EPOCHS,
        "patience": EPOCHS,
        "batch_dialogues": 4,
        "learning_rate": 0.01,
        "max_length": 256,
        **changes,
    }
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump({k: v for k, v in settings.items() if v != "REMOVED"}))
    return file


def record_of(adapter: Path) -> dict[str, Any]:
    return json.loads((adapter / "training.json").read_text())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, base: Path, data: Path) -> Path:
    """An uninterrupted run; its folder."""
    folder = tmp_path_factory.mktemp("whole")
    config = write_config(folder, base, data)
    assert finetune.main([str(config), "--out", str(folder / "run")]) == 0
    return folder


# ---- what is learnt from


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
    lengths = [3, 50, 4, 49, 5, 48, 6]
    batches = length_grouped(lengths, 2, (0, 1))
    assert sorted(i for batch in batches for i in batch) == list(range(7))
    assert batches == length_grouped(lengths, 2, (0, 1)) != length_grouped(lengths, 2, (0, 2))

    chat = models.load_chat(str(base), "demo")
    short, long = (chat.example(made_up(1, rounds=r)[0].messages) for r in (1, 3))
    batch = collate([short, long], chat.pad_id, torch.device("cpu"))
    size = len(short.input_ids)
    assert batch.input_ids[0].tolist()[:size] == short.input_ids
    assert set(batch.input_ids[0].tolist()[size:]) == {chat.pad_id}
    assert set(batch.labels[0].tolist()[size:]) == {IGNORE}
    assert batch.attention_mask.sum(1).tolist() == [size, len(long.input_ids)]


def test_the_manifest_names_the_dialogues_whatever_their_order() -> None:
    one, two = made_up(2)
    assert manifest_hash([one, two]) == manifest_hash([two, one]) != manifest_hash([one])


def test_best_epoch_leaves_the_base_aside() -> None:
    history = [EpochResult(0, None, 1.0), EpochResult(1, 3.0, 3.0), EpochResult(2, 2.0, 4.0)]
    assert best_epoch(history) == 1
    assert best_epoch([EpochResult(0, None, None), EpochResult(1, 1, None)]) == 1


# ---- what comes out


def test_the_loss_falls_and_the_adapter_loads_in_peft(whole: Path, base: Path) -> None:
    record = record_of(whole / "adapter")
    losses = [epoch["validation_loss"] for epoch in record["loss"]["epochs"]]
    assert len(losses) == EPOCHS + 1
    assert losses[-1] < losses[0] - 0.5
    assert record["loss"]["best_validation_loss"] == min(losses[1:])
    assert record["system_prompt"] is None
    data = record["data"]
    assert (data["dialogues_train"], data["dialogues_validation"]) == (22, 2)
    assert data["left_out_quality"] == 4

    ids = torch.tensor([[1, 4, 300, 301, 2, 5]])
    model = AutoModelForCausalLM.from_pretrained(base)
    plain = model(ids).logits
    tuned = PeftModel.from_pretrained(model, str(whole / "adapter"))
    assert not torch.allclose(tuned(ids).logits, plain, atol=1e-2)
    with tuned.disable_adapter():
        assert torch.allclose(tuned(ids).logits, plain, atol=1e-5)


def test_the_adapter_names_no_path_of_this_machine(whole: Path) -> None:
    files = sorted(file.name for file in (whole / "adapter").iterdir())
    assert files == ["adapter_config.json", "adapter_model.safetensors", "training.json"]
    for name in ("adapter_config.json", "training.json"):
        assert str(whole.parent) not in (whole / "adapter" / name).read_text()
    config = json.loads((whole / "adapter/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "base"
    assert config["r"] == 8


def test_public_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given, shown in {
        "mi_arena/assets/demo/base": "mi_arena/assets/demo/base",
        "owner/name": "owner/name",
        str(tmp_path / "a/b"): "a/b",
        "/somewhere/else/demo-base": "demo-base",
        "../weights/demo-base": "demo-base",
    }.items():
        assert finetune.public_name(given) == shown


def test_a_run_directory_tells_the_run(whole: Path) -> None:
    status = json.loads((whole / "run/status.json").read_text())
    assert (status["state"], status["step"], status["total"]) == ("done", 24, 24)
    lines = [json.loads(line) for line in (whole / "run/metrics.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in lines if "epoch" in r] == [1, 2, 3, 4]
    assert "left_out_quality" in (whole / "run/log.txt").read_text()
    kept = {folder.name for folder in (whole / "run/checkpoints").iterdir()}
    best = record_of(whole / "adapter")["loss"]["best_epoch"]
    assert kept == {f"epoch-{best:04d}", f"epoch-{EPOCHS:04d}"}


def test_it_stops_early_and_keeps_the_best(tmp_path: Path, base: Path, data: Path) -> None:
    config = write_config(tmp_path, base, data, learning_rate=0.9, epochs=30, patience=1)
    assert finetune.main([str(config), "--out", str(tmp_path / "run")]) == 0
    loss = record_of(tmp_path / "adapter")["loss"]
    assert loss["stopped_early"]
    assert len(loss["epochs"]) - 1 == loss["best_epoch"] + 1 < 30


# ---- kills


def test_after_a_kill_it_ends_at_the_same_losses(
    whole: Path, tmp_path: Path, base: Path, data: Path
) -> None:
    config = write_config(tmp_path, base, data)
    run = tmp_path / "run"
    begun = start("training.finetune", config, "--out", run)
    kill_when(begun, (run / "checkpoints/epoch-0001").exists)
    assert not (tmp_path / "adapter").exists()
    (run / "checkpoints/epoch-0009.part").mkdir()  # as a kill in mid-write leaves it

    assert finetune.main([str(config), "--out", str(run)]) == 0
    assert "resumed after epoch" in (run / "log.txt").read_text()
    assert not list((run / "checkpoints").glob("*.part"))
    expected, got = record_of(whole / "adapter"), record_of(tmp_path / "adapter")
    assert got["loss"]["best_epoch"] == expected["loss"]["best_epoch"]
    for ours, theirs in zip(got["loss"]["epochs"], expected["loss"]["epochs"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


def test_a_finished_run_started_again_changes_nothing(whole: Path) -> None:
    before = (whole / "adapter/adapter_model.safetensors").read_bytes()
    assert finetune.main([str(whole / "config.yaml"), "--out", str(whole / "run")]) == 0
    assert (whole / "adapter/adapter_model.safetensors").read_bytes() == before


# ---- bad input

BAD_CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"learning_rte": 0.1}, "learning_rte: unknown key; did you mean learning_rate"),
    "bad value": ({"rank": 0}, "rank:"),
    "bad type": ({"epochs": "many"}, "epochs:"),
    "bad targets": ({"targets": 3}, "targets:"),
    "targets the base has not": ({"targets": ["no_such_proj"]}, "targets:"),
    "unknown format": ({"format": "alpaca"}, "format: unknown chat format"),
    "format of another model": ({"format": "chatml"}, "has no token"),
    "missing key": ({"base": "REMOVED"}, "base: missing"),
    "missing data": ({"data": "nowhere/none.jsonl"}, "nowhere/none.jsonl: no such file"),
    "missing base": ({"base": "no/such/base"}, "no/such/base: no such folder"),
    "longer than the base": ({"max_length": 4096}, "max_length: 4096"),
    "nothing to learn": ({"only_quality": "none", "max_length": 16}, "too few to learn from"),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_bad_input_is_one_line(
    case: str, tmp_path: Path, base: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, expected = BAD_CONFIGS[case]
    config = write_config(tmp_path, base, data, **changes)
    assert finetune.main([str(config), "--out", str(tmp_path / "run")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert expected in lines[0]
    if (tmp_path / "run").exists():
        assert json.loads((tmp_path / "run/status.json").read_text())["state"] == "failed"


def test_bad_lines_files_and_folders(
    tmp_path: Path, base: Path, data: Path, whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def error(config: Path, run: Path = tmp_path / "run") -> str:
        assert finetune.main([str(config), "--out", str(run)]) == 2
        [line] = capsys.readouterr().err.strip().splitlines()
        return line

    assert "none.yaml: no such file" in error(tmp_path / "none.yaml")
    (tmp_path / "list.yaml").write_text("- a\n")
    assert "list.yaml" in error(tmp_path / "list.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1\n")
    assert "not YAML" in error(tmp_path / "broken.yaml")

    bad = tmp_path / "bad.jsonl"
    bad.write_text(data.read_text() + "{}\n")
    assert "bad.jsonl:32:" in error(write_config(tmp_path, base, bad))

    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work")
    assert "thesis" in error(write_config(tmp_path, base, data, output=str(other)), tmp_path / "r2")
    assert (other / "chapter.txt").exists()

    changed = write_config(tmp_path, base, data, output=str(whole / "adapter"), rank=4)
    assert "holds a run with another rank" in error(changed, whole / "run")


def test_every_key_is_documented_and_the_recipe_is_valid() -> None:
    for name, field in FinetuneConfig.model_fields.items():
        assert field.description, name
        assert f"  {name}: " in fields_help()
    recipe = load_config(Path(finetune.__file__).parent / "recipes/demo.yaml")
    assert recipe.rank == 8  # what the benchmark's ratios are stated for
    assert not os.path.isabs(recipe.base)
