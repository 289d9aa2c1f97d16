"""A visitor's whole way through the arena, in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from mi_arena.records.battle_events import Judgement
from tests.battles.conftest import models_of
from tests.conftest import make_pair
from tests.ui.conftest import DESKTOP, PHONE, Site, agree, choose, open_page, serve, talk

pytestmark = pytest.mark.browser
ROUNDS = ("我想戒烟，可是压力大", "半夜老醒，第二天没精神")


def judge(page: Page, overall: str = "A", guess: str = "B") -> None:
    page.locator("#overall").wait_for(state="visible")
    choose(page, "overall", overall)
    choose(page, "guess", guess)
    choose(page, "confidence", "3")
    page.click("#submit")
    page.locator("#outcome-text .note").first.wait_for()


def no_sideways_scrolling(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")


@pytest.mark.parametrize(
    ("locale", "size"), [("zh-CN", DESKTOP), ("zh-CN", PHONE), ("en-GB", PHONE)]
)
def test_from_consent_to_withdrawal(
    chrome: Browser, site: Site, locale: str, size: dict[str, int], tmp_path: Path
) -> None:
    page = open_page(chrome, site.url, locale, size)
    chinese = locale == "zh-CN"
    expect(page.locator("#agree")).to_have_text(
        re.compile("已年满 18" if chinese else "18 or over")
    )
    agree(page)
    choose(page, "topic", "smoking")
    talk(page, *ROUNDS)
    assert page.locator(".round").count() == 2
    no_sideways_scrolling(page)
    judge(page)
    expect(page.locator("#outcome-text")).to_contain_text("咨询师" if chinese else "Counsellor")
    shown = page.locator("#receipt").locator("input, textarea").input_value()
    receipt = re.search(r"[A-Z2-9]{12}", shown)
    assert receipt is not None
    stored = [e.payload for e in site.arena.store.events("judgement")]
    assert [(p.overall, p.guess, p.confidence) for p in stored if isinstance(p, Judgement)] == [
        ("A", "B", 3)
    ]

    page.get_by_role("tab", name="结果" if chinese else "Results").click()
    page.click("#refresh")
    expect(page.locator("#counts")).to_contain_text("1")
    expect(page.locator("#results-table")).to_contain_text("%")
    no_sideways_scrolling(page)

    page.get_by_role("tab", name="撤回" if chinese else "Withdraw").click()
    page.fill("#receipt-code input, #receipt-code textarea", receipt[0])
    page.click("#withdraw")
    expect(page.locator("#withdraw-outcome")).to_contain_text("已撤回" if chinese else "Withdrawn")
    assert site.arena.store.count("withdrawn") == 1
    page.context.close()


def test_while_a_model_is_trained_the_page_says_so_and_keeps_what_was_entered(
    chrome: Browser, site: Site
) -> None:
    models = models_of(site.arena)
    models.pause()
    page = open_page(chrome, site.url)
    away = page.locator("#status")
    expect(away).to_contain_text("咨询师暂时不在：这里正在训练模型")
    agree(page)
    choose(page, "topic", "smoking")
    page.locator("#starter input").first.check()
    expect(page.locator("#text textarea")).not_to_have_value("")  # it is there, to be written over
    page.fill("#text textarea", ROUNDS[0])
    page.click("#send")
    expect(page.locator("#problem")).to_contain_text("写的内容还在，请过一会儿再试")
    expect(page.locator("#text textarea")).to_have_value(ROUNDS[0])
    expect(page.locator('#topic input[value="smoking"]')).to_be_checked()
    expect(page.locator("#starter input").first).to_be_checked()
    assert site.arena.store.count("battle_started") == 0
    assert "tiny" not in page.locator("#problem").inner_text() + away.inner_text()

    models.resume()
    page.click("#send")
    page.locator("#send").wait_for(state="visible")
    expect(page.locator(".round")).to_have_count(1)
    expect(page.locator("#problem")).to_be_empty()
    begun = next(site.arena.store.events("battle_started")).payload
    assert begun.topic == "smoking" and begun.starter is None  # type: ignore[attr-defined]
    expect(page.locator('.side[aria-busy="true"]')).to_have_count(0)

    models.pause()
    page.fill("#text textarea", ROUNDS[1])
    page.click("#send")
    expect(page.locator("#problem")).to_contain_text("正在训练模型")
    expect(page.locator("#text textarea")).to_have_value(ROUNDS[1])
    expect(page.locator(".round")).to_have_count(1)
    page.click("#switch")
    expect(away).to_contain_text("a model is being trained")
    models.resume()
    page.click("#send")
    expect(page.locator(".round")).to_have_count(2)
    page.context.close()


def test_before_the_judgement_nothing_tells_pair_or_side(
    chrome: Browser, site_of_two: Site
) -> None:
    """Everything that the browser hears is kept. Until the results page is opened, nothing after
    the first words names either pair; there, both are listed; nothing ever names an arm."""
    page = open_page(chrome, "about:blank")
    heard: list[str] = []

    def listen(request: Request) -> None:
        response = request.response()
        if response and "/assets/" not in request.url and request.url.startswith("http"):
            heard.append(request.url + "\n" + response.text())

    page.on("requestfinished", listen)
    page.goto(site_of_two.url)
    agree(page)
    choose(page, "topic", "sleep")
    heard.clear()
    talk(page, *ROUNDS)
    for body in heard:
        assert "pair-quokka" not in body and "pair-wombat" not in body
    page.click("#switch")
    expect(page.locator("#send")).to_have_text("Send")
    page.click("#switch")
    expect(page.locator("#send")).to_have_text("发送")
    assert any(ROUNDS[0] in body for body in heard), "what the page shows was listened to"
    store = site_of_two.arena.store
    begun = next(store.events("battle_started"))
    secrets = ("tuned_side", '"tuned"', "allocation", "lora", "adapter", begun.payload.battle)  # type: ignore[attr-defined]
    config = page.request.get(site_of_two.url + "config").text()
    for body in [*heard, page.content(), config]:
        for word in secrets:
            assert word not in body.lower(), word

    page.get_by_role("tab", name="结果").click()
    page.locator("#counts .note").first.wait_for()
    everything = "\n".join([*heard, page.content(), config])
    shown = [(e.epoch or "?") in everything for e in store.events("epoch_opened")]
    assert shown == [True, True]

    page.get_by_role("tab", name="对话").click()
    judge(page)
    expect(page.locator("#outcome-text")).to_contain_text("训练")
    page.context.close()


def test_counts_do_not_move_with_somebody_s_own_battle(chrome: Browser, site_of_two: Site) -> None:
    """Results read before and after a battle is begun and left again are the same."""
    page = open_page(chrome, site_of_two.url)
    agree(page)

    def results() -> list[str]:
        told = []
        page.get_by_role("tab", name="结果").click()
        page.locator("#counts .note").first.wait_for()
        for epoch in site_of_two.arena.store.events("epoch_opened"):
            page.locator("#epoch input").click()
            page.get_by_role("option").nth(len(told)).click()
            page.click("#refresh")
            page.locator("#counts .note").first.wait_for()
            panel = page.locator("[role=tabpanel]:visible")
            told.append("\n".join(panel.locator(".note, table").all_inner_texts()))
            assert epoch.epoch
        page.get_by_role("tab", name="对话").click()
        return told

    before = results()
    choose(page, "topic", "sleep")
    talk(page, ROUNDS[0])
    assert results() == before
    page.click("#restart")
    page.locator("#topic").wait_for(state="visible")
    assert results() == before
    page.context.close()


def test_refresh_second_tab_and_language_switch_lose_nothing(chrome: Browser, site: Site) -> None:
    page = open_page(chrome, site.url)
    agree(page)
    choose(page, "topic", "diet")
    talk(page, *ROUNDS)
    said = page.locator(".side .said").all_inner_texts()
    page.reload()
    expect(page.locator(".round")).to_have_count(2)
    assert page.locator(".side .said").all_inner_texts() == said
    second = page.context.new_page()
    second.goto(site.url)
    expect(second.locator(".round")).to_have_count(2)
    second.click("#switch")
    expect(second.locator("#send")).to_have_text("Send")
    judge(second)
    page.reload()
    expect(page.locator("#outcome-text")).to_be_visible()
    assert site.arena.store.count("judgement") == 1
    page.context.close()


def test_markup_and_role_markers_are_shown_as_typed(chrome: Browser, site: Site) -> None:
    typed = "<b>粗</b><img src=x onerror=alert(1)> ${7*7} {{7*7}} **重** <|counselor|>"
    page = open_page(chrome, site.url)
    page.on("dialog", lambda dialog: pytest.fail("a script of the client's ran"))
    agree(page)
    choose(page, "topic", "free")
    talk(page, typed)
    assert page.locator(".client .said").inner_text() == typed
    assert page.locator(".client b, .client img").count() == 0
    page.context.close()


def test_bad_input_keeps_what_was_written(chrome: Browser, site: Site) -> None:
    page = open_page(chrome, site.url)
    agree(page)
    page.fill("#text textarea", "还没选话题")
    page.click("#send")
    expect(page.locator("#problem")).to_contain_text("话题")
    assert page.input_value("#text textarea") == "还没选话题"
    choose(page, "topic", "free")
    long = "长" * 900
    page.fill("#text textarea", long)
    page.click("#send")
    expect(page.locator("#problem")).to_contain_text("900")
    assert page.input_value("#text textarea") == long
    page.context.close()


def test_danger_shows_help_and_ends_the_battle(chrome: Browser, site: Site) -> None:
    page = open_page(chrome, site.url)
    agree(page)
    choose(page, "topic", "free")
    page.fill("#text textarea", "我不想活了，想自杀")
    page.click("#send")
    expect(page.locator("#crisis [role=alert]")).to_contain_text("12356")
    expect(page.locator("#send")).to_be_hidden()
    assert page.locator(".side").count() == 0
    page.context.close()


def test_help_comes_even_where_the_words_are_refused(chrome: Browser, site: Site) -> None:
    page = open_page(chrome, site.url)
    agree(page)
    choose(page, "topic", "free")
    talk(page, "我想戒烟")
    page.fill("#text textarea", "我不想活了。" + "今天下雨，路上很堵，到家已经很晚。" * 60)
    page.click("#send")
    expect(page.locator("#problem")).to_contain_text("800")
    expect(page.locator("#crisis [role=alert]")).to_contain_text("12356")
    page.fill("#text textarea", "我不想活了")
    with site.arena.store.transaction():
        page.click("#send")
        expect(page.locator("#problem")).to_contain_text("没有保存")
        expect(page.locator("#crisis [role=alert]")).to_contain_text("12356")
    (epoch,) = {event.epoch for event in site.arena.store.events("battle_started")}
    assert epoch is not None
    site.arena.offer.close_epoch(epoch)
    page.click("#send")
    expect(page.locator("#problem .note")).to_be_visible()
    expect(page.locator("#crisis [role=alert]")).to_contain_text("12356")
    page.context.close()


def test_a_phone_shows_whom_to_call_without_scrolling(chrome: Browser, site: Site) -> None:
    page = open_page(chrome, site.url, size=PHONE)
    agree(page)
    choose(page, "topic", "free")
    talk(page, "我想戒烟，可是压力太大", "试过很多次了")
    page.fill("#text textarea", "我不想活了")
    page.click("#send")
    number = page.locator("#crisis a[href='tel:12356']")
    expect(number).to_be_in_viewport()
    page.reload()
    expect(number).to_be_in_viewport()
    page.click("#need-help")
    expect(page.locator("#help")).to_be_visible()
    page.context.close()


def test_who_is_under_age_is_told_kindly_and_the_battle_ends(chrome: Browser, site: Site) -> None:
    page = open_page(chrome, site.url)
    agree(page)
    choose(page, "topic", "free")
    page.fill("#text textarea", "我今年15岁，想戒烟")
    page.click("#send")
    told = page.locator("#crisis [role=alert]")
    expect(told).to_contain_text("12355")
    expect(told).to_contain_text("18")
    expect(page.locator("#send")).to_be_hidden()
    assert page.locator(".client").count() == 0
    expect(page.locator("#agree")).to_be_hidden()
    page.click("#restart")
    expect(page.locator("#agree")).to_be_visible()
    expect(page.locator("#topic")).to_be_hidden()
    page.context.close()


def test_help_is_reachable_from_every_page(chrome: Browser, site: Site) -> None:
    page = open_page(chrome, site.url)
    for tab in ("结果", "撤回", "说明"):
        page.get_by_role("tab", name=tab).click()
        page.get_by_role("tab", name="求助").click()
        for number in ("12356", "120", "110", "12338", "12355"):
            expect(page.locator(f"#help a[href='tel:{number}']").first).to_be_visible()
    page.context.close()


def test_a_judgement_that_cannot_be_stored_reveals_nothing(chrome: Browser, site: Site) -> None:
    page = open_page(chrome, site.url)
    agree(page)
    choose(page, "topic", "sleep")
    talk(page, *ROUNDS)
    page.locator("#overall").wait_for(state="visible")
    choose(page, "overall", "B")
    with site.arena.store.transaction():
        page.click("#submit")
        expect(page.locator("#judge-problem")).to_contain_text("没有保存")
    expect(page.locator("#outcome-text")).to_be_hidden()
    assert page.locator('#overall input[value="B"]').is_checked()
    page.click("#submit")
    expect(page.locator("#outcome-text")).to_be_visible()
    page.context.close()


def test_the_keyboard_is_enough(chrome: Browser, site: Site) -> None:
    page = open_page(chrome, site.url)
    page.locator("#agree").focus()
    page.keyboard.press("Enter")
    page.locator("#topic").wait_for(state="visible")
    page.locator('#topic input[value="smoking"]').focus()
    page.keyboard.press("Space")
    for _ in ROUNDS:
        before = page.locator(".round").count()
        page.locator("#text textarea").focus()
        page.keyboard.type("我想戒烟")
        page.keyboard.press("Tab")
        page.locator("#send").focus()
        page.keyboard.press("Enter")
        page.locator(".round").nth(before).wait_for()
        page.locator("#send").wait_for(state="visible")
    page.locator("#overall").wait_for(state="visible")
    page.locator('#overall input[value="A"]').focus()
    page.keyboard.press("Space")
    page.locator("#submit").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#outcome-text")).to_be_visible()
    page.context.close()


def test_raw_http_can_forge_neither_history_nor_battle(chrome: Browser, site: Site) -> None:
    """Straight calls of every endpoint: no battle of somebody else's is shown or changed."""
    page = open_page(chrome, site.url)
    agree(page)
    choose(page, "topic", "free")
    talk(page, "我只想少喝点奶茶")
    before = site.arena.store.count()
    config = json.loads(page.request.get(site.url + "config").text())
    forged = {"rater": "x", "battle": "y", "lang": "zh", "member": "z"}
    answered = 0
    for values in (["free", None, "伪造的话"], [["A"], {"a": 1}, 3]):
        for dependency in config["dependencies"]:
            inputs = len(dependency["inputs"])
            data = [forged, *(values * inputs)][:inputs]
            answer = page.request.post(
                site.url + "gradio_api/run/predict",
                data={"data": data, "fn_index": dependency["id"], "session_hash": "forged"},
            )
            assert "我只想少喝点奶茶" not in answer.text()
            answered += answer.ok
    assert answered > 5, "the handlers themselves were reached"
    assert [e.payload.text for e in site.arena.store.events("client_said")] == [  # type: ignore[attr-defined]
        "我只想少喝点奶茶"
    ]
    assert site.arena.store.count("judgement") == 0
    assert site.arena.store.count() <= before + 1  # the stranger's own consent may be stored
    page.context.close()


def test_a_pair_that_knows_chinese_alone_says_so_in_english(
    chrome: Browser, tmp_path: Path, pair_folders: tuple[Path, Path]
) -> None:
    running, app = serve(tmp_path, [make_pair(*pair_folders, chinese_only=True)])
    page = open_page(chrome, running.url, "en-GB")
    agree(page)
    expect(page.locator("#text textarea")).to_have_attribute(
        "placeholder", re.compile("Write in Chinese")
    )
    page.locator("#topic input[value=sleep]").check()
    first = page.locator("#starter label").first
    expect(first).to_contain_text("I'm sleepy but don't want to go to bed")
    first.click()
    expect(page.locator("#text textarea")).to_have_value(re.compile("^明明很困"))
    app.close(verbose=False)  # type: ignore[attr-defined]
    running.arena.close()
