"""The rules of MITI 4.2.1 as data: what counts inside a volley, and what each rule tells a rater.

Knows codes and numbers, not codings: ``check`` finds where a rule is broken, ``summary`` counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from mi_arena.miti.items import CODES, Code, Lang

RuleId = Literal[
    "change_goal_missing",
    "global_out_of_range",
    "count_out_of_range",
    "repeated_code",
    "simple_with_complex",
    "persuade_with_and_without",
    "coded_blank",
    "many_affirmations",
]
Severity = Literal["error", "warning"]

MOST_COUNT = 100_000
"""More than any session holds: a larger count is a slip of the keyboard."""
AFFIRMATIONS_IN_A_ROW = 3
"""So many volleys running may affirm before a rater is asked to look again (nothing is capped)."""


@dataclass(frozen=True)
class Displacement:
    """Inside one volley ``winner`` counts and ``loser`` does not."""

    winner: Code
    loser: Code
    rule: RuleId


DISPLACEMENTS: tuple[Displacement, ...] = (
    Displacement("CR", "SR", "simple_with_complex"),
    Displacement("PERSUADE_WITH", "PERSUADE", "persuade_with_and_without"),
)
"""With each code at most once a volley, these leave at most eight kinds of the ten."""


@dataclass(frozen=True)
class Rule:
    """What is told when the rule is broken. Templates are filled by name; see ``check``."""

    id: RuleId
    severity: Severity
    message: dict[Lang, str]
    fix: dict[Lang, str]


RULES: dict[RuleId, Rule] = {
    rule.id: rule
    for rule in (
        Rule(
            "change_goal_missing",
            "error",
            {
                "zh": "没有写明改变目标；改变语句与持续语句都要对着它来判断。",
                "en": "No change goal is named; change and sustain talk are judged against it.",
            },
            {
                "zh": "先写明这次谈话想促成的改变，再编码。",
                "en": "Name the change that the talk is about, then code.",
            },
        ),
        Rule(
            "global_out_of_range",
            "error",
            {
                "zh": "{name}评了 {value}；总体评分是 1 到 5 的整数。",
                "en": "{name} is rated {value}; a global is a whole number from 1 to 5.",
            },
            {
                "zh": "从 3 开始，按锚点选 1、2、3、4 或 5。",
                "en": "Start at 3 and choose 1, 2, 3, 4 or 5 by the anchors.",
            },
        ),
        Rule(
            "count_out_of_range",
            "error",
            {
                "zh": "{name}的次数是 {value}；次数是 0 到 {most} 的整数。",
                "en": "{name} is counted {value} times; a count is a whole number, 0 to {most}.",
            },
            {"zh": "写下数到的次数，没有就写 0。", "en": "Give the number counted, 0 for none."},
        ),
        Rule(
            "repeated_code",
            "error",
            {
                "zh": "本轮第 {first} 句已经编了{name}；一轮中同一编码只计一次。",
                "en": "{name} is coded at utterance {first} already; a code counts once a volley.",
            },
            {
                "zh": "把两句合并，或去掉这一句的编码。",
                "en": "Merge the two utterances, or take the code off this one.",
            },
        ),
        Rule(
            "simple_with_complex",
            "error",
            {
                "zh": "本轮第 {first} 句是{winner}；一轮只计一个反映，复杂式优先于简单式。",
                "en": "Utterance {first} is a {winner}; a volley has one reflection, "
                "and complex wins over simple.",
            },
            {
                "zh": "去掉这一句的{loser}编码，或与那一句合并。",
                "en": "Take {loser} off this utterance, or merge it with that one.",
            },
        ),
        Rule(
            "persuade_with_and_without",
            "error",
            {
                "zh": "本轮第 {first} 句是{winner}；一轮只计一种劝说，经许可的优先。",
                "en": "Utterance {first} is {winner}; a volley has one kind of persuading, "
                "and the permitted one wins.",
            },
            {
                "zh": "去掉这一句的{loser}编码；若那一句其实没有征得同意，就改那一句。",
                "en": "Take {loser} off this utterance, or recode that one if leave was not given.",
            },
        ),
        Rule(
            "coded_blank",
            "error",
            {
                "zh": "这一句没有文字，却编了{name}。",
                "en": "There is no text here, yet it is coded {name}.",
            },
            {
                "zh": "去掉编码，或与相邻的一句合并。",
                "en": "Take the code off, or merge it with its neighbour.",
            },
        ),
        Rule(
            "many_affirmations",
            "warning",
            {
                "zh": "已连续 {row} 轮编了{name}；反复的称赞可能只是客套。",
                "en": "{name} is coded {row} volleys running; repeated praise may be courtesy.",
            },
            {
                "zh": "看看这一句是否真的说到了具体的长处或努力；是，就保留。",
                "en": "See whether it names a real strength or effort; if so, keep it.",
            },
        ),
    )
}


def volley_codes(codes: Iterable[Code | None]) -> tuple[Code, ...]:
    """What one volley adds to the counts: each code once, displaced ones left out.

    ``codes`` are those of its utterances in any order, ``None`` where there is none. The answer
    is in the order of ``CODES`` and has at most eight.
    """
    return _counted(frozenset(codes))


@cache
def _counted(present: frozenset[Code | None]) -> tuple[Code, ...]:
    displaced = {rule.loser for rule in DISPLACEMENTS if rule.winner in present}
    return tuple(code for code in CODES if code in present and code not in displaced)


def valid_global(value: float) -> bool:
    """Whether it is one of 1, 2, 3, 4, 5 (``4.0`` is)."""
    return value in (1, 2, 3, 4, 5)


def valid_count(value: float) -> bool:
    """Whether it is a whole number from 0 to ``MOST_COUNT`` (``4.0`` is)."""
    return 0 <= value <= MOST_COUNT and value == int(value)
