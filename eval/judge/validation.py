"""A file of a judge's codings held against a file of others, language by language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eval.judge.codings import Coded, read_codings
from eval.judge.comparison import Comparison, NotComparable, Pair, compare
from eval.judge.standing import (
    Against,
    Judge,
    Validation,
    ValidationRecord,
    judge_of,
    language,
    note_for,
    warning_for,
)
from mi_arena.jobs.script import BadInput
from mi_arena.miti.items import Wording

METHOD = (
    "Utterances are compared over segments, the longest stretches of a volley that neither coder "
    "cuts; by volley, a code counts as held however it was cut. White space is left out of "
    "account. Precision, recall, F1, kappa (Cohen) and ratios: 95 % percentile bootstrap over "
    "dialogues, 2000 draws, seed 0. ICC(A,1): single ratings, absolute agreement, 95 % interval by "
    "F (McGraw & Wong 1996); counts by the volley rules. Bands: Cicchetti 1994. An interval "
    "without width means that no disagreement was seen in these dialogues, not that there is none."
)


@dataclass(frozen=True)
class Held:
    """A judge held against other codings in one language."""

    validation: Validation
    coders: dict[str, int]
    """Dialogues by who coded them, for the other side."""
    only_judge: int
    """Dialogues of the judge's file that the other lacks."""
    only_others: int
    comparison: Comparison

    @property
    def sentence(self) -> Wording:
        """The warning, or what was checked."""
        judge, record = self.validation.judge, ValidationRecord(results=(self.validation,))
        if judge is None:
            return _NAMELESS
        found = warning_for(judge, record) or note_for(judge, record)
        assert found is not None, "a judge was held against people or not"
        return found

    def record(self) -> dict[str, Any]:
        """As it is kept; a later report reads the validation's own keys."""
        return {
            **self.validation.model_dump(),
            "validated": self.validation.validated,
            "sentence": self.sentence.model_dump(),
            "coders": self.coders,
            "only_judge": self.only_judge,
            "only_others": self.only_others,
            "comparison": asdict(self.comparison),
        }


_NAMELESS = Wording(
    zh="被检验的编码没有写明出自哪个模型、哪版提示词：这次比对不能算作任何编码员的核对。",
    en="The codings that were checked don't say which model and prompt made them: this comparison "
    "counts for no judge.",
)


def hold(judge_file: Path, other_file: Path) -> list[Held]:
    """The dialogues of both files side by side, one entry a language. Raises ``BadInput``."""
    judged, others = read_codings(judge_file), read_codings(other_file)
    by_id = {one.id: one for one in others}
    shared = [(one, by_id[one.id]) for one in judged if one.id in by_id]
    if not shared:
        raise BadInput(
            f"{other_file}: holds none of the dialogues of {judge_file}; ids must be the same"
        )
    languages = sorted({language(one.lang) for one, _ in shared})
    known = {one.id for one in judged}
    found = []
    for lang in languages:
        pairs = [(one, other) for one, other in shared if language(one.lang) == lang]
        alone = sum(language(one.lang) == lang and one.id not in by_id for one in judged)
        missing = sum(language(one.lang) == lang and one.id not in known for one in others)
        found.append(_held(pairs, lang, alone, missing))
    return found


def _held(pairs: Sequence[tuple[Coded, Coded]], lang: str, alone: int, missing: int) -> Held:
    judge = _the_judge([one for one, _ in pairs])
    comparison = _compared(pairs)
    coders: dict[str, int] = {}
    for _, other in pairs:
        named = other.coder.name or other.coder.model
        name = f"{_kind(other)}: {named}" if named else _kind(other)
        coders[name] = coders.get(name, 0) + 1
    kappa = comparison.kappa
    validation = Validation(
        judge=judge,
        lang=lang,
        against=_against([other for _, other in pairs]),
        n_dialogues=comparison.n_dialogues,
        n_utterances=comparison.n_human_utterances,
        kappa=kappa.value,
        kappa_low=kappa.ci_low,
        kappa_high=kappa.ci_high,
    )
    return Held(validation, dict(sorted(coders.items())), alone, missing, comparison)


def _compared(pairs: Sequence[tuple[Coded, Coded]]) -> Comparison:
    try:
        return compare([Pair(one.id, other.coding, one.coding) for one, other in pairs])
    except NotComparable as error:
        one, other = next(both for both in pairs if both[0].id == error.id)
        raise BadInput(
            f"{one.place} and {other.place}: {error}: code the same text on both sides"
        ) from None


def _the_judge(codings: Sequence[Coded]) -> Judge | None:
    """Raises ``BadInput`` where there are two: they are never pooled."""
    first = judge_of(codings[0])
    for one in codings[1:]:
        if judge_of(one) != first:
            raise BadInput(
                f"{one.place}: is by another judge than {codings[0].place} (model, prompt or "
                "parameters); validate each in a file of its own"
            )
    return first


def _kind(coded: Coded) -> Against:
    coder = coded.coder
    if coder.kind == "human":
        return "assisted" if coder.suggestions else "human"
    return "unknown" if coder.kind == "unknown" else "model"


def _against(others: Sequence[Coded]) -> Against:
    """The least that all of them are: one coding that is not a person's own spoils the check."""
    kinds = {_kind(one) for one in others}
    return next(kind for kind in ("unknown", "model", "assisted", "human") if kind in kinds)
