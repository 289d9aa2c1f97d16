"""A judge's codes beside the form: only where allowed, never on study items, always marked."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_arena.battles.refusal import Refused
from mi_arena.dialogue import spoken_sha256
from mi_arena.miti.coding import Coding
from mi_arena.records.workspace_events import CodingSubmitted
from mi_arena.workspace.ledger import Books
from mi_arena.workspace.report import coding_rows
from mi_arena.workspace.suggestions import Judged, suggestion_for
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import (
    ANN,
    BO,
    append_battle,
    assign,
    change,
    code_dialogue,
    hand_in,
    import_gold,
    jsonl,
    judged,
    line,
    said_in,
    train,
)


def allowed_gold(workspace: Workspace, name: str = "one") -> str:
    """A gold dialogue with a suggestion that may be shown; its id."""
    batch, (dialogue,) = import_gold(workspace, name)
    workspace.suggestions.allow(batch, True)
    assert workspace.suggestions.attach([judged(name)]).new == 1
    return dialogue


def counts(workspace: Workspace, *given: Judged) -> tuple[int, int, int, int, int]:
    found = workspace.suggestions.attach(given)
    return found.new, found.known, found.not_allowed, found.study_items, found.not_here


def submitted(workspace: Workspace) -> list[CodingSubmitted]:
    return [event.payload for event in workspace.store.events("coding_submitted")]  # type: ignore[misc]


def test_they_are_off_until_an_admin_allows_them_for_the_import(workspace: Workspace) -> None:
    batch, (dialogue,) = import_gold(workspace, "one")
    assert counts(workspace, judged("one")) == (0, 0, 1, 0, 0)
    workspace.suggestions.allow(batch, True)
    assert counts(workspace, judged("one"), judged("two")) == (1, 0, 0, 0, 1)
    assert counts(workspace, judged("one")) == (0, 1, 0, 0, 0)
    found = suggestion_for(workspace.ledger.now(), dialogue)
    assert found is not None and found.model == "gpt-test"
    # The text is the workspace's own, the codes are the judge's.
    texts = [[u.text for u in volley.utterances] for volley in found.filled.volleys or ()]
    assert ["".join(one) for one in texts] == [m.content for m in said_in("one")[1::2]]
    workspace.suggestions.allow(batch, False)
    assert suggestion_for(workspace.ledger.now(), dialogue) is None
    assert counts(workspace, judged("one")) == (0, 0, 1, 0, 0)
    workspace.suggestions.allow(batch, True)
    assert suggestion_for(workspace.ledger.now(), dialogue) == found
    assert workspace.store.count("suggestions_allowed") == 3


def test_another_judge_s_replaces_it_and_another_text_is_not_here(workspace: Workspace) -> None:
    dialogue = allowed_gold(workspace)
    assert counts(workspace, judged("one", model="gpt-new")) == (1, 0, 0, 0, 0)
    found = suggestion_for(workspace.ledger.now(), dialogue)
    assert found is not None and found.model == "gpt-new"
    forged = judged("one", coding=judged("two").coding)
    assert counts(workspace, forged) == (0, 0, 0, 0, 1)
    totals = judged("one", coding=Coding(counts={"Q": 1}))
    assert counts(workspace, totals) == (0, 0, 0, 0, 1)


@pytest.mark.parametrize(
    "meta",
    [
        {"system": "tuned"},
        {"system": "base_prompted"},
        {"system": "remote:gpt"},
        {"system": "reference", "match_id": "m"},
    ],
)
def test_what_is_coded_blind_never_gets_any(workspace: Workspace, meta: dict[str, str]) -> None:
    workspace.material.import_dialogues(jsonl([line("one", **meta)]), "study.jsonl")
    (batch,) = workspace.ledger.now().imports
    assert counts(workspace, judged("one")) == (0, 0, 0, 1, 0)
    with pytest.raises(Refused) as refused:
        workspace.suggestions.allow(batch, True)
    assert refused.value.code == "import_is_study"
    assert not workspace.store.count(("suggestions_allowed", "coding_suggested"))


def test_an_import_of_both_kinds_gives_them_to_gold_dialogues_alone(workspace: Workspace) -> None:
    lines = [line("one", system="reference"), line("two", system="tuned"),
             line("three", system="reference", match_id="m")]  # fmt: skip
    workspace.material.import_dialogues(jsonl(lines), "both.jsonl")
    (batch,) = workspace.ledger.now().imports
    workspace.suggestions.allow(batch, True)
    given = [judged(name) for name in ("one", "two", "three")]
    assert counts(workspace, *given) == (1, 0, 0, 2, 0)


def test_sides_of_battles_are_not_even_looked_at(workspace: Workspace) -> None:
    append_battle(workspace.store)
    workspace.material.draw_battles()
    books = workspace.ledger.now()
    for material in books.dialogues.values():
        sha256 = spoken_sha256(workspace.material.messages(material))
        assert counts(workspace, judged("one", dialogue_sha256=sha256)) == (0, 0, 0, 0, 1)
        assert suggestion_for(books, material.dialogue) is None


def test_even_a_forged_record_shows_none_for_a_study_item(workspace: Workspace) -> None:
    """The guard stands where suggestions are read too."""
    dialogue = allowed_gold(workspace)
    books = workspace.ledger.now()
    for changes in ({"match": "m"}, {"system": "tuned"}, {"battle": "b", "side": "A"}):
        material = books.dialogues[dialogue]
        forged = type(material)(**(vars(material) | changes))
        others = vars(books) | {"dialogues": {dialogue: forged}}
        assert suggestion_for(Books(**others), dialogue) is None
    assert suggestion_for(books, dialogue) is not None


def test_nothing_is_filled_in_and_the_coding_says_that_it_was_shown(workspace: Workspace) -> None:
    train(workspace.store, ANN)
    dialogue = allowed_gold(workspace)
    job = workspace.assignments.job(ANN, assign(workspace.store, ANN, dialogue))
    desk = workspace.desks.open(job)
    assert [[u.code for u in volley] for volley in desk.sheet.volleys] == [[None] * 2] * 2
    assert desk.sheet.change_goal == "" and set(desk.sheet.globals.values()) == {3}
    assert desk.hints == (("SR", "Q"), ("CR", "NONE"))
    assert workspace.desks.open(job) == desk
    after = change(workspace, job, do="merge", volley=0, utterance=0)
    assert after.hints == ((None,), ("CR", "NONE"))
    hand_in(workspace, job)
    (told,) = submitted(workspace)
    shown = suggestion_for(workspace.ledger.now(), dialogue)
    assert shown is not None and told.suggestion == shown.suggestion
    (row,) = coding_rows(workspace.ledger.now(), workspace.material)
    assert row.source == "expert_suggested"


def test_who_saw_them_stays_marked_after_they_are_forbidden_and_the_draft_is_lost(
    workspace: Workspace,
) -> None:
    train(workspace.store, ANN, BO)
    batch, (dialogue,) = import_gold(workspace, "one")
    workspace.suggestions.allow(batch, True)
    workspace.suggestions.attach([judged("one")])
    saw = workspace.assignments.job(ANN, assign(workspace.store, ANN, dialogue))
    workspace.desks.open(saw)
    workspace.suggestions.allow(batch, False)
    for who, work in ((ANN, saw.key), (BO, assign(workspace.store, BO, dialogue))):
        job = workspace.assignments.job(who, work)
        assert job.suggestion is None and workspace.desks.open(job).hints is None
        hand_in(workspace, job)
    first, second = submitted(workspace)
    assert first.suggestion is not None and second.suggestion is None
    workspace.drafts.drop(ANN.rater, saw.key)
    job = workspace.assignments.job(ANN, saw.key)
    change(workspace, job, do="global", key="CCT", value=5)
    hand_in(workspace, job)
    assert submitted(workspace)[-1].suggestion == first.suggestion
    sources = {row.source for row in coding_rows(workspace.ledger.now(), workspace.material)}
    assert sources == {"expert", "expert_suggested"}


def test_codings_beside_suggestions_are_not_adjudicated_as_independent_ones(
    workspace: Workspace,
) -> None:
    train(workspace.store, ANN, BO)
    dialogue = allowed_gold(workspace)
    for who in (ANN, BO):
        code_dialogue(workspace, who, dialogue, {(0, 0): "SR"})
    assert workspace.adjudication.cases() == []


def test_what_cannot_be_kept_is_not_shown(workspace: Workspace) -> None:
    train(workspace.store, ANN)
    dialogue = allowed_gold(workspace)
    job = workspace.assignments.job(ANN, assign(workspace.store, ANN, dialogue))
    workspace.drafts._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(Refused) as refused:
        workspace.desks.open(job)
    assert refused.value.code == "not_saved"
    workspace.drafts._connection.execute("PRAGMA query_only = OFF")
    assert workspace.desks.open(job).hints


def test_two_tabs_that_open_at_once_both_see_it_and_one_mark_is_kept(
    workspace: Workspace, elsewhere: Workspace, tmp_path: Path
) -> None:
    train(workspace.store, ANN)
    dialogue = allowed_gold(workspace)
    work = assign(workspace.store, ANN, dialogue)
    desks = [
        one.desks.open(one.assignments.job(ANN, work)) for one in (workspace, elsewhere, workspace)
    ]
    assert len({desk.sheet.suggestion for desk in desks}) == 1
    assert all(desk.hints and desk.sheet.version == 0 for desk in desks)
