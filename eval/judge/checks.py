"""Whether what the judge wrote is a coding of these volleys: their own text, spans and rules.

Pure. Every failure has a reason to send back; the coding that passes carries the volleys' own
spelling.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eval.judge.failures import failure
from eval.judge.reply import Written
from mi_arena.llm.attempts import Faulty
from mi_arena.llm.dead_letters import Failure
from mi_arena.miti.check import violations
from mi_arena.miti.coding import Coding, Utterance, Volley
from mi_arena.miti.fitting import DoesNotFit, fitted, span_in
from mi_arena.miti.items import Code, Lang

MOST_REASONS = 20
"""What more is wrong is told after these are mended."""


@dataclass(frozen=True)
class Coded:
    """One utterance, a stretch of its volley."""

    text: str
    code: Code | None
    evidence: str | None
    """The words of the volley that decided the code; ``None`` where there is none."""


def checked(
    written: Sequence[Sequence[Written]],
    volleys: Sequence[str],
    numbers: Sequence[int],
    goal: str,
    lang: Lang,
) -> list[list[Coded]]:
    """The utterances of each volley. Raises ``Faulty``.

    ``written``, ``volleys`` (their texts) and ``numbers`` (in the dialogue, from 1) go together.
    """
    failures: list[Failure] = []
    coded = [
        _coded(one, text, number, lang, failures)
        for one, text, number in zip(written, volleys, numbers, strict=True)
    ]
    if not failures:
        failures = list(_broken_rules(coded, numbers, goal, lang))
    if failures:
        raise Faulty(failures[:MOST_REASONS])
    return coded


def _coded(
    written: Sequence[Written], text: str, number: int, lang: Lang, failures: list[Failure]
) -> list[Coded]:
    try:
        texts = fitted([one.text for one in written], text)
    except DoesNotFit as unfit:
        given = unfit.given.encode("utf-8", "replace").decode("utf-8")
        failures.append(failure("text", lang, volley=number, expected=unfit.expected, given=given))
        return []
    coded = []
    for place, (one, own) in enumerate(zip(written, texts, strict=True), 1):
        if not own and one.code is None:
            continue  # nothing at all
        evidence = span_in(one.evidence, text) if one.code else None
        if one.code and evidence is None:
            failures.append(failure("evidence", lang, volley=number, utterance=place))
        coded.append(Coded(own, one.code, evidence))
    return coded


def _broken_rules(
    coded: Sequence[Sequence[Coded]], numbers: Sequence[int], goal: str, lang: Lang
) -> Iterator[Failure]:
    """What `mi_arena.miti` calls an error; its warnings are for people to look at."""
    coding = Coding(
        change_goal=goal,
        volleys=tuple(
            Volley(utterances=tuple(Utterance(text=one.text, code=one.code) for one in volley))
            for volley in coded
        ),
    )
    for one in violations(coding, lang):
        if one.severity == "error" and one.volley is not None:
            yield failure(
                "rule",
                lang,
                kind=one.rule,
                volley=numbers[one.volley - 1],
                utterance=one.utterance,
                message=one.message,
                fix=one.fix,
            )
