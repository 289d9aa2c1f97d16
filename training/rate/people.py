"""What people gave: read from filled sheets and from JSONL, kept, and merged.

One line of JSONL is ``{"rater", "dialogue", "scores"}``, the dialogue by its blind id or by its
own id where only one of the sample has it; so an experts' page can write it, and so it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError

from mi_arena.jobs.run_directory import write_atomically
from mi_arena.jobs.script import BadInput
from training.rate.rubric import BY_NAME, DIMENSIONS
from training.rate.sampling import Sampled
from training.rate.sheets import HumanRating, raise_problems, read_sheet

KEPT_NAME = "human.jsonl"


class _Line(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True)

    rater: str = Field(min_length=1)
    dialogue: str = Field(min_length=1)
    scores: dict[str, StrictInt | None]
    comment: str = ""
    where: str = ""


def read_people(files: Sequence[Path], items: Sequence[Sampled]) -> list[HumanRating]:
    """The ratings of all files, in their order. Raises ``BadInput``."""
    known = [item.blind_id for item in items]
    ratings: list[HumanRating] = []
    named_by_file: dict[str, Path] = {}
    for path in files:
        if path.suffix == ".jsonl":
            ratings += read_jsonl(path, items)
            continue
        sheet = read_sheet(path, known)
        if not sheet.names_raters:
            other = named_by_file.setdefault(path.stem, path)
            if other.resolve() != path.resolve():
                raise BadInput(
                    f"{path}: has no column rater and the same name as {other}, so that two "
                    "people would be one; rename one of them"
                )
        ratings += sheet.ratings
    return ratings


def read_jsonl(path: Path, items: Sequence[Sampled]) -> list[HumanRating]:
    """The ratings of a JSONL file. Raises ``BadInput`` with file and line."""
    names = _dialogue_names(items)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: is not UTF-8") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    found, problems = [], []
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            line = _Line.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            what = ".".join(str(part) for part in first["loc"]) or "the line"
            problems.append(f"line {number}, {what}: {first['msg']}")
            continue
        wrong = _wrong(line, names)
        problems += [f"line {number}, {one}" for one in wrong]
        scores = {name: score for name, score in line.scores.items() if score is not None}
        if scores and not wrong:
            blind_id = names[line.dialogue]
            where = line.where or f"{path.name}, line {number}"
            found.append(HumanRating(line.rater, blind_id, scores, line.comment, where))
    raise_problems(path, problems)
    return found


def merged(ratings: Iterable[HumanRating]) -> tuple[list[HumanRating], list[str]]:
    """One rating for each rater and dialogue, the last that came, and what was replaced.

    The same scores given again are no replacement.
    """
    last: dict[tuple[str, str], HumanRating] = {}
    replaced = []
    for rating in ratings:
        key = (rating.rater, rating.blind_id)
        before = last.get(key)
        if before is not None and before.scores != rating.scores:
            replaced.append(
                f"{rating.rater} rated {rating.blind_id} more than once: {rating.where} counts, "
                f"{before.where} does not"
            )
        last[key] = rating
    return [last[key] for key in sorted(last)], replaced


def keep(folder: Path, ratings: Sequence[HumanRating]) -> None:
    lines = (
        json.dumps(
            {
                "rater": one.rater,
                "dialogue": one.blind_id,
                "scores": {d.name: one.scores[d.name] for d in DIMENSIONS if d.name in one.scores},
                "comment": one.comment,
                "where": one.where,
            },
            ensure_ascii=False,
        )
        + "\n"
        for one in ratings
    )
    write_atomically(folder / KEPT_NAME, "".join(lines))


def kept(folder: Path, items: Sequence[Sampled]) -> list[HumanRating]:
    """What earlier runs read."""
    path = folder / KEPT_NAME
    return read_jsonl(path, items) if path.exists() else []


def _dialogue_names(items: Sequence[Sampled]) -> dict[str, str]:
    """From all that a dialogue may be called to its blind id."""
    own = [item.dialogue.id for item in items]
    names = {item.dialogue.id: item.blind_id for item in items if own.count(item.dialogue.id) == 1}
    return names | {item.blind_id: item.blind_id for item in items}


def _wrong(line: _Line, names: dict[str, str]) -> list[str]:
    problems = []
    if line.dialogue not in names:
        problems.append(f"dialogue: {line.dialogue[:40]!r} is no dialogue of this sample")
    for name, score in line.scores.items():
        dimension = BY_NAME.get(name)
        if dimension is None:
            problems.append(
                f"scores: {name[:30]!r} is no dimension; they are: {', '.join(BY_NAME)}"
            )
        elif score is not None and not 0 <= score <= dimension.most:
            problems.append(f"scores.{name}: {score} is not {dimension.range_words}")
    return problems
