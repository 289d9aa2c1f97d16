"""``python -m mi_arena.miti summarize`` as a shell sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mi_arena.miti.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
TEST_SET = ROOT / "mi_arena" / "assets" / "mi_zh" / "test.jsonl"
CODING: dict[str, Any] = {
    "change_goal": "戒烟",
    "globals": {"CCT": 4, "SST": 3, "PARTNERSHIP": 4, "EMPATHY": 6},
    "volleys": [
        {"utterances": [{"text": "难。", "code": "SR"}, {"text": "怕输给烟。", "code": "CR"}]},
        {"utterances": [{"text": "怎么办？", "code": "Q"}, {"text": "嗯\u2028。"}]},
    ],
}
KEYS = [
    "counts", "raw_counts", "technical", "relational", "percent_cr", "r_to_q", "mia", "mina",
    "thresholds", "violations", "undefined",
]  # fmt: skip


def shell(*arguments: str | Path, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mi_arena.miti", *map(str, arguments)],
        cwd=ROOT,
        input=given,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def one_line(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


@pytest.mark.parametrize("indent", [None, 2])
def test_one_coding_as_json(tmp_path: Path, indent: int | None) -> None:
    file = tmp_path / "coding.json"
    file.write_text(json.dumps(CODING, ensure_ascii=False, indent=indent), encoding="utf-8")
    result = shell("summarize", file, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    told = json.loads(result.stdout)
    assert list(told) == KEYS
    assert (told["counts"]["SR"], told["counts"]["CR"], told["counts"]["Q"]) == (0, 1, 1)
    assert told["raw_counts"]["SR"] == 1
    assert (told["technical"], told["relational"]) == (3.5, None)
    assert (told["percent_cr"], told["r_to_q"], told["mia"], told["mina"]) == (100.0, 1.0, 0, 0)
    assert told["thresholds"] == {
        "relational": None,
        "technical": "fair",
        "percent_cr": "good",
        "r_to_q": "fair",
    }
    assert list(told["undefined"]) == ["relational"]
    assert [(one["volley"], one["utterance"], one["rule"]) for one in told["violations"]] == [
        (None, None, "global_out_of_range"),
        (1, 1, "simple_with_complex"),
    ]
    for one in told["violations"]:
        assert list(one) == ["volley", "utterance", "rule", "message", "fix"]


def test_many_in_input_order_with_their_ids(tmp_path: Path) -> None:
    """Blank lines, a byte order mark and odd line ends are no obstacle."""
    ids: list[Any] = ["b", None, 3, "甲"]
    lines = [json.dumps({**CODING, "id": id_}, ensure_ascii=False) for id_ in ids]
    file = tmp_path / "many.jsonl"
    file.write_bytes(("\ufeff" + "\r\n\n".join([*lines, json.dumps(CODING)]) + "\n").encode())
    result = shell("summarize", file, "--json")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one.get("id", "none") for one in told] == [*ids, "none"]
    assert all({**one, "id": 0} == {**told[0], "id": 0} for one in told)


def test_stdin_takes_one_and_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert shell("summarize", "-", "--json", given=json.dumps(CODING, indent=1)).returncode == 0
    many = shell("summarize", "-", "--json", given=TEST_SET.read_text(encoding="utf-8"))
    assert main(["summarize", str(TEST_SET), "--json"]) == 0
    assert many.stdout == capsys.readouterr().out
    told = [json.loads(line) for line in many.stdout.splitlines()]
    ids = [json.loads(line)["id"] for line in TEST_SET.read_text(encoding="utf-8").splitlines()]
    assert [one["id"] for one in told] == ids


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("x.json", "", "nothing in it"),
        ("x.json", "\n \n", "nothing in it"),
        ("x.json", "[]", "x.json:1: a coding is an object"),
        ("x.json", '{"volleys": [', "x.json:1: not JSON"),
        ("x.json", '{\n  "globals": {},\n  "volleys": oops\n}', "x.json:3: not JSON"),
        ("x.json", '{"globals": {"CCT": NaN}}', "x.json:1: not JSON"),
        (
            "x.json",
            '{"volleys": [{"utterances": [{"text": "a", "code": "OPEN"}]}]}',
            "x.json:1: volley 1, utterance 1: unknown code 'OPEN'; known are",
        ),
        (
            "x.jsonl",
            '{"counts": {}}\n\n{"counts": {"Z": 1}}\n',
            "x.jsonl:3: counts: unknown code 'Z'",
        ),
        ("x.jsonl", '{"counts": {}}\n{"counts": {}\n{"counts": {}}', "x.jsonl:2: not JSON"),
        ("x.jsonl", 'oops\n{"counts": {}}', "x.jsonl:1: not JSON"),
        ("x.txt", '{"counts": {}}\noops', "x.txt:2: not JSON"),
        ("x.json", "[" * 10_000, "x.json:1: not JSON"),
    ],
)
def test_what_cannot_be_read_exits_2_and_names_file_and_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, told: str
) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    for options in ([], ["--json"]):
        assert main(["summarize", str(tmp_path / name), *options]) == 2
        captured = capsys.readouterr()
        assert told in captured.err
        assert captured.out == "" and captured.err.count("\n") == 1


def test_unreadable_files_in_a_shell(tmp_path: Path) -> None:
    assert "cannot be read" in one_line(shell("summarize", tmp_path / "none.json"))
    assert "cannot be read" in one_line(shell("summarize", tmp_path))
    (tmp_path / "gbk.json").write_bytes(b'{"a":\n"' + "戒烟".encode("gbk") + b'"}')
    assert "gbk.json:2: not UTF-8" in one_line(shell("summarize", tmp_path / "gbk.json"))
    assert "stdin:1: " in one_line(shell("summarize", "-", given="{}"))


def test_the_table_says_what_it_rests_on() -> None:
    shown = shell("summarize", "-", given=json.dumps({**CODING, "id": "d7"})).stdout
    lines = {" ".join(line.split()) for line in shown.splitlines()}
    assert "d7 (stdin:1)" in lines and "Change goal: 戒烟" in lines
    assert "Simple Reflection 0 1" in lines
    assert "Technical 3.5 fair fair 3, good 4 n = 2 globals" in lines
    assert "Percent complex reflections 100.0 % good fair 40, good 50 n = 1 reflections" in lines
    assert "Relational - rated with something else than 1 to 5: Empathy" in lines
    assert "volley 1, utterance 1: simple_with_complex" in shown and "Mend: " in shown
    assert "expert opinion" in shown and "Short segments" in shown


def test_the_table_in_chinese_keeps_its_columns() -> None:
    shown = shell("summarize", "-", "--lang", "zh", given=json.dumps(CODING)).stdout
    assert "规则问题" in shown and "专家意见" in shown
    lines = shown.splitlines()
    # A Chinese character takes two columns, so fewer characters stand before the same column.
    assert "  未经许可的劝说" + " " * 12 + "0        0" in lines
    assert "  提问" + " " * 22 + "1        1" in lines


def test_a_reader_that_leaves_early_is_no_fault(tmp_path: Path) -> None:
    file = tmp_path / "many.jsonl"
    file.write_text(TEST_SET.read_text(encoding="utf-8") * 20, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, "-m", "mi_arena.miti", "summarize", str(file), "--json"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 0
    process.stderr.close()


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from mi_arena.miti.__main__ import main; "
        f"main(['summarize', {str(TEST_SET)!r}]); "
        "heavy = {'numpy', 'scipy', 'pandas', 'torch', 'gradio', 'transformers'}; "
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_help_names_the_commands_and_the_exit_codes() -> None:
    assert "summarize" in shell("--help").stdout and "agreement" in shell("--help").stdout
    shown = shell("summarize", "--help")
    assert shown.returncode == 0 and "Exit codes" in shown.stdout
    assert shell("nothing").returncode == 2
    assert shell("summarize").returncode == 2
