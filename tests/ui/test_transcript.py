"""The one sentence that says what to do next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mi_arena.battles.view import BattleView
from mi_arena.ui.texts import LANGS, Lang, say
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


@pytest.mark.parametrize("lang", LANGS)
def test_that_the_counsellors_are_away_is_said_whatever_else_is(lang: Lang) -> None:
    open_one = replace(after(2), away=True)
    told = status_text(open_one, 2, lang)
    assert told.startswith(status_text(after(2), 2, lang)) and told.endswith(say(lang, "away"))
    interrupted = replace(open_one, phase="interrupted")
    assert say(lang, "away").rstrip("。.") in status_text(interrupted, 2, lang)
    for phase in ("judged", "crisis", "answering"):
        assert say(lang, "away") not in status_text(replace(open_one, phase=phase), 2, lang)
