"""What answers in an evaluation, and what each system is told before the dialogue begins.

``base_prompted`` gets a prompt of ours (``mi_prompt_v1.md``) in the place of the pair's own. It
goes where the chat format puts a system message: every format of ``chat_formats`` has such a place,
Baichuan2's being the plain text before the first turn. The embedded demo pair has the place too,
but was never trained with anything in it.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

from eval.respond.rounds import Round
from mi_arena.dialogue import Message
from mi_arena.jobs.script import BadInput
from mi_arena.llm.prompt_file import PromptFile, load_prompt_file

FILE = "mi_prompt_v1.md"
OF_A_PAIR = ("base", "base_prompted", "tuned")
REMOTE = "remote:"

_PART = re.compile(r"^<!-- part: ([a-z]+) -->$", re.MULTILINE)
_VERSION = re.compile(r"\A<!-- version: (\S+) -->")


@dataclass(frozen=True)
class System:
    """One that answers, by the name that its predictions carry."""

    name: str

    @property
    def tuned(self) -> bool:
        return self.name == "tuned"

    @property
    def prompted(self) -> bool:
        return self.name == "base_prompted"

    @property
    def remote_model(self) -> str | None:
        """The model's name on a server that has nothing to do with the pair."""
        return self.name.removeprefix(REMOTE) if self.name.startswith(REMOTE) else None


def load_mi_prompt() -> PromptFile:
    """By language: ``zh`` for a dialogue in Chinese, ``en`` for any other."""
    return load_prompt_file("eval.respond", FILE)


@dataclass(frozen=True)
class Prompts:
    """What the systems are told: the pair's own prompt, if it has one, or the MI prompt."""

    own: str | None
    mi: PromptFile

    def messages(self, system: System, asked: Round) -> list[Message]:
        """All that a system is given in a round."""
        told = self.mi.parts[_language(asked.lang)] if system.prompted else self.own
        head = [Message(role="system", content=told)] if told else []
        return [*head, *asked.history]


def _language(lang: str) -> str:
    return "zh" if lang.lower().startswith("zh") else "en"


def parse_systems(text: str) -> list[System]:
    """Names separated by commas. Raises ``BadInput`` for one that is unknown or stands twice."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise BadInput(f"--systems: name one of {', '.join(OF_A_PAIR)}, {REMOTE}NAME, or several")
    for name in names:
        if name not in OF_A_PAIR and not re.fullmatch(rf"{REMOTE}\S+", name):
            raise BadInput(
                f"--systems: no system {name!a}; known: {', '.join(OF_A_PAIR)}, {REMOTE}NAME"
            )
        if names.count(name) > 1:
            raise BadInput(f"--systems: {name} stands twice")
    return [System(name) for name in names]


def reply_seed(seed: int, asked: Round, system: System) -> int:
    """A seed of each reply's own, 0 to 2**63 - 1, whatever else is answered beside it."""
    facts = json.dumps([seed, asked.dialogue_id, asked.number, system.name])
    return int.from_bytes(hashlib.sha256(facts.encode()).digest()[:8], "big") >> 1
