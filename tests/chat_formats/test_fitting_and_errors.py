"""A long dialogue is cut by whole rounds, and a mismatch says what is missing."""

from __future__ import annotations

import pytest

from mi_arena.chat_formats import FORMATS, ChatFormat, FormatError, load_format
from mi_arena.dialogue import Message
from tests.chat_formats.toy_tokenizers import baichuan2, byte_level, toy

LONG = [
    Message(role="system", content="sys"),
    Message(role="client", content="one"),
    Message(role="counselor", content="two"),
    Message(role="client", content="three"),
    Message(role="counselor", content="four"),
    Message(role="client", content="five"),
]


@pytest.fixture(params=sorted(FORMATS))
def chat_format(request: pytest.FixtureRequest) -> ChatFormat:
    return load_format(request.param, toy(request.param))


def test_what_fits_is_left_whole(chat_format: ChatFormat) -> None:
    whole = chat_format.prompt_ids(LONG)
    assert chat_format.fitted_prompt(LONG, len(whole)) == (whole, 0)


@pytest.mark.parametrize("rounds", [1, 2])
def test_early_rounds_go_first_and_whole(chat_format: ChatFormat, rounds: int) -> None:
    kept = [LONG[0], *LONG[1 + 2 * rounds :]]
    expected = chat_format.prompt_ids(kept)
    # One id less than what the longer dialogue takes: the next round has to go.
    longer = chat_format.prompt_ids([LONG[0], *LONG[1 + 2 * (rounds - 1) :]])
    assert chat_format.fitted_prompt(LONG, len(longer) - 1) == (expected, 2 * rounds)
    assert chat_format.fitted_prompt(LONG, len(expected)) == (expected, 2 * rounds)


def test_a_dialogue_opened_by_the_counselor_is_cut_at_a_client_turn(
    chat_format: ChatFormat,
) -> None:
    opened = [Message(role="counselor", content="hello"), *LONG[1:]]
    expected = chat_format.prompt_ids(LONG[1:])
    assert chat_format.fitted_prompt(opened, len(expected)) == (expected, 1)


def test_system_and_last_turn_always_stay(chat_format: ChatFormat) -> None:
    least = chat_format.prompt_ids([LONG[0], LONG[-1]])
    with pytest.raises(FormatError, match=f"takes {len(least)} tokens and {len(least) - 1} are"):
        chat_format.fitted_prompt(LONG, len(least) - 1)


@pytest.mark.parametrize("messages", [[], LONG[:1], LONG[:3]])
def test_a_prompt_ends_with_the_client(chat_format: ChatFormat, messages: list[Message]) -> None:
    with pytest.raises(FormatError, match="must end with a client turn"):
        chat_format.prompt_ids(messages)


@pytest.mark.parametrize(
    ("family", "wrong", "missing"),
    [
        ("demo", "chatml", "<|pad|>"),
        ("glm4", "llama3", "[gMASK]"),
        ("llama3", "chatml", "<|begin_of_text|>"),
        ("chatml", "demo", "<|im_start|>"),
    ],
)
def test_the_wrong_tokenizer_is_named(family: str, wrong: str, missing: str) -> None:
    with pytest.raises(FormatError) as caught:
        load_format(family, byte_level(wrong))
    assert missing in str(caught.value) and family in str(caught.value)


def test_baichuan2_wants_its_reserved_ids() -> None:
    wrong = byte_level("demo")
    wrong.eos_token = "<|end|>"
    with pytest.raises(FormatError, match="id 195 is not <reserved_106>"):
        load_format("baichuan2", wrong)
    wrong = baichuan2()
    wrong.eos_token = None
    with pytest.raises(FormatError, match="no end-of-text token"):
        load_format("baichuan2", wrong)


def test_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(FormatError, match="baichuan2, chatml, demo, glm4, llama3"):
        load_format("vicuna", byte_level("demo"))
