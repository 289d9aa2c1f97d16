"""The results page: one epoch, one topic, one group of raters; counts, shares, intervals."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr
import plotly.graph_objects as go

from mi_arena.battles.form import TOPICS
from mi_arena.pairs import Pair
from mi_arena.records.results_query import battle_counts, epochs, judgement_rows
from mi_arena.records.store import EventStore, StoreError
from mi_arena.records.votes import Votes
from mi_arena.study.results import ResultsTable, results_table
from mi_arena.study.statistics import Interval
from mi_arena.ui.session import Session
from mi_arena.ui.texts import Lang, say
from mi_arena.ui.transcript import note_html

log = logging.getLogger(__name__)

ALL = "all"
MEASURES = (
    "tuned_wins_first",
    "tuned_wins_all",
    "ties",
    "both_unacceptable",
    "a_wins",
    "correct_guesses",
)
COLOUR = "#0f766e"


@dataclass
class ResultsPage:
    """Components and handlers; made inside a ``gr.Blocks`` context."""

    store: EventStore
    votes: Votes
    pairs: Callable[[], Mapping[str, Pair]]
    """Those whose names are known, by id."""
    minimum_n: int
    browser: gr.BrowserState

    def __post_init__(self) -> None:
        self.heading = gr.Markdown()
        with gr.Row():
            self.epoch = gr.Dropdown([], elem_id="epoch", filterable=False, scale=2, min_width=280)
            self.topic = gr.Dropdown([], elem_id="results-topic", filterable=False)
            self.raters = gr.Radio([], elem_id="raters")
            self.refresh = gr.Button(elem_id="refresh", scale=0)
        self.problem = gr.HTML()
        self.counts = gr.HTML(elem_id="counts")
        self.plot = gr.Plot(elem_id="plot", show_label=False, visible=False)
        self.table = gr.HTML(elem_id="results-table")
        chosen = [self.browser, self.epoch, self.topic, self.raters]
        shown = [self.epoch, self.problem, self.counts, self.plot, self.table]
        self.refreshed: dict[str, Any] = {
            "fn": self.on_choice,
            "inputs": chosen,
            "outputs": shown,
            "show_progress": "minimal",
            "api_visibility": "private",
        }
        for event in (self.epoch.input, self.topic.input, self.raters.input, self.refresh.click):
            event(**self.refreshed)

    def outputs(self) -> list[Any]:
        return [
            self.heading, self.epoch, self.topic, self.raters, self.refresh, self.problem,
            self.counts, self.plot, self.table,
        ]  # fmt: skip

    def on_choice(
        self, stored: object, epoch: object, topic: object, raters: object, request: gr.Request
    ) -> dict[Any, Any]:
        lang = Session.read(stored, request).lang
        return self.show(lang, epoch, topic, raters)

    def show(
        self, lang: Lang, epoch: object = None, topic: object = ALL, raters: object = "public"
    ) -> dict[Any, Any]:
        """The chosen numbers; an epoch or topic that isn't there falls back to the first."""
        try:
            known = epochs(self.store)
            ids = [one.id for one in known]
            # The newest epoch of the first pair served is what a visitor looks for.
            current = epoch if epoch in ids else (ids[-1] if ids else None)
            labels = [
                (
                    say(
                        lang,
                        "epoch_label",
                        pair=self._name(one.pair, lang),
                        opened=one.opened_at.date().isoformat(),
                        state=say(lang, "epoch_closed") if one.closed_at else "",
                    ),
                    one.id,
                )
                for one in reversed(known)
            ]
            chooser = gr.update(label=say(lang, "epoch"), choices=labels, value=current)
            if current is None:
                return self._nothing(chooser, say(lang, "no_epoch"))
            table = results_table(
                judgement_rows(self.store, str(current)),
                battle_counts(self.store, str(current)),
                epoch=str(current),
                role="expert" if raters == "expert" else "public",
                topic=str(topic) if topic in TOPICS else None,
                minimum=self.minimum_n,
                excluded=self.votes.excluded(str(current)),
            )
        except StoreError as error:
            log.error("results cannot be read: %s", error)
            return self._nothing(gr.skip(), say(lang, "failed"))
        closed = next(one.closed_at is not None for one in known if one.id == current)
        counts = _counts(table, lang, closed)
        if table.role == "expert" and not closed:
            # Experts get no reveal before the epoch closes, and a share that moved would be one.
            return self._nothing(chooser, say(lang, "experts_later")) | {self.counts: counts}
        if table.judgements < table.minimum:
            why = say(lang, "withheld", minimum=table.minimum)
            return self._nothing(chooser, why) | {self.counts: counts}
        shares = [(name, getattr(table, name)) for name in MEASURES]
        drawn = [(name, share) for name, share in shares if share.value is not None]
        return {
            self.epoch: chooser,
            self.problem: "",
            self.counts: counts,
            self.plot: gr.update(
                value=_figure(drawn, lang) if drawn else None, visible=bool(drawn)
            ),
            self.table: _table(shares, lang),
        }

    def words(self, session: Session) -> dict[Any, Any]:
        lang = session.lang
        topics = [(say(lang, "all_topics"), ALL)]
        topics += [(say(lang, f"topic_{topic}"), topic) for topic in TOPICS]
        groups = [(say(lang, f"raters_{group}"), group) for group in ("public", "expert")]
        return {
            self.heading: f"## {say(lang, 'results_title')}\n{say(lang, 'results_lead')}",
            self.topic: gr.update(label=say(lang, "topic"), choices=topics, value=ALL),
            self.raters: gr.update(label=say(lang, "raters"), choices=groups, value="public"),
            self.refresh: gr.update(value=say(lang, "refresh")),
            **self.show(lang),
        }

    def _name(self, pair: str, lang: Lang) -> str:
        known = self.pairs()
        return getattr(known[pair].name, lang) if pair in known else pair

    def _nothing(self, chooser: Any, why: str) -> dict[Any, Any]:
        return {
            self.epoch: chooser,
            self.problem: note_html(why, "plain"),
            self.counts: "",
            self.plot: gr.update(visible=False),
            self.table: "",
        }


def _counts(table: ResultsTable, lang: Lang, closed: bool) -> str:
    """Counts in words. While the epoch is open, only those of judgements: a count of battles that
    moved when somebody began or left theirs would tell them its pair, or its tuned side."""
    judged = say(
        lang,
        "counts",
        judgements=table.judgements,
        raters=table.raters,
        withdrawn=table.withdrawn,
    )
    if table.excluded:
        joined = ("、" if lang == "zh" else ", ").join(
            f"{say(lang, f'excluded_{reason}')} {n}" for reason, n in table.excluded.items()
        )
        n = sum(table.excluded.values())
        judged = f"{judged} · {say(lang, 'counts_excluded', n=n, reasons=joined)}"
    if not closed:
        return note_html(judged, "plain") + note_html(say(lang, "counts_later"), "small")
    left = say(
        lang,
        "counts_closed",
        battles=table.battles,
        flagged=table.flagged,
        unjudged_a=table.unjudged["A"],
        unjudged_b=table.unjudged["B"],
    )
    return note_html(judged, "plain") + note_html(left, "plain")


def _table(shares: list[tuple[str, Interval]], lang: Lang) -> str:
    heads = ("measure", "value", "interval", "counted", "method")
    head = "".join(f"<th scope='col'>{escape(say(lang, name))}</th>" for name in heads)
    rows = ""
    for name, share in shares:
        cells = [f"<th scope='row'>{escape(say(lang, 'm_' + name))}</th>"]
        if share.value is None:
            why = escape(say(lang, "undefined"))
            cells.append(f"<td colspan='4' class='withheld'>{why}</td>")
        else:
            interval = "–" if share.low is None else f"{share.low:.0%} – {share.high:.0%}"
            cells += [
                f"<td>{share.value:.1%}</td>",
                f"<td>{interval}</td>",
                f"<td>{share.n}</td>",
                f"<td>{escape(_method(name, share, lang))}</td>",
            ]
        rows += f"<tr>{''.join(cells)}</tr>"
    table_html = f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<div class='scroll'>{table_html}</div>"


def _method(name: str, share: Interval, lang: Lang) -> str:
    if name == "tuned_wins_first":
        return say(lang, "method_wilson_first")
    if name == "tuned_wins_all":
        return say(lang, "method_bootstrap", draws=2000)
    return say(lang, "method_wilson")


def _figure(drawn: list[tuple[str, Interval]], lang: Lang) -> go.Figure:
    """A forest plot: one line a share, its interval, and one half for comparison."""
    names = [say(lang, "m_" + name) for name, _ in drawn]
    values = [share.value for _, share in drawn]
    figure = go.Figure(
        go.Scatter(
            x=values,
            y=names,
            mode="markers",
            marker={"size": 11, "color": COLOUR},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [_reach(s.value, s.high) for _, s in drawn],
                "arrayminus": [_reach(s.value, s.low) for _, s in drawn],
                "color": COLOUR,
            },
            hovertemplate="%{y}: %{x:.1%}<extra></extra>",
        )
    )
    figure.add_vline(x=0.5, line_dash="dash", line_color="#888")
    figure.update_xaxes(range=[-0.02, 1.02], tickformat=".0%", fixedrange=True)
    figure.update_yaxes(autorange="reversed", automargin=True, fixedrange=True)
    figure.update_layout(
        title={"text": say(lang, "chart_label"), "font": {"size": 14}},
        height=90 + 48 * len(drawn),
        margin={"l": 10, "r": 20, "t": 50, "b": 30},
        template="plotly_white",
    )
    return figure


def _reach(value: float | None, end: float | None) -> float:
    """How far an interval reaches from its value; 0 where it has no end."""
    return 0.0 if value is None or end is None else abs(end - value)
