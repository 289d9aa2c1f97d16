"""The table of kinds: what each is called, expects and is read by."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from mi_arena.jobs.script import BadInput
from training.corpora.names import unknown
from training.corpora.readers import chats, documents, exchanges, labelled_turns
from training.corpora.readers.annomi import read_annomi
from training.corpora.readers.dialogue_lines import dialogue_line
from training.corpora.readers.found import Faulty, Found, Missed, NotThis, slug
from training.corpora.readers.labelled_turns import read_cpsycound
from training.corpora.sources import TAR_ENDS, Entry, Unreadable

JSON = (".json", ".jsonl")


class Convert(Protocol):
    """One value of a file into a dialogue; ``number`` counts the file's values from 1.

    Raises ``NotThis`` or ``Faulty``.
    """

    def __call__(self, value: object, entry: Entry, number: int, source: str) -> Found: ...


Read = Callable[[Entry, str], Iterator[Found | Missed]]


@dataclass(frozen=True)
class Kind:
    """A kind of corpus. ``source`` is what its dialogues name as theirs; None: the path's name."""

    name: str
    source: str | None
    expects: str
    suffixes: tuple[str, ...]
    by_file: Read | None = None
    by_value: Convert | None = None
    """One of the two: a reader of whole files, or of the values of a JSON file."""
    whole: bool = False
    """A JSON list is one dialogue, not a list of them."""

    def source_of(self, path: Path) -> str:
        return self.source or slug(bare_name(path)) or self.name

    def read(self, entry: Entry, source: str) -> Iterator[Found | Missed]:
        """All that a file holds; what can't be read is ``Missed``, not raised."""
        try:
            if self.by_file is not None:
                yield from self.by_file(entry, source)
            elif self.by_value is not None:
                yield from self._values(entry, source, self.by_value)
        except Unreadable as error:
            yield Missed(error.where, error.reason)
        except NotThis as found:
            yield Missed(entry.where, self._other(found))

    def _values(self, entry: Entry, source: str, convert: Convert) -> Iterator[Found | Missed]:
        numbers = count(1)
        for given in documents.values(entry):
            if isinstance(given, Missed):
                yield given
                continue
            place, value = given
            items = value if isinstance(value, list) and not self._is_one(value) else None
            if items == []:
                yield Missed(place, self._other(NotThis(documents.described(value))))
            for index, item in enumerate([value] if items is None else items, 1):
                where = place if items is None else f"{place}, entry {index}"
                try:
                    yield convert(item, entry, next(numbers), source)
                except NotThis as found:
                    yield Missed(where, self._other(found))
                except Faulty as error:
                    yield Missed(where, str(error))

    def _is_one(self, value: list[object]) -> bool:
        """Whether a list is a dialogue itself: of lines or messages, not of dialogues."""
        first = value[0] if value else None
        if self.whole:
            return not isinstance(first, list)
        return isinstance(first, dict) and {"role", "content"} <= first.keys()

    def _other(self, found: NotThis) -> str:
        return f"kind {self.name} expects {self.expects}; this is {found}"


def bare_name(path: Path) -> str:
    """A file's name without its endings, a folder's as it is."""
    name = path.absolute().name
    if path.is_dir():
        return name
    lower = name.lower()
    for end in (*TAR_ENDS, ".zip", ".gz"):
        if lower.endswith(end):
            name = name[: -len(end)]
            break
    return Path(name).stem if Path(name).suffix.lower() in (".json", ".jsonl") else name


def _smilechat(value: object, entry: Entry, number: int, source: str) -> Found:
    """SmileChat as published, or as cleaned into dialogue JSONL."""
    if isinstance(value, dict):
        return dialogue_line(value, source)
    return chats.smilechat(value, entry, number, source)


def _dialogues(value: object, entry: Entry, number: int, source: str) -> Found:
    return dialogue_line(value, None)


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Kind("cpsycound", "CPsyCounD", "lines that begin with 来访者： and 心理咨询师：",
                 (".txt",), by_file=read_cpsycound),
            Kind("cpsycoune", "CPsyCounE", "a JSON list of strings, 求助者：… and 支持者：…",
                 JSON, by_value=labelled_turns.cpsycoune, whole=True),
            Kind("psydt", "PsyDTCorpus",
                 'JSON with {"normalizedTag", "messages": [{"role", "content"}…]}',
                 JSON, by_value=chats.psydt),
            Kind("smilechat", "SmileChat",
                 'a JSON list of {"role": "client"|"counselor", "content"}, '
                 "or dialogue JSONL of source SmileChat",
                 JSON, by_value=_smilechat, whole=True),
            Kind("mdd5k", "MDD-5k", 'JSON with {"conversation": [{"doctor", "patient"}…]}',
                 JSON, by_value=exchanges.mdd5k),
            Kind("emollm", "EmoLLM",
                 'JSON with {"conversation": [{"system", "input", "output"}…]}',
                 JSON, by_value=exchanges.emollm),
            Kind("sharegpt", None, 'JSON with {"conversations": [{"from", "value"}…]}',
                 JSON, by_value=chats.sharegpt),
            Kind("openai", None,
                 'JSON with {"messages": [{"role": "user"|"assistant", "content"}…]}',
                 JSON, by_value=chats.openai),
            Kind("annomi", "AnnoMI",
                 "CSV with the columns transcript_id, utterance_id, interlocutor, utterance_text",
                 (".csv",), by_file=read_annomi),
        )
    }
)  # fmt: skip

DIALOGUES = Kind(
    "dialogues",
    None,
    'dialogue JSONL: {"id", "source", "messages": [{"role": "client"|"counselor", "content"}…]}',
    JSON,
    by_value=_dialogues,
)
"""This project's own format, as ``inspect`` reads it."""


def kind_named(name: str) -> Kind:
    """Raises ``BadInput`` with what was probably meant."""
    if name not in KINDS:
        raise BadInput(unknown("kind", name, KINDS))
    return KINDS[name]
