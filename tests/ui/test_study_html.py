"""What the Study tab says of the records, in the reader's language and in counts that add up."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from string import Formatter
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.access.identity import Identity
from mi_arena.publishing import alarms, faults
from mi_arena.publishing.alarms import LINES, Alarm
from mi_arena.publishing.status import InDataset, Status
from mi_arena.records.incidents import Incidents
from mi_arena.records.release_events import TableCounts
from mi_arena.records.results_query import epochs
from mi_arena.records.votes import Votes
from mi_arena.study.exclusions import LIMITS, Limits
from mi_arena.ui.duration import duration
from mi_arena.ui.study.epoch_standing import standing_of
from mi_arena.ui.study.health_html import health_html, tables_html
from mi_arena.ui.study.study_html import epochs_html, incidents_html
from mi_arena.ui.texts import LANGS, Lang, all_texts
from tests.battles.conftest import FAST_HANDS
from tests.release.small_study import CHIEF, EXPERT, VISITOR, Plan, SmallStudy

WELL = InDataset(
    dataset="me/x",
    events_in_dataset=3,
    events_published=3,
    events_waiting=2,
    events_only_there=0,
    events_doubled=0,
    judgements_published=1,
    judgements_waiting=0,
    oldest_waiting_seconds=964.2,
    another_copy=None,
    off=None,
    taking=True,
    last_commit=None,
    last_error={"type": "Busy", "line": "no answer", "at": "2026-11-26T21:01:02+00:00"},
)
STATUS = Status(
    at="2026-11-26T21:02:00+00:00",
    battles_started=2,
    judgements_acknowledged=1,
    events_stored=5,
    publishing=WELL,
    publishing_reason=None,
    release=None,
    release_reason="none",
    alarms=[],
)


def values(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("code", get_args(alarms.Code))
def test_every_alarm_has_its_sentence_with_all_that_its_line_tells(
    lang: Lang, code: alarms.Code
) -> None:
    told = values(all_texts()[lang][f"alarm_{code}"])
    assert {"seconds" if name == "waited" else name for name in told} == values(LINES[code])


def test_an_alarm_is_told_in_the_reader_s_language_and_in_minutes() -> None:
    late = replace(STATUS, alarms=[Alarm.of("late", events=2, seconds=964.2)])
    assert late.alarms[0].line == "2 events wait to be published, the oldest for 964 s"
    zh, en = (health_html(late, lang) for lang in LANGS)
    assert "有 2 个事件在等待上传，最久的已等了 16 分钟。" in zh and "没有警报" not in zh
    assert "2 events wait to be published, the oldest for 16 min." in en
    assert "964" not in zh + en
    assert "没有警报" in health_html(STATUS, "zh")


def test_a_notice_is_told_beside_that_all_is_well() -> None:
    kept = replace(STATUS, notices=[Alarm.of("kept_here", events=7)])
    assert kept.notices[0].is_notice
    for lang, words in zip(
        LANGS, ("有 7 个事件只在这台机器上", "7 events are on this"), strict=True
    ):
        html = health_html(kept, lang)
        assert words in html and all_texts()[lang]["health_well"] in html
        assert "role=" not in html.partition("<table")[0]


@pytest.mark.parametrize("lang", LANGS)
def test_a_table_of_which_more_was_released_is_named(lang: Lang) -> None:
    more = replace(STATUS, alarms=[Alarm.of("released_more", table="battles", records=2)])
    told = f"“{all_texts()[lang]['release_battles']}”"
    assert told in health_html(more, lang) and "battles" not in health_html(more, "zh")


@pytest.mark.parametrize("kind", ["Busy", "Moved", "Denied", "BadShard", "NotStored", "Unreadable"])
def test_the_last_error_is_told_by_its_kind_and_with_its_line(kind: str) -> None:
    assert hasattr(faults, kind) or kind in ("NotStored", "Unreadable")
    error = {"type": kind, "line": "<no answer>", "at": "2026-11-26T21:01:02+00:00"}
    failed = replace(STATUS, publishing=replace(WELL, last_error=error))
    zh = all_texts()["zh"]
    assert zh[f"fault_{kind}"] in health_html(failed, "zh")
    assert '<span lang="en">&lt;no answer&gt;</span>' in health_html(failed, "zh")
    other: Any = error | {"type": "KeyError"}
    failed = replace(STATUS, publishing=replace(WELL, last_error=other))
    assert zh["fault_other"] in health_html(failed, "zh")


def cells(html: str) -> list[list[str]]:
    """The text of every row of a table, without its heads."""
    rows = re.findall(r"<tr role=row>(.*?)</tr>", html)
    return [[re.sub(r"<[^>]+>", " ", one) for one in re.split(r"(?=<td)", row)] for row in rows]


def number(cell: str) -> int:
    found = re.match(r"\s*(\d+)", cell)
    assert found is not None, cell
    return int(found[1])


WHO = (VISITOR, Identity("rater-of-another", "public"), EXPERT, CHIEF)
PLANS = st.builds(
    Plan,
    who=st.sampled_from(WHO),
    judged=st.booleans(),
    flagged=st.booleans(),
    ended=st.booleans(),
    withdrawn=st.booleans(),
)


@given(st.lists(PLANS, max_size=12), st.booleans(), st.sampled_from([LIMITS, FAST_HANDS]))
@settings(max_examples=20, deadline=None)
def test_every_battle_of_an_epoch_stands_in_one_column(
    plans: list[Plan], closed: bool, limits: Limits
) -> None:
    with TemporaryDirectory() as folder:
        study = SmallStudy(Path(folder))
        epoch = study.epoch()
        for plan in plans:
            study.battle(epoch, replace(plan, ended=plan.ended and not plan.judged))
        if closed:
            study.close(epoch)
        (info,) = epochs(study.store)
        standing = standing_of(study.store, Votes(study.store, limits), info, 20)
        study.store.close()
    assert standing.battles == len(plans)
    assert standing.trials == sum(plan.who is CHIEF for plan in plans)
    if closed:
        assert standing.under_way == 0
    for lang in LANGS:
        (row,) = cells(epochs_html([standing], 20, lang))
        battles, *rest = (number(cell) for cell in row[1:])
        assert battles == len(plans) == sum(rest)


def test_danger_is_told_by_kind_and_the_most_frequent_first() -> None:
    found = [
        Incidents("abuse", "client", "zh", 4),
        Incidents("self_harm", "client", "zh", 3),
        Incidents("self_harm", "client", "en", 2),
        Incidents("model_gives_dose", "model", "en", 1),
    ]
    rows = [[" ".join(cell.split()) for cell in row] for row in cells(incidents_html(found, "zh"))]
    assert rows == [
        ["自伤自杀", "来访者", "5（中文 3、英文 2）"],
        ["遭受虐待", "来访者", "4（中文 4）"],
        ["给出药量", "模型", "1（英文 1）"],
    ]
    assert "5 (Chinese 3, English 2)" in incidents_html(found, "en")


def test_released_judgements_that_do_not_count_are_told() -> None:
    judged = TableCounts(released=6, left_out={"crisis": 2}, not_counted=3)
    held = {"judgements": judged, "battles": TableCounts(released=6, left_out={})}
    assert "里面的 6 份评判有 3 份可疑而未计入" in tables_html(held, "zh")
    held["judgements"] = judged.model_copy(update={"not_counted": 0})
    assert "未计入" not in tables_html(held, "zh")


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [
        (0.4, "0 秒", "0 s"),
        (119.9, "119 秒", "119 s"),
        (120, "2 分钟", "2 min"),
        (964, "16 分钟", "16 min"),
        (7_199, "119 分钟", "119 min"),
        (7_200, "2 小时", "2 hours"),
        (172_799, "47 小时", "47 hours"),
        (172_800, "2 天", "2 days"),
    ],
)
def test_a_duration_is_told_in_one_unit(seconds: float, zh: str, en: str) -> None:
    assert (duration(seconds, "zh"), duration(seconds, "en")) == (zh, en)


@given(st.floats(0, 1e8))
def test_a_duration_is_never_told_too_long_nor_by_half_too_short(seconds: float) -> None:
    found = re.fullmatch(r"(\d+) (s|min|hours|days)", duration(seconds, "en"))
    assert found is not None
    told = int(found[1]) * {"s": 1, "min": 60, "hours": 3_600, "days": 86_400}[found[2]]
    assert told <= seconds < max(1.5 * told, told + 1)
