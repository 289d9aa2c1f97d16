"""How the records are kept and released, as HTML: counts that add up, alarms where they do not."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from mi_arena.publishing.alarms import Alarm
from mi_arena.publishing.status import InDataset, Released, Status, Table
from mi_arena.records.release_events import TableCounts
from mi_arena.ui.duration import duration
from mi_arena.ui.study.study_html import table
from mi_arena.ui.texts import LANGS, Lang, all_texts, said, say


def health_html(status: Status, lang: Lang) -> str:
    """Alarms and notices first: whoever looks wants to know whether all is well."""
    alarms = "".join(
        f'<p class="note bad" role="alert">{_alarm(one, lang)}</p>' for one in status.alarms
    )
    notices = "".join(f'<p class="note">{_alarm(one, lang)}</p>' for one in status.notices)
    well = "" if status.alarms else f'<p class="note good">{said(lang, "health_well")}</p>'
    rows = [
        (said(lang, "health_battles"), f"{status.battles_started:,}"),
        (said(lang, "health_judgements"), f"{status.judgements_acknowledged:,}"),
        (said(lang, "health_events"), f"{status.events_stored:,}"),
        *(_dataset(status.publishing, lang) if status.publishing else ()),
    ]
    none = "" if status.publishing else f"<p>{said(lang, 'health_no_dataset')}</p>"
    heads = [said(lang, "health_what"), said(lang, "health_count")]
    return f"{alarms}{notices}{well}{table(heads, rows)}{none}"


def release_html(last: Released | None, lang: Lang) -> str:
    """What the last release holds, and why it does not hold the rest."""
    if last is None:
        return f"<p>{said(lang, 'release_none')}</p>"
    told = said(lang, "release_last", repo=last.repo, at=last.pushed_at[:16].replace("T", " "))
    since = said(lang, "release_since", n=last.judgements_since)
    return f"<p>{told} {since}</p>{tables_html(last.tables, lang)}"


def tables_html(tables: Mapping[str, TableCounts | Table], lang: Lang) -> str:
    """Of a release: records in it and not in it, by table."""
    rows = [
        (
            said(lang, f"release_{name}"),
            f"{one.released:,}",
            "<br>".join(f"{_reason(why, lang)} {count:,}" for why, count in one.left_out.items())
            or "–",
        )
        for name, one in tables.items()
    ]
    heads = [said(lang, f"release_{key}") for key in ("table", "in_it", "not_in_it")]
    judged = tables["judgements"]
    told = said(lang, "release_not_counted", n=judged.not_counted, all=judged.released)
    return table(heads, rows, "stacks") + (f"<p>{told}</p>" if judged.not_counted else "")


def _alarm(alarm: Alarm, lang: Lang) -> str:
    values = dict(alarm.values)
    if alarm.code == "late":
        values["waited"] = duration(float(values["seconds"]), lang)
    if alarm.code == "released_more":
        values["table"] = say(lang, f"release_{values['table']}")
    return said(lang, f"alarm_{alarm.code}", **values)


def _dataset(there: InDataset, lang: Lang) -> list[tuple[str, str]]:
    oldest = "–"
    if there.oldest_waiting_seconds is not None:
        oldest = escape(duration(there.oldest_waiting_seconds, lang))
    last = there.last_commit
    error = there.last_error
    return [
        (said(lang, "health_dataset"), escape(str(there.dataset or "–"))),
        (said(lang, "health_published"), f"{there.events_published:,}"),
        (said(lang, "health_waiting"), f"{there.events_waiting:,}"),
        (said(lang, "health_oldest"), oldest),
        (
            said(lang, "health_commit"),
            "–" if last is None else f"<code>{escape(str(last['id'])[:12])}</code> {_at(last)}",
        ),
        (said(lang, "health_error"), "–" if error is None else _error(error, lang)),
    ]


def _error(error: dict[str, object], lang: Lang) -> str:
    """What kind it is in the reader's language, and the line of the log."""
    key = f"fault_{error['type']}"
    told = said(lang, key if key in all_texts()[lang] else "fault_other")
    return f'{told} {_at(error)}<br><span lang="en">{escape(str(error["line"]))}</span>'


def _at(note: dict[str, object]) -> str:
    return escape(str(note["at"])[:16].replace("T", " ")) + " UTC"


def _reason(why: str, lang: Lang) -> str:
    key = f"left_out_{why}"
    return said(lang, key) if key in all_texts()[LANGS[0]] else escape(why)
