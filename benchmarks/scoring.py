"""Text metrics: 100,000 rounds by the command, and single rounds beside the original libraries."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count
from pathlib import Path

from benchmarks.timing import Line, in_turn, seconds
from eval.predictions import Prediction, write_predictions
from eval.score.names import PROFILES
from eval.score.rounds import Texts, score_together
from mi_arena.dialogue import read_dialogues
from mi_arena.settings import ROOT

CORPUS = ROOT / "mi_arena" / "assets" / "mi_zh" / "train.jsonl"
ROUNDS = 100_000
ROUNDS_A_DIALOGUE = 10
ARMS = ("base", "tuned")
SENTENCES = 4
"""Of a reply: some eighty characters."""
SAMPLE = 200
LIMIT = 120.0
"""Seconds."""


def scoring_lines(runs: int) -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        lines = [command_line(Path(folder))]
    # It comes with requirements-dev.txt alone.
    return [*lines, originals_line(runs)] if find_spec("rouge_chinese") else lines


def command_line(folder: Path) -> Line:
    """From file to printed JSON, once: a process more for each core, 2,000 draws."""
    file = folder / "predictions.jsonl"
    write_predictions(file, predictions())
    command = [sys.executable, "-m", "eval.score", str(file), "--json"]
    took = seconds(
        lambda: json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    )
    return Line(
        f"{ROUNDS:,} rounds scored, both profiles",
        f"{took:.0f} s",
        "two minutes",
        f"{LIMIT:.0f} s",
        took / LIMIT,
        "1",
    )


def originals_line(runs: int) -> Line:
    """On one core; every run has texts that none had before, so that no cache answers."""
    replies = made_up(random.Random(1))
    samples = ([(next(replies), next(replies)) for _ in range(SAMPLE)] for _ in count())
    score_together(next(samples), PROFILES)  # jieba reads its dictionary

    def timed(work: Callable[[list[Texts]], object]) -> float:
        sample = next(samples)
        return seconds(lambda: work(sample))

    ours, theirs, ratio = in_turn(
        lambda: timed(lambda sample: score_together(sample, PROFILES)),
        lambda: timed(plain_loop),
        runs,
    )
    return Line(
        f"{SAMPLE} rounds scored on one core, both profiles",
        f"{ours:.2f} s",
        "rouge_chinese, nltk, rouge-score and sacreBLEU in a loop",
        f"{theirs:.2f} s",
        ratio,
    )


def plain_loop(sample: list[Texts]) -> None:
    from tests.eval import original_metrics as original

    for texts in sample:
        original.llamafactory(*texts)
        original.standard_rouge(*texts)
    original.standard_bleu(*zip(*sample, strict=True))


def predictions() -> Iterator[Prediction]:
    """No two texts are alike, but both arms of a round share its reference."""
    replies = made_up(random.Random(0))
    for number in range(ROUNDS // len(ARMS)):
        dialogue, round_before = divmod(number, ROUNDS_A_DIALOGUE)
        reference = next(replies)
        for arm in ARMS:
            yield Prediction(
                dialogue_id=f"d{dialogue}",
                round=round_before + 1,
                arm=arm,
                pair="demo",
                prompt_tokens=0,
                prediction=next(replies),
                reference=reference,
            )


def made_up(chance: random.Random) -> Iterator[str]:
    """Replies of sentences of the corpus's counsellors, without end."""
    sentences = sorted(
        {
            sentence
            for dialogue in read_dialogues(CORPUS)
            for message in dialogue.messages
            if message.role == "counselor"
            for sentence in re.findall(r"[^。？！]+[。？！]+", message.content)
        }
    )
    while True:
        yield "".join(chance.sample(sentences, SENTENCES))
