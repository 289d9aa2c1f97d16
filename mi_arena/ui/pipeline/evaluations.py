"""Evaluations beside each other: differences of text metrics, of MITI codes, of preferences."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import plotly.graph_objects as go

from mi_arena.jobs.viewing import RunView
from mi_arena.miti.items import items
from mi_arena.ui.pipeline.loss_plot import COLOURS
from mi_arena.ui.pipeline.rounds_html import score_name, system_name
from mi_arena.ui.texts import Lang, said, say

REPORT = "report.json"
METRICS = ("standard.rougeL", "standard.bleu4", "llamafactory.rougeL", "llamafactory.bleu4")
FEW = 10
"""Cases below which an interval says little."""
SUMMARIES = ("technical", "relational", "percent_cr", "r_to_q")
"""Of MITI, as far as a report has them."""


_Key = tuple[str, str]
"""Pair and what is measured."""


@dataclass(frozen=True)
class Found:
    """One number of a report with its interval, if it has one."""

    pair: str
    of: str
    """What it is a difference of, in the reader's words."""
    mean: float
    low: float | None
    high: float | None
    n: int
    """Dialogues, matches or judgements."""
    likeness: bool
    """Whether it is one of text metrics, which share an axis."""
    main: bool
    """Whether it is what a study asks: tuned against base, or who was preferred."""


def evaluations_html(runs: Sequence[RunView], lang: Lang) -> str:
    """A row a number, a column a run; what a run doesn't have stays open."""
    columns = [{(one.pair, one.of): one for one in found_in(run, lang)} for run in runs]
    keys = dict.fromkeys(key for column in columns for key in column)
    if not keys:
        return ""
    known = {key: one for column in columns for key, one in column.items()}
    main = [key for key in keys if known[key].main]
    others = [key for key in keys if not known[key].main]
    cautions = [say(lang, "evaluate_likeness")] * any(one.likeness for one in known.values())
    cautions += [say(lang, "evaluate_few", n=FEW)] * any(one.n < FEW for one in known.values())
    cautions += dict.fromkeys(one for run in runs for one in cautions_in(run, lang))
    names = [run.name for run in runs]
    folded = ""
    if others and main:
        folded = (
            f"<details><summary>{said(lang, 'evaluate_others')}</summary>"
            f"{_table(others, columns, names, lang)}</details>"
        )
    return f"{cautions_html(cautions)}{_table(main or others, columns, names, lang)}{folded}"


def _table(
    keys: Sequence[_Key],
    columns: Sequence[Mapping[_Key, Found]],
    names: Sequence[str],
    lang: Lang,
) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(pair)} · {escape(of)}</th>"
        + "".join(f"<td>{_told(column.get((pair, of)))}</td>" for column in columns)
        + "</tr>"
        for pair, of in keys
    )
    heads = "".join(f"<th scope=col>{escape(name)}</th>" for name in names)
    return (
        f'<div class=scroll><table class="run-table differences"><tr><th scope=col>'
        f"{said(lang, 'evaluate_numbers')}</th>{heads}</tr>{rows}</table></div>"
    )


def cautions_html(cautions: Iterable[str]) -> str:
    return "".join(f'<p class="note plain">{escape(one)}</p>' for one in cautions)


def cautions_in(run: RunView, lang: Lang) -> list[str]:
    """What a report says of judges that nobody has checked; it goes wherever their codes do."""
    try:
        report = json.loads((run.path / REPORT).read_text(encoding="utf-8"))
        judges = _list(report, "miti_judge", "judges")
        return [one["sentence"][lang] for one in judges if one["judge"] and not one["validated"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def evaluations_figure(runs: Sequence[RunView], lang: Lang) -> go.Figure | None:
    """Differences of text metrics with their intervals, each run in its colour."""
    figure = go.Figure()
    found = [(run, [one for one in found_in(run, lang) if one.likeness]) for run in runs]
    labels = list(dict.fromkeys(f"{one.pair} · {one.of}" for _, every in found for one in every))
    if not labels:
        return None
    for number, (run, every) in enumerate(found):
        # Beside each other: of two that are equal, one would hide the other.
        beside = (number - (len(runs) - 1) / 2) * 0.6 / max(len(runs), 1)
        figure.add_trace(
            go.Scatter(
                x=[one.mean for one in every],
                y=[labels.index(f"{one.pair} · {one.of}") + beside for one in every],
                error_x={
                    "type": "data",
                    "symmetric": False,
                    "array": [_apart(one.high, one.mean) for one in every],
                    "arrayminus": [_apart(one.mean, one.low) for one in every],
                },
                mode="markers",
                name=run.name,
                marker={"color": COLOURS[number % len(COLOURS)], "size": 9},
                hovertemplate="%{x:+.2f}",
            )
        )
    figure.add_vline(x=0, line={"color": "#57534e", "width": 1, "dash": "dot"})
    figure.update_xaxes(title_text=say(lang, "evaluate_points"))
    figure.update_yaxes(
        autorange="reversed", automargin=True, tickvals=list(range(len(labels))), ticktext=labels
    )
    figure.update_layout(
        height=120 + 34 * len(labels),
        template="plotly_white",
        margin={"l": 10, "r": 10, "t": 10, "b": 40},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
    )
    return figure


def found_in(run: RunView, lang: Lang) -> list[Found]:
    """What a run's report can be compared by; nothing where it can't be read."""
    try:
        report = json.loads((run.path / REPORT).read_text(encoding="utf-8"))
        return [*_metrics(report, lang), *_codes(report, lang), *_preferences(report, lang)]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _metrics(report: Mapping[str, Any], lang: Lang) -> Iterator[Found]:
    for one in report["text_metrics"].get("differences", ()):
        name = f"{one['profile']}.{one['metric']}"
        if name in METRICS:
            of = f"{_systems(one['arm'], one['against'], lang)} · {score_name(name, lang)}"
            yield Found(
                one["pair"],
                of,
                one["mean"],
                one["ci_low"],
                one["ci_high"],
                one["n_dialogues"],
                True,
                _is_main(one["arm"], one["against"]),
            )


def _codes(report: Mapping[str, Any], lang: Lang) -> Iterator[Found]:
    groups = [
        *((judge["judge"], group) for judge in _list(report, "miti_judge", "judges")
          for group in judge["groups"]),
        *((None, group) for group in _list(report, "miti_people", "groups")),
    ]  # fmt: skip
    for judge, group in groups:
        coder = judge["model"] if judge else say(lang, "evaluate_people")
        for difference in group["differences"]:
            for item, score in items().scores.items():
                found = difference["items"][item]
                if item in SUMMARIES and found["mean"] is not None:
                    systems = _systems(difference["system"], difference["minus"], lang)
                    of = f"{systems} · MITI {score.of(lang)} ({coder})"
                    yield Found(
                        group["pair"],
                        of,
                        found["mean"],
                        found["low"],
                        found["high"],
                        found["n"],
                        False,
                        _is_main(difference["system"], difference["minus"]),
                    )


def _preferences(report: Mapping[str, Any], lang: Lang) -> Iterator[Found]:
    for raters in ("public", "expert"):
        for one in _list(report, "preferences", raters):
            share = one["shares"]["tuned_wins_first"]
            if share["value"] is not None:
                of = say(lang, f"evaluate_preferred_{raters}", epoch=one["epoch"])
                yield Found(
                    one["pair"],
                    of,
                    share["value"],
                    share["low"],
                    share["high"],
                    share["n"],
                    False,
                    True,
                )


def _list(report: Mapping[str, Any], part: str, name: str) -> Sequence[Any]:
    found = report[part].get(name)
    return found if isinstance(found, list) else ()


def _is_main(first: str, second: str) -> bool:
    return {first, second} == {"tuned", "base"}


def _systems(first: str, second: str, lang: Lang) -> str:
    return f"{system_name(first, lang)} − {system_name(second, lang)}"


def _told(one: Found | None) -> str:
    if one is None:
        return "–"
    if one.low is None or one.high is None:
        return f"{one.mean:+.2f}, n = {one.n}"
    return f"{one.mean:+.2f} [{one.low:+.2f}, {one.high:+.2f}], n = {one.n}"


def _apart(more: float | None, less: float | None) -> float:
    return 0.0 if more is None or less is None else more - less
