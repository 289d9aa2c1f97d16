"""The Study tab in a browser: epochs, pairs that are served, how far raters are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mi_arena.access.audit import Audit
from mi_arena.pairs import Pair
from mi_arena.records.battle_events import BattleEnded
from mi_arena.records.results_query import epochs
from tests.battles.conftest import SECRET
from tests.ui.conftest import (
    DESKTOP,
    PHONE,
    TIMEOUT,
    Site,
    agree,
    choose,
    invite,
    open_admin_tab,
    open_page,
    serve,
)
from tests.workspace.conftest import (
    VISITOR,
    append_battle,
    code_dialogue,
    import_alone,
    tell,
    train,
)

pytestmark = pytest.mark.browser


def open_study(chrome: Browser, site: Site, size: dict[str, int] = DESKTOP) -> Page:
    page = open_admin_tab(chrome, site, "研究|Study", size)
    expect(page.locator("#study-epochs table")).to_be_visible()
    return page


def send(page: Page, text: str) -> None:
    page.fill("#text textarea", text)
    page.click("#send")


def test_an_epoch_is_closed_for_good_and_battles_in_it_end(site: Site, chrome: Browser) -> None:
    visitor = open_page(chrome, site.url)
    agree(visitor)
    choose(visitor, "topic", "smoking")
    send(visitor, "我想戒烟，可是压力大。")
    expect(visitor.locator(".round")).to_have_count(1)
    expect(visitor.locator('.side[aria-busy="true"]')).to_have_count(0)

    page = open_study(chrome, site)
    (before,) = epochs(site.arena.store)
    page.click("#study-close")
    note = page.locator("#study-epochs-note")
    expect(note).to_contain_text("请先勾选")
    page.locator("#study-sure input").check()
    site.arena.store.taking = False
    page.click("#study-close")
    expect(note).to_contain_text("没有做：记录还没有恢复")
    assert epochs(site.arena.store) == [before]
    site.arena.store.taking = True
    page.click("#study-close")
    expect(note).to_contain_text(f"已结束：{before.id}")
    expect(page.locator("#study-sure input")).not_to_be_checked()
    closed, now = epochs(site.arena.store)
    assert closed.closed_at is not None and now.closed_at is None and now.pair == before.pair
    row = page.locator("#study-epochs tr", has_text=before.id)
    expect(row).to_contain_text("已结束")

    send(visitor, "半夜老醒。")
    expect(visitor.locator("#problem")).not_to_be_empty()
    expect(visitor.locator(".round")).to_have_count(1)
    visitor.context.close()
    page.context.close()


def test_a_pair_is_left_out_and_brought_back(site_of_two: Site, chrome: Browser) -> None:
    page = open_study(chrome, site_of_two, PHONE)
    served = [pair.id for pair in site_of_two.arena.offer.pairs()]
    note = page.locator("#study-pairs-note")
    page.click("#study-leave-out")
    expect(note).to_contain_text("请先选一对")
    page.locator("#study-pair input").click()
    page.get_by_role("option", name=served[0], exact=True).click()
    page.click("#study-leave-out")
    expect(note).to_contain_text(f"不再用 {served[0]}")
    expect(note).to_be_in_viewport()
    assert [pair.id for pair in site_of_two.arena.offer.pairs()] == served[1:]
    expect(page.locator("#study-pairs")).to_contain_text("暂不提供")
    page.locator("#study-pair input").click()
    page.get_by_role("option", name=served[0], exact=True).click()
    page.click("#study-leave-out")
    expect(note).to_contain_text("已经不再提供")
    page.locator("#study-pair input").click()
    page.get_by_role("option", name=served[0], exact=True).click()
    page.click("#study-bring-back")
    expect(note).to_contain_text(f"又可以用 {served[0]}")
    assert {pair.id for pair in site_of_two.arena.offer.pairs()} == set(served)
    assert len(epochs(site_of_two.arena.store)) == 2  # the same things served: no new epoch
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    page.context.close()


def test_how_far_raters_are(site: Site, chrome: Browser) -> None:
    _, who = invite(site)
    train(site.arena.store, who)
    first, _ = import_alone(site.workspace, "one", "two")
    code_dialogue(site.workspace, who, first, {(0, 0): "SR"})
    site.workspace.assignments.draw("coding", 1, 0.0)
    page = open_study(chrome, site)
    expect(page.locator("#study-work")).to_contain_text("共完成 1 / ")
    page.context.close()


def test_a_release_is_built_looked_at_and_brought_to_the_hub(
    site: Site, chrome: Browser, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MI_ARENA_SECRET", SECRET.decode())
    monkeypatch.setenv("MI_ARENA_RELEASE", "me/released")
    monkeypatch.setenv("HF_HOME", str(tmp_path))  # nobody's token
    monkeypatch.delenv("HF_TOKEN", raising=False)
    (epoch,) = epochs(site.arena.store)
    append_battle(site.arena.store, epoch=epoch.id)
    site.arena.offer.close_epoch(epoch.id)
    page = open_study(chrome, site)
    expect(page.locator("#study-health .note.good")).to_contain_text("没有警报")
    expect(page.locator("#study-released")).to_contain_text("还没有发布过")
    note, run = page.locator("#release-note"), page.locator("#release-run h3")
    page.click("#release-push")
    expect(note).to_contain_text("请先在下面选一份")
    page.click("#release-build")
    expect(run).to_have_text(re.compile("完成$"), timeout=TIMEOUT)
    result = page.locator("#release-result")
    expect(result.locator("tr", has_text="对战").first).to_contain_text("1")
    expect(note).to_be_empty()  # nothing has begun any more
    page.click("#release-push")
    expect(note).to_contain_text("请先勾选")
    expect(note).to_be_in_viewport()

    site.arena.store.taking = False
    runs = {run.name for run in site.tools.launcher.runs()}
    page.locator("#release-sure input").check()
    page.click("#release-push")
    expect(note).to_contain_text("没有做：记录还没有恢复")
    assert {run.name for run in site.tools.launcher.runs()} == runs

    site.arena.store.taking = True
    page.click("#release-push")
    expect(run).to_have_text(re.compile("^release-push-.*失败$"), timeout=TIMEOUT)
    expect(page.locator("#release-run .note.bad")).to_contain_text("HF_TOKEN")
    expect(note).to_be_empty()
    acts = [(one.act, one.outcome) for one in Audit(site.arena.store).acts()]
    assert acts == [
        ("push-release", "refused"), ("build-release", "done"), ("push-release", "refused"),
        ("push-release", "done"),
    ]  # fmt: skip
    page.context.close()


def test_nothing_is_released_without_a_place_for_it(
    tmp_path: Path, tiny_pair: Pair, chrome: Browser
) -> None:
    site, app = serve(tmp_path, [tiny_pair], release=None)
    page = open_study(chrome, site)
    expect(page.locator("#release-where")).to_contain_text("没有设置 MI_ARENA_RELEASE")
    expect(page.locator("#release-push")).to_be_disabled()
    expect(page.locator("#release-build")).to_be_enabled()
    page.context.close()
    app.close(verbose=False)  # type: ignore[attr-defined]
    site.arena.close()


def test_every_table_fits_a_phone(site: Site, chrome: Browser) -> None:
    """Nothing is cut off, and in a long row each number stands beside its name."""
    (epoch,) = epochs(site.arena.store)
    append_battle(site.arena.store, epoch=epoch.id)
    battle = append_battle(site.arena.store, "token-2", epoch=epoch.id, judged=False)
    tell(site.arena.store, BattleEnded(battle=battle, reason="minor"), VISITOR, epoch.id)
    page = open_study(chrome, site, PHONE)
    for part in ("epochs", "pairs", "danger", "health"):
        frame = page.locator(f"#study-{part} .scroll")
        assert frame.evaluate("frame => frame.scrollWidth <= frame.clientWidth"), part
    for cell, head in (("2", "对战"), ("1", "没有评判就离开")):
        shown = page.locator(f"#study-epochs td[data-head={head}]")
        expect(shown).to_have_text(cell)
        before = shown.evaluate("cell => getComputedStyle(cell, '::before').content")
        assert before == f'"{head}"'
    page.context.close()
