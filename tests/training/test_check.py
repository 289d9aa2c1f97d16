"""``training.finetune --check``: what is told before a start, what is refused, and what is not."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file
from transformers import LlamaConfig

from mi_arena.chat_formats import IGNORE
from mi_arena.jobs.finetune_config import load_config
from mi_arena.jobs.script import BadInput
from tests.processes import ROOT
from tests.small_dialogues import COUNSELOR, made_up, write
from tests.small_models import small_tokenizer
from training import checking, finetune, models, starting
from training.batches import GroupedBatches, Padding
from training.finetune_data import prepare
from training.licence_note import licence_note

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def base(pair_folders: tuple[Path, Path]) -> str:
    return str(pair_folders[0])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    parts = [
        made_up(20, quality="high"),
        made_up(4, seed=1, quality="low"),
        made_up(3, seed=3, split="test"),
        made_up(2, seed=4, rounds=8),
    ]
    return str(write(tmp_path_factory.mktemp("data") / "mi.jsonl", *parts))


def write_config(folder: Path, base: str, data: str, /, **changes: object) -> Path:
    settings: dict[str, object] = {
        "base": base, "data": data, "output": str(folder / "adapter"), "epochs": 3,
        "batch_dialogues": 4, "accumulation": 2, "max_length": 256,
    }  # fmt: skip
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(settings | changes))
    return file


def checked(file: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert finetune.main([str(file), "--check", "--json", *options]) == 0
    return json.loads(capsys.readouterr().out)


# ---- what is told


def test_the_report(
    tmp_path: Path, base: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_config(tmp_path, base, data)
    report = checked(file, capsys)
    assert (report["ok"], report["errors"]) == (True, [])
    config = load_config(file)
    found = prepare(config, models.load_chat(base, "demo"))

    told = report["data"]
    assert (told["read"], told["used"], told["train"], told["validation"]) == (29, 22, 20, 2)
    assert (told["left_out_quality"], told["left_out_test_split"]) == (4, 3)
    lengths = [len(example.input_ids) for example in found.train]
    assert told["tokens"] == sum(lengths)
    assert told["lengths"]["max"] == max(lengths)
    assert told["lengths"]["median"] == pytest.approx(sorted(lengths)[len(lengths) // 2], abs=2)
    assert sum(bar["count"] for bar in told["histogram"]) == 20
    assert told["histogram"][-1]["to"] > max(lengths)

    collate, positions, learnt, seen = Padding(0), 0, 0, 0
    batches = GroupedBatches(lengths, config.batch_dialogues, config.seed)
    for batches.epoch in range(config.epochs):
        for batch in batches:
            rows = collate([vars(found.train[i]) for i in batch])
            positions += rows["input_ids"].numel()
            seen += int(rows["attention_mask"].sum())
            learnt += int((rows["labels"][:, 1:] != IGNORE).sum())
    assert told["padding_share"] == pytest.approx(1 - seen / positions)
    assert told["target_tokens"] * 3 == learnt

    # 20 dialogues in 5 batches, 2 of which make a step; the base is evaluated as well.
    assert report["steps"] == {
        "epochs": 3, "per_epoch": 3, "total": 9, "evaluations": 4, "dialogues_per_step": 8,
    }  # fmt: skip
    real = starting.with_adapter(models.load_base(base), config)
    trained = sum(p.numel() for p in real.parameters() if p.requires_grad)
    assert report["model"] == {
        "parameters": sum(p.numel() for p in real.parameters()) - trained,
        "trainable": trained,
        "context": 512,
        "licence": None,
        "revision_pinned": True,
        "commit": None,
    }
    memory = report["memory"]
    assert memory["device"] == "cpu" and memory["fits"] is True
    assert memory["needed_bytes"] == sum(memory["parts"].values()) <= memory["available_bytes"]
    assert memory["weights_bytes"] == 4 * report["model"]["parameters"]


def test_the_longest_are_told_whole_and_with_what_they_lose(
    tmp_path: Path, base: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chat = models.load_chat(base, "demo")
    long = made_up(2, seed=4, rounds=8)
    whole = [len(chat.example(dialogue.messages).input_ids) for dialogue in long]
    rounds = [len(chat.example(dialogue.messages[:4]).input_ids) for dialogue in long]
    room = max(rounds)
    told = checked(write_config(tmp_path, base, data, max_length=room), capsys)["data"]
    assert [one["tokens"] for one in told["longest"]][:2] == sorted(whole, reverse=True)
    assert {one["id"] for one in told["longest"][:2]} == {"made-4-0", "made-4-1"}
    assert all(one["rounds_cut"] >= 5 for one in told["longest"][:2])
    assert told["cut"] >= 2 and told["lengths"]["max"] <= room


def test_nothing_is_written_and_no_dialogue_is_quoted(
    tmp_path: Path, base: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_config(tmp_path, base, data)
    for options in ([], ["--json"]):
        assert finetune.main([str(file), "--check", "--out", str(tmp_path / "run"), *options]) == 0
        said = capsys.readouterr()
        assert not any(part in said.out + said.err for part in ("戒烟", COUNSELOR[0][:3], "想"))
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_people_read_a_table(
    tmp_path: Path, base: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert finetune.main([str(write_config(tmp_path, base, data)), "--check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "dialogues  29 read, 22 used: 20 to learn from, 2 to validate on"
    assert "4 of other quality, 3 of the test split" in lines[1]
    assert any(re.match(r"memory +about \d+\.\d\d GB needed, ", line) for line in lines)
    assert max(map(len, lines)) < 200


def test_several_devices_share_the_steps(
    tmp_path: Path, base: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (
        checked(write_config(tmp_path, base, data), capsys, "--devices", n) for n in ("1", "2")
    )
    assert two["steps"]["dialogues_per_step"] == 2 * one["steps"]["dialogues_per_step"]
    assert (one["steps"]["per_epoch"], two["steps"]["per_epoch"]) == (3, 2)
    more = two["memory"]["needed_bytes"] - one["memory"]["needed_bytes"]
    assert more == one["memory"]["parts"]["gradients"]


# ---- warnings

WARNED: dict[str, tuple[dict[str, object], str]] = {
    "test split": ({}, "data: 3 dialogues are marked as the test split"),
    "few": ({}, "data: 20 dialogues to learn from are few"),
    "cut": ({"max_length": 100}, r"data: \d+ of 22 dialogues are cut at max_length 100 and lose"),
    "too long": ({"max_length": 40}, r"data: \d+ dialogues are left out, since not even"),
    "no validation": ({"validation": 0}, "validation: nothing is held out"),
    "licence": ({}, "licence of the base: not known; see its card"),
}


@pytest.mark.parametrize("case", WARNED)
def test_what_is_warned_of(
    case: str, tmp_path: Path, base: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changes, expected = WARNED[case]
    report = checked(write_config(tmp_path, base, data, **changes), capsys)
    assert [line for line in report["warnings"] if re.match(expected, line)], report["warnings"]
    assert all("\n" not in line for line in report["warnings"])


def test_nothing_is_warned_of_where_all_is_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(write(tmp_path / "d.jsonl", made_up(120)))
    report = checked(write_config(tmp_path, "mi_arena/assets/demo/base", data), capsys)
    assert report["warnings"] == []
    assert report["model"]["licence"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("mi_arena/assets/demo/base", []),
        ("Qwen/Qwen2.5-0.5B-Instruct", []),
        ("zai-org/glm-4-9b-chat-hf", ["registered", "glm-4", "co/zai-org/glm-4-9b-chat-hf"]),
        ("shenzhi-wang/Llama3-8B-Chinese-Chat", ["Built with Meta Llama 3", "huggingface.co/shen"]),
        ("models/baichuan2-7b-chat-llama", ["commercial use", "baichuan-inc/Baichuan2-7B-Chat"]),
        ("some/where", ["not known", "https://huggingface.co/some/where"]),
    ],
)
def test_licences_that_ask_for_something_are_noted(base: str, words: list[str]) -> None:
    note = licence_note(base)
    assert (note is None) == (not words)
    assert all(word in (note or "") for word in words), note


def test_the_card_of_a_folder_is_asked_for_its_licence(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text("---\nlicense: mit\n---\n")
    assert licence_note(str(tmp_path)) is None
    card.write_text("---\nlicense: gemma\n---\n")
    assert "gemma: not one of the open ones" in str(licence_note(str(tmp_path)))


# ---- memory that is not there


def save_shape(folder: Path, **changes: int) -> str:
    """A base whose config promises other weights than there are: nobody gets to load them."""
    small_tokenizer().save_pretrained(folder)
    shape = {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 512,
        "vocab_size": 400, "tie_word_embeddings": True,
    }  # fmt: skip
    LlamaConfig(**shape | changes, architectures=["LlamaForCausalLM"]).save_pretrained(folder)
    save_file({"x": torch.zeros(1)}, folder / "model.safetensors")
    return str(folder)


def test_a_base_too_large_for_the_device_is_refused_before_it_is_read(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = save_shape(tmp_path / "base", hidden_size=2**18, intermediate_size=2**20)
    file = write_config(tmp_path, wide, data)
    lines = []
    for options in (["--check"], ["--out", str(tmp_path / "run")]):
        assert finetune.main([str(file), *options]) == 2
        lines += capsys.readouterr().err.strip().splitlines()
    assert lines[0] == lines[1] and len(lines) == 2
    assert re.search(r"alone take 8\d{3}\.\d\d GB, and \d+\.\d\d GB of main memory", lines[0])
    assert "choose a smaller base, or another device" in lines[0]
    assert json.loads((tmp_path / "run/status.json").read_text())["state"] == "failed"


def test_a_broken_config_of_a_base_is_one_line(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = Path(save_shape(tmp_path / "base"))
    config = json.loads((broken / "config.json").read_text())
    (broken / "config.json").write_text(json.dumps(config | {"hidden_size": 66}))
    assert finetune.main([str(write_config(tmp_path, str(broken), data)), "--check"]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert re.search(r"base: .*/base: cannot be loaded: .*66.*not a multiple", line)


def test_a_real_start_asks_for_what_is_free(tmp_path: Path, base: str, data: str) -> None:
    config = load_config(write_config(tmp_path, base, data))
    starting.check_room(config, 1000, 1000)
    with pytest.raises(BadInput, match=r"2\.00 GB, and 1\.50 GB of main memory are free"):
        starting.check_room(config, 2 * 10**9, 1_500_000_000)


def test_an_estimate_above_what_is_free_is_warned_of_with_what_helps(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The logits of fifty million words would take hundreds of gigabytes."""
    base = save_shape(tmp_path / "base", hidden_size=4, vocab_size=50_000_000)
    settings = {"targets": ["q_proj"], "batch_dialogues": 20}
    report = checked(write_config(tmp_path, base, data, **settings), capsys)
    assert report["memory"]["fits"] is False
    [line] = [line for line in report["warnings"] if line.startswith("memory: ")]
    for words in ("GB needed", "are free on cpu", "batch_dialogues", "gradient_checkpointing"):
        assert words in line
    assert "4bit" not in line  # which needs a GPU
    quiet = write_config(
        tmp_path, base, data, **settings | {"batch_dialogues": 1, "gradient_checkpointing": True}
    )
    [line] = [one for one in checked(quiet, capsys)["warnings"] if one.startswith("memory: ")]
    assert line.endswith("; lower max_length")


def test_a_full_memory_is_one_line(tmp_path: Path, data: str) -> None:
    """A limit on the process' memory stands for a machine that has no more."""
    base = save_shape(tmp_path / "base", hidden_size=8, num_attention_heads=2, vocab_size=2_000_000)
    weights = models.load_shape(base)
    tensors = {name: torch.zeros(parameter.shape) for name, parameter in weights.named_parameters()}
    save_file(tensors, Path(base) / "model.safetensors", metadata={"format": "pt"})
    settings = {"batch_dialogues": 20, "sample_prompts": [], "validation": 0}
    file = write_config(tmp_path, base, data, **settings)
    code = (
        "import psutil, resource, sys, trl\n"
        "from training import finetune, trainer\n"
        "room = psutil.Process().memory_info().vms + 900_000_000\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (room, {resource.RLIM_INFINITY}))\n"
        "sys.exit(finetune.main(sys.argv[1:]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, file, "--out", tmp_path / "run"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "main memory is full: lower batch_dialogues" in last
    status = json.loads((tmp_path / "run/status.json").read_text())
    assert status["state"] == "failed" and "main memory is full" in status["error"]


# ---- what is refused


@pytest.mark.parametrize("words", [["--json"], ["--check", "--devices", "0"]])
def test_options_that_make_no_sense(words: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        finetune.main(["config.yaml", *words])
    assert refused.value.code == 2


def test_what_can_not_start_is_one_line_and_told_in_json(
    tmp_path: Path, base: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_config(tmp_path, base, "nowhere.jsonl")
    assert finetune.main([str(file), "--check", "--json"]) == 2
    said = capsys.readouterr()
    [line] = said.err.strip().splitlines()
    report = json.loads(said.out)
    assert report == checking.refused("data: nowhere.jsonl: no such file")
    assert line == f"training.finetune: {report['errors'][0]}"


def test_an_output_or_a_run_of_something_else_is_refused(
    tmp_path: Path, base: str, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.txt").write_text("years of work")
    file = write_config(tmp_path, base, data, output=str(tmp_path / "thesis"))
    assert finetune.main([str(file), "--check"]) == 2
    assert "holds other files than an adapter" in capsys.readouterr().err

    (tmp_path / "run/checkpoints/checkpoint-3").mkdir(parents=True)
    config = load_config(write_config(tmp_path, base, data)).model_dump()
    (tmp_path / "run/config.yaml").write_text(yaml.safe_dump(config | {"rank": 3}))
    file = write_config(tmp_path, base, data)
    assert finetune.main([str(file), "--check", "--out", str(tmp_path / "run")]) == 2
    assert "holds a run with another rank" in capsys.readouterr().err
