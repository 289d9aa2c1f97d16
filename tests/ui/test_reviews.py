"""Experts rate dialogues and review rewritings in a browser; an admin sends and fetches."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from mi_arena.dialogue import Dialogue, read_dialogues
from tests.ui.conftest import (
    DESKTOP,
    PHONE,
    TIMEOUT,
    Site,
    invite,
    open_page,
    open_workspace,
    sign_in,
)
from tests.ui.test_battle_flow import no_sideways_scrolling
from tests.ui.test_data_tab import open_data
from tests.workspace.review_runs import CORPUS, rating_run, rewrite_run
from training.rate.people import read_people

pytestmark = pytest.mark.browser
PICTURES = os.environ.get("MI_ARENA_PICTURES")
"""A folder for pictures of the pages, where somebody wants to look at them."""


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def send(page: Page, run: str, each: int, size: int | None = None) -> None:
    page.locator("#data-runs label", has_text=run).click()
    expect(page.locator("#data-run h3")).to_contain_text(run, timeout=TIMEOUT)
    expect(page.locator("#reviews-send")).to_be_visible()
    page.fill("#reviews-each textarea, #reviews-each input", str(each))
    if size:
        page.fill("#reviews-size textarea, #reviews-size input", str(size))
    page.click("#reviews-send")
    expect(page.locator("#data-note")).to_contain_text("已发给专家", timeout=TIMEOUT)
    expect(page.locator("#reviews-send")).to_be_hidden()


def fetch(page: Page, run: str) -> None:
    page.locator("#data-runs label", has_text=run).click()
    expect(page.locator("#data-run h3")).to_contain_text(run, timeout=TIMEOUT)
    page.click("#reviews-fetch")
    expect(page.locator("#data-note")).to_contain_text("已取回", timeout=TIMEOUT)


def expert(
    chrome: Browser, site: Site, size: dict[str, int] = DESKTOP, locale: str = "zh-CN"
) -> tuple[Page, str]:
    """An expert who has not practised, as this is no coding; their pseudonym."""
    code, who = invite(site)
    page = open_page(chrome, site.url, locale, size)
    sign_in(page, code)
    return page, who.rater


@contextmanager
def hearing(page: Page) -> Iterator[list[str]]:
    """All that the desk receives meanwhile."""
    heard: list[str] = []

    def hear(route: Route) -> None:
        answer = route.fetch()
        heard.append(answer.text())
        route.fulfill(response=answer)

    page.route(re.compile("component_server"), hear)
    yield heard
    page.unroute_all(behavior="ignoreErrors")


def nothing_names_the_corpus(page: Page, heard: list[str], *names: str) -> None:
    assert len(heard) > 3
    for text in [*heard, page.content()]:
        assert not [name for name in names if name in text]


def test_two_ratings_by_keyboard_with_a_reload_between(site: Site, chrome: Browser) -> None:
    folder = site.tools.launcher.root / "rate-1"
    sample = rating_run(folder, number=2, size=1)
    admin = open_data(chrome, site)
    send(admin, "rate-1", each=1)
    expect(admin.locator("#reviews-size")).to_be_hidden()
    picture(admin, "admin-rating")
    page, rater = expert(chrome, site)
    with hearing(page) as heard:
        rate_two(page)
        correct_the_first(page)

    fetch(admin, "rate-1")
    ratings = read_people([folder / "people.jsonl"], sample.items)
    assert {one.rater for one in ratings} == {rater} and len(ratings) == 2
    by_scores = {tuple(one.scores.values()): one.comment for one in ratings}
    assert by_scores == {(2, 4, 3, 0): "有3处好", (1, 1, 1, 1): ""}
    names = [*(item.corpus for item in sample.items), *(i.dialogue.id for i in sample.items)]
    nothing_names_the_corpus(page, heard, *names, *(item.blind_id for item in sample.items))

    # What was fetched can be given to the rating.
    admin.locator("#step-rate > button").first.click()
    admin.locator("#rate-human input").click()
    expect(admin.get_by_role("option", name="rate-1/people.jsonl")).to_be_visible()


def rate_two(page: Page) -> None:
    picture(page, "home")
    page.locator('[data-open^="review:"]').focus()
    page.keyboard.press("Enter")
    expect(page.locator(".review h2")).to_be_focused()
    page.keyboard.press("2")
    page.keyboard.press("4")
    page.keyboard.press("9")  # no such score: nothing happens
    # The reader is at the third group now; the draft of two scores is on the server.
    expect(page.locator("[data-key=authenticity-0]")).to_be_focused()
    page.wait_for_timeout(1_000)
    page.reload()
    open_workspace(page)
    expect(page.locator("[data-key=comprehensiveness-2]")).to_be_checked()
    expect(page.locator("[data-key=professionalism-4]")).to_be_checked()
    page.keyboard.press("Tab")
    picture(page, "rating")
    page.locator("[data-key=back]").focus()
    page.keyboard.press("Enter")  # leaving keeps it, too
    page.locator('[data-open^="review:"]').click()
    expect(page.locator("[data-key=professionalism-4]")).to_be_checked()
    page.keyboard.press("3")
    expect(page.locator("[data-key=safety-0]")).to_be_focused()
    page.keyboard.press("1")
    expect(page.locator(".review-form [type=submit]")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    expect(page.locator("[data-key=comment]")).to_be_focused()
    page.keyboard.type("有3处好")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator(".desk-note")).to_contain_text("已保存")
    expect(page.locator(".review h2")).to_be_focused()
    # Nothing of the last one stands in the next.
    expect(page.locator(".review-form :checked")).to_have_count(0)
    for digit in "1111":
        page.keyboard.press(digit)
    page.keyboard.press("Enter")
    expect(page.locator(".review .note.good")).to_contain_text("没有等您的了")
    picture(page, "rating-done")


def correct_the_first(page: Page) -> None:
    page.locator(".given summary").click()
    page.locator(".given button").first.click()
    expect(page.locator("[data-key=comment]")).to_have_value("有3处好")
    page.locator("[data-key=safety-0]").check()
    page.locator(".review-form [type=submit]").click()
    expect(page.locator(".desk-note")).to_contain_text("已保存")


def test_a_rejection_and_an_edit_become_files(site: Site, chrome: Browser) -> None:
    folder = site.tools.launcher.root / "rewrite-1"
    made = {one.id: one for one in rewrite_run(folder, n=3)}
    admin = open_data(chrome, site)
    send(admin, "rewrite-1", each=1, size=2)
    page, _ = expert(chrome, site)
    with hearing(page) as heard:
        reject_one(site, page)
        edit_one(page)
    nothing_names_the_corpus(page, heard, CORPUS, "source_id", "provenance")

    expect(admin.locator("#reviews-told")).to_contain_text("已交 2 / 2", timeout=TIMEOUT)
    fetch(admin, "rewrite-1")
    result = admin.locator("#data-result")
    expect(result).to_contain_text("专家评审结果", timeout=TIMEOUT)
    expect(result).to_contain_text("0 %（95 % 区间 0–66 %）")
    expect(result).to_contain_text("把来访者的话改没了 123")
    picture(admin, "admin-rewrite")
    files_are_right(folder, made)
    # Stopped, and sent again: only what nobody has reviewed is drawn.
    admin.click("#reviews-close")
    expect(admin.locator("#data-note")).to_contain_text("已停止收集", timeout=TIMEOUT)
    send(admin, "rewrite-1", each=1, size=50)
    expect(admin.locator("#data-note")).to_contain_text("已发给专家：1 段")
    page.click("[data-key=back]")
    expect(page.locator(".reviews .state")).to_have_text(["还有 1 段"])


def files_are_right(folder: Path, made: dict[str, Dialogue]) -> None:
    (kept,) = read_dialogues(folder / "reviewed.jsonl")
    assert kept.messages[3].content == "您想从哪里开始？\n慢慢说。"
    assert kept.messages[:3] == made[kept.id].messages[:3]
    assert kept.meta["review"]["edited_turns"] == [4]
    report = json.loads((folder / "review_report.json").read_text(encoding="utf-8"))
    assert [report["all"][k] for k in ("n", "accepted", "edited", "rejected")] == [2, 0, 1, 1]
    assert len((folder / "reviews.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def reject_one(site: Site, page: Page) -> None:
    page.locator('[data-open^="review:"]').click()
    expect(page.locator(".review .sides section")).to_have_count(2)
    expect(page.locator("textarea:visible")).to_have_count(0)
    # A double click on the button hands nothing in that was not chosen.
    page.locator(".review-form [type=submit]").dblclick()
    assert site.arena.store.count("review_given") == 0
    page.locator(".review h2").focus()
    page.keyboard.press("2")
    expect(page.locator("[data-key=reason]")).to_be_focused()
    page.locator(".review-form [type=submit]").click()
    expect(page.locator(".desk-note")).to_contain_text("写明理由")
    page.locator("[data-key=reason]").fill("把来访者的话改没了 123")
    picture(page, "rewrite-reject")
    page.locator(".review-form [type=submit]").dblclick()
    expect(page.locator(".desk-note")).to_contain_text("已保存")
    expect(page.locator(".review-form :checked")).to_have_count(0)
    assert site.arena.store.count("review_given") == 1


def edit_one(page: Page) -> None:
    page.locator(".review h2").focus()
    page.keyboard.press("3")
    expect(page.locator("[data-key=turn-0]")).to_be_focused()
    page.locator(".review-form [type=submit]").click()
    expect(page.locator(".desk-note")).to_contain_text("一处也没有改")
    page.locator("[data-key=turn-3]").fill("")
    page.locator(".review-form [type=submit]").click()
    expect(page.locator(".desk-note")).to_contain_text("有一轮是空的")
    page.locator("[data-key=turn-3]").fill("您想从哪里开始？\n慢慢说。")
    page.wait_for_timeout(1_000)
    page.reload()
    open_workspace(page)
    expect(page.locator("[data-key=turn-3]")).to_have_value("您想从哪里开始？\n慢慢说。")
    expect(page.locator("[data-key=verdict-edited]")).to_be_checked()
    picture(page, "rewrite-edit")
    page.locator(".review-form [type=submit]").click()
    expect(page.locator(".review .note.good")).to_contain_text("没有等您的了")


@pytest.mark.parametrize("locale", ["zh-CN", "en-GB"])
def test_on_a_phone(site: Site, chrome: Browser, locale: str) -> None:
    root = site.tools.launcher.root
    rating_run(root / "rate-1", number=1, size=2)
    rewrite_run(root / "rewrite-1", n=1)
    admin = open_data(chrome, site, PHONE)
    send(admin, "rate-1", each=2)
    no_sideways_scrolling(admin)
    picture(admin, f"phone-admin-{locale}")
    send(admin, "rewrite-1", each=1)
    page, _ = expert(chrome, site, PHONE, locale)
    no_sideways_scrolling(page)
    picture(page, f"phone-home-{locale}")
    rating, rewriting = (page.locator('[data-open^="review:"]').nth(n) for n in (0, 1))
    rating.click()
    expect(page.locator(".levels")).to_have_count(4)
    no_sideways_scrolling(page)
    picture(page, f"phone-rating-{locale}")
    for fieldset in page.locator(".levels").all():
        fieldset.locator("label").last.click()
    page.locator('[data-do="later"]').click()
    expect(page.locator(".desk-note")).to_contain_text(
        "放到最后" if locale == "zh-CN" else "comes last"
    )
    expect(page.locator(".review-form :checked")).to_have_count(0)
    page.click("[data-key=back]")
    rewriting.click()
    expect(page.locator(".levels")).to_have_count(1)
    page.locator("[data-key=verdict-edited]").check()
    expect(page.locator("[data-key=turn-0]")).to_be_visible()
    no_sideways_scrolling(page)
    picture(page, f"phone-rewrite-{locale}")


def test_raw_calls_by_others_are_refused(site: Site) -> None:
    """The desk's door, called as a script would, by the public and by an admin."""
    import httpx

    rating_run(site.tools.launcher.root / "rate-1", number=1, size=1)
    from mi_arena.workspace.review_material import sample

    set_ = site.workspace.reviews.send(
        "rate-1", "rating", sample(site.tools.launcher.root / "rate-1"), 1
    )
    (item,) = site.workspace.ledger.now().review_sets[set_].items
    config = httpx.get(site.url + "config").json()
    (desk,) = [c["id"] for c in config["components"] if c["props"].get("elem_id") == "workspace"]
    members = site.identities.members
    assert members is not None
    admin = members.token(members.invite("admin").member)
    fields = {"known": "0"} | dict.fromkeys(
        ("comprehensiveness", "professionalism", "authenticity", "safety"), "1"
    )
    for session in ({}, {"member": "made-up"}, {"member": admin}):
        for view in (f"review:{set_}", f"review:{set_}.{item}"):
            for do in ("open", "keep", "later", "give"):
                data: dict[str, Any] = {"session": session, "view": view, "do": do}
                body = {
                    "data": data | {"fields": fields, "version": 0},
                    "component_id": desk,
                    "fn_name": "desk",
                    "session_hash": "raw",
                }
                answer = httpx.post(site.url + "gradio_api/component_server", json=body)
                assert answer.status_code == 200
                assert "note bad" in answer.json()["note"]
                assert "review-form" not in answer.text
    assert site.arena.store.count("review_given") == 0


def test_the_panel_is_the_admins_alone(site: Site, chrome: Browser) -> None:
    """Its handlers, called by number with an expert's session."""
    import httpx

    rating_run(site.tools.launcher.root / "rate-1", number=1, size=1)
    config = httpx.get(site.url + "config").json()
    names = {c["id"]: c["props"].get("elem_id") for c in config["components"]}
    handlers = [
        d
        for d in config["dependencies"]
        if any(str(names.get(t[0]) or "").startswith("reviews-") for t in d["targets"])
    ]
    assert len(handlers) == 3
    members = site.identities.members
    assert members is not None
    expert_token = members.token(members.invite("expert").member)
    for session in ({}, {"member": expert_token}):
        for handler in handlers:
            data = [session, None, *["1"] * (len(handler["inputs"]) - 2)]
            body = {"data": data, "fn_index": handler["id"], "session_hash": "raw"}
            answer = httpx.post(site.url + "gradio_api/queue/join", json=body)
            assert answer.status_code == 200
    with httpx.stream("GET", site.url + "gradio_api/queue/data?session_hash=raw") as events:
        told = ""
        for line in events.iter_lines():
            told += line
            if "close_stream" in line:
                break
    assert site.arena.store.count("review_set_opened") == 0
    assert re.search("说明|About", told)
