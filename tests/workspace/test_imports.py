"""Imports that can be taken back while nothing of them was handed in."""

from __future__ import annotations

import pytest

from mi_arena.battles.refusal import Refused
from mi_arena.workspace.material import BadImport
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import (
    ANN,
    ANSWERS,
    BO,
    assign,
    code_dialogue,
    import_alone,
    import_match,
    jsonl,
    line,
    train,
)


def only_batch(workspace: Workspace) -> str:
    (standing,) = workspace.material.imports()
    return standing.batch.batch


def test_imports_are_listed_with_their_file_and_what_was_done_with_them(
    workspace: Workspace,
) -> None:
    train(workspace.store, ANN, BO)
    first, _ = import_alone(workspace, "one", "two")
    match = import_match(workspace)
    code_dialogue(workspace, ANN, first, {})
    workspace.matches.judge(BO, assign(workspace.store, BO, match, "match"), ANSWERS)
    told = [
        (one.batch.file, len(one.batch.dialogues), one.codings, one.verdicts)
        for one in workspace.material.imports()
    ]
    assert told == [("match.jsonl", 2, 0, 1), ("alone.jsonl", 2, 1, 0)]
    for one in workspace.material.imports():
        with pytest.raises(Refused) as caught:
            workspace.material.take_back(one.batch.batch)
        assert caught.value.code == "import_used"
    assert len(workspace.ledger.now().dialogues) == 4


def test_what_is_taken_back_is_gone_with_its_work_and_can_be_imported_again(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    train(workspace.store, ANN, BO)
    (stays,) = import_alone(workspace, "stays")
    kept = assign(workspace.store, ANN, stays)
    match = import_match(workspace)
    before = workspace.ledger.now().matches[match]
    assign(workspace.store, BO, match, "match")
    coding = assign(workspace.store, ANN, before[0])
    elsewhere.material.take_back(workspace.material.imports()[0].batch.batch)
    books = workspace.ledger.now()
    assert set(books.dialogues) == {stays} and books.matches == {}
    assert set(books.assignments) == {kept}
    with pytest.raises(Refused) as caught:
        workspace.assignments.job(ANN, coding)
    assert caught.value.code == "no_work"

    # The very same lines again: other dialogues, nobody's work yet, the same match.
    assert import_match(workspace) == match
    again = workspace.ledger.now()
    assert not set(again.matches[match]) & set(before)
    assert set(again.assignments) == {kept}
    assert workspace.material.take_back(workspace.material.imports()[0].batch.batch)
    assert import_match(workspace) == match


def test_another_file_may_use_the_match_ids_of_one_that_was_taken_back(
    workspace: Workspace,
) -> None:
    wrong = jsonl([line("wrong", system="base", match_id="m")])
    right = jsonl([line("right", system="base", match_id="m")])
    workspace.material.import_dialogues(wrong, "wrong.jsonl")
    with pytest.raises(BadImport):
        workspace.material.import_dialogues(right, "right.jsonl")
    workspace.material.take_back(only_batch(workspace))
    assert workspace.material.import_dialogues(right, "right.jsonl").new == 1


def test_an_import_is_taken_back_once(workspace: Workspace) -> None:
    import_alone(workspace, "one")
    batch = only_batch(workspace)
    workspace.material.take_back(batch)
    for unknown in (batch, "", "x"):
        with pytest.raises(Refused) as caught:
            workspace.material.take_back(unknown)
        assert caught.value.code == "no_import"
    assert workspace.store.count("import_taken_back") == 1
