"""What each rule does to a dialogue, and that no text goes but what it says."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.dialogue import Message
from mi_arena.jobs.script import BadInput
from tests.training.corpora.small_corpora import said, shown
from training.corpora.cleaning import RULES, TURN_RULES, cleaned, without

A, B = "c:我每天都睡不好觉怎么办才好呢", "k:听起来你每天都很累是不是这样"
ALL = frozenset(RULES)


@pytest.mark.parametrize(
    ("rule", "turns", "wanted"),
    [
        ("strip_speaker_tags", ["c:来访者：我累", "k:嗯\n医生：说说"], ["c:我累", "k:嗯\n说说"]),
        ("strip_speaker_tags", ["c:我累\n心理咨询师：说说"], ["c:我累", "k:说说"]),
        ("strip_speaker_tags", ["c:心理咨询师：很好"], ["k:很好"]),
        ("strip_speaker_tags", ["c:来访者：来访者："], ["c:"]),
        ("strip_stage_directions", ["c:（沉默）我累\n（哭泣）\n真的"], ["c:我累\n\n真的"]),
        ("strip_stage_directions", ["c:（哭泣）"], ["c:"]),
        ("drop_empty_turns", ["c:我累", "k: ", "c:嗯"], ["c:我累", "c:嗯"]),
        ("join_same_role", ["c:我累", "c:真的", "k:嗯"], ["c:我累\n真的", "k:嗯"]),
        ("join_same_role", ["c:我累", "s:在", "c:真的"], ["c:我累\n真的", "s:在"]),
        ("cut_loops", [A, B, A, B, A, B, "c:再见"], [A, B, "c:再见"]),
        ("cut_loops", [A, B, "c:不", "k:嗯？", A, B], [A, B, "c:不", "k:嗯？"]),
        ("drop_leading_counselor", ["s:在", "k:你好", "c:我累"], ["s:在", "c:我累"]),
        ("drop_leading_counselor", ["k:你好"], ["k:你好"]),
        ("drop_trailing_client", ["c:我累", "k:嗯", "c:再见"], ["c:我累", "k:嗯"]),
        ("drop_trailing_client", ["c:我累"], ["c:我累"]),
    ],
)
def test_what_a_rule_does(rule: str, turns: list[str], wanted: list[str]) -> None:
    messages, changes = cleaned(said(*turns), frozenset([rule]))
    assert shown(messages) == wanted
    assert (set(changes) == {rule}) is (turns != wanted)
    untouched, none = cleaned(said(*turns), ALL - {rule, *TURN_RULES})
    assert shown(untouched) == turns and not none


def test_keys_of_joined_turns_are_kept() -> None:
    first = Message.model_validate({"role": "client", "content": "a", "codes": {"1": "x"}})
    (joined,), _ = cleaned([first, *said("c:b"), *said("c:c")], frozenset(["join_same_role"]))
    assert joined.content == "a\nb\nc"
    assert joined.model_extra == {
        "parts": [{"content": "a", "codes": {"1": "x"}}, {"content": "b"}, {"content": "c"}]
    }


PIECES = [
    "来访者：",
    "医生：",
    "（沉默）",
    "(一段时间后)",
    "\n",
    " ",
    "我累了。",
    "嗯",
    A[2:],
    B[2:],
    "（",
    "）",
]
TEXT = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
MESSAGES = st.lists(
    st.builds(Message, role=st.sampled_from(["client", "counselor", "system"]), content=TEXT),
    max_size=12,
)
SOME_RULES = st.sets(st.sampled_from(sorted(TURN_RULES))).map(frozenset)


def characters(texts: list[str]) -> Counter[str]:
    return Counter("".join("".join(texts).split()))


@given(MESSAGES, SOME_RULES)
def test_no_text_goes_but_what_a_rule_says(messages: list[Message], rules: frozenset[str]) -> None:
    kept, changes = cleaned(messages, rules)
    taken = [change.removed for made in changes.values() for change in made]
    before = characters([message.content for message in messages])
    assert before == characters([message.content for message in kept] + taken)
    assert changes.keys() <= rules


@given(MESSAGES, SOME_RULES)
def test_cleaning_again_changes_nothing(messages: list[Message], rules: frozenset[str]) -> None:
    once, _ = cleaned(messages, rules)
    assert cleaned(once, rules) == (once, {})


@given(MESSAGES)
def test_what_is_kept_alternates(messages: list[Message]) -> None:
    kept, _ = cleaned(messages, ALL)
    roles = [message.role for message in kept if message.role != "system"]
    if len(set(roles)) == 2:  # else drop_one_role_only leaves it out
        assert roles == ["client", "counselor"] * (len(roles) // 2)
    assert all(message.content.strip() for message in kept)


def test_rules_are_named() -> None:
    assert without([]) == ALL
    assert without(["cut_loops"]) == ALL - {"cut_loops"}
    with pytest.raises(BadInput, match=r"no rule 'cut_loop'; did you mean cut_loops\? Known: "):
        without(["cut_loop"])
