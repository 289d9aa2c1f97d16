"""One dialogue coded: goal and globals first, then the volleys, batch by batch; or a dead letter.

Knows no files and no pace: whoever calls gives it something to ask with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from eval.judge.checks import Coded, checked
from eval.judge.prompt import Material, Prompt, load_prompt, material, prompt_lang
from eval.judge.reply import Rated, rated_in, written_in
from mi_arena.dialogue import Dialogue, spoken_sha256
from mi_arena.llm.answers import Answer
from mi_arena.llm.attempts import Faulty, Read, ask_until_good
from mi_arena.llm.dead_letters import Ask, DeadLetter, Failure, used_by
from mi_arena.llm.endpoint import Endpoint
from mi_arena.llm.estimate import Look
from mi_arena.llm.question import Question
from mi_arena.miti.items import Lang

Found = TypeVar("Found")

UNKNOWN_GOAL = "—"
"""Stands for a goal that is not named yet, in estimates."""


@dataclass(frozen=True)
class How:
    """What one run does with every dialogue."""

    endpoint: Endpoint
    attempts: int
    """For each question."""
    lang: Lang | None
    """Of the prompt; ``None``: the dialogue's own."""

    def prompt(self, dialogue: Dialogue) -> Prompt | None:
        lang = self.lang or prompt_lang(dialogue.lang)
        return load_prompt(lang) if lang else None


@dataclass(frozen=True)
class Fit:
    """A dialogue that can be asked about."""

    given: Material
    prompt: Prompt


class _Failed(Exception):
    """No attempt at one of the questions would do."""

    def __init__(self, kind: str, tries: list[list[Failure]]) -> None:
        super().__init__(kind)
        self.kind, self.tries = kind, tries


def fit(dialogue: Dialogue, how: How) -> Fit | DeadLetter:
    """What is asked about, or the dead letter of a dialogue that can't be."""
    prompt = how.prompt(dialogue)
    if prompt is None:
        reason = f"there is no prompt for the language {dialogue.lang!a}: give --lang zh or en"
        return _dead(dialogue, "source", [[Failure("language", reason)]], [])
    given = material(dialogue)
    if not any(given.batches()):
        reason = "the counselor says nothing: there is nothing to code"
        return _dead(dialogue, "source", [[Failure("silent", reason)]], [])
    return Fit(given, prompt)


def first_questions(dialogue: Dialogue, how: How, look: Look) -> DeadLetter | Iterator[Question]:
    """What is asked of a dialogue if every first answer is good, as far as answers are kept."""
    ready = fit(dialogue, how)
    return ready if isinstance(ready, DeadLetter) else _first_questions(ready, look)


def _first_questions(ready: Fit, look: Look) -> Iterator[Question]:
    first = ready.prompt.of_globals(ready.given)
    yield first
    goal, kept = UNKNOWN_GOAL, look(first)
    if kept is not None:
        with suppress(Faulty):
            goal = rated_in(kept, ready.prompt.lang).goal
    for batch in ready.given.batches():
        yield ready.prompt.of_codes(ready.given, goal, batch)


async def code(dialogue: Dialogue, ask: Ask, how: How) -> dict[str, Any] | DeadLetter:
    """The coding of a dialogue as a record, or its dead letter."""
    ready = fit(dialogue, how)
    if isinstance(ready, DeadLetter):
        return ready
    coder = _Coder(ready, ask, how.attempts)
    try:
        rated = await coder.globals()
        volleys = await coder.volleys(rated.goal)
    except _Failed as failed:
        return _dead(dialogue, failed.kind, failed.tries, coder.answers)
    return _record(dialogue, ready, rated, volleys, coder.answers, how)


class _Coder:
    """Asks about one dialogue, and remembers every answer."""

    def __init__(self, ready: Fit, ask: Ask, attempts: int) -> None:
        self.answers: list[Answer] = []
        self._given, self._prompt = ready.given, ready.prompt
        self._ask, self._attempts = ask, attempts

    async def globals(self) -> Rated:
        lang = self._prompt.lang
        return await self._good(
            self._prompt.of_globals(self._given), lambda answer: rated_in(answer, lang)
        )

    async def volleys(self, goal: str) -> list[list[Coded]]:
        """Of every volley in order; a blank one has no utterances."""
        coded: list[list[Coded]] = [[] for _ in self._given.volleys]
        for batch in self._given.batches():
            question = self._prompt.of_codes(self._given, goal, batch)
            found = await self._good(question, self._reader(batch, goal))
            for place, utterances in zip(batch, found, strict=True):
                coded[place] = utterances
        return coded

    def _reader(self, batch: Sequence[int], goal: str) -> Read[list[list[Coded]]]:
        lang, numbers = self._prompt.lang, [place + 1 for place in batch]
        texts = [self._given.volleys[place] for place in batch]

        def read(answer: Answer) -> list[list[Coded]]:
            return checked(written_in(answer, numbers, lang), texts, numbers, goal, lang)

        return read

    async def _good(self, first: Question, read: Read[Found]) -> Found:
        def again(answer: Answer, failures: Sequence[Failure], attempt: int) -> Question:
            reasons = [failure.reason for failure in failures]
            return self._prompt.again(first, answer.text, reasons, attempt)

        outcome = await ask_until_good(first, self._ask, read, again, self._attempts)
        self.answers += outcome.answers
        if outcome.found is None:
            raise _Failed(outcome.failed or "checks", outcome.tries)
        return outcome.found


def _record(
    dialogue: Dialogue,
    ready: Fit,
    rated: Rated,
    volleys: list[list[Coded]],
    answers: list[Answer],
    how: How,
) -> dict[str, Any]:
    used = used_by(answers)
    return {
        "id": dialogue.id,
        "source": dialogue.source,
        "lang": dialogue.lang,
        "dialogue_sha256": spoken_sha256(dialogue.messages),
        "change_goal": rated.goal,
        "globals": rated.globals,
        "reasons": rated.reasons,
        "volleys": [{"utterances": [vars(one) for one in volley]} for volley in volleys],
        "coder": {
            "kind": "judge",
            "model": how.endpoint.model,
            "model_answered": answers[-1].model,
            "prompt_version": ready.prompt.version,
            "prompt_sha256": ready.prompt.sha256,
            "parameters": how.endpoint.parameters.asked(),
            "requests": used.pop("attempts"),
            **used,
            "finished_at": answers[-1].at,
        },
        "meta": dialogue.meta,
    }


def _dead(
    dialogue: Dialogue, kind: str, tries: list[list[Failure]], answers: list[Answer]
) -> DeadLetter:
    last = answers[-1].text if answers else None
    return DeadLetter(dialogue.id, dialogue.source, kind, tries, last, used_by(answers))
