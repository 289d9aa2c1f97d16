"""Scores as one CSV table: tidy, unrounded, each row with how it was made or why it is empty."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from eval.score.about import About
from eval.score.bootstrap import Estimate
from eval.score.names import CAUTION
from eval.score.results import Difference, GroupResult, Results

HEADER = (
    *("pair", "arm", "against", "profile", "metric", "mean", "ci_low", "ci_high"),
    *("n_rounds", "n_dialogues", "n_empty", "reason"),
    *("tokenizer", "method", "signature", "interval", "versions", "caution"),
)
_DESCRIPTIONS = ("lengths", "distinct", "questions")

Cells = tuple[str | float | None, ...]


def as_csv(results: Results, about: About) -> str:
    """A row for each score of each group, then for each difference, which has an ``against``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for group in results.groups:
        writer.writerows(_group(group, about))
    writer.writerows(_difference(one, about) for one in results.differences)
    return out.getvalue()


def _group(group: GroupResult, about: About) -> Iterator[Cells]:
    headings = [*group.profiles.items(), *((name, getattr(group, name)) for name in _DESCRIPTIONS)]
    counts = (group.n_rounds, group.n_dialogues, group.n_empty)
    for heading, estimates in headings:
        for metric, one in estimates.items():
            start = (group.pair, group.arm, None, heading, metric)
            yield (*start, *_numbers(one), *counts, one.reason, *_made(heading, about))


def _difference(one: Difference, about: About) -> Cells:
    start = (one.pair, one.arm, one.against, one.profile, one.metric)
    counts = (one.n_rounds, one.n_dialogues, None)
    made = _made(one.profile, about)
    return (*start, *_numbers(one.estimate), *counts, one.estimate.reason, *made)


def _numbers(one: Estimate) -> Cells:
    return one.mean, one.ci_low, one.ci_high


def _made(heading: str, about: About) -> Cells:
    versions = ", ".join(f"{name} {version}" for name, version in about.versions.items())
    end = (about.bootstrap.method, versions, CAUTION)
    for profile, facts in about.profiles.items():
        if profile == heading:
            return (facts.tokenizer, facts.method, facts.signature, *end)
    return (None, None, None, *end)
