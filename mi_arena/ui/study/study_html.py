"""How the study stands, as HTML: epochs, what is served, who has coded how much."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from html import escape
from typing import Literal

from mi_arena.pairs import Pair
from mi_arena.records.incidents import Incidents
from mi_arena.study.results import ResultsTable
from mi_arena.ui.study.epoch_standing import EpochStanding
from mi_arena.ui.texts import LANGS, Lang, said, say
from mi_arena.workspace.assignments import Standing

Row = Sequence[str]


def epochs_html(standings: Sequence[EpochStanding], minimum: int, lang: Lang) -> str:
    """The newest first, its battles and then where each of them is. No share: whoever wants to know
    how it goes reads the results page."""
    if not standings:
        return f"<p>{said(lang, 'study_no_epoch')}</p>"
    rows = [_epoch(one, minimum, lang) for one in reversed(standings)]
    keys = (
        "epoch", "battles", "public", "expert", "excluded", "under_way", "left", "flagged",
        "withdrawn", "trials",
    )  # fmt: skip
    return table([said(lang, f"study_{key}") for key in keys], rows, "stacks")


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
    """How often danger was seen, the most frequent kind first; nothing of what was written."""
    if not found:
        return f"<p>{said(lang, 'study_no_incident')}</p>"
    languages: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for one in found:
        languages[one.category, one.speaker][one.lang] += one.times
    rows = [
        [
            said(lang, f"danger_{category}"),
            said(lang, f"danger_by_{speaker}"),
            said(lang, "danger_times", n=f"{times.total():,}", languages=_languages(times, lang)),
        ]
        for (category, speaker), times in sorted(
            languages.items(), key=lambda item: (-item[1].total(), item[0])
        )
    ]
    return table([said(lang, f"danger_{key}") for key in ("kind", "by", "count")], rows, "stacks")


def table(heads: Row, rows: Sequence[Row], style: Literal["fits", "stacks"] = "fits") -> str:
    """Cells are HTML already; the first of each row is its name.

    On a narrow page a table that ``fits`` breaks its lines; of one that ``stacks`` each row becomes
    a list of its cells, each under its head.
    """
    head = "".join(f"<th scope=col>{cell}</th>" for cell in heads)
    body = "".join(
        f"<tr role=row><th scope=row role=rowheader>{row[0]}</th>"
        + "".join(
            f'<td role=cell data-head="{name}"><span>{cell}</span></td>'
            for name, cell in zip(heads[1:], row[1:], strict=True)
        )
        + "</tr>"
        for row in rows
    )
    # The roles by name, since a row that is shown as a block is no row to a screen reader.
    return (
        f'<div class="scroll"><table role=table class="run-table {style}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _epoch(one: EpochStanding, minimum: int, lang: Lang) -> Row:
    epoch = one.epoch
    key = "study_open" if epoch.closed_at is None else "study_closed"
    closed = "" if epoch.closed_at is None else f"{epoch.closed_at:%Y-%m-%d %H:%M}"
    state = said(lang, key, since=f"{epoch.opened_at:%Y-%m-%d %H:%M}", closed=closed)
    left = [*one.public.unjudged.values(), *one.expert.unjudged.values()]
    return [
        f'<code>{escape(epoch.id)}</code><br><span class="state">{state}</span>',
        f"{one.battles:,}",
        _judged(one.public, minimum, lang),
        _judged(one.expert, minimum, lang),
        _excluded(one, lang),
        f"{one.under_way:,}",
        f"{sum(left):,}",
        f"{one.public.flagged + one.expert.flagged:,}",
        f"{one.public.withdrawn + one.expert.withdrawn:,}",
        f"{one.trials:,}",
    ]


def _excluded(one: EpochStanding, lang: Lang) -> str:
    """Judgements that are stored and don't count, by reason; experts' always count."""
    lines = [f"{sum(one.public.excluded.values()):,}"]
    lines += [f"{said(lang, f'excluded_{why}')}: {n:,}" for why, n in one.public.excluded.items()]
    if one.alarm:
        lines.append(f"<b>{said(lang, 'study_excluded_jump')}</b>")
    return "<br>".join(lines)


def _judged(group: ResultsTable, minimum: int, lang: Lang) -> str:
    lines = [said(lang, "study_judged", n=group.judgements, raters=group.raters)]
    if group.judgements < minimum:
        lines.append(said(lang, "study_too_few", minimum=minimum))
    return "<br>".join(f'<span class="once">{line}</span>' for line in lines)


def _languages(times: Counter[str], lang: Lang) -> str:
    told = [
        say(lang, f"danger_in_{one}", n=f"{count:,}")
        for one, count in times.most_common()
        if one in LANGS
    ]
    return say(lang, "danger_and").join(told) or "–"


def _bar(done: int, whole: int) -> str:
    text = f"{done} / {whole}"
    return f'<progress max="{max(whole, 1)}" value="{done}" aria-label="{text}"></progress> {text}'
