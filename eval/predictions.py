"""A prediction: one counsellor reply of one system, beside the reply it is measured against.

JSONL in and out, a line for each round; what several lines say together is checked in
``prediction_checks``. Knows no model and no metric.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mi_arena.jobs.dialogue_files import told_in_one_line
from mi_arena.jobs.script import BadInput

SYSTEM = re.compile(r"base|base_prompted|tuned|reference|remote:\S+")
"""What may answer in an evaluation; ``reference`` is the gold dialogue itself."""
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Prediction(BaseModel):
    """One line of a predictions file. Unknown keys survive a round trip."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    dialogue_id: str = Field(min_length=1)
    round: int = Field(ge=1)
    """Of the dialogue: one client turn and the reply to it, counted from 1."""
    arm: str
    """The system that answered."""
    pair: str = Field(min_length=1)
    prompt_tokens: int | None = Field(ge=0)
    """``None`` where a server doesn't say."""
    prediction: str
    """May be empty: a system that says nothing has said nothing."""
    reference: str

    @field_validator("arm")
    @classmethod
    def _known_system(cls, arm: str) -> str:
        if not SYSTEM.fullmatch(arm):
            raise ValueError("must be base, base_prompted, tuned, reference or remote:NAME")
        return arm

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Pair, arm, dialogue, round: what no two lines may share."""
        return self.pair, self.arm, self.dialogue_id, self.round


@dataclass(frozen=True, slots=True)
class PredictionLine:
    """A prediction and where it stands, for whoever has to complain about it."""

    prediction: Prediction
    path: Path
    number: int

    @property
    def place(self) -> str:
        return f"{self.path}:{self.number}"


def read_predictions(paths: Sequence[Path]) -> Iterator[PredictionLine]:
    """The lines of all files, in order (gzip where a name ends in ``.gz``); blank ones are skipped.

    Raises ``BadInput`` at the first line that is no prediction, with its file and number, and
    never with its text.
    """
    for path in paths:
        with told_in_one_line(path), _opened(path) as lines:
            for number, line in enumerate(lines, 1):
                text = line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
                if text.strip():
                    yield PredictionLine(_parsed(text, f"{path}:{number}"), path, number)


def prediction_json(prediction: Prediction) -> str:
    """One line, without its end."""
    return json.dumps(prediction.model_dump(), ensure_ascii=False)


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> int:
    """Write predictions as JSONL, all or nothing, and return how many there were."""
    part = path.with_name(path.name + ".part")
    count = 0
    with part.open("w", encoding="utf-8", newline="\n") as out:
        for prediction in predictions:
            out.write(prediction_json(prediction) + "\n")
            count += 1
    part.replace(path)
    return count


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _parsed(line: bytes, place: str) -> Prediction:
    try:
        return Prediction.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
    if first["type"] == "json_invalid":
        raise BadInput(f"{place}: not JSON in UTF-8; a JSON object was expected")
    if not first["loc"]:
        raise BadInput(f"{place}: a JSON object was expected")
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    wanted = ", ".join(Prediction.model_fields)
    raise BadInput(f"{place}: {where}: {message} (a prediction has {wanted})")
