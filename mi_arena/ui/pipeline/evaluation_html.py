"""What came of an evaluation's step, for the eye: report, talks, codes, the check of a judge."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from html import escape
from pathlib import Path
from statistics import fmean
from typing import Any

from markdown_it import MarkdownIt

from mi_arena.jobs.evaluate_steps import REPORT_MODULE
from mi_arena.jobs.run_directory import COMMAND_NAME
from mi_arena.jobs.viewing import RunView
from mi_arena.miti.items import GLOBALS
from mi_arena.ui.pipeline.downloads import Downloads
from mi_arena.ui.pipeline.evaluations import evaluations_html
from mi_arena.ui.pipeline.results_by_script import ResultsByScript, shown_text
from mi_arena.ui.pipeline.rounds_html import system_name
from mi_arena.ui.texts import Lang, said

PAGE = "report.html"


class EvaluationResults(ResultsByScript):
    """What each of its scripts comes to."""

    def __init__(self, downloads: Downloads):
        self._downloads = downloads
        super().__init__(
            {
                REPORT_MODULE: self._report,
                "eval.simulate": _talks,
                "eval.judge": _judge,
            }
        )

    def _report(self, run: RunView, lang: Lang) -> str:
        if not (run.path / "report.json").is_file():
            return ""
        link = escape(self._downloads.link(run.path / PAGE))
        opened = f'<p><a href="{link}" download>{said(lang, "evaluate_download")}</a></p>'
        shown = self._markdown(run.path, shown_text(run.path / "report.md"))
        whole = said(lang, "evaluate_whole")
        return (
            f"{evaluations_html([run], lang)}{opened}<details><summary>{whole}</summary>"
            f'<div class="prose run-report">{shown}</div></details>'
        )

    def _markdown(self, folder: Path, text: str) -> str:
        """The report as a page has it; its pictures by links that only this admin was given."""
        markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        tokens = markdown.parse(text)
        for token in tokens:
            for inside in token.children or ():
                if inside.type == "image":
                    picture = folder / str(inside.attrs["src"])
                    inside.attrs["src"] = self._downloads.link(picture) if picture.is_file() else ""
                    inside.attrs["class"] = "run-picture"
        return str(markdown.renderer.render(tokens, markdown.options, {}))


def _talks(run: RunView, lang: Lang) -> str:
    """Readiness before and after, by system; how talks ended."""
    try:
        summary = json.loads(shown_text(run.path / "summary.json"))
        rows = "".join(_talk_row(name, one, lang) for name, one in summary["systems"].items())
        differences = "".join(
            f"<tr><th scope=row>{escape(system_name(one['system'], lang))} − "
            f"{escape(system_name(one['against'], lang))}</th><td></td><td></td><td></td>"
            f"<td>{_estimate(one['readiness_change'])}</td><td></td></tr>"
            for one in summary["differences"]
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
    keys = ("system", "clients", "start", "end", "change", "ended")
    heads = "".join(f"<th scope=col>{said(lang, f'talks_{key}')}</th>" for key in keys)
    return (
        f'<p class="note plain">{said(lang, "talks_caution")}</p>'
        f'<div class="scroll"><table class="run-table"><thead>'
        f"<tr>{heads}</tr></thead><tbody>{rows}{differences}</tbody></table></div>"
    )


def _talk_row(system: str, one: Mapping[str, Any], lang: Lang) -> str:
    ended = "、".join(
        f"{said(lang, f'talks_{how}')} {count}" for how, count in one["ended"].items() if count
    )
    return (
        f"<tr><th scope=row>{escape(system_name(system, lang))}</th><td>{one['n']}</td>"
        f"<td>{one['readiness_start']:.2f}</td><td>{one['readiness_end']:.2f}</td>"
        f"<td>{_estimate(one['readiness_change'])}</td><td>{ended}</td></tr>"
    )


def _estimate(found: Mapping[str, Any]) -> str:
    if found["mean"] is None:
        return "–"
    interval = "" if found["low"] is None else f" [{found['low']:+.2f}, {found['high']:+.2f}]"
    return f"{found['mean']:+.2f}{interval}"


def _judge(run: RunView, lang: Lang) -> str:
    """Of ``validate`` its tables, of ``code`` how many were coded and what was given."""
    if validation := shown_text(run.path / "validation.md"):
        shown = MarkdownIt("commonmark", {"html": False}).enable("table").render(validation)
        return f'<div class="prose run-report">{shown}</div>'
    by_system: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for coding in _records(run.path / "codes.jsonl"):
        by_system[str(coding["meta"].get("system") or "–")].append(coding)
    if not by_system or _command(run) != "code":
        return ""
    rows = "".join(_coded_row(system, one, lang) for system, one in sorted(by_system.items()))
    heads = "".join(f"<th scope=col>{escape(key)}</th>" for key in GLOBALS)
    return (
        f'<p class="note plain">{said(lang, "evaluate_unchecked")}</p><div class="scroll">'
        f'<table class="run-table"><thead><tr><th scope=col>{said(lang, "talks_system")}</th>'
        f"<th scope=col>{said(lang, 'result_count')}</th>{heads}"
        f"<th scope=col>{said(lang, 'evaluate_codes')}</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _coded_row(system: str, codings: list[Mapping[str, Any]], lang: Lang) -> str:
    means = "".join(
        f"<td>{fmean(coding['globals'][key] for coding in codings):.2f}</td>" for key in GLOBALS
    )
    codes = Counter(
        utterance["code"]
        for coding in codings
        for volley in coding["volleys"]
        for utterance in volley["utterances"]
        if utterance["code"]
    )
    told = "、".join(f"{escape(code)} {count}" for code, count in codes.most_common())
    name = escape(system_name(system, lang))
    return f"<tr><th scope=row>{name}</th><td>{len(codings)}</td>{means}<td>{told}</td></tr>"


def _command(run: RunView) -> str:
    try:
        return str(json.loads(shown_text(run.path / COMMAND_NAME))["arguments"][0])
    except (ValueError, KeyError, IndexError):
        return "code"


def _records(path: Path) -> list[dict[str, Any]]:
    """Whole lines; the last may still be in the writing."""
    found = []
    for line in shown_text(path).splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return found
