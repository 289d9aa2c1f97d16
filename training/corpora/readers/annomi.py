"""AnnoMI: a row an utterance and annotator, in English. One dialogue a transcript.

Where several annotators coded a transcript, each utterance stands once and carries their codes:
``codes[annotator][column]``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from mi_arena.dialogue import Message, Role
from training.corpora.readers import documents
from training.corpora.readers.found import Faulty, Found, Missed, NotThis, dialogue, message
from training.corpora.sources import Entry

NEEDED = ("transcript_id", "utterance_id", "interlocutor", "utterance_text")
OF_TRANSCRIPT = ("topic", "mi_quality", "video_title", "video_url")
SPEAKERS: Mapping[str, Role] = {"therapist": "counselor", "client": "client"}


def read_annomi(entry: Entry, source: str) -> Iterator[Found | Missed]:
    """Raises ``NotThis`` where the columns are others."""
    content = documents.text(entry)
    rows = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    transcripts: dict[str, list[dict[str, str]]] = {}
    missed: list[Missed] = []
    try:
        if not set(NEEDED) <= set(rows.fieldnames or ()):
            raise NotThis(documents.described_text(content))
        for row in rows:
            if None in row or None in row.values() or row["interlocutor"] not in SPEAKERS:
                reason = "is half a row, or one whose interlocutor is neither therapist nor client"
                missed.append(Missed(f"{entry.where}:{rows.line_num}", reason))
            else:
                transcripts.setdefault(row["transcript_id"], []).append(row)
    except csv.Error as error:
        missed.append(Missed(f"{entry.where}:{rows.line_num}", f"is no CSV row ({error})"))
    yield from missed
    for number, lines in transcripts.items():
        try:
            yield Found(_transcript(number, lines, source))
        except Faulty as error:
            yield Missed(f"{entry.where}, transcript {number}", str(error))


def _transcript(number: str, rows: list[dict[str, str]], source: str) -> Any:
    first: dict[str, dict[str, str]] = {}
    codes: dict[str, dict[str, dict[str, str]]] = {}
    for row in rows:
        said = first.setdefault(row["utterance_id"], row)
        if any(said[key] != row[key] for key in ("interlocutor", "utterance_text")):
            raise Faulty(f"utterance {row['utterance_id']} reads differently in two rows")
        codes.setdefault(row["utterance_id"], {})[row.get("annotator_id", "")] = {
            key: code
            for key, code in row.items()
            if key not in (*NEEDED, *OF_TRANSCRIPT, "timestamp", "annotator_id")
        }
    messages: list[Message] = []
    for utterance, row in first.items():
        extra = {"utterance_id": utterance, "codes": codes[utterance]}
        if "timestamp" in row:
            extra["timestamp"] = row["timestamp"]
        said_by = SPEAKERS[row["interlocutor"]]
        messages.append(message(said_by, row["utterance_text"].strip(), len(messages) + 1, extra))
    meta: dict[str, Any] = {key: rows[0][key].strip() for key in OF_TRANSCRIPT if key in rows[0]}
    meta["annotators"] = sorted({row.get("annotator_id", "") for row in rows})
    return dialogue(f"annomi-{number}", source, messages, meta, lang="en")
