"""From a filled review form to an answer and back."""

from __future__ import annotations

from typing import Any

import pytest

from mi_arena.battles.refusal import Refused
from mi_arena.dialogue import Message
from mi_arena.records.payloads import MAX_TEXT
from mi_arena.records.review_events import MOST, ReviewItem
from mi_arena.workspace.review_forms import (
    LONGEST_FORM,
    answer,
    changed_turns,
    filled_by,
    kept,
    same_answer,
)
from tests.workspace.review_runs import rewriting, source

RATED = ReviewItem(item="i", name="D001-BCDF", messages=list(source(0).messages))
REWRITTEN = ReviewItem(item="i", name="mi-0", messages=RATED.messages, rewriting=rewriting(0))
TIRED = rewriting(0).messages[1].content
SCORES = {name: str(most) for name, most in MOST.items()}


def test_a_rating_there_and_back() -> None:
    given = answer("s", RATED, 1, kept(RATED, SCORES | {"comment": " 有点短\r\n", "corpus": "x"}))
    assert given.scores == MOST and given.comment == "有点短" and given.verdict is None
    assert filled_by(RATED, given) == SCORES | {"comment": "有点短"}


@pytest.mark.parametrize(
    ("item", "filled", "code"),
    [
        (RATED, {}, "review_unfinished"),
        (RATED, SCORES | {"safety": "2"}, "review_unfinished"),
        (RATED, SCORES | {"safety": "-1"}, "review_unfinished"),
        (RATED, SCORES | {"safety": "0.5"}, "review_unfinished"),
        (RATED, SCORES | {"safety": "１"}, "review_unfinished"),
        (RATED, SCORES | {"comment": "长" * 2_001}, "too_long"),
        (REWRITTEN, {}, "review_no_verdict"),
        (REWRITTEN, SCORES, "review_no_verdict"),
        (REWRITTEN, {"verdict": "maybe"}, "review_no_verdict"),
        (REWRITTEN, {"verdict": "rejected"}, "review_no_reason"),
        (REWRITTEN, {"verdict": "rejected", "reason": " \n"}, "review_no_reason"),
        (REWRITTEN, {"verdict": "edited"}, "review_unedited"),
        (REWRITTEN, {"verdict": "edited", "turn-1": f"{TIRED} "}, "review_unedited"),
        (REWRITTEN, {"verdict": "edited", "turn-1": ""}, "review_empty_turn"),
        (REWRITTEN, {"verdict": "edited", "turn-1": " \u200b"}, "nothing_readable"),
        (REWRITTEN, {"verdict": "edited", "turn-1": "长" * (MAX_TEXT + 1)}, "too_long"),
    ],
)  # fmt: skip
def test_what_is_not_whole(item: ReviewItem, filled: dict[str, str], code: str) -> None:
    with pytest.raises(Refused) as refused:
        answer("s", item, 1, kept(item, filled))
    assert refused.value.code == code


def test_verdicts_there_and_back() -> None:
    original = rewriting(0).messages
    sent: dict[str, Any] = {f"turn-{n}": one.content for n, one in enumerate(original)}
    sent |= {"verdict": "edited", "turn-3": "您想先说说哪一点？", "turn-9": "多一句", "reason": "x"}
    filled = kept(REWRITTEN, sent)
    # Only what was changed is kept, and there is no tenth turn.
    assert filled == {"verdict": "edited", "turn-3": "您想先说说哪一点？", "reason": "x"}
    given = answer("s", REWRITTEN, 2, filled)
    assert given.edited is not None and given.reason is None
    assert [one.role for one in given.edited] == [one.role for one in original]
    assert changed_turns(original, given.edited) == [4]
    assert filled_by(REWRITTEN, given) == {"verdict": "edited", "turn-3": "您想先说说哪一点？"}
    accepted = answer("s", REWRITTEN, 1, filled | {"verdict": "accepted"})
    assert accepted.edited is None and filled_by(REWRITTEN, accepted) == {"verdict": "accepted"}
    rejected = answer("s", REWRITTEN, 1, {"verdict": "rejected", "reason": "换了话题"})
    assert filled_by(REWRITTEN, rejected) == {"verdict": "rejected", "reason": "换了话题"}


def test_line_ends_of_a_browser_are_no_change() -> None:
    two = rewriting(0).model_copy(
        update={"messages": [Message(role="client", content="一\n\n\n二 \n三")]}
    )
    item = REWRITTEN.model_copy(update={"rewriting": two})
    assert kept(item, {"turn-0": "一\r\n\r\n\r\n二 \r\n三"}) == {}


def test_the_same_answer_is_the_same_whatever_its_revision() -> None:
    one, two = (answer("s", RATED, revision, SCORES) for revision in (1, 2))
    other = answer("s", RATED, 1, SCORES | {"safety": "0"})
    assert same_answer(one, two) and not same_answer(one, other)


def test_a_form_is_bounded_and_what_is_no_text_is_left_out() -> None:
    with pytest.raises(Refused) as refused:
        kept(RATED, {"comment": "x" * (LONGEST_FORM + 1)})
    assert refused.value.code == "too_long"
    assert kept(RATED, {"comment": 5, "safety": ["1"], "professionalism": None}) == {}
