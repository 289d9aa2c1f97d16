"""Review sets: who gets which item, answers that come twice, corrections, drafts, closing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from mi_arena.access.identity import Identity
from mi_arena.battles.refusal import Refused
from mi_arena.records.review_events import MOST
from mi_arena.records.workspace_events import RaterLeft
from mi_arena.workspace.review_material import Offered, rewritten, sample, task_of
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import ANN, BO, tell, texts_in
from tests.workspace.review_runs import CORPUS, rating_run, rewrite_run, source

RUN = "rate-1"
SCORES = {name: "1" for name in MOST}
RATERS = [Identity(f"rater-{n}", "expert", f"m{n}") for n in range(7)]


def offered(n: int) -> list[Offered]:
    return [Offered(f"D{number:03}", tuple(source(number).messages)) for number in range(n)]


def send(workspace: Workspace, n: int = 4, each: int = 2) -> str:
    return workspace.reviews.send(RUN, "rating", offered(n), each)


def code_of(action: Any, *given: Any, **named: Any) -> str:
    with pytest.raises(Refused) as refused:
        action(*given, **named)
    return str(refused.value.code)


def rate_next(workspace: Workspace, who: Identity, set_: str) -> str | None:
    item = workspace.reviews.next(who, set_)
    if item is not None:
        workspace.reviews.give(who, set_, item, 0, SCORES)
    return item


def test_items_fill_evenly_and_nobody_gets_one_twice(workspace: Workspace) -> None:
    set_ = send(workspace, n=6, each=3)
    seen: dict[str, list[str]] = {who.rater: [] for who in RATERS}
    given: Counter[str] = Counter()
    working = True
    while working:
        working = False
        for who in RATERS[:3]:
            if (item := rate_next(workspace, who, set_)) is not None:
                working = True
                fewest = min(given[i] for i in all_items(workspace) if i not in seen[who.rater])
                assert given[item] == fewest, "another item that was open to them has fewer answers"
                seen[who.rater].append(item)
                given[item] += 1
    assert set(given.values()) == {3}
    assert all(len(mine) == len(set(mine)) for mine in seen.values())
    orders = [seen[who.rater] for who in RATERS[:3]]
    assert orders[0] != orders[1]
    assert workspace.reviews.next(RATERS[4], set_) is None
    (standing,) = workspace.reviews.of_run(RUN)
    assert (standing.answers, standing.wanted, standing.raters) == (18, 18, 3)


def all_items(workspace: Workspace) -> Collection[str]:
    (one,) = workspace.ledger.now().review_sets.values()
    return one.items


def test_who_drops_out_leaves_no_gap(workspace: Workspace) -> None:
    set_ = send(workspace, n=4, each=1)
    first = rate_next(workspace, ANN, set_)
    begun = workspace.reviews.next(ANN, set_)
    assert begun is not None
    workspace.reviews.keep(ANN, set_, begun, 0, {"safety": "1"})
    tell(workspace.store, RaterLeft(), ANN)
    assert workspace.reviews.sets(ANN) == []
    assert code_of(workspace.reviews.next, ANN, set_) == "no_work"
    theirs = [rate_next(workspace, BO, set_) for _ in range(3)]
    assert begun in theirs and first not in theirs
    assert workspace.reviews.next(BO, set_) is None


def test_a_double_click_and_a_lost_reply_store_one_answer(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    set_ = send(workspace)
    item = workspace.reviews.next(ANN, set_)
    assert item is not None
    for one in (workspace, workspace, elsewhere):
        one.reviews.give(ANN, set_, item, 0, SCORES)
    assert workspace.store.count("review_given") == 1
    # Another device, which has not seen this answer, says something else.
    other = SCORES | {"safety": "0"}
    assert code_of(elsewhere.reviews.give, ANN, set_, item, 0, other) == "overtaken"
    assert code_of(elsewhere.reviews.give, ANN, set_, item, -1, other) == "overtaken"
    elsewhere.reviews.give(ANN, set_, item, 1, other)
    elsewhere.reviews.give(ANN, set_, item, 1, other)
    revisions = workspace.ledger.now().reviews[item][ANN.rater]
    assert [one.told.revision for one in revisions] == [1, 2]
    shown = workspace.reviews.open(ANN, set_, item)
    assert shown.filled == other and shown.revision == 2
    assert shown.standing.given == (item,) and shown.standing.left == 3


def test_a_draft_survives_and_what_was_begun_comes_first(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    set_ = send(workspace, each=1)
    item = workspace.reviews.next(ANN, set_)
    assert item is not None
    assert workspace.reviews.keep(ANN, set_, item, 0, {"safety": "1", "known": "0"}) == 1
    assert workspace.reviews.keep(ANN, set_, item, 0, {"safety": "1"}) == 1  # its reply was lost
    assert code_of(elsewhere.reviews.keep, ANN, set_, item, 0, {"safety": "0"}) == "overtaken"
    shown = elsewhere.reviews.open(ANN, set_, item)
    assert (shown.filled, shown.version) == ({"safety": "1"}, 1)
    assert code_of(workspace.reviews.give, ANN, set_, item, 0, shown.filled) == "review_unfinished"
    # Others are faster; what was begun may be finished all the same.
    while rate_next(workspace, BO, set_):
        pass
    assert workspace.reviews.next(ANN, set_) == item
    workspace.reviews.give(ANN, set_, item, 0, SCORES)
    assert workspace.reviews.next(ANN, set_) is None
    assert workspace.drafts.keys(ANN.rater) == []
    (standing,) = workspace.reviews.of_run(RUN)
    assert (standing.answers, standing.wanted) == (4, 4)


def test_what_is_put_off_comes_last_with_what_was_filled(workspace: Workspace) -> None:
    set_ = send(workspace, n=3)
    item = workspace.reviews.next(ANN, set_)
    assert item is not None
    version = workspace.reviews.keep(ANN, set_, item, 0, {"safety": "0"}, later=True)
    others = [rate_next(workspace, ANN, set_) for _ in range(2)]
    assert item not in others
    assert workspace.reviews.next(ANN, set_) == item
    shown = workspace.reviews.open(ANN, set_, item)
    assert shown.filled == {"safety": "0"} and shown.version == version


def test_a_correction_in_the_making_does_not_come_up_again(workspace: Workspace) -> None:
    set_ = send(workspace)
    item = rate_next(workspace, ANN, set_)
    assert item is not None
    workspace.reviews.keep(ANN, set_, item, 0, SCORES | {"safety": "0"})
    assert workspace.reviews.next(ANN, set_) != item
    assert workspace.reviews.open(ANN, set_, item).filled["safety"] == "0"


def test_a_closed_set_takes_nothing_more_and_can_be_followed_by_another(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    set_ = send(workspace)
    assert code_of(elsewhere.reviews.send, RUN, "rating", offered(1), 1) == "review_open_already"
    item = workspace.reviews.next(ANN, set_)
    elsewhere.reviews.close(RUN)
    assert workspace.reviews.sets(ANN) == []
    for action in (workspace.reviews.open, workspace.reviews.next, workspace.reviews.standing):
        given = (ANN, set_, item) if action == workspace.reviews.open else (ANN, set_)
        assert code_of(action, *given) == "review_closed"
    assert code_of(workspace.reviews.give, ANN, set_, item, 0, SCORES) == "review_closed"
    assert code_of(workspace.reviews.keep, ANN, set_, item, 0, SCORES) == "review_closed"
    assert code_of(workspace.reviews.close, RUN) == "review_closed"
    again = send(workspace)
    assert again != set_ and len(workspace.reviews.of_run(RUN)) == 2


@pytest.mark.parametrize(("set_", "item"), [("x", "y"), ("", ""), ("SET", "y")])
def test_what_is_not_there(workspace: Workspace, set_: str, item: str) -> None:
    real = send(workspace)
    set_ = real if set_ == "SET" else set_
    for action in (workspace.reviews.open, workspace.reviews.keep, workspace.reviews.give):
        more = {"open": (), "keep": (0, {}), "give": (0, SCORES)}[action.__name__]
        assert code_of(action, ANN, set_, item, *more) == "no_work"


# ---- what a run offers


def test_a_sample_is_sent_whole_and_blind(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "rate-1"
    drawn = rating_run(folder)
    assert task_of(folder) == "rating"
    found = sample(folder)
    assert [one.name for one in found] == [item.blind_id for item in drawn.items]
    set_ = workspace.reviews.send(RUN, "rating", found, 2)
    item = workspace.reviews.next(ANN, set_)
    assert item is not None
    shown = workspace.reviews.open(ANN, set_, item)
    told = "\n".join(texts_in(shown, hidden=("name",)))
    for one in drawn.items:
        assert one.corpus not in told and one.dialogue.id not in told and one.blind_id not in told


def test_a_draw_of_rewritings_is_seeded_and_beside_its_sources(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "rewrite-1"
    made = rewrite_run(folder, n=8)
    assert task_of(folder) == "rewrite"
    first = rewritten(folder, 4, 7, ())
    assert [one.name for one in first] == [one.name for one in rewritten(folder, 4, 7, ())]
    assert {one.name for one in first} != {one.name for one in rewritten(folder, 4, 8, ())}
    for one in first:
        assert one.rewriting in made
        assert one.messages[0].content == one.rewriting.messages[0].content  # type: ignore[union-attr]
        assert one.sensitive == one.name.endswith("-1")
    rest = rewritten(folder, 50, 7, {one.name for one in first})
    assert len(rest) == 4 and not {one.name for one in rest} & {one.name for one in first}
    assert code_of(rewritten, folder, 1, 7, {one.id for one in made}) == "review_nothing_left"


def test_what_cannot_be_offered_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "rewrite-1"
    assert task_of(tmp_path) is None
    rewrite_run(folder, input=str(tmp_path / "gone.jsonl"))
    assert code_of(rewritten, folder, 1, 0, ()) == "review_bad_file"
    (tmp_path / "gone.jsonl").write_text(source(99).model_dump_json() + "\n", encoding="utf-8")
    with pytest.raises(Refused) as refused:
        rewritten(folder, 2, 0, ())
    assert refused.value.code == "review_no_source"
    assert refused.value.values == {"n": 2, "file": "gone.jsonl"}
    (folder / "mi.jsonl").write_text('{"id": "half', encoding="utf-8")
    assert code_of(rewritten, folder, 1, 0, ()) == "review_bad_file"
    other = tmp_path / "rate"
    other.mkdir()
    for name, text in (("sample.jsonl", source(0).model_dump_json()), ("sample.json", "{}")):
        (other / name).write_text(text, encoding="utf-8")
    assert code_of(sample, other) == "review_bad_file"
    assert CORPUS not in str(refused.value)
