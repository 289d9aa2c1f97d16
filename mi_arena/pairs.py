"""The registry of pairs (``models.yaml``): a base model, its adapter, and how both are served."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError, model_validator

from mi_arena.chat_formats import FORMATS
from mi_arena.decoding import Decoding

Dtype = Literal["float32", "bfloat16", "float16"]
Quantization = Literal["none", "8bit", "4bit"]


class RegistryError(ValueError):
    """models.yaml cannot be used; the message is one line saying where and why."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where weights lie: a Hub repository with its revision, or a folder."""

    repo: str | None = None
    revision: str | None = Field(None, description="commit sha, or a branch with a warning at load")
    path: str | None = Field(None, description="a folder; relative to models.yaml")

    @model_validator(mode="after")
    def _one(self) -> Source:
        if (self.repo is None) == (self.path is None):
            raise ValueError("give either repo or path")
        if self.repo is not None and self.revision is None:
            raise ValueError("a repo needs a revision")
        return self

    @property
    def pinned(self) -> bool:
        """Whether what is loaded can't change behind our back."""
        sha = self.revision or ""
        return self.path is not None or (len(sha) == 40 and set(sha) <= set("0123456789abcdef"))

    def __str__(self) -> str:
        return self.path or f"{self.repo}@{self.revision}"


class Server(_Strict):
    """An OpenAI-compatible server that has base and tuned as two model names."""

    url: HttpUrl
    base: str
    tuned: str
    key_variable: str | None = Field(None, description="environment variable that holds the key")


class Name(_Strict):
    zh: str
    en: str


class Pair(_Strict):
    """One entry of models.yaml."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    name: Name
    base: Source
    adapter: Source | None = None
    server: Server | None = None
    format: str
    dtype: Dtype = "bfloat16"
    quantization: Quantization = "none"
    context: int = Field(ge=128, description="tokens of prompt and reply together")
    decoding: Decoding = Decoding()
    system_prompt: str | None = Field(None, description="the same for both arms, or none")
    chinese_only: bool = Field(
        False, description="it makes no sense of other languages: readers of English are told"
    )
    licence: str
    links: list[HttpUrl] = []
    to_do: str | None = Field(None, description="what makes this pair loadable, while it is not")

    @model_validator(mode="after")
    def _known(self) -> Pair:
        if self.format not in FORMATS:
            raise ValueError(f"unknown format {self.format!r}; known: {', '.join(sorted(FORMATS))}")
        if self.decoding.max_new_tokens >= self.context:
            raise ValueError("context must be longer than decoding.max_new_tokens")
        return self


class Registry(_Strict):
    pairs: list[Pair]

    @model_validator(mode="after")
    def _distinct(self) -> Registry:
        ids = [pair.id for pair in self.pairs]
        for name in ids:
            if ids.count(name) > 1:
                raise ValueError(f"the id {name!r} stands twice")
        return self


def load_registry(path: Path) -> dict[str, Pair]:
    """Pairs by id. Paths come back absolute. Raises ``RegistryError`` with one line."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        registry = Registry.model_validate(raw)
    except OSError as error:
        raise RegistryError(f"{path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise RegistryError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise RegistryError(
            f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}"
        ) from None
    folder = path.resolve().parent
    return {pair.id: _absolute(pair, folder) for pair in registry.pairs}


def choose(registry: dict[str, Pair], wanted: list[str]) -> tuple[list[Pair], list[str]]:
    """The pairs to serve, and one line for each wanted pair that has to be left out.

    An unknown id raises ``RegistryError``: that is a mistake, not something to be done later.
    """
    unknown = [name for name in wanted if name not in registry]
    if unknown:
        raise RegistryError(
            f"MI_ARENA_PAIRS: no pair {unknown[0]!r}; known: {', '.join(sorted(registry))}"
        )
    served: list[Pair] = []
    problems: list[str] = []
    for name in wanted:
        problem = missing(registry[name])
        if problem is None:
            served.append(registry[name])
        else:
            problems.append(f"pair {name} is left out: {problem}")
    return served, problems


def missing(pair: Pair, base_alone: bool = False) -> str | None:
    """Why the pair can't be loaded yet and what to do, or ``None``. Looks at local files only.

    ``base_alone``: its adapter is not needed.
    """
    if pair.server is not None:
        return None
    if pair.adapter is None and not base_alone:
        return pair.to_do or "it has no adapter; train one and name it under adapter in models.yaml"
    parts = {"base": pair.base, "adapter": None if base_alone else pair.adapter}
    for part, source in parts.items():
        wanted = "config.json" if part == "base" else "adapter_config.json"
        if source and source.path and not (Path(source.path) / wanted).is_file():
            hint = pair.to_do or f"put the {part} there or correct models.yaml"
            return f"no {wanted} in {source.path}; {hint}"
    return None


def _absolute(pair: Pair, folder: Path) -> Pair:
    def mend(source: Source | None) -> Source | None:
        if source is None or source.path is None:
            return source
        return source.model_copy(update={"path": str((folder / source.path).resolve())})

    return pair.model_copy(update={"base": mend(pair.base), "adapter": mend(pair.adapter)})
