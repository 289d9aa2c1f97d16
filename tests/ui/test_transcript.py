"""The one sentence that says what to do next."""

from __future__ import annotations

import pytest

from mi_arena.battles.view import BattleView
from mi_arena.ui.texts import Lang
from mi_arena.ui.transcript import status_text


def after(rounds: int) -> BattleView:
    return BattleView(
        phase="open",
        topic="sleep",
        rounds=[],
        waiting=None,
        complete_rounds=rounds,
        can_judge=rounds >= 2,
        crisis_category=None,
        reveal=None,
        receipt=None,
        judged_blind=False,
    )


@pytest.mark.parametrize(
    ("lang", "rounds", "begins"),
    [
        ("en", 2, "Both have answered. You can judge now"),
        ("zh", 2, "两位都回答完了。现在可以评判了"),
        ("en", 1, "Both have answered. "),
    ],
)
def test_the_status_reads_as_sentences(lang: Lang, rounds: int, begins: str) -> None:
    assert status_text(after(rounds), 2, lang).startswith(begins)
