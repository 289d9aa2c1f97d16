"""LoRA tuning: what is learnt from, what comes out, kills and bad input."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from trl.trainer.utils import add_fused_lm_head

from mi_arena.chat_formats import IGNORE
from mi_arena.dialogue import read_dialogues
from mi_arena.engine.loading import load_pair
from mi_arena.jobs.finetune_config import FinetuneConfig, fields_help, load_config
from mi_arena.jobs.launching import Launcher
from mi_arena.jobs.places import Gpus
from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.jobs.script import BadInput
from mi_arena.jobs.turns import Line, turn
from mi_arena.pairs import load_registry
from tests.processes import ROOT, kill_when, start, until
from tests.small_dialogues import made_up, write
from training import adapter_output, checkpoints, finetune, models, pair_entry
from training.batches import Padding, collate, length_grouped
from training.checkpoints import Evaluation, best, out_of_patience
from training.cpu_head import score_learnt_positions
from training.examples import build_examples, held_out, manifest_hash
from training.finetune_data import prepare
from training.public_name import public_name
from training.step_counts import evaluation_steps, steps_per_epoch
from training.trainer import CounsellorTrainer

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
        "sample_prompts": ["我想戒烟。"],
        "sample_tokens": 8,
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


def evaluations(*losses: float | None) -> list[Evaluation]:
    return [Evaluation(epoch, None, loss, epoch * 5) for epoch, loss in enumerate(losses)]


def test_the_best_leaves_the_base_aside_and_patience_ends() -> None:
    assert best(evaluations(1.0, 3.0, 4.0)).epoch == 1
    assert best(evaluations(None, None, None)).epoch == 2
    assert not out_of_patience(evaluations(1.0), 1)
    assert not out_of_patience(evaluations(9.0, 3.0, 2.0), 1)
    assert out_of_patience(evaluations(9.0, 2.0, 3.0), 1)
    assert not out_of_patience(evaluations(9.0, 2.0, 3.0), 2)
    assert not out_of_patience(evaluations(None, None, None), 1)


def test_evaluations_are_spread_and_end_with_the_epoch() -> None:
    config = FinetuneConfig(base="b", data="d", output="o", epochs=2, evaluations_per_epoch=3)
    assert evaluation_steps(config, 10) == {3, 7, 10, 13, 17, 20}
    assert evaluation_steps(config, 2) == {1, 2, 3, 4}
    assert steps_per_epoch(config, 33, 1) == 5
    assert steps_per_epoch(config.model_copy(update={"accumulation": 4}), 33, 2) == 1


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
    assert files == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "training.json",
    ]  # fmt: skip
    for name in ("README.md", "adapter_config.json", "training.json"):
        assert str(whole.parent) not in (whole / "adapter" / name).read_text()
    config = json.loads((whole / "adapter/adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "base"
    assert config["r"] == 8
    assert config["target_modules"] == sorted(config["target_modules"])


def test_the_card_says_how_it_was_made(whole: Path) -> None:
    card = (whole / "adapter/README.md").read_text()
    record = record_of(whole / "adapter")
    assert yaml.safe_load(card.split("---")[1])["base_model"] == "base"
    assert record["data"]["manifest_sha256"] in card
    assert f"{record['loss']['best_validation_loss']:.4f} |" in card
    assert "System prompt used in training: null" in card
    assert "learning_rate: 0.01" in card and "trl 1." in card


def test_the_entry_for_the_arena_loads_and_serves(whole: Path) -> None:
    [pair] = load_registry(whole / "run/pair.yaml").values()
    assert (pair.id, pair.format, pair.dtype) == ("run", "demo", "float32")
    loaded = load_pair(pair)
    assert loaded.context == 512
    known = pair_entry.pair_of(str(ROOT / "mi_arena/assets/demo/base"))
    assert known is not None and known.id == "demo"
    assert pair_entry.licence_of("shenzhi-wang/Llama3-8B-Chinese-Chat").startswith("Llama 3")
    assert pair_entry.licence_of("nobody/nothing") is None


def test_public_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for given, shown in {
        "mi_arena/assets/demo/base": "mi_arena/assets/demo/base",
        "owner/name": "owner/name",
        str(tmp_path / "a/b"): "a/b",
        "/somewhere/else/demo-base": "demo-base",
        "../weights/demo-base": "demo-base",
    }.items():
        assert public_name(given) == shown


def test_a_run_directory_tells_the_run(whole: Path) -> None:
    status = json.loads((whole / "run/status.json").read_text())
    assert (status["state"], status["step"], status["total"]) == ("done", 24, 24)
    lines = [json.loads(line) for line in (whole / "run/metrics.jsonl").read_text().splitlines()]
    assert [r["epoch"] for r in lines if "epoch" in r] == [0, 1, 2, 3, 4]
    steps = [r for r in lines if "loss" in r]
    assert {"step", "loss", "learning_rate", "tokens_per_second", "memory_bytes"} <= set(steps[0])
    assert [r["step"] for r in steps][-1] == 24
    samples = [json.loads(line) for line in (whole / "run/samples.jsonl").read_text().splitlines()]
    assert [sample["step"] for sample in samples] == [0, 6, 12, 18, 24]
    assert {sample["prompt"] for sample in samples} == {"我想戒烟。"}
    assert "left_out_quality" in (whole / "run/log.txt").read_text()
    kept = {folder.name for folder in (whole / "run/checkpoints").iterdir()}
    best_one = record_of(whole / "adapter")["loss"]["best_epoch"]
    assert kept == {f"checkpoint-{best_one * 6}", "checkpoint-24"}


def test_it_stops_early_and_keeps_the_best(tmp_path: Path, base: Path, data: Path) -> None:
    config = write_config(tmp_path, base, data, learning_rate=0.9, epochs=30, patience=1)
    assert finetune.main([str(config), "--out", str(tmp_path / "run")]) == 0
    loss = record_of(tmp_path / "adapter")["loss"]
    assert loss["stopped_early"]
    assert len(loss["epochs"]) - 1 == loss["best_epoch"] + 1 < 30


def test_accumulated_batches_learn_as_whole_ones(tmp_path: Path, base: Path, data: Path) -> None:
    """The loss is a mean over the step's tokens, however many passes they came in."""
    validation = []
    for name, changes in (("one", {}), ("two", {"batch_dialogues": 2, "accumulation": 2})):
        folder = tmp_path / name
        folder.mkdir()
        settings = {"dropout": 0, "epochs": 1, "max_length": 128, "sample_prompts": []} | changes
        config = write_config(folder, base, data, **settings)
        assert finetune.main([str(config), "--out", str(folder / "run")]) == 0
        validation.append(record_of(folder / "adapter")["loss"]["epochs"])
    assert validation[0][0] == pytest.approx(validation[1][0], abs=1e-5)
    assert [one["step"] for one in validation[0]] == [one["step"] for one in validation[1]]


def test_two_devices_wait_stop_go_on_and_learn_as_two_passes_do(
    tmp_path: Path, base: Path, data: Path
) -> None:
    """Data parallel over gloo, from queue to resumption: losses are those of one process."""
    held = write(tmp_path / "held.jsonl", made_up(3, seed=7))
    folders = {name: tmp_path / name for name in ("passes", "devices")}
    launcher = Launcher(tmp_path, {"training.finetune"}, ROOT)
    for name, folder in folders.items():
        folder.mkdir()
        settings = {
            "dropout": 0, "epochs": 3, "validation_data": str(held), "sample_prompts": [],
            "batch_dialogues": 2, "accumulation": 2 if name == "passes" else 1,
            "learning_rate": 0.002,
        }  # fmt: skip
        write_config(folder, base, data, **settings)
    config = folders["passes"] / "config.yaml"
    assert finetune.main([str(config), "--out", str(tmp_path / "alone")]) == 0

    words = [str(folders["devices"] / "config.yaml"), "--out", str(tmp_path / "run")]
    (tmp_path / "run").mkdir()
    with turn(tmp_path, print):
        launcher.submit(tmp_path / "run", "training.finetune", words, Gpus(2))
        until(lambda: launcher.status("run").state == "queued", told=lambda: log(launcher))
        assert launcher.status("run").ahead == 1
    until(lambda: launcher.status("run").step >= 1, told=lambda: log(launcher))
    launcher.stop("run")
    until(lambda: launcher.status("run").state == "stopped", told=lambda: log(launcher))
    stopped_at = launcher.status("run").step
    assert 1 <= stopped_at < 18
    launcher.resume("run")
    until(lambda: launcher.status("run").state == "done", told=lambda: log(launcher))
    assert f"resumed after step {stopped_at}" in (tmp_path / "run/log.txt").read_text()
    console = tmp_path / "run/console.txt"
    until(lambda: console.read_text().count("dialogues: ") == 1)
    assert console.read_text().count("waits for") == 1
    passes, devices = (record_of(f / "adapter")["loss"]["epochs"] for f in folders.values())
    assert [one["step"] for one in devices] == [0, 6, 12, 18]
    for ours, theirs in zip(devices, passes, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-4)


def log(launcher: Launcher) -> str:
    return "\n".join([str(launcher.status("run")), *launcher.logs("run", 20)])


def test_the_head_on_a_cpu_scores_as_trl_does(base: Path) -> None:
    chat = models.load_chat(str(base), "demo")
    rows = [vars(chat.example(made_up(1, rounds=r)[0].messages)) for r in (1, 3)]
    batch = Padding(chat.pad_id)(rows)
    model = models.load_base(str(base))
    add_fused_lm_head(model)
    found = []
    for change in (lambda model: None, score_learnt_positions):
        change(model)
        model.zero_grad()
        output = model(**batch, use_cache=False, fused_lm_head=True)
        output.loss.backward()
        found.append((output, model.get_input_embeddings().weight.grad.clone()))
    (theirs, their_grad), (ours, our_grad) = found
    for name in ("loss", "log_probs", "label_mask"):
        assert torch.allclose(getattr(theirs, name).float(), getattr(ours, name).float(), atol=1e-5)
    assert torch.allclose(their_grad, our_grad, atol=1e-5)
    ids = batch["input_ids"][1:]
    assert torch.equal(model(ids).logits, model(ids, labels=ids).logits)


def new_trainer(folder: Path, base: Path, data: Path, **changes: Any) -> CounsellorTrainer:
    config = load_config(write_config(folder, base, data, **changes))
    chat = models.load_chat(str(base), "demo")
    model = finetune.with_adapter(models.load_base(str(base), getattr(torch, config.dtype)), config)
    run = RunDirectory(folder / "run")
    run.start(config.model_dump(), 0)
    return CounsellorTrainer(model, config, prepare(config, chat), chat, run, lambda: False)


def test_padding_changes_no_log_probability(base: Path, tmp_path: Path, data: Path) -> None:
    """Pads stand on the right, where no token looks: the trainer hands no mask to the model."""
    trainer = new_trainer(tmp_path, base, data)
    trainer.model.eval()
    rounds = (made_up(1, rounds=count)[0].messages for count in (1, 2, 3))
    examples = [trainer.chat.example(messages) for messages in rounds]
    together = trainer._nats(examples)
    apart = [trainer._nats([example]) for example in examples]
    assert together[0] == pytest.approx(sum(nats for nats, _ in apart), abs=1e-4)
    assert together[1] == sum(tokens for _, tokens in apart)


def test_activations_enter_an_adapter_as_narrow_as_they_are(
    base: Path, tmp_path: Path, data: Path
) -> None:
    settings = {"dtype": "bfloat16", "epochs": 1, "gradient_checkpointing": True}
    trainer = new_trainer(tmp_path, base, data, **settings)
    seen = set()
    for name, module in trainer.model.named_modules():
        if name.endswith("lora_A.default"):
            assert module.weight.dtype == torch.float32
            module.register_forward_pre_hook(lambda _, inputs: seen.add(inputs[0].dtype))
    trainer.run_to_the_end()
    assert seen == {torch.bfloat16}


def test_a_loss_that_is_no_number_is_one_line_and_nothing_is_saved(
    tmp_path: Path, base: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "base"
    shutil.copytree(base, broken)
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("inf")
    save_file(weights, broken / "model.safetensors", {"format": "pt"})
    config = write_config(tmp_path, broken, data, validation=0, save_steps=1, accumulation=2)
    assert finetune.main([str(config), "--out", str(tmp_path / "run")]) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "the loss is nan at step 1; lower learning_rate" in line
    assert list((tmp_path / "run/checkpoints").iterdir()) == []


def test_more_of_the_settings_and_a_merged_model(tmp_path: Path, base: Path, data: Path) -> None:
    changes = {
        "epochs": 1, "evaluations_per_epoch": 2, "save_steps": 2, "save_total_limit": 3,
        "rslora": True, "schedule": "constant", "gradient_checkpointing": True, "merge": True,
        "dtype": "bfloat16", "validation": 0,
    }  # fmt: skip
    config = write_config(tmp_path, base, data, **changes)
    assert finetune.main([str(config), "--out", str(tmp_path / "run")]) == 0
    record = record_of(tmp_path / "adapter")
    assert [one["epoch"] for one in record["loss"]["epochs"]] == [0, 0.5, 1]
    assert record["loss"]["best_epoch"] == 1  # the last, as nothing was held out
    kept = {folder.name for folder in (tmp_path / "run/checkpoints").iterdir()}
    assert kept == {"checkpoint-3", "checkpoint-4", "checkpoint-6"}
    rates = [
        r["learning_rate"]
        for r in map(json.loads, (tmp_path / "run/metrics.jsonl").read_text().splitlines())
        if "learning_rate" in r
    ]
    assert set(rates) == {0.01}

    ids = torch.tensor([[1, 4, 300, 301, 2, 5]])
    tuned = models.load_adapter(
        models.load_base(str(base), torch.bfloat16), str(tmp_path / "adapter")
    )
    merged = models.load_base(str(tmp_path / "adapter-merged"), torch.bfloat16)
    assert torch.allclose(merged(ids).logits, tuned(ids).logits, atol=0.2)
    assert models.load_chat(str(tmp_path / "adapter-merged"), "demo").stop_ids


def test_a_push_that_fails_is_one_line_and_can_be_tried_again(
    whole: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    again = whole / "again.yaml"
    again.write_text((whole / "config.yaml").read_text() + "push_to_hub: some/where\n")
    arguments = [str(again), "--out", str(whole / "run")]
    assert finetune.main(arguments) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "push_to_hub: some/where: " in line and "tries again" in line

    class Hub:
        def create_repo(self, repo: str, **options: object) -> None:
            assert repo == "some/where" and options["private"] is True

        def upload_folder(self, repo_id: str, folder_path: Path, **_: object) -> Any:
            assert (folder_path / "README.md").exists()
            return type("Commit", (), {"oid": "a" * 40})

    monkeypatch.setattr(adapter_output, "HfApi", Hub)
    assert finetune.main(arguments) == 0
    [pair] = load_registry(whole / "run/pair.yaml").values()
    assert str(pair.adapter) == f"some/where@{'a' * 40}"


# ---- kills


def assert_same_end(got: Path, expected: Path) -> None:
    ours, theirs = (record_of(f / "adapter")["loss"]["epochs"] for f in (got, expected))
    for one, other in zip(ours, theirs, strict=True):
        assert one == pytest.approx(other, abs=1e-5)
    steps = [
        [json.loads(line)["step"] for line in (f / "run/samples.jsonl").read_text().splitlines()]
        for f in (got, expected)
    ]
    assert steps[0] == steps[1]


def test_after_a_kill_it_ends_at_the_same_losses(
    whole: Path, tmp_path: Path, base: Path, data: Path
) -> None:
    config = write_config(tmp_path, base, data, save_steps=1)
    run = tmp_path / "run"
    begun = start("training.finetune", config, "--out", run)
    kill_when(begun, (run / "checkpoints/checkpoint-9").exists)  # within the second epoch
    assert not (tmp_path / "adapter").exists()
    (run / "checkpoints/part/checkpoint-99").mkdir(parents=True)  # as a kill in mid-write leaves it
    (run / "checkpoints/checkpoint-98").mkdir()  # of a disk that lost what was not flushed
    with (run / "samples.jsonl").open("a") as out:
        out.write('{"step": 98, "prom')

    assert finetune.main([str(config), "--out", str(run)]) == 0
    assert "resumed after step" in (run / "log.txt").read_text()
    kept = {folder.name for folder in (run / "checkpoints").iterdir()}
    assert "checkpoint-24" in kept and not kept & {"part", "checkpoint-98"}
    assert_same_end(tmp_path, whole)


def test_asked_to_stop_it_saves_and_says_so(
    whole: Path, tmp_path: Path, base: Path, data: Path
) -> None:
    config = write_config(tmp_path, base, data)
    run = tmp_path / "run"
    begun = start("training.finetune", config, "--out", run)
    while not (run / "checkpoints/checkpoint-6").exists():
        assert begun.poll() is None, begun.communicate()
        time.sleep(0.005)
    begun.terminate()
    _, said = begun.communicate(timeout=600)
    assert begun.returncode == 3, said
    assert said.strip().splitlines()[-1].endswith("stopped; the same command goes on from here")
    status = json.loads((run / "status.json").read_text())
    assert status["state"] == "stopped"
    found = checkpoints.latest(run / "checkpoints")
    assert found is not None and found[0].name == f"checkpoint-{status['step']}"

    assert finetune.main([str(config), "--out", str(run)]) == 0
    assert_same_end(tmp_path, whole)


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    whole: Path, tmp_path: Path, base: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on the size of files stands for it: the weights fit, the optimiser does not."""
    config = write_config(tmp_path, base, data)
    run = tmp_path / "run"
    fits = (whole / "adapter/adapter_model.safetensors").stat().st_size + 4096
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (fits, before[1]))
    try:
        assert finetune.main([str(config), "--out", str(run)]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "checkpoint 6 could not be written" in line
    assert list((run / "checkpoints").iterdir()) == []
    assert json.loads((run / "status.json").read_text())["state"] == "failed"
    assert not (tmp_path / "adapter").exists()

    assert finetune.main([str(config), "--out", str(run)]) == 0
    assert_same_end(tmp_path, whole)


def test_a_finished_run_started_again_changes_nothing(whole: Path) -> None:
    before = (whole / "adapter/adapter_model.safetensors").read_bytes()
    assert finetune.main([str(whole / "config.yaml"), "--out", str(whole / "run")]) == 0
    assert (whole / "adapter/adapter_model.safetensors").read_bytes() == before


# ---- its turn


def test_it_waits_for_its_turn_and_can_be_stopped_there(
    tmp_path: Path,
    base: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = write_config(tmp_path, base, data, epochs=1)
    run = tmp_path / "run"
    with turn(tmp_path, print):
        begun = start("training.finetune", config, "--out", run)
        until(lambda: state_of(run) == "queued", told=lambda: str(begun.poll()))
        assert json.loads((run / "status.json").read_text())["ahead"] == 1
        # What can't be used is refused at once, not after hours of waiting.
        for changes in ({"data": "none.jsonl"}, {"max_length": 4096}, {"targets": ["none"]}):
            other = tmp_path / "other"
            other.mkdir(exist_ok=True)
            refused = write_config(other, base, data, **changes)
            capsys.readouterr()
            # In one directory: what was refused is mended and begun again there.
            assert finetune.main([str(refused), "--out", str(tmp_path / "refused")]) == 2
            assert f"training.finetune: {next(iter(changes))}: " in capsys.readouterr().err
        begun.terminate()
        _, said = begun.communicate(timeout=60)
    assert begun.returncode == 3
    assert said.splitlines() == [
        "training.finetune: waits for the accelerator: 1 ahead",
        "training.finetune: stopped; the same command goes on from here",
    ]
    assert state_of(run) == "stopped" and not list((run / "checkpoints").iterdir())
    assert Line(tmp_path).numbers() == []

    in_line = []
    load = models.load_base
    monkeypatch.setattr(
        models, "load_base", lambda *a: in_line.append(Line(tmp_path).numbers()) or load(*a)
    )
    assert finetune.main([str(config), "--out", str(run)]) == 0
    assert in_line == [[1]] and Line(tmp_path).numbers() == []


def state_of(run: Path) -> str | None:
    file = run / "status.json"
    return json.loads(file.read_text())["state"] if file.exists() else None


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
    "a dtype that needs a GPU": ({"dtype": "float16"}, "dtype: float16 needs a GPU"),
    "4bit in float32": ({"quantization": "4bit"}, "quantization: 4bit computes in bfloat16"),
    "4bit on a CPU": (
        {"quantization": "4bit", "dtype": "bfloat16"},
        "quantization: 4bit needs a GPU",
    ),
    "an empty prompt": ({"sample_prompts": [" "]}, "sample_prompts: a prompt is empty"),
    "no repository": ({"push_to_hub": "adapter"}, "push_to_hub:"),
    "missing validation": ({"validation_data": "none.jsonl"}, "none.jsonl: no such file"),
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
    assert finetune.main([str(config), "--check"]) == 2
    assert capsys.readouterr().err.strip().splitlines() == lines


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


def test_every_key_is_documented() -> None:
    for name, field in FinetuneConfig.model_fields.items():
        assert field.description, name
        assert f"  {name}: " in fields_help()


RECIPES = sorted((ROOT / "training/recipes").glob("*.yaml"))


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_every_recipe_loads(file: Path) -> None:
    recipe = load_config(file)
    assert not os.path.isabs(recipe.base)
    text = file.read_text()
    assert f"training/recipes/{file.name}" in text.splitlines()[0]
    pair = pair_entry.pair_of(recipe.base)
    assert pair is not None and pair.format == recipe.format
    assert pair.context >= recipe.max_length
    if pair.base.repo:
        assert recipe.revision == pair.base.revision


def test_the_recipes_cover_the_families() -> None:
    names = {file.stem for file in RECIPES}
    for pair in ("baichuan2-7b", "glm-4-9b", "llama3-8b-zh"):
        assert load_config(ROOT / f"training/recipes/{pair}-24gb.yaml").quantization == "4bit"
        assert load_config(ROOT / f"training/recipes/{pair}-80gb.yaml").quantization == "none"
    assert len(names) == 7
    demo = load_config(ROOT / "training/recipes/demo.yaml")
    assert demo.rank == 8  # what the benchmark's ratios are stated for
    assert (demo.learning_rate, demo.epochs, demo.batch_dialogues) == (0.001, 2, 16)


def test_the_accelerate_config_is_one() -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    file = ROOT / "training/recipes/accelerate/ddp.yaml"
    assert load_config_from_file(str(file)).distributed_type == "MULTI_GPU"
    assert (
        "accelerate launch --config_file training/recipes/accelerate/ddp.yaml" in file.read_text()
    )


def test_a_second_sigterm_waits_for_the_save_and_a_second_ctrl_c_does_not() -> None:
    stop = finetune.Stop()
    with pytest.raises(KeyboardInterrupt):
        stop(signal.SIGTERM)  # nothing to save yet
    stop.training = True
    stop(signal.SIGTERM)
    stop(signal.SIGTERM)
    assert stop.asked
    with pytest.raises(KeyboardInterrupt):
        stop(signal.SIGINT)


def test_a_fault_tells_its_type_and_no_text(
    tmp_path: Path,
    base: Path,
    data: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "我想戒烟，可是压力大"  # apart: a traceback shows the line that raises

    def broken(*_: object) -> None:
        raise RuntimeError(text)

    monkeypatch.setattr(adapter_output, "write", broken)
    config = write_config(tmp_path, base, data, epochs=1)
    assert finetune.main([str(config), "--out", str(tmp_path / "run")]) == 1
    told = capsys.readouterr()
    status = (tmp_path / "run/status.json").read_text(encoding="utf-8")
    assert "RuntimeError" in status and "RuntimeError" in told.err
    assert "戒烟" not in status + told.err + told.out


def test_ids_of_entries_are_free_and_say_something(tmp_path: Path, base: Path, data: Path) -> None:
    config = load_config(write_config(tmp_path, base, data))
    for run, begins in (("smoking-1", "smoking-1"), ("demo", "demo-"), ("戒烟", "tuned-")):
        adapter = tmp_path / f"adapter-{begins}"
        adapter.mkdir()
        (adapter / "adapter_model.safetensors").write_bytes(run.encode())
        text = pair_entry.registry_text(config, run, adapter, 512, None, None)
        (tmp_path / "pair.yaml").write_text(text, encoding="utf-8")
        (name,) = load_registry(tmp_path / "pair.yaml")
        assert name.startswith(begins) and (len(name) > len(begins)) == begins.endswith("-")
