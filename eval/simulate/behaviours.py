"""What a counsellor did in one reply, by the word patterns of one table (``behaviours.yaml``).

Text in, names of behaviours out. What they do to a client stands in `client_state`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict

Behaviour = Literal[
    "reflection",
    "open_question",
    "closed_question",
    "affirmation",
    "autonomy",
    "permission",
    "permitted_advice",
    "advice",
    "confrontation",
    "lecture",
    "repetition",
    "unreadable",
    "silence",
]
BEHAVIOURS: tuple[Behaviour, ...] = get_args(Behaviour)
Lang = Literal["zh", "en"]

LONGEST = {"zh": 180, "en": 110}
"""Characters, in English words, from which on a reply is a lecture."""
MOST_ADVICE = 3
"""Sentences of advice that make a lecture."""
MOST_ITEMS = 3
"""Items of a list that make a lecture."""
ALIKE = 0.9
"""Share of common text from which on a reply says an earlier one again (difflib's ratio)."""
SHORTEST_REPEATED = 6
"""Characters; a second “嗯。” is no repetition."""
IN_COMMON = 2
"""Pairs of characters, in English words, that a statement shares with the client's turn when it
takes it up."""

_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_LATIN = re.compile(r"[A-Za-z]")
_SENTENCE = {
    "zh": re.compile(r"[^。！？!?；;\n…]+[。！？!?；;…]*[”’\"」』）)]*"),
    "en": re.compile(r"[^.!?;\n]+[.!?;]*[\"”’)]*"),
}
_ITEM = re.compile(
    r"^\s*(?:\d{1,2}[.、)）]|[-*•·]|[一二三四五六七八九十][、.]|第[一二三四五六]|（\d+）)", re.M
)


class Patterns(BaseModel):
    """The patterns of one behaviour, or of what is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    behaviour: Behaviour | None
    patterns: list[str]


class Words(BaseModel):
    """The table of one language, as it is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: dict[str, str]
    asks: str
    opening: list[str]
    invites: list[str]
    about_client: list[str]
    asks_for_advice: list[str]
    """Of the client."""
    connectives: list[str]
    """Which count as items of a list."""
    common: str
    """Words that two texts share without being about the same thing, separated by blanks."""
    asking: list[Patterns]
    telling: list[Patterns]


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: str
    zh: Words
    en: Words


@dataclass(frozen=True)
class Compiled:
    """The table of one language, as it is searched with."""

    asks: re.Pattern[str]
    opening: re.Pattern[str]
    invites: re.Pattern[str]
    about_client: re.Pattern[str]
    asks_for_advice: re.Pattern[str]
    connectives: re.Pattern[str]
    common: frozenset[str]
    asking: list[tuple[Behaviour | None, re.Pattern[str]]]
    telling: list[tuple[Behaviour | None, re.Pattern[str]]]


@cache
def table() -> Table:
    text = files("eval.simulate").joinpath("behaviours.yaml").read_text(encoding="utf-8")
    return Table.model_validate(yaml.safe_load(text))


@cache
def _compiled(lang: Lang) -> Compiled:
    words: Words = getattr(table(), lang)

    def build(*patterns: str) -> re.Pattern[str]:
        whole = "|".join(f"(?:{pattern})" for pattern in patterns)
        # Parts may hold parts.
        for _ in range(2):
            for name, part in words.parts.items():
                whole = whole.replace("{" + name + "}", f"(?:{part})")
        return re.compile(whole, re.VERBOSE | re.IGNORECASE)

    return Compiled(
        asks=build(words.asks),
        opening=build(*words.opening),
        invites=build(*words.invites),
        about_client=build(*words.about_client),
        asks_for_advice=build(*words.asks_for_advice),
        connectives=build(*words.connectives),
        common=frozenset(words.common.split()),
        asking=[(one.behaviour, build(*one.patterns)) for one in words.asking],
        telling=[(one.behaviour, build(*one.patterns)) for one in words.telling],
    )


def behaviours(
    reply: str, client_turn: str, earlier: Sequence[str] = (), lang: Lang = "zh"
) -> frozenset[Behaviour]:
    """What the counsellor did in ``reply`` to ``client_turn``, each behaviour at most once.

    ``earlier``: the counsellor's replies before, the last one last. Advice is permitted when the
    client asked for it, or when leave was asked for in the reply before or in this one. A reply
    that says nothing, can't be read or says an earlier one again is only that.
    """
    text = reply.strip()
    if not _readable(text):
        return frozenset({"silence"})
    if not in_language(text, lang) or _in_circles(text):
        return frozenset({"unreadable"})
    if any(_same(text, before) for before in earlier):
        return frozenset({"repetition"})
    found: list[Behaviour] = [
        one for s in _sentences(text, lang) for one in _of(s, client_turn, lang)
    ]
    done = set(found)
    if "advice" in done and _permitted(found, client_turn, earlier, lang):
        done.remove("advice")
        done.add("permitted_advice")
    if _is_lecture(text, found, lang):
        done.add("lecture")
    if "open_question" in done:
        done.discard("closed_question")
    return frozenset(done)


def _of(sentence: str, client_turn: str, lang: Lang) -> Iterator[Behaviour]:
    """The one behaviour of a sentence, or none."""
    words = _compiled(lang)
    asking = words.asks.search(sentence) is not None
    for behaviour, pattern in words.asking if asking else words.telling:
        if pattern.search(sentence):
            if behaviour is not None:
                yield behaviour
            return
    if asking:
        yield "open_question" if words.opening.search(sentence) else "closed_question"
    elif words.invites.search(sentence):
        yield "open_question"
    elif words.about_client.search(sentence) or _takes_up(sentence, client_turn, lang):
        yield "reflection"


def _permitted(
    found: Sequence[Behaviour], client_turn: str, earlier: Sequence[str], lang: Lang
) -> bool:
    if "permission" in found or "autonomy" in found:
        return True
    before = earlier[-1] if earlier else ""
    asked = any("permission" in _of(s, "", lang) for s in _sentences(before, lang))
    return asked or _compiled(lang).asks_for_advice.search(client_turn) is not None


def _is_lecture(text: str, found: Sequence[Behaviour], lang: Lang) -> bool:
    length = len(text) if lang == "zh" else len(text.split())
    connectives = {found[0].lower() for found in _compiled(lang).connectives.finditer(text)}
    items = max(len(_ITEM.findall(text)), len(connectives))
    return length > LONGEST[lang] or items >= MOST_ITEMS or found.count("advice") >= MOST_ADVICE


def _sentences(text: str, lang: Lang) -> list[str]:
    return [found.strip() for found in _SENTENCE[lang].findall(text) if _readable(found)]


def _readable(text: str) -> bool:
    return any(c.isalnum() for c in text)


def in_language(text: str, lang: Lang) -> bool:
    """Most of its letters are of the client's script."""
    han, latin = len(_HAN.findall(text)), len(_LATIN.findall(text))
    # A Latin word is about as much as two Han characters.
    latin = latin // 3
    return han >= latin if lang == "zh" else latin >= han


def _in_circles(text: str) -> bool:
    """One stretch of text over and over, as a model that has lost itself writes."""
    pairs = [text[i : i + 4] for i in range(len(text) - 3)]
    return len(pairs) > 40 and len(set(pairs)) < 0.4 * len(pairs)


def _same(reply: str, before: str) -> bool:
    before = before.strip()
    if min(len(reply), len(before)) < SHORTEST_REPEATED:
        return False
    matcher = SequenceMatcher(None, reply, before, autojunk=False)
    # The quick ratios are upper bounds: most replies are told apart by them.
    return (
        matcher.real_quick_ratio() >= ALIKE
        and matcher.quick_ratio() >= ALIKE
        and matcher.ratio() >= ALIKE
    )


def _takes_up(sentence: str, client_turn: str, lang: Lang) -> bool:
    return len(_pieces(sentence, lang) & _pieces(client_turn, lang)) >= IN_COMMON


def _pieces(text: str, lang: Lang) -> frozenset[str]:
    """Pairs of Han characters, or words that say something."""
    if lang == "en":
        return frozenset(re.findall(r"[a-z']+", text.lower())) - _compiled(lang).common
    runs = re.findall(r"[\u3400-\u9fff]+", text)
    return frozenset(run[i : i + 2] for run in runs for i in range(len(run) - 1))
