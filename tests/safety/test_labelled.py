"""How well the patterns do on labelled lines: ours, and those that were written apart."""

from __future__ import annotations

import random
from pathlib import Path

from mi_arena.battles.releasing import piece_ends
from mi_arena.dialogue import read_dialogues
from mi_arena.safety.categories import CATEGORIES
from mi_arena.safety.check import findings_in
from mi_arena.safety.evaluation import evaluate
from mi_arena.safety.lines import LabelledLine, read_lines
from mi_arena.safety.patterns import table
from mi_arena.safety.replies import TABLE, scan_reply
from mi_arena.settings import ROOT

OURS = ROOT / "training" / "safety_lines" / "ours.jsonl"
LABELLED = Path(__file__).parent / "labelled"
SEALED = LABELLED / "sealed.jsonl"
"""Written by people who never saw the patterns or the lines that are learnt from; its figures were
taken after everything was chosen."""
CHOSEN_ON = [LABELLED / f"{name}.jsonl" for name in ("fresh", "unseen", "held_out", "chosen_on")]
"""Written apart the same way, but thresholds were chosen by their figures."""


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
    """What was asked for, and what was reached where thresholds were chosen; docs/safety.md gives
    the figures."""
    found = evaluate(read_lines(str(SEALED), LabelledLine))
    assert found.recall.value is not None and found.recall.value >= 0.95
    assert found.false_alarms.value is not None and found.false_alarms.value <= 0.05
    chosen_on = evaluate(line for file in CHOSEN_ON for line in read_lines(str(file), LabelledLine))
    assert chosen_on.recall.value is not None and chosen_on.recall.value >= 0.96
    assert chosen_on.false_alarms.value is not None and chosen_on.false_alarms.value <= 0.05


def test_the_lines_written_apart_are_half_harmless_and_learnt_from_by_nobody() -> None:
    files = (SEALED, *CHOSEN_ON)
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
    turns, replies = (
        [
            message.content
            for dialogue in read_dialogues(ROOT / "mi_arena" / "assets" / "mi_zh" / "test.jsonl")
            for message in dialogue.messages
            if message.role == role
        ]
        for role in ("client", "counselor")
    )
    stopped = sum(map(bool, findings_in(turns, "client")))
    pieces = [
        (number, reply[:end])
        for number, reply in enumerate(replies)
        for end in piece_ends(reply, True)
    ]
    found = findings_in([piece for _, piece in pieces], "model")
    withheld = {number for (number, _), one in zip(pieces, found, strict=True) if one}
    assert stopped / len(turns) <= 0.03
    assert len(withheld) / len(replies) <= 0.03


def test_danger_is_found_among_other_sentences() -> None:
    """Of lines to be stopped that stand in the midst of four harmless turns; and such turns alone
    are let through."""
    chance = random.Random(0)
    dialogues = read_dialogues(ROOT / "mi_arena" / "assets" / "mi_zh" / "test.jsonl")
    told = [m.content for dialogue in dialogues for m in dialogue.messages if m.role == "client"]
    turns = [
        text for text, found in zip(told, findings_in(told, "client"), strict=True) if not found
    ]
    lines = [
        line.text
        for file in CHOSEN_ON
        for line in read_lines(str(file), LabelledLine)
        if line.stop and line.speaker == "client" and line.lang == "zh"
    ]
    some = chance.sample(lines, 150)
    around = [chance.sample(turns, 4) for _ in some]
    amid = [
        "\n".join([*ones[:2], line, *ones[2:]]) for line, ones in zip(some, around, strict=True)
    ]
    found = sum(map(bool, findings_in(amid, "client")))
    harmless = ["\n".join(ones) for ones in around]
    stopped = sum(map(bool, findings_in(harmless, "client")))
    assert found / len(some) >= 0.88
    assert stopped / len(harmless) <= 0.04


def test_every_pattern_for_replies_is_met_by_some_line() -> None:
    lines = [x for x in read_lines(str(OURS), LabelledLine) if x.speaker == "model"]
    met = {finding.pattern_id for line in lines for finding in scan_reply(line.text)}
    assert {pattern.id for pattern in table(TABLE).patterns} - met == set()
