from __future__ import annotations

from collections.abc import Sequence

import pytest

from mi_arena.miti.check import Violation, violations
from mi_arena.miti.coding import Coding, Utterance, Volley
from mi_arena.miti.items import Code, GlobalKey, Lang


def coded(*volleys: Sequence[Code | None], goal: str | None = "戒烟") -> Coding:
    return Coding(
        change_goal=goal,
        volleys=tuple(
            Volley(utterances=tuple(Utterance(text="话。", code=code) for code in volley))
            for volley in volleys
        ),
    )


def where(found: list[Violation]) -> list[tuple[int | None, int | None, str]]:
    return [(one.volley, one.utterance, one.rule) for one in found]


@pytest.mark.parametrize("goal", [None, "", "  \n"])
def test_the_change_goal_is_missing(goal: str | None) -> None:
    (found,) = violations(coded(goal=goal))
    assert where([found]) == [(None, None, "change_goal_missing")]
    assert found.severity == "error"


def test_nothing_to_say_of_a_form_filled_in_part() -> None:
    assert violations(coded()) == []
    assert violations(Coding(change_goal="x")) == []
    assert violations(Coding(change_goal="x", globals={"CCT": 4}, counts={"Q": 0})) == []
    clean: list[list[Code | None]] = [
        ["GI", "PERSUADE", "Q", "SR", "AF", "SEEK", "EMPHASIZE", "CONFRONT"],
        ["GI", "PERSUADE_WITH", "Q", "CR", None, None],
    ]
    assert violations(coded(*clean)) == []


@pytest.mark.parametrize("value", [0, 6, 3.5, -1, float("nan")])
@pytest.mark.parametrize("key", ["CCT", "EMPATHY"])
def test_a_global_out_of_range(key: GlobalKey, value: float) -> None:
    (found,) = violations(Coding(change_goal="x", globals={key: value, "SST": 5}))
    assert where([found]) == [(None, None, "global_out_of_range")]
    name = {"CCT": "Cultivating Change Talk", "EMPATHY": "Empathy"}[key]
    assert found.message == f"{name} is rated {value}; a global is a whole number from 1 to 5."


@pytest.mark.parametrize("value", [-1, 2.5, 1_000_000])
def test_a_count_that_is_none(value: float) -> None:
    (found,) = violations(Coding(change_goal="x", counts={"CR": value, "Q": 3}))
    assert where([found]) == [(None, None, "count_out_of_range")]
    assert found.message.startswith(f"Complex Reflection is counted {value} times")


@pytest.mark.parametrize(
    ("volleys", "expected"),
    [
        ([["Q"], ["Q", None, "Q"]], [(2, 3, "repeated_code")]),
        ([["Q", "Q", "GI", "Q"]], [(1, 2, "repeated_code"), (1, 4, "repeated_code")]),
        ([["SR", "CR"]], [(1, 1, "simple_with_complex")]),
        ([["CR", "Q"], [None, "CR", "SR"]], [(2, 3, "simple_with_complex")]),
        ([["PERSUADE_WITH", "PERSUADE"]], [(1, 2, "persuade_with_and_without")]),
        ([["PERSUADE", "GI", "PERSUADE_WITH"]], [(1, 1, "persuade_with_and_without")]),
        # Over two volleys nothing displaces and nothing repeats.
        ([["SR"], ["CR"], ["CR"], ["PERSUADE"], ["PERSUADE_WITH"]], []),
        (
            [["SR", "CR", "SR"]],
            [
                (1, 1, "simple_with_complex"),
                (1, 3, "repeated_code"),
                (1, 3, "simple_with_complex"),
            ],
        ),
    ],
)
def test_rules_inside_a_volley(
    volleys: list[list[Code | None]], expected: list[tuple[int, int, str]]
) -> None:
    found = violations(coded(*volleys))
    assert where(found) == expected
    assert {one.severity for one in found} <= {"error"}


def test_messages_name_the_other_utterance_and_the_mend() -> None:
    (repeated,) = violations(coded(["GI", "Q", None, "Q"]))
    assert repeated.message.startswith("Question is coded at utterance 2 already")
    assert repeated.fix.startswith("Merge the two utterances, or take the code off")
    (simple,) = violations(coded(["SR", "CR"]))
    assert simple.message.startswith("Utterance 2 is a Complex Reflection")
    assert "Simple Reflection" in simple.fix


@pytest.mark.parametrize("text", ["", "  ", "\u3000\n"])
def test_a_code_without_text(text: str) -> None:
    blank = Volley(utterances=(Utterance(text=text), Utterance(text=text, code="AF")))
    found = violations(Coding(change_goal="x", volleys=(Volley(utterances=()), blank)))
    assert where(found) == [(2, 2, "coded_blank")]


def test_many_affirmations_are_a_warning_from_the_fourth_volley_on() -> None:
    row: list[list[Code | None]] = [["Q", "AF"], ["AF"], ["AF", "SR"], [None, "AF"], ["AF"]]
    found = violations(coded(*row))
    assert where(found) == [(4, 2, "many_affirmations"), (5, 1, "many_affirmations")]
    assert {one.severity for one in found} == {"warning"}
    assert "4 volleys" in found[0].message or "coded 4" in found[0].message
    assert violations(coded(*row[:3], ["SR"], *row[:3])) == []


def test_a_repeated_affirmation_in_a_fourth_volley_is_warned_of_once() -> None:
    found = violations(coded(["AF"], ["AF"], ["AF"], ["AF", "AF"]))
    assert where(found) == [(4, 1, "many_affirmations"), (4, 2, "repeated_code")]


def test_the_form_comes_first_and_then_the_volleys_in_order() -> None:
    coding = Coding(
        globals={"EMPATHY": 9, "CCT": 0}, volleys=coded(["Q"], ["Q", "Q"], ["SR", "CR"]).volleys
    )
    assert where(violations(coding)) == [
        (None, None, "change_goal_missing"),
        (None, None, "global_out_of_range"),
        (None, None, "global_out_of_range"),
        (2, 2, "repeated_code"),
        (3, 1, "simple_with_complex"),
    ]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_rule_is_told_in_both_languages(lang: Lang) -> None:
    blank = Volley(utterances=(Utterance(text="", code="AF"),))
    row: list[Sequence[Code | None]] = [["AF"]] * 3
    coding = Coding(
        globals={"CCT": 6},
        volleys=(
            *(coded(*row).volleys or ()),
            blank,
            *(coded(["SR", "CR", "PERSUADE", "PERSUADE_WITH", "Q", "Q"]).volleys or ()),
        ),
    )
    found = violations(coding, lang) + violations(Coding(change_goal="x", counts={"GI": -3}), lang)
    assert len({one.rule for one in found}) == 8
    for one in found:
        for text in (one.message, one.fix):
            assert any("\u4e00" <= sign <= "\u9fff" for sign in text) == (lang == "zh")
            assert "{" not in text
