"""The embedded pair's tokenizer: byte-fallback BPE for Chinese, trained on SmileChat.

Punctuation, digits and space stand alone; no Unicode normalisation (NFKC would turn ，into ,).
Knows text only; the layout of a dialogue is ``chat_formats``' business.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from mi_arena.chat_formats.families import DemoFormat

BYTES = [f"<0x{value:02X}>" for value in range(256)]


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A tokenizer of exactly ``vocabulary`` entries; any text survives encode and decode."""
    trainer_side = Tokenizer(models.BPE())
    trainer_side.pre_tokenizer = pre_tokenizers.Split(Regex(r"\p{P}|\p{S}|\p{N}|\s"), "isolated")
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[*DemoFormat.SPECIALS, *BYTES],
        limit_alphabet=vocabulary // 2,
        show_progress=False,
    )
    trainer_side.train_from_iterator(texts, trainer)

    # The byte pieces had to be "special" for the trainer to keep them; they are ordinary pieces
    # of the vocabulary from here on, else a client typing <0x41> would get the byte.
    state = json.loads(trainer_side.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if t["content"] not in BYTES]
    state["model"] |= {"byte_fallback": True, "fuse_unk": True}
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])

    pad, begin, end, *roles = DemoFormat.SPECIALS
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=pad,
        bos_token=begin,
        eos_token=end,
        additional_special_tokens=roles,
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(str(Path(folder).resolve()))
