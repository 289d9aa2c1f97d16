"""What experts answered, as files that the next step reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mi_arena.access.identity import Identity
from mi_arena.dialogue import read_dialogues, write_dialogues
from mi_arena.records.review_events import MOST
from mi_arena.study.statistics import wilson
from mi_arena.ui.pipeline.review_html import review_html
from mi_arena.ui.texts import LANGS
from mi_arena.workspace.review_material import rewritten, sample
from mi_arena.workspace.review_results import answered, write_results
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import ANN, BO
from tests.workspace.review_runs import rating_run, rewrite_run
from training.rate.people import read_people

CY = Identity("rater-of-cy", "expert", "cy")
SCORES = {name: "1" for name in MOST}


def test_people_are_read_by_the_rating_itself(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "rate-1"
    drawn = rating_run(folder)
    reviews = workspace.reviews
    set_ = reviews.send("rate-1", "rating", sample(folder), 2)
    for who in (ANN, BO):
        while (item := reviews.next(who, set_)) is not None:
            reviews.give(who, set_, item, 0, SCORES | {"comment": "看<过>"})
    corrected = reviews.standing(ANN, set_).given[0]
    reviews.give(ANN, set_, corrected, 1, SCORES | {"professionalism": "4"})
    items = answered(workspace.ledger.now(), "rate-1")
    assert write_results(folder, "rating", items) == ["people.jsonl"]
    ratings = read_people([folder / "people.jsonl"], drawn.items)
    assert {(one.rater, one.blind_id) for one in ratings} == {
        (who.rater, item.blind_id) for who in (ANN, BO) for item in drawn.items
    }
    best = [one for one in ratings if one.scores["professionalism"] == 4]
    assert [one.rater for one in best] == [ANN.rater]
    assert {one.comment for one in ratings} == {"看<过>", ""}
    assert answered(workspace.ledger.now(), "rate-2") == []


def review(workspace: Workspace, set_: str, name: str, who: Identity, **fields: str) -> None:
    one = workspace.ledger.now().review_sets[set_]
    (item,) = [item.item for item in one.items.values() if item.name == name]
    known = len(workspace.ledger.now().reviews.get(item, {}).get(who.rater, ()))
    workspace.reviews.give(who, set_, item, known, fields)


@pytest.fixture
def files(workspace: Workspace, tmp_path: Path) -> dict[str, Any]:
    """A run whose rewritings met with every kind of answer."""
    folder = tmp_path / "runs" / "rewrite-1"
    made = rewrite_run(folder, n=6)
    names = [one.id for one in made]
    set_ = workspace.reviews.send("rewrite-1", "rewrite", rewritten(folder, 6, 0, ()), 2, 0)
    review(workspace, set_, names[0], ANN, verdict="accepted")
    review(workspace, set_, names[1], ANN, verdict="rejected", reason="忘了来访者的话")
    review(workspace, set_, names[2], ANN, verdict="edited", **{"turn-1": "您累了。"})
    review(workspace, set_, names[2], BO, verdict="edited", **{"turn-3": "从哪里开始好？"})
    review(workspace, set_, names[3], ANN, verdict="accepted")
    review(workspace, set_, names[3], BO, verdict="rejected", reason="太生硬")
    for who, verdict in ((ANN, "accepted"), (BO, "accepted")):
        review(workspace, set_, names[4], who, verdict=verdict)
    review(workspace, set_, names[4], CY, verdict="rejected", reason="太短")
    review(workspace, set_, names[4], CY, verdict="rejected", reason="太短了")
    items = answered(workspace.ledger.now(), "rewrite-1")
    assert write_results(folder, "rewrite", items) == [
        "reviews.jsonl", "reviewed.jsonl", "review_report.json",
    ]  # fmt: skip
    return {
        "names": names,
        "reviews": lines(folder / "reviews.jsonl"),
        "reviewed": list(read_dialogues(folder / "reviewed.jsonl")),
        "report": json.loads((folder / "review_report.json").read_text(encoding="utf-8")),
        "made": made,
    }


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_what_may_be_trained_on(files: dict[str, Any]) -> None:
    names, kept = files["names"], {one.id: one for one in files["reviewed"]}
    # One of two rejected the fourth; one of three the fifth; nobody saw the sixth.
    assert set(kept) == {names[0], names[2], names[4]}
    first, edited = kept[names[0]], kept[names[2]]
    assert first.messages == files["made"][0].messages
    assert first.meta["provenance"] == files["made"][0].meta["provenance"]
    assert first.meta["review"]["verdict"] == "accepted"
    assert "edited_turns" not in first.meta["review"]
    # Two edited it: the last edit counts, as it is.
    assert edited.messages[3].content == "从哪里开始好？"
    assert edited.messages[1] == files["made"][2].messages[1]
    assert [m.role for m in edited.messages] == [m.role for m in files["made"][2].messages]
    told = edited.meta["review"]
    assert (told["verdict"], told["edited_turns"], told["experts"]) == ("edited", [4], 2)
    assert edited.meta["source_id"] == files["made"][2].meta["source_id"]


def test_every_answer_is_there_once(files: dict[str, Any]) -> None:
    reviews = files["reviews"]
    assert len(reviews) == 9
    (last,) = [one for one in reviews if one["rater"] == CY.rater]
    assert (last["reason"], last["revision"], last["verdict"]) == ("太短了", 2, "rejected")
    assert sum(one["edited"] is not None for one in reviews) == 2


def test_the_report_counts_by_prompt_version(files: dict[str, Any]) -> None:
    report = files["report"]
    assert (report["sent"], report["experts"]) == (6, 3)
    assert (report["answered_by_several"], report["of_these_of_one_mind"]) == (3, 1)
    tally = report["all"]
    assert [tally[k] for k in ("n", "accepted", "edited", "rejected")] == [5, 2, 1, 2]
    share, expected = tally["accepted_share"], wilson(2, 5)
    assert (share["value"], share["low"], share["high"]) == (0.4, expected.low, expected.high)
    assert share["n"] == 5 and "Wilson" in share["method"]
    assert tally["accepted_or_edited_share"]["value"] == 0.6
    by = report["by_prompt_version"]
    assert {version: one["n"] for version, one in by.items()} == {"v1": 2, "v2": 3}
    assert [one["reason"] for one in by["v1"]["reasons"]] == ["忘了来访者的话", "太生硬"]


@pytest.mark.parametrize("lang", LANGS)
def test_the_report_on_the_page(files: dict[str, Any], lang: Any) -> None:
    html = review_html(files["report"], lang)
    assert "40 %" in html and "v1" in html and "忘了来访者的话" in html and "Wilson" in html
    assert review_html({}, lang) == "" and review_html({"by_prompt_version": 1}, lang) == ""


def test_what_is_sent_again_is_one_item_unless_it_changed(
    workspace: Workspace, tmp_path: Path
) -> None:
    folder = tmp_path / "runs" / "rewrite-1"
    (made,) = rewrite_run(folder, n=1)

    def again(who: Identity, verdict: str) -> None:
        set_ = workspace.reviews.send("rewrite-1", "rewrite", rewritten(folder, 1, 0, ()), 1, 0)
        review(workspace, set_, made.id, who, verdict=verdict, reason="x")
        workspace.reviews.close("rewrite-1")

    def now() -> tuple[str, list[str]]:
        (item,) = answered(workspace.ledger.now(), "rewrite-1")
        return item.verdict, [one.rater for one in item.answers]

    again(ANN, "accepted")
    again(ANN, "rejected")
    assert now() == ("rejected", [ANN.rater])
    for who in (BO, CY):
        again(who, "accepted")
    assert now() == ("accepted", [ANN.rater, BO.rater, CY.rater])
    # The run wrote another rewriting of the same dialogue: what was said of the old one is past.
    other = made.model_copy(update={"messages": made.messages[:2]})
    write_dialogues(folder / "mi.jsonl", [other])
    again(BO, "rejected")
    assert now() == ("rejected", [BO.rater])
