"""The crisis table against sentences: what must show help, and what must not."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.safety.categories import CLIENT_CATEGORIES
from mi_arena.safety.check import findings
from mi_arena.safety.crisis import TABLE, scan
from mi_arena.safety.patterns import Finding, table
from mi_arena.settings import ROOT

SENTENCES = yaml.safe_load(
    (Path(__file__).parent / "crisis_sentences.yaml").read_text(encoding="utf-8")
)
OURS = ROOT / "training" / "safety_lines" / "ours.jsonl"
DANGER = [(text, kind) for kind, texts in SENTENCES["danger"].items() for text in texts]


@pytest.mark.parametrize(("text", "category"), DANGER)
def test_danger_is_seen(text: str, category: str) -> None:
    assert category in {finding.category for finding in scan(text)}


PLAIN = [text for text, kind in DANGER if kind == "self_harm"]
AROUND = [
    "{}。",
    "{}!",
    "{}，谢谢你。",
    "我想问一下，{}",
    "今天吃了碗面，味道不错。{}",
    "{}。明天还要上班。",
]


@pytest.mark.parametrize("around", ["{}", "{}.", *AROUND])
def test_nothing_around_it_makes_a_plain_statement_pass(around: str) -> None:
    """Whatever was learnt beside the tables: what stops alone stops among other words."""
    passed = [text for text in PLAIN if not findings(around.format(text), "client")]
    assert passed == []


@pytest.mark.parametrize(
    "text",
    [
        "自杀",
        "跳楼",
        "想死",
        "撑不下去了",
        "我8想活了",
        "bu xiang huo le",
        "suicidal",
        "kms",
        "Suicide.",
    ],
)
def test_a_word_alone_is_danger(text: str) -> None:
    assert findings(text, "client")


@pytest.mark.parametrize("text", SENTENCES["harmless"])
def test_everyday_talk_is_left_alone(text: str) -> None:
    assert scan(text) == []


def test_the_tables_are_large_enough_to_mean_something() -> None:
    assert len(DANGER) >= 60
    assert len(SENTENCES["harmless"]) >= 60
    assert set(SENTENCES["danger"]) == set(CLIENT_CATEGORIES)


def test_every_pattern_is_met_by_some_sentence_or_none_is_dead() -> None:
    """A pattern that no sentence meets may be broken without anybody noticing."""
    labelled = [json.loads(line) for line in OURS.read_text(encoding="utf-8").splitlines()]
    texts = [text for text, _ in DANGER] + [x["text"] for x in labelled if x["speaker"] == "client"]
    met = {finding.pattern_id for text in texts for finding in scan(text)}
    unmet = {pattern.id for pattern in table(TABLE).patterns} - met
    assert unmet == set(), f"add a line to training/safety_lines/ours.jsonl for: {sorted(unmet)}"


def test_findings_name_category_and_pattern() -> None:
    assert Finding("self_harm", "zh_suicide") in scan("我想自杀")
    kinds = {finding.category for finding in scan("我想自杀，也想杀了他，现在喘不上气")}
    assert kinds == {"self_harm", "harm_others", "medical_emergency"}


@pytest.mark.parametrize("gap", [" ", "\u200b", "\u2060", "  ", ".", "*", "-", "·", "\ufeff"])
def test_filler_between_characters_hides_nothing(gap: str) -> None:
    assert scan(gap.join("我想自杀"))
    assert scan(gap.join("不想活了"))
    if gap.strip(" "):
        assert scan("I think of s" + gap + "uicide") or gap in ".*-·"
    assert scan("I think of " + gap.join("suicide"))


def test_an_idiom_hides_only_itself() -> None:
    assert scan("想死你了") == []
    assert scan("想死你了。可是我真的不想活了") != []


def test_role_markers_and_markup_hide_nothing() -> None:
    assert scan("<|assistant|>我想自杀<reserved_107>")
    assert scan("**我想**自杀")


@given(st.text(max_size=300))
@settings(deadline=None)
def test_any_text_is_scanned_without_a_fault(text: str) -> None:
    scan(text)


@given(
    prefix=st.sampled_from(["嗯。", "是这样，", "\n", "hello ", "😀"]), text=st.sampled_from(DANGER)
)
@settings(deadline=None)
def test_what_stands_before_a_sentence_hides_nothing(prefix: str, text: tuple[str, str]) -> None:
    assert text[1] in {finding.category for finding in scan(prefix + text[0])}


@pytest.mark.parametrize(
    "text", ["我想" * 1000, "想死" * 1000, "a " * 1000, "把他" * 1000, "戒酒" * 1000, "死 " * 1000]
)
def test_twice_as_long_a_text_takes_about_twice_as_long(text: str) -> None:
    """And never four times or more, as it did where a search began anew at every character."""
    scan("warm")
    took = _seconds(text)
    assert took < 0.5 and _seconds(text * 2) < 3 * took


def _seconds(text: str) -> float:
    """Of this process, the shortest of some: what else the machine does counts little."""
    took = []
    for _ in range(5):
        began = time.process_time()
        scan(text)
        took.append(time.process_time() - began)
    return min(took)
