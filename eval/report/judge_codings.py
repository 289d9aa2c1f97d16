"""A judge's codings of dialogues by systems, and how that judge stands against people.

A line is a coding with ``coder`` (who coded) and ``meta`` (system, pair and match of the dialogue).
Judges are never pooled: another model, prompt, parameters or language is another judge. Nor are
talks that took place and replies to the gold histories of a test set.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from eval.judge.standing import Judge, ValidationRecord, language, note_for, warning_for
from eval.predictions import SYSTEM
from eval.report.round_dialogues import SETTING
from mi_arena.jobs.dialogue_files import told_in_one_line
from mi_arena.jobs.script import BadInput
from mi_arena.miti.coding import BadCoding, parse_coding
from mi_arena.miti.items import Wording
from mi_arena.study.miti_results import CodingRow, GroupResults, miti_results


class _Given(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Usage(_Given):
    prompt_tokens: int
    completion_tokens: int
    estimated: bool = False


class _Coder(_Given):
    kind: Literal["judge", "human", "model", "unknown"]
    model: str = ""
    prompt_version: str = ""
    prompt_sha256: str = ""
    parameters: dict[str, float | int] = Field(default_factory=dict)
    usage: Usage | None = None
    cost_usd: float | None = None


class _Meta(_Given):
    system: str
    pair: str
    match_id: str | None = None
    setting: str | None = None
    dialogue_id: str | None = None

    @model_validator(mode="after")
    def _of_a_dialogue(self) -> Self:
        if self.setting == SETTING and self.dialogue_id is None:
            raise ValueError("a coding of replies to a test set names its dialogue_id")
        return self


class _Line(_Given):
    id: str = Field(min_length=1)
    lang: str | None = None
    coder: _Coder
    meta: _Meta


_Key = tuple[str, str | None]


@dataclass(frozen=True)
class Spent:
    """What a judge's codings cost; ``None`` where any of them doesn't say."""

    prompt_tokens: int | None
    completion_tokens: int | None
    usd: float | None


@dataclass(frozen=True)
class Judged:
    """The results of one judge, by pair."""

    judge: Judge
    setting: str | None
    """``SETTING`` for replies to gold histories; ``None`` for dialogues that took place."""
    validated: bool
    """Against human codings in its language."""
    sentence: Wording
    """The warning, or what was checked: it goes wherever the results are shown."""
    groups: tuple[GroupResults, ...]
    spent: Spent


def read_judged(paths: Sequence[Path], record: ValidationRecord | None) -> list[Judged]:
    """One entry a judge and setting, in the order in which they first come. Raises ``BadInput``."""
    rows: dict[_Key, list[CodingRow]] = {}
    judges: dict[_Key, Judge] = {}
    coders: dict[_Key, list[_Coder]] = {}
    for place, line, row in _lines(paths):
        judge = _judge(line, place)
        key = judge.model_dump_json(), line.meta.setting
        judges.setdefault(key, judge)
        rows.setdefault(key, []).append(row)
        coders.setdefault(key, []).append(line.coder)
    found = []
    for key, judge in judges.items():
        try:
            groups = miti_results(rows[key]).groups
        except ValueError as error:
            raise BadInput(f"--codings: the codings by {judge.model}: {error}") from None
        validated, sentence = _standing(judge, record)
        found.append(Judged(judge, key[1], validated, sentence, groups, _spent(coders[key])))
    return found


def _standing(judge: Judge, record: ValidationRecord | None) -> tuple[bool, Wording]:
    """Whether people checked this very judge in its language, and the sentence that says so."""
    warning = warning_for(judge, record)
    sentence = warning or note_for(judge, record)
    assert sentence is not None, "a judge was checked by people or was not"
    return warning is None, sentence


def _lines(paths: Sequence[Path]) -> Iterator[tuple[str, _Line, CodingRow]]:
    for path in paths:
        with told_in_one_line(path):
            texts = path.read_text(encoding="utf-8").splitlines()
        if not any(map(str.strip, texts)):
            raise BadInput(f"{path}: there is no coding in it")
        for number, text in enumerate(texts, 1):
            if text.strip():
                place = f"{path}:{number}"
                line, given = _line(text, place)
                yield place, line, _row(line, given, place)


def _line(text: str, place: str) -> tuple[_Line, dict[str, Any]]:
    try:
        given = json.loads(text)
    except ValueError:
        raise BadInput(f"{place}: not JSON; a coding as an object was expected") from None
    try:
        return _Line.model_validate(given), given
    except ValidationError as error:
        raise BadInput(
            f"{place}: {_first(error)}; a judge's coding of dialogues by systems is wanted"
        ) from None


def _row(line: _Line, given: dict[str, Any], place: str) -> CodingRow:
    if not SYSTEM.fullmatch(line.meta.system):
        raise BadInput(f"{place}: meta.system: must be base, base_prompted, tuned or remote:NAME")
    try:
        coding = parse_coding(given)
    except BadCoding as error:
        raise BadInput(f"{place}: {error}") from None
    meta = line.meta
    return CodingRow(line.id, meta.match_id, meta.system, meta.pair, None, "judge", "judge", coding)


def _judge(line: _Line, place: str) -> Judge:
    coder = line.coder
    if coder.kind != "judge" or not (coder.model and coder.prompt_version):
        raise BadInput(
            f"{place}: coder: is no judge that names model and prompt; people's codings come from "
            "--study"
        )
    return Judge(
        model=coder.model,
        prompt_version=coder.prompt_version,
        prompt_sha256=coder.prompt_sha256,
        parameters=coder.parameters,
        lang=language(line.lang),
    )


def _spent(coders: Iterable[_Coder]) -> Spent:
    every = list(coders)
    usages = [one.usage for one in every if one.usage is not None]
    costs = [one.cost_usd for one in every if one.cost_usd is not None]
    known = len(usages) == len(every)
    return Spent(
        sum(one.prompt_tokens for one in usages) if known else None,
        sum(one.completion_tokens for one in usages) if known else None,
        round(sum(costs), 8) if len(costs) == len(every) else None,
    )


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the line"
    return f"{where}: {first['msg']}"
