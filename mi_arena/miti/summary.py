"""Counts and summary scores of a coding, and the competence thresholds (MITI 4.2.1).

A score without a meaning is ``None`` and its reason stands in ``undefined``; nothing is rounded.
Source of the formulas: Moyers, Manuel & Ernst (2015), version 4.2.1.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from mi_arena.miti.coding import Coding
from mi_arena.miti.items import CODES, Code, GlobalKey, Lang, Score, items
from mi_arena.miti.rules import valid_count, valid_global, volley_codes

Level = Literal["good", "fair", "below"]


@dataclass(frozen=True)
class Threshold:
    """From which value on a score is fair (basic competence) and good (proficiency)."""

    fair: float
    good: float

    def level(self, value: float) -> Level:
        if value >= self.good:
            return "good"
        return "fair" if value >= self.fair else "below"


THRESHOLDS: dict[Score, Threshold] = {
    "relational": Threshold(fair=3.5, good=4.0),
    "technical": Threshold(fair=3.0, good=4.0),
    "percent_cr": Threshold(fair=40.0, good=50.0),
    "r_to_q": Threshold(fair=1.0, good=2.0),
}
"""Expert opinion of the manual's authors; there are no norms behind them. None for MIA and MINA."""

_TECHNICAL: tuple[GlobalKey, ...] = ("CCT", "SST")
_RELATIONAL: tuple[GlobalKey, ...] = ("PARTNERSHIP", "EMPATHY")
_ADHERENT: tuple[Code, ...] = ("SEEK", "AF", "EMPHASIZE")
_NON_ADHERENT: tuple[Code, ...] = ("CONFRONT", "PERSUADE")
_REFLECTIONS: tuple[Code, ...] = ("SR", "CR")

_REASONS: dict[str, dict[Lang, str]] = {
    "not_rated": {"zh": "未评分：{names}", "en": "not rated: {names}"},
    "misrated": {
        "zh": "评分不是 1 到 5 的整数：{names}",
        "en": "rated with something else than 1 to 5: {names}",
    },
    "not_coded": {
        "zh": "没有编码，也没有次数",
        "en": "there are neither coded volleys nor counts",
    },
    "not_counted": {"zh": "没有给出次数：{names}", "en": "no count given: {names}"},
    "miscounted": {
        "zh": "次数无效：{names}",
        "en": "counted with something that is no count: {names}",
    },
    "totals_only": {
        "zh": "只给了总次数，没有逐句编码",
        "en": "only totals were given, no coded utterances",
    },
    "no_reflections": {
        "zh": "没有反映，无从求复杂式所占的比例",
        "en": "no reflections: there is nothing to take a share of",
    },
    "no_questions": {
        "zh": "没有提问，比值的分母为零",
        "en": "no questions: the ratio would divide by zero",
    },
}


@dataclass(frozen=True)
class Summary:
    """What follows from a coding. Every ``None`` has its reason in ``undefined``, by its name."""

    counts: dict[Code, int | None]
    """By the volley rules, or as given in the form with totals."""
    raw_counts: dict[Code, int | None]
    """Every coded utterance; all ``None`` (reason under ``raw_counts``) where only totals are."""
    n_volleys: int | None
    """How many volleys were coded; ``None`` where only totals are."""
    technical: float | None
    """Mean of CCT and SST, 1 to 5."""
    relational: float | None
    """Mean of Partnership and Empathy, 1 to 5."""
    percent_cr: float | None
    """Complex among all reflections, 0 to 100."""
    r_to_q: float | None
    """Reflections per question."""
    mia: int | None
    """Seeking Collaboration + Affirm + Emphasizing Autonomy."""
    mina: int | None
    """Confront + Persuade."""
    thresholds: dict[Score, Level | None]
    """For each score of ``THRESHOLDS``; ``None`` where the score is."""
    undefined: dict[str, str]
    """Name of a code or score, or ``raw_counts`` -> why it has no value."""

    @property
    def reflections(self) -> int | None:
        """What ``percent_cr`` is a share of: simple and complex reflections counted."""
        return _sum(self.counts, _REFLECTIONS)


def summarize(coding: Coding, lang: Lang = "en") -> Summary:
    """The counts and scores of one coding; ``lang`` is that of the reasons."""
    undefined: dict[str, str] = {}
    counts, raw = _counts(coding, undefined, lang)
    technical = _mean("technical", _TECHNICAL, coding, undefined, lang)
    relational = _mean("relational", _RELATIONAL, coding, undefined, lang)
    mia = _total("mia", _ADHERENT, counts, undefined, lang)
    mina = _total("mina", _NON_ADHERENT, counts, undefined, lang)
    reflections = _total("percent_cr", _REFLECTIONS, counts, undefined, lang)
    both = _total("r_to_q", (*_REFLECTIONS, "Q"), counts, undefined, lang)
    complex_, questions = counts["CR"], counts["Q"]

    percent_cr: float | None = None
    if reflections is not None and complex_ is not None:
        if reflections:
            percent_cr = 100 * complex_ / reflections
        else:
            undefined["percent_cr"] = _reason("no_reflections", lang)
    r_to_q: float | None = None
    if both is not None and questions is not None:
        if questions:
            r_to_q = (both - questions) / questions
        else:
            undefined["r_to_q"] = _reason("no_questions", lang)

    values: dict[Score, float | None] = {
        "relational": relational,
        "technical": technical,
        "percent_cr": percent_cr,
        "r_to_q": r_to_q,
    }
    return Summary(
        counts=counts,
        raw_counts=raw,
        n_volleys=None if coding.volleys is None else len(coding.volleys),
        technical=technical,
        relational=relational,
        percent_cr=percent_cr,
        r_to_q=r_to_q,
        mia=mia,
        mina=mina,
        thresholds={
            score: None if (value := values[score]) is None else threshold.level(value)
            for score, threshold in THRESHOLDS.items()
        },
        undefined=undefined,
    )


def mi_adherent_ratio(summary: Summary) -> float | None:
    """MIA/(MIA + MINA) in [0, 1], as papers print it: **not** a score of MITI 4.2.1.

    The manual dropped it; show it only with that said. ``None`` where either is undefined or
    both are 0.
    """
    if summary.mia is None or summary.mina is None or not summary.mia + summary.mina:
        return None
    return summary.mia / (summary.mia + summary.mina)


def _counts(
    coding: Coding, undefined: dict[str, str], lang: Lang
) -> tuple[dict[Code, int | None], dict[Code, int | None]]:
    """Counts by the volley rules and raw counts; why some are missing goes to ``undefined``."""
    nothing: dict[Code, int | None] = dict.fromkeys(CODES)
    if coding.volleys is not None:
        every: list[Code | None] = []
        counted: list[Code] = []
        for volley in coding.volleys:
            codes = [utterance.code for utterance in volley.utterances]
            every += codes
            counted += volley_codes(codes)
        by_rules, raw = Counter(counted), Counter(every)
        return {code: by_rules[code] for code in CODES}, {code: raw[code] for code in CODES}
    if coding.counts is None:
        reason = _reason("not_coded", lang)
        undefined.update(dict.fromkeys((*CODES, "raw_counts"), reason))
        return nothing, dict(nothing)
    counts = dict(nothing)
    for code in CODES:
        value = coding.counts.get(code)
        if value is None:
            undefined[code] = _reason("not_counted", lang, (code,))
        elif not valid_count(value):
            undefined[code] = _reason("miscounted", lang, (code,))
        else:
            counts[code] = int(value)
    undefined["raw_counts"] = _reason("totals_only", lang)
    return counts, nothing


def _mean(
    score: Score,
    keys: tuple[GlobalKey, ...],
    coding: Coding,
    undefined: dict[str, str],
    lang: Lang,
) -> float | None:
    given = {key: coding.globals[key] for key in keys if key in coding.globals}
    missing = tuple(key for key in keys if key not in given)
    wrong = tuple(key for key, value in given.items() if not valid_global(value))
    if missing or wrong:
        undefined[score] = "; ".join(
            _reason(kind, lang, names)
            for kind, names in (("not_rated", missing), ("misrated", wrong))
            if names
        )
        return None
    return sum(given.values()) / len(given)


def _total(
    score: Score,
    codes: tuple[Code, ...],
    counts: dict[Code, int | None],
    undefined: dict[str, str],
    lang: Lang,
) -> int | None:
    total = _sum(counts, codes)
    if total is None:
        # Each missing count has told its own reason by now.
        told = dict.fromkeys(undefined[code] for code in codes if counts[code] is None)
        undefined[score] = "; ".join(told)
    return total


def _sum(counts: dict[Code, int | None], codes: tuple[Code, ...]) -> int | None:
    total = 0
    for code in codes:
        count = counts[code]
        if count is None:
            return None
        total += count
    return total


def _reason(kind: str, lang: Lang, names: tuple[GlobalKey | Code, ...] = ()) -> str:
    shown = [items().name(name).of(lang) for name in names]
    return _REASONS[kind][lang].format(names=("、" if lang == "zh" else ", ").join(shown))
