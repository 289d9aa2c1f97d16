"""What a chat format is, and the one rule that all of them share: text never becomes a role.

Role markers are added as ids. A client who types ``<|assistant|>`` or ``<reserved_107>`` gets
ordinary text tokens for it, because ``ChatFormat.text_ids`` never returns a control id.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from transformers import PreTrainedTokenizerBase

from mi_arena.dialogue import Message

IGNORE = -100
"""Label of a position that takes no part in the loss (the convention of torch and transformers)."""


class FormatError(ValueError):
    """The tokenizer lacks what the format needs, or the messages cannot be laid out."""


@dataclass(frozen=True)
class Example:
    """Token ids and labels of one dialogue, both of the same length; labels are *not* shifted."""

    input_ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Segment:
    """A stretch of ids; ``target`` says whether the model is to learn to say it.

    ``label`` replaces the ids as labels where what is learnt is not what stands there
    (Baichuan2 learns end-of-text at the place of the next role id).
    """

    ids: list[int]
    target: bool
    label: list[int] | None = None
    content: bool = False


class ChatFormat(ABC):
    """One model family's layout of a dialogue.

    Subclasses lay a dialogue out as segments (``_layout``) and open the counsellor's turn
    (``_reply_opening``); everything else follows from these two.
    """

    name: ClassVar[str]

    def __init__(self, tokenizer: PreTrainedTokenizerBase):
        self.tokenizer = tokenizer
        self.control_ids = self._find_control_ids()

    # ---- what the engine and the trainer ask

    @property
    @abstractmethod
    def stop_ids(self) -> frozenset[int]:
        """Ids that end a counsellor turn."""

    @property
    @abstractmethod
    def pad_id(self) -> int:
        """An id for padding; never one of ``stop_ids``, so that masking pads hides no end."""

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Ids of a dialogue up to where the counsellor's next reply begins.

        The last message must be the client's. Raises ``FormatError`` otherwise.
        """
        if not messages or messages[-1].role != "client":
            raise FormatError("a prompt must end with a client turn")
        ids = [token for segment in self._layout(messages) for token in segment.ids]
        return ids + self._reply_opening()

    def fitted_prompt(
        self, messages: Sequence[Message], budget: int, leave_out: int = 0
    ) -> tuple[list[int], int]:
        """``prompt_ids`` of at most ``budget`` ids, and how many early messages were left out.

        At least ``leave_out`` are, which must end before a client turn.

        Whole rounds are left out from the start; the system message and the last client turn
        always stay. Raises ``FormatError`` when even these do not fit.
        """
        head = [m for m in messages if m.role == "system"]
        rest = [m for m in messages if m.role != "system"]
        cut = leave_out
        while True:
            ids = self.prompt_ids([*head, *rest[cut:]])
            if len(ids) <= budget:
                return ids, cut
            later = [i for i in range(cut + 1, len(rest)) if rest[i].role == "client"]
            if not later:
                raise FormatError(f"the last turn takes {len(ids)} tokens and {budget} are allowed")
            cut = later[0]

    def example(self, messages: Sequence[Message]) -> Example:
        """Ids and labels of a whole dialogue; the loss lies on counsellor turns and their ends."""
        input_ids: list[int] = []
        labels: list[int] = []
        for segment in [*self._layout(messages), *self._closing(messages)]:
            input_ids += segment.ids
            if segment.label is not None:
                labels += segment.label
            else:
                labels += segment.ids if segment.target else [IGNORE] * len(segment.ids)
        return Example(input_ids, labels)

    def content_mask(self, messages: Sequence[Message]) -> list[bool]:
        """Beside ``example(messages).input_ids``: which ids are text, not roles or ends."""
        return [
            segment.content
            for segment in [*self._layout(messages), *self._closing(messages)]
            for _ in segment.ids
        ]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a reply; control ids are left out, surrounding space is stripped."""
        kept = [token for token in ids if token not in self.control_ids]
        return str(self.tokenizer.decode(kept, clean_up_tokenization_spaces=False)).strip()

    def text_ids(self, text: str) -> list[int]:
        """Ids of plain text; never a control id, whatever the text says."""
        ids = self._encode(text)
        if self.control_ids.isdisjoint(ids):
            return ids
        # Some tokenizers (Baichuan2's sentencepiece) keep role markers as ordinary pieces, which
        # ``split_special_tokens`` does not reach. A word joiner inside the marker breaks it up.
        for marker in sorted(self._markers(ids), key=len, reverse=True):
            text = text.replace(marker, marker[0] + "\u2060" + marker[1:])
        return [token for token in self._encode(text) if token not in self.control_ids]

    # ---- for the families

    @abstractmethod
    def _layout(self, messages: Sequence[Message]) -> list[Segment]: ...

    @abstractmethod
    def _reply_opening(self) -> list[int]: ...

    def _closing(self, messages: Sequence[Message]) -> list[Segment]:
        """What follows the last turn in training only."""
        return []

    def _encode(self, text: str) -> list[int]:
        encoded = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        return list(encoded["input_ids"])

    def _find_control_ids(self) -> frozenset[int]:
        return frozenset(self.tokenizer.all_special_ids) | frozenset(
            token for token, added in self.tokenizer.added_tokens_decoder.items() if added.special
        )

    def _markers(self, ids: Sequence[int]) -> set[str]:
        found = self.control_ids.intersection(ids)
        return {str(self.tokenizer.convert_ids_to_tokens(token)) for token in found}

    def _id(self, token: str) -> int:
        """The id of a marker this format cannot do without."""
        found: Any = self.tokenizer.convert_tokens_to_ids(token)
        if found is None or found == self.tokenizer.unk_token_id:
            raise FormatError(
                f"chat format {self.name}: the tokenizer has no token {token}; "
                "is this the right format for this model?"
            )
        return int(found)
