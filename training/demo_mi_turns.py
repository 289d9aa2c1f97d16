"""Pick MI-like counsellor turns out of SmileChat: ``python -m training.demo_mi_turns``.

The embedded base has learnt SmileChat's language and little else; from the few hundred dialogues
of ``mi_zh`` alone, its adapter takes on their style and loses the sense. SmileChat is mostly
advice, but some of its turns reflect what the client said, ask one question, and advise nothing.
Beside ``mi_zh`` they show the adapter MI in words that the base can already say.

Out: dialogues that end with such a turn, up to three rounds before it as context
(``meta.context_messages``: nothing is learnt from those). Which turn is MI-like is decided by the
rules below, ours throughout; no clinician looked at them.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from mi_arena.dialogue import BadLine, Dialogue, Message, write_dialogues
from training.demo_base import training_dialogues

Kind = Literal["open", "closed", "more", "reflection"]

KEPT: dict[Kind, float] = {"open": 1.0, "closed": 0.7, "more": 0.35, "reflection": 0.8}
"""Share of each kind that is kept: open questions are few, and "tell me more" would become the
adapter's answer to everything."""
LENGTH = range(12, 71)
"""Characters of an MI-like turn."""
CONTEXT_MESSAGES = 7
CONTEXT_CHARACTERS = 600

_ADVISES = re.compile(
    r"建议|尝试|试着|试试|你可以|可以(?:考虑|通过|先|和|与|去|帮)|应该|需要|最好|不妨|重要的|首先|其次|专业"
    r"|咨询师|医生|心理|别担心|不要|不用|相信|加油|祝|希望(?:你|能|我)|我(?:认为|觉得|建议)|记住|比如|例如"
    r"|谢谢|感谢|摸摸头|抱抱|[0-9]|你好|您好|学会"
)
_REFLECTS = re.compile(
    r"听起来|听上去|看起来|看来|似乎|好像|感受到|感觉到"
    r"|你(?:感到|觉得|感觉|很|现在|一直|心里|想|提到|说|希望|担心|害怕|其实|已经)"
)
_OPENS_AS_REFLECTION = re.compile(
    r"(?:嗯|是的|我明白|我理解)?[，。]?(?:听起来|听上去|看起来|看来|你)"
)
_ASKS_FOR_MORE = re.compile(r"更多|具体|详细|细节")
_ASKS_OPENLY = re.compile(r"什么|怎么|怎样|如何|哪|多少")
_TWO_PARTS = re.compile(r"[。！，]")


def kind_of(turn: str, client: str) -> Kind | None:
    """What kind of MI-like turn this is after what the client said; ``None`` if it is none."""
    questions = turn.count("？")
    if (
        len(turn) not in LENGTH
        or questions > 1
        or _ADVISES.search(turn)
        or not _REFLECTS.search(turn)
        or not _pairs_of_characters(turn) & _pairs_of_characters(client)
    ):
        return None
    if not questions:
        return "reflection" if _OPENS_AS_REFLECTION.match(turn) else None
    if not turn.rstrip().endswith("？") or not _TWO_PARTS.search(turn):
        return None
    if _ASKS_FOR_MORE.search(turn):
        return "more"
    return "open" if _ASKS_OPENLY.search(turn) else "closed"


def _pairs_of_characters(text: str) -> set[str]:
    """A reflection takes up something of what the client said: two characters in a row at least."""
    plain = re.sub(r"\W", "", text)
    return {plain[i : i + 2] for i in range(len(plain) - 1)}


def picked(dialogues: Iterable[Dialogue], seed: int) -> Iterator[Dialogue]:
    """The dialogues that end with an MI-like turn, in the order of the file."""
    random = np.random.default_rng(seed)
    for dialogue in dialogues:
        messages = dialogue.messages
        for place in range(1, len(messages)):
            said, turn = messages[place - 1], messages[place]
            if (said.role, turn.role) != ("client", "counselor"):
                continue
            kind = kind_of(turn.content, said.content)
            if kind is None or random.random() >= KEPT[kind]:
                continue
            run = with_context(messages, place)
            yield Dialogue(
                id=f"{dialogue.id}-{place}",
                source=dialogue.source,
                lang=dialogue.lang,
                messages=run,
                meta={**dialogue.meta, "context_messages": len(run) - 1, "kind": kind},
            )


def with_context(messages: Sequence[Message], place: int) -> list[Message]:
    """The turn at ``place`` and what came before it: short enough, and begun by the client."""
    begin = max(0, place - CONTEXT_MESSAGES)
    while begin < place - 1 and (
        messages[begin].role != "client"
        or sum(len(m.content) for m in messages[begin:place]) > CONTEXT_CHARACTERS
    ):
        begin += 1
    return list(messages[begin : place + 1])


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.demo_mi_turns", description=__doc__)
    parser.add_argument("--data", required=True, help="SmileChat as dialogue JSONL (.gz allowed)")
    parser.add_argument("--out", required=True, type=Path, help="the JSONL to write")
    parser.add_argument("--seed", type=int, default=0, help="of what is kept (default 0)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    try:
        turns = list(picked(training_dialogues(Path(options.data)), options.seed))
        if not turns:
            raise ValueError(f"{options.data}: no MI-like turn with meta.split = train in it")
        options.out.parent.mkdir(parents=True, exist_ok=True)
        write_dialogues(options.out, turns)
    except (OSError, BadLine, ValueError) as error:
        print(f"training.demo_mi_turns: {error}", file=sys.stderr)
        return 2
    kinds = Counter(str(turn.meta["kind"]) for turn in turns)
    print(f"{options.out}: {len(turns)} turns ({dict(sorted(kinds.items()))})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
