"""Scores as Markdown that reads well in a terminal too. Every table says how it was made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from eval.score.about import About
from eval.score.bootstrap import Estimate
from eval.score.names import CAUTION, METRICS, ProfileName
from eval.score.results import Difference, GroupResult, Results

UNDEFINED = "–"
_TITLES = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L", "bleu4": "BLEU-4"}
_OF_PROFILE = {
    "llamafactory": "comparable with tables made by LLaMA-Factory",
    "standard": "rouge-score and sacreBLEU",
}
_ALL = "all"
"""In place of an arm or a pair that groups run over."""


def as_markdown(results: Results, about: About) -> str:
    """The whole text, with its last line's end."""
    blocks = ["# Text metrics", f"**{CAUTION}**"]
    for profile in about.profiles:
        blocks += _profile(profile, results, about)
        blocks += _differences(profile, results.differences, about)
    return "\n\n".join([*blocks, *_description(results.groups, about)]) + "\n"


def _profile(profile: ProfileName, results: Results, about: About) -> list[str]:
    reasons = _Reasons()
    rows = [["pair", "arm", "rounds", "dialogues", "empty", *_TITLES.values()]]
    for group in results.groups:
        scores = group.profiles[profile]
        rows.append([*_start(group), *(_shown(scores[name], reasons) for name in METRICS)])
    return [
        f"## Profile {profile}: {_OF_PROFILE[profile]}",
        _table(rows),
        *reasons.listed(),
        _made(profile, about),
    ]


def _differences(
    profile: ProfileName, differences: Sequence[Difference], about: About
) -> list[str]:
    reasons = _Reasons()
    rows = [["pair", "arm", "minus", "rounds", "dialogues", *_TITLES.values()]]
    found: dict[tuple[str, ...], list[Difference]] = {}
    for one in differences:
        if one.profile == profile:
            found.setdefault((one.pair, one.arm, one.against), []).append(one)
    if not found:
        return []
    for names, metrics in found.items():
        counts = (str(metrics[0].n_rounds), str(metrics[0].n_dialogues))
        rows.append([*names, *counts, *(_shown(one.estimate, reasons, "+") for one in metrics)])
    return [
        f"### Differences in profile {profile}",
        "In points, over the same rounds; dialogues are drawn together for both systems. Intervals "
        "are not adjusted for their number: of twenty one may miss 0 by chance.",
        _table(rows),
        *reasons.listed(),
        _made(profile, about),
    ]


def _description(groups: Sequence[GroupResult], about: About) -> list[str]:
    reasons = _Reasons()
    rows = [
        [
            *("pair", "arm", "rounds", "dialogues", "empty"),
            *("characters", "words", "reference's characters"),
            *("distinct-1 %", "distinct-2 %", "replies that ask %", "utterances that ask %"),
        ]
    ]
    for group in groups:
        estimates = [
            *group.lengths.values(),
            *group.distinct.values(),
            *group.questions.values(),
        ]
        rows.append([*_start(group), *(_shown(one, reasons) for one in estimates)])
    return [
        "## What the replies are like",
        _table(rows),
        *reasons.listed(),
        "No profile and no reference, apart from its length. Lengths are means of rounds, empty "
        "replies among them, without blanks; words are those of jieba, punctuation among them. "
        "distinct-n: different n-grams of words over all n-grams of the group (Li et al. 2016); it "
        "falls with the number and length of replies, so compare groups of like size. Utterances "
        f"are cut by punctuation. {_interval(about)} {_versions(about)} {CAUTION}",
    ]


class _Reasons:
    """Why numbers of a table are missing, in the order in which they first come."""

    def __init__(self) -> None:
        self._found: dict[str, int] = {}

    def mark(self, reason: str) -> str:
        return f"({self._found.setdefault(reason, len(self._found) + 1)})"

    def listed(self) -> list[str]:
        return [
            "\n".join(f"({number}) {reason}." for reason, number in self._found.items())
        ] * bool(self._found)


def _start(group: GroupResult) -> list[str]:
    counts = (group.n_rounds, group.n_dialogues, group.n_empty)
    return [group.pair or _ALL, group.arm or _ALL, *map(str, counts)]


def _shown(one: Estimate, reasons: _Reasons, sign: str = "") -> str:
    mark = f" {reasons.mark(one.reason)}" if one.reason else ""
    if one.mean is None:
        return UNDEFINED + mark
    if one.ci_low is None or one.ci_high is None:
        return f"{one.mean:{sign}.2f}{mark}"
    return f"{one.mean:{sign}.2f} [{one.ci_low:{sign}.2f}, {one.ci_high:{sign}.2f}]"


def _made(profile: ProfileName, about: About) -> str:
    facts = about.profiles[profile]
    signature = f" sacreBLEU signature {facts.signature}." if facts.signature else ""
    return (
        f"Profile {profile}, 0 to 100. Tokenizer: {facts.tokenizer}. Method: {facts.method}; empty "
        f"replies score 0.{signature} {_interval(about)} {_versions(about)} {CAUTION}"
    )


def _interval(about: About) -> str:
    if not about.bootstrap.draws:
        return "No intervals were asked for."
    return f"Brackets: {about.bootstrap.method}."


def _versions(about: About) -> str:
    return f"Versions: {', '.join(f'{name} {one}' for name, one in about.versions.items())}."


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_lines(rows, widths))


def _lines(rows: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield _line(
            cell.replace("|", "\\|").ljust(width) for cell, width in zip(row, widths, strict=True)
        )
        if number == 0:
            yield _line("-" * width for width in widths)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
