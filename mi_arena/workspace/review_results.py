"""What experts answered, as files in the run's folder that the next step reads.

Of a rating ``people.jsonl``, which ``training.rate --human`` takes; of rewritings ``reviews.jsonl``
(every answer), ``reviewed.jsonl`` (the dialogues that may be trained on) and
``review_report.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mi_arena.dialogue import Dialogue
from mi_arena.jobs.inputs import RATINGS_NAME
from mi_arena.jobs.run_directory import write_atomically
from mi_arena.records.review_events import ReviewItem, ReviewTask, ReviewVerdict
from mi_arena.study.statistics import wilson
from mi_arena.workspace.ledger import Books, Reviewed, ReviewSet
from mi_arena.workspace.review_forms import VERDICTS, changed_turns

PEOPLE, REVIEWS = RATINGS_NAME, "reviews.jsonl"
REVIEWED, REPORT = "reviewed.jsonl", "review_report.json"
UNKNOWN = "unknown"
"""The prompt version of a rewriting that does not tell its own."""
HOW = (
    "A dialogue is rejected where at least half of its experts rejected it; else edited where one "
    "edited it, and the last edit counts; else accepted. Of each expert the last answer counts. "
    "Dialogues nobody answered are in no number."
)


@dataclass(frozen=True)
class Item:
    """An item that was answered, with the last answer of each expert, in the order given."""

    set: ReviewSet
    item: ReviewItem
    answers: tuple[Reviewed, ...]

    @property
    def verdict(self) -> ReviewVerdict:
        verdicts = [one.told.verdict for one in self.answers]
        if 2 * verdicts.count("rejected") >= len(verdicts):
            return "rejected"
        return "edited" if "edited" in verdicts else "accepted"

    @property
    def prompt_version(self) -> str:
        provenance = self.item.rewriting.meta.get("provenance") if self.item.rewriting else None
        version = provenance.get("prompt_version") if isinstance(provenance, dict) else None
        return str(version or UNKNOWN)


def answered(books: Books, run: str) -> list[Item]:
    """The items of a run that have an answer.

    What was sent in several sets is one item, unless the run has changed it meanwhile: then the
    latest set counts in which it was answered.
    """
    found: dict[str, Item] = {}
    for one in books.review_sets.values():
        if one.told.run != run:
            continue
        for item in one.items.values():
            last = {r: given[-1] for r, given in books.reviews.get(item.item, {}).items()}
            before = found.get(item.name)
            if before is not None and _same_words(before.item, item):
                last = {answer.rater: answer for answer in before.answers} | last
            if last:
                ordered = sorted(last.values(), key=lambda answer: (answer.at, answer.rater))
                found[item.name] = Item(one, item, tuple(ordered))
    return list(found.values())


def _same_words(one: ReviewItem, other: ReviewItem) -> bool:
    return (one.messages, one.rewriting) == (other.messages, other.rewriting)


def write_results(folder: Path, task: ReviewTask, items: Sequence[Item]) -> list[str]:
    """Write the files; their names. Each is whole or as it was; the report comes last."""
    if task == "rating":
        _write_lines(folder / PEOPLE, people(items))
        return [PEOPLE]
    _write_lines(folder / REVIEWS, reviews(items))
    _write_lines(folder / REVIEWED, (one.model_dump() for one in reviewed(items)))
    text = json.dumps(report(items), ensure_ascii=False, indent=1)
    write_atomically(folder / REPORT, text + "\n")
    return [REVIEWS, REVIEWED, REPORT]


def people(items: Iterable[Item]) -> list[dict[str, Any]]:
    """Ratings as ``training.rate`` reads them."""
    return [
        {
            "rater": one.rater,
            "dialogue": item.item.name,
            "scores": one.told.scores,
            "comment": one.told.comment or "",
        }
        for item in items
        for one in item.answers
    ]


def reviews(items: Iterable[Item]) -> list[dict[str, Any]]:
    """Every expert's last answer to every rewriting."""
    return [
        {
            "rater": one.rater,
            "dialogue": item.item.name,
            "prompt_version": item.prompt_version,
            "verdict": one.told.verdict,
            "reason": one.told.reason,
            "edited": _plain(one.told.edited),
            "revision": one.told.revision,
            "at": one.at.isoformat(timespec="seconds"),
        }
        for item in items
        for one in item.answers
    ]


def reviewed(items: Iterable[Item]) -> list[Dialogue]:
    """The rewritings that were not rejected, as their experts left them."""
    kept = []
    for item in items:
        rewriting = item.item.rewriting
        if rewriting is None or item.verdict == "rejected":
            continue
        edits = [one.told.edited for one in item.answers if one.told.edited]
        messages = edits[-1] if edits else rewriting.messages
        review: dict[str, Any] = {
            "verdict": item.verdict,
            "experts": len(item.answers),
            "set": item.set.told.set,
            "at": item.answers[-1].at.isoformat(timespec="seconds"),
        }
        if edits:
            review["edited_turns"] = changed_turns(rewriting.messages, messages)
        meta = {**rewriting.meta, "review": review}
        kept.append(rewriting.model_copy(update={"messages": messages, "meta": meta}))
    return kept


def report(items: Sequence[Item]) -> dict[str, Any]:
    """Acceptance with its interval, in all and by prompt version; how each number was made."""
    versions = sorted({item.prompt_version for item in items})
    sets = {item.set.told.set: item.set for item in items}
    several = [item for item in items if len(item.answers) > 1]
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "how": HOW,
        "sent": sum(len(one.items) for one in sets.values()),
        "experts": len({one.rater for item in items for one in item.answers}),
        "answered_by_several": len(several),
        "of_these_of_one_mind": sum(
            len({one.told.verdict for one in item.answers}) == 1 for item in several
        ),
        "sets": [
            {
                "set": one.told.set,
                "opened_at": one.at.isoformat(timespec="seconds"),
                "closed": one.closed,
                "items": len(one.items),
                "experts_each": one.told.each,
                "seed": one.told.seed,
            }
            for one in sets.values()
        ],
        "all": _tally(items),
        "by_prompt_version": {
            version: _tally([item for item in items if item.prompt_version == version])
            for version in versions
        },
    }


def _tally(items: Sequence[Item]) -> dict[str, Any]:
    counts = {verdict: sum(item.verdict == verdict for item in items) for verdict in VERDICTS}
    n = len(items)
    return {
        "n": n,
        "accepted": counts["accepted"],
        "rejected": counts["rejected"],
        "edited": counts["edited"],
        "accepted_share": asdict(wilson(counts["accepted"], n)),
        "accepted_or_edited_share": asdict(wilson(counts["accepted"] + counts["edited"], n)),
        "reasons": [
            {"dialogue": item.item.name, "reason": one.told.reason}
            for item in items
            for one in item.answers
            if one.told.reason
        ],
    }


def _plain(messages: Iterable[Any] | None) -> list[dict[str, Any]] | None:
    return None if messages is None else [message.model_dump() for message in messages]


def _write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in records)
    write_atomically(path, "".join(lines))
