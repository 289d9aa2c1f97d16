"""A validation as markdown, for a terminal and for a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from eval.judge.comparison import LABELS, Comparison, ItemComparison, LabelAgreement
from eval.judge.standing import Against
from eval.judge.validation import METHOD, Held
from mi_arena.miti.items import CODES
from mi_arena.miti.ratings import Coefficient

TITLES: dict[Against, str] = {
    "human": "Validation against human codings",
    "assisted": "Comparison with human codings made from suggestions",
    "model": "Consistency with model codes",
    "unknown": "Comparison with codings of unknown origin",
}
OTHERS: dict[Against, str] = {
    "human": "human",
    "assisted": "human",
    "model": "model's",
    "unknown": "other's",
}
"""What the other side's numbers are called."""
_NAMES = tuple(label or "none" for label in LABELS)


def text_of(held: Sequence[Held]) -> str:
    """All of it, ending in how the numbers were made."""
    return "\n\n".join([*(_one(each) for each in held), METHOD])


def _one(held: Held) -> str:
    validation, found = held.validation, held.comparison
    judge = validation.judge
    who = f"{judge.model} (prompt {judge.prompt_version})" if judge else "not named"
    coders = ", ".join(f"{name} ({n})" for name, n in held.coders.items())
    warning = "" if validation.validated else "WARNING: "
    other = OTHERS[validation.against]
    parts = [
        f"# {TITLES[validation.against]}: {validation.lang}",
        f"Judge: {who}. Held against: {coders}.",
        _sizes(held),
        f"{warning}{held.sentence.en}\n{warning and '警告：'}{held.sentence.zh}",
        f"## Codes by segment (n = {found.n_segments})",
        _overall(found),
        _labels(found.labels, other),
        f"## Codes by volley (n = {found.n_volleys})",
        _labels({code: one for code, one in found.volleys.items()}, other),
        f"## Confusion (segments; rows: {other}, columns: judge)",
        _confusion(found.confusion, other),
        f"## Over- and under-calling (judge / {other}, all dialogues)",
        _calls(found, other),
        "## Globals, counts and summary scores by dialogue",
        _items(found, other),
        *_undefined(found),
    ]
    return "\n\n".join(parts)


def _sizes(held: Held) -> str:
    found = held.comparison
    left_out = f"{held.only_judge} of the judge's and {held.only_others} of the others'"
    return (
        f"n = {found.n_dialogues} dialogues ({held.validation.lang}), "
        f"{found.n_with_utterances} of them with utterances on both sides: {found.n_volleys} "
        f"volleys, {found.n_human_utterances} utterances by the other coder and "
        f"{found.n_judge_utterances} by the judge, {found.n_segments} segments. Cuts inside of "
        f"volleys: {found.n_cuts_human} and {found.n_cuts_judge}, {found.n_cuts_both} of them the "
        f"same. Without a counterpart: {left_out}."
    )


def _overall(found: Comparison) -> str:
    same = "undefined" if found.same is None else f"{found.same:.3f}"
    return f"Same code or none: {same}; kappa {_shown(found.kappa)}"


def _labels(labels: Mapping[str, LabelAgreement], other: str) -> str:
    rows = [
        [
            name,
            str(one.human),
            str(one.judge),
            str(one.both),
            *(_shown(each) for each in (one.precision, one.recall, one.f1, one.kappa)),
        ]
        for name, one in labels.items()
    ]
    return _table(["code", other, "judge", "both", "precision", "recall", "F1", "kappa"], rows)


def _confusion(table: Sequence[Sequence[int]], other: str) -> str:
    """Without labels that nobody used."""
    used = [
        place
        for place in range(len(_NAMES))
        if any(table[place]) or any(row[place] for row in table)
    ]
    rows = [[_NAMES[row], *(str(table[row][column]) for column in used)] for row in used]
    return _table([f"{other} \\ judge", *(_NAMES[column] for column in used)], rows)


def _calls(found: Comparison, other: str) -> str:
    rows = [
        [code, str(found.calls[code].human), str(found.calls[code].judge),
         _shown(found.calls[code].ratio)]
        for code in CODES
    ]  # fmt: skip
    return _table(["code", other, "judge", "ratio"], rows)


def _items(found: Comparison, other: str) -> str:
    heads = ["item", "n", f"{other} mean", "judge mean", "exact", "within 1"]
    heads += ["ICC(A,1)", "ICC(C,1)"]
    return _table([*heads, "band"], [_item(name, one) for name, one in found.items.items()])


def _item(name: str, one: ItemComparison) -> list[str]:
    found = one.agreement
    if found is None:
        return [name, "0", *["–"] * 7]
    numbers = (one.human_mean, one.judge_mean, found.exact, found.within_one)
    return [
        name,
        str(found.icc_a1.n_targets),
        *("–" if number is None else f"{number:.2f}" for number in numbers),
        _shown(found.icc_a1),
        _shown(found.icc_c1),
        f"{found.band} ({found.band_of})" if found.band else "–",
    ]


def _undefined(found: Comparison) -> Iterable[str]:
    """Why a dash stands where it stands, each reason once."""
    reasons: dict[str, list[str]] = {}
    for name, one in (*found.labels.items(), *found.volleys.items()):
        for each in (one.precision, one.recall, one.f1, one.kappa):
            _note(reasons, str(name), each)
    for code, call in found.calls.items():
        _note(reasons, code, call.ratio)
    for item, compared in found.items.items():
        if compared.agreement is not None:
            _note(reasons, item, compared.agreement.icc_a1)
    if reasons:
        lines = [f"- {', '.join(dict.fromkeys(names))}: {why}" for why, names in reasons.items()]
        yield "Undefined, or without an interval:\n\n" + "\n".join(lines)


def _note(reasons: dict[str, list[str]], name: str, found: Coefficient) -> None:
    if found.reason:
        reasons.setdefault(found.reason, []).append(name)


def _shown(found: Coefficient) -> str:
    if found.value is None:
        return "–"
    if found.ci_low is None or found.ci_high is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.ci_low:.2f}, {found.ci_high:.2f}]"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table whose columns line up in a terminal too."""
    widths = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(heads), line(["-" * width for width in widths]), *map(line, rows)])
