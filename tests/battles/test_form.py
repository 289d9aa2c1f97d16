"""What a page sends is read as answers, or refused; nothing in between."""

from __future__ import annotations

from typing import Any

import pytest

from mi_arena.battles.form import REASON_LIMIT, Answers, answers_of
from mi_arena.battles.refusal import Refused


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"overall": "tie"}, Answers(overall="tie")),
        (
            {"overall": "A", "empathy": "-2", "evoking": "0", "autonomy": None, "reason": ""},
            Answers(overall="A", scales={"empathy": -2, "evoking": 0}),
        ),
        (
            {"overall": "B", "guess": "A", "confidence": "5", "reason": "更愿意听"},
            Answers(overall="B", guess="A", confidence=5, reason="更愿意听"),
        ),
        ({"overall": "B", "guess": "B", "confidence": None}, Answers(overall="B", guess="B")),
        # Who does not want to guess is sure of nothing.
        ({"overall": "A", "guess": "none", "confidence": "3"}, Answers(overall="A")),
        ({"overall": "A", "made_up": "1"}, Answers(overall="A")),
    ],
)
def test_a_form_is_read(sent: dict[str, Any], read: Answers) -> None:
    assert answers_of(sent) == read


@pytest.mark.parametrize(
    "wrong",
    [
        {"overall": None},
        {"overall": "C"},
        {"overall": ["A"]},
        {"empathy": "3"},
        {"empathy": "much"},
        {"empathy": ["1"]},
        {"guess": "A", "confidence": "6"},
        {"guess": "A", "confidence": "very"},
        {"reason": 7},
        {"reason": "x" * (REASON_LIMIT + 1)},
    ],
)
def test_what_no_form_of_ours_sends_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        answers_of({"overall": "A", **wrong})
    assert refusal.value.code == "bad_answers"


@pytest.mark.parametrize(
    ("reason", "kept"), [(None, None), ("", None), (" \n", None), (" 更\t愿意听 \r\n", "更 愿意听")]
)
def test_a_reason_is_kept_clean(reason: str | None, kept: str | None) -> None:
    assert Answers(overall="A", reason=reason).cleaned_reason() == kept


def test_a_reason_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(Refused) as refusal:
        Answers(overall="A", reason="\u200b\u2060").cleaned_reason()
    assert refusal.value.code == "nothing_readable"
