"""LoRA tuning: how it learns and what comes out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from trl.trainer.utils import add_fused_lm_head

from mi_arena.engine.loading import load_pair
from mi_arena.jobs.finetune_config import FinetuneConfig, load_config
from mi_arena.jobs.launching import Launcher
from mi_arena.jobs.places import Gpus
from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.jobs.turns import turn
from mi_arena.pairs import load_registry
from tests.processes import ROOT, until
from tests.small_dialogues import made_up, write
from tests.training.finetuning import EPOCHS, record_of, write_config
from training import adapter_output, finetune, models, pair_entry
from training.batches import Padding
from training.checkpoints import Evaluation, best, out_of_patience
from training.cpu_head import score_learnt_positions
from training.finetune_data import prepare
from training.public_name import public_name
from training.step_counts import evaluation_steps, steps_per_epoch
from training.trainer import CounsellorTrainer

pytestmark = pytest.mark.usefixtures("one_thread")


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
