"""How much of corpora of counselling talk is stopped; run by hand, prints counts.

``python -m benchmarks.stopped_in_corpora SMILECHAT.jsonl.gz MDD5K.tar.gz``: of SmileChat's test
dialogues those flagged as crises and the others, and a sample of MDD-5k. No text is printed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from mi_arena.safety.categories import Speaker
from mi_arena.safety.check import findings_in
from mi_arena.safety.evaluation import Share

Turns = list[tuple[str, str]]
"""Who (client or counselor) said what."""
SPEAKERS: dict[str, Speaker] = {"client": "client", "counselor": "model"}


def smilechat(path: Path) -> Iterator[tuple[bool, Turns]]:
    """Test dialogues, and whether each is flagged as a crisis."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            told = json.loads(line)
            if told["meta"]["split"] == "test":
                said = [(one["role"], one["content"]) for one in told["messages"]]
                yield "crisis" in told["meta"]["flags"], said


def mdd5k(path: Path) -> Iterator[Turns]:
    with tarfile.open(path) as files:
        for member in files:
            inner = files.extractfile(member)
            if inner is None or not member.name.endswith(".json"):
                continue
            for dialogue in json.loads(inner.read()):
                yield [
                    (role, str(one[key]))
                    for one in dialogue["conversation"]
                    for key, role in (("doctor", "counselor"), ("patient", "client"))
                    if one.get(key)
                ]


def told(name: str, dialogues: Iterable[Turns]) -> None:
    stopped = whole = turns = stopped_turns = replies = stopped_replies = 0
    for dialogue in dialogues:
        found, answers = (
            [bool(one) for one in findings_in([t for role, t in dialogue if role == who], speaker)]
            for who, speaker in SPEAKERS.items()
        )
        whole, stopped = whole + 1, stopped + any(found)
        turns, stopped_turns = turns + len(found), stopped_turns + sum(found)
        replies, stopped_replies = replies + len(answers), stopped_replies + sum(answers)
    for what, share in (
        ("dialogues with a client turn stopped", Share(stopped, whole)),
        ("client turns stopped", Share(stopped_turns, turns)),
        ("counsellor turns withheld", Share(stopped_replies, replies)),
    ):
        low, high = share.interval or (0.0, 0.0)
        print(f"{name:24} {what:38} {share.hits}/{share.n} {share.value} [{low:.3f}, {high:.3f}]")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("smilechat", type=Path)
    parser.add_argument("mdd5k", type=Path)
    options = parser.parse_args()
    both = list(smilechat(options.smilechat))
    told("SmileChat, flagged", [turns for flagged, turns in both if flagged])
    told("SmileChat, others", [turns for flagged, turns in both if not flagged])
    told("MDD-5k sample", mdd5k(options.mdd5k))


if __name__ == "__main__":
    main()
