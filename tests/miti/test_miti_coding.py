from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.miti.check import violations
from mi_arena.miti.coding import BadCoding, Coding, Utterance, Volley, parse_coding
from mi_arena.miti.items import CODES

SHIPPED = Path(__file__).resolve().parents[2] / "mi_arena" / "assets" / "mi_zh"


KEYS = (
    "change_goal", "globals", "volleys", "counts", "messages", "utterances", "role", "text",
    "code", "CCT", "Q", "x",
)  # fmt: skip


def volleys(*codes: list[str | None]) -> list[dict[str, Any]]:
    return [{"utterances": [{"text": "话", "code": code} for code in one]} for one in codes]


def test_a_coding_by_volleys() -> None:
    coding = parse_coding(
        {
            "id": "d1",
            "change_goal": "戒烟",
            "globals": {"CCT": 4, "EMPATHY": 5},
            "volleys": [
                {
                    "utterances": [{"text": "嗯。"}, {"text": "难。", "code": "SR", "note": 1}],
                    "n": 0,
                }
            ],
        }
    )
    assert coding == Coding(
        change_goal="戒烟",
        globals={"CCT": 4, "EMPATHY": 5},
        volleys=(Volley(utterances=(Utterance(text="嗯。"), Utterance(text="难。", code="SR"))),),
    )


@pytest.mark.parametrize(
    ("given_", "read"),
    [
        ({"change_goal": "x"}, Coding(change_goal="x")),
        ({"globals": {"CCT": None, "SST": 2}}, Coding(globals={"SST": 2})),
        (
            {"globals": None, "volleys": None, "counts": {"Q": 1, "GI": None}},
            Coding(counts={"Q": 1}),
        ),
        ({"volleys": []}, Coding(volleys=())),
        ({"volleys": None}, Coding()),
        # Out of range is readable; to say that it is wrong is for the check.
        ({"globals": {"CCT": 0, "SST": 3.5}}, Coding(globals={"CCT": 0, "SST": 3.5})),
        ({"counts": {"Q": -1, "AF": 2.5}}, Coding(counts={"Q": -1, "AF": 2.5})),
        # A dialogue beside the codes is just the text that was coded.
        (
            {"counts": {"Q": 1}, "messages": [{"role": "counselor", "content": "嗯"}]},
            Coding(counts={"Q": 1}),
        ),
    ],
)
def test_what_may_be_missing_or_out_of_range(given_: dict[str, Any], read: Coding) -> None:
    assert parse_coding(given_) == read


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ([1], "a coding is an object with change_goal, globals, volleys, counts, not a list"),
        ("text", "not 'text'"),
        ({}, "is this a coding?"),
        ({"global": {"CCT": 3}}, "is this a coding?"),
        ({"volleys": [], "counts": {}}, "volleys and counts are both given; keep one"),
        ({"change_goal": 7}, "change_goal is 7; give a text or null"),
        ({"globals": {"CCT": 3, "EMPATY": 4}}, "unknown key 'EMPATY'; known are CCT, SST, PARTN"),
        ({"globals": {"X": None}}, "globals: unknown key 'X'"),
        ({"globals": {"CCT": "4"}}, "globals: CCT is '4'; give a number from 1 to 5"),
        ({"globals": {"CCT": True}}, "globals: CCT is True; give a number from 1 to 5"),
        ({"globals": [3, 3]}, "globals are a list"),
        ({"counts": {"GI": 1, "gi": 1}}, "counts: unknown code 'gi'; known are GI, PERSUADE,"),
        ({"counts": {"GI": "many"}}, "counts: GI is 'many'; give a whole number"),
        ({"counts": 5}, "counts are 5"),
        ({"volleys": "no"}, "volleys are 'no'; give a list of volleys"),
        ({"volleys": [{"utterances": []}, {}]}, "volley 2: give"),
        ({"volleys": [["Q"]]}, "volley 1: give"),
        ({"volleys": [{"utterances": "x"}]}, "volley 1: give"),
        ({"volleys": [{"utterances": ["Q"]}]}, "volley 1, utterance 1: 'Q' is no object; give"),
        ({"volleys": [{"utterances": [{"text": 1}]}]}, "volley 1, utterance 1: 1 is no text"),
        (
            {"volleys": volleys(["Q"], ["SR", "REFLECT"])},
            "volley 2, utterance 2: unknown code 'REFLECT'; known are GI, PERSUADE, PERSUADE_WITH, "
            "Q, SR, CR, AF, SEEK, EMPHASIZE, CONFRONT, or null",
        ),
        ({"volleys": volleys([""])}, "volley 1, utterance 1: unknown code ''"),
        ({"volleys": [{"utterances": [{"code": ["Q"]}]}]}, "unknown code a list"),
        ({"messages": "x"}, "messages are 'x'; give a list"),
        ({"messages": ["x"]}, "message 1 is 'x'; give an object"),
        (
            {"messages": [{"role": "client"}, {"role": "assistant"}]},
            "message 2: unknown role 'assistant'",
        ),
        (
            {"messages": [{"role": "client"}, {"role": "counselor", "content": "嗯"}]},
            "message 2: a counselor message without utterances",
        ),
        (
            {"messages": [{"role": "counselor", "utterances": [{"text": "a", "code": "ZZ"}]}]},
            "volley 1, utterance 1: unknown code 'ZZ'",
        ),
        (
            {
                "counts": {"Q": 1},
                "messages": [{"role": "counselor", "utterances": [{"text": "a"}]}],
            },
            "keep one of the codings",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line(given_: object, told: str) -> None:
    with pytest.raises(BadCoding) as error:
        parse_coding(given_)
    assert told in str(error.value)
    assert "\n" not in str(error.value) and len(str(error.value)) <= 200


@settings(deadline=None)
@given(st.text(), st.integers(1, 1000))
def test_no_message_is_long_or_more_than_a_line(code: str, before: int) -> None:
    if code in CODES:
        return
    with pytest.raises(BadCoding) as error:
        parse_coding({"volleys": volleys(*[["Q"]] * before, [code])})
    assert str(error.value).startswith(f"volley {before + 1}, utterance 1: unknown code ")
    assert len(str(error.value)) <= 200 and str(error.value).isprintable()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(json_values)
def test_anything_is_read_or_refused_in_one_line(value: object) -> None:
    try:
        coding = parse_coding(value)
    except BadCoding as error:
        assert str(error).isprintable() and len(str(error)) <= 200
    else:
        assert parse_coding(coding.model_dump()) == coding


def test_a_dialogue_is_a_coding() -> None:
    said = [
        {"role": "system", "content": "…"},
        {"role": "counselor", "utterances": [{"text": "你好。", "code": None}]},
        {"role": "client", "content": "嗯。"},
        {"role": "counselor", "utterances": [{"text": "累了。", "code": "SR"}]},
        {"role": "system", "content": "…"},
        {"role": "counselor", "utterances": [{"text": "怎么办？", "code": "Q"}]},
        {"role": "client", "content": "不知道。"},
        {"role": "client", "content": "真的。"},
        {"role": "counselor", "utterances": []},
    ]
    coding = parse_coding({"id": "d", "globals": {"SST": 4}, "messages": said})
    assert coding.globals == {"SST": 4}
    assert coding.volleys is not None
    assert [[one.code for one in volley.utterances] for volley in coding.volleys] == [
        [None],
        ["SR", "Q"],
        [],
    ]


@pytest.mark.parametrize(
    ("name", "dialogues"), [("train", 372), ("test", 40), ("second_coder", 47)]
)
def test_the_shipped_dialogues_load_and_break_no_rule(name: str, dialogues: int) -> None:
    lines = (SHIPPED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == dialogues
    for line in lines:
        record = json.loads(line)
        coding = parse_coding(record)
        broken = [one for one in violations(coding) if one.severity == "error"]
        assert not broken, (record["id"], broken)
        assert set(coding.globals) == {"CCT", "SST", "PARTNERSHIP", "EMPATHY"}
        turns = [message for message in record["messages"] if message["role"] == "counselor"]
        assert coding.volleys is not None and len(coding.volleys) == len(turns)
