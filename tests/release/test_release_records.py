"""What goes out of a record, what does not, and that both together are all of it."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from datasets import load_dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mi_arena.access.identity import Identities, Identity
from mi_arena.access.keyed import keyed_by
from mi_arena.access.members import Members
from mi_arena.miti.coding import parse_coding
from mi_arena.miti.vignettes import vignettes
from mi_arena.records.battle_events import BattleEnded, ReplyWithheld
from mi_arena.records.drafts import DRAFTS_NAME, Drafts
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore
from mi_arena.records.votes import Votes
from mi_arena.records.workspace_events import (
    BattleDrawn,
    CodingSubmitted,
    MatchJudged,
    PracticeDone,
    WorkAssigned,
)
from mi_arena.release.parquet import write_table
from mi_arena.release.records import Projection, project
from mi_arena.release.schema import COLUMNS
from mi_arena.release.tables import STORED, TABLES
from mi_arena.workspace.workspace import Workspace
from tests.release.small_study import CHIEF, EXPERT, SECRET, VISITOR, Plan, SmallStudy
from tests.workspace.conftest import jsonl, line

CODED = {"change_goal": "少抽烟，我叫张伟", "globals": {"CCT": 4}, "volleys": [
    {"utterances": [{"text": "您想了很久。", "code": "SR"},
                    {"text": "您打算怎么做？", "code": "Q"}]},
]}  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Iterator[SmallStudy]:
    made = SmallStudy(tmp_path / "data")
    yield made
    made.store.close()


def all_of(store: EventStore) -> dict[str, int]:
    """Records by table, as the store counts them."""
    return {table: store.count(kinds) for table, kinds in STORED.items()}


def both_of(made: Projection) -> dict[str, int]:
    """Records by table, released or left out."""
    return {table: len(made.rows[table]) + made.left_out[table].total() for table in TABLES}


plans = st.builds(
    Plan,
    who=st.sampled_from([VISITOR, EXPERT, CHIEF]),
    says=st.sampled_from([("想戒烟",), ("想戒烟", "我叫张伟"), ("我不想活了",)]),
    judged=st.booleans(),
    overall=st.sampled_from(["A", "B", "tie", "both_unacceptable"]),
    reason=st.sampled_from([None, "B 更会听", "打13812345678找我"]),
    flagged=st.sampled_from([False, False, False, True]),
    withdrawn=st.sampled_from([False, False, True]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(plans, max_size=8), st.booleans())
def test_battles_and_judgements(battles: list[Plan], closed: bool) -> None:
    with TemporaryDirectory() as folder:
        study = SmallStudy(Path(folder))
        epoch = study.epoch()
        for plan in battles:
            study.battle(epoch, plan)
        if closed:
            study.close(epoch)
        made = project(study.store, SECRET)
        assert both_of(made) == all_of(study.store)
        study.store.close()
    out = [
        (index, plan)
        for index, plan in enumerate(battles)
        if closed and plan.judged and not plan.flagged and not plan.withdrawn
        and plan.who != CHIEF and "不想活" not in plan.says[0]
    ]  # fmt: skip
    rows = sorted(made.rows["battles"], key=lambda row: row["allocation_index"])
    assert [row["allocation_index"] for row in rows] == [index for index, _ in out]
    judged = {row["battle"]: row for row in made.rows["judgements"]}
    assert judged.keys() == {row["battle"] for row in rows}
    for row, (_, plan) in zip(rows, out, strict=True):
        says = [text.replace("张伟", "[NAME]") for text in plan.says]
        assert [one["client"] for one in row["rounds"]] == says
        assert [one["a"]["text"][:2] for one in row["rounds"]] == ["A1", "A2"][: len(says)]
        verdict = judged[row["battle"]]
        systems = ("tuned", "base") if row["tuned_side"] == "A" else ("base", "tuned")
        assert (verdict["a_system"], verdict["b_system"]) == systems
        assert verdict["overall"] == plan.overall
        assert verdict["preferred"] == dict(zip("AB", systems, strict=True)).get(
            plan.overall, plan.overall
        )
        masked = plan.reason and plan.reason.replace("13812345678", "[PHONE]")
        assert verdict["reason"] == masked
        assert verdict["scales"]["empathy"] == 1 and verdict["scales"]["evoking"] is None


def test_each_reason(study: SmallStudy) -> None:
    first = study.epoch()
    for plan in (
        Plan(), Plan(withdrawn=True), Plan(flagged=True, judged=False), Plan(who=CHIEF),
        Plan(judged=False), Plan(ended=True, judged=False), Plan(says=("我想死",)),
        Plan(reason="我想自杀"), Plan(flagged=True, withdrawn=True),
    ):  # fmt: skip
        study.battle(first, plan)
    study.close(first)
    study.battle(study.epoch(), Plan())
    made = project(study.store, SECRET)
    assert made.left_out["battles"] == Counter(
        withdrawn=2, crisis=1, admin=1, not_judged=2, crisis_found=2, open_epoch=1
    )
    assert made.left_out["judgements"] == Counter(
        withdrawn=2, admin=1, crisis_found=2, open_epoch=1
    )
    assert sum(made.withheld[first.id].values()) == 8
    assert len(made.rows["battles"]) == len(made.rows["judgements"]) == 1


def test_what_somebody_under_age_held_before_they_said_so_is_left_out(study: SmallStudy) -> None:
    epoch, other = study.epoch(), Identity("another", "public")
    study.battle(epoch)
    last = study.battle(epoch, Plan(judged=False))
    study.tell(BattleEnded(battle=last, reason="minor"), VISITOR, epoch.id)
    study.battle(epoch, Plan(who=other))
    study.battle(epoch)  # agreed anew, to be of age
    study.close(epoch)
    made = project(study.store, SECRET)
    assert made.left_out["battles"] == Counter(minor=2)
    assert made.left_out["judgements"] == Counter(minor=1)
    assert sorted(row["allocation_index"] for row in made.rows["battles"]) == [2, 3]


def test_a_row_says_how_often_a_side_was_withheld(study: SmallStudy) -> None:
    epoch = study.epoch()
    battle = study.battle(epoch)
    withheld = ReplyWithheld(
        battle=battle, round=2, category="model_gives_dose", source="B", terms=["x"]
    )
    study.tell(withheld, VISITOR)
    study.close(epoch)
    (row,) = project(study.store, SECRET).rows["battles"]
    assert (row["withheld_a"], row["withheld_b"]) == (0, 1)


def test_what_hangs_on_a_battle_whose_beginning_was_lost_is_left_out_and_counted(
    study: SmallStudy, tmp_path: Path
) -> None:
    epoch = study.epoch()
    for _ in range(2):
        battle = study.battle(epoch)
    study.close(epoch)
    coded = CodingSubmitted(
        coding="own", revision=1, source="self", dialogue="never drawn", battle=study.battles[0],
        side="A", trained=False, form="quick", filled=parse_coding(CODED),
    )  # fmt: skip
    study.tell(coded, VISITOR)
    study.tell(
        BattleDrawn(battle=battle, match="m", dialogues={"A": "a", "B": "b"}), CHIEF, epoch.id
    )
    study.tell(WorkAssigned(assignment="w", task="match", target="m"), EXPERT)
    judged = MatchJudged(assignment="w", match="m", a_dialogue="a", overall="A", form_version="1")
    study.tell(judged, EXPERT)
    damaged = SmallStudy(tmp_path / "damaged")
    damaged.store.put_back(e for e in study.store.events() if e.kind != "battle_started")
    made = project(damaged.store, SECRET)
    assert both_of(made) == all_of(damaged.store)
    assert made.left_out["judgements"] == {"no_battle": 3}
    assert made.left_out["codings"] == {"no_battle": 1}
    damaged.store.close()


def test_rows_have_the_documented_columns_and_no_id_of_the_records(study: SmallStudy) -> None:
    epoch = study.epoch()
    study.battle(epoch)
    study.close(epoch)
    made = project(study.store, SECRET)
    ids = {event.event_id for event in study.store.events()} | {VISITOR.rater, *study.battles}
    for table in ("judgements", "battles"):
        (row,) = made.rows[table]
        assert list(row) == [column.name for column in COLUMNS[table]]
        assert not ids & {str(value) for value in row.values()}
    assert made.rows["battles"][0]["rater"] == made.rows["judgements"][0]["rater"]
    again = project(study.store, SECRET)
    assert again.rows == made.rows
    other = project(study.store, b"another secret of the study")
    assert other.rows["battles"][0]["rater"] != made.rows["battles"][0]["rater"]


def test_codings_and_matches(study: SmallStudy) -> None:
    workspace = Workspace(
        study.store,
        Drafts(study.folder / DRAFTS_NAME),
        Identities(SECRET, Members(study.store, keyed_by(SECRET))),
    )
    closed, coding = study.epoch(), parse_coding(CODED)
    for plan in (Plan(), Plan(), Plan(withdrawn=True)):
        study.battle(closed, plan)
    study.close(closed)
    study.battle(study.epoch(), Plan())
    for battle in study.battles:
        sides = {side: workspace.material.of_side(battle, side) for side in "AB"}
        drawn = BattleDrawn(battle=battle, match=f"match-{battle}", dialogues=sides)
        started = next(study.store.events("battle_started", battle=battle))
        study.store.append(Event.of(drawn, role="admin", epoch=started.epoch))
    lines = [line(system=system, match_id="m") for system in ("base", "tuned")]
    workspace.material.import_dialogues(jsonl(lines), "file.jsonl")
    books = workspace.ledger.now()
    (imported,) = (match for match in books.matches if not match.startswith("match-"))
    drawn_dialogues = [workspace.material.of_side(battle, "A") for battle in study.battles]

    def code(dialogue: str, revision: int = 1, name: str | None = None) -> None:
        told = CodingSubmitted(
            coding=name or secrets.token_hex(4), revision=revision, source="assigned",
            dialogue=dialogue, assignment="a", trained=True, form="full", filled=coding,
            reason="打13812345678",
        )  # fmt: skip
        study.tell(told, EXPERT)

    for dialogue in (*drawn_dialogues, books.matches[imported][0]):
        code(dialogue)
    code(drawn_dialogues[0], 1, "twice")
    code(drawn_dialogues[0], 2, "twice")
    study.tell(
        CodingSubmitted(
            coding="own", revision=1, source="self", dialogue=drawn_dialogues[1],
            battle=study.battles[1], side="A", trained=False, form="quick", filled=coding,
        ),
        CHIEF,
    )  # fmt: skip
    for number, dialogue in enumerate((drawn_dialogues[0], drawn_dialogues[2])):
        study.tell(WorkAssigned(assignment=f"o{number}", task="coding", target=dialogue), EXPERT)
    study.tell(PracticeDone(vignette=vignettes()[0].id, filled=vignettes()[0].known), EXPERT)
    for number, (match, dialogue) in enumerate(
        [*((f"match-{b}", d) for b, d in zip(study.battles, drawn_dialogues, strict=True)),
         (imported, books.matches[imported][0])]
    ):  # fmt: skip
        study.tell(
            MatchJudged(
                assignment=f"w{number}", match=match, a_dialogue=dialogue, overall="A",
                reason="更会听", form_version="1",
            ),
            EXPERT,
        )  # fmt: skip
    made = project(study.store, SECRET)
    workspace.close()

    assert made.open_work == 1  # that on a withdrawn battle is none
    assert both_of(made) == all_of(study.store)
    assert made.left_out["codings"] == Counter(
        withdrawn=1, open_epoch=1, superseded=2, admin=1, practice=1
    )
    verdicts = [row for row in made.rows["judgements"] if row["about"] == "match"]
    assert len(verdicts) == 3
    assert {row["reason"] for row in verdicts if row["battle"]} == {"更会听"}
    (of_import,) = (row for row in verdicts if row["battle"] is None)
    assert of_import["reason"] is None and {of_import["a_system"], of_import["b_system"]} == {
        "base",
        "tuned",
    }
    rows = made.rows["codings"]
    path = write_table(study.folder, "codings", rows)
    loaded = load_dataset(
        "parquet", data_files=str(path), cache_dir=str(study.folder / "cache"), split="train"
    )
    assert loaded.to_list() == rows
    assert [list(row) for row in rows] == [[column.name for column in COLUMNS["codings"]]] * 3
    ours = [row for row in rows if row["battle"]]
    (theirs,) = (row for row in rows if not row["battle"])
    released = {row["battle"] for row in made.rows["battles"]}
    assert {row["battle"] for row in ours} == released
    assert {row["revision"] for row in ours} == {1, 2}
    for row in ours:
        assert row["change_goal"] == "少抽烟，我叫[NAME]" and row["reason"] == "打[PHONE]"
        assert row["volleys"] == [CODED["volleys"][0]["utterances"]]
    assert theirs["change_goal"] is theirs["reason"] is None
    assert theirs["volleys"] == [[{"text": None, "code": "SR"}, {"text": None, "code": "Q"}]]


def test_a_number_cut_in_two_by_utterances_is_told_in_neither(study: SmallStudy) -> None:
    from mi_arena.release.masking import Masker

    masker = Masker()
    assert masker.parts(["打", "找我"]) == ["打", "找我"]
    assert masker.parts(["打13812345678", "找我"]) == ["打[PHONE]", "找我"]
    assert masker.parts(["打138123", "45678找我"]) == [None, None]


def test_a_vote_that_does_not_count_says_why(study: SmallStudy) -> None:
    """Two raters with the same long talk: the first counts."""
    said = ("我想少喝一点酒，可是每次应酬都推不掉，回家又后悔，真不知道怎么办才好。", "再说吧")
    epoch = study.epoch()
    for name in ("one", "two"):
        study.battle(epoch, Plan(who=Identity(name, "public"), says=said))
    study.close(epoch)
    found = Votes(study.store).excluded(epoch.id)
    made = project(study.store, SECRET)
    reasons = {row["battle"]: row["excluded_reason"] for row in made.rows["judgements"]}
    battles = sorted(made.rows["battles"], key=lambda row: row["allocation_index"])
    assert [reasons[row["battle"]] for row in battles] == [found.get(b) for b in study.battles]
    assert "same_talk" in found.values()
