"""The short parts: simulated clients, costs, and a few rounds side by side."""

from __future__ import annotations

import random
from collections.abc import Sequence

from eval.report.costs import Cost
from eval.report.parts import Block, Heading, Paragraph, Part, Table, absent
from eval.report.round_table import RoundRow
from eval.report.shown import UNDEFINED, Reasons, csv_text, interval
from eval.report.simulated_summary import Change, SimulatedSummary
from eval.report.words import Words

MOST_EXAMPLES = 5


def simulated_part(summary: SimulatedSummary | None, words: Words) -> Part:
    """How far each system moved its simulated clients."""
    title = words("simulated")
    if summary is None:
        return absent("simulated", title, words("no_simulated"))
    reasons = Reasons()
    rows = [
        [
            *(name, str(one.n), str(one.rounds)),
            *(_number(one.readiness_start), _number(one.readiness_end)),
            _change(one.readiness_change, reasons),
            ", ".join(f"{ending} {n}" for ending, n in one.ended.items() if n),
            ", ".join(f"{behaviour} {n}" for behaviour, n in one.replies_with.items() if n),
        ]
        for name, one in summary.systems.items()
    ]
    rows += [
        [
            f"{one.system} − {one.against}",
            *(str(one.readiness_change.n), *[UNDEFINED] * 3),
            _change(one.readiness_change, reasons, "+.2f"),
            *[UNDEFINED] * 2,
        ]
        for one in summary.differences
    ]
    header = words.all(
        *("system", "n", "rounds", "readiness_start", "readiness_end", "readiness_change"),
        *("ended", "behaviours"),
    )
    methods = dict.fromkeys(one.readiness_change.method for one in summary.systems.values())
    blocks: list[Block] = [
        Paragraph(summary.caution, strong=True),
        Table(header, rows, [*reasons.listed(), *methods]),
    ]
    return Part("simulated", title, summary.model_dump(mode="json"), blocks)


def costs_part(costs: Sequence[Cost], words: Words) -> Part:
    """Stage by stage."""
    if not costs:
        return absent("costs", words("costs"), words("no_costs"))
    reasons = Reasons()
    rows = []
    for one in costs:
        numbers = [
            _number(one.seconds, ".1f"),
            UNDEFINED if one.tokens is None else str(one.tokens),
            UNDEFINED if one.usd is None else f"{one.usd:.4f}",
        ]
        rows.append([one.stage, *numbers, reasons.mark(one.reason).strip()])
    header = words.all("stage", "seconds", "tokens", "usd", "reason")
    csv = csv_text(
        ("stage", "seconds", "tokens", "usd", "reason"),
        ([one.stage, one.seconds, one.tokens, one.usd, one.reason] for one in costs),
    )
    data = {"stages": [vars(one) for one in costs]}
    table = Table(header, rows, reasons.listed())
    return Part("costs", words("costs"), data, [table], {"costs.csv": csv})


def examples_part(rows: Sequence[RoundRow], wanted: int, seed: int, words: Words) -> Part:
    """Rounds chosen by seed alone, with the texts of all systems."""
    count = min(wanted, MOST_EXAMPLES, len(rows))
    places = sorted(random.Random(seed).sample(range(len(rows)), count))
    chosen = [rows[place] for place in places]
    blocks: list[Block] = [Paragraph(words("examples_lead", n=len(rows), seed=seed))]
    for row in chosen:
        heading = words("example", pair=row.pair, dialogue=row.dialogue_id, round=row.round)
        texts = [[words("reference"), row.reference], *map(list, row.replies.items())]
        blocks += [Heading(heading), Table(words.all("system", "reply"), texts)]
    data = {
        "seed": seed,
        "rounds": [
            {
                "pair": row.pair,
                "dialogue_id": row.dialogue_id,
                "round": row.round,
                "reference": row.reference,
                "replies": dict(row.replies),
            }
            for row in chosen
        ],
    }
    return Part("examples", words("examples"), data, blocks)


def _number(value: float | None, form: str = ".2f") -> str:
    return UNDEFINED if value is None else f"{value:{form}}"


def _change(one: Change, reasons: Reasons, form: str = ".2f") -> str:
    return interval(one.mean, one.low, one.high, one.reason, reasons, form)
