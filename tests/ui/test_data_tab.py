"""The Data tab in a browser: raw files in, a split of rewritten dialogues out; admins only."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import tarfile
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from mi_arena.dialogue import read_dialogues
from mi_arena.jobs.viewing import metrics
from tests.llm.stand_in_llm import StandInLLM
from tests.training.transcribe.rewriter import good, misbehaving
from tests.ui.conftest import (
    DESKTOP,
    PHONE,
    TIMEOUT,
    Site,
    invite,
    open_admin_tab,
    open_page,
    sign_in,
)

pytestmark = pytest.mark.browser

CASES = 200

LINES = (
    "来访者：咨询师，我晚上总睡不好，白天很累，第{n}次来了，有些不好意思开口。",
    "心理咨询师：听起来你这阵子很辛苦，第{n}次愿意来，说明你想让它好起来。",
    "来访者：是的，我躺下就想工作的事情，一想就是第{n}个小时，停不下来。",
    "心理咨询师：躺下来，工作的事就找上门来。你自己试过什么办法？",
    "来访者：我试过看手机，结果更清醒，第{n}天早上起来更累。（叹气）",
    "心理咨询师：手机没有帮上忙。对你来说，睡好了会有什么不一样？",
)


def archive(cases: int) -> bytes:
    """Cases as CPsyCounD publishes them."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        for n in range(1, cases + 1):
            text = "\r\n\r\n".join(line.format(n=n) for line in LINES).encode()
            entry = tarfile.TarInfo(f"CPsyCounD/Data/case_{n}.txt")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    return made.getvalue()


def open_data(chrome: Browser, site: Site, size: dict[str, int] = DESKTOP) -> Page:
    """The tab as a new admin sees it."""
    page = open_admin_tab(chrome, site, "数据|Data", size)
    expect(page.locator("#data-run :is(p, h3)").first).to_be_visible()
    return page


def unfold(page: Page, step: str) -> None:
    page.locator(f"#step-{step} > button").click()
    expect(page.locator(f"#begin-{step}")).to_be_visible()


def pick(page: Page, field: str, name: str) -> None:
    page.locator(f"#{field} input").click()
    page.get_by_role("option", name=re.compile(re.escape(name))).first.click()


def fill(page: Page, field: str, text: str) -> None:
    page.locator(f"#{field} textarea, #{field} input").fill(text)


def begin(page: Page, step: str) -> None:
    page.locator(f"#begin-{step}").click()
    expect(page.locator(f"#note-{step}")).to_contain_text(f"已开始：{step}-", timeout=TIMEOUT)


def shown_as(page: Page, step: str, state: str = "完成") -> None:
    told = re.compile(rf"^{step}-\S+ {state}$")
    expect(page.locator("#data-run h3")).to_have_text(told, timeout=TIMEOUT)


def upload(page: Page, name: str, content: bytes) -> None:
    file = {"name": name, "mimeType": "application/gzip", "buffer": content}
    page.locator("#corpus-upload input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    expect(page.locator("#data-note")).to_contain_text("已收到", timeout=TIMEOUT)


def test_from_raw_files_to_a_split(
    site: Site, chrome: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-must-never-be-seen")
    page = open_data(chrome, site)
    upload(page, "cases.tar.gz", archive(CASES))

    unfold(page, "read")
    pick(page, "read-kind", "cpsycound")
    pick(page, "read-path", "cases.tar.gz")
    begin(page, "read")
    shown_as(page, "read")
    expect(page.locator("#data-result")).to_contain_text("读入 200 段，写出 200 段")
    expect(page.locator("#data-result")).to_contain_text("stage_direction")
    page.locator("#step-read > button").click()

    # A second admin sees the same runs.
    other = open_data(chrome, site, PHONE)
    expect(other.locator("#data-run")).to_contain_text("完成")

    with StandInLLM(good, misbehaving) as server:
        unfold(page, "rewrite")
        pick(page, "rewrite-dialogues", "dialogues.jsonl")
        fill(page, "rewrite-model", "gpt-test")
        page.locator("#step-rewrite").get_by_text("更多选项").click()
        fill(page, "rewrite-base-url", server.url)
        fill(page, "rewrite-price-in", "2")
        fill(page, "rewrite-price-out", "8")
        fill(page, "rewrite-concurrency", "8")
        fill(page, "rewrite-timeout", "3")
        begin(page, "rewrite")
        killed_in_the_middle(site)
        shown_as(page, "rewrite", "已中断")
        page.locator("#data-resume").click()
        shown_as(page, "rewrite")
    assert set(server.charged.values()) == {1}
    expect(page.locator("#data-run")).to_contain_text("已花")
    result = page.locator("#data-result")
    expect(result.locator(".pair").first).to_contain_text("改写前")
    expect(result.locator(".pair").first).to_contain_text("改写后")
    expect(result.locator(".pair").first).to_contain_text("我晚上总睡不好")
    page.locator("#step-rewrite > button").first.click()

    everything_was_kept(site)
    split_and_fetch(page)
    assert "sk-test" not in page.content()


def killed_in_the_middle(site: Site) -> None:
    """The rewriting's process, killed once it has written some of them."""
    [run] = [one for one in site.tools.launcher.runs() if one.script == "training.transcribe"]
    out = run.path / "mi.jsonl"
    end = time.monotonic() + TIMEOUT / 1000
    while not out.exists() or out.read_bytes().count(b"\n") < CASES // 5:
        assert time.monotonic() < end, "nothing is written"
        time.sleep(0.02)
    pid = site.tools.launcher.status(run.name).pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert out.read_bytes().count(b"\n") < CASES


def everything_was_kept(site: Site) -> None:
    """Each of them is rewritten or among the dead letters, and what it cost is told."""
    [run] = [one for one in site.tools.launcher.runs() if one.script == "training.transcribe"]
    written = list(read_dialogues(run.path / "mi.jsonl"))
    dead = (run.path / "mi.dead.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(written) + len(dead) == CASES and written
    assert metrics(run.path)[-1]["cost_usd"] > 0


def split_and_fetch(page: Page) -> None:
    """The last step; a download; then one that fails and says why."""
    unfold(page, "split")
    pick(page, "split-dialogues", "mi.jsonl")
    page.keyboard.press("Escape")
    fill(page, "split-train", "4")
    fill(page, "split-test", "2")
    page.locator("#step-split").get_by_text("更多选项").click()
    page.locator("#split-no-near input").check()
    begin(page, "split")
    shown_as(page, "split")
    expect(page.locator("#data-result")).to_contain_text("train")

    page.get_by_text("文件", exact=True).click()
    link = page.locator("#data-files a", has_text="split/train.jsonl")
    with page.expect_download() as download:
        link.click()
    lines = Path(download.value.path()).read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["meta"]["split"] for line in lines] == ["train"] * 4

    fill(page, "split-train", "4000")
    begin(page, "split")
    shown_as(page, "split", "失败")
    expect(page.locator("#data-run .note.bad")).to_contain_text("4000")


def test_stop_go_on_and_an_empty_form(
    site: Site, chrome: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    from tests.llm.stand_in_llm import Behaviour

    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    gate = threading.Event()
    page = open_data(chrome, site, PHONE)
    upload(page, "cases.tar.gz", archive(6))
    unfold(page, "read")
    page.locator("#begin-read").click()
    expect(page.locator("#note-read")).to_contain_text("“语料种类”还没有填")
    assert site.tools.launcher.runs() == []
    pick(page, "read-kind", "cpsycound")
    pick(page, "read-path", "cases.tar.gz")
    begin(page, "read")
    shown_as(page, "read")
    page.locator("#step-read > button").click()

    unfold(page, "rewrite")
    pick(page, "rewrite-dialogues", "dialogues.jsonl")
    page.locator("#rewrite-dry-run input").check()
    begin(page, "rewrite")
    shown_as(page, "rewrite")
    expect(page.locator("#data-result")).to_contain_text("USD")
    page.locator("#rewrite-dry-run input").uncheck()

    def hold(body: object, time: int) -> Behaviour:
        return Behaviour(gate=gate)

    with StandInLLM(good, hold) as server:
        page.locator("#step-rewrite").get_by_text("更多选项").click()
        fill(page, "rewrite-base-url", server.url)
        begin(page, "rewrite")
        shown_as(page, "rewrite", "运行中")
        assert server.wait_for(1)
        page.locator("#data-stop").click()
        gate.set()  # what is on its way may finish, and is kept
        shown_as(page, "rewrite", "已停止")
        page.locator("#data-resume").click()
        shown_as(page, "rewrite")
        assert set(server.charged.values()) == {1}


def test_the_tab_is_the_admins_alone(site: Site, chrome: Browser) -> None:
    code, _ = invite(site, "expert")
    page = open_page(chrome, site.url, "en-GB")
    sign_in(page, code)
    expect(page.get_by_role("tab", name="Workspace")).to_be_visible()
    expect(page.get_by_role("tab", name="Data", exact=True)).to_have_count(0)
