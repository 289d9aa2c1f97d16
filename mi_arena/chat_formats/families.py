"""The layouts: demo, Baichuan2, GLM-4, Llama-3 and ChatML (Qwen).

Sources: the chat templates in the models' ``tokenizer_config.json`` and, for Baichuan2, the
official ``fine-tune.py`` and ``generation_utils.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from transformers import PreTrainedTokenizerBase

from mi_arena.chat_formats.base import ChatFormat, FormatError, Segment
from mi_arena.dialogue import Message, Role

PROVIDER_ROLES: dict[Role, str] = {"system": "system", "client": "user", "counselor": "assistant"}
"""The project's roles as models know them."""


class DemoFormat(ChatFormat):
    """``<|begin|>`` then ``<|role|>text<|end|>`` per message: the embedded pair."""

    name = "demo"
    SPECIALS: ClassVar[list[str]] = [
        "<|pad|>", "<|begin|>", "<|end|>", "<|system|>", "<|client|>", "<|counselor|>",
    ]  # fmt: skip

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        super().__init__(tokenizer)
        self._pad, self._begin, self._end = (self._id(t) for t in self.SPECIALS[:3])
        self._role = {r: self._id(f"<|{r}|>") for r in ("system", "client", "counselor")}

    @property
    def stop_ids(self) -> frozenset[int]:
        return frozenset({self._end})

    @property
    def pad_id(self) -> int:
        return self._pad

    def _layout(self, messages: Sequence[Message]) -> list[Segment]:
        segments = [Segment([self._begin], target=False)]
        for message in messages:
            target = message.role == "counselor"
            segments += [
                Segment([self._role[message.role]], target=False),
                Segment(self.text_ids(message.content), target=target, content=True),
                Segment([self._end], target=target),
            ]
        return segments

    def _reply_opening(self) -> list[int]:
        return [self._role["counselor"]]


class Baichuan2Format(ChatFormat):
    """``{system}<195>{user}<196>{assistant}…`` with no begin token and no end inside the text.

    The official training script puts end-of-text as the *label* at the next user role id and
    once at the very end; nothing stands for it in the input between turns.
    """

    name = "baichuan2"

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self._user, self._assistant = 195, 196
        super().__init__(tokenizer)
        if tokenizer.eos_token_id is None:
            raise FormatError("chat format baichuan2: the tokenizer has no end-of-text token")
        for token, name in ((195, "<reserved_106>"), (196, "<reserved_107>")):
            if tokenizer.convert_ids_to_tokens(token) != name:
                raise FormatError(
                    f"chat format baichuan2: id {token} is not {name}; "
                    "is this the right format for this model?"
                )

    @property
    def stop_ids(self) -> frozenset[int]:
        return frozenset({self.tokenizer.eos_token_id, self._user})

    @property
    def pad_id(self) -> int:
        return 0

    def _find_control_ids(self) -> frozenset[int]:
        # Every <reserved_…> piece is an ordinary piece to sentencepiece; none may come from text.
        reserved = {
            token
            for piece, token in self.tokenizer.get_vocab().items()
            if piece.startswith("<reserved_") and piece.endswith(">")
        }
        return super()._find_control_ids() | reserved | {self._user, self._assistant}

    def _layout(self, messages: Sequence[Message]) -> list[Segment]:
        segments: list[Segment] = []
        after_reply = False
        for message in messages:
            text = self.text_ids(message.content)
            if message.role == "system":
                segments.append(Segment(text, target=False, content=True))
                continue
            if message.role == "counselor":
                segments.append(Segment([self._assistant], target=False))
                segments.append(Segment(text, target=True, content=True))
            else:
                end = [self.tokenizer.eos_token_id] if after_reply else None
                segments.append(Segment([self._user], target=False, label=end))
                segments.append(Segment(text, target=False, content=True))
            after_reply = message.role == "counselor"
        return segments

    def _closing(self, messages: Sequence[Message]) -> list[Segment]:
        if messages and messages[-1].role == "counselor":
            return [Segment([self.tokenizer.eos_token_id], target=True)]
        return []

    def _reply_opening(self) -> list[int]:
        return [self._assistant]


class Glm4Format(ChatFormat):
    """``[gMASK]<sop>`` then ``<|role|>\\n{content}`` per message (zai-org/glm-4-9b-chat-hf).

    The generation prompt ends at ``<|assistant|>`` without the newline, so the newline is the
    first thing a reply says: it is trained on, and ``decode`` strips it. A reply ends by the next
    role id, ``<|user|>``, which is one of the model's end ids.
    """

    name = "glm4"

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        super().__init__(tokenizer)
        self._prefix = [self._id("[gMASK]"), self._id("<sop>")]
        self._role = {r: self._id(f"<|{n}|>") for r, n in PROVIDER_ROLES.items()}
        self._stops = frozenset(
            {self._id("<|endoftext|>"), self._id("<|user|>"), self._id("<|observation|>")}
        )

    @property
    def stop_ids(self) -> frozenset[int]:
        return self._stops

    @property
    def pad_id(self) -> int:
        # The model's own pad is <|endoftext|>, an end id: a begin marker hides no end.
        return self._prefix[1]

    def _layout(self, messages: Sequence[Message]) -> list[Segment]:
        segments = [Segment(list(self._prefix), target=False)]
        after_reply = False
        for message in messages:
            target = message.role == "counselor"
            role = self._role[message.role]
            ends_reply = [role] if after_reply and message.role == "client" else None
            segments += [
                Segment([role], target=False, label=ends_reply),
                Segment(self.text_ids("\n" + message.content), target=target, content=True),
            ]
            after_reply = target
        return segments

    def _closing(self, messages: Sequence[Message]) -> list[Segment]:
        if messages and messages[-1].role == "counselor":
            return [Segment([self._role["client"]], target=True)]
        return []

    def _reply_opening(self) -> list[int]:
        return [self._role["counselor"]]


class Llama3Format(ChatFormat):
    """``<|begin_of_text|>`` then ``<|start_header_id|>role<|end_header_id|>\\n\\ntext<|eot_id|>``.

    Llama3-8B-Chinese-Chat's generation config names only 128001 as end; ``<|eot_id|>`` must be
    passed as well, and the pad must be another token so that masking pads hides no end.
    """

    name = "llama3"

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        super().__init__(tokenizer)
        self._begin = self._id("<|begin_of_text|>")
        self._open = self._id("<|start_header_id|>")
        self._close = self._id("<|end_header_id|>")
        self._end = self._id("<|eot_id|>")
        self._pad = self._id("<|reserved_special_token_0|>")
        self._stops = frozenset({self._end, self._id("<|end_of_text|>")})

    @property
    def stop_ids(self) -> frozenset[int]:
        return self._stops

    @property
    def pad_id(self) -> int:
        return self._pad

    def _header(self, role: Role) -> list[int]:
        return [
            self._open,
            *self.text_ids(PROVIDER_ROLES[role]),
            self._close,
            *self.text_ids("\n\n"),
        ]

    def _layout(self, messages: Sequence[Message]) -> list[Segment]:
        segments = [Segment([self._begin], target=False)]
        for message in messages:
            target = message.role == "counselor"
            segments += [
                Segment(self._header(message.role), target=False),
                Segment(self.text_ids(message.content.strip()), target=target, content=True),
                Segment([self._end], target=target),
            ]
        return segments

    def _reply_opening(self) -> list[int]:
        return self._header("counselor")


class ChatMLFormat(ChatFormat):
    """``<|im_start|>role\\ntext<|im_end|>\\n`` per message (Qwen2.5).

    Qwen's own template puts in a default system prompt when there is none; here both sides get
    the study's system prompt or none at all.
    """

    name = "chatml"

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        super().__init__(tokenizer)
        self._open = self._id("<|im_start|>")
        self._end = self._id("<|im_end|>")
        self._eot = self._id("<|endoftext|>")

    @property
    def stop_ids(self) -> frozenset[int]:
        return frozenset({self._end, self._eot})

    @property
    def pad_id(self) -> int:
        # <|endoftext|> is Qwen's pad but also an end id; the opener hides no end.
        return self._open

    def _header(self, role: Role) -> list[int]:
        return [self._open, *self.text_ids(PROVIDER_ROLES[role] + "\n")]

    def _layout(self, messages: Sequence[Message]) -> list[Segment]:
        segments: list[Segment] = []
        for message in messages:
            target = message.role == "counselor"
            segments += [
                Segment(self._header(message.role), target=False),
                Segment(self.text_ids(message.content), target=target, content=True),
                Segment([self._end], target=target),
                Segment(self.text_ids("\n"), target=False),
            ]
        return segments

    def _reply_opening(self) -> list[int]:
        return self._header("counselor")


FORMATS: dict[str, type[ChatFormat]] = {
    kind.name: kind
    for kind in (DemoFormat, Baichuan2Format, Glm4Format, Llama3Format, ChatMLFormat)
}


def load_format(name: str, tokenizer: PreTrainedTokenizerBase) -> ChatFormat:
    """The format called ``name`` over ``tokenizer``; ``FormatError`` when the two do not match."""
    if name not in FORMATS:
        raise FormatError(f"unknown chat format {name!r}; known: {', '.join(sorted(FORMATS))}")
    return FORMATS[name](tokenizer)
