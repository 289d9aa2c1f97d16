"""What a sentencepiece ``tokenizer.model`` says of itself, read from its bytes.

sentencepiece's own classes don't tell the normaliser's settings, and protobuf is no requirement of
ours. Field numbers: ``sentencepiece_model.proto`` of google/sentencepiece.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

BPE = 2


class Kind(IntEnum):
    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class Piece:
    text: str
    score: float
    kind: Kind


@dataclass(frozen=True)
class SentencepieceModel:
    pieces: tuple[Piece, ...]
    model_type: int
    byte_fallback: bool
    charsmap: bytes
    """Compiled Unicode rules; empty where text stays as it is."""
    dummy_prefix: bool
    """Whether a space is put before the text."""
    squeezes_spaces: bool
    """Whether spaces at both ends go, and runs of them become one."""


def parse(content: bytes) -> SentencepieceModel:
    """Raises ``ValueError`` where the bytes are not such a model."""
    pieces: list[Piece] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    for field, value in fields(content):
        if field == 1:
            pieces.append(_piece(_bytes(value)))
        elif field == 2:
            trainer |= dict(fields(_bytes(value)))
        elif field == 3:
            normalizer |= dict(fields(_bytes(value)))
    if not pieces:
        raise ValueError("no pieces in it")
    return SentencepieceModel(
        pieces=tuple(pieces),
        model_type=_int(trainer.get(3, 1)),
        byte_fallback=bool(trainer.get(35, 0)),
        charsmap=_bytes(normalizer.get(2, b"")),
        dummy_prefix=bool(normalizer.get(3, 1)),
        squeezes_spaces=bool(normalizer.get(4, 1)),
    )


def _piece(content: bytes) -> Piece:
    said = dict(fields(content))
    score = said.get(2, b"\0\0\0\0")
    return Piece(
        _bytes(said.get(1, b"")).decode("utf-8"),
        struct.unpack("<f", _bytes(score))[0],
        Kind(_int(said.get(3, 1))),
    )


def fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protobuf message, with their undecoded values."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(content, at)
            yield key >> 3, value
            continue
        if wire == 2:
            size, at = _varint(content, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("not a protobuf message")
        if at + size > len(content):
            raise ValueError("it ends in the middle")
        yield key >> 3, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            raise ValueError("it ends in the middle")
        byte = content[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("not a protobuf message")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("not a sentencepiece model")
    return value


def _int(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("not a sentencepiece model")
    return value
