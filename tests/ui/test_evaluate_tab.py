"""The Evaluate tab in a browser: a report begun, stopped, resumed, compared, round by round."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.eval.judge.stand_in_coder import good
from tests.llm.stand_in_llm import Behaviour, StandInLLM
from tests.ui.conftest import (
    DESKTOP,
    PHONE,
    TIMEOUT,
    Site,
    agree,
    open_admin_tab,
    open_page,
)

pytestmark = pytest.mark.browser


def open_evaluate(chrome: Browser, site: Site, size: dict[str, int] = DESKTOP) -> Page:
    """The tab as a new admin sees it."""
    page = open_admin_tab(chrome, site, "评估|Evaluate", size)
    expect(page.locator("#evaluate-run :is(p, h3)").first).to_be_visible()
    return page


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        handle = name.replace("_", "-")
        page.locator(f"#evaluate-{handle} textarea, #evaluate-{handle} input").first.fill(value)


def choose(page: Page, field: str, option: str) -> None:
    page.locator(f"#{field} input").click()
    page.get_by_role("option", name=option).first.click()


def shown_as(page: Page, state: str) -> None:
    told = re.compile(rf"^evaluate-\S+ {state}$")
    expect(page.locator("#evaluate-run h3")).to_have_text(told, timeout=TIMEOUT)


def differences(page: Page) -> list[float]:
    """As the cards show them, from the top."""
    told = page.locator("#rounds-rows .difference b").all_inner_texts()
    return [float(one) for one in told]


def report_from_a_shell(root: Path, name: str) -> None:
    """What ``eval.report`` leaves, in small."""
    folder = root / name
    folder.mkdir(parents=True)
    difference = {"pair": "demo", "arm": "tuned", "against": "base", "profile": "standard"}
    difference |= {"metric": "rougeL", "mean": 7.25, "ci_low": 1.5, "ci_high": 12.0}
    absent = {"value": None, "reason": "none"}
    report = {"text_metrics": {"differences": [difference | {"n_dialogues": 40}]}}
    report |= dict.fromkeys(("miti_judge", "miti_people", "preferences"), absent)
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "report.md").write_text("# 报告\n")
    status = {"state": "done", "script": "eval.report", "step": 3, "total": 3, "updated_at": ""}
    (folder / "status.json").write_text(json.dumps(status))


def test_a_report_is_begun_stopped_gone_on_with_and_looked_into(
    site: Site, chrome: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-must-never-be-seen")
    report_from_a_shell(site.tools.launcher.root, "earlier-report")
    page = open_evaluate(chrome, site)
    expect(page.locator("#evaluate-pair")).to_contain_text("demo")
    expect(page.locator("#evaluate-test-set input")).to_have_value("mi_zh/test.jsonl")
    gate = threading.Event()

    def hold(body: object, time: int) -> Behaviour:
        return Behaviour(gate=gate)

    with StandInLLM(good, hold) as server:
        fill(page, limit="2", judge="gpt-test")
        page.locator("#step-evaluate").get_by_text("更多选项").click()
        fill(page, base_url=server.url, systems="base,tuned", max_new_tokens="24", bootstrap="50")
        page.click("#begin-evaluate")
        expect(page.locator("#note-evaluate")).to_contain_text("已开始：evaluate-", timeout=TIMEOUT)
        assert server.wait_for(1, 300)  # the replies are there, and the judge is asked
        shown_as(page, "运行中")
        page.click("#evaluate-stop")
        gate.set()
        shown_as(page, "已停止")
        page.click("#evaluate-resume")
        shown_as(page, "完成")
    assert set(server.charged.values()) == {1}, "an answer was paid for twice"

    result = page.locator("#evaluate-result")
    expect(result).to_contain_text("训练后 − 训练前 · ROUGE-L (standard)")
    expect(result).to_contain_text("没有与人工编码比对过")
    with page.expect_download() as download:
        result.get_by_text("下载完整报告").click()
    assert "<!doctype html>" in Path(download.value.path()).read_text(encoding="utf-8").lower()
    result.get_by_text("完整报告", exact=True).click()
    picture = result.locator("img.run-picture").first
    expect(picture).to_be_visible()
    assert picture.evaluate("one => one.complete && one.naturalWidth > 100")

    single_rounds(page)
    page.locator("#evaluate-comparison > button").click()
    for name in ("earlier-report", "evaluate-"):
        choose(page, "evaluate-compare", re.compile(f"^{name}"))  # type: ignore[arg-type]
    table = page.locator("#evaluate-compared-table")
    expect(table.locator("th[scope=col]")).to_have_count(3)
    expect(table).to_contain_text("+7.25 [+1.50, +12.00], n = 40")
    expect(page.locator("#evaluate-compared .js-plotly-plot")).to_be_visible()
    assert "sk-test" not in page.content()
    page.context.close()


def single_rounds(page: Page) -> None:
    page.locator("#rounds > button").click()
    cards = page.locator("#rounds-rows .round-card")
    expect(cards).to_have_count(10)
    found = differences(page)
    assert found == sorted(found, reverse=True) and found[0] > 0
    first = cards.first
    for told in ("来访者", "训练前", "训练后", "参考回复"):
        expect(first).to_contain_text(told)
    expect(first.locator(".reply .codes").first).to_be_visible()
    choose(page, "rounds-order", "后者领先最多的在前")
    expect(first.locator(".difference b")).to_contain_text("-")
    least = differences(page)
    assert least == sorted(least) and least[0] < 0
    choose(page, "rounds-score", "字数")
    expect(first.locator(".difference")).to_contain_text("字数")
    before = first.inner_text()
    page.click("#rounds-after")
    expect(page.locator("#rounds-at")).to_contain_text("第 2 / ")
    expect(first).not_to_have_text(before)
    expect(page.locator("#rounds-plot .js-plotly-plot")).to_be_visible()


def test_what_cannot_be_taken_and_what_a_run_says(site: Site, chrome: Browser) -> None:
    page = open_evaluate(chrome, site, PHONE)
    fill(page, limit="0")
    page.click("#begin-evaluate")
    expect(page.locator("#note-evaluate")).to_contain_text(
        "“只用前 N 段”里的数字不对，请填 1, 2, 3, …"
    )
    assert site.tools.launcher.runs() == []
    fill(page, limit="2")
    page.locator("#step-evaluate").get_by_text("更多选项").click()
    fill(page, systems="base,better")
    page.click("#begin-evaluate")
    shown_as(page, "失败")
    expect(page.locator("#evaluate-run .note.bad")).to_contain_text("better")
    page.reload()
    page.get_by_role("tab", name=re.compile("^评估$")).click()
    shown_as(page, "失败")
    page.click("#evaluate-again")
    expect(page.locator("#note-evaluate")).to_contain_text("已填回")
    expect(page.locator("#evaluate-systems textarea, #evaluate-systems input").first).to_have_value(
        "base,better"
    )
    expect(page.locator("#evaluate-pair")).to_contain_text("demo")
    expect(page.locator("#evaluate-test-set input")).to_have_value("mi_zh/test.jsonl")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth + 1")
    page.context.close()


def test_talks_with_simulated_clients(site: Site, chrome: Browser) -> None:
    page = open_evaluate(chrome, site)
    page.locator("#step-simulate > button").click()
    choose(page, "simulate-pair", re.compile("demo"))  # type: ignore[arg-type]
    page.locator("#simulate-limit textarea, #simulate-limit input").fill("2")
    page.locator("#simulate-rounds textarea, #simulate-rounds input").fill("2")
    page.click("#begin-simulate")
    told = re.compile(r"^simulate-\S+ 完成$")
    expect(page.locator("#evaluate-run h3")).to_have_text(told, timeout=2 * TIMEOUT)
    result = page.locator("#evaluate-result")
    expect(result).to_contain_text("模拟来访者不是真人")
    expect(row(result, "训练后").locator("td").first).to_have_text("2")
    page.context.close()


def row(table: Locator, name: str) -> Locator:
    return table.locator("tr", has=table.page.get_by_role("rowheader", name=name, exact=True))


def test_visitors_get_no_words_of_it(site: Site, chrome: Browser) -> None:
    """What is compared, and by which names, is not for those who judge blind."""
    report_from_a_shell(site.tools.launcher.root, "earlier-report")
    page = open_page(chrome, site.url)
    agree(page)
    source: Any = page.evaluate("fetch('config').then(one => one.text())")
    for told in ("训练前", "base,tuned", "earlier-report", "ROUGE"):
        assert told not in page.content() + str(source)
    page.context.close()
