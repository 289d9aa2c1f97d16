"""An arena over a small real pair and a real store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from mi_arena.access.identity import Identities, Identity
from mi_arena.access.keyed import keyed_by
from mi_arena.access.members import MemberRole, Members
from mi_arena.battles.arena import Arena, Rules
from mi_arena.engine.loading import LoadedPair, bytes_needed, load_pair
from mi_arena.engine.local import LocalEngine
from mi_arena.engine.residency import GB, Residency
from mi_arena.pairs import Pair
from mi_arena.records.store import EventStore
from mi_arena.study.exclusions import Limits

SECRET = b"a secret for tests only"
FAST_HANDS = Limits(form_seconds=0, letters_a_second=1e9)
"""Tests read and judge faster than people."""


def identities_over(
    store: EventStore, listed: Mapping[str, MemberRole] | None = None
) -> Identities:
    """As the app makes them; ``members`` invites and revokes, ``listed`` are users elsewhere."""
    return Identities(SECRET, Members(store, keyed_by(SECRET), listed=listed))


def members_of(store: EventStore) -> Members:
    return Members(store, keyed_by(SECRET))


def public(token: str) -> Identity:
    """A rater who is not signed in."""
    return Identities(SECRET).of(token)


def open_arena(folder: Path, pairs: list[Pair], rules: Rules | None = None) -> Arena:
    """As the app opens it: every pair with its engine, one store."""
    by_id = {pair.id: pair for pair in pairs}
    residency: Residency[LoadedPair] = Residency(
        int(GB), lambda name: bytes_needed(by_id[name], 2), lambda name: load_pair(by_id[name])
    )
    store = EventStore(folder / "events.sqlite", busy_timeout=1)
    return Arena(
        store,
        identities_over(store),
        SECRET,
        by_id,
        {name: LocalEngine(name, residency, at_once=4) for name in by_id},
        rules
        or Rules(turns_per_minute=1000, turns_per_minute_in_all=10_000, exclusions=FAST_HANDS),
    )


def models_of(arena: Arena) -> Residency[LoadedPair]:
    """What holds the models of such an arena."""
    engine = next(iter(arena.offer._known.values())).engine
    assert isinstance(engine, LocalEngine)
    return engine._residency


@pytest.fixture
def arena(tmp_path: Path, tiny_pair: Pair) -> Iterator[Arena]:
    opened = open_arena(tmp_path, [tiny_pair])
    yield opened
    opened.close()


@pytest.fixture
def rater(arena: Arena) -> Identity:
    who = public("token-of-a-rater")
    arena.consent(who, "zh")
    return who
