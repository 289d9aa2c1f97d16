"""Which whole groups go into which split, so that the sizes come out exactly.

Pure: groups and sizes in, group keys out. Proportional to source and topic by largest remainder;
where whole groups can't meet a share exactly, the nearest that keeps the sizes is taken.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from training.split.groups import Group

Stratum = tuple[str, str]
Chosen = dict[str, list[Group]]

SEARCH_NODES = 2_000
"""Bound of the integer programme, in nodes and not in seconds: it ends alike on every machine."""


@dataclass(frozen=True)
class Impossible(Exception):
    """No choice of whole groups has these sizes; ``nearest`` does."""

    nearest: dict[str, int]


class SearchEnded(Exception):
    """The integer programme reached its bound with nothing in hand."""


def seeded_rank(seed: int) -> Callable[[str], bytes]:
    """A sort key that shuffles by the seed, the same in every version of every library."""
    return lambda name: hashlib.sha256(f"{seed}\n{name}".encode("utf-8", "surrogatepass")).digest()


def largest_remainder(
    total: int, counts: Mapping[str, int], rank: Callable[[str], bytes]
) -> dict[str, int]:
    """``total`` seats in proportion to ``counts``; equal remainders go by ``rank``."""
    everything = sum(counts.values())
    if not everything:
        return dict.fromkeys(counts, 0)
    seats = {name: total * count // everything for name, count in counts.items()}
    by_remainder = sorted(
        counts, key=lambda name: (-(total * counts[name] % everything), rank(name))
    )
    for name in by_remainder[: total - sum(seats.values())]:
        seats[name] += 1
    return seats


def quotas(total: int, groups: Iterable[Group], seed: int) -> dict[Stratum, int]:
    """Dialogues wanted of every stratum: shared out among sources, then among their topics."""
    rank = seeded_rank(seed)
    topics: dict[str, Counter[str]] = defaultdict(Counter)
    for group in groups:
        topics[group.stratum[0]][group.stratum[1]] += group.size
    sources = largest_remainder(total, {s: count.total() for s, count in topics.items()}, rank)
    return {
        (source, topic): wanted
        for source, count in topics.items()
        for topic, wanted in largest_remainder(sources[source], count, rank).items()
    }


def choose(groups: Sequence[Group], sizes: Mapping[str, int], seed: int) -> Chosen:
    """Groups of each split, by key. Raises ``Impossible`` where no whole groups have the sizes.

    The smallest split chooses first: a share of few dialogues is the hardest to meet.
    """
    rank = seeded_rank(seed)
    shuffled = sorted(groups, key=lambda group: rank(group.key))
    wanted = {name: quotas(size, groups, seed) for name, size in sizes.items()}
    chosen = _one_by_one(shuffled, sizes, wanted) or _by_programme(shuffled, sizes, wanted)
    return {name: sorted(chosen[name], key=lambda group: group.key) for name in sizes}


def _one_by_one(
    shuffled: Sequence[Group], sizes: Mapping[str, int], wanted: Mapping[str, Mapping[Stratum, int]]
) -> Chosen | None:
    """In the shuffled order, what fits into its stratum's share; then what makes up the rest."""
    left = list(shuffled)
    chosen: Chosen = {}
    for name in sorted(sizes, key=lambda name: (sizes[name], name)):
        open_share = dict(wanted[name])
        taken, rest = list[Group](), list[Group]()
        for group in left:
            fits = group.size <= open_share[group.stratum]
            (taken if fits else rest).append(group)
            if fits:
                open_share[group.stratum] -= group.size
        short_first = sorted(rest, key=lambda group: -open_share[group.stratum])
        more = with_sum(short_first, sizes[name] - sum(group.size for group in taken))
        if more is None:
            return None
        chosen[name] = taken + more
        gone = {group.key for group in chosen[name]}
        left = [group for group in left if group.key not in gone]
    return chosen


def with_sum(groups: Iterable[Group], total: int) -> list[Group] | None:
    """Some of the groups, early ones first, whose sizes add up to ``total``; None if none do."""
    reached: dict[int, tuple[Group, ...]] = {0: ()}
    useful: Counter[int] = Counter()
    for group in groups:
        if total in reached:
            break
        useful[group.size] += 1
        if useful[group.size] * group.size > total:
            continue  # more of one size than the sum could hold
        for before in sorted(reached, reverse=True):
            after = before + group.size
            if after <= total and after not in reached:
                reached[after] = (*reached[before], group)
    return list(reached[total]) if total in reached else None


def nearest_sizes(groups: Sequence[Group], sizes: Mapping[str, int]) -> dict[str, int]:
    """The sizes that whole groups can have, nearest to those asked for by the summed difference."""
    programme = _Programme(groups, sizes)
    return programme.totals(programme.solve())


def _by_programme(
    shuffled: Sequence[Group], sizes: Mapping[str, int], wanted: Mapping[str, Mapping[Stratum, int]]
) -> Chosen:
    """How many groups of each stratum and size, by an integer programme; which ones, by order."""
    programme = _Programme(shuffled, sizes)
    counts = programme.solve()
    nearest = programme.totals(counts)
    if nearest != dict(sizes):
        raise Impossible(nearest)
    with suppress(SearchEnded):  # exact sizes come before proportions
        proportional = programme.solve(wanted)
        if programme.totals(proportional) == nearest:
            counts = proportional
    waiting = {one: iter(members) for one, members in programme.classes.items()}
    return {
        name: [
            next(waiting[one])
            for one, count in zip(programme.classes, counts[k], strict=True)
            for _ in range(count)
        ]
        for k, name in enumerate(sizes)
    }


class _Programme:
    """Counts of groups by split and by class (stratum and size), as ``scipy.optimize.milp``.

    Variables, in this order: the counts, splits × classes; then, above and below, a deviation for
    each split (from its size) or for each split and stratum (from its share).
    """

    def __init__(self, groups: Iterable[Group], sizes: Mapping[str, int]):
        classes: dict[tuple[Stratum, int], list[Group]] = {}
        for group in groups:
            classes.setdefault((group.stratum, group.size), []).append(group)
        self.classes = dict(sorted(classes.items()))
        self.sizes = sizes
        self.class_sizes = np.array([size for _, size in self.classes])
        self.available = np.array([len(members) for members in self.classes.values()])
        self.strata = sorted({stratum for stratum, _ in self.classes})

    def totals(self, counts: np.ndarray) -> dict[str, int]:
        """Dialogues in each split."""
        return {name: int(counts[k] @ self.class_sizes) for k, name in enumerate(self.sizes)}

    def solve(self, wanted: Mapping[str, Mapping[Stratum, int]] | None = None) -> np.ndarray:
        """Counts, splits × classes: nearest to the sizes, or, given shares, exactly of the sizes
        and nearest to the shares. Raises ``SearchEnded`` where nothing was found."""
        splits, classes = len(self.sizes), len(self.classes)
        targets = list(self.sizes.values())
        counts = splits * classes
        rows: list[tuple[dict[int, float], float, float]] = [
            ({k * classes + c: 1.0 for k in range(splits)}, 0, float(self.available[c]))
            for c in range(classes)
        ]
        sums = [
            {k * classes + c: float(self.class_sizes[c]) for c in range(classes)}
            for k in range(splits)
        ]
        deviations = 0

        def near(row: dict[int, float], target: float) -> None:
            nonlocal deviations
            place = counts + 2 * deviations
            rows.append((row | {place: -1.0, place + 1: 1.0}, target, target))
            deviations += 1

        if wanted is None:
            for k, row in enumerate(sums):
                near(row, targets[k])
        else:
            rows += [(row, targets[k], targets[k]) for k, row in enumerate(sums)]
            for k, name in enumerate(self.sizes):
                for stratum in self.strata:
                    here = {
                        k * classes + c: float(size)
                        for c, (its, size) in enumerate(self.classes)
                        if its == stratum
                    }
                    near(here, wanted[name][stratum])
        found = self._search(rows, counts, deviations)
        return np.rint(found.x[:counts]).astype(int).reshape(splits, classes)

    def _search(
        self, rows: Sequence[tuple[dict[int, float], float, float]], counts: int, deviations: int
    ) -> Any:
        variables = counts + 2 * deviations
        entries = [(r, c, value) for r, (row, _, _) in enumerate(rows) for c, value in row.items()]
        row_of, column_of, values = zip(*entries, strict=True)
        matrix = coo_array((values, (row_of, column_of)), shape=(len(rows), variables))
        upper = np.full(variables, np.inf)
        upper[:counts] = np.tile(self.available, len(self.sizes))
        found = milp(
            np.r_[np.zeros(counts), np.ones(2 * deviations)],
            constraints=LinearConstraint(
                matrix.tocsr(), [low for _, low, _ in rows], [high for _, _, high in rows]
            ),
            integrality=np.ones(variables),
            bounds=Bounds(np.zeros(variables), upper),
            # With its presolve, HiGHS gives up on some small programmes and prints to stdout.
            options={"node_limit": SEARCH_NODES, "presolve": False},
        )
        if found.x is None:
            raise SearchEnded(found.message)
        return found
