"""Predictions in and out of files, and what is refused with the line that is wrong."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from eval.prediction_checks import check_predictions
from eval.predictions import PredictionLine, read_predictions, write_predictions
from mi_arena.jobs.script import BadInput
from tests.eval.small_predictions import prediction, record, records, write_records


def checked(*paths: Path) -> list[PredictionLine]:
    lines = list(read_predictions(paths))
    check_predictions(lines)
    return lines


def refused(*paths: Path) -> str:
    with pytest.raises(BadInput) as error:
        checked(*paths)
    told = str(error.value)
    assert "\n" not in told
    return told


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Keys that nobody knows, an empty reply, all kinds of line breaks too."""
    path = tmp_path / "p.jsonl"
    wanted = [
        prediction(prediction="", note={"a": [1]}),
        prediction(round=2, prediction="一\n二\r三\u2028四\x85五😀", prompt_tokens=None),
        prediction(dialogue_id="d2", arm="remote:gpt-4o", pair="other"),
    ]
    assert write_predictions(path, wanted) == 3
    assert [line.prediction for line in checked(path)] == wanted
    assert [line.place for line in checked(path)] == [f"{path}:{n}" for n in (1, 2, 3)]
    keys = list(json.loads(path.read_text(encoding="utf-8").split("\n")[0]))
    assert keys == [
        *("dialogue_id", "round", "arm", "pair", "prompt_tokens", "prediction", "reference"),
        "note",
    ]


def test_gzip_blank_lines_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    lines = [json.dumps(one, ensure_ascii=False) for one in records(1)]
    path = tmp_path / "p.jsonl.gz"
    path.write_bytes(gzip.compress("\r\n\r\n".join(lines).encode("utf-8-sig")))
    assert [line.number for line in checked(path)] == [1, 3, 5, 7]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = write_records(tmp_path / "p.jsonl", ["before"])

    def failing() -> Any:
        yield prediction()
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        write_predictions(path, failing())
    assert path.read_text() == "before\n"


BAD_LINES = {
    "half a line": ('{"dialogue_id": "d1", "rou', "JSON"),
    "a list": ("[1]", "object"),
    "a lone surrogate": (json.dumps(record(prediction="\ud800")), "JSON"),
    **{
        f"no {key}": ({k: v for k, v in record().items() if k != key}, f"{key}: Field required")
        for key in record()
    },
    "round 0": (record(round=0), "round:"),
    "round 1.0": (record() | {"round": 1.0}, "round:"),
    "round true": (record() | {"round": True}, "round:"),
    "round as text": (record() | {"round": "1"}, "round:"),
    "no reply": (record(prediction=None), "prediction:"),
    "no dialogue": (record(dialogue_id=""), "dialogue_id:"),
    "a number for a dialogue": (record(dialogue_id=7), "dialogue_id:"),
    "no pair": (record(pair=""), "pair:"),
    "tokens below 0": (record(prompt_tokens=-1), "prompt_tokens:"),
    "an unknown system": (record(arm="tunned"), "arm: must be base"),
    "a server without a name": (record(arm="remote:"), "arm: must be base"),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_a_line_that_is_no_prediction_is_named_and_never_quoted(tmp_path: Path, name: str) -> None:
    line, says = BAD_LINES[name]
    good = record("first", prediction="秘密")
    path = write_records(tmp_path / "p.jsonl", [good, "", line, good])
    told = refused(path)
    assert told.startswith(f"{path}:3: ")
    assert says in told
    assert "秘密" not in told and "慢慢来" not in told


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(json.dumps(record()).encode() + b'\n{"dialogue_id": "\xff"}\n')
    assert refused(path).startswith(f"{path}:2: not JSON in UTF-8")


def test_files_that_are_not_there_or_not_whole(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "none.jsonl")
    assert "is a folder" in refused(tmp_path)
    path = tmp_path / "p.jsonl.gz"
    path.write_bytes(gzip.compress(b"{}")[:-4])
    assert "not a whole gzip file" in refused(path)


def test_nothing_twice_not_even_in_two_files(tmp_path: Path) -> None:
    one = write_records(tmp_path / "one.jsonl", records())
    two = write_records(tmp_path / "two.jsonl", [record("d9", arm="remote:x", pair="q"), record()])
    told = refused(one, two)
    assert told.startswith(f"{two}:2: pair demo, base, dialogue d1, round 1 stands at {one}:1 ")


@pytest.mark.parametrize(
    ("rounds", "line", "missing"), [([2], 1, 1), ([1, 3], 2, 2), ([4, 2, 1], 1, 3)]
)
def test_no_round_missing(tmp_path: Path, rounds: list[int], line: int, missing: int) -> None:
    path = write_records(tmp_path / "p.jsonl", [record(round=number) for number in rounds])
    told = refused(path)
    assert told.startswith(f"{path}:{line}: ")
    assert f"round {missing} is missing" in told


def test_all_systems_of_a_pair_in_step(tmp_path: Path) -> None:
    whole = records(3, 2, ("base", "tuned"))
    without_a_dialogue = [r for r in whole if (r["arm"], r["dialogue_id"]) != ("tuned", "d2")]
    told = refused(write_records(tmp_path / "dialogue.jsonl", without_a_dialogue))
    assert told.startswith(f"{tmp_path}/dialogue.jsonl:3: ")
    assert "dialogue d2: base answered round 1, tuned did not" in told

    without_a_round = [
        r for r in whole if (r["arm"], r["dialogue_id"], r["round"]) != ("base", "d3", 2)
    ]
    told = refused(write_records(tmp_path / "round.jsonl", without_a_round))
    assert told.startswith(f"{tmp_path}/round.jsonl:10: ")  # where tuned's d3 begins
    assert "dialogue d3: tuned answered round 2, base did not" in told


def test_pairs_need_not_be_in_step(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    lines = [*records(3, 2, pair="one"), *records(1, 1, ("tuned",), pair="two")]
    assert len(checked(write_records(path, lines))) == len(lines)


def test_one_reference_for_each_round(tmp_path: Path) -> None:
    lines = records(2, 2)
    lines[5]["reference"] += "。"
    path = write_records(tmp_path / "p.jsonl", lines)
    told = refused(path)
    assert told.startswith(f"{path}:6: pair demo, tuned, dialogue d1, round 2: its reference ")
    assert told.endswith(f"{path}:2; score predictions for different test sets one by one")


def test_the_order_of_lines_plays_no_part(tmp_path: Path) -> None:
    lines = records(4, 3, ("base", "base_prompted", "tuned"))
    random.Random(0).shuffle(lines)
    checked(write_records(tmp_path / "p.jsonl", lines))
