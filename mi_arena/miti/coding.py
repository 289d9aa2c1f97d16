"""A coding: one rater's filled MITI form for one dialogue, as counts or as coded volleys.

Reads what can be read and says in one line what cannot. A readable coding may still break rules
(a global of 6, a code twice in a volley): that is for ``check`` to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    ValidationError,
    field_validator,
    model_validator,
)

from mi_arena.miti.items import CODES, GLOBALS, Code, GlobalKey

Number = StrictInt | StrictFloat
"""Kept as given: whether 3.5 is allowed is for ``check`` to say."""
_KEYS = ("change_goal", "globals", "volleys", "counts", "messages")
_ROLES = ("system", "client", "counselor")
_CODES = ", ".join(CODES)
_GLOBALS = ", ".join(GLOBALS)
_UTTERANCE = '{"text", "code"}'
_BOTH = "volleys and counts are both given; keep one of them"


class BadCoding(ValueError):
    """What was given is no coding; the message is one line: where, what, how to mend it."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Utterance(_Part):
    """One thought, with at most one code. ``None``: not coded."""

    text: str = ""
    code: Code | None = None


class Volley(_Part):
    """Uninterrupted counsellor speech."""

    utterances: tuple[Utterance, ...]


class Coding(_Part):
    """A filled form. Behaviour is told by ``volleys`` or by ``counts``, never by both."""

    change_goal: str | None = None
    globals: dict[GlobalKey, Number] = Field(default_factory=dict)
    """May lack some; what is there may be out of range."""
    volleys: tuple[Volley, ...] | None = None
    counts: dict[Code, Number] | None = None
    """Totals as on the paper form; may lack some."""

    @field_validator("globals", mode="before")
    @classmethod
    def _rated(cls, given: Any) -> Any:
        return _without_nulls(given, GLOBALS) if given is not None else {}

    @field_validator("counts", mode="before")
    @classmethod
    def _counted(cls, given: Any) -> Any:
        return _without_nulls(given, CODES)

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.volleys is not None and self.counts is not None:
            raise ValueError(_BOTH)
        return self


def parse_coding(obj: object) -> Coding:
    """The coding in a decoded JSON value; raises ``BadCoding``.

    Takes ``{"change_goal", "globals", "volleys" or "counts"}``, or a dialogue whose counsellor
    messages carry ``utterances``: its messages are then the volleys. Other keys are ignored.
    ``null`` stands for what is missing.
    """
    if not isinstance(obj, Mapping):
        raise BadCoding(
            f"a coding is an object with {', '.join(_KEYS[:4])}, not {_short(obj)}; "
            "several codings go one a line"
        )
    given = {key: obj[key] for key in _KEYS if obj.get(key) is not None}
    if not given and not any(key in obj for key in _KEYS):
        raise BadCoding(f"none of {', '.join(_KEYS)} is there; is this a coding?")
    messages = given.pop("messages", None)
    if messages is not None:
        coded_elsewhere = "volleys" in given or "counts" in given
        if not coded_elsewhere:
            given["volleys"] = _volleys(messages)
        elif _carry_codes(messages):
            raise BadCoding(
                "messages carry utterances beside volleys or counts; keep one of the codings"
            )
    try:
        return Coding.model_validate(given)
    except ValidationError as error:
        raise BadCoding(_explained(error)) from None


def _volleys(messages: object) -> list[dict[str, Any]]:
    """The volleys of a dialogue: what the counsellor says until the client speaks again."""
    spoken = [message for message in _checked(messages) if message["role"] != "system"]
    return [
        {"utterances": [one for message in group for one in message["utterances"]]}
        for role, group in groupby(spoken, key=lambda message: message["role"])
        if role == "counselor"
    ]


def _checked(messages: object) -> Iterator[Mapping[str, Any]]:
    if not isinstance(messages, list | tuple):
        raise BadCoding(f"messages are {_short(messages)}; give a list of messages")
    for number, message in enumerate(messages, 1):
        if not isinstance(message, Mapping):
            raise BadCoding(f"message {number} is {_short(message)}; give an object with a role")
        role = message.get("role")
        if role not in _ROLES:
            raise BadCoding(
                f"message {number}: unknown role {_short(role)}; known are {', '.join(_ROLES)}"
            )
        if role == "counselor" and not isinstance(message.get("utterances"), list | tuple):
            raise BadCoding(
                f"message {number}: a counselor message without utterances; "
                f"give it a list of {_UTTERANCE}"
            )
        yield message


def _carry_codes(messages: object) -> bool:
    return isinstance(messages, list | tuple) and any(
        isinstance(message, Mapping) and message.get("utterances") for message in messages
    )


def _without_nulls(given: Any, known: tuple[str, ...]) -> Any:
    """``null`` under a known key is the same as no key; under another it is still a mistake."""
    if not isinstance(given, Mapping):
        return given
    return {key: value for key, value in given.items() if value is not None or key not in known}


def _explained(error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors(include_url=False)[0]
    given = _short(first["input"])
    match first["loc"]:
        case ():
            return _BOTH
        case ("change_goal", *_):
            return f"change_goal is {given}; give a text or null"
        case ("globals", str(key), "[key]", *_):
            return f"globals: unknown key {_short(key)}; known are {_GLOBALS}"
        case ("globals", str(key), *_):
            return f"globals: {key} is {given}; give a number from 1 to 5, or leave it out"
        case ("globals",):
            return f"globals are {given}; give an object with {_GLOBALS}"
        case ("counts", str(key), "[key]", *_):
            return f"counts: unknown code {_short(key)}; known are {_CODES}"
        case ("counts", str(key), *_):
            return f"counts: {key} is {given}; give a whole number, or leave it out"
        case ("counts",):
            return f"counts are {given}; give an object with {_CODES}"
        case ("volleys", int(volley), "utterances", int(utterance), *field):
            where = f"volley {volley + 1}, utterance {utterance + 1}"
            if field[:1] == ["code"]:
                return f"{where}: unknown code {given}; known are {_CODES}, or null for none"
            return f"{where}: {given} is no {'text' if field else 'object'}; give {_UTTERANCE}"
        case ("volleys", int(volley), *_):
            return f'volley {volley + 1}: give {{"utterances": [{_UTTERANCE}]}}'
        case _:
            return f"volleys are {given}; give a list of volleys"


def _short(value: object) -> str:
    """A value as a message may name it: one line, 40 characters at most, no long text in full."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    text = "null" if value is None else ascii(value) if _unprintable(value) else repr(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _unprintable(value: object) -> bool:
    return isinstance(value, str) and not value.isprintable()
