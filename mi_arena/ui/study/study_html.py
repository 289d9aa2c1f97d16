"""How the study stands, as HTML: epochs, what is served, who has coded how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from mi_arena.pairs import Pair
from mi_arena.records.incidents import Incidents
from mi_arena.records.results_query import EpochInfo
from mi_arena.study.results import ResultsTable
from mi_arena.ui.texts import Lang, said
from mi_arena.workspace.assignments import Standing

Row = Sequence[str]


@dataclass(frozen=True)
class EpochStanding:
    """An epoch and what was judged in it, by groups of raters."""

    epoch: EpochInfo
    public: ResultsTable
    expert: ResultsTable
    alarm: bool = False
    """The share of judgements that don't count has jumped or is large."""


def epochs_html(standings: Sequence[EpochStanding], minimum: int, lang: Lang) -> str:
    """The newest first. No share: whoever wants to know how it goes reads the results page."""
    if not standings:
        return f"<p>{said(lang, 'study_no_epoch')}</p>"
    rows = [_epoch(one, minimum, lang) for one in reversed(standings)]
    keys = (
        "epoch", "state", "battles", "public", "expert", "excluded", "left", "flagged", "withdrawn",
    )  # fmt: skip
    return table([said(lang, f"study_{key}") for key in keys], rows)


def pairs_html(known: Sequence[tuple[Pair, str]], lang: Lang) -> str:
    """Every pair with how it stands: ``served``, ``out`` or ``away``."""
    rows = [
        [
            f"<b>{escape(getattr(pair.name, lang))}</b> <code>{escape(pair.id)}</code>",
            said(lang, f"study_pair_{state}"),
        ]
        for pair, state in known
    ]
    return table([said(lang, "study_pair"), said(lang, "study_state")], rows)


def assignments_html(standings: Sequence[Standing], lang: Lang) -> str:
    """What was assigned and what is done, in all and by rater."""
    at_work = [one for one in standings if one.done or one.left]
    if not at_work:
        return f"<p>{said(lang, 'study_no_work')}</p>"
    done, left = (sum(getattr(one, name) for one in at_work) for name in ("done", "left"))
    told = said(lang, "study_work", done=done, all=done + left)
    rows = [
        [escape(one.member.label or one.member.member), _bar(one.done, one.done + one.left)]
        for one in at_work
    ]
    heads = [said(lang, "study_rater"), said(lang, "study_done")]
    return f"<p>{told}</p>{_bar(done, done + left)}{table(heads, rows)}"


def incidents_html(found: Sequence[Incidents], lang: Lang) -> str:
    """How often danger was seen; nothing of what was written."""
    if not found:
        return f"<p>{said(lang, 'study_no_incident')}</p>"
    rows = [
        [
            said(lang, f"danger_{one.category}"),
            said(lang, f"danger_by_{one.speaker}"),
            escape(one.lang),
            f"{one.times:,}",
        ]
        for one in found
    ]
    return table([said(lang, f"danger_{key}") for key in ("kind", "by", "lang", "count")], rows)


def table(heads: Row, rows: Sequence[Row]) -> str:
    """Cells are HTML already; the first of each row is its name."""
    head = "".join(f"<th scope=col>{cell}</th>" for cell in heads)
    body = "".join(
        f"<tr><th scope=row>{row[0]}</th>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table class="run-table"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _epoch(one: EpochStanding, minimum: int, lang: Lang) -> Row:
    epoch = one.epoch
    key = "study_open" if epoch.closed_at is None else "study_closed"
    closed = "" if epoch.closed_at is None else f"{epoch.closed_at:%Y-%m-%d %H:%M}"
    since = f"{epoch.opened_at:%Y-%m-%d %H:%M}"
    return [
        f"<code>{escape(epoch.id)}</code>",
        said(lang, key, since=since, closed=closed),
        f"{epoch.battles:,}",
        _judged(one.public, minimum, lang),
        _judged(one.expert, minimum, lang),
        _excluded(one, lang),
        f"{sum(one.public.unjudged.values()) + sum(one.expert.unjudged.values()):,}",
        f"{one.public.flagged + one.expert.flagged:,}",
        f"{one.public.withdrawn + one.expert.withdrawn:,}",
    ]


def _excluded(one: EpochStanding, lang: Lang) -> str:
    """Judgements that are stored and don't count, by reason; experts' always count."""
    taken = [f"{said(lang, f'excluded_{why}')}: {n:,}" for why, n in one.public.excluded.items()]
    if one.alarm:
        taken.append(f"<b>{said(lang, 'study_excluded_jump')}</b>")
    return "<br>".join(taken) or "0"


def _judged(group: ResultsTable, minimum: int, lang: Lang) -> str:
    told = said(lang, "study_judged", n=group.judgements, raters=group.raters)
    few = group.judgements < minimum
    return f"{told}<br>{said(lang, 'study_too_few', minimum=minimum)}" if few else told


def _bar(done: int, whole: int) -> str:
    text = f"{done} / {whole}"
    return f'<progress max="{max(whole, 1)}" value="{done}" aria-label="{text}"></progress> {text}'
