"""Simulated clients as they are written: who they are, and sentences of their own.

Files are YAML with one language each (``profiles_zh.yaml``, ``profiles_en.yaml``). Knows no state,
no model and no system.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from eval.simulate.behaviours import Lang
from eval.simulate.client_state import Resistance, Stage, Stance
from mi_arena.jobs.script import BadInput
from mi_arena.safety.crisis import scan

OURS = Path(__file__).parent / "profiles_zh.yaml"
"""Those that are taken when no file is named."""

Topic = Literal[
    "smoking", "alcohol", "exercise", "diet", "medication", "sleep", "screen", "prevention"
]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Ruler = Annotated[int, Field(ge=0, le=10)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Profile(_Strict):
    """One client. All texts are in the client's language; sentences are in its own voice."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{2,63}$")
    topic: Topic
    goal: Sentence
    """The change that the talk is about."""
    stage: Stage
    importance: Ruler
    confidence: Ruler
    resistance: Resistance
    age: int = Field(ge=14, le=100)
    sex: Literal["f", "m"]
    person: Sentence
    style: Sentence
    resists: Sentence
    """How, in words."""
    barriers: list[Sentence] = Field(min_length=2)
    motives: list[Sentence] = Field(min_length=2)
    first_words: Sentence
    words: dict[Stance, list[Sentence]]
    lang: Lang
    """Of the whole file."""

    @model_validator(mode="after")
    def _can_speak(self) -> Self:
        least = {"sustain": 3, "ambivalent": 3, "change": 3, "commitment": 1, "disengaging": 2}
        for stance, number in (least | {"leaving": 1}).items():
            if len(self.words.get(stance, [])) < number:  # type: ignore[call-overload]
                raise ValueError(f"words.{stance} needs at least {number} sentences")
        twice = [text for text, times in Counter(self.sentences).items() if times > 1]
        if twice:
            raise ValueError("a sentence stands twice")
        if any(scan(text) for text in self.sentences):
            raise ValueError("a sentence shows a sign of danger: such clients are not simulated")
        return self

    @property
    def sentences(self) -> list[str]:
        """Everything that it may say."""
        said = [text for texts in self.words.values() for text in texts]
        return [self.first_words, *self.barriers, *self.motives, *said]

    def pool(self, stance: Stance) -> list[str]:
        """What it has to say in a stance."""
        more = {"sustain": self.barriers, "change": self.motives, "ambivalent": self.motives}
        return [*self.words[stance], *more.get(stance, [])]


class _File(_Strict):
    lang: Lang
    profiles: list[Profile] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _lang_in_each(cls, raw: object) -> object:
        if not isinstance(raw, dict) or not isinstance(raw.get("profiles"), list):
            return raw
        each = [
            one | {"lang": raw.get("lang")} if isinstance(one, dict) else one
            for one in raw["profiles"]
        ]
        return raw | {"profiles": each}

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        ids = Counter(profile.id for profile in self.profiles)
        twice = [name for name, times in ids.items() if times > 1]
        if twice:
            raise ValueError(f"the id {twice[0]} stands twice")
        return self


@dataclass(frozen=True)
class Profiles:
    """Those of a file, in its order, and the file's hash."""

    profiles: list[Profile]
    sha256: str


def load_profiles(path: Path, limit: int | None = None) -> Profiles:
    """The first ``limit`` profiles of a file. Raises ``BadInput`` with its place in one line."""
    try:
        data = path.read_bytes()
        raw = yaml.safe_load(data.decode())
        read = _File.model_validate(raw)
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: is not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{mark.line + 1}: " if mark else " "
        raise BadInput(f"{path}:{line}is not YAML: mend the line") from None
    except ValidationError as error:
        raise BadInput(f"{path}: {_first(error, raw)}") from None
    return Profiles(read.profiles[:limit], hashlib.sha256(data).hexdigest())


def _first(error: ValidationError, raw: object) -> str:
    """The first thing that is wrong, by the profile's id where it has one."""
    wrong = error.errors(include_input=False, include_url=False)[0]
    place = [str(part) for part in wrong["loc"]]
    if len(place) > 1 and place[0] == "profiles" and isinstance(raw, dict):
        profile = raw["profiles"][int(place[1])]
        name = profile.get("id") if isinstance(profile, dict) else None
        place = [f"profile {int(place[1]) + 1} ({name!a})", *place[2:]]
    where = ".".join(place) or "the file"
    return f"{where}: {wrong['msg'].removeprefix('Value error, ')}"
