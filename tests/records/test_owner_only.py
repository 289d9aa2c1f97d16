"""Nobody but its owner reads what people wrote, nor the logs that SQLite keeps beside it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mi_arena.publishing.index import ShardIndex
from mi_arena.records.__main__ import export
from mi_arena.records.battle_events import ClientSaid
from mi_arena.records.drafts import Draft, Drafts
from mi_arena.records.events import Event
from mi_arena.records.owner_only import owner_only
from mi_arena.records.store import EventStore


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


Opened = EventStore | Drafts | ShardIndex


def write(opened: Opened) -> None:
    """Something, so that the log beside the file is there."""
    match opened:
        case EventStore():
            said = ClientSaid(battle="b", round=1, text="我想戒烟")
            opened.append(Event.of(said, role="public"))
        case Drafts():
            opened.put("ann", "one", Draft(0, "hers"), replaces=None)
        case ShardIndex():
            opened.note("taking", True)


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


@pytest.mark.parametrize("open_", [EventStore, Drafts, ShardIndex])
def test_a_database_and_its_logs_are_for_their_owner(
    tmp_path: Path, open_: Callable[[Path], Opened]
) -> None:
    first = open_(tmp_path / "one.sqlite")
    write(first)
    assert len(modes(tmp_path)) == 3 and set(modes(tmp_path).values()) == {0o600}
    for file in tmp_path.iterdir():  # as an older one left them
        file.chmod(0o644)
    second = open_(tmp_path / "one.sqlite")
    assert set(modes(tmp_path).values()) == {0o600}
    second.close()
    first.close()


def test_an_export_is_for_its_owner_from_its_first_byte(tmp_path: Path) -> None:
    write(store := EventStore(tmp_path / "one.sqlite"))
    out = tmp_path / "exports" / "all.jsonl"
    out.parent.mkdir()
    for left in (out, out.with_name("all.jsonl.part")):  # as an older one left them
        left.touch(0o644)

    class Looking(EventStore):
        def events(self, *args: Any, **where: Any) -> Iterator[Event]:
            seen.append(modes(out.parent)["all.jsonl.part"])
            return super().events(*args, **where)

    seen: list[int] = []
    assert export(Looking(store.path), out) == 1
    assert seen == [0o600] and modes(out.parent) == {"all.jsonl": 0o600}
    store.close()


def test_the_owner_s_own_rights_stay(tmp_path: Path) -> None:
    file = tmp_path / "one.sqlite"
    file.touch()
    file.chmod(0o444)
    owner_only(file)
    assert modes(tmp_path) == {"one.sqlite": 0o400}
    owner_only(tmp_path / "none.sqlite")
