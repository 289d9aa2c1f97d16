"""``python -m mi_arena.safety``: lines in, verdicts out in their order; bad input in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mi_arena.safety.__main__ import main
from mi_arena.safety.categories import CATEGORIES

SAID = "我想自杀"


def written(folder: Path, *lines: object) -> str:
    path = folder / "lines.jsonl"
    path.write_text(
        "".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines), "utf-8"
    )
    return str(path)


def line(text: str, speaker: str = "client", **more: object) -> dict[str, object]:
    return {"text": text, "speaker": speaker, "lang": "zh", **more}


def test_one_verdict_a_line_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, line(SAID, id=7), "", line("我想戒烟"), line("每天吃两片", "model"))
    assert main(["check", path, "--json"]) == 0
    out = capsys.readouterr().out
    assert [json.loads(one) for one in out.splitlines()] == [
        {"stop": True, "category": "self_harm"},
        {"stop": False, "category": None},
        {"stop": True, "category": "model_gives_dose"},
    ]
    assert SAID not in out


@pytest.mark.parametrize(
    "bad",
    [
        "{", "[]", '"text"', {"text": SAID}, line(SAID, "user"), line(3),  # type: ignore[arg-type]
        {**line(SAID), "lang": "fr"}, "\x00",
    ],
)  # fmt: skip
def test_bad_input_is_one_line_without_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: object
) -> None:
    assert main(["check", written(tmp_path, line(SAID), bad)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and ":2: " in told and SAID not in told


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_evaluate_gives_figures_and_no_texts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(
        tmp_path,
        line(SAID, stop=True, category="self_harm"),
        line("天气真好", stop=True, category="abuse"),
        line("我想戒烟", stop=False, category=None),
    )
    assert main(["evaluate", path, "--json"]) == 0
    out = capsys.readouterr().out
    found = json.loads(out)
    assert (found["recall"]["hits"], found["recall"]["n"]) == (1, 2)
    assert found["recall"]["interval"] == pytest.approx([0.0945, 0.9055], abs=1e-3)
    assert found["recall.abuse"]["value"] == 0
    assert found["recall.medical_emergency"]["value"] is None
    assert found["false_alarms"]["value"] == 0
    assert all(f"recall.{kind}" in found for kind in CATEGORIES)
    assert main(["evaluate", path]) == 0
    assert SAID not in out + capsys.readouterr().out


def test_a_label_that_contradicts_itself_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", written(tmp_path, line(SAID, stop=True, category=None))]) == 2
    assert capsys.readouterr().err.count("\n") == 1
