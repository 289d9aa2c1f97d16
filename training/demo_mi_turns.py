"""Pick MI-like stretches out of SmileChat: ``python -m training.demo_mi_turns``.

The embedded base has learnt SmileChat's language and little else; from the few hundred dialogues
of ``mi_zh`` alone, its adapter takes on their style and loses the sense. SmileChat is mostly
advice, but some of its counsellor turns take up what the client said, ask one question, and advise
nothing. Beside ``mi_zh`` they show the adapter MI in words that the base can already say.

Out: stretches of dialogues, begun by the client, in which every counsellor turn is of that kind.
Which turn is, is decided by the rules below, ours throughout; no clinician looked at them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from mi_arena.dialogue import BadLine, Dialogue, Message, write_dialogues
from training.demo_base import training_dialogues

LENGTH = range(12, 71)
"""Characters of an MI-like turn."""
FEWEST_TO_BEGIN = 8
"""Characters of the client's turn with which a stretch may begin: less says nothing to take up."""

_ADVISES = re.compile(
    r"建议|尝试|试着|试试|你可以|可以(?:考虑|通过|先|和|与|去|帮)|应该|需要|最好|不妨|重要的|首先|其次"
    r"|专业|咨询师|医生|别担心|不要|不用|相信|加油|祝|希望(?:你|能|我)|我(?:认为|觉得|建议)|记住|比如|例如"
    r"|谢谢|感谢|摸摸头|抱抱|正常的"
)
_REFLECTS = re.compile(
    r"听起来|听上去|看起来|似乎|好像|感受到|感觉到|理解"
    r"|你(?:感到|觉得|感觉|很|现在|一直|心里|想|提到|说)"
)
_TWO_PARTS = re.compile(r"[。！，]")


def is_mi_like(turn: str) -> bool:
    """Whether a counsellor turn reflects, then asks one question, and advises nothing."""
    return (
        len(turn) in LENGTH
        and turn.rstrip().endswith("？")
        and turn.count("？") == 1
        and _TWO_PARTS.search(turn) is not None
        and _REFLECTS.search(turn) is not None
        and _ADVISES.search(turn) is None
    )


def stretches(dialogue: Dialogue) -> Iterator[list[Message]]:
    """The longest runs of messages in which all the counsellor says is MI-like."""
    run: list[Message] = []
    for message in dialogue.messages:
        if message.role == "counselor" and not is_mi_like(message.content):
            yield from _closed(run)
            run = []
        elif run or (message.role == "client" and len(message.content) >= FEWEST_TO_BEGIN):
            run.append(message)
    yield from _closed(run)


def _closed(run: list[Message]) -> Iterator[list[Message]]:
    """The run up to its last counsellor turn, if it has one."""
    while run and run[-1].role != "counselor":
        run = run[:-1]
    if run:
        yield run


def picked(dialogues: Iterable[Dialogue]) -> Iterator[Dialogue]:
    """Every stretch as a dialogue of its own, in the order of the file."""
    for dialogue in dialogues:
        for number, run in enumerate(stretches(dialogue), 1):
            yield dialogue.model_copy(update={"id": f"{dialogue.id}-{number}", "messages": run})


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.demo_mi_turns", description=__doc__)
    parser.add_argument("--data", required=True, help="SmileChat as dialogue JSONL (.gz allowed)")
    parser.add_argument("--out", required=True, type=Path, help="the JSONL to write")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    try:
        found = list(picked(training_dialogues(Path(options.data))))
        if not found:
            raise ValueError(f"{options.data}: no MI-like turn with meta.split = train in it")
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_dialogues(options.out, found)
    except (OSError, BadLine, ValueError) as error:
        print(f"training.demo_mi_turns: {error}", file=sys.stderr)
        return 2
    turns = sum(m.role == "counselor" for one in found for m in one.messages)
    print(f"{options.out}: {len(found)} stretches, {turns} counsellor turns")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
