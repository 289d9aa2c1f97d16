"""A step of the pipeline as a form: its fields, and the command line they make.

The tabs wrap the same scripts that run from a shell, so a form can say nothing that the command
line can't.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mi_arena.jobs.inputs import Inputs, NoSuchFile

Kind = Literal[
    "file",
    "files",
    "choice",
    "listed",
    "several",
    "suggested",
    "whole",
    "number",
    "text",
    "long",
    "lines",
    "check",
]
"""``listed`` is one, ``several`` are any, of names that the page gives; ``suggested`` is a text
with proposals; ``long`` a text that keeps its lines; ``lines`` many."""


class FormError(ValueError):
    """A field that can't be taken; ``code`` says why, for the page's words.

    ``refused`` is a script's own rule, and ``reason`` its words; of a number its bounds.
    """

    def __init__(
        self,
        field: str,
        code: Literal["missing", "no_file", "bad_number", "bad_choice", "refused"],
        reason: str = "",
    ):
        super().__init__(f"{field}: {code} {reason}".rstrip())
        self.field, self.code, self.reason = field, code, reason


@dataclass(frozen=True)
class Field:
    """One field. Without an ``option`` it is positional; a check's option is a flag."""

    name: str
    kind: Kind
    option: str | None = None
    default: str | float | bool | None = None
    choices: tuple[str, ...] = ()
    endings: tuple[str, ...] = ()
    """Of files that can be chosen."""
    required: bool = False
    low: float = -math.inf
    high: float = math.inf
    more: bool = False
    """Shown only when asked for: most people leave it as it is."""
    handle: str | None = None
    """Its name in the page's source, which every visitor's browser has; else the field's own."""


@dataclass(frozen=True)
class Form:
    """Fields under one heading."""

    id: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Step(Form):
    """A script, the fields of its form, and where in the run's folder its output goes."""

    module: str
    outputs: Callable[[Path], Sequence[str]]
    """Options that name the run's own folder."""
    first: tuple[str, ...] = ()
    """Words before everything else, as a subcommand."""

    def command(self, values: Mapping[str, object], inputs: Inputs, folder: Path) -> list[str]:
        """The arguments. Raises ``FormError`` for the first field that can't be taken."""
        words, options = list(self.first), []
        for field in self.fields:
            given = _words(field, values.get(field.name), inputs)
            if field.required and not given:
                raise FormError(field.name, "missing")
            if field.option is None:
                words += given
            elif field.kind == "check":
                options += [field.option] if given else []
            else:
                # One word, so that a value that begins with a dash is not an option.
                options += [f"{field.option}={word}" for word in given]
        return [*words, *options, *self.outputs(folder)]

    def values(self, arguments: Sequence[str], inputs: Inputs) -> dict[str, object]:
        """What was entered for these arguments: ``command`` the other way round.

        Files that are gone, and words that are no field's, are left out.
        """
        words = list(arguments[len(self.first) :])
        values: dict[str, object] = {}
        for field in self.fields:
            given = [one for word in words for one in _given(field, word)]
            values[field.name] = _value(field, given, inputs)
        return values


def _given(field: Field, word: str) -> list[str]:
    """What a word says of a field."""
    if field.option is None:
        return [] if word.startswith("--") else [word]
    if field.kind == "check":
        return ["yes"] if word == field.option else []
    return [word.removeprefix(f"{field.option}=")] if word.startswith(f"{field.option}=") else []


def _value(field: Field, given: Sequence[str], inputs: Inputs) -> object:
    match field.kind:
        case "check":
            return bool(given)
        case "files" | "file":
            names = [name for one in given if (name := inputs.name(Path(one))) is not None]
            return names if field.kind == "files" else (names[0] if names else None)
        case "several":
            return list(given)
        case "listed" | "suggested" | "choice":
            return given[0] if given else None
        case _:
            return given[0] if given else ""


def _words(field: Field, value: object, inputs: Inputs) -> list[str]:
    """A field's value as words of a command line; none where it was left empty."""
    if value is None or value is False or value in ("", []):
        return []
    match field.kind:
        case "check":
            return ["yes"]
        case "file" | "files":
            names = value if isinstance(value, list) else [value]
            try:
                return [str(inputs.path(str(name))) for name in names]
            except NoSuchFile:
                raise FormError(field.name, "no_file") from None
        case "choice":
            if value not in field.choices:
                raise FormError(field.name, "bad_choice")
            return [str(value)]
        case "whole" | "number":
            return [_number(field, value)]
        case "several":
            return [str(name) for name in value] if isinstance(value, list) else [str(value)]
        case "text" | "listed" | "suggested" | "long" | "lines":
            return [" ".join(str(value).split())] if str(value).strip() else []


def _number(field: Field, value: object) -> str:
    number = number_in(field, value)
    return str(number) if isinstance(number, int) else repr(number)


def bounds(field: Field) -> str:
    """Between which values a field's number lies: ``1, 2, …``, ``≥ 0``, ``1–5``."""
    if math.isfinite(field.high):
        return f"{field.low:g}–{field.high:g}"
    if field.kind == "whole" and math.isfinite(field.low):
        return f"{field.low:g}, {field.low + 1:g}, {field.low + 2:g}, …"
    return f"≥ {field.low:g}" if math.isfinite(field.low) else "0, 1.5, -2, …"


def number_in(field: Field, value: object) -> int | float:
    """What was entered as a number of the field's kind. Raises ``FormError``."""
    try:
        number = float(str(value))
    except ValueError:
        raise FormError(field.name, "bad_number", bounds(field)) from None
    whole = field.kind == "whole"
    fits = math.isfinite(number) and field.low <= number <= field.high
    if not fits or (whole and number != int(number)):
        raise FormError(field.name, "bad_number", bounds(field))
    return int(number) if whole else number
