"""``validate``: files in, tables and a record out, and the sentence that tables must carry."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eval.judge.__main__ import main
from eval.judge.codings import read_codings
from eval.judge.standing import (
    Judge,
    Validation,
    ValidationRecord,
    judges_of,
    note_for,
    read_record,
    warning_for,
)
from mi_arena.jobs.script import BadInput

MI_ZH = Path("mi_arena/assets/mi_zh")
JUDGE = {
    "kind": "judge",
    "model": "gpt-test",
    "prompt_version": "zh-1",
    "prompt_sha256": "ab" * 32,
    "parameters": {"temperature": 0.0},
    "cost_usd": 0.1,
}
HUMAN = {"kind": "human", "name": "r1"}
TEXT = "你想戒烟。怎么开始？"
Codings = Callable[..., Path]


def line(id_: str, **changes: Any) -> dict[str, Any]:
    utterances = [{"text": "你想戒烟。", "code": "SR"}, {"text": "怎么开始？", "code": "Q"}]
    made: dict[str, Any] = {
        "id": id_,
        "lang": "zh",
        "change_goal": "戒烟",
        "globals": dict.fromkeys(("CCT", "SST", "PARTNERSHIP", "EMPATHY"), 4),
        "volleys": [{"utterances": utterances}],
    }
    return made | changes


def judged(id_: str, **changes: Any) -> dict[str, Any]:
    return line(id_, **({"coder": JUDGE} | changes))


def coded(id_: str, **changes: Any) -> dict[str, Any]:
    return line(id_, **({"coder": HUMAN} | changes))


def write(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in entries))
    return path


def validated(
    folder: Path,
    judge: list[dict[str, Any]],
    human: list[dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
) -> tuple[dict[str, Any], str]:
    """The record, and the tables."""
    files = [
        *("--judge", str(write(folder / "a.jsonl", *judge))),
        *("--human", str(write(folder / "b.jsonl", *human))),
    ]
    assert main(["validate", *files, "--out", str(folder / "out"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    kept = json.loads((folder / "out" / "validation.json").read_text())
    assert printed == kept
    return kept, (folder / "out" / "validation.md").read_text()


def test_people_s_own_codings_validate_a_judge_with_n_and_language(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = [{"utterances": [{"text": TEXT, "code": "CR"}]}]
    record, text = validated(
        tmp_path,
        [judged("a"), judged("b"), judged("c", volleys=wrong), judged("only-here")],
        [coded("c"), coded("a"), coded("b", coder=HUMAN | {"name": "r2"})],
        capsys,
    )
    (result,) = record["results"]
    assert (result["validated"], result["against"], result["lang"]) == (True, "human", "zh")
    assert (result["n_dialogues"], result["n_utterances"]) == (3, 6)
    assert result["coders"] == {"human: r1": 2, "human: r2": 1}
    assert (result["only_judge"], result["only_others"]) == (1, 0)
    assert result["comparison"]["same"] == pytest.approx(4 / 6)
    assert "# Validation against human codings: zh" in text and "WARNING" not in text
    assert "checked against human codings (Chinese, n = 3 dialogues, 6 utterances, kappa" in text
    assert "已与人工编码比对（中文，n = 3 段对话、6 个句段" in text
    kept = read_record(tmp_path / "out")
    (judge,) = judges_of(read_codings(tmp_path / "a.jsonl"))
    assert warning_for(judge, kept) is None and note_for(judge, kept) is not None
    for other in (
        judge.model_copy(update={"model": "gpt-other"}),
        judge.model_copy(update={"prompt_sha256": "cd" * 32}),
        judge.model_copy(update={"parameters": {"temperature": 1.0}}),
    ):
        warning = warning_for(other, kept)
        assert warning is not None and "never checked against human codings" in warning.en
        assert "没有与人工编码比对过" in warning.zh and note_for(other, kept) is None
    assert json.loads((tmp_path / "out" / "status.json").read_text())["state"] == "done"


@pytest.mark.parametrize(
    ("coder", "title", "words"),
    [
        (None, "Comparison with codings of unknown origin", "don't say who made them"),
        (JUDGE, "Consistency with model codes", "consistency, not correctness"),
        ({"kind": "model"}, "Consistency with model codes", "一致，不说明正确"),
        (HUMAN | {"suggestions": True}, "made from suggestions", "no independent check"),
    ],
)
def test_other_codings_leave_the_warning_standing(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    coder: dict[str, Any] | None,
    title: str,
    words: str,
) -> None:
    # One coding that is not a person's own is enough.
    record, text = validated(
        tmp_path,
        [judged("a"), judged("b")],
        [coded("a"), coded("b", coder=coder)],
        capsys,
    )
    assert record["results"][0]["validated"] is False
    assert title in text and words in text and "WARNING: " in text and "警告：" in text
    (judge,) = judges_of(read_codings(tmp_path / "a.jsonl"))
    warning = warning_for(judge, read_record(tmp_path / "out" / "validation.json"))
    assert warning is not None and words in warning.en + warning.zh and "n = 2" in warning.en


def test_the_shipped_codes_are_a_model_s(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = [json.loads(one) for one in (MI_ZH / "test.jsonl").read_text().splitlines()[:6]]
    as_judge = [
        judged(
            one["id"],
            globals=one["globals"],
            volleys=[
                {"utterances": message["utterances"]}
                for message in one["messages"]
                if message["role"] == "counselor"
            ],
        )
        for one in shipped
    ]
    codings = write(tmp_path / "a.jsonl", *as_judge)
    human = str(MI_ZH / "test.jsonl")
    assert main(["validate", "--judge", str(codings), "--human", human]) == 0
    told = capsys.readouterr().out
    assert told.startswith("# Consistency with model codes: zh")
    assert "WARNING: " in told and "consistency, not correctness" in told
    assert "Without a counterpart: 0 of the judge's and 34 of the others'." in told
    assert "Same code or none: 1.000; kappa 1.00 [1.00, 1.00]" in told


def test_both_shipped_coders_agree_as_their_card_says(capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--judge", str(MI_ZH / "second_coder.jsonl"), "--human", str(MI_ZH / "train.jsonl")]
    assert main(["validate", *files, "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert result["judge"] is None and not result["validated"]
    assert "counts for no judge" in result["sentence"]["en"]
    assert result["comparison"]["kappa"]["value"] == pytest.approx(0.945, abs=0.005)
    assert result["comparison"]["n_dialogues"] == 31


def test_each_language_stands_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    english = JUDGE | {"prompt_version": "en-1", "prompt_sha256": "ef" * 32}
    record, text = validated(
        tmp_path,
        [judged("a"), judged("b", lang="en-GB", coder=english), judged("c", lang="zh-CN")],
        [coded("a", coder={"kind": "model"}), coded("b"), coded("c", coder={"kind": "model"})],
        capsys,
    )
    assert [(one["lang"], one["n_dialogues"], one["validated"]) for one in record["results"]] == [
        ("en", 1, True),
        ("zh", 2, False),
    ]
    assert text.index("Validation against human codings: en") < text.index("model codes: zh")
    kept = read_record(tmp_path / "out")
    chinese, in_english = sorted(
        judges_of(read_codings(tmp_path / "a.jsonl")), key=lambda one: one.prompt_version != "zh-1"
    )
    assert warning_for(in_english, kept) is None
    warning = warning_for(chinese, kept)
    assert warning is not None and "in another language alone (English, n = 1" in warning.en
    assert "只在另一种语言上" in warning.zh


def test_the_best_that_was_done_is_what_the_warning_tells() -> None:
    judge = Judge(model="{m}", prompt_version="zh-1", prompt_sha256="x", lang="zh")

    def held(against: str, n: int) -> Validation:
        return Validation.model_validate(
            {
                "judge": judge.model_dump(),
                "lang": "zh",
                "against": against,
                "n_dialogues": n,
                "n_utterances": 9,
                "kappa": None,
                "kappa_low": None,
                "kappa_high": None,
            }
        )

    def warned(*results: Validation) -> str:
        found = warning_for(judge, ValidationRecord(results=results))
        return found.en if found else ""

    assert "n = 7 dialogues): consistency" in warned(held("model", 3), held("model", 7))
    assert "suggestions" in warned(held("model", 30), held("assisted", 2))
    assert "never checked" in warned() and "{m}" in warned()
    assert warned(held("model", 30), held("human", 2)) == ""
    note = note_for(judge, ValidationRecord(results=(held("human", 2),)))
    assert note is not None and "kappa of utterances undefined" in note.en and "无定义" in note.zh


@pytest.mark.parametrize(
    ("judge", "human", "words"),
    [
        ([judged("a"), judged("a")], [coded("a")], "a.jsonl:2: the id 'a' stands at"),
        ([judged("a")], [coded("b")], "none of the dialogues"),
        ([judged("a")], [coded("a", volleys=[])], "another number of volleys"),
        (
            [judged("a")],
            [coded("a", volleys=[{"utterances": [{"text": "别的话", "code": None}]}])],
            "volley 1: the judge's has another text",
        ),
        ([judged("a")], [coded("a", coder={"kind": "robot"})], "b.jsonl:1: coder.kind"),
        ([judged("a")], [coded("a", id=7)], "b.jsonl:1: id is missing"),
        ([judged("a")], [coded("a", globals={"CCT": "x"})], "b.jsonl:1: globals: CCT"),
        (
            [judged("a"), judged("b", coder=JUDGE | {"model": "m2"})],
            [coded("a"), coded("b")],
            "a.jsonl:2: is by another judge",
        ),
    ],
)
def test_bad_input_gets_one_line_and_leaves_no_record(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    judge: list[dict[str, Any]],
    human: list[dict[str, Any]],
    words: str,
) -> None:
    files = [
        *("--judge", str(write(tmp_path / "a.jsonl", *judge))),
        *("--human", str(write(tmp_path / "b.jsonl", *human))),
    ]
    assert main(["validate", *files, "--out", str(tmp_path / "out")]) == 2
    told = capsys.readouterr()
    assert words in told.err and told.err.count("\n") == 1 and not told.out
    assert "戒烟" not in told.err and "别的话" not in told.err
    assert not (tmp_path / "out" / "validation.json").exists()


def test_broken_files_get_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = str(write(tmp_path / "good.jsonl", judged("a")))
    half, empty = tmp_path / "half.jsonl", tmp_path / "empty.jsonl"
    half.write_text('{"id": "a", "globals": {')
    empty.write_text("\n")
    for path, words in (
        (half, "half.jsonl:1: not JSON"),
        (empty, "no coding in it"),
        (tmp_path / "none.jsonl", "no such file"),
    ):
        assert main(["validate", "--judge", good, "--human", str(path)]) == 2
        told = capsys.readouterr().err
        assert words in told and told.count("\n") == 1
    with pytest.raises(BadInput, match=r"name what `eval\.judge validate --out` wrote"):
        read_record(half)
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.yaml").write_text("script: eval.score\n")
    files = ["--judge", good, "--human", good]
    assert main(["validate", *files, "--out", str(other)]) == 2
    assert "holds the run of another script" in capsys.readouterr().err
    assert main(["validate", *files, "--out", str(tmp_path / "mine")]) == 0
    assert main(["validate", *files, "--out", str(tmp_path / "mine")]) == 0
