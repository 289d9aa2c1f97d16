"""How a model is asked for a client's next words, and which of its answers are fit to be said.

The prompt stands in its own file with a version (``client_prompt_v1.md``). The talk goes into one
message as a transcript: a model in whose turn it is to answer a counsellor slips into helping.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from eval.simulate.behaviours import Lang, in_language
from eval.simulate.own_words import own_words
from eval.simulate.talk import ClientTurn
from mi_arena.dialogue import Message
from mi_arena.llm.prompt_file import PromptFile, filled, load_prompt_file

FILE = "client_prompt_v1.md"
LONGEST = {"zh": 200, "en": 700}
"""Characters of a turn; the prompt asks for far fewer."""

_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_SPEAKER = {"zh": ("来访者", "咨询师"), "en": ("Client", "Counsellor")}
_OWN_LABEL = re.compile(r"^\s*(?:来访者|client)\s*[：:]\s*", re.IGNORECASE)
_ANY_LABEL = re.compile(r"(?:咨询师|来访者|counsell?or|client)\s*[：:]", re.IGNORECASE)
_NOT_PLAYED = re.compile(
    r"作为.{0,6}(?:AI|人工智能|语言模型|助手)|\bas an? (?:AI|language model|assistant)\b",
    re.IGNORECASE,
)
_QUOTES = {"“": "”", '"': '"', "「": "」"}
_STAGES = {
    "precontemplation": ("没打算改", "not thinking of it"),
    "contemplation": ("在犹豫", "thinking about it"),
    "preparation": ("准备改", "preparing"),
    "action": ("正在改", "under way"),
    "maintenance": ("在保持", "keeping it up"),
    "relapse": ("改过又回去了", "back after having changed"),
}
_SEX = {"f": ("女", "female"), "m": ("男", "male")}
_REASONS = {
    "empty": ("什么也没写。", "There is nothing."),
    "refused": ("没有扮演来访者。", "The client was not played."),
    "cut": ("太长，没写完。", "It is too long and breaks off."),
    "long": ("太长。", "It is too long."),
    "speakers": ("写了别人的话或说话人。", "It has speakers or another's words in it."),
    "language": ("没有用来访者的语言。", "It is not in the client's language."),
    "repeated": ("和前面说过的话一样。", "It repeats what was said before."),
}
Reason = str
"""A key of ``_REASONS``."""


class Unfit(ValueError):
    """An answer that no client would say; ``reason`` tells why."""

    def __init__(self, reason: Reason):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class ClientPrompt:
    """A version of the prompt."""

    file: PromptFile

    def rules(self, lang: Lang) -> str:
        """What is the same for every turn."""
        return self.file.parts[f"{lang}-rules"]

    def task(self, turn: ClientTurn, seed: int) -> str:
        """What is to be said now. It names no system, so that systems that say the same are
        answered the same."""
        of, lang = turn.profile, turn.profile.lang
        at = 0 if lang == "zh" else 1
        joined = "；" if lang == "zh" else " / "
        values = {
            "person": of.person,
            "age": str(of.age),
            "sex": _SEX[of.sex][at],
            "goal": of.goal,
            "stage": _STAGES[of.stage][at],
            "importance": str(of.importance),
            "confidence": str(of.confidence),
            "barriers": joined.join(of.barriers),
            "motives": joined.join(of.motives),
            "resists": of.resists,
            "style": of.style,
            "sentence": own_words(turn, seed),
            "transcript": _transcript(turn.messages, lang),
            "stance": self.file.parts[f"{lang}-{turn.stance}"],
        }
        return filled(self.file.parts[f"{lang}-turn"], **values)

    def again(self, lang: Lang, reason: Reason, attempt: int) -> str:
        """What is said to a model whose answer was unfit; ``attempt`` counts from 2."""
        told = _REASONS[reason][0 if lang == "zh" else 1]
        template = self.file.parts[f"{lang}-again"]
        return filled(template, attempt=str(attempt), reason=told)


def load_client_prompt() -> ClientPrompt:
    return ClientPrompt(load_prompt_file("eval.simulate", FILE))


def fit_words(text: str, turn: ClientTurn, cut: bool = False, refused: bool = False) -> str:
    """What the client says, out of a model's answer. Raises ``Unfit``.

    A thought before it, its own label and quotation marks around it are taken off. ``cut``: it
    ended at the most tokens; ``refused``: the endpoint marked it as a refusal.
    """
    lang = turn.profile.lang
    said = " ".join(_THOUGHTS.sub("", text).split())
    said = _unquoted(_OWN_LABEL.sub("", said))
    if refused or _NOT_PLAYED.search(said):
        raise Unfit("refused")
    if not any(c.isalnum() for c in said):
        raise Unfit("empty")
    if cut:
        raise Unfit("cut")
    if len(said) > LONGEST[lang]:
        raise Unfit("long")
    if _ANY_LABEL.search(said):
        raise Unfit("speakers")
    if not in_language(said, lang):
        raise Unfit("language")
    if any(said == message.content for message in turn.messages):
        raise Unfit("repeated")
    return said


def _unquoted(text: str) -> str:
    closing = _QUOTES.get(text[:1])
    if closing and len(text) > 2 and text.endswith(closing) and closing not in text[1:-1]:
        return text[1:-1].strip()
    return text


def _transcript(messages: Sequence[Message], lang: Lang) -> str:
    client, counsellor = _SPEAKER[lang]
    colon = "：" if lang == "zh" else ": "
    return "\n".join(
        (client if m.role == "client" else counsellor) + colon + " ".join(m.content.split())
        for m in messages
    )
