"""The judge's answer as it was written, or why it can't be read; if it is right, `checks` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from eval.judge.failures import failure
from eval.judge.prompt import UNCODED
from mi_arena.llm.answers import Answer
from mi_arena.llm.attempts import Faulty
from mi_arena.llm.dead_letters import Failure
from mi_arena.llm.json_reply import NoJson, json_in
from mi_arena.miti.editing import LONGEST_GOAL
from mi_arena.miti.items import CODES, GLOBALS, Code, GlobalKey, Lang


@dataclass(frozen=True)
class Rated:
    """The change goal, and the four globals with a reason each."""

    goal: str
    globals: dict[GlobalKey, int]
    reasons: dict[GlobalKey, str]


@dataclass(frozen=True)
class Written:
    """One utterance as the judge wrote it."""

    text: str
    code: Code | None
    evidence: str


def rated_in(answer: Answer, lang: Lang) -> Rated:
    """Raises ``Faulty``."""
    found = _object_in(answer, "globals", lang)
    failures: list[Failure] = []
    goal = one_line(found.get("change_goal"))[:LONGEST_GOAL]
    if not goal:
        failures.append(failure("goal", lang))
    given = found["globals"] if isinstance(found["globals"], dict) else {}
    scores: dict[GlobalKey, int] = {}
    reasons: dict[GlobalKey, str] = {}
    for key in GLOBALS:
        part = given[key] if isinstance(given.get(key), dict) else {}
        score = _score(part.get("score"))
        if score is None:
            failures.append(failure("global", lang, key=key))
        elif not (reason := one_line(part.get("reason"))):
            failures.append(failure("reason", lang, key=key))
        else:
            scores[key], reasons[key] = score, reason
    if failures:
        raise Faulty(failures)
    return Rated(goal, scores, reasons)


def written_in(answer: Answer, numbers: list[int], lang: Lang) -> list[list[Written]]:
    """The utterances of the volleys with these numbers, in their order. Raises ``Faulty``."""
    found = _object_in(answer, "volleys", lang)
    listed = found["volleys"] if isinstance(found["volleys"], list) else []
    by_number = {_number(one.get("volley")): one for one in listed if isinstance(one, dict)}
    if len(listed) != len(numbers) or set(by_number) != set(numbers):
        separator = "、" if lang == "zh" else ", "
        given = [_number(one.get("volley")) if isinstance(one, dict) else None for one in listed]
        raise Faulty(
            [
                failure(
                    "volleys",
                    lang,
                    wanted=separator.join(map(str, numbers)),
                    given=separator.join("?" if one is None else str(one) for one in given) or "-",
                )
            ]
        )
    failures: list[Failure] = []
    written = [_utterances(by_number[one], one, lang, failures) for one in numbers]
    if failures:
        raise Faulty(failures)
    return written


def one_line(value: object) -> str:
    """A text without line ends and without halves of characters, which JSON can spell."""
    if not isinstance(value, str):
        return ""
    return " ".join(value.encode("utf-8", "replace").decode("utf-8").split())


def _object_in(answer: Answer, key: str, lang: Lang) -> dict[str, Any]:
    if answer.refused or answer.finish == "content_filter":
        raise Faulty([failure("refusal", lang)])
    try:
        found = json_in(answer.text, having=key)
    except NoJson as missing:
        kind = "cut" if answer.finish == "length" else missing.kind
        raise Faulty([failure(kind, lang, key=key)]) from None
    if isinstance(found, list):
        # The list alone, without the object around it, says as much.
        return {key: found}
    return cast(dict[str, Any], found)


def _utterances(
    volley: dict[str, Any], number: int, lang: Lang, failures: list[Failure]
) -> list[Written]:
    listed = volley.get("utterances")
    sound = isinstance(listed, list) and all(
        isinstance(one, dict) and isinstance(one.get("text"), str) for one in listed
    )
    if not listed or not sound:
        failures.append(failure("utterances", lang, volley=number))
        return []
    written = []
    for place, one in enumerate(listed, 1):
        code = _code(one.get("code"))
        if code is None:
            known = ", ".join((*CODES, UNCODED))
            failures.append(failure("code", lang, volley=number, utterance=place, known=known))
        evidence = one.get("evidence")
        said = evidence if isinstance(evidence, str) else ""
        written.append(Written(one["text"], None if code == UNCODED else cast(Code, code), said))
    return written


def _code(given: object) -> str | None:
    """The code as it is spelt here; ``UNCODED`` for none, ``None`` for what is no code."""
    if given is None or given == "":
        return UNCODED
    name = given.strip().upper() if isinstance(given, str) else ""
    return name if name in (*CODES, UNCODED) else None


def _score(value: object) -> int | None:
    number = _number(value)
    return number if number in (1, 2, 3, 4, 5) else None


def _number(value: object) -> int | None:
    """A whole number, also where it is spelt as a text or as 3.0."""
    if isinstance(value, str) and value.strip().isdecimal() and len(value.strip()) < 6:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
