"""The whole app on a free port, and a real browser."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from mi_arena.access.identity import Identities, Identity
from mi_arena.access.members import MemberRole
from mi_arena.battles.arena import Arena, Rules
from mi_arena.engine.room import EngineRoom
from mi_arena.pairs import Pair
from mi_arena.records.drafts import DRAFTS_NAME, Drafts
from mi_arena.serving import SERVED_NAME, Serving
from mi_arena.settings import ROOT
from mi_arena.ui.hugging_face_sign_in import HuggingFaceSignIn
from mi_arena.ui.pages import build, launch_options
from mi_arena.ui.pipeline.tools import PipelineTools, pipeline_tools
from mi_arena.workspace.workspace import Workspace
from tests.battles.conftest import FAST_HANDS, identities_over, open_arena
from tests.conftest import make_pair
from tests.ports import free_port
from tests.ui.raw_http import RawCalls
from tests.workspace.conftest import import_alone, train

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
    tools: PipelineTools
    app: gr.Blocks


ByAccount = Callable[[str, Identities], HuggingFaceSignIn]
"""The sign-in by account of an app at this address."""


def serve(
    folder: Path,
    pairs: list[Pair],
    minimum_n: int = 1,
    by_account: ByAccount | None = None,
    listed: Mapping[str, MemberRole] | None = None,
    release: str | None = "me/released",
) -> tuple[Site, object]:
    rules = Rules(turns_per_minute=1000, turns_per_minute_in_all=10_000, exclusions=FAST_HANDS)
    arena = open_arena(folder, pairs, rules)
    identities = identities_over(arena.store, listed)
    workspace = Workspace(arena.store, Drafts(folder / DRAFTS_NAME), identities)
    serving = Serving(arena.offer, EngineRoom(10**10, 8, 64), folder / SERVED_NAME)
    models = ROOT / "models.yaml"
    tools = pipeline_tools(folder / "runs", folder, models, identities, serving, True, release)
    port = free_port()
    hugging_face = by_account(f"http://127.0.0.1:{port}", identities) if by_account else None
    app = build(arena, identities, workspace, tools, minimum_n, hugging_face)
    app.queue(api_open=False)
    server, url, _ = app.launch(
        **launch_options(tools.tickets),
        server_name="127.0.0.1",
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
    )
    tools.downloads.install(server)
    if hugging_face is not None:
        hugging_face.install(server)
    return Site(url, arena, identities, workspace, tools, app), app


@pytest.fixture
def site(tmp_path: Path, tiny_pair: Pair) -> Iterator[Site]:
    running, app = serve(tmp_path, [tiny_pair])
    yield running
    app.close(verbose=False)  # type: ignore[attr-defined]
    running.arena.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of ``module_site``."""
    return tmp_path_factory.mktemp("module")


@pytest.fixture(scope="module")
def module_site(folder: Path, pair_folders: tuple[Path, Path]) -> Iterator[Site]:
    """One app for all tests of a module that only call it."""
    running, app = serve(folder, [make_pair(*pair_folders)])
    yield running
    app.close(verbose=False)  # type: ignore[attr-defined]
    running.arena.close()


@pytest.fixture(scope="module")
def calls(module_site: Site) -> Iterator[RawCalls]:
    made = RawCalls(module_site.url)
    yield made
    made.http.close()


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


@pytest.fixture(autouse=True)
def closed_pages(request: pytest.FixtureRequest) -> Iterator[None]:
    """No page of one test goes on asking its server while the next one runs."""
    yield
    if "chrome" in request.fixturenames:
        for context in request.getfixturevalue("chrome").contexts:
            context.close()


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


def invite(site: Site, role: str = "expert") -> tuple[str, Identity]:
    """A new member's code, and who they are when they act."""
    members = site.identities.members
    assert members is not None
    invited = members.invite(role)
    token = members.token(invited.member)
    return invited.code, site.identities.of("browser", token)


def sign_in(page: Page, code: str) -> None:
    expect(page.locator("#agree")).to_be_visible()  # the page has loaded what it knew
    page.get_by_role("tab", name=re.compile("说明|About")).click()
    page.fill("#expert-code input", code)
    page.click("#expert-in")
    expect(page.locator("#expert-outcome .note.good")).to_be_visible()
    open_workspace(page)


def open_workspace(page: Page) -> None:
    page.get_by_role("tab", name=re.compile("专家工作台|Workspace")).click()
    expect(page.locator("#workspace .desk-page h2")).to_be_visible()


def expert_page(
    chrome: Browser, site: Site, size: dict[str, int] = DESKTOP, locale: str = "zh-CN"
) -> tuple[Page, Identity]:
    """A trained expert, signed in, in the workspace."""
    code, who = invite(site)
    train(site.arena.store, who)
    page = open_page(chrome, site.url, locale, size)
    sign_in(page, code)
    return page, who


def first_work(
    chrome: Browser, site: Site, size: dict[str, int] = DESKTOP
) -> tuple[Page, Identity]:
    """A trained expert who has opened the one dialogue assigned to them."""
    page, who = expert_page(chrome, site, size)
    import_alone(site.workspace, "one")
    site.workspace.assignments.draw("coding", 1, 1.0)
    page.reload()
    open_workspace(page)
    page.click('[data-open^="work:"]')
    page.locator("[data-key=u-0-0]").wait_for()
    return page, who


def open_admin_tab(chrome: Browser, site: Site, name: str, size: dict[str, int] = DESKTOP) -> Page:
    """A tab as a new admin sees it; ``name`` in Chinese and English, ``数据|Data``."""
    code, _ = invite(site, "admin")
    page = open_page(chrome, site.url, size=size)
    sign_in(page, code)
    page.get_by_role("tab", name=re.compile(f"^({name})$")).click()
    return page
