"""Single rounds for the eye: the client's turn, every reply, the reference, codes and scores."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import plotly.graph_objects as go

from mi_arena.ui.pipeline.round_rows import Row
from mi_arena.ui.texts import Lang, all_texts, said, say

REFERENCE = "reference"
COLOUR = "#0f766e"
BINS = 40


def score_name(score: str, lang: Lang) -> str:
    """``standard.rougeL`` as ``ROUGE-L (standard)``."""
    profile, _, metric = score.rpartition(".")
    key = f"score_{metric}"
    name = say(lang, key) if key in all_texts()[lang] else metric
    return f"{name} ({profile})" if profile else name


def system_name(system: str, lang: Lang) -> str:
    key = f"system_{system}"
    return say(lang, key) if key in all_texts()[lang] else system


def comparison_name(comparison: str, lang: Lang) -> str:
    first, second = comparison.split("-", 1)
    return f"{system_name(first, lang)} − {system_name(second, lang)}"


def number(value: float) -> str:
    """With its sign; a whole one without digits behind the point."""
    return f"{value:+.0f}" if value == int(value) else f"{value:+.2f}"


def rounds_html(
    shown: Sequence[tuple[Row, float | None]], comparison: str, score: str, lang: Lang
) -> str:
    cards = [_card(row, value, comparison, score, lang) for row, value in shown]
    return f'<div class="rounds">{"".join(cards)}</div>'


def differences_figure(
    values: Sequence[float], comparison: str, score: str, lang: Lang
) -> go.Figure:
    """How the differences of all rounds lie; the rounds below are their ends."""
    bars = go.Histogram(
        x=list(values),
        nbinsx=BINS,
        marker={"color": COLOUR},
        hovertemplate="%{x}: %{y}<extra></extra>",
    )
    figure = go.Figure(bars)
    figure.add_vline(x=0, line={"color": "#57534e", "width": 1, "dash": "dot"})
    title = f"{comparison_name(comparison, lang)}, {score_name(score, lang)}"
    figure.update_layout(
        height=190, template="plotly_white", margin={"l": 50, "r": 10, "t": 8, "b": 40}, bargap=0.05
    )
    figure.update_xaxes(title_text=title)
    figure.update_yaxes(title_text=say(lang, "rounds_count"))
    return figure


def _card(row: Row, value: float | None, comparison: str, score: str, lang: Lang) -> str:
    place = said(lang, "rounds_place", dialogue=row["dialogue_id"], number=row["round"])
    told = "" if value is None else f" <b>{number(value)}</b>"
    name = escape(f"{comparison_name(comparison, lang)}, {score_name(score, lang)}")
    client = ""
    if row.get("client"):
        client = f"<p class=client><b>{said(lang, 'result_client')}</b>{escape(row['client'])}</p>"
    columns = [
        _reply(row, system, text, score, lang)
        for system, text in [*row["replies"].items(), (REFERENCE, row[REFERENCE])]
    ]
    return (
        f"<article class=round-card><header><span>{place}</span>"
        f"<span class=difference title='{name}'>{name}{told}</span></header>"
        f"{client}<div class=replies>{''.join(columns)}</div></article>"
    )


def _reply(row: Row, system: str, text: str, score: str, lang: Lang) -> str:
    codes = row["codes"].get(system)
    chips = ""
    if codes is not None:
        told = [f"<span class=code>{escape(code)}</span>" for code in codes]
        chips = f"<p class=codes>{''.join(told) or said(lang, 'rounds_no_code')}</p>"
    found = row["scores"].get(system, {})
    numbers = [
        f"<span{' class=chosen' if name == score else ''}>{escape(score_name(name, lang))} "
        f"{_plain(value)}</span>"
        for name, value in found.items()
        if name != "is_empty" and (name == score or name in SHOWN)
    ]
    said_nothing = f"<i>{said(lang, 'rounds_empty')}</i>"
    return (
        f"<section class='{'gold' if system == REFERENCE else 'reply'}'>"
        f"<h5>{escape(system_name(system, lang))}</h5>"
        f"<p>{escape(text) if text.strip() else said_nothing}</p>{chips}"
        f"<p class=numbers>{' '.join(numbers)}</p></section>"
    )


SHOWN = ("standard.rougeL", "standard.sentence_bleu4", "characters", "questions")
"""Scores that stand under every reply; the one that is sorted by always does."""


def _plain(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"
