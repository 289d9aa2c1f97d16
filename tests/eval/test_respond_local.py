"""Replies of a pair that runs here: right, the same however they are batched, and never lost."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from eval.prediction_checks import check_predictions
from eval.predictions import read_predictions
from eval.respond import local
from eval.respond.rounds import Round, read_test_set, rounds_of
from eval.respond.systems import Prompts, load_mi_prompt, parse_systems
from mi_arena.dialogue import read_dialogues
from mi_arena.engine.loading import LoadedPair, load_pair
from mi_arena.pairs import Pair, load_registry
from mi_arena.settings import ROOT
from tests.conftest import make_pair
from tests.engine.test_equality import Tally, check_against_reference, references
from tests.eval.responding import ALL, Desk
from tests.processes import kill_when, start, wait_until
from tests.small_dialogues import made_up
from tests.small_families import family_base
from tests.small_models import small_adapter

pytestmark = pytest.mark.usefixtures("one_thread")

DECODING = {"max_new_tokens": 12, "temperature": 1.0, "top_p": 0.9, "repetition_penalty": 1.2}
PROMPTED = 900
"""Tokens that the MI prompt takes at most with the tokenizers of tests."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("pair")
    base = family_base(root / "base", "demo")
    return base, small_adapter(root / "adapter", base)


def pair_of(folders: tuple[Path, Path | None], **more: Any) -> Pair:
    settings = {"context": 2048, "decoding": DECODING, "system_prompt": "倾听。"}
    return make_pair(*folders, **(settings | more))


@pytest.fixture
def desk(tmp_path: Path, folders: tuple[Path, Path]) -> Desk:
    return Desk(tmp_path, pair_of(folders), made_up(3))


# ---- what is said


def check_every_reply(pair: Pair, rounds: list[Round], batch: int, most_ties: int) -> list[int]:
    """Each reply is what its model alone would choose; returns the messages left out of each."""
    loaded = load_pair(pair)
    assert pair.base.path and pair.adapter and pair.adapter.path
    apart, tally = references(Path(pair.base.path), Path(pair.adapter.path)), Tally()
    greedy = pair.decoding.model_copy(update={"temperature": 0.0})
    systems = parse_systems(ALL)
    prompts = Prompts(pair.system_prompt, load_mi_prompt())
    asks = local.lay_out(loaded, rounds, systems, prompts, greedy.max_new_tokens)
    answered = []
    for one in local.plan(asks, batch):
        for ended in local.decoded(loaded, one, greedy, seed=0):
            for ask, row in ended:
                answered.append(ask.key)
                assert row.prompt == ask.prompt and row.tuned == ask.system.tuned
                check_against_reference(apart[row.tuned], row, tally)
                stops = [token in loaded.chat.stop_ids for token in row.new]
                assert not any(stops[:-1])
                assert stops[-1] or len(row.new) == greedy.max_new_tokens
    assert sorted(answered) == sorted(ask.key for ask in asks)
    assert len(answered) == len(rounds) * len(systems)
    print(f"\n{tally.steps} steps, {tally.near_ties} near ties")
    assert tally.near_ties <= max(most_ties, tally.steps / 1000)
    return [ask.messages_left_out for ask in asks]


@pytest.mark.parametrize("family", ["demo", "llama3", "baichuan2", "glm4", "chatml"])
def test_replies_equal_the_separate_models(family: str, tmp_path: Path) -> None:
    base = family_base(tmp_path / "base", family)
    pair = pair_of((base, small_adapter(tmp_path / "adapter", base)), format=family)
    rounds = [r for d in made_up(3) for r in rounds_of(d)]
    left_out = check_every_reply(pair, rounds, batch=10, most_ties=1)
    assert not any(left_out)


def test_the_embedded_pair_equals_separate_models() -> None:
    pair = load_registry(ROOT / "models.yaml")["demo"]
    first = next(read_dialogues(ROOT / "mi_arena/assets/mi_zh/test.jsonl"))
    check_every_reply(pair, rounds_of(first)[:2], batch=128, most_ties=0)


def test_early_rounds_make_room_as_in_a_battle(folders: tuple[Path, Path]) -> None:
    pair = pair_of(folders, context=PROMPTED + 200)
    rounds = [r for d in made_up(1, rounds=20) for r in rounds_of(d)]
    left_out = check_every_reply(pair, rounds, batch=64, most_ties=1)
    base, prompted, tuned = (left_out[i::3] for i in range(3))
    assert base == tuned and max(base) > 0 and base[0] == 0
    assert all(more >= less and more % 2 == 0 for more, less in zip(prompted, base, strict=True))
    assert sum(prompted) > sum(base)


def through_generate(pair: Pair, loaded: LoadedPair, rounds: list[Round]) -> list[str]:
    """Greedy replies one at a time, the adapter of one peft model on and off."""
    assert pair.adapter
    base = AutoModelForCausalLM.from_pretrained(pair.base.path, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, pair.adapter.path).eval()
    chat, most, texts = loaded.chat, pair.decoding.max_new_tokens, []
    prompts = Prompts(pair.system_prompt, load_mi_prompt())
    for asked in rounds:
        for system in parse_systems(ALL):
            told = prompts.messages(system, asked)
            ids = torch.tensor([chat.fitted_prompt(told, loaded.context - most)[0]])
            with nullcontext() if system.tuned else model.disable_adapter():
                made = model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    do_sample=False,
                    max_new_tokens=most,
                    repetition_penalty=pair.decoding.repetition_penalty,
                    eos_token_id=sorted(chat.stop_ids),
                    pad_token_id=chat.pad_id,
                )
            texts.append(chat.decode(made[0, ids.shape[1] :].tolist()))
    return texts


def test_the_file_says_what_generate_says(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run("p.jsonl") == 0
    lines = desk.lines("p.jsonl")
    rounds = read_test_set(desk.data).rounds
    assert [(one["dialogue_id"], one["round"], one["arm"]) for one in lines] == [
        (asked.dialogue_id, asked.number, system)
        for asked in rounds
        for system in ("base", "base_prompted", "tuned")
    ]
    assert list(lines[0]) == [
        "dialogue_id", "round", "arm", "pair", "prompt_tokens", "prediction", "reference",
    ]  # fmt: skip
    assert [one["reference"] for one in lines[::3]] == [asked.reference for asked in rounds]
    check_predictions(list(read_predictions([desk.folder / "p.jsonl"])))
    expected = through_generate(desk.pair, load_pair(desk.pair), rounds)
    same = sum(one["prediction"] == text for one, text in zip(lines, expected, strict=True))
    # A near tie may fall the other way.
    assert same >= len(lines) - 1
    assert len(set(expected)) > len(lines) / 2
    told = capsys.readouterr().out
    assert "9 rounds of 3 dialogues, pair tiny" in told
    assert "base_prompted: 9 replies, " in told and "(0 messages)" in told
    assert desk.status("p.jsonl")["state"] == "done"
    assert desk.status("p.jsonl")["step"] == desk.status("p.jsonl")["total"] == 27


def test_samples_depend_on_the_seed_and_on_nothing_else(desk: Desk) -> None:
    assert desk.run("whole.jsonl", "--sample", "--seed", 3) == 0
    lines = desk.lines("whole.jsonl")
    for name, more in {
        "one.jsonl": ["--batch", 1],
        "seven.jsonl": ["--batch", 7],
        "tuned.jsonl": ["--systems", "tuned"],
        "first.jsonl": ["--limit", 2],
    }.items():
        assert desk.run(name, "--sample", "--seed", 3, *more) == 0
        found = desk.lines(name)
        assert found and all(line in lines for line in found)
    assert desk.run("other.jsonl", "--sample", "--seed", 4) == 0
    others = desk.lines("other.jsonl")
    differ = sum(one != other for one, other in zip(lines, others, strict=True))
    assert differ > 0.9 * len(lines)


def test_a_base_without_an_adapter_answers_alone(
    tmp_path: Path, folders: tuple[Path, Path]
) -> None:
    both = Desk(tmp_path, pair_of(folders), made_up(2))
    assert both.run("both.jsonl", "--systems", "base,tuned") == 0
    alone = Desk(tmp_path, pair_of((folders[0], None)), made_up(2))
    assert alone.run("alone.jsonl", "--systems", "base") == 0
    assert alone.lines("alone.jsonl") == both.lines("both.jsonl")[::2]


# ---- what is kept


def kept_lines(desk: Desk, name: str) -> int:
    file = desk.folder / f"{name}.run/checkpoints/replies.jsonl"
    return file.read_bytes().count(b"\n") if file.exists() else 0


def test_killed_and_stopped_it_comes_to_the_same_file(
    tmp_path: Path, folders: tuple[Path, Path]
) -> None:
    """SIGKILL with a torn line, then SIGTERM, then to the end: the same bytes as undisturbed."""
    desk = Desk(tmp_path, pair_of(folders), made_up(20))
    more = ("--batch", 6, "--sample")
    command = ["eval.respond", *desk.words("p.jsonl", *more)]
    kill_when(start(*command), lambda: kept_lines(desk, "p.jsonl") >= 2)
    assert not (tmp_path / "p.jsonl").exists()
    kept = tmp_path / "p.jsonl.run/checkpoints/replies.jsonl"
    with kept.open("ab") as file:
        file.write(b'[{"dialogue_id": "made')
    before = kept_lines(desk, "p.jsonl")

    process = start(*command)
    wait_until(process, lambda: kept_lines(desk, "p.jsonl") >= before + 2)
    process.terminate()
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    assert errors == "eval.respond: stopped; the same command goes on from here\n"
    assert printed == "" and not (tmp_path / "p.jsonl").exists()
    assert desk.status("p.jsonl")["state"] == "stopped"
    between = kept_lines(desk, "p.jsonl")
    assert before + 2 <= between < 30

    assert desk.run("p.jsonl", *more) == 0
    assert kept_lines(desk, "p.jsonl") == 30  # 180 replies, none made twice
    assert desk.run("undisturbed.jsonl", *more) == 0
    whole = (tmp_path / "undisturbed.jsonl").read_bytes()
    assert (tmp_path / "p.jsonl").read_bytes() == whole
    # Once more: nothing is made again.
    assert desk.run("p.jsonl", *more) == 0
    assert kept_lines(desk, "p.jsonl") == 30
    assert (tmp_path / "p.jsonl").read_bytes() == whole


def test_another_batch_size_goes_on_with_what_is_kept(desk: Desk) -> None:
    assert desk.run("p.jsonl", "--batch", 5) == 0
    file = desk.folder / "p.jsonl.run/checkpoints/replies.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    before = (desk.folder / "p.jsonl").read_bytes()
    file.write_bytes(b"".join(lines[:3]))
    assert desk.run("p.jsonl", "--batch", 8) == 0
    keys = [
        (one["dialogue_id"], one["round"], one["system"])
        for line in file.read_bytes().splitlines()
        for one in json.loads(line)
    ]
    assert len(keys) == len(set(keys)) == 27
    assert (desk.folder / "p.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--systems", "base"], "another systems"),
        (["--sample"], "another decoding"),
        (["--max-new-tokens", 5], "another decoding"),
        (["--limit", 1], "another limit"),
    ],
)
def test_other_settings_are_not_mixed_in(
    desk: Desk, capsys: pytest.CaptureFixture[str], more: list[object], words: str
) -> None:
    assert desk.run("p.jsonl", "--limit", 2) == 0
    before = (desk.folder / "p.jsonl").read_bytes()
    capsys.readouterr()
    assert desk.run("p.jsonl", "--limit", 2, *more) == 2
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1
    assert (desk.folder / "p.jsonl").read_bytes() == before
    assert desk.status("p.jsonl")["state"] == "done"


def test_other_weights_are_not_mixed_in(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A fine-tune that writes into the same folder makes another system of it."""
    adapter = small_adapter(tmp_path / "adapter", folders[0], seed=5)
    desk = Desk(tmp_path, pair_of((folders[0], adapter)), made_up(1))
    assert desk.run("p.jsonl") == 0
    small_adapter(adapter, folders[0], seed=6)
    assert desk.run("p.jsonl") == 2
    assert "another weights" in capsys.readouterr().err
    # The base is the same as ever.
    assert desk.run("base.jsonl", "--systems", "base") == 0
    small_adapter(adapter, folders[0], seed=7)
    assert desk.run("base.jsonl", "--systems", "base") == 0


def test_another_test_set_is_not_mixed_in(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert desk.run("p.jsonl", "--systems", "base") == 0
    with desk.data.open("a", encoding="utf-8") as file:
        file.write("\n")
    assert desk.run("p.jsonl", "--systems", "base") == 2
    assert "another data sha256" in capsys.readouterr().err
