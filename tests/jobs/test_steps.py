"""Forms become command lines that say what was entered, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.jobs.data_steps import DATA_STEPS, RATE, READ, REWRITE, SPLIT
from mi_arena.jobs.evaluate_steps import evaluate_steps, report_step
from mi_arena.jobs.inputs import CORPUS_ENDINGS, DIALOGUE_ENDINGS, Inputs, NoSuchFile
from mi_arena.jobs.steps import FormError
from mi_arena.settings import ROOT


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    for name in ("uploads/cases.tar.gz", "read-1/dialogues.jsonl", "read-2/dialogues.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}\n")
    (tmp_path / "read-1/metrics.jsonl").write_text("{}\n")
    (tmp_path.parent / "outside.jsonl").write_text("{}\n")
    return Inputs(tmp_path)


def test_a_filled_form(inputs: Inputs, tmp_path: Path) -> None:
    values = {"kind": "cpsycound", "path": "uploads/cases.tar.gz", "no_clean": True}
    run = tmp_path / "read-3"
    assert READ.command(values, inputs, run) == [
        "read", "cpsycound", str(tmp_path / "uploads/cases.tar.gz"), "--no-clean",
        f"--out={run}/dialogues.jsonl", f"--report={run}/report.json", f"--run={run}",
    ]  # fmt: skip


def test_several_files_numbers_and_what_is_left_empty(inputs: Inputs, tmp_path: Path) -> None:
    names = ["read-1/dialogues.jsonl", "read-2/dialogues.jsonl"]
    values = {"dialogues": names, "train": 2000.0, "test": 40, "against": [names[0]], "seed": None}
    assert SPLIT.command(values, inputs, tmp_path / "s") == [
        *(str(tmp_path / name) for name in names),
        "--train=2000", "--test=40", f"--against={tmp_path / names[0]}",
        f"--out={tmp_path / 's/split'}", f"--run={tmp_path / 's'}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "field", "code"),
    [
        ({}, "dialogues", "missing"),
        ({"dialogues": "read-9/dialogues.jsonl"}, "dialogues", "no_file"),
        ({"dialogues": "../outside.jsonl"}, "dialogues", "no_file"),
        ({"dialogues": "/etc/passwd"}, "dialogues", "no_file"),
        ({"dialogues": "read-1/dialogues.jsonl", "limit": 1.5}, "limit", "bad_number"),
        ({"dialogues": "read-1/dialogues.jsonl", "limit": 0}, "limit", "bad_number"),
        ({"dialogues": "read-1/dialogues.jsonl", "max_cost": "nan"}, "max_cost", "bad_number"),
        ({"dialogues": "read-1/dialogues.jsonl", "max_cost": "lots"}, "max_cost", "bad_number"),
    ],
)
def test_what_cannot_be_taken(
    inputs: Inputs, values: dict[str, object], field: str, code: str
) -> None:
    with pytest.raises(FormError) as refused:
        REWRITE.command(values, inputs, Path("run"))
    assert (refused.value.field, refused.value.code) == (field, code)


@given(text=st.text(max_size=40))
def test_a_text_is_one_word_whatever_it_is(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "d.jsonl").write_text("")
    values = {"dialogues": "d.jsonl", "model": text}
    words = REWRITE.command(values, Inputs(folder), folder)
    named = [word for word in words if word.startswith("--model=")]
    assert len(words) == 4 + len(named)
    assert bool(named) == bool(text.strip())


@given(
    name=st.text("abc -=/", min_size=1, max_size=8).filter(str.strip),
    limit=st.integers(1, 99),
    check=st.booleans(),
)
def test_a_command_goes_back_into_its_form(
    name: str, limit: int, check: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.getbasetemp()
    (root / "d.jsonl").write_text("{}\n")
    inputs, step = Inputs(root), report_step(Path("data"))
    entered: dict[str, object] = {"pair": ["demo", "two"], "test_set": "d.jsonl", "judge": name}
    entered |= {"limit": limit, "study": check, "predictions": ["d.jsonl"], "report_lang": "en"}
    words = step.command(entered, inputs, root / "run")
    again = step.values(words, inputs)
    assert step.command(again, inputs, root / "run") == words
    assert again["pair"] == ["demo", "two"] and again["study"] is check
    assert again["test_set"] == "d.jsonl" and again["title"] == ""


def test_experts_answers_are_no_dialogues(inputs: Inputs) -> None:
    for name in ("people.jsonl", "reviews.jsonl", "reviewed.jsonl", "sheet.csv"):
        (inputs.root / "read-1" / name).write_text("{}\n")
    human = next(field for field in RATE.fields if field.name == "human")
    assert set(inputs.names(human.endings)) == {"read-1/people.jsonl", "read-1/sheet.csv"}
    names = inputs.names(DIALOGUE_ENDINGS)
    assert "read-1/reviewed.jsonl" in names
    assert not {"read-1/people.jsonl", "read-1/reviews.jsonl"} & set(names)


HELP_OF_EACH = """
import contextlib, io, json, runpy, sys
for module, *first in json.loads(sys.argv[1]):
    sys.argv, out = [module, *first, "--help"], io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    print(json.dumps(out.getvalue()))
"""


def test_options_are_those_of_the_scripts() -> None:
    """A form that says what its script does not know would fail for everybody."""
    steps = (*DATA_STEPS, *evaluate_steps(Path("data")))
    scripts = json.dumps([[step.module, *step.first] for step in steps])
    done = subprocess.run(
        [sys.executable, "-c", HELP_OF_EACH, scripts],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for step, line in zip(steps, done.stdout.splitlines(), strict=True):
        shown = json.loads(line)
        assert "usage:" in shown, step.module
        options = [field.option for field in step.fields if field.option]
        options += [word for word in step.outputs(Path("x")) if word.startswith("--")]
        for option in options:
            assert option.partition("=")[0] in shown, (step.module, option)


def test_files_to_choose_from(inputs: Inputs) -> None:
    dialogues = inputs.names(DIALOGUE_ENDINGS)
    assert sorted(dialogues) == ["read-1/dialogues.jsonl", "read-2/dialogues.jsonl"]
    for name in ("read-1/status.json", "read-1/console.txt", "uploads/raw.json"):
        (inputs.root / name).write_text("{}")
    corpora = inputs.names(CORPUS_ENDINGS)
    assert {"uploads/cases.tar.gz", "uploads/raw.json"} < set(corpora)
    assert not [name for name in corpora if name.endswith((".txt", "status.json"))]
    assert Inputs(inputs.root / "none").names(DIALOGUE_ENDINGS) == []


def test_uploads_never_replace_each_other(inputs: Inputs, tmp_path: Path) -> None:
    file = tmp_path / "sent"
    file.write_bytes(b"one")
    first = inputs.add(file, "../../语料 1.tar.gz")
    file.write_bytes(b"two")
    second = inputs.add(file, "../../语料 1.tar.gz")
    assert (first, second) == ("uploads/语料_1.tar.gz", "uploads/语料_1-2.tar.gz")
    assert inputs.path(first).read_bytes() == b"one"
    assert inputs.path(second).read_bytes() == b"two"
    assert inputs.add(file, "...").startswith("uploads/")


def test_a_link_to_elsewhere_is_no_input(inputs: Inputs) -> None:
    (inputs.root / "uploads/link.jsonl").symlink_to("/etc/passwd")
    with pytest.raises(NoSuchFile):
        inputs.path("uploads/link.jsonl")
