"""What it takes to look at a message before it is answered."""

from __future__ import annotations

from itertools import islice

from benchmarks.timing import Line, in_turn, seconds
from mi_arena.dialogue import read_dialogues
from mi_arena.safety.check import findings, pattern_findings
from mi_arena.settings import ROOT

TURNS = 100


def safety_line(runs: int) -> Line:
    """Client turns of the MI test dialogues, patterns and networks beside patterns alone."""
    dialogues = read_dialogues(ROOT / "mi_arena" / "assets" / "mi_zh" / "test.jsonl")
    told = (m.content for dialogue in dialogues for m in dialogue.messages if m.role == "client")
    turns = list(islice(told, TURNS))
    ours, alone, ratio = in_turn(
        lambda: seconds(lambda: [findings(text, "client") for text in turns]),
        lambda: seconds(lambda: [pattern_findings(text, "client") for text in turns]),
        runs,
    )
    return Line(
        "a message looked at for danger",
        f"{ours / TURNS * 1000:.1f} ms",
        "its patterns alone",
        f"{alone / TURNS * 1000:.1f} ms",
        ratio,
    )
