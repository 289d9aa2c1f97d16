"""Every rule that a coding breaks: where, why, and how to mend it.

Missing globals and counts break no rule: a form may be filled in part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mi_arena.miti.coding import Coding, Volley
from mi_arena.miti.items import CODES, GLOBALS, Code, GlobalKey, Lang, items
from mi_arena.miti.rules import (
    AFFIRMATIONS_IN_A_ROW,
    DISPLACEMENTS,
    MOST_COUNT,
    RULES,
    RuleId,
    Severity,
    valid_count,
    valid_global,
    volley_codes,
)


@dataclass(frozen=True)
class Violation:
    """One broken rule. Positions count from 1; ``None`` where it concerns the whole form."""

    volley: int | None
    utterance: int | None
    rule: RuleId
    message: str
    fix: str
    severity: Severity


def violations(coding: Coding, lang: Lang = "en") -> list[Violation]:
    """Of the whole form first, then volley by volley in the order of utterances."""
    found = list(_of_the_form(coding, lang))
    affirming = 0
    for number, volley in enumerate(coding.volleys or (), 1):
        codes = [utterance.code for utterance in volley.utterances]
        affirming = affirming + 1 if "AF" in codes else 0
        if affirming > AFFIRMATIONS_IN_A_ROW or not _plainly_clean(volley, codes):
            found += _of_a_volley(volley, codes, number, affirming, lang)
    return found


def _of_the_form(coding: Coding, lang: Lang) -> Iterator[Violation]:
    if not (coding.change_goal or "").strip():
        yield _violation("change_goal_missing", lang)
    for key in GLOBALS:
        value = coding.globals.get(key)
        if value is not None and not valid_global(value):
            name = _name(key, lang)
            yield _violation("global_out_of_range", lang, name=name, value=_number(value))
    for code in CODES:
        value = (coding.counts or {}).get(code)
        if value is not None and not valid_count(value):
            yield _violation(
                "count_out_of_range",
                lang,
                name=_name(code, lang),
                value=_number(value),
                most=MOST_COUNT,
            )


def _plainly_clean(volley: Volley, codes: list[Code | None]) -> bool:
    """Nearly every volley is, and this is far cheaper than looking for what is wrong."""
    if len(volley_codes(codes)) < len(codes) - codes.count(None):
        return False
    return all([one.code is None or one.text.strip() for one in volley.utterances])


def _of_a_volley(
    volley: Volley, codes: list[Code | None], number: int, affirming: int, lang: Lang
) -> Iterator[Violation]:
    for place, utterance in enumerate(volley.utterances, 1):
        code = utterance.code
        if code is None:
            continue
        name = _name(code, lang)
        first = codes.index(code) + 1
        if first < place:
            yield _violation("repeated_code", lang, number, place, name=name, first=first)
        for one in DISPLACEMENTS:
            if code == one.loser and one.winner in codes:
                yield _violation(
                    one.rule,
                    lang,
                    number,
                    place,
                    first=codes.index(one.winner) + 1,
                    winner=_name(one.winner, lang),
                    loser=name,
                )
        if not utterance.text.strip():
            yield _violation("coded_blank", lang, number, place, name=name)
        if code == "AF" and first == place and affirming > AFFIRMATIONS_IN_A_ROW:
            yield _violation("many_affirmations", lang, number, place, name=name, row=affirming)


def _violation(
    id_: RuleId,
    lang: Lang,
    volley: int | None = None,
    utterance: int | None = None,
    **facts: str | int,
) -> Violation:
    rule = RULES[id_]
    return Violation(
        volley,
        utterance,
        id_,
        rule.message[lang].format(**facts),
        rule.fix[lang].format(**facts),
        rule.severity,
    )


def _name(item: GlobalKey | Code, lang: Lang) -> str:
    return items().name(item).of(lang)


def _number(value: float) -> str:
    text = str(value)
    return text if len(text) <= 20 else text[:19] + "…"
