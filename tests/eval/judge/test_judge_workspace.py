"""Between the judge and the experts' workspace: suggestions in, people's codings out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from eval.judge.__main__ import main
from mi_arena.dialogue import Dialogue, write_dialogues
from mi_arena.workspace.suggestions import suggestion_for
from mi_arena.workspace.workspace import Workspace
from tests.eval.judge.stand_in_coder import TEXT_MARK, good, made_up
from tests.llm.stand_in_llm import StandInLLM
from tests.workspace.conftest import (
    ANN,
    BO,
    CHIEF,
    assign,
    change,
    code_dialogue,
    hand_in,
    open_workspace,
    train,
)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    opened = open_workspace(tmp_path / "data")
    yield opened
    opened.close()
    opened.store.close()


def gold(number: int) -> list[Dialogue]:
    """Reference dialogues, the last one answered by a system under study."""
    meta = [{"system": "reference", "pair": "demo"}] * (number - 1) + [{"system": "tuned"}]
    return [
        one.model_copy(update={"meta": about})
        for one, about in zip(made_up(number), meta, strict=True)
    ]


def coded(folder: Path, dialogues: list[Dialogue]) -> Path:
    """What a judge wrote of them."""
    write_dialogues(folder / "in.jsonl", dialogues)
    out = folder / "out.jsonl"
    with StandInLLM(good) as server:
        where = ["--out", str(out), "--base-url", server.url, "--model", "gpt-test"]
        assert main(["code", str(folder / "in.jsonl"), *where]) == 0
    return out


def imported(workspace: Workspace, file: Path) -> str:
    """The id of the import."""
    workspace.material.import_dialogues(file.read_text(encoding="utf-8"), file.name)
    (batch,) = workspace.ledger.now().imports
    return batch


def test_suggestions_come_in_where_an_admin_allows(
    tmp_path: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    out = coded(tmp_path, gold(4))
    batch = imported(workspace, tmp_path / "in.jsonl")
    capsys.readouterr()
    command = ["suggest", str(out), "--data", str(tmp_path / "data")]
    assert main(command) == 2
    told = capsys.readouterr().err
    assert "nothing attached: 1 coded blind (never), 3 not allowed by an admin" in told
    assert told.count("\n") == 1
    workspace.suggestions.allow(batch, True)
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "new": 3,
        "known": 0,
        "not_allowed": 0,
        "study_items": 1,
        "not_here": 0,
    }
    assert main(command) == 0
    assert capsys.readouterr().out.startswith("0 suggestions attached, 3 there already")
    books = workspace.ledger.now()
    shown = {
        material.system: suggestion_for(books, dialogue)
        for dialogue, material in books.dialogues.items()
    }
    assert shown["tuned"] is None and shown["reference"] is not None
    assert shown["reference"].model == "gpt-test"


def test_what_people_coded_is_gathered_and_validates_the_judge(
    tmp_path: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    out, people = coded(tmp_path, gold(5)), tmp_path / "people.jsonl"
    batch = imported(workspace, tmp_path / "in.jsonl")
    data = ["--data", str(tmp_path / "data")]
    train(workspace.store, ANN, BO)
    by_opening = {
        material.messages[0].content: dialogue
        for dialogue, material in workspace.ledger.now().dialogues.items()
    }
    alone, both, assisted, nobody, study = (by_opening[one.messages[0].content] for one in gold(5))
    capsys.readouterr()
    assert main(["gather", str(out), "--out", str(people), *data]) == 2
    assert "people coded none of these dialogues" in capsys.readouterr().err
    assert not people.exists()

    code_dialogue(workspace, BO, alone, {(0, 0): "SR"})
    code_dialogue(workspace, ANN, study, {(0, 0): "SR"})
    for who, code in ((ANN, "SR"), (BO, "CR")):
        code_dialogue(workspace, who, both, {(0, 0): code})
    final = workspace.adjudication.job(CHIEF, both)
    change(workspace, final, do="code", volley=0, utterance=0, code="AF")
    for key in final.to_choose:
        change(workspace, final, do="global", key=key, value=4)
    hand_in(workspace, final, trained=False, reason="商量过")
    workspace.suggestions.allow(batch, True)
    assert main(["suggest", str(out), *data]) == 0
    code_dialogue(workspace, ANN, assisted, {(0, 0): "SR"})
    assign(workspace.store, ANN, nobody)

    capsys.readouterr()
    assert main(["gather", str(out), "--out", str(people), *data]) == 0
    told = capsys.readouterr()
    assert "3 of 5 dialogues coded by people" in told.out
    assert TEXT_MARK not in told.out + told.err
    lines = [json.loads(one) for one in people.read_text(encoding="utf-8").splitlines()]
    # What was coded beside a suggestion is left out: it would validate nothing.
    assert [(one["id"], one["coder"]) for one in lines] == [
        ("made-0", {"kind": "human", "name": BO.rater}),
        ("made-1", {"kind": "human", "name": "adjudicated"}),
        ("made-4", {"kind": "human", "name": ANN.rater}),
    ]
    assert lines[1]["volleys"][0]["utterances"][0]["code"] == "AF"
    assert main(["validate", "--judge", str(out), "--human", str(people), "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert (result["validated"], result["n_dialogues"], result["only_judge"]) == (True, 3, 2)


def test_bad_input_gets_one_line(
    tmp_path: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    person = tmp_path / "person.jsonl"
    volleys = [{"utterances": [{"text": "好", "code": "Q"}]}]
    person.write_text(json.dumps({"id": "a", "volleys": volleys, "coder": {"kind": "human"}}))
    data = ["--data", str(tmp_path / "data")]
    nowhere = ["--data", str(tmp_path)]
    for command, words in (
        (["suggest", str(person), *data], "person.jsonl:1: is no judge's coding"),
        (["suggest", str(tmp_path / "none"), *data], "no such file"),
        (["gather", str(person), "--out", str(person), *data], "is the input itself"),
        (["gather", str(person), "--out", str(tmp_path / "b"), *nowhere], "name the app's data"),
    ):
        assert main(command) == 2
        told = capsys.readouterr().err
        assert words in told and told.count("\n") == 1
