"""Every place and every kind of danger has help, and only numbers that are certain there."""

from __future__ import annotations

import pytest

from mi_arena.safety.help import NEEDS, HelpTable, help_for, help_table, place_of


@pytest.mark.parametrize(
    ("locale", "place"),
    [
        ("zh", "zh-CN"), ("zh-CN", "zh-CN"), ("zh_CN", "zh-CN"), ("zh-Hans", "zh-CN"),
        ("ZH-hans-cn", "zh-CN"), ("zh-TW", "default"), ("zh-HK", "default"),
        ("zh-Hant-TW", "default"), ("zh-Hans-SG", "default"), ("zh-SG", "default"),
        ("en", "default"), ("en-US", "default"), ("de", "default"), ("", "default"),
    ],
)  # fmt: skip
def test_place_of_a_locale(locale: str, place: str) -> None:
    assert place_of(locale) == place


def test_mainland_numbers() -> None:
    phones = {c: [line.phone for line in help_for("zh-CN", [c]) if line.phone] for c in NEEDS}
    assert phones["self_harm"][0] == "12356"
    assert phones["harm_others"][0] == "110"
    assert {"110", "12338", "12355"} <= set(phones["abuse"])
    assert phones["medical_emergency"] == phones["withdrawal_danger"] == ["120"]
    assert phones["minor"][0] == "12355"


def test_elsewhere_no_number_is_guessed_and_mainland_ones_say_where_they_work() -> None:
    lines = help_for("en-GB", NEEDS)
    numbered = [line for line in lines if line.phone]
    assert {line.phone for line in numbered} == {"12356", "120", "110", "12338", "12355"}
    assert all("mainland China" in line.en and "中国大陆" in line.zh for line in numbered)
    assert help_for("en-GB", ["self_harm"])[0].phone is None
    assert any("local emergency number" in line.en for line in lines)
    assert any("findahelpline.com" in line.en and line.url for line in lines)


def test_several_kinds_share_lines_and_repeat_none() -> None:
    lines = help_for("zh-CN", ["medical_emergency", "self_harm"])
    assert len(lines) == len(set(lines))
    # The order is the table's, not the caller's.
    assert lines == help_for("zh-CN", ["self_harm", "medical_emergency"])
    assert lines[0].phone == "12356"


def test_nothing_found_shows_nothing() -> None:
    assert help_for("zh-CN", []) == []


def test_the_number_that_is_dialled_is_the_number_that_is_read() -> None:
    for line in help_table().lines.values():
        assert line.zh.strip() and line.en.strip()
        if line.phone:
            assert line.phone in line.zh and line.phone in line.en


def test_a_table_with_a_hole_is_refused() -> None:
    line = {"zh": "x", "en": "x"}
    full = {category: ["a"] for category in NEEDS}
    HelpTable.model_validate({"lines": {"a": line}, "places": {"default": full}})
    for places, message in (
        ({"zh-CN": full}, "no place 'default'"),
        ({"default": {**full, "abuse": []}}, "default has no lines for abuse"),
        ({"default": {**full, "abuse": ["b"]}}, "no line 'b'"),
    ):
        with pytest.raises(ValueError, match=message):
            HelpTable.model_validate({"lines": {"a": line}, "places": places})
