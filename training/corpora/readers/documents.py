"""Text and JSON out of a file: whole, or line by line where it is JSON lines.

It knows what makes bytes text and text JSON, and says in one phrase what a value looks like; what
a corpus keeps in it is the readers' matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, BinaryIO

from pydantic_core import from_json

from training.corpora.readers.found import Missed
from training.corpora.sources import LARGEST, Entry, Unreadable

BOM = b"\xef\xbb\xbf"
LINE_ENDS = (".jsonl", ".ndjson")
HEAD = 4096
"""Bytes that tell whether a large file is text at all; JSON looks at the rest itself."""


def text(entry: Entry) -> str:
    """The file as text, line ends as ``\\n``. Raises ``Unreadable``."""
    return decoded(entry.content(), entry.where).replace("\r\n", "\n").replace("\r", "\n")


def decoded(data: bytes, where: str) -> str:
    """UTF-8 text, without the mark some editors put in front. Raises ``Unreadable``."""
    if not data.strip():
        raise Unreadable(where, "is empty")
    if b"\0" in data:
        raise Unreadable(where, "is binary, not text")
    try:
        return data.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"{where}:{line}", "is not UTF-8 text; save it as UTF-8") from None


def values(entry: Entry) -> Iterator[tuple[str, Any] | Missed]:
    """Each JSON value of a file with its place: one, or one a line where it is JSON lines.

    A line that is no JSON is ``Missed``; a whole file that is none raises ``Unreadable``.
    """
    with entry.stream() as stream:
        first = stream.readline(LARGEST)
        if _by_line(entry, first, stream):
            yield from _lines(entry, chain([first], iter(lambda: stream.readline(LARGEST), b"")))
            return
        data = first + stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise Unreadable(entry.where, f"is over {LARGEST >> 20} MiB; make it JSON lines")
    decoded(_whole_characters(data[:HEAD]), entry.where)
    yield entry.where, _json(data.removeprefix(BOM), entry.where, None)


def _whole_characters(head: bytes) -> bytes:
    """Without a last UTF-8 character that was cut: after its start byte too few bytes follow."""
    for back in range(1, min(4, len(head)) + 1):
        byte = head[-back]
        if byte >= 0xC0:
            wanted = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return head[:-back] if back < wanted else head
        if byte < 0x80:
            break
    return head


def _by_line(entry: Entry, first: bytes, stream: BinaryIO) -> bool:
    name = entry.name.name.lower().removesuffix(".gz")
    if name.endswith(LINE_ENDS):
        return True
    # {"id": …} and a line end: an object a line, unless the file is that one object only.
    if not first.lstrip(BOM).lstrip().startswith(b"{") or not first.endswith(b"\n"):
        return False
    try:
        from_json(first.removeprefix(BOM))
    except ValueError:
        return False
    return True


def _lines(entry: Entry, lines: Iterator[bytes]) -> Iterator[tuple[str, Any] | Missed]:
    something = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if number == 1 and b"\0" in line:
            raise Unreadable(entry.where, "is binary, not text")
        something = True
        where = f"{entry.where}:{number}"
        try:
            yield where, _json(line.removeprefix(BOM).strip(), where, number)
        except Unreadable as error:
            yield Missed(error.where, error.reason)
    if not something:
        raise Unreadable(entry.where, "is empty")


def _json(data: bytes, where: str, line: int | None) -> Any:
    try:
        return from_json(data)
    except ValueError as error:
        reason = str(error)
        place = re.search(r" at line (\d+) column (\d+)$", reason)
        if place and line is None:
            where = f"{where}:{place[1]}"
        reason = reason[: place.start()] if place else reason
        cut = "EOF" in reason
        raise Unreadable(
            where, "is half a JSON value, cut off" if cut else f"is no JSON ({reason})"
        ) from None


def described(value: object) -> str:
    """What a value looks like, for somebody who expected something else; and whose it may be."""
    guess = _whose(value)
    return _shape(value) + (f"; that looks like {guess}" if guess else "")


def _shape(value: object) -> str:
    match value:
        case dict():
            keys = ", ".join(map(str, islice(value, 6)))
            return f"an object with {f'the keys {keys}' if keys else 'no keys'}"
        case []:
            return "an empty list"
        case list():
            inner = value[0]
            return f"a list of {len(value)}, the first {_shape(inner)}"
        case str():
            # Its words may be somebody's: an error line is no place for them.
            return f"a text of {len(value)} characters"
        case None:
            return "null"
        case _:
            return f"a {type(value).__name__}"


def _whose(value: object) -> str | None:
    match value:
        case {"messages": [{"role": "client" | "counselor"}, *_], "source": str(source)}:
            return f"a dialogue file of this project (source {source})"
        case {"messages": [{"role": _}, *_], "normalizedTag": _}:
            return "kind psydt"
        case {"messages": [{"role": _}, *_]} | [{"role": "user" | "assistant" | "system"}, *_]:
            return "kind openai"
        case [{"role": "client" | "counselor"}, *_]:
            return "kind smilechat"
        case {"conversations": [*_]} | {"conversation": [{"from": _}, *_]}:
            return "kind sharegpt"
        case {"conversation": [{"doctor": _} | {"patient": _}, *_]}:
            return "kind mdd5k"
        case {"conversation": [{"input": _}, *_]}:
            return "kind emollm"
        case [str(first), *_] if first.startswith(("求助者", "支持者")):
            return "kind cpsycoune"
        case [dict(first), *_]:
            return _whose(first)
        case str(content) if content.startswith(("来访者", "心理咨询师")):
            return "kind cpsycound"
        case str(content) if "transcript_id" in content.split("\n", 1)[0]:
            return "kind annomi"
    return None


def described_text(content: str) -> str:
    """As ``described``, for a file that was not asked to be JSON."""
    try:
        return described(from_json(content))
    except ValueError:
        first = content.strip().split("\n", 1)
        try:
            return described(from_json(first[0]))
        except ValueError:
            return described(content.strip())
