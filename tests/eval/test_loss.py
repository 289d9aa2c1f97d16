"""Loss per character against a sum by hand, and the interval of a difference."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from eval import loss as held_out_loss
from eval.loss import DialogueLoss, content_summary, measure, paired_difference
from mi_arena.chat_formats import IGNORE, ChatFormat
from mi_arena.dialogue import Dialogue
from tests.small_dialogues import made_up, write
from training import finetune, models

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def base(pair_folders: tuple[Path, Path]) -> Path:
    return pair_folders[0]


@pytest.fixture(scope="module")
def chat(base: Path) -> ChatFormat:
    return models.load_chat(str(base), "demo")


def by_hand(base: Path, chat: ChatFormat, dialogue: Dialogue) -> tuple[float, float, float]:
    """Nats of content, of counsellor content, of counsellor turns: token by token, no batch."""
    model = AutoModelForCausalLM.from_pretrained(base).eval()
    example, content = chat.example(dialogue.messages), chat.content_mask(dialogue.messages)
    sums = [0.0, 0.0, 0.0]
    with torch.no_grad():
        for place in range(1, len(example.input_ids)):
            logits = model(torch.tensor([example.input_ids[:place]])).logits[0, -1].double()
            nats = float(logits.logsumexp(0) - logits[example.input_ids[place]])
            learnt = example.labels[place] != IGNORE
            sums[0] += nats * content[place]
            sums[1] += nats * (content[place] and learnt)
            sums[2] += nats * learnt
    return sums[0], sums[1], sums[2]


def test_the_loss_equals_a_sum_by_hand(base: Path, chat: ChatFormat) -> None:
    dialogues = [*made_up(1, rounds=1), *made_up(1, seed=1, rounds=3), *made_up(1, seed=2)]
    found = measure(models.load_base(str(base)), chat, dialogues, batch_size=2)
    totals = [0.0, 0.0, 0.0]
    for dialogue, got in zip(dialogues, found, strict=True):
        assert got.id == dialogue.id
        expected = by_hand(base, chat, dialogue)
        ours = (got.content_nats, got.counselor_nats, got.turn_nats)
        assert ours == pytest.approx(expected, rel=1e-5)
        assert got.content_characters == sum(len(m.content) for m in dialogue.messages)
        assert got.turn_tokens == got.counselor_tokens + len(dialogue.messages) // 2
        totals = [a + b for a, b in zip(totals, expected, strict=True)]
    summary = content_summary(found)
    characters = sum(len(m.content) for d in dialogues for m in d.messages)
    said = sum(len(m.content) for d in dialogues for m in d.messages if m.role == "counselor")
    assert summary["nats_per_character"] == pytest.approx(totals[0] / characters, abs=1e-5)
    assert summary["counselor_nats_per_character"] == pytest.approx(totals[1] / said, abs=1e-5)
    assert (summary["characters"], summary["dialogues_cut"]) == (characters, 0)


def test_long_dialogues_are_cut_at_a_message_and_counted(base: Path, chat: ChatFormat) -> None:
    [long] = made_up(1, rounds=40)
    [got] = measure(models.load_base(str(base)), chat, [long])
    kept = long.messages[: len(long.messages) - got.messages_cut]
    assert 0 < got.messages_cut < 80
    assert len(chat.example(kept).input_ids) <= 512
    assert len(chat.example(long.messages[: len(kept) + 1]).input_ids) > 512
    assert got.content_characters == sum(len(m.content) for m in kept)
    assert content_summary([got])["dialogues_cut"] == 1


def test_nothing_measured_is_undefined_not_zero() -> None:
    assert content_summary([])["nats_per_character"] is None
    assert "undefined" in paired_difference([], [])
    [one] = losses([1.0])
    assert paired_difference([one], [one])["mean_interval"] is None


def losses(turn_nats: list[float], characters: int = 10) -> list[DialogueLoss]:
    return [
        DialogueLoss(str(i), 0, 0, 0, 0, 0, characters, nats, characters, 0)
        for i, nats in enumerate(turn_nats)
    ]


def test_the_bootstrap() -> None:
    base = losses([30.0 + i % 5 for i in range(40)])
    same = paired_difference(base, base)
    assert (same["mean"], same["mean_interval"]) == (0, [0, 0])

    better = losses([loss.turn_nats - 5 - i % 3 for i, loss in enumerate(base)])
    found = paired_difference(base, better)
    low, high = found["mean_interval"]
    assert low < found["mean"] < high < 0
    assert found["mean"] == pytest.approx(found["pooled"]) == pytest.approx(-0.5975, abs=1e-3)
    assert found["dialogues_improved"] == 40
    assert found == paired_difference(base, better)
    assert found["mean_interval"] != paired_difference(base, better, seed=1)["mean_interval"]

    either = losses([loss.turn_nats + (-1) ** i for i, loss in enumerate(base)])
    low, high = paired_difference(base, either)["pooled_interval"]
    assert low < 0 < high
    # The standard error of 40 differences of +-0.1 is 0.0158: a normal interval is +-0.031.
    assert (low, high) == pytest.approx((-0.031, 0.031), abs=0.006)

    with pytest.raises(ValueError, match="different dialogues"):
        paired_difference(base, base[1:])


def test_pooled_weighs_by_length_and_mean_does_not() -> None:
    base = [*losses([10.0], 10), *losses([100.0], 100)]
    base[1] = DialogueLoss(**{**vars(base[1]), "id": "1"})
    tuned = [*losses([0.0], 10), *losses([100.0], 100)]
    tuned[1] = DialogueLoss(**{**vars(tuned[1]), "id": "1"})
    found = paired_difference(base, tuned)
    assert found["mean"] == pytest.approx(-0.5)
    assert found["pooled"] == pytest.approx(-10 / 110)


def test_an_adapter_that_helps_has_an_interval_below_zero(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(
        tmp_path / "d.jsonl", made_up(24), made_up(10, seed=5, split="test"), made_up(1, seed=6)
    )
    config = tmp_path / "tune.yaml"
    config.write_text(
        f"base: {base}\ndata: {data}\noutput: {tmp_path / 'adapter'}\nlearning_rate: 0.01\n"
        "epochs: 4\nmax_length: 512\nbatch_dialogues: 4\n"
    )
    assert finetune.main([str(config), "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    common = ["--base", str(base), "--data", str(data), "--adapter", str(tmp_path / "adapter")]
    assert held_out_loss.main([*common, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    turns = result["counselor_turns"]
    assert turns["n_dialogues"] == 10
    for name in ("mean", "pooled"):
        low, high = turns[f"{name}_interval"]
        assert low < turns[name] < high < 0
    assert len(result["dialogues"]) == 10

    assert held_out_loss.main([*common, "--limit", "3"]) == 0
    text = capsys.readouterr().out
    assert "n = 3 dialogues" in text
    assert "95 % interval" in text
    assert "method:" in text


def test_bad_input_is_one_line(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write(tmp_path / "d.jsonl", made_up(2))
    for arguments, expected in (
        (["--base", str(base), "--data", str(tmp_path / "none")], "none: no such file"),
        (["--base", str(base), "--data", str(data)], "no dialogue with meta.split = test"),
        (["--base", "no/such/one", "--data", str(data), "--split", "all"], "no such folder"),
        (
            ["--base", str(base), "--data", str(data), "--split", "all", "--adapter", "nowhere"],
            "nowhere: no adapter there",
        ),
    ):
        assert held_out_loss.main(arguments) == 2
        [line] = capsys.readouterr().err.strip().splitlines()
        assert expected in line
