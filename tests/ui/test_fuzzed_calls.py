"""Anything at all, sent to everything that answers: nothing breaks, and nothing is kept by half."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mi_arena.publishing.status import read_status
from mi_arena.release.records import project
from tests.ui.conftest import Site
from tests.ui.raw_http import RawCalls, kept
from tests.ui.test_access_matrix import (
    ADMIN_ROOM,
    ADMINS_ACT,
    BEGIN_AT_ONCE,
    EVERYBODY,
    SERVED_ROUTES,
    SHEETS,
    VIEWS,
    one,
    session_of,
)

FUZZED = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    # What is fuzzed holds for all examples of a module: one server is asked.
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
ROLES = st.sampled_from(["public", "expert", "admin"])

TEXTS = st.text(max_size=30) | st.sampled_from(
    ["x" * 5_000, "../../etc/passwd", "\x00", "<script>", "1e999", "我想戒烟", "\u202e", "-1",
     "demo", "tie", "A"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, width=16) | TEXTS
VALUES = st.recursive(
    SCALARS.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)
LONGEST_INPUTS = 60


@pytest.fixture(scope="module")
def sessions(module_site: Site, calls: RawCalls) -> dict[str, dict[str, Any]]:
    """By role: somebody who has agreed and is in a battle."""
    return {
        role: in_battle(calls, session_of(module_site, role))
        for role in ("public", "expert", "admin")
    }


def in_battle(calls: RawCalls, session: dict[str, Any]) -> dict[str, Any]:
    changed = calls.call(one(calls, "agree.click"), session).changed
    return next(v for v in changed.values() if isinstance(v, dict) and "battle" in v)


@FUZZED
@given(st.data())
def test_handlers_take_anything(
    calls: RawCalls, module_site: Site, folder: Path, sessions: dict[str, Any], data: st.DataObject
) -> None:
    may_act = ADMINS_ACT - BEGIN_AT_ONCE
    role = data.draw(ROLES)
    names = sorted({handler.name for handler in calls.handlers} - BEGIN_AT_ONCE)
    handler = one(calls, data.draw(st.sampled_from(names)))
    values = data.draw(st.lists(VALUES, max_size=LONGEST_INPUTS))
    session = data.draw(st.just(sessions[role]) | VALUES)
    before = kept(module_site, folder)
    told = calls.call(handler, session, values)
    after = kept(module_site, folder)
    assert "Traceback" not in told.text
    left = {kind for kind in after[0] if after[0][kind] != before[0].get(kind, 0)}
    if role == "admin" and handler.name in may_act:
        left -= {"admin_acted"}
    assert left <= EVERYBODY.get(handler.name, set()) | BATTLES_OWN
    assert left <= {"admin_acted"} or handler.name in EVERYBODY


BATTLES_OWN = {
    "battle_started", "client_said", "replied", "reply_withheld", "battle_flagged", "battle_ended",
    "judgement", "withdrawn",
}  # fmt: skip
"""What somebody in a battle may leave by it."""


@FUZZED
@given(st.data())
def test_desks_take_anything(
    calls: RawCalls, module_site: Site, sessions: dict[str, Any], data: st.DataObject
) -> None:
    views = [*VIEWS, *(f"{view}:x" for view in VIEWS), "own:A", "practice:1", "home:"]
    call = {
        "session": data.draw(st.just(sessions[data.draw(ROLES)]) | VALUES),
        "view": data.draw(st.sampled_from(views) | VALUES),
        "do": data.draw(st.sampled_from(["open", *sorted(ADMIN_ROOM), *SHEETS]) | VALUES),
        "fields": data.draw(VALUES),
    }
    left_out = data.draw(st.sets(st.sampled_from(sorted(call))))
    told = calls.desk(
        data.draw(st.sampled_from(["workspace", "own-form"])),
        {key: value for key, value in call.items() if key not in left_out},
    )
    assert told.get("note") or told.get("html")


SCRIPTED = [
    route
    for route in sorted(SERVED_ROUTES)
    if not re.search("data|heartbeat|_progress|events", route)
]
KEYS = ("data", "fn_index", "session_hash", "event_id", "component_id", "fn_name", "trigger_id")


@FUZZED
@given(st.data())
def test_routes_take_anything(calls: RawCalls, data: st.DataObject) -> None:
    part = st.sampled_from(
        ["x", "..%2f..%2fetc%2fpasswd", "%00", "%ff", "中", "a" * 300, "predict"]
    )
    path = data.draw(st.sampled_from(SCRIPTED)).split()[1]
    path = re.sub(r"\{[^}]*\}", lambda _: data.draw(part), path)
    body = data.draw(
        st.binary(max_size=60)
        | VALUES.map(json.dumps)
        | st.dictionaries(st.sampled_from(KEYS), VALUES).map(json.dumps)
    )
    kinds = ["application/json", "text/plain", "multipart/form-data; boundary=x", ""]
    answer = calls.http.request(
        data.draw(st.sampled_from(["GET", "POST", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])),
        path[1:] + data.draw(st.sampled_from(["", "?session_hash=x", "?%ff", "?x=" + "9" * 300])),
        content=body,
        headers={"content-type": data.draw(st.sampled_from(kinds))},
    )
    assert answer.status_code < 500
    assert "Traceback" not in answer.text


def test_what_is_kept_after_all_that_is_whole(
    calls: RawCalls, module_site: Site, folder: Path
) -> None:
    """Every event can be read, the counts add up, and no run was begun."""
    status = read_status(folder)
    assert status.alarms == [] and status.events_stored == len(
        list(module_site.arena.store.events())
    )
    project(module_site.arena.store, b"of this test alone")
    assert module_site.tools.launcher.runs() == []
