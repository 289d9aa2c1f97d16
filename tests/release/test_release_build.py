"""The folder of a release: loaded by ``datasets`` as projected, whole or not at all, verifiable."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas
import pytest
import yaml

from mi_arena.release import build as building
from mi_arena.release.__main__ import main
from mi_arena.release.build import build
from mi_arena.release.consent import notices
from mi_arena.release.manifest import read_manifest
from mi_arena.release.records import project
from mi_arena.release.schema import COLUMNS
from mi_arena.release.tables import TABLES
from mi_arena.ui.texts import say
from tests.processes import ROOT
from tests.release.conftest import UNSAID
from tests.release.small_study import SECRET, Plan, SmallStudy


def test_datasets_loads_the_projection_row_by_row(
    study: SmallStudy, release: Path, tmp_path: Path
) -> None:
    from datasets import load_dataset

    made = project(study.store, SECRET)
    assert len(made.rows["battles"]) == 9 and not made.rows["codings"]
    for table in ("judgements", "battles"):
        loaded = load_dataset(str(release), table, cache_dir=str(tmp_path))
        assert list(loaded) == ["train"]
        assert loaded["train"].to_list() == made.rows[table]
        assert loaded["train"].column_names == [column.name for column in COLUMNS[table]]
        assert loaded["train"].features == {c.name: c.type for c in COLUMNS[table]}
    alone = load_dataset("parquet", data_dir=str(release / "battles"), cache_dir=str(tmp_path))
    assert alone["train"].to_list() == made.rows["battles"]


def test_nothing_that_may_not_go_out_is_in_any_byte(study: SmallStudy, release: Path) -> None:
    files = {path: path.read_bytes() for path in release.rglob("*") if path.is_file()}
    texts = [path.read_bytes().decode("utf-8", "ignore") for path in files]
    texts += [
        json.dumps(row, ensure_ascii=False, default=str)
        for table in TABLES
        for row in pandas.read_parquet(release / table / "train.parquet").to_dict("records")
    ]
    whole = "\n".join(texts)
    assert "怕咳嗽" in whole and "[PHONE]" in whole
    for said in (*UNSAID.values(), "13812345678", *study.battles, SECRET.decode()):
        assert said not in whole
    for event in study.store.events(("battle_started", "judgement")):
        assert event.event_id not in whole and str(event.rater) not in whole


def test_released_judgements_that_do_not_count_are_counted(release: Path) -> None:
    rows = pandas.read_parquet(release / "judgements" / "train.parquet")
    counts = read_manifest(release).tables["judgements"]
    assert (counts.released, counts.not_counted) == (len(rows), rows["excluded_reason"].count())
    assert 0 < counts.not_counted < counts.released


def test_the_same_record_gives_the_same_bytes(
    study: SmallStudy, release: Path, tmp_path: Path
) -> None:
    build(study.folder, SECRET, tmp_path / "again")
    for path in release.rglob("*"):
        if path.is_file():
            again = tmp_path / "again" / path.relative_to(release)
            assert again.read_bytes() == path.read_bytes(), path


def test_the_card(release: Path) -> None:
    text = (release / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---")[1])
    assert front["license"] == "cc-by-4.0" and front["language"] == ["zh"]
    # `datasets` can't load a table without rows, so none is offered.
    assert [one["config_name"] for one in front["configs"]] == ["judgements", "battles"]
    for table in TABLES:
        assert f"## Columns of `{table}`" in text
        for column in COLUMNS[table]:
            assert f"| `{column.name}` |" in text
    for lang in ("zh", "en"):
        assert notices()[lang] == say(lang, "notice").strip()
        for line in notices()[lang].splitlines():
            assert f"> {line}" in text
    assert "note its `seed_commitment`" in text and "--before OLD_DIR" in text
    assert "can't be recalled" in text and "13 | 9" in text
    manifest = read_manifest(release)
    assert manifest.tables["battles"].left_out == {
        "withdrawn": 1, "crisis": 1, "not_judged": 2, "crisis_found": 1, "open_epoch": 1,
    }  # fmt: skip
    assert manifest.consents == {"1": 2} and manifest.masked == {"PHONE": 1}


def test_what_was_withdrawn_leaves_a_tombstone(tmp_path: Path) -> None:
    study = SmallStudy(tmp_path / "data")
    epoch = study.epoch()
    study.battle(epoch, Plan())
    study.battle(epoch, Plan(withdrawn=True))
    study.close(epoch)
    build(study.folder, SECRET, tmp_path / "out")
    (stone,) = map(json.loads, (tmp_path / "out" / "tombstones.jsonl").read_text().splitlines())
    assert stone.keys() == {"battle", "withdrawn_on"}
    released = pandas.read_parquet(tmp_path / "out" / "battles" / "train.parquet")
    assert stone["battle"] not in set(released["battle"]) and len(released) == 1
    study.store.close()


def test_the_notice_says_that_releases_are_public_and_final() -> None:
    assert "公开" in notices()["zh"] and "无法收回" in notices()["zh"]
    assert "publish" in notices()["en"] and "can't be recalled" in notices()["en"]


# ---- whole or not at all


def test_another_folder_is_not_replaced(study: SmallStudy, tmp_path: Path) -> None:
    from mi_arena.jobs.script import BadInput

    (tmp_path / "mine").write_text("x")
    with pytest.raises(BadInput, match="something else than a release"):
        build(study.folder, SECRET, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_fault_leaves_the_old_release_and_nothing_else(
    study: SmallStudy, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}

    def full(*_: object, **__: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(building, "card", full)
    with pytest.raises(OSError, match="No space"):
        build(study.folder, SECRET, copy)
    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before
    assert list(copy.parent.iterdir()) == [copy]


def command(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mi_arena.release", *map(str, arguments)],
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", **environment},
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_from_a_shell(study: SmallStudy, release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = command(
        "build", "--out", out, "--data", study.folder, "--json", MI_ARENA_SECRET=SECRET.decode()
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert json.loads(done.stdout) == read_manifest(release).model_dump(mode="json")
    assert (out / "epochs.json").read_bytes() == (release / "epochs.json").read_bytes()


def test_what_it_refuses(
    study: SmallStudy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refused(data: Path) -> str:
        assert main(["build", "--out", str(tmp_path / "not"), "--data", str(data)]) == 2
        assert not (tmp_path / "not").exists()
        line = capsys.readouterr().err
        assert line.count("\n") == 1
        return line

    monkeypatch.delenv("MI_ARENA_SECRET", raising=False)
    assert "MI_ARENA_SECRET: not set" in refused(study.folder)
    assert not (study.folder / "secret").exists()
    monkeypatch.setenv("MI_ARENA_SECRET", SECRET.decode())
    assert "there is no" in refused(tmp_path / "none")
    (tmp_path / "events.sqlite").write_bytes(b"no database of any kind")
    assert "cannot be" in refused(tmp_path)
