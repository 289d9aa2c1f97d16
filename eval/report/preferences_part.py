"""Who was preferred: the public and experts apart, each epoch by itself."""

from __future__ import annotations

from typing import Any

from eval.report.miti_part import matches_table
from eval.report.parts import Block, Heading, Paragraph, Part, Plot, absent
from eval.report.parts import Table as ShownTable
from eval.report.plots import Line, forest, plot_words
from eval.report.shown import Reasons, csv_text, interval, plain
from eval.report.study_records import GROUPS, Preference, StudyRecords
from eval.report.words import Words
from mi_arena.study.statistics import Interval

MEASURES = (
    *("tuned_wins_first", "tuned_wins_all", "ties", "both_unacceptable", "a_wins"),
    "correct_guesses",
)
_COUNTS = ("battles", "judgements", "raters", "flagged", "withdrawn")
OPEN = "the epoch is open: experts' shares are told once it is closed"
HEADER = (
    *("epoch", "pair", "raters_group", *_COUNTS, "unjudged_tuned_a", "unjudged_tuned_b"),
    *("measure", "value", "low", "high", "n", "method", "reason"),
)


def preferences_part(study: StudyRecords | None, words: Words) -> Part:
    """From the study's record, if one is given."""
    title = words("preferences")
    if study is None:
        return absent("preferences", title, words("no_study"))
    if not study.preferences and not study.matches:
        return absent("preferences", title, words("nothing_judged"))
    blocks: list[Block] = [Paragraph(words("preferences_lead"))]
    data: dict[str, Any] = {group: [] for group in GROUPS}
    rows = []
    for group in GROUPS:
        own = [one for one in study.preferences if one.table.role == group]
        blocks.append(Heading(words(f"by_{group}")))
        for one in own:
            blocks += _epoch(one, words)
            data[group].append(_record(one))
            rows += _cells(one)
    blocks.append(Heading(words("matches_by_experts")))
    if study.matches:
        blocks.append(matches_table(study.matches, words))
    else:
        blocks.append(Paragraph(words("no_matches")))
    data["matches"] = plain(list(study.matches))
    return Part("preferences", title, data, blocks, {"preferences.csv": csv_text(HEADER, rows)})


def shares(one: Preference) -> dict[str, Interval]:
    """What may be told of the epoch, by measure."""
    found: dict[str, Interval] = {name: getattr(one.table, name) for name in MEASURES}
    if one.withheld is None:
        return found
    n = one.table.judgements
    return {
        name: Interval(None, None, None, n, share.method, OPEN) for name, share in found.items()
    }


def _epoch(one: Preference, words: Words) -> list[Block]:
    reasons = Reasons()
    rows = [
        [words(f"m_{name}"), _share(share, reasons), str(share.n), share.method]
        for name, share in shares(one).items()
    ]
    counts = words(
        "preference_counts",
        epoch=one.epoch.id,
        pair=one.epoch.pair,
        state=words("epoch_open" if one.epoch.closed_at is None else "epoch_closed"),
        excluded=sum(one.table.excluded.values()),
        unjudged_a=one.table.unjudged["A"],
        unjudged_b=one.table.unjudged["B"],
        **{name: getattr(one.table, name) for name in _COUNTS},
    )
    header = words.all("measure", "share", "n", "method")
    return [Paragraph(counts), ShownTable(header, rows, reasons.listed()), *_plot(one, words)]


def _share(share: Interval, reasons: Reasons) -> str:
    return interval(share.value, share.low, share.high, share.reason, reasons, ".1%")


def _plot(one: Preference, words: Words) -> list[Plot]:
    """Nothing where no share may be told."""
    label = plot_words(words.lang)
    lines = [
        Line(f"{label(f'm_{name}')}, n = {share.n}", share.value, share.low, share.high)
        for name, share in shares(one).items()
    ]
    if all(line.value is None for line in lines):
        return []
    role, epoch = one.table.role, one.epoch.id
    facts = {"epoch": epoch, "pair": one.epoch.pair}
    title = f"{label(f'by_{role}')}: {label('epoch_of', **facts)}"
    shows = f"{words(f'by_{role}')}: {words('epoch_of', **facts)}"
    png = forest(lines, title, label("share"), middle=0.5)
    return [Plot(f"preferences_{role}_{_file_name(epoch)}", shows, png)]


def _file_name(text: str) -> str:
    return "".join(
        one if one.isascii() and (one.isalnum() or one in "-_.") else "_" for one in text
    )


def _record(one: Preference) -> dict[str, Any]:
    return {
        "epoch": one.epoch.id,
        "pair": one.epoch.pair,
        "open": one.epoch.closed_at is None,
        "minimum": one.table.minimum,
        **{name: getattr(one.table, name) for name in _COUNTS},
        "excluded": dict(one.table.excluded),
        "unjudged_by_side_of_tuned": dict(one.table.unjudged),
        "shares": plain(shares(one)),
    }


def _cells(one: Preference) -> list[list[str | int | float | None]]:
    start: list[str | int | float | None] = [
        *(one.epoch.id, one.epoch.pair, one.table.role),
        *(getattr(one.table, name) for name in _COUNTS),
        *(one.table.unjudged["A"], one.table.unjudged["B"]),
    ]
    return [
        [*start, name, share.value, share.low, share.high, share.n, share.method, share.reason]
        for name, share in shares(one).items()
    ]
