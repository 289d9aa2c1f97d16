"""What each detector sees, and what it lets be."""

from __future__ import annotations

import pytest

from tests.training.corpora.small_corpora import said
from training.corpora import contacts, problems
from training.corpora.problems import found_in

A, B = "c:我每天都睡不好觉怎么办才好呢", "k:听起来你每天都很累是不是这样"


@pytest.mark.parametrize(
    ("kind", "turns", "places"),
    [
        ("empty_turn", ["c:我累", "k: \n"], [2]),
        ("empty_turn", ["c:我累", "k:嗯"], []),
        ("same_role_twice", ["c:我累", "c:真的", "k:嗯", "k:说说"], [2, 4]),
        ("same_role_twice", ["c:我累", "s:在", "c:真的"], [3]),
        ("same_role_twice", ["s:在", "s:在", "c:我累", "k:嗯"], []),
        ("looped_turns", [A, B, A, B, A, B], [3, 4, 5, 6]),
        ("looped_turns", [A, B, "c:不", "k:嗯？", A, B], [5, 6]),
        ("looped_turns", [A, B, A, "k:还是睡不好？"], []),
        ("looped_turns", ["c:好的", "k:嗯", "c:好的", "k:嗯"], []),
        ("leaked_speaker_tag", ["c:来访者：我累", "k:嗯\n医生： 说说"], [1, 2]),
        ("leaked_speaker_tag", ["c:**Client:** I smoke", "k:Therapist (Ann): so"], [1, 2]),
        ("leaked_speaker_tag", ["c:医生，我累", "k:作为医生：我建议", "s:用户：x"], []),
        ("stage_direction", ["c:（沉默片刻）我累", "k:深呼吸。\n（一段时间后）"], [1, 2]),
        ("stage_direction", ["c:我累。（哭泣）", "k:[laughs] Well"], [1, 2]),
        ("stage_direction", ["k:说说。\n（来访者画了一幅画，画里有我和你）"], [1]),
        ("stage_direction", ["c:我爸（他总是笑话我）很凶（其实还好）。（我没哭）"], []),
        ("stage_direction", ["k:（1）多睡（2）多动", "c:认知行为疗法（CBT）"], []),
        ("replacement_character", ["c:我\ufffd累", "k:嗯"], [1]),
        ("contact_or_link", ["c:打13812345678给我", "k:看 https://a.cn/b 吧"], [1, 2]),
        ("one_role_only", ["c:我累", "s:在"], [0]),
        ("one_role_only", [], [0]),
        ("one_role_only", ["c:我累", "k:嗯"], []),
        ("wrong_first_speaker", ["s:在", "k:你好", "c:我累"], [2]),
        ("wrong_first_speaker", ["s:在", "c:我累"], []),
        ("ends_on_client", ["c:我累", "k:嗯", "c:再见", "s:完"], [3]),
        ("ends_on_client", ["c:我累", "k:嗯"], []),
    ],
)
def test_what_is_seen(kind: str, turns: list[str], places: list[int]) -> None:
    found = [finding for finding in found_in(said(*turns)) if finding.kind == kind]
    assert [finding.turn for finding in found] == places


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("13812345678", 1),
        ("我的电话是138-1234-5678，你呢", 1),
        ("+86 13812345678", 1),
        ("座机010-62345678", 1),
        ("热线400-161-9995", 1),
        ("写信到 some.one@mail.example.com", 1),
        ("见http://example.com/a?b=1，谢谢", 1),
        ("上www.example.cn看", 1),
        ("看example.com/x", 1),
        ("加我微信：abc_12345", 1),
        ("wechat id: abcdef1", 1),
        ("QQ群：123456789", 1),
        ("qq 12345", 1),
        ("两个：13812345678、a@b.cn", 2),
        ("打120或12355", 0),
        ("我每月赚10000元，存了12345678901234", 0),
        ("在微信上聊天，也用QQ", 0),
        ("2020.05.06那天，3.5小时", 0),
        ("e.g. this", 0),
    ],
)
def test_contacts(text: str, number: int) -> None:
    assert len(contacts.places(text)) == number


def test_every_kind_is_told_of() -> None:
    named = {detector.__name__ for detector in problems.DETECTORS}
    assert named < problems.KINDS.keys()
    assert {"crisis", "duplicate", "near_duplicate", "unreadable", "continuation_line"} < (
        problems.KINDS.keys() - named
    )


def test_an_excerpt_is_one_short_line() -> None:
    assert problems.excerpt("一\n二  三") == "一 二 三"
    cut = problems.excerpt("前" * 100 + "这" + "后" * 100, 100)
    assert cut.startswith("…前") and "这" in cut and cut.endswith("后…") and len(cut) < 70
