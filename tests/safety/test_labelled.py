"""How well the patterns do on labelled lines: ours, and those that were written apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from mi_arena.battles.releasing import piece_ends
from mi_arena.dialogue import read_dialogues
from mi_arena.safety.categories import CATEGORIES
from mi_arena.safety.check import findings
from mi_arena.safety.evaluation import evaluate
from mi_arena.safety.lines import LabelledLine, read_lines
from mi_arena.safety.patterns import table
from mi_arena.safety.replies import TABLE, scan_reply
from mi_arena.settings import ROOT

OURS = ROOT / "training" / "safety_lines" / "ours.jsonl"
LABELLED = Path(__file__).parent / "labelled"
UNSEEN = LABELLED / "unseen.jsonl"
"""Written by people who never saw the patterns or the lines that are learnt from, and read by
nobody who writes them; its figures were taken after everything was chosen."""
HELD_OUT = LABELLED / "held_out.jsonl"
"""The same, but its figures were taken for earlier versions too."""
FRESH = LABELLED / "fresh.jsonl"
"""The latest and hardest, written and kept apart the same way."""
CHOSEN_ON = LABELLED / "chosen_on.jsonl"
"""Written apart the same way, but thresholds were chosen by its figures, and it was read since."""


def test_our_lines_cover_everything_and_half_of_them_are_harmless() -> None:
    lines = list(read_lines(str(OURS), LabelledLine))
    assert len(lines) >= 160
    assert {line.category for line in lines} == {*CATEGORIES, None}
    harmless = sum(not line.stop for line in lines) / len(lines)
    assert 0.35 < harmless < 0.65
    assert len({(line.text, line.speaker) for line in lines}) == len(lines)


def test_figures_on_our_lines() -> None:
    found = evaluate(read_lines(str(OURS), LabelledLine))
    assert found.recall.value is not None and found.recall.value >= 0.95
    assert found.false_alarms.value is not None and found.false_alarms.value <= 0.06
    for kind, share in found.recall_of.items():
        assert share.value is not None and share.value >= 0.9, kind


def test_figures_on_lines_written_apart() -> None:
    """What was reached, so that nothing makes it worse; docs/safety.md gives the figures. What is
    aimed at is a recall of 0.98 with 0.03 false alarms."""
    reached = (
        (FRESH, 0.94, 0.13),
        (UNSEEN, 0.95, 0.1),
        (HELD_OUT, 0.95, 0.08),
        (CHOSEN_ON, 0.96, 0.14),
    )
    for file, recall, false_alarms in reached:
        found = evaluate(read_lines(str(file), LabelledLine))
        assert found.recall.value is not None and found.recall.value >= recall
        assert found.false_alarms.value is not None and found.false_alarms.value <= false_alarms


def test_the_lines_written_apart_are_half_harmless_and_learnt_from_by_nobody() -> None:
    files = (FRESH, UNSEEN, HELD_OUT, CHOSEN_ON)
    apart = [line for file in files for line in read_lines(str(file), LabelledLine)]
    assert len(apart) >= 300 and 0.45 < sum(not line.stop for line in apart) / len(apart) < 0.55
    learnt = {
        (line.speaker, line.text)
        for file in sorted(OURS.parent.rglob("*.jsonl"))
        for line in read_lines(str(file), LabelledLine)
    }
    assert not learnt & {(line.speaker, line.text) for line in apart}


def test_everyday_talk_is_seldom_stopped() -> None:
    """Of the MI dialogues, which nothing was learnt from: turns, and replies sentence by sentence
    as they come out."""
    stopped: Counter[str] = Counter()
    turns: Counter[str] = Counter()
    for dialogue in read_dialogues(ROOT / "mi_arena" / "assets" / "mi_zh" / "test.jsonl"):
        for message in dialogue.messages:
            text = message.content
            turns[message.role] += 1
            if message.role == "client":
                stopped["client"] += bool(findings(text, "client"))
            else:
                ends = piece_ends(text, True)
                stopped["counselor"] += any(findings(text[:end], "model") for end in ends)
    assert stopped["client"] / turns["client"] <= 0.02
    assert stopped["counselor"] / turns["counselor"] <= 0.03


def test_every_pattern_for_replies_is_met_by_some_line() -> None:
    lines = [x for x in read_lines(str(OURS), LabelledLine) if x.speaker == "model"]
    met = {finding.pattern_id for line in lines for finding in scan_reply(line.text)}
    assert {pattern.id for pattern in table(TABLE).patterns} - met == set()
