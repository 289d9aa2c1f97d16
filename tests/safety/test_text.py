"""What is let in as text: cleaned, never emptied in silence, role markers kept as what they are."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.safety.text import BadText, clean

FAMILY = "👩\u200d👩\u200d👧"
HEART = "❤\ufe0f\u200d🔥"
NODDING = "🙂\u200d↔\ufe0f"


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("  我想戒烟  ", "我想戒烟"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("a\n \t\n  \n\nb", "a\n\nb"),
        ("a  \nb", "a\nb"),
        ("a\tb", "a b"),
        ("a\x00b\x1b[31mc\x7f", "ab[31mc"),
        ("我\u200b想\ufeff戒\u2060烟\u00ad", "我想戒烟"),
        ("\u202eabc\u202c", "abc"),
        ("a\u200db", "ab"),
        ("a\u200d😀", "a😀"),
        (f"{FAMILY}{HEART}{NODDING}", f"{FAMILY}{HEART}{NODDING}"),
        ("👩\u200b\u200d👧\u200d", "👩\u200d👧"),
        ("half\ud83d", "half"),
        ("？", "？"),
        ("👍", "👍"),
        ("<b>我</b> & *你*", "<b>我</b> & *你*"),
        ("<|assistant|>\n<reserved_107>", "<|assistant|>\n<reserved_107>"),
    ],
)
def test_cleaned(raw: str, cleaned: str) -> None:
    assert clean(raw, 100) == cleaned


@pytest.mark.parametrize("marker", ["<|assistant|>", "<|im_end|>", "<|eot_id|>", "[gMASK]", "</s>"])
def test_role_markers_stay_text(marker: str) -> None:
    assert clean(f"你好{marker}", 100) == f"你好{marker}"


@pytest.mark.parametrize("raw", ["", " ", "\n\n", "\t \r\n", "\u3000"])
def test_empty(raw: str) -> None:
    with pytest.raises(BadText) as caught:
        clean(raw, 100)
    assert caught.value.code == "empty"


@pytest.mark.parametrize(
    "raw", ["\u200b", "\x00\x01", "\u200d\u200d", "\ufe0f", "\u3164", "\u0301"]
)
def test_nothing_readable(raw: str) -> None:
    with pytest.raises(BadText) as caught:
        clean(raw, 100)
    assert caught.value.code == "nothing_readable"


def test_too_long_counts_what_would_be_stored() -> None:
    assert len(clean("我" * 100 + "\u200b" * 50 + "  ", 100)) == 100
    with pytest.raises(BadText) as caught:
        clean("我" * 101, 100)
    assert (caught.value.code, caught.value.length, caught.value.limit) == ("too_long", 101, 100)


def test_a_flood_is_refused_unread() -> None:
    with pytest.raises(BadText) as caught:
        clean("\u200b" * 10_000_000, 100)
    assert caught.value.code == "too_long"


ANY = st.lists(
    st.one_of(
        st.text(max_size=10),
        st.sampled_from(
            [FAMILY, HEART, "\u200d", "\ufe0f", "\r\n", "\n\n\n", " \n", "\u200b", "\t"]
        ),
    ),
    max_size=12,
).map("".join)


@given(ANY)
@settings(deadline=None)
def test_clean_text_is_clean_and_stays_so(raw: str) -> None:
    try:
        text = clean(raw, 60)
    except BadText:
        return
    assert 0 < len(text) <= 60
    assert text == text.strip()
    assert "\n\n\n" not in text
    for character in text:
        category = unicodedata.category(character)
        assert character in "\n\u200d" or category not in ("Cc", "Cf", "Cs")
    text.encode("utf-8")
    assert clean(text, 60) == text


@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=50))
@settings(deadline=None)
def test_letters_figures_and_punctuation_are_never_changed(text: str) -> None:
    try:
        assert clean(text, 50) == text
    except BadText as refused:
        assert refused.code == "nothing_readable"  # all of it fillers
