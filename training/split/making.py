"""From files to splits: read, group, drop leaks where asked, choose, and check what came out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mi_arena.dialogue import Dialogue
from mi_arena.jobs.dialogue_files import file_sha256
from mi_arena.jobs.script import BadInput
from training.split.choosing import Impossible, choose, nearest_sizes
from training.split.groups import Group, group, near_groups
from training.split.intake import InputFile, Intake, dialogues_of, take_in
from training.split.leaks import KINDS, Keys, Overlap, leak_report

STEPS = ("read", "near-duplicates", "groups", "choice", "write", "push")


@dataclass(frozen=True)
class Options:
    inputs: tuple[Path, ...]
    against: tuple[Path, ...]
    sizes: dict[str, int]
    """Dialogues of each split, none of them zero."""
    seed: int
    near_threshold: float | None
    """Jaccard similarity from which on two dialogues are near-duplicates; None: not looked for."""
    with_crisis: bool
    drop_leaks: bool
    sources: tuple[Path, ...] = ()
    """What the inputs were rewritten from: joins them, and is never drawn from."""


@dataclass(frozen=True)
class Made:
    """Splits, and all that is to be told of how they came about."""

    options: Options
    intake: Intake
    against: list[InputFile]
    groups: list[Group]
    """Those that could be chosen."""
    joins: Counter[str]
    dropped: list[Group]
    """Left out whole, because they overlap with a file of ``against``."""
    splits: dict[str, list[Dialogue]]
    """By id, as read."""
    split_groups: dict[str, list[Group]]
    overlaps: list[Overlap]
    sources: list[InputFile]


class LeakFound(BadInput):
    """A file of ``against`` overlaps with what would be trained on."""

    def __init__(self, message: str, overlaps: list[Overlap]):
        super().__init__(message)
        self.overlaps = overlaps


def make(options: Options, at: Callable[[str], None] = lambda step: None) -> Made:
    """Everything but the writing; ``at`` hears of each step of ``STEPS`` as it begins.

    Raises ``BadInput`` for files and sizes that won't do, ``LeakFound`` for a leak.
    """
    at("read")
    intake = take_in(options.inputs, options.with_crisis)
    candidates = intake.dialogues
    everything = list(candidates)
    against: dict[str, range] = {}
    against_files = []
    for path in options.against:
        more = list(dialogues_of(path))
        taken = path.name in against or path.name in options.sizes
        name = f"{path.name} ({len(against) + 1})" if taken else path.name
        against[name] = range(len(everything), len(everything) + len(more))
        against_files.append(InputFile(name, file_sha256(path), len(more)))
        everything += more
    sources: dict[int, Dialogue] = {}
    source_files = []
    for path in options.sources:
        more = list(dialogues_of(path))
        sources |= dict(enumerate(more, len(everything)))
        source_files.append(InputFile(path.name, file_sha256(path), len(more)))
        everything += more

    at("near-duplicates")
    near = None
    if options.near_threshold is not None:
        near = near_groups(everything, options.near_threshold)

    at("groups")
    grouping = group(candidates, near or (), sources)
    keys = Keys(everything, near)
    groups, dropped = grouping.groups, list[Group]()
    if options.drop_leaks:
        groups, dropped = _without_leaks(groups, candidates, keys, against)

    at("choice")
    _check_enough(options, intake, groups, dropped)
    try:
        chosen = choose(groups, options.sizes, options.seed)
    except Impossible as impossible:
        raise BadInput(
            f"no whole groups were found that make {_asked(options.sizes)}; "
            f"the nearest is {_asked(impossible.nearest)}"
        ) from None
    index_of = {one.id: index for index, one in enumerate(candidates)}
    indices = {
        name: sorted(index_of[member] for one in found for member in one.members)
        for name, found in chosen.items()
    }
    overlaps = leak_report(keys, indices, against)
    straddling = [o for o in overlaps if o.left_dialogues and o.right in indices]
    assert not straddling, f"groups straddle: {straddling}"
    if not options.drop_leaks:
        _check_no_leak(overlaps, against)
    return Made(
        options,
        intake,
        against_files,
        groups,
        grouping.joins,
        dropped,
        {name: [candidates[i] for i in found] for name, found in indices.items()},
        chosen,
        overlaps,
        source_files,
    )


def _without_leaks(
    groups: Sequence[Group], candidates: Sequence[Dialogue], keys: Keys, against: dict[str, range]
) -> tuple[list[Group], list[Group]]:
    """The groups that share nothing with the files of ``against``, and the others."""
    compared = [index for found in against.values() for index in found]
    leaking = {
        candidates[index].id
        for kind in KINDS
        for index, _ in keys.shared(kind, range(len(candidates)), compared)
    }
    kept, dropped = list[Group](), list[Group]()
    for one in groups:
        (kept if leaking.isdisjoint(one.members) else dropped).append(one)
    return kept, dropped


def _check_no_leak(overlaps: Sequence[Overlap], against: dict[str, range]) -> None:
    found = [
        overlap
        for overlap in overlaps
        if overlap.left == "train" and overlap.right in against and overlap.left_dialogues
    ]
    if not found:
        return
    told = "; ".join(
        f"{o.right}: {o.kind} {o.left_dialogues} (such as {' and '.join(o.examples[0])})"
        for o in found
    )
    raise LeakFound(
        f"--against overlaps with the train split: {told}; "
        "--drop-leaks leaves the groups of these dialogues out",
        list(overlaps),
    )


def _check_enough(
    options: Options, intake: Intake, groups: Sequence[Group], dropped: Sequence[Group]
) -> None:
    have, asked = sum(one.size for one in groups), sum(options.sizes.values())
    if have >= asked:
        return
    left_out = [f"{count} {reason}" for reason, count in sorted(intake.left_out.items())]
    if dropped:
        left_out.append(f"{sum(one.size for one in dropped)} leaks")
    raise BadInput(
        f"{_asked(options.sizes)} are asked for, {asked} in all, but the input has {have} usable "
        f"dialogues in {len(groups)} groups ({intake.read} read"
        + "".join(f", {each}" for each in left_out)
        + f"); {_advice(options.sizes, have, groups)}"
    )


def _advice(sizes: dict[str, int], have: int, groups: Sequence[Group]) -> str:
    """Sizes that the groups can have: the held-out splits as asked, or all in proportion."""
    held_out = {name: size for name, size in sizes.items() if name != "train"}
    if sum(held_out.values()) * 2 > have:  # training on less than what is held out is no plan
        asked = sum(sizes.values())
        held_out = {name: max(1, have * size // asked) for name, size in held_out.items()}
    train = have - sum(held_out.values())
    if train > 0:
        possible = nearest_sizes(groups, {"train": train} | held_out)
        if all(possible.values()):
            return "ask for " + " ".join(f"--{name} {n}" for name, n in possible.items())
    return "add dialogues of other questions"


def _asked(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name} {size}" for name, size in sizes.items())
