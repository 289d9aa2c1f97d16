"""The Train tab in a browser: a fine-tune begun, watched, stopped, resumed, served; errors."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect

from mi_arena.dialogue import write_dialogues
from mi_arena.jobs.viewing import metrics
from tests.hub_stand_in import HubStandIn
from tests.processes import ROOT
from tests.small_dialogues import made_up
from tests.ui.conftest import (
    DESKTOP,
    PHONE,
    TIMEOUT,
    Site,
    agree,
    choose,
    open_admin_tab,
    open_page,
)

pytestmark = pytest.mark.browser

POINTS = "document.querySelector('#train-plot .js-plotly-plot')?.data[0].x.length ?? 0"


@pytest.fixture
def corpus(site: Site) -> Path:
    """Dialogues that an admin has uploaded."""
    file = site.tools.inputs.root / "uploads" / "small.jsonl"
    file.parent.mkdir(parents=True)
    write_dialogues(file, made_up(26, rounds=1))
    return file


def open_train(chrome: Browser, site: Site, size: dict[str, int] = DESKTOP) -> Page:
    """The tab as a new admin sees it: the demo recipe fills the form."""
    page = open_admin_tab(chrome, site, "训练|Train", size)
    expect(page.locator("#train-yaml")).to_contain_text("mi_zh/train.jsonl")
    return page


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        field = page.locator(f"#finetune-{name.replace('_', '-')} :is(textarea, input)")
        field.fill(value)
        field.blur()


def pick_corpus(page: Page, name: str) -> None:
    """This file in place of what the recipe names."""
    page.locator("#finetune-data .token-remove").first.click()
    page.locator("#finetune-data input").click()
    page.get_by_role("option", name=re.compile(re.escape(name))).first.click()
    page.keyboard.press("Escape")


def more(page: Page) -> None:
    page.locator("#step-finetune").get_by_text("更多选项").click()


def shown_as(page: Page, state: str) -> None:
    expect(page.locator("#train-run h3")).to_have_text(
        re.compile(rf"^first-\S+ {state}$"), timeout=4 * TIMEOUT
    )


def test_a_run_is_watched_stopped_resumed_and_served(
    site: Site, chrome: Browser, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The browser needs the other core.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    page = open_train(chrome, site)
    pick_corpus(page, corpus.name)
    page.locator("#train-name :is(textarea, input)").fill("first")
    fill(page, epochs="5", batch_dialogues="2", rank="4")
    more(page)
    fill(page, sample_tokens="8", sample_prompts="我想戒烟。")
    expect(page.locator("#train-yaml")).to_contain_text("rank: 4")
    expect(page.locator("#train-yaml")).to_contain_text("我想戒烟。")
    expect(page.locator("#train-command")).to_contain_text("python -m training.finetune")
    page.click("#train-begin")
    expect(page.locator("#train-note")).to_contain_text("已开始：first-")

    page.wait_for_function(f"{POINTS} >= 1", timeout=4 * TIMEOUT)
    before = page.evaluate(POINTS)
    page.wait_for_function(f"{POINTS} > {before}", timeout=4 * TIMEOUT)
    expect(page.locator("#train-result")).to_contain_text("我想戒烟。")
    page.click("#train-stop")
    shown_as(page, "已停止")
    run = next(run for run in site.tools.launcher.runs() if run.name.startswith("first-"))
    halted = run.step
    assert 0 < halted < run.total
    page.click("#train-resume")
    shown_as(page, "完成")
    steps = [record["step"] for record in metrics(run.path) if "loss" in record]
    assert steps == sorted(set(steps)) and steps[-1] >= run.total - 4
    assert "resumed after step" in (run.path / "log.txt").read_text()

    page.click("#train-serve")
    expect(page.locator("#train-run-note .note.good")).to_contain_text(
        "从新的一期开始计票", timeout=4 * TIMEOUT
    )
    expect(page.locator("#train-unserve")).to_be_visible()
    served = {pair.id for pair in site.arena.offer.pairs()}
    assert served == {"tiny", run.name}
    site.arena.offer.leave_out("tiny")  # so that the draw is no draw
    visitor = open_page(chrome, site.url)
    agree(visitor)
    choose(visitor, "topic", "smoking")
    visitor.fill("#text textarea", "我想戒烟，可是压力大。")
    visitor.click("#send")
    visitor.locator(".round").wait_for()
    answering = visitor.locator('.side[aria-busy="true"]').first
    answering.wait_for(state="detached", timeout=4 * TIMEOUT)
    started = [*site.arena.store.events("battle_started")][-1]
    assert str(started.epoch).startswith(run.name)

    page.click("#train-unserve")
    expect(page.locator("#train-serve")).to_be_visible()
    assert run.name not in {pair.id for pair in site.arena.offer.pairs()}

    page.click("#train-clone")
    expect(page.locator("#train-run-note")).to_contain_text("已填好")
    expect(page.locator("#finetune-rank :is(textarea, input)")).to_have_value("4")


def test_what_is_entered_wrongly_is_told_in_one_line(site: Site, chrome: Browser) -> None:
    page = open_train(chrome, site)
    note = page.locator("#train-note")
    fill(page, rank="many")
    expect(note).to_contain_text("“LoRA 秩”里的数字不对，请填 1, 2, 3, …")
    fill(page, rank="8")
    expect(note).not_to_contain_text("数字不对")
    page.locator("#finetune-quantization input").click()
    page.get_by_role("option", name="4bit").click()
    page.click("#train-begin")
    expect(note).to_contain_text("4bit computes in bfloat16; set dtype: bfloat16")
    page.locator("#finetune-quantization input").click()
    page.get_by_role("option", name="none").click()
    page.locator("#finetune-data .token-remove").first.click()
    page.click("#train-begin")
    expect(note).to_contain_text("“训练语料”还没有填。")
    assert site.tools.launcher.runs() == []
    assert [path.name for path in site.tools.inputs.root.glob("train-*")] == []


def a_run_from_a_shell(root: Path, name: str, rate: float, losses: list[float]) -> None:
    """What ``training.finetune`` leaves that was not begun by the app."""
    folder = root / name
    folder.mkdir(parents=True)
    status = {"state": "done", "script": "training.finetune", "step": 10, "total": 10}
    (folder / "status.json").write_text(json.dumps(status | {"updated_at": f"2026-01-01 {name}"}))
    config = {"base": "somewhere", "data": "d.jsonl", "output": "o", "learning_rate": rate}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    records = [
        {"step": step, "epoch": step, "validation_loss": loss} for step, loss in enumerate(losses)
    ]
    records += [{"step": 5, "loss": 4.5, "learning_rate": rate}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))


def test_runs_from_a_shell_are_shown_and_compared(site: Site, chrome: Browser) -> None:
    root = site.tools.inputs.root
    a_run_from_a_shell(root, "slow", 0.0001, [5.0, 4.9])
    a_run_from_a_shell(root, "quick", 0.001, [5.0, 4.2])
    page = open_train(chrome, site, PHONE)
    expect(page.locator("#train-run h3")).to_have_text(re.compile("^(slow|quick) 完成$"))
    expect(page.locator("#train-resume")).to_be_hidden()
    page.locator("#train-comparison > button").click()
    for name in ("slow", "quick"):
        page.locator("#train-compare input").click()
        page.get_by_role("option", name=name).click()
    page.keyboard.press("Escape")
    table = page.locator("#train-comparison .run-table")
    expect(table).to_contain_text("4.2000")
    expect(table.locator("tr", has_text="learning_rate")).to_contain_text("0.0001")
    expect(page.locator("#train-compared .js-plotly-plot")).to_be_visible()
    # Nothing is wider than the phone.
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_check_tells_memory_and_data_and_what_it_refuses(site: Site, chrome: Browser) -> None:
    page = open_train(chrome, site)
    page.click("#train-check")
    checked = page.locator("#train-checked")
    expect(checked.locator("meter")).to_be_visible(timeout=4 * TIMEOUT)
    expect(checked).to_contain_text("估计需要")
    expect(checked.locator("tr", has_text="基座许可")).to_contain_text("Apache-2.0")
    fill(page, batch_dialogues="4000", max_length="1024")
    page.click("#train-check")
    expect(checked).to_contain_text(
        re.compile(r"memory: about [\d.]+ GB needed, and .*lower batch_dialogues"),
        timeout=4 * TIMEOUT,
    )


def a_base_for_no_machine(folder: Path) -> Path:
    """Its config asks for more than any machine has; of its file of weights nothing is read."""
    shutil.copytree(ROOT / "mi_arena/assets/demo/base", folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"hidden_size": 6 * 2**17, "intermediate_size": 2**22}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_base_that_can_not_be_had_is_refused_in_one_line(
    site: Site,
    chrome: Browser,
    tmp_path: Path,
    pair_folders: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with HubStandIn({"some/base": pair_folders[0]}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        page = open_train(chrome, site)
        bad = page.locator("#train-checked .note.bad")
        large = str(a_base_for_no_machine(tmp_path / "large"))
        for base, told in (
            ("/nowhere/at/all", "base: /nowhere/at/all: no such folder"),
            ("meta/gated", f"is gated: accept its terms at {hub.endpoint}/meta/gated and set"),
            (large, "its weights alone take"),
        ):
            page.locator("#finetune-base input").fill(base)
            page.keyboard.press("Enter")
            expect(page.locator("#train-yaml")).to_contain_text(base)
            page.click("#train-check")
            expect(bad).to_contain_text(told, timeout=4 * TIMEOUT)
