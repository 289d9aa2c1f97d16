"""How a run stands, as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from mi_arena.jobs.viewing import RunView, log_tail, metrics, output_files
from mi_arena.ui.pipeline.downloads import Downloads
from mi_arena.ui.texts import Lang, said, say

LOG_LINES = 100
FILES_SHOWN = 60
COUNTED = ("done", "dead", "reused", "cost_usd", "loss")
"""Metrics that are told in words, where a run has them."""


def run_label(run: RunView, lang: Lang) -> str:
    """One line in the list of runs."""
    state = _state(run, lang)
    share = f" {run.share:.0%}" if run.active and run.share is not None else ""
    return f"{run.name} · {state}{share}"


def run_html(run: RunView, lang: Lang) -> str:
    """State, progress, what is left and what it has cost so far."""
    state = f'<span class="run-state {run.state}">{escape(_state(run, lang))}</span>'
    parts = [f"<h3>{escape(run.name)} {state}</h3>"]
    if run.share is not None:
        text = say(lang, "run_steps", step=f"{run.step:,}", total=f"{run.total:,}")
        parts.append(
            f'<progress max="1" value="{run.share:.4f}" aria-label="{escape(text)}"></progress>'
            f"<p>{escape(text)}{_left(run, lang)}</p>"
        )
    if counted := _counted(metrics(run.path, last=1), lang):
        parts.append(f"<p>{counted}</p>")
    if run.error:
        parts.append(f'<p class="note bad" role="alert">{escape(run.error)}</p>')
    if run.state == "lost":
        parts.append(f'<p class="note plain">{said(lang, "run_lost_why")}</p>')
    return f'<section class="run">{"".join(parts)}</section>'


def log_html(run: RunView, lang: Lang) -> str:
    """The end of the log; scripts keep conversations out of it."""
    lines = log_tail(run.path, LOG_LINES)
    text = "\n".join(lines) if lines else say(lang, "run_no_log")
    return f'<pre class="run-log" tabindex="0">{escape(text)}</pre>'


def files_html(run: RunView, downloads: Downloads, lang: Lang) -> str:
    """What the run has written, to be fetched."""
    found = output_files(run.path)
    items = "".join(
        f'<li><a href="{escape(downloads.link(path))}" download>'
        f"{escape(path.relative_to(run.path).as_posix())}</a> {_size(path)}</li>"
        for path in found[:FILES_SHOWN]
    )
    more = len(found) - FILES_SHOWN
    note = f"<p>{said(lang, 'run_more_files', n=more)}</p>" if more > 0 else ""
    return f"<ul class=run-files>{items}</ul>{note}" if items else ""


def _state(run: RunView, lang: Lang) -> str:
    if run.state == "queued":
        return say(lang, "run_queued", ahead=run.ahead) if run.ahead else say(lang, "run_next")
    return say(lang, "run_stopping" if run.stopping else f"run_{run.state}")


def _left(run: RunView, lang: Lang) -> str:
    if not run.active or run.eta_seconds is None:
        return ""
    minutes, seconds = divmod(int(max(0, run.eta_seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    return " · " + said(lang, "run_left", clock=clock)


def _counted(records: Sequence[Mapping[str, Any]], lang: Lang) -> str:
    last = records[-1] if records else {}
    told = [
        f"{said(lang, f'metric_{name}')} {_value(name, last[name])}"
        for name in COUNTED
        if isinstance(last.get(name), int | float)
    ]
    return " · ".join(told)


def _value(name: str, value: float) -> str:
    if name == "cost_usd":
        return f"{value:.4f} USD"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _size(path: Path) -> str:
    size = float(path.stat().st_size)
    for unit in ("B", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
