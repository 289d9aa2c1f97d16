"""What the battle page paints while a turn runs, and at its end, whatever came in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from mi_arena.battles.arena import Arena
from mi_arena.records.drafts import Drafts
from mi_arena.records.store import StoreError
from mi_arena.ui.battle_page import BattlePage
from mi_arena.ui.blocks import Pages
from mi_arena.ui.session import Session
from mi_arena.workspace.workspace import Workspace
from tests.battles.conftest import identities_over, open_arena
from tests.conftest import make_pair

NOBODY: Any = None
"""No request: what it tells (a language) the session tells here."""


@pytest.fixture
def page(tmp_path: Path, pair_folders: tuple[Path, Path]) -> Iterator[BattlePage]:
    slow = make_pair(*pair_folders, decoding={"max_new_tokens": 300, "temperature": 0})
    arena = open_arena(tmp_path, [slow])
    identities = identities_over(arena.store)
    workspace = Workspace(arena.store, Drafts(tmp_path / "drafts.sqlite"), identities)
    with Pages():
        yield BattlePage(arena, identities, workspace, 1, gr.BrowserState())
    arena.close()


def begun(page: BattlePage) -> tuple[Arena, Session]:
    session = Session(rater="r")
    who = session.identity(page.identities)
    page.arena.consent(who, "zh")
    return page.arena, session.with_(battle=page.arena.start(who, "smoking", None, "zh"))


def followed(page: BattlePage, session: Session) -> list[dict[Any, Any]]:
    async def collect() -> list[dict[Any, Any]]:
        return [updates async for updates in page.on_follow(session.write(), NOBODY)]

    return asyncio.run(collect())


def test_the_end_of_a_turn_that_was_painted_is_painted(page: BattlePage) -> None:
    arena, session = begun(page)
    arena.say(session.identity(page.identities), session.battle, "我想戒烟")
    seen = followed(page, session)
    grown = [updates for updates in seen if updates.get(page.live)]
    assert len(grown) > 1 and all(set(one) <= {page.live, page.status} for one in seen[:-1])
    # What painted the page meanwhile may have said that no turn runs: a sign-in does.
    assert seen[-1] == {page.answering: None}
    painted = page.on_answered(session.write(), None, NOBODY)
    assert 'class="round"' in painted[page.finished] and painted[page.live] == ""
    assert painted[page.answering] is False and page.browser not in painted


def test_where_no_turn_runs_nothing_is_painted_anew(page: BattlePage) -> None:
    _, session = begun(page)
    assert followed(page, session) == [{page.live: gr.skip()}]
    assert page.paint(session, NOBODY)[page.answering] is False
    assert page.on_answered(session.write(), False, NOBODY) == {page.live: gr.skip()}


def test_records_that_cannot_be_read_leave_the_page_as_it_is(
    page: BattlePage, monkeypatch: pytest.MonkeyPatch
) -> None:
    arena, session = begun(page)

    def fails(*_: object, **__: object) -> Any:
        raise StoreError("the disk is away")

    for name in ("count", "events", "latest"):
        monkeypatch.setattr(arena.store, name, fails)
    painted = page.paint(session, NOBODY)
    assert set(painted) == {page.answering, page.problem} and "role" in painted[page.problem]
    # Not an empty answer, which Gradio takes for a fault.
    assert page.on_answered(session.write(), None, NOBODY) == {page.answering: None}
