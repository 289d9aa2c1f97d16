"""``python -m mi_arena.miti agreement`` as a person or a program starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mi_arena.miti.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
COEFFICIENTS = ["icc_a1", "icc_c1", "icc_11", "alpha", "weighted_kappa", "kappa"]


def start(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mi_arena.miti", "agreement", *map(str, arguments)]
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def in_process(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, output and errors, without the seconds that a new process takes to import."""
    try:
        code = main(["agreement", *map(str, arguments)])
    except SystemExit as left:
        code = int(left.code or 0)
    told = capsys.readouterr()
    return code, told.out, told.err


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def shrout_fleiss() -> str:
    scores = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    return "item,target,rater,value\n" + "".join(
        f"score,{target},{rater},{score}\n"
        for target, row in enumerate(scores)
        for rater, score in enumerate(row)
    )


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A count, a global without variance, and Chinese nominal codes, in another order of columns,
    with a byte order mark, a column more, Windows' line ends, blank lines, and missing ratings."""
    rows = ["note,rater,value,target,item"]
    for target, (one, other) in enumerate([("3", "4"), ("0", "0"), ("7", "6"), ("5", "")]):
        rows += [f'"a, b",甲,{one},d{target},GI', f",乙,{other},d{target},GI", ""]
        rows += [f",甲,4,d{target},EMPATHY", f",乙,4,d{target},EMPATHY"]
    for target, pair in enumerate(
        [("提问", "提问")] * 3 + [("反映", "反映")] * 2 + [("提问", "反映")]
    ):
        rows += [
            f",{rater},{code},u{target},话语" for rater, code in zip("甲乙", pair, strict=True)
        ]
    path = tmp_path_factory.mktemp("ratings") / "ratings.csv"
    return written(path, "\r\n".join(rows) + "\r\n", "utf-8-sig")


def test_json(several: Path) -> None:
    done = start(several, "--json", "--level", "话语=nominal")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert list(told) == ["items"]
    items = told["items"]
    assert list(items) == ["GI", "EMPATHY", "话语"]
    for item in items.values():
        assert set(item) == {
            *("level", "n_targets", "n_raters", "band", "band_of", "exact", "within_one"),
            *COEFFICIENTS,
        }
        for name in COEFFICIENTS:
            assert set(item[name]) == {"value", "ci_low", "ci_high", "n_targets", "reason"}
            assert (item[name]["value"] is None) == (item[name]["reason"] is not None)
    gi, empathy, codes = items.values()
    assert (gi["level"], gi["n_targets"], gi["n_raters"]) == ("interval", 4, 2)
    assert (gi["exact"], gi["within_one"]) == (1 / 3, 1.0)
    assert gi["icc_a1"]["n_targets"] == gi["alpha"]["n_targets"] == 3
    assert (gi["band"], gi["band_of"]) == ("excellent", "icc_a1")
    assert (empathy["level"], empathy["band"], empathy["exact"]) == ("ordinal", None, 1.0)
    assert "every rating is the same" in empathy["icc_a1"]["reason"]
    # 5 of 6 equal; by chance 4/6 * 3/6 + 2/6 * 3/6 = 1/2.
    assert codes["kappa"]["value"] == pytest.approx((5 / 6 - 1 / 2) / (1 - 1 / 2))
    assert codes["within_one"] is None


def test_tables(several: Path) -> None:
    done = start(several, "--level", "话语=nominal")
    assert (done.returncode, done.stderr) == (0, "")
    gi, empathy, codes, method = done.stdout.strip().split("\n\n")
    assert gi.startswith("GI (interval; 4 targets, 2 raters): excellent by ICC(A,1)")
    assert "exact 0.333, within one 1.000" in gi
    assert "no band" in empathy.splitlines()[0]
    assert "every rating is the same" in empathy
    assert "话语 (nominal; 6 targets, 2 raters): good by kappa" in codes
    assert "0.667" in codes
    assert "bootstrap over targets, 2000 draws, seed 0" in method and "\n" not in method


def test_the_published_example(tmp_path: Path) -> None:
    done = start(written(tmp_path / "sf.csv", shrout_fleiss()), "--json")
    score = json.loads(done.stdout)["items"]["score"]
    values = {name: score[name]["value"] for name in ("icc_11", "icc_a1", "icc_c1")}
    assert values == pytest.approx({"icc_11": 0.17, "icc_a1": 0.29, "icc_c1": 0.71}, abs=5e-3)
    assert score["kappa"]["value"] is None


HEADER = "item,target,rater,value\n"


@pytest.mark.parametrize(
    ("content", "options", "told"),
    [
        (
            HEADER + "CCT,s1,ann,3\nCCT,s1,bob,3\n\nCCT,s1,ann,4\n",
            [],
            ["CCT", "s1", "ann", "line 5", "line 2"],
        ),
        (HEADER + "CCT,s1,ann,high\n", [], ["line 2", "'high'", "--level CCT=nominal"]),
        (
            HEADER + "CCT,s1,ann,3\nCCT,s1,bob,33\n",
            [],
            ["line 3, item CCT, target s1, rater bob", "'33'", "1 to 5", "correct it"],
        ),
        (HEADER + "sst,s1,ann,3.5\n", [], ["line 2, item SST", "'3.5'", "a whole number"]),
        (HEADER + "Persuade With,s1,ann,-1\n", [], ["item PERSUADE_WITH", "'-1'", "from 0"]),
        (HEADER + "percent-cr,s1,ann,101\n", [], ["item percent_cr", "'101'", "0 and 100"]),
        # Two spellings are one item.
        (
            HEADER + "EMPATHY,s1,ann,3\nempathy,s1,bob,3\nEm pathy,s1,ann,4\n",
            [],
            ["line 4, item EMPATHY", "second rating", "line 2"],
        ),
        # What is wrong comes alone, without the warnings.
        (HEADER + "EMPHATY,s1,ann,3\nCCT,s1,ann,9\n", [], ["line 3, item CCT"]),
        (HEADER + "CCT,s1,ann\n", [], ["line 2 has 3 cells, the header 4"]),
        (HEADER + "CCT,s1,ann,3,4\n", [], ["line 2 has 5 cells, the header 4"]),
        (HEADER + "CCT,,ann,3\n", [], ["line 2 has no target"]),
        (HEADER + 'CCT,s1,"ann,3\n', [], ["is not CSV"]),
        (HEADER, [], ["no rating below the header"]),
        ("", [], ["no column item", "empty"]),
        ("item;target;rater;value\nCCT;s1;ann;3\n", [], ["no column item", "separated by commas"]),
        ("item,target,rater,score\nCCT,s1,ann,3\n", [], ["no column value"]),
        ("item,value,target,rater,value\n", [], ["more than one column value"]),
        (HEADER + "CCT,s1,ann,3\n", ["--level", "CTT=ordinal"], ["CTT", "CCT"]),
        (
            HEADER + "CCT,s1,ann,3\n",
            ["--level", "CCT=ordinal", "--level", "CCT=nominal"],
            ["CCT two levels"],
        ),
        (
            HEADER + "CCT,s1,ann,3\n",
            ["--level", "CCT=ordinal", "--level", "cct=nominal"],
            ["CCT two levels"],
        ),
    ],
)
def test_bad_input_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    content: str,
    options: list[str],
    told: list[str],
) -> None:
    path = written(tmp_path / "bad.csv", content)
    code, output, errors = in_process(capsys, path, "--json", *options)
    assert (code, output) == (2, "")
    assert len(errors.splitlines()) == 1
    for part in ["bad.csv", *told]:
        assert part in errors


def test_spellings_of_a_known_item_are_one_item(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spelt = HEADER + "".join(
        f"{item},{target},{rater},{value}\n"
        for item, target, rater, value in [
            *(("Empathy", "s1", "ann", 2), ("EMPATHY", "s1", "bob", 2)),
            *(("empathy", "s2", "ann", 4), ("em-pathy", "s2", "bob", 5)),
            *(("r-to-q", "s1", "ann", 1.5), ("R to Q", "s1", "bob", 0.5)),
            *(("Utterance Code", "u1", "ann", "Q"), ("utterance_code", "u1", "bob", "SR")),
        ]
    )
    path = written(tmp_path / "spelt.csv", spelt)
    code, output, errors = in_process(capsys, path, "--json", "--level", "R_TO_Q=ordinal")
    assert (code, errors) == (0, "")
    items = json.loads(output)["items"]
    found = {name: (one["level"], one["n_targets"], one["exact"]) for name, one in items.items()}
    assert found == {
        "EMPATHY": ("ordinal", 2, 0.5),
        "r_to_q": ("ordinal", 1, 0.0),
        "utterance_code": ("nominal", 1, 0.0),
    }


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_name_near_a_known_one_is_warned_of_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str]
) -> None:
    rows = "CCT,s1,ann,3\nEMPHATY,s1,ann,3\nEMPHATY,s1,bob,3\n\nwarmth,s1,ann,3\ncodes,s1,ann,3\n"
    path = written(tmp_path / "slip.csv", HEADER + rows)
    code, output, errors = in_process(capsys, path, *options)
    assert code == 0
    assert errors.splitlines() == [
        f"warning: {path}: line 3: EMPHATY is taken as an unknown interval item; "
        "did you mean EMPATHY?",
        f"warning: {path}: line 7: codes is taken as an unknown interval item; did you mean code?",
    ]
    assert "EMPHATY" in output and "did you mean" not in output
    # Who gives it a level means it.
    _, _, errors = in_process(
        capsys, path, "--level", "EMPHATY=ordinal", "--level", "codes=nominal"
    )
    assert errors == ""


def first_line(capsys: pytest.CaptureFixture[str], path: Path, item: str, table: list[str]) -> str:
    """Of the output, where a row of ``table`` is a target and each character a rater's value."""
    rows = "".join(
        f"{item},t{target},r{rater},{value.strip('.')}\n"
        for target, row in enumerate(table)
        for rater, value in enumerate(row)
    )
    code, output, errors = in_process(capsys, written(path, HEADER + rows))
    assert (code, errors) == (0, "")
    return output.splitlines()[0]


@pytest.mark.parametrize(
    ("item", "table", "told"),
    [
        # .91 [.65, .98], .83 [.60, .94] (.595), .38 [.06, .64], .88 [-.04, .99], .28 [.02, .75].
        (
            "CCT",
            ["11", "22", "33", "44", "55", "12", "34", "54"],
            "excellent by ICC(A,1) (interval spans good to excellent)",
        ),
        (
            "CCT",
            ["12", "21", "23", "34", "43", "45", "11", "55"] * 2,
            "excellent by ICC(A,1) (interval spans fair to excellent)",
        ),
        (
            "GI",
            ["12", "24", "31", "45"] * 8,
            "poor by ICC(A,1) (interval spans poor to good)",
        ),
        (
            "GI",
            ["12", "23", "45", "55"],
            "excellent by ICC(A,1) (interval spans poor to excellent)",
        ),
        (
            "score",
            ["9258", "6132", "8468", "7126", "9569", "6247"],
            "poor by ICC(A,1) (interval spans poor to excellent)",
        ),
        # By alpha .82 [.06, .99], by kappa .67 [0, 1].
        (
            "CCT",
            ["11.", "22.", ".45", ".54", "5.4", ".33"],
            "excellent by Krippendorff's alpha (interval spans poor to excellent)",
        ),
        (
            "code",
            ["QQ", "QQ", "QQ", "RR", "RR", "QR"],
            "good by kappa (interval spans poor to excellent)",
        ),
        # Within its band: .98 [.88, .99], [1, 1], -1.10 [-1.11, -1.08].
        ("GI", ["11", "22", "23", "34", "45", "55", "99", "88"] * 2, "excellent by ICC(A,1)"),
        ("code", ["QQ", "RR"] * 4, "excellent by kappa"),
        ("GI", ["19", "91", "28", "82", "45"] * 4, "poor by ICC(A,1)"),
        # No interval, and no coefficient.
        ("GI", ["19", "91", "28", "82"] * 5, "poor by ICC(A,1)"),
        ("CCT", ["33", "33"], "no band, as no coefficient is defined"),
    ],
)
def test_a_band_tells_the_bands_that_its_interval_reaches(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, item: str, table: list[str], told: str
) -> None:
    line = first_line(capsys, tmp_path / "ratings.csv", item, table)
    assert line.partition("): ")[2] == told


def test_one_target_and_one_rater_are_not_plural(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for table, told in (
        (["3"], "CCT (ordinal; 1 target, 1 rater): "),
        (["34"], "CCT (ordinal; 1 target, 2 raters): "),
        (["3", "4"], "CCT (ordinal; 2 targets, 1 rater): "),
    ):
        assert first_line(capsys, tmp_path / "few.csv", "CCT", table).startswith(told)
    nothing = written(tmp_path / "nothing.csv", HEADER + "CCT,s1,ann,\n")
    _, output, _ = in_process(capsys, nothing)
    assert output.startswith("CCT (ordinal; 0 targets, 0 raters): ")


def test_a_process_ends_with_2(tmp_path: Path) -> None:
    done = start(written(tmp_path / "bad.csv", HEADER + "CCT,s1,ann,3\nCCT,s1,ann,3\n"))
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "line 3, item CCT, target s1, rater ann" in done.stderr


def test_what_cannot_be_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    gbk = written(tmp_path / "gbk.csv", HEADER + "共情,s1,甲,3\n", "gb18030")
    for path, told in (
        (gbk, "UTF-8"),
        (tmp_path / "nowhere.csv", "cannot be read"),
        (tmp_path, "cannot be read"),
    ):
        code, output, errors = in_process(capsys, path)
        assert (code, output) == (2, "")
        assert told in errors and len(errors.splitlines()) == 1


@pytest.mark.parametrize("level", ["CCT", "CCT=", "=ordinal", "CCT=ratio"])
def test_a_level_that_is_none(
    capsys: pytest.CaptureFixture[str], several: Path, level: str
) -> None:
    code, _, errors = in_process(capsys, several, "--level", level)
    assert code == 2
    assert "ITEM=LEVEL" in errors.splitlines()[-1]


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = in_process(capsys, "--help")
    assert code == 0
    said = " ".join(output.split())
    assert "95 % intervals" in said and "Exit codes" in said
