"""What can be wrong with the judge's answer, in the words that go back to it."""

from __future__ import annotations

from collections.abc import Mapping

from mi_arena.llm.dead_letters import Failure
from mi_arena.miti.items import Lang

_REASONS: Mapping[str, Mapping[Lang, str]] = {
    "empty": {"zh": "回答是空的。", "en": "The answer is empty."},
    "no_json": {
        "zh": "回答里没有 JSON 对象。",
        "en": "There is no JSON object in the answer.",
    },
    "cut": {
        "zh": "JSON 没有写完就断了。理由和依据写短些，输出完整的 JSON。",
        "en": "The JSON just ends. Keep reasons and evidence short, and output all of it.",
    },
    "broken": {
        "zh": "JSON 写法有误，或缺少 {key}。",
        "en": "The JSON is not well formed, or lacks {key}.",
    },
    "refusal": {
        "zh": "回答是拒绝，而不是编码。",
        "en": "The answer is a refusal, not a coding.",
    },
    "goal": {
        "zh": "change_goal 应为一句不为空的话。",
        "en": "change_goal must be a sentence, and not an empty one.",
    },
    "global": {
        "zh": "globals.{key} 应为含 reason 和 score 的对象，score 是 1 到 5 的整数。",
        "en": "globals.{key} must be an object with reason and score, a whole number from 1 to 5.",
    },
    "reason": {
        "zh": "globals.{key}.reason 应为一句不为空的话。",
        "en": "globals.{key}.reason must be a sentence, and not an empty one.",
    },
    "volleys": {
        "zh": "volleys 应正好是第 {wanted} 轮，每轮一次；现在是第 {given} 轮。",
        "en": "volleys must be exactly {wanted}, each once; they are {given}.",
    },
    "utterances": {
        "zh": "第 {volley} 轮的 utterances 应为不为空的列表，每项含 text、code、evidence。",
        "en": "Volley {volley}: utterances must be a list, not an empty one, of objects with text, "
        "code and evidence.",
    },
    "text": {
        "zh": "第 {volley} 轮各句段连起来与原文不是逐字相同：原文接下来是“{expected}”，"
        "你写的是“{given}”。",
        "en": "Volley {volley}: the utterances joined are not the volley's text: it goes on with "
        '"{expected}", you wrote "{given}".',
    },
    "code": {
        "zh": "第 {volley} 轮第 {utterance} 句：没有这样的编码，只能用 {known}。",
        "en": "Volley {volley}, utterance {utterance}: there is no such code; use {known}.",
    },
    "evidence": {
        "zh": "第 {volley} 轮第 {utterance} 句：evidence 应为这一轮原文中连续的一段，逐字相同。",
        "en": "Volley {volley}, utterance {utterance}: evidence must be an unbroken stretch of the "
        "volley's own text, character for character.",
    },
    "rule": {
        "zh": "第 {volley} 轮第 {utterance} 句：{message}{fix}",
        "en": "Volley {volley}, utterance {utterance}: {message} {fix}",
    },
}


def failure(name: str, lang: Lang, kind: str | None = None, **facts: object) -> Failure:
    """``kind``: its name in tables and logs, where that says more than ``name``."""
    return Failure(kind or name, _REASONS[name][lang].format(**facts))
