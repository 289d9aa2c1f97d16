"""Whether a judge was held against people, and what a table of its codings must say.

Reports read the validation record that ``eval.judge validate --out`` writes, and print
`warning_for` with every table. Knows who was compared with whom, not how well they agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eval.judge.codings import Coded
from mi_arena.jobs.script import BadInput
from mi_arena.miti.items import Lang, Wording

RECORD_NAME = "validation.json"

Against = Literal["human", "assisted", "model", "unknown"]
"""Whose codings a judge was compared with. ``assisted``: people who saw a judge's codes before."""

_LANGUAGES = {"zh": Wording(zh="中文", en="Chinese"), "en": Wording(zh="英文", en="English")}
_WARNING = Wording(
    zh="MITI 编码由语言模型 {model}（提示词 {version}）给出，{state}："
    "只作线索，不等于人工编码的结果。",
    en="These MITI codings are by the language model {model} (prompt {version}), {state}: they are "
    "hints, not what human coders found.",
)
_NOTE = Wording(
    zh="MITI 编码由语言模型 {model}（提示词 {version}）给出，已与人工编码比对（{lang}，"
    "n = {n} 段对话、{utterances} 个句段，逐句 kappa {kappa}）。",
    en="These MITI codings are by the language model {model} (prompt {version}), checked against "
    "human codings ({lang}, n = {n} dialogues, {utterances} utterances, kappa of utterances "
    "{kappa}).",
)
_NOT_CHECKED = Wording(
    zh="没有与人工编码比对过", en="which was never checked against human codings"
)
_CHECKED: dict[Against, Wording] = {
    "human": Wording(
        zh="只在另一种语言上与人工编码比对过（{lang}，n = {n} 段对话）",
        en="which was checked against human codings in another language alone ({lang}, n = {n} "
        "dialogues)",
    ),
    "assisted": Wording(
        zh="只与看过模型建议的人工编码比对过（{lang}，n = {n} 段对话），不算独立核对",
        en="which was compared with human codings made from a judge's suggestions alone ({lang}, "
        "n = {n} dialogues), no independent check",
    ),
    "model": Wording(
        zh="只与模型写的编码比对过（{lang}，n = {n} 段对话），那只说明一致，不说明正确",
        en="which was compared with codes that a model wrote alone ({lang}, n = {n} dialogues): "
        "consistency, not correctness",
    ),
    "unknown": Wording(
        zh="只与来历不明的编码比对过（{lang}，n = {n} 段对话）",
        en="which was compared with codings alone that don't say who made them ({lang}, n = {n} "
        "dialogues)",
    ),
}


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Judge(_Record):
    """A judge at work: another model, prompt, parameters or language is another one."""

    model: str
    prompt_version: str
    prompt_sha256: str
    parameters: dict[str, float | int] = Field(default_factory=dict)
    lang: str
    """Of the dialogues that it coded."""


class Validation(_Record):
    """One judge held against other codings of the same dialogues, in one language."""

    judge: Judge | None
    """``None`` where its codings don't say who made them."""
    lang: str
    against: Against
    n_dialogues: int
    n_utterances: int
    """By the coders it was held against."""
    kappa: float | None
    """Of utterances, over all codes and none."""
    kappa_low: float | None
    kappa_high: float | None

    @property
    def validated(self) -> bool:
        return self.judge is not None and self.against == "human"


class ValidationRecord(_Record):
    """What ``validation.json`` holds, as far as reports need it."""

    results: tuple[Validation, ...]


def read_record(path: Path) -> ValidationRecord:
    """The record in a file, or in the folder that it was written to. Raises ``BadInput``."""
    file = path / RECORD_NAME if path.is_dir() else path
    try:
        return ValidationRecord.model_validate_json(file.read_bytes())
    except OSError as error:
        raise BadInput(f"{file}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise BadInput(
            f"{file}: {where}: {first['msg']}; name what `eval.judge validate --out` wrote"
        ) from None


def judges_of(codings: Iterable[Coded]) -> list[Judge]:
    """The judges of a file of codings, each once; codings by others tell of none."""
    found: dict[str, Judge] = {}
    for one in codings:
        judge = judge_of(one)
        if judge is not None:
            found.setdefault(judge.model_dump_json(), judge)
    return list(found.values())


def judge_of(one: Coded) -> Judge | None:
    """Who coded, where it was a judge that says which."""
    coder = one.coder
    if coder.kind != "judge" or not (coder.model and coder.prompt_version and coder.prompt_sha256):
        return None
    return Judge(
        model=coder.model,
        prompt_version=coder.prompt_version,
        prompt_sha256=coder.prompt_sha256,
        parameters=coder.parameters,
        lang=language(one.lang),
    )


def language(lang: str | None) -> str:
    """``zh`` of ``zh-CN``; dialogues without a language are Chinese, as everywhere here."""
    return (lang or "zh").replace("_", "-").split("-")[0].lower()


def warning_for(judge: Judge, record: ValidationRecord | None) -> Wording | None:
    """The sentence that every table of this judge's codings carries; ``None`` once it was held
    against human codings in its language (see `note_for`)."""
    known = _of_judge(judge, record)
    if any(one.validated and one.lang == judge.lang for one in known):
        return None
    state = _NOT_CHECKED
    if known:
        best = min(known, key=lambda one: (list(_CHECKED).index(one.against), -one.n_dialogues))
        state = _CHECKED[best.against]
        return _filled(_WARNING, judge, state=_filled(state, judge, best))
    return _filled(_WARNING, judge, state=state)


def note_for(judge: Judge, record: ValidationRecord | None) -> Wording | None:
    """What was checked, with n and language, once the judge was held against human codings."""
    own = [one for one in _of_judge(judge, record) if one.validated and one.lang == judge.lang]
    if not own:
        return None
    return _filled(_NOTE, judge, max(own, key=lambda one: one.n_dialogues))


def _of_judge(judge: Judge, record: ValidationRecord | None) -> list[Validation]:
    """Validations of the same model, prompt and parameters, in whatever language."""
    return [
        one
        for one in (record.results if record else ())
        if one.judge is not None
        and (one.judge.model, one.judge.parameters) == (judge.model, judge.parameters)
        and (one.lang != judge.lang or one.judge.prompt_sha256 == judge.prompt_sha256)
    ]


def _filled(
    wording: Wording, judge: Judge, held: Validation | None = None, state: Wording | None = None
) -> Wording:
    def of(lang: Lang) -> str:
        facts: dict[str, Any] = {"model": judge.model, "version": judge.prompt_version}
        if state is not None:
            facts["state"] = state.of(lang)
        if held is not None:
            known = _LANGUAGES.get(held.lang)
            facts |= {
                "lang": known.of(lang) if known else held.lang,
                "n": held.n_dialogues,
                "utterances": held.n_utterances,
                "kappa": _kappa(held, lang),
            }
        return wording.of(lang).format(**facts)

    return Wording(zh=of("zh"), en=of("en"))


def _kappa(held: Validation, lang: Lang) -> str:
    if held.kappa is None:
        return "无定义" if lang == "zh" else "undefined"
    if held.kappa_low is None or held.kappa_high is None:
        return f"{held.kappa:.2f}"
    return f"{held.kappa:.2f} [{held.kappa_low:.2f}, {held.kappa_high:.2f}]"
