"""Likeness to the references, and what the replies are like, as tables and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from eval.report.parts import Block, Heading, Paragraph, Part, Plot, Table
from eval.report.plots import Line, forest, lengths, plot_words
from eval.report.round_table import RoundRow
from eval.report.shown import Reasons, interval
from eval.report.words import Words
from eval.score.about import About
from eval.score.bootstrap import Estimate
from eval.score.names import CAUTION, METRICS
from eval.score.report import as_json
from eval.score.results import Difference, GroupResult, Results
from eval.score.spreadsheet import as_csv

TITLES = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L", "bleu4": "BLEU-4"}


def metrics_part(results: Results, about: About, rows: Sequence[RoundRow], words: Words) -> Part:
    """``rows`` are the single rounds, for the distribution of lengths."""
    caution = words("caution")
    blocks: list[Block] = [Paragraph(caution, strong=True)]
    for profile, facts in about.profiles.items():
        made = f"{words('tokenizer')}: {facts.tokenizer}. {words('method')}: {facts.method}."
        if facts.signature:
            made += f" sacreBLEU {facts.signature}."
        made += f" {words('brackets')}: {about.bootstrap.method}. {caution}"
        blocks.append(Heading(words("profile", name=profile)))
        blocks.append(_groups(results.groups, profile, made, words))
        found = [one for one in results.differences if one.profile == profile]
        if found:
            blocks.append(_differences(found, made, words))
            blocks += _forests(found, profile, words)
    blocks += [Heading(words("replies_like")), _descriptions(results.groups, about, words)]
    blocks += _lengths(rows, words)
    return Part(
        "text_metrics",
        words("text_metrics"),
        as_json(results, about) | {"caution": CAUTION},
        blocks,
        {"text_metrics.csv": as_csv(results, about)},
    )


def _groups(groups: Sequence[GroupResult], profile: str, made: str, words: Words) -> Table:
    reasons = Reasons()
    rows = [
        [*_start(one), *(shown(one.profiles[profile][name], reasons) for name in METRICS)]
        for one in groups
    ]
    return Table([*_heads(words), *TITLES.values()], rows, [*reasons.listed(), made])


def _differences(found: Sequence[Difference], made: str, words: Words) -> Table:
    reasons = Reasons()
    by_systems: dict[tuple[str, str, str], dict[str, Difference]] = {}
    for one in found:
        by_systems.setdefault((one.pair, one.arm, one.against), {})[one.metric] = one
    rows = []
    for (pair, arm, against), metrics in by_systems.items():
        first = next(iter(metrics.values()))
        cells = [shown(metrics[name].estimate, reasons, "+.2f") for name in METRICS]
        counts = [str(first.n_rounds), str(first.n_dialogues)]
        rows.append([pair, f"{arm} − {against}", *counts, *cells])
    header = [*words.all("pair", "difference", "rounds", "dialogues"), *TITLES.values()]
    return Table(header, rows, [*reasons.listed(), words("differences_note"), made])


def _forests(found: Sequence[Difference], profile: str, words: Words) -> list[Plot]:
    """One plot for each pair: metrics in different profiles have different scales."""
    label = plot_words(words.lang)
    plots = []
    for pair in dict.fromkeys(one.pair for one in found):
        lines = [
            Line(
                f"{one.arm} − {one.against}, {TITLES[one.metric]}",
                one.estimate.mean,
                one.estimate.ci_low,
                one.estimate.ci_high,
            )
            for one in found
            if one.pair == pair
        ]
        png = forest(lines, label("forest", pair=pair, profile=profile), label("points"))
        shows = words("forest", pair=pair, profile=profile)
        plots.append(Plot(f"differences_{pair}_{profile}", shows, png))
    return plots


def _descriptions(groups: Sequence[GroupResult], about: About, words: Words) -> Table:
    reasons = Reasons()
    rows = []
    for one in groups:
        estimates = [*one.lengths.values(), *one.distinct.values(), *one.questions.values()]
        rows.append([*_start(one), *(shown(estimate, reasons) for estimate in estimates)])
    header = [
        *_heads(words),
        *words.all("characters", "jieba_words", "reference_characters"),
        *("distinct-1 %", "distinct-2 %"),
        *words.all("replies_ask", "utterances_ask"),
    ]
    note = words("descriptions_note")
    brackets = f"{words('brackets')}: {about.bootstrap.method}."
    return Table(header, rows, [*reasons.listed(), note, brackets])


def _lengths(rows: Sequence[RoundRow], words: Words) -> list[Plot]:
    label = plot_words(words.lang)
    plots = []
    for pair in dict.fromkeys(row.pair for row in rows):
        by_system: dict[str, list[int]] = {}
        for row in rows:
            if row.pair == pair:
                for system, scores in row.scores.items():
                    by_system.setdefault(system, []).append(int(scores["characters"]))
                reference = sum(map(len, row.reference.split()))
                by_system.setdefault(label("reference"), []).append(reference)
        png = lengths(by_system, label("lengths_plot", pair=pair), label("lengths_axis"))
        plots.append(Plot(f"lengths_{pair}", words("lengths_plot", pair=pair), png))
    return plots


def shown(one: Estimate, reasons: Reasons, form: str = ".2f") -> str:
    return interval(one.mean, one.ci_low, one.ci_high, one.reason, reasons, form)


def _heads(words: Words) -> list[str]:
    return words.all("pair", "system", "rounds", "dialogues", "empty")


def _start(one: GroupResult) -> list[str]:
    counts: Mapping[str, int] = {"r": one.n_rounds, "d": one.n_dialogues, "e": one.n_empty}
    return [one.pair or "", one.arm or "", *map(str, counts.values())]
