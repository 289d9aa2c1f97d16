"""Invite codes: how they look, how hard they are to guess, how they may be typed."""

from __future__ import annotations

import math
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.access.codes import GROUP, GROUPS, LETTERS, new_code, normalised


def test_the_shape_of_a_code() -> None:
    codes = {new_code() for _ in range(500)}
    assert len(codes) == 500
    assert all(re.fullmatch(r"([0-9A-Z]{4}-){3}[0-9A-Z]{4}", code) for code in codes)
    # No letter is missing and none is mistaken for another.
    assert set("".join(codes)) - {"-"} == set(LETTERS)
    assert not set("ILOU") & set(LETTERS)


def test_a_code_has_eighty_bits() -> None:
    assert len(set(LETTERS)) == len(LETTERS)
    assert GROUPS * GROUP * math.log2(len(LETTERS)) >= 80


@pytest.mark.parametrize(
    "typed",
    [
        "k7qm-2xwd-9htr-40a1",
        "  K7QM 2XWD 9HTR 40A1\n",
        "K7QM2XWD9HTR40A1",
        "K7QM–2XWD—9HTR‑40A1",  # dashes that a word processor makes of hyphens
        "Ｋ７ＱＭ－２ＸＷＤ－９ＨＴＲ－４０Ａ１",
        "K7QM-2XWD-9HTR-4OAl",
        "\u200bK7QM\u00a02XWD\u30009HTR\ufeff40A1",
    ],
)
def test_spellings_of_one_code(typed: str) -> None:
    assert normalised(typed) == "K7QM2XWD9HTR40A1"


@given(st.data())
def test_dashes_blanks_and_case_never_matter(data: st.DataObject) -> None:
    code = new_code()
    typed = ""
    for letter in code:
        shown = data.draw(st.sampled_from([letter, letter.lower()]))
        typed += data.draw(st.sampled_from(["", " ", "-", "\t"])) + shown
    assert normalised(typed) == code.replace("-", "")


@given(st.text(st.sampled_from(LETTERS), max_size=20), st.text(st.sampled_from(LETTERS)))
def test_different_letters_stay_different_codes(one: str, other: str) -> None:
    assert (normalised(one) == normalised(other)) == (one == other)


@given(st.text(st.characters(codec=None)))
def test_whatever_is_typed_can_be_hashed(typed: str) -> None:
    found = normalised(typed)
    found.encode()
    assert not any(unicodedata.category(letter) in ("Pd", "Zs", "Cs") for letter in found)
