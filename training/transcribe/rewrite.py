"""One dialogue: ask, check, go back with the reasons, at most so many times; then the dead letters.

Knows no files and no pace: whoever calls gives it something to ask with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mi_arena.dialogue import Dialogue, Message, is_flagged
from mi_arena.llm.answers import Answer
from mi_arena.llm.attempts import Faulty, ask_until_good
from mi_arena.llm.dead_letters import Ask, DeadLetter, Failure, used_by
from mi_arena.llm.endpoint import Endpoint
from mi_arena.llm.question import Question
from training.transcribe.checks import check, said_by, same_words
from training.transcribe.prompt import Prompt, material
from training.transcribe.reply import Unreadable, dialogue_in

KEPT_META = ("topic", "group", "flags", "split")


@dataclass(frozen=True)
class How:
    """What one run does with every dialogue."""

    prompt: Prompt
    endpoint: Endpoint
    attempts: int
    keep_client: frozenset[str] | None
    """Sources whose client turns are kept word for word; ``None`` means all."""
    with_crisis: bool

    def keeps_client(self, source: str) -> bool:
        return self.keep_client is None or source in self.keep_client


def unfit(source: Dialogue, how: How) -> DeadLetter | None:
    """The dead letter of a source that is not to be asked about, or ``None``."""
    if is_flagged(source, "crisis") and not how.with_crisis:
        reason = Failure("crisis", "原对话标有危机内容，默认不改写（--with-crisis 可纳入）。")
        return _dead(source, "crisis", [[reason]], [])
    if source.lang != "zh":
        return _dead(source, "source", [[Failure("language", "原对话不是中文。")]], [])
    given = material(source)
    if not given or any(not message.content for message in given):
        reason = Failure("empty_turn", "原对话没有来访者的话，或有空的话轮。")
        return _dead(source, "source", [[reason]], [])
    return None


async def rewrite(source: Dialogue, ask: Ask, how: How) -> Dialogue | DeadLetter:
    """The rewriting of ``source`` that passed all checks, or its dead letter."""
    dead = unfit(source, how)
    if dead is not None:
        return dead
    given = material(source)
    keep = how.keeps_client(source.source)
    first = how.prompt.question(given, keep)

    def read(answer: Answer) -> list[Message]:
        failures, found = judge(answer, given, keep, first.messages[0].content)
        if failures:
            raise Faulty(failures)
        return found

    def again(answer: Answer, failures: Sequence[Failure], attempt: int) -> Question:
        return how.prompt.again(first, answer.text, [one.reason for one in failures], attempt)

    outcome = await ask_until_good(first, ask, read, again, how.attempts)
    if outcome.found is None:
        return _dead(source, outcome.failed or "checks", outcome.tries, outcome.answers)
    return _dialogue(source, outcome.found, outcome.answers, how)


def judge(
    answer: Answer, given: Sequence[Message], keep_client: bool, prompt: str
) -> tuple[list[Failure], list[Message]]:
    """What is wrong with an answer, and the dialogue in it when nothing is."""
    try:
        found = dialogue_in(answer.text, answer.finish, answer.refused)
    except Unreadable as unreadable:
        return [unreadable.failure], []
    failures = check(given, found, keep_client, prompt)
    if keep_client and not failures:
        # Equal but for white space: the source's own spelling stands.
        own = iter(said_by("client", given))
        found = [
            Message(role=m.role, content=next(own)) if m.role == "client" else m for m in found
        ]
        assert same_words("".join(said_by("client", found)), "".join(said_by("client", given)))
    return failures, found


def source_groups(source: Dialogue) -> list[str]:
    """What holds the source together with others, as ``group:NAME`` and ``source_id:ID``: its
    own and those that it carries on. The split keeps together what shares one."""
    extra = source.model_extra or {}
    carried = source.meta.get("source_group")
    found = [one for one in carried if isinstance(one, str)] if isinstance(carried, list) else []
    for name in ("group", "source_id"):
        value = source.meta.get(name, extra.get(name))
        if isinstance(value, str | int) and not isinstance(value, bool):
            found.append(f"{name}:{value}")
    return list(dict.fromkeys(found))


def _dialogue(source: Dialogue, found: list[Message], answers: list[Answer], how: How) -> Dialogue:
    extra = source.model_extra or {}
    kept = {
        name: source.meta.get(name, extra.get(name))
        for name in KEPT_META
        if name in source.meta or name in extra
    }
    if groups := source_groups(source):
        kept["source_group"] = groups
    provenance = {
        "prompt_version": how.prompt.version,
        "prompt_sha256": how.prompt.sha256,
        "client_kept": how.keeps_client(source.source),
        "model_asked": how.endpoint.model,
        "model_answered": answers[-1].model,
        "parameters": how.endpoint.parameters.asked(),
        **used_by(answers),
        "finished_at": answers[-1].at,
    }
    return Dialogue(
        id=f"mi-{source.id}",
        source=source.source,
        lang=source.lang,
        messages=found,
        meta={**kept, "source_id": source.id, "provenance": provenance},
    )


def _dead(
    source: Dialogue, kind: str, tries: list[list[Failure]], answers: list[Answer]
) -> DeadLetter:
    last = answers[-1].text if answers else None
    return DeadLetter(source.id, source.source, kind, tries, last, used_by(answers))
