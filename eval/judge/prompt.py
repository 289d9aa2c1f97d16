"""What the judge is asked: our prompts, a file for each language and version, filled with the
form's items (`mi_arena/miti/items.yaml`).

A dialogue takes a question for change goal and globals, and one for the codes of each batch of
volleys. Every question shows the whole dialogue and nothing else of it: no id, system or topic.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args

from mi_arena.dialogue import Dialogue, turns
from mi_arena.llm.prompt_file import filled, load_prompt_file
from mi_arena.llm.question import Question, Said
from mi_arena.llm.tokens import tokens_of
from mi_arena.miti.items import CODES, GLOBALS, CodeItem, GlobalItem, Lang, items

FILES: Mapping[Lang, str] = {"zh": "prompt_zh_v1.md", "en": "prompt_en_v1.md"}
UNCODED = "NONE"
"""What an utterance without a code carries in the answer."""
VOLLEYS_AT_ONCE = 12
TOKENS_AT_ONCE = 1_000
"""Of counsellor text in one question for codes: an answer says it all again, and must end before
the longest answer does."""
LONGEST_TO_SEND_BACK = 8_000
"""Characters of a failed answer that go back to the model with the reasons."""
TOKENS_OF_GLOBALS = 400
"""How long an answer with goal and globals is taken to be, for estimates."""
TOKENS_OF_A_VOLLEY = 80
"""What JSON, codes and evidence take around a volley, for estimates."""
_COLON: Mapping[Lang, str] = {"zh": "：", "en": ": "}
_EXAMPLE: Mapping[Lang, str] = {"zh": "例：", "en": "Example: "}
_EMPTY: Mapping[Lang, str] = {"zh": "（空）", "en": "(empty)"}


@dataclass(frozen=True)
class Material:
    """A dialogue as the judge sees it."""

    lines: str
    """One JSON object a turn."""
    volleys: tuple[str, ...]
    """All that the counsellor says, turn by turn."""

    def batches(self) -> Iterator[list[int]]:
        """Positions of the volleys that are asked about together, from 0; blank ones never are."""
        batch: list[int] = []
        size = 0
        for place, text in enumerate(self.volleys):
            if not text.strip():
                continue
            tokens = tokens_of(text)
            if batch and (len(batch) == VOLLEYS_AT_ONCE or size + tokens > TOKENS_AT_ONCE):
                yield batch
                batch, size = [], 0
            batch.append(place)
            size += tokens
        if batch:
            yield batch


def material(dialogue: Dialogue) -> Material:
    """Turns of client and counsellor, volleys numbered; a system prompt would tell the system."""
    lines, volleys = [], []
    for role, text in turns(m for m in dialogue.messages if m.role != "system"):
        said: dict[str, Any] = {"role": role}
        if role == "counselor":
            volleys.append(text)
            said["volley"] = len(volleys)
        lines.append(json.dumps(said | {"text": text}, ensure_ascii=False))
    return Material("\n".join(lines), tuple(volleys))


@dataclass(frozen=True)
class Prompt:
    """A version of the prompt in one language, with the items filled in.

    ``sha256`` is that of all its parts, so that it changes with the items' wording too.
    """

    lang: Lang
    version: str
    sha256: str
    parts: Mapping[str, str]

    def of_globals(self, given: Material) -> Question:
        """Asks for the change goal and the four globals."""
        return Question(
            messages=(
                Said("system", self.parts["globals"]),
                Said("user", filled(self.parts["globals-task"], dialogue=given.lines)),
            ),
            schema=_GLOBALS_SCHEMA,
            schema_name="miti_globals",
            expected_tokens=TOKENS_OF_GLOBALS,
        )

    def of_codes(self, given: Material, goal: str, places: Sequence[int]) -> Question:
        """Asks for the utterances and codes of the volleys at ``places`` (from 0)."""
        task = filled(
            self.parts["codes-task"],
            dialogue=given.lines,
            goal=goal,
            volleys=("、" if self.lang == "zh" else ", ").join(str(one + 1) for one in places),
        )
        size = sum(tokens_of(given.volleys[one]) for one in places)
        return Question(
            messages=(Said("system", self.parts["codes"]), Said("user", task)),
            schema=_CODES_SCHEMA,
            schema_name="miti_codes",
            expected_tokens=2 * size + TOKENS_OF_A_VOLLEY * len(places),
        )

    def again(self, first: Question, answer: str, reasons: Sequence[str], attempt: int) -> Question:
        """The request after a failed one: the last answer alone goes along, and why it failed.

        ``attempt`` (from 2) stands in the text and so makes each attempt a request of its own.
        """
        told = filled(
            self.parts["again"],
            attempt=str(attempt - 1),
            reasons="\n".join(f"- {reason}" for reason in reasons),
        )
        return Question(
            messages=(
                *first.messages,
                Said("assistant", answer[:LONGEST_TO_SEND_BACK] or _EMPTY[self.lang]),
                Said("user", told),
            ),
            schema=first.schema,
            schema_name=first.schema_name,
            expected_tokens=first.expected_tokens,
        )


@cache
def load_prompt(lang: Lang) -> Prompt:
    file = load_prompt_file("eval.judge", FILES[lang])
    form = items()
    parts = dict(file.parts)
    parts["globals"] = filled(
        parts["globals"], globals="\n\n".join(_global(item, lang) for item in form.globals)
    )
    parts["codes"] = filled(
        parts["codes"], codes="\n".join(_code(item, lang) for item in form.codes)
    )
    whole = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    return Prompt(lang, file.version, hashlib.sha256(whole.encode()).hexdigest(), parts)


def prompt_lang(dialogue_lang: str) -> Lang | None:
    """The language in which a dialogue's own is asked about (``zh-CN`` in ``zh``); ``None`` where
    there is no prompt."""
    begin = dialogue_lang.replace("_", "-").split("-")[0].lower()
    return next((lang for lang in get_args(Lang) if lang == begin), None)


def _global(item: GlobalItem, lang: Lang) -> str:
    anchors = "\n".join(
        f"  {score}{_COLON[lang]}{anchor.of(lang)}" for score, anchor in enumerate(item.anchors, 1)
    )
    return f"{item.key} {item.name.of(lang)}{_COLON[lang]}{item.hint.of(lang).strip()}\n{anchors}"


def _code(item: CodeItem, lang: Lang) -> str:
    return (
        f"- {item.code} {item.name.of(lang)}{_COLON[lang]}{item.definition.of(lang)} "
        f"{_EXAMPLE[lang]}{item.example.of(lang)}"
    )


def _strict(properties: dict[str, Any]) -> dict[str, Any]:
    """An object as structured output wants it."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_GLOBALS_SCHEMA = _strict(
    {
        "change_goal": {"type": "string"},
        "globals": _strict(
            {
                key: _strict(
                    {
                        "reason": {"type": "string"},
                        "score": {"type": "integer", "enum": [1, 2, 3, 4, 5]},
                    }
                )
                for key in GLOBALS
            }
        ),
    }
)
_CODES_SCHEMA = _strict(
    {
        "volleys": {
            "type": "array",
            "items": _strict(
                {
                    "volley": {"type": "integer"},
                    "utterances": {
                        "type": "array",
                        "items": _strict(
                            {
                                "text": {"type": "string"},
                                "code": {"type": "string", "enum": [*CODES, UNCODED]},
                                "evidence": {"type": "string"},
                            }
                        ),
                    },
                }
            ),
        }
    }
)
