"""The judge: a model that rates a dialogue by the prompt, and what it said, kept.

An answer that is no rating goes back with the reason, ``TRIES`` times in all; then the rating is
missing, with why. Knows nothing of corpora: the judge sees the dialogue alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from mi_arena.jobs.run_directory import write_atomically
from mi_arena.jobs.script import BadInput
from mi_arena.llm.answers import Answer
from mi_arena.llm.asker import Asker, Unanswered
from mi_arena.llm.endpoint import Endpoint
from mi_arena.llm.json_reply import NoJson, json_in
from mi_arena.llm.many import each
from mi_arena.llm.question import Question, Said
from mi_arena.llm.stop import Stop
from training.rate.rubric import DIMENSIONS
from training.rate.sampling import Sampled, spoken

PROMPT_VERSION = "v1"
KEPT_NAME = "judge.jsonl"
TRIES = 3
EXPECTED_TOKENS = 260
_SHOWN_BACK = 2_000
"""Characters of an unusable answer that it is shown again."""
_GUIDE = ("## 评分标准", "## 输出")
"""Between these two the prompt holds the rubric, which people get too."""
_AGAIN = (
    "这个回答不能用：{}。请重新输出完整的 JSON 对象，不要别的文字，格式与分数范围照前面的要求。"
)
_NO_JSON = {
    "empty": "回答是空的",
    "no_json": "回答里没有 JSON 对象",
    "cut": "JSON 没有写完就断了",
    "broken": "JSON 不合语法，或不是一个对象",
}


class Judgement(BaseModel):
    """What the judge gave one dialogue, and how that came about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blind_id: str
    scores: dict[str, int] | None
    """``None`` where the rating is missing."""
    reasons: dict[str, str]
    missing: str | None
    """Why it is missing. May quote the judge, and so goes into no log."""
    missing_kind: str | None = None
    """The same in ASCII, without a word of the judge's."""
    settled: bool
    """Asking again would give the same: it is kept."""
    model: str
    """As it was asked for."""
    prompt: str
    prompt_sha256: str
    parameters: dict[str, float | int]
    host: str
    answered_by: str | None
    """As the endpoint names it."""
    tries: int
    keys: list[str]
    """Of the answers in ``answers.sqlite``, in the order of the tries."""
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    """USD of all tries; ``None`` where a price is unknown."""
    cost_note: str
    at: str | None


def prompt() -> str:
    name = f"prompt_{PROMPT_VERSION}.md"
    return files("training.rate").joinpath(name).read_text(encoding="utf-8")


def prompt_sha256() -> str:
    return hashlib.sha256(prompt().encode()).hexdigest()


def guide() -> str:
    """The rubric, as the judge reads it, for people."""
    text = prompt()
    begin, end = (text.index(mark) for mark in _GUIDE)
    return text[begin:end].strip() + "\n"


def schema() -> dict[str, Any]:
    """Of the answer; a strict one, as structured output wants it."""

    def strict(properties: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    return strict(
        {
            one.name: strict(
                {
                    "reason": {"type": "string"},
                    "score": {"type": "integer", "enum": list(range(one.most + 1))},
                }
            )
            for one in DIMENSIONS
        }
    )


def question(item: Sampled, further: Sequence[Said] = (), sample: int = 0) -> Question:
    """The prompt and the dialogue, then what was said since."""
    return Question(
        (Said("system", prompt()), Said("user", _material(item)), *further),
        schema(),
        "rating",
        sample,
        EXPECTED_TOKENS,
    )


class Unusable(ValueError):
    """An answer that is no rating; the message, in Chinese, tells the judge why. ``kind`` says it
    without a word of the answer."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


def rating_in(text: str) -> tuple[dict[str, int], dict[str, str]]:
    """Scores and reasons by dimension. Raises ``Unusable``."""
    try:
        found = json_in(text, having=DIMENSIONS[0].name)
    except NoJson as error:
        raise Unusable(_NO_JSON[error.kind], error.kind) from None
    if not isinstance(found, dict):
        raise Unusable(_NO_JSON["broken"], "broken")
    scores, reasons, problems, kinds = {}, {}, [], []
    for dimension in DIMENSIONS:
        part = found.get(dimension.name)
        if not isinstance(part, dict):
            problems.append(f"缺少 {dimension.name}（含 reason 与 score 的对象）")
            kinds.append(f"{dimension.name} is missing")
            continue
        score = _whole(part.get("score"))
        if score is None or not 0 <= score <= dimension.most:
            given = json.dumps(part.get("score"), ensure_ascii=False)[:40]
            problems.append(f"{dimension.name}.score 是 {given}，应为 0 到 {dimension.most} 的整数")
            kinds.append(f"{dimension.name}.score is out of range")
            continue
        reason = part.get("reason")
        if not isinstance(reason, str) or not reason.strip():
            problems.append(f"{dimension.name}.reason 应为一句话")
            kinds.append(f"{dimension.name}.reason is empty")
            continue
        scores[dimension.name], reasons[dimension.name] = score, " ".join(reason.split())
    if problems:
        raise Unusable("；".join(problems), ", ".join(kinds))
    return scores, reasons


async def judge_one(item: Sampled, asker: Asker, endpoint: Endpoint) -> Judgement:
    """Ask until the answer is a rating. Raises ``BadInput`` or ``LimitReached``, ending the run."""
    further: tuple[Said, ...] = ()
    answers: list[Answer] = []
    keys: list[str] = []
    why, kind, settled = "", "", True
    for number in range(TRIES):
        asked = question(item, further, number)
        keys.append(asker.key(asked))
        try:
            answer = await asker.ask(asked)
        except Unanswered as failure:
            keys.pop()
            why = kind = f"no answer: {failure}"
            settled = False
            break
        answers.append(answer)
        try:
            if answer.refused:
                raise Unusable("你拒绝了回答", "refused")
            scores, reasons = rating_in(answer.text)
        except Unusable as unusable:
            why = f"no usable rating in {number + 1} answers, the last because: {unusable}"
            kind = unusable.kind
            if answer.text.strip():
                said = Said("assistant", answer.text[:_SHOWN_BACK])
                further = (*further, said, Said("user", _AGAIN.format(unusable)))
            continue
        return _judgement(item, endpoint, answers, keys, scores=scores, reasons=reasons)
    return _judgement(item, endpoint, answers, keys, missing=(why, kind), settled=settled)


async def judge_all(
    items: Sequence[Sampled],
    asker: Asker,
    endpoint: Endpoint,
    finished: Callable[[Judgement], None],
    stop: Stop,
    at_once: int,
) -> None:
    """Judge every dialogue; ``finished`` gets each rating as it comes."""

    async def work(item: Sampled) -> Judgement:
        return await judge_one(item, asker, endpoint)

    with stop.on_signals():
        await each(
            items,
            work,
            lambda _, judgement: finished(judgement),
            stop=stop,
            at_once=at_once,
            ahead=8 * at_once,
        )


class Judgements:
    """``judge.jsonl``: one line a dialogue, the last of each counts."""

    def __init__(self, folder: Path, items: Sequence[Sampled]) -> None:
        """Reads what is there; half a line at its end, left by a kill, is nothing."""
        self.path = folder / KEPT_NAME
        self.by_id: dict[str, Judgement] = {}
        known = {item.blind_id for item in items}
        lines = self.path.read_text(encoding="utf-8").split("\n") if self.path.exists() else []
        for number, line in enumerate(lines[:-1], 1):
            try:
                one = Judgement.model_validate_json(line)
            except ValidationError:
                raise BadInput(
                    f"{self.path}:{number}: is no rating as it was written; delete the line, and "
                    "its kept answer is read again"
                ) from None
            if one.blind_id not in known:
                raise BadInput(
                    f"{self.path}:{number}: {one.blind_id} is no dialogue of this sample"
                )
            self.by_id[one.blind_id] = one
        self._torn = bool(lines and lines[-1])

    def rated(self) -> dict[str, dict[str, int]]:
        return {i: one.scores for i, one in sorted(self.by_id.items()) if one.scores is not None}

    def missing(self, items: Sequence[Sampled]) -> dict[str, str]:
        """Why dialogues have no rating."""
        why = {}
        for item in items:
            one = self.by_id.get(item.blind_id)
            if one is None or one.scores is None:
                why[item.blind_id] = (one.missing if one else None) or "not asked yet"
        return why

    def add(self, judgement: Judgement) -> None:
        self.by_id[judgement.blind_id] = judgement
        if self._torn:
            self.write()
            return
        with self.path.open("a", encoding="utf-8") as out:
            out.write(judgement.model_dump_json() + "\n")

    def write(self) -> None:
        """The file anew, a line a dialogue, by blind id."""
        lines = (self.by_id[i].model_dump_json() + "\n" for i in sorted(self.by_id))
        write_atomically(self.path, "".join(lines))
        self._torn = False

    def judge(self) -> Judgement | None:
        """One of the ratings, which tells whose they are."""
        return next((one for one in self.by_id.values() if one.scores is not None), None)

    def of_this_judge_only(self, endpoint: Endpoint) -> None:
        """Raises ``BadInput`` where another judge rated; its failures are forgotten."""
        wanted = _identity(endpoint)
        for blind_id, one in list(self.by_id.items()):
            given = {name: getattr(one, name) for name in wanted}
            if given == wanted:
                continue
            if one.scores is not None:
                changed = ", ".join(name for name in wanted if given[name] != wanted[name])
                raise BadInput(
                    f"{self.path}: holds ratings by another judge ({changed} differs; the model "
                    f"was {one.model}); two judges are never pooled: give another --out"
                )
            del self.by_id[blind_id]


def _identity(endpoint: Endpoint) -> dict[str, Any]:
    """What makes a judge the same judge."""
    return {
        "model": endpoint.model,
        "prompt": PROMPT_VERSION,
        "prompt_sha256": prompt_sha256(),
        "parameters": endpoint.parameters.asked(),
    }


def _judgement(
    item: Sampled,
    endpoint: Endpoint,
    answers: Sequence[Answer],
    keys: Sequence[str],
    scores: Mapping[str, int] | None = None,
    reasons: Mapping[str, str] | None = None,
    missing: tuple[str | None, str | None] = (None, None),
    settled: bool = True,
) -> Judgement:
    costs = [answer.cost for answer in answers]
    known = [cost for cost in costs if cost is not None]
    return Judgement(
        blind_id=item.blind_id,
        scores=None if scores is None else dict(scores),
        reasons=dict(reasons or {}),
        missing=missing[0],
        missing_kind=missing[1],
        settled=settled,
        **_identity(endpoint),
        host=endpoint.host,
        answered_by=answers[-1].model if answers else None,
        tries=len(answers),
        keys=list(keys),
        prompt_tokens=sum(answer.prompt_tokens for answer in answers),
        completion_tokens=sum(answer.completion_tokens for answer in answers),
        cost=round(sum(known), 8) if len(known) == len(costs) else None,
        cost_note=answers[-1].cost_note if answers else "",
        at=answers[-1].at if answers else None,
    )


def _material(item: Sampled) -> str:
    """The dialogue between marks that it cannot close itself."""
    lines = [
        f"[{number}] {who}：{text}" for number, (who, text) in enumerate(spoken(item.dialogue), 1)
    ]
    text = "\n".join(lines).replace("</对话>", "＜/对话＞")
    return f"<对话>\n{text}\n</对话>\n\n请按评分标准给这段对话打分，只输出 JSON 对象。"


def _whole(value: object) -> int | None:
    if isinstance(value, str) and value.strip().isdecimal() and len(value.strip()) < 4:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
