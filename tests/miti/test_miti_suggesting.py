"""Hints for utterances that are cut as the suggestion cuts them, and otherwise."""

from __future__ import annotations

import pytest

from mi_arena.miti.coding import Coding, Utterance, Volley
from mi_arena.miti.items import Code
from mi_arena.miti.suggesting import hints

Said = tuple[str, Code | None]
SUGGESTED: list[list[Said]] = [[("您想戒。", "SR"), ("难吗？", "Q")], [("好。", None)]]


def volley(said: list[Said]) -> tuple[Utterance, ...]:
    return tuple(Utterance(text=text, code=code) for text, code in said)


@pytest.mark.parametrize(
    ("sheet", "expected"),
    [
        ([["您想戒。", "难吗？"], ["好。"]], (("SR", "Q"), ("NONE",))),
        ([["您想戒。难吗？"], ["好。"]], ((None,), ("NONE",))),
        (
            [["您", "想戒。", "难", "吗？"], ["好", "。"]],
            (("SR", "SR", "Q", "Q"), ("NONE", "NONE")),
        ),
        ([["您想", "戒。难", "吗？"], ["好。"]], (("SR", None, "Q"), ("NONE",))),
        ([["别的话。"], ["好。"]], ((None,), (None,))),
        ([["您想戒。", "难吗？"]], ((None, None),)),
    ],
)
def test_a_hint_holds_for_all_of_its_utterance(
    sheet: list[list[str]], expected: tuple[tuple[Code | None, ...], ...]
) -> None:
    suggested = Coding(volleys=tuple(Volley(utterances=volley(said)) for said in SUGGESTED))
    # Whatever is coded already makes no difference.
    given = [volley([(text, "CR") for text in texts]) for texts in sheet]
    assert hints(given, suggested) == expected
