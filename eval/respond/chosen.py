"""The pair and the ways to its systems, as the arguments of an evaluation's command choose them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from eval.respond.remote import Way, endpoint_of
from eval.respond.systems import System
from mi_arena.decoding import Decoding
from mi_arena.engine.revisions import at_commits
from mi_arena.jobs.script import BadInput
from mi_arena.llm.endpoint import Endpoint
from mi_arena.llm.prices import Price, price_of
from mi_arena.pairs import Pair, RegistryError, load_registry, missing
from mi_arena.settings import ROOT


def chosen_pair(registries: Sequence[Path], name: str, systems: Sequence[System]) -> Pair:
    """The pair, at the commits that its branches stand at. Raises ``BadInput``.

    Without registries, of the project's own.
    """
    pairs = all_pairs(registries or [ROOT / "models.yaml"])
    if name not in pairs:
        raise BadInput(f"--pair: no pair {name!a}; known: {', '.join(sorted(pairs))}")
    pair = pairs[name]
    if all(system.remote_model for system in systems):
        return pair
    base_alone = not any(system.tuned for system in systems)
    if problem := missing(pair, base_alone):
        raise BadInput(f"pair {pair.id}: {problem}")
    return at_commits(pair)


def all_pairs(registries: Sequence[Path]) -> dict[str, Pair]:
    """Raises ``BadInput`` for what is no registry, or an id that stands in two."""
    pairs: dict[str, Pair] = {}
    for registry in registries:
        try:
            more = load_registry(registry)
        except RegistryError as error:
            raise BadInput(str(error)) from None
        if twice := sorted(pairs.keys() & more.keys()):
            raise BadInput(f"{registry}: pair {twice[0]} stands in another --models too")
        pairs |= more
    return pairs


def ways_to(
    systems: Sequence[System], pair: Pair, decoding: Decoding, options: argparse.Namespace
) -> list[Way]:
    """Of the systems that don't run here; ``options`` are those of `add_asking`."""
    ways = []
    for system in systems:
        if system.remote_model or pair.server:
            endpoint = endpoint_of(system, pair, decoding, options.base_url, options.timeout)
            ways.append(Way(system, endpoint, price_within_limit(endpoint, options)))
    return ways


def price_within_limit(endpoint: Endpoint, options: argparse.Namespace) -> Price:
    """Raises ``BadInput`` where there is a cost limit and no price."""
    price = price_of(endpoint, options.price_in, options.price_out)
    if options.max_cost is not None and not price.known:
        raise BadInput(f"--max-cost: {price.note}")
    return price
