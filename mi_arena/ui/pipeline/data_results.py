"""What came of a step of the corpus, for the eye: problems found, before beside after, shares."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from mi_arena.dialogue import BadLine, Dialogue, Message, read_dialogues
from mi_arena.jobs.run_directory import COMMAND_NAME
from mi_arena.jobs.viewing import RunView
from mi_arena.ui.pipeline.downloads import Downloads
from mi_arena.ui.pipeline.results_by_script import ResultsByScript, shown_text
from mi_arena.ui.pipeline.review_html import review_html
from mi_arena.ui.texts import Lang, said
from mi_arena.workspace.review_results import REPORT

PREVIEWED = 5
"""Dialogues shown, and dead letters."""
LONGEST_LOOK = 60_000
"""Lines of the source that are looked through for the dialogues shown."""


class DataResults(ResultsByScript):
    """What each of its scripts comes to."""

    def __init__(self, downloads: Downloads):
        self._downloads = downloads
        super().__init__(
            {
                "training.corpora": _corpus,
                "training.rate": self._rating,
                "training.transcribe": _rewriting,
                "training.split": _split,
            }
        )

    def _rating(self, run: RunView, lang: Lang) -> str:
        text = shown_text(run.path / "report.md")
        if not text:
            return ""
        picture = run.path / "ratings.png"
        image = ""
        if picture.is_file():
            link = escape(self._downloads.link(picture))
            image = f'<img class="run-picture" alt="{said(lang, "result_picture")}" src="{link}">'
        report = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
        return f'<div class="prose run-report">{image}{report}</div>'


def _corpus(run: RunView, lang: Lang) -> str:
    """Counts first, then every problem and every rule that did something, with examples."""
    try:
        report = json.loads(shown_text(run.path / "report.json"))
        read, written = report["read"], report["written"]
        tables = [
            _tallies("result_problem", report["problems"], lang),
            _tallies("result_changed", report["changed"], lang),
            _tallies("result_dropped", report["dropped"], lang),
        ]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    told = said(lang, "result_read", read=f"{read:,}", written=f"{written:,}")
    return f"<p>{told}</p>{''.join(tables)}"


def _tallies(title: str, tallies: dict[str, dict[str, Any]], lang: Lang) -> str:
    found = sorted(
        ((name, tally) for name, tally in tallies.items() if tally["dialogues"]),
        key=lambda one: -one[1]["dialogues"],
    )
    if not found:
        return ""
    rows = "".join(
        f"<tr><th scope=row><code>{escape(name)}</code></th><td>{tally['dialogues']:,}</td>"
        f"<td>{_examples(tally['examples'], lang)}</td></tr>"
        for name, tally in found
    )
    heads = "".join(
        f"<th scope=col>{said(lang, key)}</th>"
        for key in (title, "result_count", "result_examples")
    )
    return (
        f'<div class="scroll"><table class="run-table"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _examples(examples: list[dict[str, Any]], lang: Lang) -> str:
    """The first at once, the others on demand."""
    told = [
        f"<b>{escape(str(one['where']))}</b>"
        + (f" {said(lang, 'result_turn', number=one['turn'])}" if one.get("turn") else "")
        + (f"：{escape(str(one['excerpt']))}" if one.get("excerpt") else "")
        for one in examples
    ]
    if len(told) < 2:
        return "".join(told)
    rest = "<br>".join(told[1:])
    return f"<details><summary>{told[0]}</summary>{rest}</details>"


def _split(run: RunView, lang: Lang) -> str:
    text = shown_text(run.path / "split" / "report.txt")
    return f'<pre class="run-log" tabindex="0">{escape(text)}</pre>' if text else ""


def _rewriting(run: RunView, lang: Lang) -> str:
    """The first rewritten dialogues beside their sources, and the first dead letters."""
    after = _first(run.path / "mi.jsonl")
    dead = _first_records(run.path / "mi.dead.jsonl")
    if not after and not dead:
        return ""
    sources = _sources(run, {str(one.meta.get("source_id", "")) for one in after})
    parts = [_review(run, lang)]
    parts += [
        _side_by_side(number, sources.get(str(one.meta.get("source_id", ""))), one, lang)
        for number, one in enumerate(after, 1)
    ]
    if dead:
        items = "".join(f"<li>{_dead_letter(record)}</li>" for record in dead)
        parts.append(f"<h4>{said(lang, 'result_dead')}</h4><ul>{items}</ul>")
    return "".join(parts)


def _review(run: RunView, lang: Lang) -> str:
    try:
        report = json.loads(shown_text(run.path / REPORT))
    except ValueError:
        return ""
    return review_html(report, lang) if isinstance(report, dict) else ""


def _side_by_side(number: int, before: Dialogue | None, after: Dialogue, lang: Lang) -> str:
    columns = "".join(
        f'<div class="side"><h4>{said(lang, title)}</h4>'
        f"{_dialogue_html(one.messages, lang) if one else '–'}</div>"
        for title, one in (("result_before", before), ("result_after", after))
    )
    name = f"{said(lang, 'result_pair', number=number)} · {escape(after.id)}"
    opened = " open" if number == 1 else ""
    return (
        f'<details class="pair"{opened}><summary>{name}</summary>'
        f'<div class="sides">{columns}</div></details>'
    )


def _dialogue_html(messages: Sequence[Message], lang: Lang) -> str:
    who = {"client": said(lang, "result_client"), "counselor": said(lang, "result_counselor")}
    return "".join(
        f'<p class="turn {one.role}"><b>{who.get(one.role, one.role)}</b> {escape(one.content)}</p>'
        for one in messages
    )


def _dead_letter(record: dict[str, Any]) -> str:
    """Whose it is and why; the reasons are sentences of the checks."""
    reasons = [
        str(failure.get("reason") or failure.get("kind"))
        for attempt in record.get("tries") or []
        for failure in attempt
        if isinstance(failure, dict)
    ]
    told = "；".join(dict.fromkeys(reasons)) or str(record.get("kind", ""))
    return f"<b>{escape(str(record.get('id', '')))}</b>：{escape(told)}"


def _sources(run: RunView, ids: set[str]) -> dict[str, Dialogue]:
    """The dialogues with these ids in the file that the run was given."""
    found: dict[str, Dialogue] = {}
    for dialogue in islice(_dialogues(_input_of(run)), LONGEST_LOOK):
        if dialogue.id in ids:
            found[dialogue.id] = dialogue
            if len(found) == len(ids):
                break
    return found


def _input_of(run: RunView) -> Path | None:
    try:
        command = json.loads((run.path / COMMAND_NAME).read_text(encoding="utf-8"))
        return next(Path(word) for word in command["arguments"] if not word.startswith("-"))
    except (OSError, ValueError, KeyError, StopIteration):
        return None


def _dialogues(path: Path | None) -> Iterator[Dialogue]:
    """As far as the file can be read: its last line may still be in the writing."""
    if path is None:
        return
    try:
        yield from read_dialogues(path)
    except (BadLine, OSError, UnicodeDecodeError, EOFError):
        return


def _first(path: Path) -> list[Dialogue]:
    return list(islice(_dialogues(path), PREVIEWED))


def _first_records(path: Path) -> list[dict[str, Any]]:
    records = []
    for line in shown_text(path).splitlines()[:PREVIEWED]:
        try:
            record = json.loads(line)
        except ValueError:
            break
        if isinstance(record, dict):
            records.append(record)
    return records
