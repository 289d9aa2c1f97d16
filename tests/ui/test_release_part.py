"""The release in the Study tab, without a browser: what may be pushed from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from mi_arena.access.audit import Audit
from mi_arena.engine.room import EngineRoom
from mi_arena.jobs.launching import Launcher
from mi_arena.jobs.viewing import RunView
from mi_arena.pairs import Pair
from mi_arena.release.build import build
from mi_arena.serving import SERVED_NAME, Serving
from mi_arena.settings import ROOT
from mi_arena.ui.pipeline.admins import Acted, Admins, Planned
from mi_arena.ui.pipeline.tools import pipeline_tools
from mi_arena.ui.session import Session
from mi_arena.ui.study.release_part import ReleasePart
from mi_arena.ui.texts import say
from tests.battles.conftest import SECRET, identities_over, open_arena
from tests.processes import until
from tests.release.small_study import Plan, SmallStudy

SESSION = Session(lang="en")


@pytest.fixture
def part(tmp_path: Path, tiny_pair: Pair) -> Iterator[tuple[ReleasePart, Launcher]]:
    """The part of the page, and what starts its runs."""
    arena = open_arena(tmp_path, [tiny_pair])
    serving = Serving(arena.offer, EngineRoom(1, 1, 1), tmp_path / SERVED_NAME)
    who = identities_over(arena.store)
    models = ROOT / "models.yaml"
    tools = pipeline_tools(tmp_path / "runs", tmp_path, models, who, serving, False, "me/arena")
    with gr.Blocks():
        admins = Admins(who, gr.HTML(), Audit(arena.store))
        part = ReleasePart(tools, admins, gr.BrowserState({}), lambda _: {}, [])
        yield part, tools.launcher
    arena.close()


def test_only_a_run_that_built_one_is_pushed(
    part: tuple[ReleasePart, Launcher], tmp_path: Path
) -> None:
    page, launcher = part
    for folder in (tmp_path / "elsewhere", launcher.root / "no-run"):
        build(tmp_path, SECRET, folder / "release")
    for chosen in ("../elsewhere", str(tmp_path / "elsewhere"), "no-run", ".", 7, "\0", "", None):
        done = page.on_push(SESSION, chosen, True)
        assert isinstance(done, Acted) and done.outcome == "refused", chosen
        assert say("en", "release_choose") in str(done.updates)
    assert launcher.runs() == []


def test_what_was_built_before_a_withdrawal_is_not_pushed(
    part: tuple[ReleasePart, Launcher], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, launcher = part
    monkeypatch.setenv("MI_ARENA_SECRET", SECRET.decode())
    monkeypatch.setenv("MI_ARENA_RELEASE", "me/arena")

    def ended(prefix: str) -> RunView:
        (name,) = (run.name for run in launcher.runs() if run.name.startswith(prefix))
        until(lambda: not launcher.status(name).active)
        return launcher.status(name)

    page.on_build(SESSION)
    built = ended("release-")
    assert built.state == "done"
    study = SmallStudy(tmp_path)
    study.battle(study.epoch(), Plan(withdrawn=True))
    study.store.close()
    planned = page.on_push(SESSION, built.name, True)
    assert isinstance(planned, Planned) and planned.name == built.name
    planned.begin()
    pushed = ended("release-push-")
    assert pushed.state == "failed" and str(pushed.error).endswith("; build again")
