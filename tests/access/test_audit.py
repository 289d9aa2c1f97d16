"""The record of admins' acts: who, what, on what; never what somebody wrote."""

from __future__ import annotations

import logging

import pytest

from mi_arena.access.audit import Audit
from mi_arena.access.identity import Identity
from mi_arena.records.store import EventStore

ADMIN = Identity("pseudonym", "admin", "1a2b3c4d")


def test_acts_are_listed_in_their_order(store: EventStore) -> None:
    audit = Audit(store)
    assert audit.record(ADMIN, "begin-read", "run", "read-20260501-101010-ab12")
    assert audit.record(None, "close-epoch", "epoch", "demo-0123-1")
    assert audit.record(ADMIN, "serve", "run", "x", "refused")
    told = [(one.who, one.act, one.target, one.name, one.outcome) for one in audit.acts()]
    assert told == [
        ("pseudonym", "begin-read", "run", "read-20260501-101010-ab12", "done"),
        (None, "close-epoch", "epoch", "demo-0123-1", "done"),
        ("pseudonym", "serve", "run", "x", "refused"),
    ]
    assert [event.epoch for event in store.events("admin_acted")] == [None, "demo-0123-1", None]


@pytest.mark.parametrize("name", [None, 7, "", "two words", "x" * 121, "a\nb", ["x"], {"a": 1}])
def test_what_is_no_id_stays_out(store: EventStore, name: object) -> None:
    Audit(store).record(ADMIN, "stop", "run", name)
    assert [act.name for act in Audit(store).acts()] == [None]


def test_a_store_that_fails_is_told_to_the_log(
    store: EventStore, caplog: pytest.LogCaptureFixture
) -> None:
    reader = EventStore(store.path, read_only=True)
    with caplog.at_level(logging.ERROR):
        assert not Audit(reader).record(ADMIN, "stop", "run", "run-1")
    assert "stop" in caplog.text and "run-1" not in caplog.text
    reader.close()
