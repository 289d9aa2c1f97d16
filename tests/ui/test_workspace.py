"""The experts' workspace in a real browser: coding, practice, matches, an admin's whole study."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from mi_arena.access.identity import Identity
from mi_arena.miti.items import items
from mi_arena.miti.vignettes import vignettes
from mi_arena.records.workspace_events import CodingSubmitted, MatchJudged
from mi_arena.workspace.workspace import Workspace
from tests.ui.conftest import (
    DESKTOP,
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
from tests.ui.test_battle_flow import judge, no_sideways_scrolling
from tests.workspace.conftest import (
    code_dialogue,
    import_alone,
    import_gold,
    import_match,
    judged,
    line,
    train,
)

pytestmark = pytest.mark.browser
KEYS = {item.code: item.key.lower() for item in items().codes}


def handed_in(site: Site) -> list[CodingSubmitted]:
    return [
        event.payload
        for event in site.arena.store.events("coding_submitted")
        if isinstance(event.payload, CodingSubmitted)
    ]


def choose_open_globals(page: Page) -> None:
    """On every global that coders put apart, press the score that is shown."""
    left = page.locator("#workspace .global.unchosen")
    expect(left.first).to_be_visible()
    for others in reversed(range(left.count())):
        left.first.locator("[aria-checked=true], input:checked").first.click()
        expect(left).to_have_count(others)


def hand_in(page: Page, root: str = "#workspace") -> None:
    """Submit, and say again that it is meant so where the page asks."""
    page.click(f"{root} [data-key=submit]")
    sure = page.locator(f"{root} [data-key=sure]")
    thanks = page.locator(f"{root} .desk-note .note.good")
    expect(sure.or_(thanks)).to_be_visible()
    if sure.is_visible():
        sure.click()
    expect(thanks).to_be_visible()


def saved(page: Page, where: str) -> None:
    """Wait until the server has answered with what is expected there."""
    expect(page.locator(where)).to_be_visible()


def test_a_whole_dialogue_by_keyboard_through_a_reload_and_a_correction(
    chrome: Browser, site: Site
) -> None:
    page, who = expert_page(chrome, site)
    (dialogue,) = import_alone(site.workspace, "one")
    site.workspace.assignments.draw("coding", 1, 1.0)
    page.reload()
    open_workspace(page)
    page.locator('[data-open^="work:"]').focus()
    page.keyboard.press("Enter")
    page.locator(".coding h2:focus").press("Tab")
    expect(page.locator("[data-goal]")).to_be_focused()
    page.keyboard.type("少抽烟")
    page.keyboard.press("Enter")
    expect(page.locator("[data-key=u-0-0]")).to_be_focused()
    # A code by key goes on to the next utterance.
    page.keyboard.press(KEYS["SR"])
    expect(page.locator("[data-key=u-0-1]")).to_be_focused()
    saved(page, '[data-key=u-0-0][data-code="SR"]')
    page.keyboard.press("/")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    saved(page, "[data-key=u-0-2]")
    page.keyboard.press("m")
    expect(page.locator("[data-key=u-0-2]")).to_have_count(0)
    page.keyboard.press(KEYS["Q"])
    saved(page, '[data-key=u-0-1][data-code="Q"]')

    page.reload()
    open_workspace(page)
    saved(page, '[data-key=u-0-0][data-code="SR"]')
    assert page.input_value("[data-goal]") == "少抽烟"
    page.locator("[data-key=u-1-0]").focus()
    page.keyboard.press(KEYS["SR"])
    page.keyboard.press(KEYS["EMPHASIZE"])
    saved(page, '[data-key=u-1-1][data-code="EMPHASIZE"]')
    page.locator("[data-key=u-1-0]").focus()
    page.keyboard.press("u")
    saved(page, '[data-key=u-1-1][data-code=""]')
    page.locator("[data-key=u-1-1]").focus()
    page.keyboard.press(KEYS["EMPHASIZE"])
    saved(page, '[data-key=u-1-1][data-code="EMPHASIZE"]')
    page.locator("[data-key=global-EMPATHY-3]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-part=summary]")).to_contain_text("3.5")
    hand_in(page)
    (first,) = handed_in(site)
    assert first.trained and first.dialogue == dialogue and first.revision == 1
    assert first.filled.change_goal == "少抽烟" and first.filled.globals["EMPATHY"] == 4
    assert first.filled.volleys is not None
    assert [[u.code for u in v.utterances] for v in first.filled.volleys] == [
        ["SR", "Q"],
        ["SR", "EMPHASIZE"],
    ]
    said = [m["content"] for m in line("one")["messages"] if m["role"] == "counselor"]
    assert ["".join(u.text for u in v.utterances) for v in first.filled.volleys] == said

    correct(page, site, who)
    page.context.close()


def test_a_model_s_codes_stand_greyed_beside_the_form_until_each_is_accepted(
    chrome: Browser, site: Site
) -> None:
    page, _ = expert_page(chrome, site)
    batch, (dialogue,) = import_gold(site.workspace, "one")
    site.workspace.suggestions.allow(batch, True)
    site.workspace.suggestions.attach([judged("one")])
    site.workspace.assignments.draw("coding", 1, 1.0)
    page.reload()
    open_workspace(page)
    page.click('[data-open^="work:"]')
    expect(page.locator(".hinted")).to_have_text(
        ["建议：简单式反映", "建议：提问", "建议：复杂式反映", "建议：不编码"]
    )
    expect(page.locator(".utterance .code")).to_have_text(["不编码"] * 4)
    expect(page.locator(".form > .hint").first).to_contain_text("你的编码会注明看过建议")
    page.fill("[data-goal]", "少抽烟")
    page.locator("[data-key=u-0-0]").focus()
    # By key, by button, and another code instead: nothing is taken over unasked.
    page.keyboard.press("y")
    saved(page, '[data-key=u-0-0][data-code="SR"]')
    page.click("[data-key=tool-accept]")
    saved(page, '[data-key=u-0-1][data-code="Q"]')
    page.keyboard.press(KEYS["SR"])
    saved(page, '[data-key=u-1-0][data-code="SR"]')
    expect(page.locator(".hinted")).to_have_text(["建议：复杂式反映", "建议：不编码"])
    page.locator("[data-key=u-1-1]").focus()
    page.keyboard.press("y")
    hand_in(page)
    (told,) = handed_in(site)
    shown = site.workspace.ledger.now().suggestions[dialogue]
    assert told.suggestion == shown.suggestion and told.filled.volleys is not None
    assert [[u.code for u in v.utterances] for v in told.filled.volleys] == [
        ["SR", "Q"],
        ["SR", None],
    ]
    assert "gpt-test" not in page.content()
    page.context.close()


def correct(page: Page, site: Site, who: Identity) -> None:
    """Change one code of what was handed in, and hand it in again."""
    page.locator("[data-key=u-1-0]").focus()
    page.keyboard.press(KEYS["CR"])
    expect(page.locator("[data-key=submit]")).to_be_visible()
    hand_in(page)
    assert [one.revision for one in handed_in(site)] == [1, 2]
    assert site.arena.store.count("coding_submitted", rater=who.rater) == 2


def test_rules_are_shown_at_once_with_the_mend(chrome: Browser, site: Site) -> None:
    page, _ = first_work(chrome, site)
    page.click("[data-key=u-0-0]")
    page.keyboard.press(KEYS["Q"])
    page.keyboard.press(KEYS["Q"])
    expect(page.locator("[data-part=volley-0] .violation")).to_contain_text("合并")
    expect(page.locator("[data-part=problems]")).to_contain_text("1")
    page.keyboard.press("u")
    expect(page.locator(".violation")).to_have_count(0)
    page.click("[data-key=submit]")
    expect(page.locator(".desk-note .bad")).to_contain_text("改变目标")
    assert handed_in(site) == []
    page.context.close()


def test_a_change_on_another_device_is_shown_and_nothing_is_overwritten(
    chrome: Browser, site: Site
) -> None:
    page, who = first_work(chrome, site)
    (work,) = site.workspace.assignments.items(who)
    job = site.workspace.assignments.job(who, work.assignment)
    version = site.workspace.desks.open(job).sheet.version
    site.workspace.desks.change(
        job, version, {"do": "code", "volley": 1, "utterance": 0, "code": "AF"}
    )
    page.click("[data-key=u-0-0]")
    page.keyboard.press(KEYS["Q"])
    expect(page.locator(".desk-note .bad")).to_be_visible()
    saved(page, '[data-key=u-1-0][data-code="AF"]')
    saved(page, '[data-key=u-0-0][data-code=""]')
    page.click("[data-key=u-0-0]")
    page.keyboard.press(KEYS["Q"])
    saved(page, '[data-key=u-0-0][data-code="Q"]')
    page.context.close()


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_the_quick_form_after_a_battle(chrome: Browser, site: Site, size: dict[str, int]) -> None:
    page = open_page(chrome, site.url, size=size)
    agree(page)
    choose(page, "topic", "smoking")
    talk(page, "我想戒烟，可是压力大", "半夜老醒，第二天没精神")
    judge(page)
    page.locator("#own button").first.click()
    for side, questions in (("A", 3), ("B", 1)):
        if side == "B":  # A's stands there already: opened again, it would come while one writes
            page.click("#own-form [data-key=own-B]")
        expect(page.locator("#own-form h2")).to_contain_text(side)
        page.fill("#own-form [data-goal]", "戒烟")
        page.fill('#own-form input[data-count="Q"]', str(questions))
        page.locator('#own-form [data-key="step-SR-1"]').click()
        page.locator('#own-form [data-key="step-SR-1"]').click()
        expect(page.locator("#own-form [data-part=summary]")).to_contain_text("–")
        page.check("#own-form [data-key=global-EMPATHY-5]")
        expect(page.locator("#own-form [data-part=summary]")).to_contain_text("4")
        hand_in(page, "#own-form")
    no_sideways_scrolling(page)
    told = {one.side: one for one in handed_in(site)}
    assert told["A"].filled.counts == {"Q": 3, "SR": 2}
    assert told["B"].filled.counts == {"Q": 1, "SR": 2}
    for one in told.values():
        assert (one.source, one.form, one.trained, one.revealed) == ("self", "quick", False, True)
        assert one.filled.globals["EMPATHY"] == 5 and one.filled.globals["CCT"] == 3
    page.context.close()


def test_practice_shows_where_and_why_and_then_opens_the_work(chrome: Browser, site: Site) -> None:
    code, who = invite(site)
    import_alone(site.workspace, "one")
    site.workspace.assignments.draw("coding", 1, 1.0)
    site.workspace.practice.set_bar(0.7, 1, 1)
    page = open_page(chrome, site.url)
    sign_in(page, code)
    assert page.locator('[data-open^="work:"]').count() == 0
    page.click('[data-open="practice:1"]')
    page.locator("[data-goal]").fill("减少")
    expect(page.locator("[data-tool=split]")).to_have_count(0)
    known = vignettes()[0].known
    page.locator("[data-key=u-0-0]").click()
    given = [u.code for volley in known.volleys or () for u in volley.utterances]
    wrong = next(code for code in KEYS if code not in (given[0], None))
    for code_ in [wrong, *given[1:]]:
        page.keyboard.press(KEYS[code_] if code_ else "ArrowDown")
    last = len((known.volleys or ())[-1].utterances) - 1
    saved(
        page, f'[data-key="u-{len(known.volleys or ()) - 1}-{last}"][data-code="{given[-1] or ""}"]'
    )
    for key, value in known.globals.items():
        page.check(f"[data-key=global-{key}-{value}]")
    hand_in_practice(page)
    expect(page.locator(".practised .violation")).to_have_count(1)
    expect(page.locator(".practised .note.good")).to_contain_text("通过")
    assert site.workspace.practice.progress(who).trained
    page.click("[data-key=onward]")
    expect(page.locator('[data-open^="work:"]')).to_have_count(1)
    page.context.close()


def hand_in_practice(page: Page) -> None:
    page.click("[data-key=submit]")
    sure, done = page.locator("[data-key=sure]"), page.locator(".practised h2")
    expect(sure.or_(done)).to_be_visible()
    if sure.is_visible():
        sure.click()
    expect(done).to_be_visible()


@pytest.fixture
def heard(chrome: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page, and all that its browser hears."""
    page = open_page(chrome, "about:blank")
    kept: list[str] = []

    def listen(request: Any) -> None:
        response = request.response()
        if response and "/assets/" not in request.url and request.url.startswith("http"):
            kept.append(request.url + "\n" + response.text())

    page.on("requestfinished", listen)
    yield page, kept
    page.context.close()


def test_a_rater_s_page_carries_neither_arm_nor_pair(
    heard: tuple[Page, list[str]], site: Site
) -> None:
    page, kept = heard
    code, who = invite(site)
    train(site.arena.store, who)
    import_match(site.workspace)
    site.workspace.assignments.draw("coding", 1, 1.0)
    site.workspace.assignments.draw("match", 1, 1.0)
    page.goto(site.url)
    sign_in(page, code)
    kept.clear()
    for number in (0, 1):
        page.locator('[data-open^="work:"]').nth(number).click()
        page.click("[data-key=u-0-0]")
        page.keyboard.press(KEYS["Q"])
        saved(page, '[data-key=u-0-0][data-code="Q"]')
        page.fill("[data-goal]", "少抽烟")
        hand_in(page)
        page.click("[data-key=back]")
        page.locator(".home h2").wait_for()
    page.click('[data-open^="match:"]')
    page.check('input[name="overall"][value="B"]')
    page.click("[data-key=judge]")
    expect(page.locator(".desk-note .note.good")).to_be_visible()
    expect(page.locator(".match form")).to_have_count(0)
    (verdict,) = [e.payload for e in site.arena.store.events("match_judged")]
    assert isinstance(verdict, MatchJudged) and verdict.overall == "B"
    assert len(kept) > 5
    books = site.workspace.ledger.now()
    secrets = {"tuned", "pair-wombat", "match_id", *books.dialogues, *books.matches}
    for text in kept:
        for secret in secrets:
            assert secret not in text, secret


VIEWS = ("home", "practice:1", "work:x", "match:x", "admin", "cases", "case:x", "final:x", "report")
ACTIONS = (
    "open", "change", "submit", "judge", "keep", "invite", "name", "revoke", "drop", "draw-battles",
    "import", "take-back", "assign", "bar",
)  # fmt: skip

STRANGE: tuple[dict[str, Any], ...] = (
    {},
    {"view": 3},
    {"view": "work:" + "x" * 9999, "do": ["open"]},
    {"session": "x", "view": "admin:"},
    {"view": "own:A", "do": "submit"},
)
"""Calls that no page of ours makes."""


def desk_id(page: Page, site: Site, elem_id: str) -> int:
    config = json.loads(page.request.get(site.url + "config").text())
    return next(one["id"] for one in config["components"] if one["props"].get("elem_id") == elem_id)


def raw(page: Page, site: Site, component: int, **call: Any) -> str:
    """A call of a desk straight over HTTP, without its page."""
    answer = page.request.post(
        site.url + "gradio_api/component_server",
        data={
            "data": call,
            "component_id": component,
            "fn_name": "desk",
            "session_hash": "forged",
        },
    )
    assert answer.ok, answer.text()
    return answer.text()


@pytest.mark.parametrize("role", ["nobody", "expert"])
def test_raw_calls_reach_nothing_without_the_right(chrome: Browser, site: Site, role: str) -> None:
    (dialogue,) = import_alone(site.workspace, "one")
    ann = invite(site)[1]
    train(site.arena.store, ann)
    code_dialogue(site.workspace, ann, dialogue, {(0, 0): "SR"})
    (work,) = site.workspace.assignments.items(ann)
    session = {"rater": "forged", "member": "", "lang": "zh"}
    if role == "expert":
        other = invite(site)[1]
        train(site.arena.store, other)
        assert site.identities.members is not None
        session["member"] = site.identities.members.token(other.member or "")
    page = open_page(chrome, site.url)
    component = desk_id(page, site, "workspace")
    before = site.arena.store.count()
    batch = site.workspace.material.imports()[0].batch.batch
    views = [*VIEWS, f"work:{work.assignment}", f"match:{work.assignment}", f"final:{dialogue}"]
    fields = {"role": "admin", "file": {"name": "x", "text": json.dumps(line("two"))}, "each": 1,
              "task": "coding", "doubled": 100, "share": 1, "within": 4, "needed": 1,
              "overall": "A", "reason": "x", "sure": "1",
              "label": "x"}  # fmt: skip
    heard = ""
    for view in views:
        for do in ACTIONS:
            heard += raw(
                page, site, component, view=view, do=do, session=session, fields=fields,
                member=ann.member, batch=batch, version=0, change={"do": "goal", "text": "伪造"},
            )  # fmt: skip
    if role == "expert":  # their own practice is theirs to begin
        assert site.arena.store.count() == before
        heard = heard.replace(vignettes()[0].messages[0].content, "")
    assert site.arena.store.count() == before
    assert line("one")["messages"][0]["content"] not in heard
    assert "少抽烟" not in heard and "pair-wombat" not in heard
    for strange in STRANGE:
        assert "pair-wombat" not in raw(page, site, component, **strange)
    page.context.close()


def test_an_expert_s_code_opens_no_admin_page(chrome: Browser, site: Site) -> None:
    page, _ = expert_page(chrome, site)
    assert page.locator("[data-open=admin]").count() == 0
    page.evaluate("""() => { const made = document.createElement('button');
        made.dataset.open = 'admin'; made.id = 'forged';
        document.querySelector('#workspace .desk-page').append(made); }""")
    page.click("#forged")
    expect(page.locator("#workspace .desk-note")).to_contain_text("不能")
    assert page.locator(".admin").count() == 0
    page.context.close()


def test_an_admin_runs_a_study_from_the_page(chrome: Browser, site: Site, tmp_path: Path) -> None:
    """Invite, import, assign; two raters code; the agreement and the means are recomputed here."""
    code, _ = invite(site, "admin")
    page = open_page(chrome, site.url)
    sign_in(page, code)
    page.click("[data-key=admin]")
    codes = []
    for label in ("甲", "乙"):
        page.fill("[data-key=invite-label]", label)
        page.click("[data-key=invite]")
        told = page.locator(".desk-note code")
        expect(page.locator(".people")).to_contain_text(label)
        codes.append(told.inner_text())
    file = tmp_path / "study.jsonl"
    lines = [
        line(f"{system}-{n}", system=system, match_id=f"m{n}")
        for n in range(3)
        for system in ("base", "tuned")
    ]
    file.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in lines))
    page.set_input_files('input[name="file"]', str(file))
    page.click("[data-key=import]")
    expect(page.locator(".desk-note")).to_contain_text("新导入 6")
    page.fill('input[name="each"]', "2")
    page.click("[data-key=assign]")
    expect(page.locator(".desk-note")).to_contain_text("新分配 12")

    raters = [site.identities.of("x", site.identities.sign_in(code)) for code in codes]
    train(site.arena.store, *raters)
    given = fill_all(site.workspace, raters)
    page.click("[data-key=cases]")
    expect(page.locator('[data-open^="case:"]')).to_have_count(6)
    page.locator('[data-open^="case:"]').first.click()
    expect(page.locator(".compare .differs").first).to_be_visible()
    page.click("[data-key=final]")
    choose_open_globals(page)
    page.fill("[data-key=reason]", "按手册第 12 页")
    hand_in(page)
    assert [one.source for one in handed_in(site)].count("adjudicated") == 1
    page.click("[data-key=back]")
    expect(page.locator(".case .note.good")).to_contain_text("第 12 页")
    page.click("[data-key=back]")
    page.click("[data-key=back]")
    page.click("[data-key=report]")
    expect(page.locator(".report img").first).to_be_visible()
    text = page.inner_text(".report")
    empathy = {
        target: [values[rater.rater] for rater in raters] for target, values in given.items()
    }
    by_system = {"base": [], "tuned": []}  # type: dict[str, list[float]]
    for target, values in empathy.items():
        system = site.workspace.ledger.now().dialogues[target].system
        by_system[system].append(sum(values) / 2)
    for means in by_system.values():
        assert f"{sum(means) / 3:.2f}" in text
    agreement = page.locator(".report table", has_text="Empathy").filter(has_text="within 1")
    cells = agreement.locator("tr", has_text="Empathy").locator("td").all_inner_texts()
    exact = sum(a == b for a, b in empathy.values()) / 6
    assert cells[1:4] == ["6", "2", f"{exact:.2f}"]
    assert f"{icc_a1(list(empathy.values())):.2f} [" in "|".join(cells)
    page.context.close()


def fill_all(workspace: Workspace, raters: list[Identity]) -> dict[str, dict[str, int]]:
    """Every rater hands everything in; their Empathy scores by dialogue and rater."""
    given: dict[str, dict[str, int]] = {}
    scores = {0: [5, 4, 4, 2, 1, 3], 1: [5, 3, 4, 2, 2, 3]}
    dialogues = sorted(workspace.ledger.now().dialogues)
    for number, who in enumerate(raters):
        for item in workspace.assignments.items(who):
            job = workspace.assignments.job(who, item.assignment)
            target = job.source["dialogue"]
            score = scores[number][dialogues.index(target)]
            code = "SR" if number else "CR"
            for change in (
                {"do": "goal", "text": "少抽烟"},
                {"do": "code", "volley": 0, "utterance": 0, "code": code},
                {"do": "global", "key": "EMPATHY", "value": score},
            ):
                version = workspace.desks.open(job).sheet.version
                workspace.desks.change(job, version, change)
            version = workspace.desks.open(job).sheet.version
            workspace.desks.submit(job, version, sure=True, trained=True)
            given.setdefault(target, {})[who.rater] = score
    return given


def icc_a1(table: list[list[int]]) -> float:
    """ICC(A,1) of targets by two raters, from the mean squares (McGraw & Wong 1996)."""
    n, k = len(table), len(table[0])
    grand = sum(map(sum, table)) / (n * k)
    rows = k * sum((sum(row) / k - grand) ** 2 for row in table) / (n - 1)
    sums = [sum(row[j] for row in table) / n for j in range(k)]
    columns = n * sum((mean - grand) ** 2 for mean in sums) / (k - 1)
    rest = sum(
        (row[j] - sum(row) / k - sums[j] + grand) ** 2 for row in table for j in range(k)
    ) / ((n - 1) * (k - 1))
    return (rows - rest) / (rows + (k - 1) * rest + k * (columns - rest) / n)


@pytest.mark.parametrize(("size", "locale"), [(PHONE, "zh-CN"), (PHONE, "en-GB")])
def test_the_workspace_fits_a_phone(
    chrome: Browser, site: Site, size: dict[str, int], locale: str
) -> None:
    page, _ = expert_page(chrome, site, size, locale)
    import_match(site.workspace)
    site.workspace.assignments.draw("coding", 1, 1.0)
    site.workspace.assignments.draw("match", 1, 1.0)
    page.reload()
    open_workspace(page)
    no_sideways_scrolling(page)
    page.locator('[data-open^="work:"]').first.click()
    page.click("[data-key=u-0-0]")
    page.click("[data-key=chip-CR]")
    saved(page, '[data-key=u-0-0][data-code="CR"]')
    no_sideways_scrolling(page)
    page.locator("[data-key=u-0-0]").click()
    page.click("[data-tool=split]")
    page.locator(".cutting [data-before='3']").click()
    page.click("[data-tool=cut-here]")
    saved(page, "[data-key=u-0-2]")
    page.click("[data-key=back]")
    page.click('[data-open^="match:"]')
    page.locator(".match form").wait_for()
    no_sideways_scrolling(page)
    page.context.close()


@pytest.mark.parametrize("arrives", [True, False])
def test_a_call_that_fails_on_its_way_is_made_again_and_counts_once(
    chrome: Browser, site: Site, arrives: bool
) -> None:
    """Once with the call lost, once with only its answer lost."""
    page, who = first_work(chrome, site)
    failed: list[str] = []

    def fail(route: Route) -> None:
        if len(failed) >= 2:
            route.continue_()
            return
        failed.append("x")
        if arrives:
            route.fetch()
        route.abort()

    page.route(re.compile("component_server"), fail)
    page.click("[data-key=u-0-0]")
    page.keyboard.press(KEYS["Q"])
    page.keyboard.press(KEYS["SR"])
    saved(page, '[data-key=u-0-0][data-code="Q"]')
    saved(page, '[data-key=u-0-1][data-code="SR"]')
    expect(page.locator(".desk-note .bad")).to_have_count(0)
    assert len(failed) == 2
    (work,) = site.workspace.assignments.items(who)
    sheet = site.workspace.desks.open(site.workspace.assignments.job(who, work.assignment)).sheet
    assert sheet.version == 2 and [one.code for one in sheet.volleys[0]] == ["Q", "SR"]
    page.fill("[data-goal]", "少抽烟")
    expect(page.locator("[data-part=goal-mark]")).to_have_text("")
    page.click("[data-key=submit]")
    page.locator("[data-key=sure]").wait_for()
    failed.clear()
    page.click("[data-key=sure]")
    expect(page.locator(".desk-note .note.good")).to_be_visible()
    assert len(failed) == 2
    assert [one.revision for one in handed_in(site)] == [1]
    page.context.close()


def test_what_was_changed_before_leaving_is_kept(chrome: Browser, site: Site) -> None:
    page, who = first_work(chrome, site)
    page.click("[data-key=u-0-0]")
    page.keyboard.press(KEYS["Q"])
    page.keyboard.press(KEYS["SR"])
    page.keyboard.press(KEYS["AF"])
    page.fill("[data-goal]", "少抽烟")
    page.click("[data-key=back]")
    page.locator(".home h2").wait_for()
    (work,) = site.workspace.assignments.items(who)
    sheet = site.workspace.desks.open(site.workspace.assignments.job(who, work.assignment)).sheet
    codes = [one.code for volley in sheet.volleys for one in volley]
    assert codes[:3] == ["Q", "SR", "AF"] and sheet.change_goal == "少抽烟"
    page.context.close()


def test_undo_shows_the_goal_that_will_be_handed_in(chrome: Browser, site: Site) -> None:
    page, _ = first_work(chrome, site)
    page.fill("[data-goal]", "少抽烟")
    page.click("[data-key=u-0-0]")
    expect(page.locator("[data-part=goal-mark]")).to_have_text("")
    page.keyboard.press("u")
    expect(page.locator("[data-goal]")).to_have_value("")
    page.context.close()


@pytest.mark.parametrize("typed", ["-1", "1.5", "100001"])
def test_a_total_that_is_no_count_is_told_and_keeps_the_form_back(
    chrome: Browser, site: Site, typed: str
) -> None:
    page, _ = first_work(chrome, site)
    page.check('[data-form][value="quick"]')
    page.fill("[data-goal]", "少抽烟")
    page.fill('input[data-count="Q"]', typed)
    expect(page.locator(".desk-note .bad")).to_contain_text("整数")
    page.click("[data-key=submit]")
    expect(page.locator('input[data-count="Q"]')).to_be_focused()
    assert handed_in(site) == []
    page.fill('input[data-count="Q"]', "4")
    expect(page.locator(".desk-note .bad")).to_have_count(0)
    hand_in(page)
    assert handed_in(site)[0].filled.counts == {"Q": 4}
    page.context.close()


def test_another_member_in_the_same_tab_begins_at_home(chrome: Browser, site: Site) -> None:
    code, _ = invite(site, "admin")
    page = open_page(chrome, site.url)
    sign_in(page, code)
    page.click("[data-key=admin]")
    page.locator(".admin").wait_for()
    page.get_by_role("tab", name="说明").click()
    page.click("#expert-out")
    expect(page.locator("#expert-code")).to_be_visible()
    other, _ = invite(site)
    page.fill("#expert-code input", other)
    page.click("#expert-in")
    expect(page.locator("#expert-outcome .note.good")).to_be_visible()
    open_workspace(page)
    expect(page.locator("#workspace .home h2")).to_be_visible()
    page.context.close()


def test_codes_by_key_work_at_once_and_beside_the_utterances(chrome: Browser, site: Site) -> None:
    page, _ = first_work(chrome, site)
    expect(page.locator(".coding h2")).to_be_focused()
    page.keyboard.press(KEYS["SR"])
    saved(page, '[data-key=u-0-0][data-code="SR"]')
    page.locator("[data-key=global-EMPATHY-4]").check()
    page.keyboard.press(KEYS["Q"])
    saved(page, '[data-key=u-0-1][data-code="Q"]')
    page.fill("[data-goal]", "q")
    expect(page.locator("[data-part=goal-mark]")).to_have_text("")
    expect(page.locator('[data-key=u-1-0][data-code=""]')).to_be_visible()
    page.context.close()
