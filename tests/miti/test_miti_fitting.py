"""Pieces laid back onto their text: nothing but white space may differ, and nothing is lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.miti.fitting import DoesNotFit, fitted, same_words, span_in

TEXTS = st.text("你我说。？ \n\u3000ab", min_size=1, max_size=30).filter(str.strip)


@st.composite
def cut_texts(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A text, and its pieces with white space changed in any way."""
    text = draw(TEXTS)
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    ends = [0, *at, len(text)]
    pieces = [text[begin:end] for begin, end in pairwise(ends)]
    blanks = st.sampled_from(["", " ", "\n"])
    return text, ["".join(draw(blanks) + one for one in piece.split()) for piece in pieces]


@settings(deadline=None)
@given(cut_texts())
def test_whatever_became_of_white_space_the_pieces_are_the_text_again(
    given_: tuple[str, list[str]],
) -> None:
    text, pieces = given_
    found = fitted(pieces, text)
    assert "".join(found) == text
    assert all(same_words(one, piece) for one, piece in zip(found, pieces, strict=True))
    assert all(not one or one.strip() for one in found)


@settings(deadline=None)
@given(TEXTS, st.data())
def test_a_span_of_the_text_is_found_as_the_text_spells_it(text: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(text) - 1))
    span = text[begin : data.draw(st.integers(begin + 1, len(text)))]
    found = span_in("".join(span.split()), text)
    if not span.strip():
        assert found is None
    else:
        assert found is not None and found in text and same_words(found, span)
        assert found == found.strip()


@pytest.mark.parametrize(
    ("pieces", "text", "expected", "given_"),
    [
        (["你好", "吗？"], "你好吗。", "。", "？"),
        (["你好"], "你好吗。", "吗。", ""),
        (["你好吗。", "嗯"], "你好吗。", "", "嗯"),
        (["“好”"], '"好"', '"好"', "“好”"),
        ([], "好", "好", ""),
    ],
)
def test_other_words_say_where_they_part(
    pieces: list[str], text: str, expected: str, given_: str
) -> None:
    with pytest.raises(DoesNotFit) as error:
        fitted(pieces, text)
    assert (error.value.expected, error.value.given) == (expected, given_)


def test_white_space_goes_to_the_piece_before_it() -> None:
    assert fitted(["I see.", "And you?"], "  I see.\n\nAnd you? ") == ["  I see.\n\n", "And you? "]
    assert fitted(["", "好。", " ", "嗯"], " 好。 嗯") == ["", " 好。 ", "", "嗯"]
    assert span_in("a b", "xa\nby") == "a\nb"
    assert span_in("ba", "xa\nby") is None and span_in(" ", "a b") is None
