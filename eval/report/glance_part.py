"""What a reader wants first: the differences between systems that were found, and how sure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from eval.report.parts import Part, Table
from eval.report.shown import Reasons, interval
from eval.report.words import Words
from mi_arena.miti.items import Score, items
from mi_arena.workspace.report_words import SOURCE_TITLES

METRICS = (("standard", "rougeL", "ROUGE-L"), ("standard", "bleu4", "BLEU-4"))
AT_EQUAL_LENGTH = ("standard", "rougeL", "ROUGE-L")
SUMMARIES: tuple[Score, ...] = ("technical", "relational", "percent_cr", "r_to_q")


@dataclass(frozen=True)
class Line:
    """One difference, or one share that is held against one half."""

    pair: str
    systems: str
    measure: str
    mean: float | None
    low: float | None
    high: float | None
    reason: str | None
    n: str
    of_share: bool = False

    @property
    def verdict(self) -> str:
        """Which way the interval lies, as a key of words."""
        middle = 0.5 if self.of_share else 0.0
        if self.mean is None or self.low is None or self.high is None:
            return "untold"
        if self.low > middle:
            return "above"
        return "below" if self.high < middle else "unsure"


def glance_part(parts: Mapping[str, Any], words: Words) -> Part:
    """``parts`` are the data of the other parts, by key; of those that say nothing, nothing."""
    lines = [
        *_metrics(parts["text_metrics"], words),
        *_controlled(parts["length_control"], words),
        *_judges(parts["miti_judge"], words),
        *_people(parts["miti_people"], words),
        *_preferred(parts["preferences"], words),
    ]
    reasons = Reasons()
    rows = [
        [
            *(one.pair, one.systems, one.measure),
            _shown(one, reasons),
            one.n,
            words(f"is_{one.verdict}"),
        ]
        for one in lines
    ]
    header = words.all("pair", "systems", "measure", "glance_value", "n", "glance_verdict")
    table = Table(header, rows, [*reasons.listed(), words("glance_note")])
    data = [{**vars(one), "verdict": one.verdict} for one in lines]
    return Part("glance", words("glance"), {"lines": data}, [table] if rows else [])


def _shown(one: Line, reasons: Reasons) -> str:
    form = ".1%" if one.of_share else "+.2f"
    return interval(one.mean, one.low, one.high, one.reason, reasons, form)


def _metrics(data: Mapping[str, Any], words: Words) -> Iterator[Line]:
    for one in data.get("differences", ()):
        for profile, metric, name in METRICS:
            if (one["profile"], one["metric"]) == (profile, metric):
                yield Line(
                    pair=one["pair"],
                    systems=f"{one['arm']} − {one['against']}",
                    measure=f"{name} ({profile})",
                    mean=one["mean"],
                    low=one["ci_low"],
                    high=one["ci_high"],
                    reason=one.get("reason"),
                    n=words("n_dialogues", n=one["n_dialogues"]),
                )


def _controlled(data: Mapping[str, Any], words: Words) -> Iterator[Line]:
    profile, metric, name = AT_EQUAL_LENGTH
    for one in data.get("results", ()):
        if (one["profile"], one["metric"]) == (profile, metric):
            found = one["at_equal_length"]
            yield Line(
                pair=one["pair"],
                systems=f"{one['arm']} − {one['against']}",
                measure=words("glance_equal_length", name=f"{name} ({profile})"),
                mean=found["mean"],
                low=found["ci_low"],
                high=found["ci_high"],
                reason=found.get("reason"),
                n=words("n_dialogues", n=one["n_dialogues"]),
            )


def _judges(data: Mapping[str, Any], words: Words) -> Iterator[Line]:
    for judge in data.get("judges", ()):
        who = judge["judge"]["model"] if judge["judge"] else words("nameless")
        checked = words("is_checked" if judge["validated"] else "is_unchecked")
        for group in judge["groups"]:
            yield from _coded(group, f"{who}, {checked}", words)


def _people(data: Mapping[str, Any], words: Words) -> Iterator[Line]:
    for group in data.get("groups", ()):
        yield from _coded(group, SOURCE_TITLES[group["source"]], words)


def _coded(group: Mapping[str, Any], coder: str, words: Words) -> Iterator[Line]:
    for one in group["differences"]:
        for score in SUMMARIES:
            found = one["items"][score]
            name = items().scores[score].of(words.lang)
            yield Line(
                pair=group["pair"],
                systems=f"{one['system']} − {one['minus']}",
                measure=f"MITI {name} ({coder})",
                mean=found["mean"],
                low=found["low"],
                high=found["high"],
                reason=found["reason"],
                n=words("n_matches", n=found["n"]),
            )


def _preferred(data: Mapping[str, Any], words: Words) -> Iterator[Line]:
    for raters in ("public", "expert"):
        for one in data.get(raters) or ():
            share = one["shares"]["tuned_wins_first"]
            yield Line(
                pair=one["pair"],
                systems="tuned / base",
                measure=f"{words('m_tuned_wins_first')} ({words(f'by_{raters}')}, {one['epoch']})",
                mean=share["value"],
                low=share["low"],
                high=share["high"],
                reason=share["reason"],
                n=words("n_judgements", n=share["n"]),
                of_share=True,
            )
