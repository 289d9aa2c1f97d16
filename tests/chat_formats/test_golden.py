"""Golden ids and labels: two rounds under a system message, written out for each family."""

from __future__ import annotations

import pytest

from mi_arena.chat_formats import FORMATS, IGNORE, ChatFormat, load_format
from mi_arena.dialogue import Message
from tests.chat_formats.toy_tokenizers import toy

DIALOGUE = [
    Message(role="system", content="sys"),
    Message(role="client", content="我想戒烟"),
    Message(role="counselor", content="你好"),
    Message(role="client", content="吗"),
    Message(role="counselor", content="好。"),
]

# ``T(text)`` stands for the ids of a text, ``M(marker)`` for the one id of a marker. A pair holds
# (input, label); a label of None is "no loss here", a label of True is "the input itself".
T, M = "text", "marker"
Layout = list[tuple[tuple[str, str], "tuple[str, str] | bool | None"]]

LAYOUTS: dict[str, Layout] = {
    "demo": [
        ((M, "<|begin|>"), None),
        ((M, "<|system|>"), None), ((T, "sys"), None), ((M, "<|end|>"), None),
        ((M, "<|client|>"), None), ((T, "我想戒烟"), None), ((M, "<|end|>"), None),
        ((M, "<|counselor|>"), None), ((T, "你好"), True), ((M, "<|end|>"), True),
        ((M, "<|client|>"), None), ((T, "吗"), None), ((M, "<|end|>"), None),
        ((M, "<|counselor|>"), None), ((T, "好。"), True), ((M, "<|end|>"), True),
    ],
    # End-of-text is learnt at the next user role id, and stands in the input only at the very end.
    "baichuan2": [
        ((T, "sys"), None),
        ((M, "<reserved_106>"), None), ((T, "我想戒烟"), None),
        ((M, "<reserved_107>"), None), ((T, "你好"), True),
        ((M, "<reserved_106>"), (M, "</s>")), ((T, "吗"), None),
        ((M, "<reserved_107>"), None), ((T, "好。"), True),
        ((M, "</s>"), True),
    ],
    # The newline is the first thing a reply says, and <|user|> ends it.
    "glm4": [
        ((M, "[gMASK]"), None), ((M, "<sop>"), None),
        ((M, "<|system|>"), None), ((T, "\nsys"), None),
        ((M, "<|user|>"), None), ((T, "\n我想戒烟"), None),
        ((M, "<|assistant|>"), None), ((T, "\n你好"), True),
        ((M, "<|user|>"), True), ((T, "\n吗"), None),
        ((M, "<|assistant|>"), None), ((T, "\n好。"), True),
        ((M, "<|user|>"), True),
    ],
    "llama3": [
        ((M, "<|begin_of_text|>"), None),
        *(
            piece
            for role, text, target in (
                ("system", "sys", None), ("user", "我想戒烟", None), ("assistant", "你好", True),
                ("user", "吗", None), ("assistant", "好。", True),
            )
            for piece in (
                ((M, "<|start_header_id|>"), None), ((T, role), None),
                ((M, "<|end_header_id|>"), None), ((T, "\n\n"), None),
                ((T, text), target), ((M, "<|eot_id|>"), target),
            )
        ),
    ],
    "chatml": [
        piece
        for role, text, target in (
            ("system", "sys", None), ("user", "我想戒烟", None), ("assistant", "你好", True),
            ("user", "吗", None), ("assistant", "好。", True),
        )
        for piece in (
            ((M, "<|im_start|>"), None), ((T, role + "\n"), None),
            ((T, text), target), ((M, "<|im_end|>"), target), ((T, "\n"), None),
        )
    ],
}  # fmt: skip

OPENINGS: dict[str, list[tuple[str, str]]] = {
    "demo": [(M, "<|counselor|>")],
    "baichuan2": [(M, "<reserved_107>")],
    "glm4": [(M, "<|assistant|>")],
    "llama3": [
        (M, "<|start_header_id|>"), (T, "assistant"), (M, "<|end_header_id|>"), (T, "\n\n"),
    ],
    "chatml": [(M, "<|im_start|>"), (T, "assistant\n")],
}  # fmt: skip

STOPS = {
    "demo": {"<|end|>"},
    "baichuan2": {"</s>", "<reserved_106>"},
    "glm4": {"<|endoftext|>", "<|user|>", "<|observation|>"},
    "llama3": {"<|eot_id|>", "<|end_of_text|>"},
    "chatml": {"<|im_end|>", "<|endoftext|>"},
}


@pytest.fixture(params=sorted(FORMATS))
def chat_format(request: pytest.FixtureRequest) -> ChatFormat:
    return load_format(request.param, toy(request.param))


def ids_of(chat_format: ChatFormat, part: tuple[str, str]) -> list[int]:
    """The ids of one part, asked of the tokenizer alone."""
    kind, value = part
    tokenizer = chat_format.tokenizer
    if kind == M:
        return [tokenizer.convert_tokens_to_ids(value)]
    return list(tokenizer(value, add_special_tokens=False)["input_ids"])


def test_example_has_the_ids_and_the_labels_of_the_layout(chat_format: ChatFormat) -> None:
    input_ids: list[int] = []
    labels: list[int] = []
    for part, label in LAYOUTS[chat_format.name]:
        ids = ids_of(chat_format, part)
        input_ids += ids
        if label is None:
            labels += [IGNORE] * len(ids)
        elif label is True:
            labels += ids
        else:
            assert isinstance(label, tuple)
            labels += ids_of(chat_format, label)
    example = chat_format.example(DIALOGUE)
    assert example.input_ids == input_ids
    assert example.labels == labels


def test_prompt_stops_where_the_reply_begins(chat_format: ChatFormat) -> None:
    layout = LAYOUTS[chat_format.name]
    # Everything before the second counsellor header, then the opening of a reply.
    last_client = max(i for i, (part, _) in enumerate(layout) if part[1].strip() == "吗")
    expected: list[int] = []
    for part, _ in layout[: last_client + 1]:
        expected += ids_of(chat_format, part)
    closing = {
        "demo": [(M, "<|end|>")],
        "llama3": [(M, "<|eot_id|>")],
        "chatml": [(M, "<|im_end|>"), (T, "\n")],
    }
    for part in [*closing.get(chat_format.name, []), *OPENINGS[chat_format.name]]:
        expected += ids_of(chat_format, part)
    assert chat_format.prompt_ids(DIALOGUE[:-1]) == expected


def test_what_is_trained_on_starts_with_the_prompt(chat_format: ChatFormat) -> None:
    """A reply is learnt exactly where it will be asked for."""
    prompt = chat_format.prompt_ids(DIALOGUE[:-1])
    example = chat_format.example(DIALOGUE)
    assert example.input_ids[: len(prompt)] == prompt
    assert IGNORE not in example.labels[len(prompt) : len(prompt) + 1]


def test_stops_and_pad(chat_format: ChatFormat) -> None:
    convert = chat_format.tokenizer.convert_tokens_to_ids
    assert chat_format.stop_ids == {convert(token) for token in STOPS[chat_format.name]}
    assert chat_format.pad_id not in chat_format.stop_ids
    assert chat_format.pad_id in chat_format.control_ids


def test_every_reply_learns_to_end(chat_format: ChatFormat) -> None:
    labels = chat_format.example(DIALOGUE).labels
    assert sum(label in chat_format.stop_ids for label in labels) == 2


def test_content_mask_covers_the_texts_and_nothing_else(chat_format: ChatFormat) -> None:
    example, mask = chat_format.example(DIALOGUE), chat_format.content_mask(DIALOGUE)
    assert len(mask) == len(example.input_ids) == len(example.labels)
    content = [token for token, is_text in zip(example.input_ids, mask, strict=True) if is_text]
    text = chat_format.tokenizer.decode(content).replace("\n", "")
    assert text == "sys我想戒烟你好吗好。"


@pytest.mark.parametrize("family", sorted(FORMATS))
def test_without_a_system_message(family: str) -> None:
    """No family slips in a system prompt of its own."""
    chat_format = load_format(family, toy(family))
    ids = chat_format.prompt_ids([Message(role="client", content="吗")])
    text = chat_format.tokenizer.decode(ids)
    assert "system" not in text and "Qwen" not in text


def test_baichuan2_ids_are_the_published_ones() -> None:
    chat_format = load_format("baichuan2", toy("baichuan2"))
    ids = chat_format.prompt_ids(DIALOGUE[:-1])
    assert [token for token in ids if token in (195, 196)] == [195, 196, 195, 196]
    labels = chat_format.example(DIALOGUE).labels
    assert labels.count(2) == 2 and labels[-1] == 2
    assert chat_format.example(DIALOGUE).input_ids.count(2) == 1
