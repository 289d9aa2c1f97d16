"""Choices that must not be lost or made in silence, in a real browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from mi_arena.access.identity import Identity
from tests.ui.conftest import (
    PHONE,
    Site,
    agree,
    choose,
    expert_page,
    first_work,
    invite,
    open_page,
    open_workspace,
    sign_in,
    talk,
)
from tests.ui.test_battle_flow import ROUNDS, judge
from tests.workspace.conftest import assign, change, hand_in, import_alone, import_match, train

pytestmark = pytest.mark.browser


def admin_page(chrome: Browser, site: Site) -> Page:
    code, _ = invite(site, "admin")
    page = open_page(chrome, site.url)
    sign_in(page, code)
    page.click("[data-key=admin]")
    page.locator(".admin").wait_for()
    return page


def two_codings(site: Site) -> str:
    """A dialogue on whose Empathy two experts differ; its id."""
    (dialogue,) = import_alone(site.workspace, "one")
    raters: list[Identity] = [invite(site)[1] for _ in range(2)]
    train(site.arena.store, *raters)
    for who, score in zip(raters, (2, 4), strict=True):
        job = site.workspace.assignments.job(who, assign(site.arena.store, who, dialogue))
        change(site.workspace, job, do="global", key="EMPATHY", value=score)
        hand_in(site.workspace, job)
    return dialogue


@pytest.mark.parametrize("by", ["press", "Space"])
def test_a_final_coding_waits_for_every_disputed_global(
    chrome: Browser, site: Site, by: str
) -> None:
    two_codings(site)
    page = admin_page(chrome, site)
    page.click("[data-key=cases]")
    page.locator('[data-open^="case:"]').first.click()
    page.click("[data-key=final]")
    expect(page.locator(".global.unchosen")).to_have_count(1)
    expect(page.locator("[data-part=global-EMPATHY]")).to_contain_text("待选定")
    page.fill("[data-key=reason]", "已讨论")
    page.click("[data-key=submit]")
    expect(page.locator(".desk-note .bad")).to_contain_text("1 项没有选定")
    assert page.locator("[data-key=sure]").count() == 0
    # The 3 that is shown already is to stay.
    three = page.locator("[data-key=global-EMPATHY-3]")
    if by == "press":
        three.click()
    else:
        three.focus()
        page.keyboard.press("Space")
    expect(page.locator(".global.unchosen")).to_have_count(0)
    page.reload()
    open_workspace(page)
    expect(page.locator("[data-part=global-EMPATHY]")).to_be_visible()
    expect(page.locator(".global.unchosen")).to_have_count(0)
    page.fill("[data-key=reason]", "已讨论")
    page.click("[data-key=submit]")
    page.click("[data-key=sure]")
    expect(page.locator(".desk-note .note.good")).to_be_visible()
    page.context.close()


def test_an_import_is_taken_back_after_asking(chrome: Browser, site: Site) -> None:
    import_match(site.workspace)
    page = admin_page(chrome, site)
    button = page.locator('[data-do="take-back"]')
    button.click()
    expect(button).to_contain_text("再按一次")
    assert len(site.workspace.ledger.now().dialogues) == 2
    button.click()
    expect(page.locator(".desk-note .note.good")).to_contain_text("收回 2 段")
    expect(page.locator(".imports")).to_have_count(0)
    assert site.workspace.ledger.now().dialogues == {}
    page.context.close()


def test_a_member_is_named_and_the_bar_is_refused_in_our_words(chrome: Browser, site: Site) -> None:
    invite(site)
    page = admin_page(chrome, site)
    page.locator(".naming summary").click()
    page.fill(".naming input", "王医生")
    page.keyboard.press("Enter")
    expect(page.locator(".people th").filter(has_text="王医生")).to_be_visible()
    page.fill('input[name="share"]', "150")
    page.click("[data-key=bar]")
    expect(page.locator(".desk-note .bad")).to_contain_text("1 到 100")
    page.context.close()


def test_what_the_other_way_of_coding_holds_is_kept_and_said(chrome: Browser, site: Site) -> None:
    page, _ = first_work(chrome, site)
    page.click("[data-key=u-0-0]")
    page.click("[data-key=chip-Q]")
    page.check('[data-form][value="quick"]')
    expect(page.locator(".kept")).to_contain_text("逐句编的码都留着")
    page.fill('input[data-count="Q"]', "4")
    page.check('[data-form][value="full"]')
    expect(page.locator(".kept")).to_contain_text("总次数都留着")
    expect(page.locator('[data-key=u-0-0][data-code="Q"]')).to_be_visible()
    page.check('[data-form][value="quick"]')
    expect(page.locator('input[data-count="Q"]')).to_have_value("4")
    page.context.close()


def test_an_edit_that_changes_nothing_says_so(chrome: Browser, site: Site) -> None:
    page, _ = first_work(chrome, site)
    page.fill("[data-goal]", "少抽烟")
    page.click("[data-key=submit]")
    page.click("[data-key=sure]")
    handing = page.locator("[data-part=handing]")
    expect(handing).to_contain_text("第 1 版，之后没有改动")
    page.click("[data-key=u-0-0]")
    page.click("[data-key=chip-Q]")
    expect(page.locator("[data-key=submit]")).to_be_visible()
    page.click("[data-tool=undo]")
    expect(handing).to_contain_text("第 1 版，之后没有改动")
    expect(page.locator("[data-key=submit]")).to_have_count(0)
    page.context.close()


def test_a_match_s_form_is_as_it_was_left(chrome: Browser, site: Site) -> None:
    page, _ = expert_page(chrome, site)
    import_match(site.workspace)
    site.workspace.assignments.draw("match", 1, 1.0)
    page.reload()
    open_workspace(page)
    page.click('[data-open^="match:"]')
    page.check('input[name="overall"][value="B"]')
    page.locator(".match details summary").click()
    page.fill("textarea[name=reason]", "B <更> 会听")
    page.click("[data-key=back]")
    page.click('[data-open^="match:"]')
    expect(page.locator("textarea[name=reason]")).to_be_visible()
    expect(page.locator("textarea[name=reason]")).to_have_value("B <更> 会听")
    expect(page.locator('input[name="overall"][value="B"]')).to_be_checked()
    page.click("[data-key=judge]")
    expect(page.locator(".desk-note .note.good")).to_be_visible()
    page.context.close()


def test_on_a_phone_rows_show_that_they_go_on(chrome: Browser, site: Site) -> None:
    page, _ = first_work(chrome, site, PHONE)
    page.click("[data-key=u-0-0]")
    palette = page.locator(".palette")
    expect(palette).to_have_attribute("data-more", "right")
    palette.evaluate("row => { row.scrollLeft = 9999; }")
    expect(palette).to_have_attribute("data-more", "left")
    # The count of what has no code is in sight as a whole, and cutting adds no row.
    count = page.locator("[data-tool=next]")
    expect(count).to_contain_text("（4）")
    box = count.bounding_box()
    assert box is not None and box["x"] + box["width"] <= PHONE["width"]
    before = page.locator(".codebar").bounding_box()
    page.click("[data-tool=split]")
    expect(page.locator("[data-tool=cut-here]")).to_be_visible()
    after = page.locator(".codebar").bounding_box()
    tools = page.locator(".cut-tools").bounding_box()
    assert before and after and tools
    assert abs(after["height"] - before["height"]) < 4 and tools["y"] >= after["y"]
    page.context.close()


def test_the_keyboard_goes_on_where_the_page_does(chrome: Browser, site: Site) -> None:
    page = open_page(chrome, site.url)
    agree(page)
    expect(page.locator("#topic input").first).to_be_focused()
    choose(page, "topic", "smoking")
    for text in ROUNDS:
        page.locator("#text textarea").focus()
        talk(page, text)
        expect(page.locator("#text textarea")).to_be_focused()
    judge(page)
    expect(page.locator("#outcome-text h2")).to_be_focused()
    receipt = page.locator("#receipt").locator("input, textarea")
    assert re.fullmatch(r"[A-Z2-9]{12}", receipt.input_value())
    expect(page.locator("#receipt button")).to_be_visible()
    page.context.close()


def test_results_without_judgements_say_so_once(chrome: Browser, site: Site) -> None:
    page = open_page(chrome, site.url)
    page.get_by_role("tab", name="结果").click()
    expect(page.get_by_text("暂不公布")).to_have_count(1)
    expect(page.locator("#results-table table")).to_have_count(0)
    page.context.close()
