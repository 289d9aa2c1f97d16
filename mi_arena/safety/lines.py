"""Lines to be checked, read one by one: ``{"text", "speaker", "lang"}``, labelled ones with more.

Other keys are let through. No text is ever part of an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from mi_arena.safety.categories import Category, Lang, Speaker


class BadLines(ValueError):
    """A file that cannot be read; the message is one line: what, where, how to mend it."""


class Line(BaseModel):
    """One text and who said it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    text: str
    speaker: Speaker
    lang: Lang


class LabelledLine(Line):
    """A line with what people say of it: ``category`` is null where nothing is to be stopped."""

    stop: bool
    category: Category | None

    @model_validator(mode="after")
    def _agree(self) -> LabelledLine:
        if self.stop != (self.category is not None):
            raise ValueError("a line is stopped for a category, and only then")
        return self


L = TypeVar("L", bound=Line)


def read_lines(path: str, kind: type[L]) -> Iterator[L]:
    """The lines of a JSONL file (``-``: standard input) as they come; blank ones are passed over.

    Raises ``BadLines`` at the first line that is not of this kind.
    """
    try:
        with _opened(path) as stream:
            for number, raw in enumerate(stream, 1):
                if raw.strip():
                    yield _line(raw, kind, f"{path}:{number}")
    except OSError as error:
        raise BadLines(f"{path}: {error.strerror or 'cannot be read'}; name a JSONL file") from None


def _opened(path: str) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdin.buffer) if path == "-" else Path(path).open("rb")


def _line(raw: bytes, kind: type[L], place: str) -> L:
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        if first["type"] == "json_invalid":
            raise BadLines(f"{place}: not JSON; write one object a line") from None
        where = ".".join(str(part) for part in first["loc"]) or "the line"
        raise BadLines(f"{place}: {where}: {first['msg'].removeprefix('Value error, ')}") from None
