"""The whole app on a free port, and a real browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from mi_arena.access.identity import Identities
from mi_arena.battles.arena import Arena, Rules
from mi_arena.pairs import Pair
from mi_arena.records.drafts import DRAFTS_NAME, Drafts
from mi_arena.ui.pages import build, launch_options
from mi_arena.workspace.workspace import Workspace
from tests.battles.conftest import identities_over, open_arena
from tests.conftest import make_pair
from tests.ports import free_port

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
TIMEOUT = 45_000
"""Milliseconds a page may take on a loaded machine; nothing waits this long when all is well."""


@dataclass
class Site:
    """A running app and what stands behind it."""

    url: str
    arena: Arena
    identities: Identities
    workspace: Workspace


def serve(folder: Path, pairs: list[Pair], minimum_n: int = 1) -> tuple[Site, object]:
    rules = Rules(turns_per_minute=1000, turns_per_minute_in_all=10_000)
    arena = open_arena(folder, pairs, rules)
    identities = identities_over(arena.store)
    workspace = Workspace(arena.store, Drafts(folder / DRAFTS_NAME), identities)
    app = build(arena, identities, workspace, minimum_n)
    app.queue(api_open=False)
    _, url, _ = app.launch(
        **launch_options(),
        server_name="127.0.0.1",
        server_port=free_port(),
        prevent_thread_lock=True,
        quiet=True,
    )
    return Site(url, arena, identities, workspace), app


@pytest.fixture
def site(tmp_path: Path, tiny_pair: Pair) -> Iterator[Site]:
    running, app = serve(tmp_path, [tiny_pair])
    yield running
    app.close(verbose=False)  # type: ignore[attr-defined]
    running.arena.close()


@pytest.fixture
def site_of_two(tmp_path: Path, pair_folders: tuple[Path, Path]) -> Iterator[Site]:
    """Two pairs with names that would stand out if anything told them."""
    pairs = [
        make_pair(
            *pair_folders, name="pair-quokka", decoding={"max_new_tokens": 12, "temperature": 0}
        ),
        make_pair(
            *pair_folders, name="pair-wombat", decoding={"max_new_tokens": 13, "temperature": 0}
        ),
    ]
    running, app = serve(tmp_path, pairs)
    yield running
    app.close(verbose=False)  # type: ignore[attr-defined]
    running.arena.close()


def chromium() -> str:
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if found is None:
        pytest.fail("browser tests need Debian's Chromium (apt-get install chromium); see README")
    return found


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            args=[
                "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
            ],
        )  # fmt: skip
        yield browser
        browser.close()


def open_page(
    chrome: Browser, url: str, locale: str = "zh-CN", size: dict[str, int] = DESKTOP
) -> Page:
    """A page of a new visitor: an empty profile."""
    context = chrome.new_context(locale=locale, viewport=size)  # type: ignore[arg-type]
    context.set_default_timeout(TIMEOUT)
    expect.set_options(timeout=TIMEOUT)
    page = context.new_page()
    page.goto(url)
    return page


def agree(page: Page) -> None:
    page.click("#agree")
    page.locator("#topic").wait_for(state="visible")


def talk(page: Page, *texts: str) -> None:
    """Say these and wait each time until both sides have ended."""
    for text in texts:
        before = page.locator(".round").count()
        page.fill("#text textarea", text)
        page.click("#send")
        page.locator(".round").nth(before).wait_for()
        page.locator('.side[aria-busy="true"]').first.wait_for(state="detached")
        page.locator("#send").wait_for(state="visible")


def choose(page: Page, group: str, value: str) -> None:
    page.locator(f'#{group} input[value="{value}"]').check()
