"""Who rates what: handed out evenly, to those who may, and each rater's own affair."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from mi_arena.access.identity import Identities, Identity
from mi_arena.battles.refusal import Refused
from mi_arena.dialogue import Message
from mi_arena.records.payloads import Payload
from mi_arena.records.workspace_events import WorkReleased
from mi_arena.workspace.assignments import Drawn, Item
from mi_arena.workspace.ledger import Task
from mi_arena.workspace.workspace import Workspace
from tests.workspace.conftest import (
    ANN,
    ANSWERS,
    BO,
    EPOCH,
    SECRET,
    VISITOR,
    append_battle,
    assign,
    change,
    flagged,
    hand_in,
    import_alone,
    import_match,
    invited,
    jsonl,
    line,
    tell,
    texts_in,
    train,
    withdrawn,
)


def held(workspace: Workspace, task: Task = "coding") -> dict[str, list[str]]:
    """The targets of each rater who has any, sorted."""
    by_rater: dict[str, list[str]] = {}
    for work in workspace.ledger.now().assignments.values():
        if work.task == task:
            by_rater.setdefault(work.rater, []).append(work.target)
    return {rater: sorted(targets) for rater, targets in by_rater.items()}


def items(workspace: Workspace, who: Identity, state: str = "") -> list[Item]:
    return [one for one in workspace.assignments.items(who) if state in ("", one.state)]


def revoke(identities: Identities, who: Identity) -> None:
    assert identities.members is not None and who.member is not None
    identities.members.revoke(who.member)


def experts(identities: Identities, count: int) -> list[Identity]:
    return [invited(identities) for _ in range(count)]


# --- a rater's own list


def test_a_rater_sees_their_own_work_and_how_far_each_is(workspace: Workspace) -> None:
    train(workspace.store, ANN, BO)
    dialogues = import_alone(workspace, "one", "two", "three")
    mine = [assign(workspace.store, ANN, dialogue) for dialogue in dialogues]
    match = assign(workspace.store, ANN, import_match(workspace), "match")
    assign(workspace.store, BO, dialogues[0])
    change(workspace, workspace.assignments.job(ANN, mine[1]), do="goal", text="少抽烟")
    hand_in(workspace, workspace.assignments.job(ANN, mine[2]))
    told = workspace.assignments.items(ANN)
    assert set(told) == {
        Item(mine[0], "coding", "new"),
        Item(mine[1], "coding", "begun"),
        Item(mine[2], "coding", "done"),
        Item(match, "match", "new"),
    }
    assert told[-1].task == "match"
    workspace.matches.judge(ANN, match, ANSWERS)
    assert workspace.assignments.items(ANN)[-1] == Item(match, "match", "done")


def test_each_rater_has_an_order_of_their_own_that_stays(
    workspace: Workspace, elsewhere: Workspace
) -> None:
    names = [f"d{number}" for number in range(12)]
    ids = import_alone(workspace, *names)
    for who in (ANN, BO):
        for dialogue in ids:
            assign(workspace.store, who, dialogue)

    def order(opened: Workspace, who: Identity) -> list[str]:
        targets = opened.ledger.now().assignments
        return [targets[one.assignment].target for one in opened.assignments.items(who)]

    of_ann, of_bo = order(workspace, ANN), order(workspace, BO)
    assert sorted(of_ann) == sorted(of_bo) == sorted(ids)
    assert len({tuple(of_ann), tuple(of_bo), tuple(ids)}) == 3
    assert order(elsewhere, ANN) == of_ann
    (late,) = import_alone(workspace, "late")
    assign(workspace.store, ANN, late)
    train(workspace.store, ANN)
    first = workspace.assignments.items(ANN)[0].assignment
    hand_in(workspace, workspace.assignments.job(ANN, first))
    assert [one for one in order(workspace, ANN) if one != late] == of_ann


def test_an_item_tells_nothing_of_what_it_is(workspace: Workspace) -> None:
    append_battle(workspace.store)
    workspace.material.draw_battles()
    import_match(workspace)
    books = workspace.ledger.now()
    for dialogue in books.dialogues:
        assign(workspace.store, ANN, dialogue)
    for match in books.matches:
        assign(workspace.store, ANN, match, "match")
    told = workspace.assignments.items(ANN)
    assert len(told) == 6
    hidden = {*books.dialogues, *books.matches, "base", "tuned", "quokka", "wombat", EPOCH}
    assert not [text for text in texts_in(told) for one in hidden if one in text]


def test_a_job_shows_what_was_said(workspace: Workspace) -> None:
    train(workspace.store, ANN)
    (dialogue,) = import_alone(workspace, "one")
    assignment = assign(workspace.store, ANN, dialogue)
    job = workspace.assignments.job(ANN, assignment)
    said = line("one")["messages"]
    assert job.messages == tuple(Message.model_validate(one) for one in said)
    assert (job.key, job.coding, job.kind, job.rater) == (assignment,) * 2 + ("assigned", ANN.rater)


def test_only_their_own_open_work_is_given_to_a_rater(workspace: Workspace) -> None:
    train(workspace.store, ANN, BO)
    (dialogue,) = import_alone(workspace, "one")
    theirs = assign(workspace.store, BO, dialogue)
    match = assign(workspace.store, ANN, import_match(workspace), "match")
    for assignment in (theirs, match, "", "nothing", dialogue):
        with pytest.raises(Refused) as caught:
            workspace.assignments.job(ANN, assignment)
        assert caught.value.code == "no_work"


def test_whoever_is_not_trained_gets_no_dialogue_to_see(workspace: Workspace) -> None:
    (dialogue,) = import_alone(workspace, "one")
    assignment = assign(workspace.store, ANN, dialogue)
    with pytest.raises(Refused) as caught:
        workspace.assignments.job(ANN, assignment)
    assert caught.value.code == "not_trained"
    assert [one.state for one in workspace.assignments.items(ANN)] == ["new"]
    with pytest.raises(Refused) as caught:
        workspace.assignments.job(BO, assignment)
    assert caught.value.code == "no_work"  # not even that there is such work


@pytest.mark.parametrize("ended", [withdrawn, flagged])
def test_work_on_a_battle_that_is_gone_is_gone(
    workspace: Workspace, ended: Callable[[str], Payload]
) -> None:
    train(workspace.store, ANN)
    battle = append_battle(workspace.store)
    workspace.material.draw_battles()
    ((match, (dialogue, other)),) = workspace.ledger.now().matches.items()
    done, begun = (assign(workspace.store, ANN, one) for one in (dialogue, other))
    judged = assign(workspace.store, ANN, match, "match")
    hand_in(workspace, workspace.assignments.job(ANN, done))
    change(workspace, workspace.assignments.job(ANN, begun), do="goal", text="少抽烟")
    tell(workspace.store, ended(battle), VISITOR, EPOCH)
    assert workspace.assignments.items(ANN) == []
    for call in (
        lambda: workspace.assignments.job(ANN, done),
        lambda: workspace.assignments.job(ANN, begun),
        lambda: workspace.matches.open(ANN, judged),
        lambda: workspace.matches.judge(ANN, judged, ANSWERS),
    ):
        with pytest.raises(Refused) as caught:
            call()
        assert caught.value.code == "no_work"


# --- drawing


def test_work_is_handed_out_evenly_and_once(
    workspace: Workspace, elsewhere: Workspace, identities: Identities
) -> None:
    raters = experts(identities, 3)
    ids = import_alone(workspace, *(f"d{number}" for number in range(6)))
    assert workspace.assignments.draw("coding", 1, 0) == Drawn(6, 0)
    mine = held(workspace)
    assert {rater: len(targets) for rater, targets in mine.items()} == {
        who.rater: 2 for who in raters
    }
    assert sorted(target for targets in mine.values() for target in targets) == sorted(ids)
    assert elsewhere.assignments.draw("coding", 1, 0) == Drawn(0, 0)
    assert held(workspace) == mine
    import_alone(workspace, *(f"new{number}" for number in range(3)))
    assert workspace.assignments.draw("coding", 1, 0) == Drawn(3, 0)
    assert {len(targets) for targets in held(workspace).values()} == {3}


@pytest.mark.parametrize(("doubled", "codings"), [(0, 4), (0.5, 6), (1, 8)])
def test_the_share_that_is_coded_by_several(
    workspace: Workspace, identities: Identities, doubled: float, codings: int
) -> None:
    experts(identities, 3)
    import_alone(workspace, *(f"d{number}" for number in range(4)))
    assert workspace.assignments.draw("coding", 2, doubled).assigned == codings
    for targets in held(workspace).values():
        assert len(set(targets)) == len(targets)


def test_admins_who_draw_at_the_same_moment_hand_nothing_out_twice(
    workspace: Workspace, identities: Identities
) -> None:
    experts(identities, 2)
    import_alone(workspace, *(f"d{number}" for number in range(6)))
    gate = Barrier(4)

    def press(_: int) -> int:
        gate.wait()
        return workspace.assignments.draw("coding", 1, 0).assigned

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(press, range(4))) == 6
    assert Counter(len(targets) for targets in held(workspace).values()) == {3: 2}


def test_only_invited_experts_who_still_are_get_work(
    workspace: Workspace, identities: Identities
) -> None:
    stays, goes = experts(identities, 2)
    invited(identities, "admin")
    revoke(identities, goes)
    import_alone(workspace, "one", "two")
    assert workspace.assignments.draw("coding", 1, 0) == Drawn(2, 0)
    assert list(held(workspace)) == [stays.rater]


def test_both_dialogues_of_a_match_go_to_the_same_coders_and_it_is_judged_by_others(
    workspace: Workspace, identities: Identities
) -> None:
    raters = experts(identities, 4)
    append_battle(workspace.store)
    workspace.material.draw_battles()
    for number in range(5):
        import_match(workspace, f"m{number}")
    matches = workspace.ledger.now().matches
    assert workspace.assignments.draw("coding", 2, 1).assigned == 6 * 2 * 2
    assert workspace.assignments.draw("match", 2, 1).assigned == 6 * 2
    coding, judging = held(workspace), held(workspace, "match")
    for match, dialogues in matches.items():
        coders = [{r for r, t in coding.items() if dialogue in t} for dialogue in dialogues]
        judges = {rater for rater, targets in judging.items() if match in targets}
        assert coders[0] == coders[1] and len(coders[0]) == 2
        assert judges == {who.rater for who in raters} - coders[0]


def test_a_match_of_three_systems_is_coded_but_not_judged(
    workspace: Workspace, identities: Identities
) -> None:
    experts(identities, 1)
    import_match(workspace)
    third = jsonl([line("third", match_id="m", system="reference")])
    workspace.material.import_dialogues(third, "in.jsonl")
    assert workspace.assignments.draw("coding", 1, 0).assigned == 3
    assert workspace.assignments.draw("match", 1, 0).assigned == 0


@pytest.mark.parametrize(("count", "each"), [(0, 1), (1, 2), (2, 5)])
def test_more_raters_than_there_are_cannot_be_asked_for(
    workspace: Workspace, identities: Identities, count: int, each: int
) -> None:
    experts(identities, count)
    import_alone(workspace, "one")
    with pytest.raises(Refused) as caught:
        workspace.assignments.draw("coding", each, 0.5)
    assert (caught.value.code, caught.value.values) == (
        "too_few_raters",
        {"each": each, "n": count},
    )
    assert held(workspace) == {}


@pytest.mark.parametrize(
    ("each", "doubled"), [(0, 0), (-1, 0.5), (1, 1.01), (1, -0.1), (1, math.nan)]
)
def test_numbers_that_cannot_be_are_refused(
    workspace: Workspace, identities: Identities, each: int, doubled: float
) -> None:
    experts(identities, 2)
    import_alone(workspace, "one")
    with pytest.raises(Refused) as caught:
        workspace.assignments.draw("coding", each, doubled)
    assert caught.value.code == "bad_number"
    assert held(workspace) == {}


# --- somebody leaves


def test_the_unfinished_work_of_who_leaves_goes_to_others(
    workspace: Workspace, identities: Identities
) -> None:
    raters = experts(identities, 3)
    train(workspace.store, *raters)
    leaver, *others = raters
    for number in range(6):
        import_match(workspace, f"m{number}")
    workspace.assignments.draw("coding", 1, 0)
    workspace.assignments.draw("match", 1, 0)
    before = {task: held(workspace, task) for task in ("coding", "match")}
    mine = workspace.assignments.items(leaver)
    coded = mine[0].assignment
    judged = next(one.assignment for one in mine if one.task == "match")
    begun = mine[1].assignment
    hand_in(workspace, workspace.assignments.job(leaver, coded))
    workspace.matches.judge(leaver, judged, ANSWERS)
    change(workspace, workspace.assignments.job(leaver, begun), do="goal", text="少抽烟")
    assert leaver.member is not None
    assert workspace.assignments.drop_out(leaver.member) == Drawn(len(mine) - 2, 0)
    assert items(workspace, leaver) == []
    targets = workspace.ledger.now().assignments
    for task, done in (("coding", coded), ("match", judged)):
        now = held(workspace, task)
        assert now[leaver.rater] == [targets[done].target]
        assert sorted(t for mine in now.values() for t in mine) == sorted(
            t for mine in before[task].values() for t in mine
        )
        for who in others:
            assert set(before[task][who.rater]) <= set(now[who.rater])
        assert workspace.assignments.draw(task, 1, 0).assigned == 0
    for call in (
        lambda: workspace.assignments.job(leaver, begun),
        lambda: workspace.assignments.job(leaver, coded),
        lambda: workspace.matches.open(leaver, judged),
    ):
        with pytest.raises(Refused) as caught:
            call()
        assert caught.value.code == "no_work"
    assert begun in workspace.drafts.keys(leaver.rater)


def test_what_nobody_else_can_take_is_counted_and_comes_up_when_somebody_joins(
    workspace: Workspace, identities: Identities
) -> None:
    leaver, stays = experts(identities, 2)
    import_alone(workspace, "one", "two", "three")
    workspace.assignments.draw("coding", 2, 1)
    revoke(identities, leaver)
    assert leaver.member is not None
    assert workspace.assignments.drop_out(leaver.member) == Drawn(0, 3)
    assert list(held(workspace)) == [stays.rater]
    joined = invited(identities)
    assert workspace.assignments.draw("coding", 2, 1).assigned == 3
    assert held(workspace)[joined.rater] == held(workspace)[stays.rater]


def test_whoever_left_and_is_still_a_member_gets_no_work_ever_again(
    workspace: Workspace, identities: Identities
) -> None:
    leaver, *_ = experts(identities, 2)
    import_alone(workspace, "one", "two")
    workspace.assignments.draw("coding", 1, 0)
    assert leaver.member is not None
    assert workspace.assignments.drop_out(leaver.member) == Drawn(1, 0)
    assert leaver.rater not in held(workspace)
    assert workspace.assignments.drop_out(leaver.member) == Drawn(0, 0)
    assert workspace.store.count("rater_left") == 1
    import_alone(workspace, "three", "four")
    assert workspace.assignments.draw("coding", 1, 0) == Drawn(2, 0)
    assert leaver.rater not in held(workspace)
    with pytest.raises(Refused) as caught:
        workspace.assignments.draw("coding", 2, 1)
    assert (caught.value.code, caught.value.values) == ("too_few_raters", {"each": 2, "n": 1})


def test_admins_who_replace_somebody_at_the_same_moment_do_it_once(
    workspace: Workspace, identities: Identities
) -> None:
    leaver, *_ = experts(identities, 3)
    ids = import_alone(workspace, *(f"d{number}" for number in range(6)))
    workspace.assignments.draw("coding", 1, 0)
    gate = Barrier(4)

    def press(_: int) -> Drawn:
        gate.wait()
        assert leaver.member is not None
        return workspace.assignments.drop_out(leaver.member)

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(press, range(4))) == [Drawn(0, 0)] * 3 + [Drawn(2, 0)]
    assert sorted(target for mine in held(workspace).values() for target in mine) == sorted(ids)
    assert workspace.store.count("rater_left") == 1


def test_what_was_handed_in_as_it_was_released_is_not_drawn_to_its_rater_again(
    workspace: Workspace, identities: Identities
) -> None:
    """The page of a rater and that of an admin were quicker than each other."""
    who, other = experts(identities, 2)
    train(workspace.store, who)
    match = import_match(workspace)
    opponents = workspace.ledger.now().matches[match]
    for dialogue in opponents:
        job = workspace.assignments.job(who, assign(workspace.store, who, dialogue))
        tell(workspace.store, WorkReleased(assignment=job.key), who)
        hand_in(workspace, job)
    assert held(workspace) == {}
    assert workspace.assignments.draw("coding", 1, 0) == Drawn(0, 0)
    assert workspace.assignments.draw("coding", 2, 1) == Drawn(2, 0)
    assert held(workspace) == {other.rater: sorted(opponents)}
    judging = assign(workspace.store, who, match, "match")
    workspace.matches.judge(who, judging, ANSWERS)
    tell(workspace.store, WorkReleased(assignment=judging), who)
    assert workspace.assignments.draw("match", 2, 1) == Drawn(1, 0)
    assert held(workspace, "match") == {other.rater: [match]}


@pytest.mark.parametrize("member", ["", "nobody", "environment"])
def test_somebody_unknown_cannot_drop_out(workspace: Workspace, member: str) -> None:
    with pytest.raises(Refused) as caught:
        workspace.assignments.drop_out(member)
    assert caught.value.code == "no_work"


# --- how far everyone is


def test_standings_name_every_expert_and_nobody_else(
    workspace: Workspace, identities: Identities
) -> None:
    busy, idle, left = experts(identities, 3)
    invited(identities, "admin")
    train(workspace.store, busy)
    ids = import_alone(workspace, "one", "two", "three")
    works = [assign(workspace.store, busy, dialogue) for dialogue in ids]
    hand_in(workspace, workspace.assignments.job(busy, works[0]))
    revoke(identities, left)
    assert idle.member is not None
    workspace.assignments.drop_out(idle.member)
    told = [
        (one.member.member, one.member.revoked, one.trained, one.done, one.left, one.left_study)
        for one in workspace.assignments.standings()
    ]
    assert told == [
        (busy.member, False, True, 1, 2, False),
        (idle.member, False, False, 0, 0, True),
        (left.member, True, False, 0, 0, False),
    ]


def test_without_members_there_is_nobody_to_hand_work_to(workspace: Workspace) -> None:
    alone = Workspace(workspace.store, workspace.drafts, Identities(SECRET))
    assert alone.assignments.standings() == []
    with pytest.raises(Refused) as caught:
        alone.assignments.draw("coding", 1, 0)
    assert caught.value.code == "too_few_raters"


@pytest.mark.parametrize("task", ["coding", "match"])
def test_whoever_held_a_battle_never_rates_it(
    workspace: Workspace, identities: Identities, task: Task
) -> None:
    host, other = experts(identities, 2)
    append_battle(workspace.store, who=host)
    workspace.material.draw_battles()
    places = {"coding": 2, "match": 1}[task]
    assert workspace.assignments.draw(task, 1, 1.0) == Drawn(places, 0)
    assert workspace.assignments.draw(task, 2, 1.0) == Drawn(0, places)
    assert list(held(workspace, task)) == [other.rater]
    assert other.member is not None
    assert workspace.assignments.drop_out(other.member) == Drawn(0, places)
    assert workspace.assignments.draw(task, 1, 1.0) == Drawn(0, places)
    assert held(workspace, task) == {}


@pytest.mark.parametrize("first", ["coding", "match"])
def test_whoever_judges_a_match_codes_it_only_if_nobody_else_can_and_the_other_way_round(
    workspace: Workspace, identities: Identities, first: Task
) -> None:
    raters = experts(identities, 2)
    for number in range(6):
        import_match(workspace, f"m{number}")
    second: Task = "match" if first == "coding" else "coding"
    for task in (first, second):
        workspace.assignments.draw(task, 1, 0)
    coding, judging = held(workspace), held(workspace, "match")
    for who in raters:
        coded = {workspace.ledger.now().dialogues[d].match for d in coding[who.rater]}
        assert len(coded) == 3 and not coded & set(judging[who.rater])
    assert workspace.assignments.draw(second, 2, 1).unplaced == 0
