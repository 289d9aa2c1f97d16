"""MITI codings: those of judges and those of people apart, and how far coders agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eval.report.judge_codings import Judged
from eval.report.parts import Block, Heading, Paragraph, Part, Plot, Table, absent
from eval.report.round_dialogues import SETTING
from eval.report.shown import UNDEFINED, Reasons, interval, plain
from eval.report.words import Words
from mi_arena.miti.agreement import ItemAgreement
from mi_arena.miti.item_values import ITEMS, Item
from mi_arena.study.estimates import Estimate, bootstrap_method
from mi_arena.study.match_results import MatchResults
from mi_arena.study.miti_results import GroupResults, MitiResults
from mi_arena.workspace.report_plots import plots
from mi_arena.workspace.report_tables import csv_tables
from mi_arena.workspace.report_words import epoch_name, group_title, item_name


def judge_part(
    judged: Sequence[Judged],
    from_study: Sequence[GroupResults],
    not_coded: Mapping[str, int],
    words: Words,
) -> Part:
    """``from_study``: groups of codings that a judge's suggestions became, which name no judge.

    ``not_coded``: dialogues that a judge could not code, by why.
    """
    title = words("miti_judge")
    if not judged and not from_study and not not_coded:
        return absent("miti_judge", title, words("no_codings"))
    blocks: list[Block] = []
    if not_coded:
        why = ", ".join(f"{n} {kind}" for kind, n in sorted(not_coded.items()))
        told = words("judge_left_out", n=sum(not_coded.values()), why=why)
        blocks.append(Paragraph(told, strong=True))
    data: list[dict[str, Any]] = []
    for one in judged:
        sentence = one.sentence.of(words.lang)
        setting = f", {words(one.setting)}" if one.setting == SETTING else ""
        told = f"{one.judge.prompt_version}, {one.judge.lang}{setting}"
        blocks.append(Heading(f"{one.judge.model} ({told})"))
        blocks.append(Paragraph(sentence, strong=not one.validated))
        if one.setting == SETTING:
            blocks.append(Paragraph(words("test_rounds_note")))
        for group in one.groups:
            blocks += _tables(group, words, [sentence])
        data.append(
            {
                "judge": one.judge.model_dump(),
                "setting": one.setting,
                "validated": one.validated,
                "sentence": one.sentence.model_dump(),
                "groups": plain(one.groups),
            }
        )
    if from_study:
        sentence = words("nameless_judge")
        blocks.append(Paragraph(sentence, strong=True))
        for group in from_study:
            blocks += _tables(group, words, [sentence])
        data.append({"judge": None, "validated": False, "groups": plain(list(from_study))})
    tables = {
        f"judge{number}_{name}": text
        for number, groups in enumerate([*(one.groups for one in judged), tuple(from_study)], 1)
        if groups
        for name, text in csv_tables(MitiResults(tuple(groups)), ()).items()
        if name != "miti_matches.csv"
    }
    return Part("miti_judge", title, {"judges": data, "not_coded": dict(not_coded)}, blocks, tables)


def people_part(groups: Sequence[GroupResults], words: Words) -> Part:
    """Experts' codings and those of raters of their own talks, each kind apart."""
    title = words("miti_people")
    if not groups:
        return absent("miti_people", title, words("no_people_codings"))
    blocks: list[Block] = []
    for number, group in enumerate(groups, 1):
        blocks += _tables(group, words, [])
        for plot in plots(group):
            blocks.append(Plot(f"miti_{number:02d}_{plot.kind}", plot.shows, plot.png))
    tables = {
        name: text
        for name, text in csv_tables(MitiResults(tuple(groups)), ()).items()
        if name not in ("miti_matches.csv", "miti_agreement.csv")
    }
    return Part("miti_people", title, {"groups": plain(list(groups))}, blocks, tables)


def agreement_part(groups: Sequence[GroupResults], words: Words) -> Part:
    """Of people who coded the same dialogues."""
    title = words("agreement")
    if not groups:
        return absent("agreement", title, words("no_people_codings"))
    blocks: list[Block] = []
    for group in groups:
        blocks += [Heading(group_title(group)), _agreement(group, words)]
    csv = csv_tables(MitiResults(tuple(groups)), ())["miti_agreement.csv"]
    data = [
        {
            **{key: getattr(group, key) for key in ("source", "pair", "epoch")},
            "items": plain(group.agreement),
            "undefined": plain(group.no_agreement),
        }
        for group in groups
    ]
    return Part("agreement", title, {"groups": data}, blocks, {"miti_agreement.csv": csv})


def matches_table(matches: Sequence[MatchResults], words: Words) -> Table:
    """Verdicts of experts on two dialogues of the same client."""
    reasons = Reasons()
    rows = [
        [
            *(one.pair, epoch_name(one), f"{one.system} / {one.other}"),
            *map(str, (one.matches, one.verdicts, one.raters)),
            *map(str, (one.preferred_system, one.preferred_other)),
            *map(str, (one.ties, one.both_unacceptable)),
            interval(one.share.value, one.share.low, one.share.high, one.share.reason, reasons),
        ]
        for one in matches
    ]
    header = words.all(
        *("pair", "epoch", "systems", "matches", "verdicts", "raters", "first_preferred"),
        *("second_preferred", "ties", "both_unacceptable", "share_first"),
    )
    methods = dict.fromkeys(one.share.method for one in matches)
    return Table(header, rows, [*reasons.listed(), *methods])


def _tables(group: GroupResults, words: Words, notes: Sequence[str]) -> list[Block]:
    """A column a system, a row an item; then the paired differences alike."""
    counts = words("codings_counts", d=group.dialogues, c=group.codings, r=group.raters)
    heads = [f"{one.system} (n = {one.dialogues})" for one in group.systems]
    columns = [one.items for one in group.systems]
    blocks: list[Block] = [
        Heading(group_title(group)),
        Paragraph(counts),
        _items(heads, columns, words, [bootstrap_method("dialogue"), *notes]),
    ]
    if group.differences:
        heads = [f"{one.system} − {one.minus} (n = {one.matches})" for one in group.differences]
        found = [one.items for one in group.differences]
        blocks.append(_items(heads, found, words, [bootstrap_method("match"), *notes], "+.2f"))
    return blocks


def _items(
    heads: Sequence[str],
    columns: Sequence[dict[Item, Estimate]],
    words: Words,
    notes: Sequence[str],
    form: str = ".2f",
) -> Table:
    reasons = Reasons()
    rows = [
        [item_name(item), *(_estimate(column[item], reasons, form) for column in columns)]
        for item in ITEMS
    ]
    return Table([words("item"), *heads], rows, [*reasons.listed(), *notes])


def _estimate(one: Estimate, reasons: Reasons, form: str) -> str:
    return interval(one.mean, one.low, one.high, one.reason, reasons, form)


def _agreement(group: GroupResults, words: Words) -> Table:
    reasons = Reasons()
    rows = []
    for item in ITEMS:
        found = group.agreement.get(item)
        if found is None:
            why = group.no_agreement.get(item)
            rows.append([item_name(item), UNDEFINED + reasons.mark(why), *[UNDEFINED] * 4])
        else:
            rows.append([item_name(item), *_coefficients(found, reasons)])
    header = words.all("item", "icc", "alpha", "n", "raters", "band")
    return Table(header, rows, reasons.listed())


def _coefficients(found: ItemAgreement, reasons: Reasons) -> list[str]:
    shown = [
        interval(one.value, one.ci_low, one.ci_high, one.reason, reasons)
        for one in (found.icc_a1, found.alpha)
    ]
    return [*shown, str(found.n_targets), str(found.n_raters), found.band or UNDEFINED]
