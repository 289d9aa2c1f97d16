"""Every round scored by itself, on all cores where there is much to do. Order is kept."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process

from eval.score import llamafactory, standard
from eval.score.description import Description, describe
from eval.score.names import ProfileName
from eval.score.words import words

TOGETHER = 250
"""Rounds that a process takes at a time."""
WORTH_PROCESSES = 3000
"""Rounds from which on several processes win back the seconds that they take to begin."""
MOST_PROCESSES = 8
"""Each holds jieba's dictionary, some 150 MB."""

Texts = tuple[str, str]
"""A reference and a prediction."""


@dataclass(frozen=True, slots=True)
class RoundScores:
    """One reply, measured. What a profile that wasn't asked for would hold is ``None``."""

    llamafactory: llamafactory.Similarity | None
    rouge: standard.Rouge | None
    """Of profile ``standard``, as the next."""
    bleu_counts: standard.BleuCounts | None
    description: Description
    reference_characters: int
    words: str
    """Of the reply, with a blank between any two: thousands of lists would fill the memory."""


def score_rounds(
    rounds: Sequence[Texts], profiles: Sequence[ProfileName], progress: Callable[[int], None]
) -> list[RoundScores]:
    """The scores of each round, in order. ``progress`` is told how many more are done.

    Rounds with the same reference go together, so that it is prepared once.
    """
    order = sorted(range(len(rounds)), key=lambda index: rounds[index][0])
    chunks = [order[start : start + TOGETHER] for start in range(0, len(order), TOGETHER)]
    found: dict[int, RoundScores] = {}
    for chunk, scores in _scored([[rounds[i] for i in chunk] for chunk in chunks], profiles):
        found.update(zip(chunks[chunk], scores, strict=True))
        progress(len(scores))
    return [found[index] for index in range(len(rounds))]


def _scored(
    chunks: Sequence[Sequence[Texts]], profiles: Sequence[ProfileName]
) -> Iterator[tuple[int, list[RoundScores]]]:
    """The number of each chunk with its scores, as they come."""
    if sum(map(len, chunks)) < WORTH_PROCESSES:
        yield from (
            (number, score_together(chunk, profiles)) for number, chunk in enumerate(chunks)
        )
        return
    with _processes() as executor:
        asked: dict[Future[list[RoundScores]], int] = {
            executor.submit(score_together, chunk, profiles): number
            for number, chunk in enumerate(chunks)
        }
        for future in as_completed(asked):
            yield asked.pop(future), future.result()


def score_together(rounds: Sequence[Texts], profiles: Sequence[ProfileName]) -> list[RoundScores]:
    """The scores of each round, in order. One reference after another is quickest."""
    return [_scores(*texts, profiles) for texts in rounds]


def _scores(reference: str, prediction: str, profiles: Sequence[ProfileName]) -> RoundScores:
    similarity = rouge = counts = None
    if "llamafactory" in profiles:
        similarity = llamafactory.similarity(reference, prediction)
    if "standard" in profiles:
        rouge = standard.rouge(reference, prediction)
        counts = standard.bleu_counts(reference, prediction)
    return RoundScores(
        llamafactory=similarity,
        rouge=rouge,
        bleu_counts=counts,
        description=describe(prediction),
        reference_characters=sum(map(len, reference.split())),
        words=" ".join(words(prediction)),
    )


@contextmanager
def _processes() -> Iterator[ProcessPoolExecutor]:
    """A process for each core that this one may use. Left early, they end with their chunk."""
    executor = ProcessPoolExecutor(
        min(MOST_PROCESSES, _cores()), mp_context=get_context("spawn"), initializer=_begin_process
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def _begin_process() -> None:
    """Ctrl-C is for the process that started this one to answer; this one ends after it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        connection.wait([parent.sentinel])
        os._exit(1)
