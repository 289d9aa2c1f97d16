"""Differences between systems at equal length of replies, for every metric of both profiles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from eval.report.length_control import FORMULA, LengthControl, control_length
from eval.report.metrics_part import shown
from eval.report.parts import Block, Paragraph, Part, Table, absent
from eval.report.round_table import DESCRIPTIONS, RoundRow
from eval.report.shown import UNDEFINED, Reasons, csv_text, plain
from eval.report.words import Words
from eval.score.bootstrap import Bootstrap
from eval.score.names import AGAINST

HEADER = (
    *("pair", "arm", "against", "profile", "metric", "n_dialogues"),
    *("mean_difference", "mean_length_difference", "at_equal_length", "ci_low", "ci_high"),
    *("reason", "per_character", "per_character_ci_low", "per_character_ci_high", "extrapolated"),
    *("formula", "interval"),
)


@dataclass(frozen=True)
class Controlled:
    """One metric of two systems of a pair."""

    pair: str
    arm: str
    against: str
    profile: str
    metric: str
    found: LengthControl


def length_part(rows: Sequence[RoundRow], bootstrap: Bootstrap, words: Words) -> Part:
    """``rows`` of all pairs."""
    title = words("length_control")
    every = list(_controlled(rows, bootstrap))
    if not every:
        return absent("length_control", title, words("no_two_systems"))
    data = {
        "formula": FORMULA,
        "interval": bootstrap.method,
        "results": [_record(one) for one in every],
    }
    blocks: list[Block] = [Paragraph(words("length_lead")), _table(every, bootstrap, words)]
    csv = csv_text(HEADER, ([*_cells(one), FORMULA, bootstrap.method] for one in every))
    return Part("length_control", title, data, blocks, {"length_control.csv": csv})


def _controlled(rows: Sequence[RoundRow], bootstrap: Bootstrap) -> Iterator[Controlled]:
    for pair in dict.fromkeys(row.pair for row in rows):
        own = [row for row in rows if row.pair == pair]
        for arm, against in AGAINST:
            if arm in own[0].scores and against in own[0].scores:
                length = _by_dialogue(own, arm, against, "characters")
                for name in own[0].scores[arm]:
                    if name not in DESCRIPTIONS:
                        metric = _by_dialogue(own, arm, against, name)
                        found = control_length(metric, length, bootstrap)
                        profile, _, score = name.partition(".")
                        yield Controlled(pair, arm, against, profile, score, found)


def _by_dialogue(rows: Sequence[RoundRow], arm: str, against: str, name: str) -> list[float]:
    """The mean difference of each dialogue, in the order of their ids."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        values[row.dialogue_id].append(row.difference(arm, against, name))
    return [sum(values[key]) / len(values[key]) for key in sorted(values)]


def _record(one: Controlled) -> dict[str, object]:
    fields = {name: value for name, value in vars(one).items() if name != "found"}
    found: dict[str, object] = plain(one.found)
    return fields | found


def _table(every: Sequence[Controlled], bootstrap: Bootstrap, words: Words) -> Table:
    reasons = Reasons()
    rows = []
    for one in every:
        found = one.found
        mark = "" if not found.extrapolated else reasons.mark(words("extrapolated"))
        rows.append(
            [
                *(one.pair, f"{one.arm} − {one.against}", one.profile, one.metric),
                str(found.n_dialogues),
                _number(found.mean_difference),
                _number(found.mean_length_difference),
                shown(found.at_equal_length, reasons, "+.2f") + mark,
                shown(found.per_character, reasons, "+.3f"),
            ]
        )
    header = words.all(
        *("pair", "difference", "profile_name", "metric", "dialogues", "raw_difference"),
        *("length_difference", "at_equal_length", "per_character"),
    )
    notes = [*reasons.listed(), FORMULA, f"{words('brackets')}: {bootstrap.method}."]
    return Table(header, rows, [*notes, words("sentence_bleu_note")])


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:+.2f}"


def _cells(one: Controlled) -> list[str | float | None]:
    found = one.found
    at, per = found.at_equal_length, found.per_character
    return [
        *(one.pair, one.arm, one.against, one.profile, one.metric, found.n_dialogues),
        *(found.mean_difference, found.mean_length_difference, at.mean, at.ci_low, at.ci_high),
        *(at.reason, per.mean, per.ci_low, per.ci_high, found.extrapolated),
    ]
