"""``python -m mi_arena.miti summarize``: codings in, counts, scores and broken rules out.

All input is read before anything is printed: the output is whole, or there is one line on stderr.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from mi_arena.miti.check import Violation, violations
from mi_arena.miti.coding import BadCoding, Coding, parse_coding
from mi_arena.miti.items import CAUTIONS, CODES, GLOBALS, SCORES, Lang, Score, items
from mi_arena.miti.summary import THRESHOLDS, Summary, summarize

_POSITION = re.compile(r"^(.*) at line (\d+) column (\d+)$", re.DOTALL)


class BadInput(ValueError):
    """The input cannot be read; the message is one line that names file and line."""


@dataclass(frozen=True)
class _Given:
    """A coding as it came: ``place`` is for messages, ``id`` is the input's own, if it has one."""

    place: str
    has_id: bool
    id: Any
    coding: Coding


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Counts by the volley rules, summary scores with thresholds, and every rule that is "
        "broken. FILE is a coding as JSON, or many as JSONL; a dialogue whose counselor messages "
        "carry coded utterances is a coding too. Nothing is printed unless all of it can be read."
    )
    parser.epilog = (
        "Exit codes: 0 done, also where rules are broken; 2 what can't be read, or an unknown code."
    )
    parser.add_argument("file", metavar="FILE", help="a .json or .jsonl file; - for stdin")
    parser.add_argument(
        "--json",
        action="store_true",
        help="one JSON object for each coding, one a line, in the order of the input",
    )
    parser.add_argument(
        "--lang", choices=("en", "zh"), default="en", help="of names and messages (default: en)"
    )


def run(options: argparse.Namespace) -> int:
    lang: Lang = options.lang
    show = _as_json if options.json else _as_table
    try:
        shown = [show(given, lang) for given in _codings(options.file)]
    except BadInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not options.json:
        shown.append(_cautions(lang))
    try:
        sys.stdout.write("\n".join(shown) + "\n" if shown else "")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has enough (`| head`). What is still buffered must not raise at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _codings(name: str) -> Iterator[_Given]:
    """The codings of a file in order; raises ``BadInput`` at the first that cannot be read."""
    shown = "stdin" if name == "-" else name
    try:
        data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise BadInput(f"{shown}: cannot be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(f"{shown}:{line}: not UTF-8; save the file as UTF-8") from None
    # Not splitlines(): a U+2028 inside of a text ends no line of JSONL.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise BadInput(f"{shown}: nothing in it; give a coding as JSON, or one a line")
    if len(lines) > 1 and not name.endswith(".jsonl") and not _is_json(lines[0][1]):
        lines = [(1, text)]
    for number, line in lines:
        yield _given(line, shown, number)


def _given(text: str, shown: str, number: int) -> _Given:
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        what, line, column = _position(str(error))
        raise BadInput(f"{shown}:{number + line - 1}: not JSON: {what} (column {column})") from None
    try:
        coding = parse_coding(value)
    except BadCoding as error:
        raise BadInput(f"{shown}:{number}: {error}") from None
    return _Given(f"{shown}:{number}", "id" in value, value.get("id"), coding)


def _is_json(line: str) -> bool:
    try:
        from_json(line)
    except ValueError:
        return False
    return True


def _position(message: str) -> tuple[str, int, int]:
    """What the parser says is wrong, and its line and column inside the parsed text."""
    found = _POSITION.match(message)
    return (found[1], int(found[2]), int(found[3])) if found else (message, 1, 1)


def _as_json(given: _Given, lang: Lang) -> str:
    summary = summarize(given.coding, lang)
    told: dict[str, Any] = {"id": given.id} if given.has_id else {}
    told |= {
        "counts": summary.counts,
        "raw_counts": summary.raw_counts,
        "technical": summary.technical,
        "relational": summary.relational,
        "percent_cr": summary.percent_cr,
        "r_to_q": summary.r_to_q,
        "mia": summary.mia,
        "mina": summary.mina,
        "thresholds": summary.thresholds,
        "violations": [
            {
                "volley": one.volley,
                "utterance": one.utterance,
                "rule": one.rule,
                "message": one.message,
                "fix": one.fix,
            }
            for one in violations(given.coding, lang)
        ],
        "undefined": summary.undefined,
    }
    # Several times faster than the standard library's, and it writes Chinese as it is, too.
    return to_json(told).decode()


_LABELS: dict[str, dict[Lang, str]] = {
    "goal": {"zh": "改变目标", "en": "Change goal"},
    "none": {"zh": "（无）", "en": "(none)"},
    "globals": {"zh": "总体评分", "en": "Globals"},
    "counts": {"zh": "行为计数", "en": "Behaviour counts"},
    "by_volley": {"zh": "按轮计", "en": "by volley"},
    "raw": {"zh": "逐句计", "en": "every utterance"},
    "scores": {"zh": "总结分", "en": "Summary scores"},
    "fair_good": {"zh": "尚可 {fair:g}，良好 {good:g}", "en": "fair {fair:g}, good {good:g}"},
    "good": {"zh": "良好", "en": "good"},
    "fair": {"zh": "尚可", "en": "fair"},
    "below": {"zh": "未达到", "en": "below"},
    "n_globals": {"zh": "n = 2 项评分", "en": "n = 2 globals"},
    "n_reflections": {"zh": "n = {n} 个反映", "en": "n = {n} reflections"},
    "n_questions": {
        "zh": "n = {n} 个反映、{q} 个提问",
        "en": "n = {n} reflections, {q} questions",
    },
    "volleys": {"zh": "{n} 轮", "en": "{n} volleys"},
    "totals": {"zh": "只有总次数", "en": "totals only"},
    "broken": {"zh": "规则问题", "en": "Broken rules"},
    "form": {"zh": "整张表", "en": "the form"},
    "place": {
        "zh": "第 {volley} 轮第 {utterance} 句",
        "en": "volley {volley}, utterance {utterance}",
    },
    "warning": {"zh": "提醒", "en": "warning"},
    "mend": {"zh": "改法", "en": "Mend"},
    "note": {"zh": "注意", "en": "Note"},
}


def _as_table(given: _Given, lang: Lang) -> str:
    """One coding as plain text, with an empty line at its end."""
    coding, summary = given.coding, summarize(given.coding, lang)
    label = {key: text[lang] for key, text in _LABELS.items()}
    volleys = label["totals"]
    if summary.n_volleys is not None:
        volleys = label["volleys"].format(n=summary.n_volleys)
    rows: list[Sequence[str]] = [[label["globals"]]]
    for key in GLOBALS:
        value = coding.globals.get(key)
        rows.append(["  " + items().name(key).of(lang), "-" if value is None else f"{value}"])
    rows.append([f"{label['counts']} ({volleys})", label["by_volley"], label["raw"]])
    for code in CODES:
        counts = (summary.counts[code], summary.raw_counts[code])
        shown = ["-" if count is None else str(count) for count in counts]
        rows.append(["  " + items().name(code).of(lang), *shown])
    rows.append([label["scores"]])
    rows += [_score_row(score, summary, label, lang) for score in SCORES]
    heading = given.place if not given.has_id else f"{given.id} ({given.place})"
    goal = (coding.change_goal or "").strip() or label["none"]
    found = violations(coding, lang)
    return "\n".join(
        [
            heading,
            f"{label['goal']}: {' '.join(goal.split())}",
            *_aligned(rows),
            *([label["broken"]] if found else []),
            *(_told(one, label) for one in found),
            "",
        ]
    )


def _score_row(score: Score, summary: Summary, label: dict[str, str], lang: Lang) -> list[str]:
    name = "  " + items().scores[score].of(lang)
    value = getattr(summary, score)
    if value is None:
        return [name, "-", summary.undefined[score]]
    shown = f"{value:.1f} %" if score == "percent_cr" else f"{value:.4g}"
    threshold, level = THRESHOLDS.get(score), summary.thresholds.get(score)
    if threshold is None or level is None:
        return [name, shown]
    n = {"percent_cr": "n_reflections", "r_to_q": "n_questions"}.get(score, "n_globals")
    return [
        name,
        shown,
        label[level],
        label["fair_good"].format(fair=threshold.fair, good=threshold.good),
        label[n].format(n=summary.reflections, q=summary.counts["Q"]),
    ]


def _told(one: Violation, label: dict[str, str]) -> str:
    place = label["form"]
    if one.volley is not None:
        place = label["place"].format(volley=one.volley, utterance=one.utterance)
    warning = f" ({label['warning']})" if one.severity == "warning" else ""
    return f"  {place}: {one.rule}{warning}: {one.message} {label['mend']}: {one.fix}"


def _cautions(lang: Lang) -> str:
    note = _LABELS["note"][lang]
    return "\n".join(f"{note}: {items().cautions[key].of(lang)}" for key in CAUTIONS)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns padded to one width; the last cell of a row is as long as it likes."""
    widths: dict[int, int] = {}
    for row in rows:
        for place, cell in enumerate(row[:-1]):
            widths[place] = max(widths.get(place, 0), _columns(cell))
    return [
        "  ".join(
            cell + " " * (widths[place] - _columns(cell)) if place < len(row) - 1 else cell
            for place, cell in enumerate(row)
        )
        for row in rows
    ]


def _columns(text: str) -> int:
    """How wide a terminal shows it: Chinese characters take two columns."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)
