"""A sentencepiece BPE model as a fast tokenizer, accepted only where both give the same ids.

transformers' own ``LlamaTokenizer`` puts a space before the text, which Baichuan2 does not; here
every setting comes from the model file. Control pieces (``<s>``) are never found in text, as in
sentencepiece, as long as the caller passes ``split_special_tokens=True`` (chat formats do).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers
from transformers import AutoTokenizer

from mi_arena.jobs.script import BadInput, first_line
from training.convert_baichuan2.check_texts import Text
from training.convert_baichuan2.config import POSITIONS, VOCABULARY
from training.convert_baichuan2.sentencepiece_model import (
    BPE,
    Kind,
    Piece,
    SentencepieceModel,
    parse,
)

FIXED = {
    0: ("<unk>", {Kind.UNKNOWN}),
    1: ("<s>", {Kind.CONTROL}),
    2: ("</s>", {Kind.CONTROL}),
    195: ("<reserved_106>", {Kind.NORMAL, Kind.CONTROL, Kind.USER_DEFINED}),
    196: ("<reserved_107>", {Kind.NORMAL, Kind.CONTROL, Kind.USER_DEFINED}),
}
"""Ids that the chat format stands on; 0 is the pad as well."""
AT_ONCE = 2000
JOINED = 64


class Original:
    """``tokenizer.model`` of the checkpoint: its settings, and sentencepiece itself."""

    def __init__(self, path: Path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise BadInput(f"{path}: no such file; it belongs to the checkpoint") from None
        try:
            self.model = parse(content)
            self.processor = sentencepiece.SentencePieceProcessor(model_proto=content)
        except (ValueError, RuntimeError, OSError) as error:
            raise BadInput(
                f"{path}: not a sentencepiece model, or torn: {first_line(error)}"
            ) from None
        self.path = path
        _refuse(path, self.model)

    def ids(self, text: str) -> list[int]:
        return list(self.processor.encode(text))

    def text(self, ids: list[int]) -> str:
        return str(self.processor.decode(ids))


def _refuse(path: Path, model: SentencepieceModel) -> None:
    if model.model_type != BPE:
        raise BadInput(f"{path}: not a BPE model, as Baichuan2's is")
    if len(model.pieces) > VOCABULARY:
        raise BadInput(f"{path}: {len(model.pieces)} pieces, but the model has {VOCABULARY} ids")
    for number, (text, kinds) in FIXED.items():
        piece = model.pieces[number] if number < len(model.pieces) else None
        if piece is None or piece.text != text or piece.kind not in kinds:
            said = "missing" if piece is None else f"{piece.text} ({piece.kind.name.lower()})"
            raise BadInput(f"{path}: id {number} is {said}, not {text}; this is not Baichuan2's")
    if any(piece.kind is Kind.UNUSED for piece in model.pieces):
        raise BadInput(f"{path}: has unused pieces, which a fast tokenizer cannot express")


def merges(pieces: Iterable[Piece]) -> list[tuple[str, str]]:
    """Every way to join two pieces into a third, the best-scored third first.

    sentencepiece joins whichever neighbours make the best-scored piece; BPE of ``tokenizers`` asks
    for the joins in that order. Only ordinary pieces are ever joined or made.
    """
    ordinary = {
        piece.text: (-piece.score, number)
        for number, piece in enumerate(pieces)
        if piece.kind is Kind.NORMAL
    }
    found = [
        (*ordinary[text], ordinary[text[:cut]][1], ordinary[text[cut:]][1], text[:cut], text[cut:])
        for text in ordinary
        for cut in range(1, len(text))
        if text[:cut] in ordinary and text[cut:] in ordinary
    ]
    return [(left, right) for *_, left, right in sorted(found)]


def build(model: SentencepieceModel) -> Tokenizer:
    fast = Tokenizer(
        models.BPE(
            vocab={piece.text: number for number, piece in enumerate(model.pieces)},
            merges=merges(model.pieces),
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=model.byte_fallback,
        )
    )
    steps: list[Any] = []
    if model.charsmap:
        steps.append(normalizers.Precompiled(model.charsmap))
    if model.squeezes_spaces:
        steps += [
            normalizers.Replace(Regex("^ +| +$"), ""),
            normalizers.Replace(Regex(" {2,}"), " "),
        ]
    if model.dummy_prefix:
        steps.append(normalizers.Prepend("▁"))
    steps.append(normalizers.Replace(" ", "▁"))
    fast.normalizer = normalizers.Sequence(steps)
    back: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if model.dummy_prefix:
        back.append(decoders.Strip(content=" ", left=1))
    fast.decoder = decoders.Sequence(back)
    # User-defined pieces are cut out of the text before anything is joined, special or not.
    fast.add_tokens(
        [AddedToken(p.text, normalized=True) for p in model.pieces if p.kind is Kind.USER_DEFINED]
    )
    fast.add_special_tokens(
        [AddedToken(FIXED[number][0], special=True, normalized=False) for number in range(3)]
    )
    return fast


def write(folder: Path, original: Original) -> None:
    """``tokenizer.json`` and its config, for stock classes of transformers 4 and 5."""
    build(original.model).save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<unk>",
        "padding_side": "left",
        "model_max_length": POSITIONS,
        "clean_up_tokenization_spaces": False,
    }
    text = json.dumps(config, indent=1) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")


def from_pieces(original: Original) -> Iterator[Text]:
    """Every piece as a text, alone and in rows: no join of the vocabulary is left out."""
    texts = [piece.text.replace("▁", " ") for piece in original.model.pieces]
    for number, text in enumerate(texts):
        yield Text(f"piece {number}", text)
    for start in range(0, len(texts), JOINED):
        yield Text(f"pieces from {start} on", "".join(texts[start : start + JOINED]))


def compare(folder: Path, original: Original, *sources: Iterable[Text]) -> dict[str, int]:
    """The tokenizer of ``folder``, loaded as the arena loads it, against sentencepiece.

    Returns how many texts and ids were compared. Raises ``BadInput`` naming the first text, and
    the character in it, where the ids differ or do not lead back to the same text.
    """
    fast = AutoTokenizer.from_pretrained(str(folder.absolute()), local_files_only=True)
    texts = ids = 0
    every = chain(*sources)
    while several := list(islice(every, AT_ONCE)):
        made = fast(
            [each.text for each in several],
            add_special_tokens=False,
            split_special_tokens=True,
            return_offsets_mapping=True,
            return_attention_mask=False,
        )
        for each, found, offsets in zip(
            several, made["input_ids"], made["offset_mapping"], strict=True
        ):
            wanted = original.ids(each.text)
            if found != wanted:
                raise BadInput(_difference(each, found, wanted, offsets))
            back = fast.decode(found, clean_up_tokenization_spaces=False)
            if back != original.text(wanted):
                raise BadInput(
                    f"{each.where}: the ids are those of sentencepiece but read back as "
                    f"{back[:40]!r}; nothing was written"
                )
            texts += 1
            ids += len(wanted)
    return {"texts": texts, "ids": ids}


def _difference(
    text: Text, found: list[int], wanted: list[int], offsets: list[tuple[int, int]]
) -> str:
    pairs = enumerate(zip(found, wanted, strict=False))
    at = next((i for i, (a, b) in pairs if a != b), min(len(found), len(wanted)))
    character = offsets[at][0] if at < len(offsets) else len(text.text)
    return (
        f"{text.where}: the converted tokenizer differs from sentencepiece from character "
        f"{character + 1} on, at {text.text[character : character + 12]!r}: "
        f"ids {found[at : at + 4]} instead of {wanted[at : at + 4]}; nothing was written"
    )
