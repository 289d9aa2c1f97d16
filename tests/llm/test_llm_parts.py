"""The parts of asking that need no server: headers, prices, keys, JSON in answers, estimates."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.jobs.script import BadInput
from mi_arena.llm.endpoint import OPENAI, Parameters, endpoint_from
from mi_arena.llm.json_reply import NoJson, json_in
from mi_arena.llm.pace import retry_after, used_up
from mi_arena.llm.prices import price_of
from mi_arena.llm.question import Question, Said, key_of
from mi_arena.llm.tokens import tokens_of

NOW = datetime(2026, 11, 26, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Thu, 26 Nov 2026 10:00:30 GMT"}, 30.0),
        ({"retry-after": "Thu, 26 Nov 2026 09:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "5s"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"X-RateLimit-Remaining-Tokens": "0", "x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.5"}, 7.5),
        ({"x-ratelimit-remaining-tokens": "0"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "later 5s"}, None),
        (
            {
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "2s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "9s",
            },
            9.0,
        ),
        (
            {
                "x-ratelimit-remaining": "0",
                "x-ratelimit-reset": str(int((NOW.timestamp() + 12) * 1000)),
            },
            12.0,
        ),
    ],
)
def test_used_up_allowance(headers: dict[str, str], seconds: float | None) -> None:
    assert used_up(headers, NOW) == seconds


@given(st.text(max_size=40))
def test_headers_of_any_kind_are_survived(text: str) -> None:
    for found in (
        retry_after({"retry-after": text}, NOW),
        used_up({"x-ratelimit-remaining-a": "0", "x-ratelimit-reset-a": text}, NOW),
    ):
        assert found is None or 0 <= found < float("inf")


@pytest.mark.parametrize(
    ("model", "url", "environment", "named"),
    [
        ("m", None, {}, "OPENAI_API_KEY is not set"),
        ("m", None, {"OPENAI_API_KEY": "sk a"}, "holds characters"),
        ("m", None, {"OPENAI_API_KEY": "密钥"}, "holds characters"),
        ("", None, {"OPENAI_API_KEY": "sk"}, "--model"),
        ("模型", None, {"OPENAI_API_KEY": "sk"}, "--model"),
        ("m", "localhost:8000", {}, "--base-url"),
        ("m", "https://用户.cn/v1", {}, "--base-url"),
        ("m", "http://[bad/v1", {}, "--base-url"),
        ("m", "https://me:geheim@host/v1", {}, "without user"),
        ("m", "https://host/v1?key=geheim", {}, "without user"),
    ],
)
def test_wrong_endpoints_are_named_in_one_ascii_line(
    model: str, url: str | None, environment: dict[str, str], named: str
) -> None:
    with pytest.raises(BadInput, match=named) as raised:
        endpoint_from(model, url, environment=environment)
    line = str(raised.value)
    assert line.isascii() and "\n" not in line and "geheim" not in line


def test_an_endpoint_hides_its_key() -> None:
    endpoint = endpoint_from("m", environment={"OPENAI_API_KEY": "sk-geheim"})
    assert endpoint.base_url == OPENAI
    assert "geheim" not in repr(endpoint)
    own = endpoint_from("m", "http://127.0.0.1:8000/v1/", environment={})
    assert (own.base_url, own.key.get_secret_value()) == ("http://127.0.0.1:8000/v1", "none")


def test_prices() -> None:
    key = {"OPENAI_API_KEY": "sk"}
    known = price_of(endpoint_from("gpt-4.1", environment=key))
    assert known.known and known.cost(1_000_000, 500_000) == 6.0 and "checked" in known.note
    assert price_of(endpoint_from("gpt-4.1-2025-04-14", environment=key)).input == known.input
    for endpoint in (
        endpoint_from("gpt-9", environment=key),
        endpoint_from("gpt-4.1", "http://127.0.0.1:1/v1", environment=key),
    ):
        unknown = price_of(endpoint)
        assert unknown.cost(1, 1) is None and "--price-in" in unknown.note
        assert price_of(endpoint, 0.0, 2.0).cost(7, 1_000_000) == 2.0
        with pytest.raises(BadInput, match="name both"):
            price_of(endpoint, 1.0)
        with pytest.raises(BadInput, match="0 or more"):
            price_of(endpoint, -1.0, 1.0)


def test_a_key_changes_with_what_decides_the_answer_and_with_nothing_else() -> None:
    said = (Said("user", "你好"),)
    keys = [
        key_of(Question(said), "m", Parameters()),
        key_of(Question(said), "n", Parameters()),
        key_of(Question(said), "m", Parameters(temperature=0)),
        key_of(Question(said, {"type": "object"}), "m", Parameters()),
        key_of(Question(said, sample=1), "m", Parameters()),
        key_of(Question(said, seed=1), "m", Parameters()),
        key_of(Question((*said, *said)), "m", Parameters()),
        key_of(Question((Said("system", "你好"),)), "m", Parameters()),
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == key_of(Question(said, expected_tokens=9), "m", Parameters())


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("<think>{}</think>", "empty"),
        ("抱歉，我无法完成。", "no_json"),
        ('{"messages": [{"role": "client", "con', "cut"),
        ('{"messages": [{"role": "client"}', "cut"),
        ('{"messages": [', "cut"),
        ('```json\n{"messages": [\n```', "cut"),
        ('{"messages": [}]', "broken"),
        ("{messages: []}", "broken"),
        ('{"turns": []}', "broken"),
        ("[1, 2]", "broken"),
        ("[" * 100_000, "broken"),
    ],
)
def test_no_json_says_why(text: str, kind: str) -> None:
    with pytest.raises(NoJson) as raised:
        json_in(text, having="messages")
    assert raised.value.kind == kind


@given(
    st.dictionaries(st.text(), st.text(), max_size=4),
    st.sampled_from(
        ["", "好的，改写如下：\n", "<think>想 {a} 一想</think>", "```json\n", "见 {下文}："]
    ),
    st.sampled_from(["", "\n```", "\n希望有帮助！{}"]),
)
def test_json_is_found_whatever_stands_around_it(
    found: dict[str, str], before: str, after: str
) -> None:
    wanted = {"messages": found}
    text = before + json.dumps(wanted, ensure_ascii=False) + after
    assert json_in(text, having="messages") == wanted


@given(st.integers(1, 60))
def test_a_json_that_just_ends_is_never_taken_for_whole(length: int) -> None:
    whole = '{"messages": [{"role": "client", "content": "我想戒烟，\\n可是"}, {"role": "x"}]}'
    with pytest.raises(NoJson, match="cut"):
        json_in(whole[:length], having="messages")


def test_line_ends_inside_strings_are_forgiven() -> None:
    assert json_in('{"a": "一\n二"}') == {"a": "一\n二"}


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("你好。", 3), ("word", 1), ("我 ok!", 2)])
def test_estimated_tokens(text: str, tokens: int) -> None:
    assert tokens_of(text) == tokens
