"""The parts that need no Hub: prices, archives, places of files, errors in one line, patience."""

from __future__ import annotations

import ast
import io
import json
import tarfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.hub.hub_errors import hub_line, passes, wait_asked
from mi_arena.hub.patience import Patience
from mi_arena.jobs.finetune_config import FinetuneConfig, load_config
from mi_arena.jobs.script import BadInput, LimitReached
from mi_arena.settings import ROOT
from training.on_hub import bootstrap
from training.on_hub.code_archive import archive, code_files
from training.on_hub.hardware import Flavor, flavor_named, seconds, within_cost
from training.on_hub.job_inputs import job_inputs
from training.on_hub.job_note import new_note, read_note, write_note
from training.on_hub.job_spec import training_arguments
from training.on_hub.mirroring import merged
from training.on_hub.worker import time_left

CARD = Flavor("l40sx1", 1, "1 x L40S", 1.8)


# ---- time and money


def test_durations() -> None:
    told = {"90m": 5400, "1.5h": 5400, "2d": 172800, "5400": 5400, "5400s": 5400}
    assert {text: seconds(text) for text in told} == told
    for text in ("", "h", "6 hours", "-1h", "nan", "inf", "0"):
        with pytest.raises(ValueError):
            seconds(text)


def test_money_ends_a_job() -> None:
    assert within_cost(CARD, 6 * 3600, 100, 0) == 6 * 3600
    assert within_cost(CARD, 6 * 3600, 3.6, 0) == 2 * 3600
    assert within_cost(CARD, 6 * 3600, 3.6, 1.8) == 3600
    with pytest.raises(
        LimitReached, match=r"3.6 USD, of which this run has used 3.50, leave 3 min"
    ):
        within_cost(CARD, 6 * 3600, 3.6, 3.5)
    with pytest.raises(BadInput, match="leave 3 minutes of l40sx1; raise it"):
        within_cost(CARD, 6 * 3600, 0.1, 0)
    with pytest.raises(BadInput, match="names no price for odd; use --timeout"):
        within_cost(Flavor("odd", 1, "?", None), 6 * 3600, 100, 0)


def test_an_unknown_machine_is_told_with_those_there_are() -> None:
    assert flavor_named([CARD], "l40sx1") is CARD
    with pytest.raises(BadInput, match="--flavor l40: there is no such machine; there are: l40sx1"):
        flavor_named([CARD], "l40")


def test_time_is_kept_for_saving(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1000.0)
    assert time_left(6 * 3600, 1000.0) == 6 * 3600 - 600
    assert time_left(3600, 1000.0) == 3600 - 360
    assert time_left(600, 1000.0) == 600 - 60
    assert time_left(3600, 1000.0 - 240) == 3600 - 360 - 240
    assert time_left(600, 0.0) == 0


# ---- what a job is given


def test_the_archive_depends_on_names_and_contents_alone() -> None:
    files = {"b.py": b"2", "a/x.py": b"1"}
    packed = archive(files)
    assert packed == archive(dict(reversed(files.items()))) != archive(files | {"b.py": b"3"})
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        assert tar.getnames() == ["a/x.py", "b.py"]
        assert {(m.mtime, m.uid, m.uname) for m in tar.getmembers()} == {(0, 0, "")}


def test_the_code_is_whole_and_nothing_else() -> None:
    files = code_files()
    for name in ("training/finetune.py", "training/on_hub/worker.py", "mi_arena/pairs.py",
                 "training/adapter_card.md", "models.yaml", "requirements.txt",
                 "training/recipes/accelerate/ddp.yaml"):  # fmt: skip
        assert files[name] == (ROOT / name).read_bytes()
    assert {name.split("/")[0] for name in files} == {
        "mi_arena", "training", "models.yaml", "requirements.txt", "pyproject.toml",
        "constraints.txt",
    }  # fmt: skip
    assert not any("assets" in name or "__pycache__" in name for name in files)
    assert len(archive(files)) < 2_000_000
    constraints = files["constraints.txt"].decode()
    assert "transformers==" in constraints and "\ntorch==" not in constraints


def test_outside_of_a_checkout_it_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"requirements.txt: not there; start from a checkout"):
        code_files(tmp_path)


def test_the_first_lines_import_nothing_of_the_project() -> None:
    """They run before anything of it, or of its requirements, is there."""
    tree = ast.parse(Path(bootstrap.__file__).read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import)
             for alias in node.names}  # fmt: skip
    assert names == {"os", "subprocess", "sys", "tarfile", "time"}
    later = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert later == {"huggingface_hub"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a base and data, in and out of it."""
    here = tmp_path / "here"
    for folder in (here / "models/base", tmp_path / "out"):
        folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json", "old.bin", ".hidden"):
        (here / "models/base" / name).write_text("{}")
    for file in (here / "mi.jsonl", tmp_path / "out/mi.jsonl", tmp_path / "out/held.jsonl"):
        file.write_text("{}\n")
    monkeypatch.chdir(here)
    return tmp_path


def config(**changes: Any) -> FinetuneConfig:
    return FinetuneConfig.model_validate(
        {"base": "owner/base", "data": "mi.jsonl", "output": "runs/adapter"} | changes
    )


def test_files_keep_the_names_that_records_tell(place: Path) -> None:
    out = place / "out"
    made = job_inputs(
        config(
            base="models/base",
            data=["mi.jsonl", str(out / "mi.jsonl")],
            validation_data="../out/held.jsonl",
            output=str(out / "adapter"),
        ),
        {"training/finetune.py"},
    )
    assert made.config.base == "models/base"
    assert made.config.data == ["mi.jsonl", "2/mi.jsonl"]
    assert made.config.validation_data == "held.jsonl"
    assert made.config.output == "adapter"
    assert set(made.files) == {
        "models/base/config.json", "models/base/model.safetensors", "models/base/tokenizer.json",
        "mi.jsonl", "2/mi.jsonl", "held.jsonl",
    }  # fmt: skip
    assert made.files["2/mi.jsonl"] == out / "mi.jsonl"
    assert str(place) not in made.text
    (place / "job.yaml").write_text(made.text)
    assert load_config(place / "job.yaml") == made.config


def test_a_base_on_the_hub_is_named_and_code_is_never_replaced(place: Path) -> None:
    (place / "out/models.yaml").write_text("{}\n")
    (place / "out/training").write_text("{}\n")
    data = [str(place / "out/models.yaml"), str(place / "out/training")]
    made = job_inputs(config(data=data), {"models.yaml", "training/finetune.py"})
    assert made.config.base == "owner/base"
    assert set(made.files) == {"2/models.yaml", "2/training"}


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"data": "no.jsonl"}, "data: no.jsonl: no such file"),
        ({"data": "models"}, "data: models: no such file"),
        ({"validation_data": "no.jsonl"}, "validation_data: no.jsonl: no such file"),
        ({"base": "models"}, "models: this folder holds no model"),
        ({"base": "no/such/base"}, "no/such/base: no such folder, and not a Hub name"),
        ({"base": "models/base", "weights": False}, "base: models/base: no safetensors in it"),
        ({"base": "models/base", "size": 101 * 10**9}, "101 GB would have to be uploaded"),
    ],
)
def test_inputs_that_no_job_can_use(place: Path, changes: dict[str, Any], line: str) -> None:
    weights = place / "here/models/base/model.safetensors"
    if not changes.pop("weights", True):
        weights.unlink()
    if size := changes.pop("size", 0):
        with weights.open("wb") as file:
            file.truncate(size)  # sparse: it takes no room
    with pytest.raises(BadInput, match=line):
        job_inputs(config(**changes), set())


def test_a_process_for_each_gpu() -> None:
    one = training_arguments(1)
    assert (
        one == training_arguments(0) == ["-m", "training.finetune", "finetune.yaml", "--out", "run"]
    )
    four = training_arguments(4)
    assert four[:4] == ["-m", "accelerate.commands.launch", "--num_processes", "4"]
    assert four[-len(one) :] == one
    assert (ROOT / four[5]).is_file() and yaml.safe_load((ROOT / four[5]).read_text())


def test_notes_are_read_as_written(tmp_path: Path) -> None:
    assert read_note(tmp_path) is None
    note = new_note(tmp_path / "an odd 名字", "me", "me/runs")
    write_note(tmp_path, note)
    assert read_note(tmp_path) == note
    assert note.prefix == f"an-odd-{note.key[:8]}"
    assert new_note(tmp_path, "me", "me/runs").key != note.key
    (tmp_path / "job.json").write_text('{"key": 1')
    with pytest.raises(BadInput, match=r"job.json: is damaged"):
        read_note(tmp_path)


# ---- logs

STAMPS = st.datetimes().map(lambda time: time.isoformat(timespec="seconds"))
LOGS = st.lists(STAMPS).map(lambda stamps: [f"{s} line {n}" for n, s in enumerate(sorted(stamps))])


@given(LOGS, LOGS)
def test_two_logs_become_one_in_order_of_time(ours: list[str], theirs: list[str]) -> None:
    both = merged(ours, theirs)
    assert sorted(both) == sorted(ours + theirs)
    stamps = [line.split(" ")[0] for line in both]
    assert stamps == sorted(stamps)


# ---- what the Hub answers


def answered(status: int, kind: type[HfHubHTTPError] = HfHubHTTPError, **headers: str) -> Any:
    request = httpx2.Request("GET", "https://hub.example/api/jobs/me")
    response = httpx2.Response(status, headers=headers, request=request)
    return kind("long\n\ntext", response=response, server_message="said\nthe server")


@pytest.mark.parametrize(
    ("error", "again", "line"),
    [
        (answered(401), False, "401: the Hub doesn't accept this token"),
        (answered(402), False, "402: no credit for jobs (said the server); add some at https://"),
        (answered(403), False, "403: this token may not (said the server)"),
        (answered(403, GatedRepoError), False, "is gated: ask for access on its page"),
        (answered(404), False, "404: there is no such thing, or this token may not see it"),
        (answered(400), False, "400: said the server"),
        (answered(409), True, "409: said the server"),
        (answered(412), True, "412: said the server"),
        (answered(429), True, "429: said the server"),
        (answered(503), True, "503: said the server"),
        (httpx2.ConnectError("refused\nmore"), True, "the Hub can't be reached: refused"),
        (httpx2.ReadTimeout(""), True, "the Hub can't be reached: ReadTimeout"),
        (RuntimeError("of hf_xet"), True, "the Hub can't be reached: of hf_xet"),
        (OfflineModeIsEnabled("long"), False, "HF_HUB_OFFLINE is set; unset it"),
        (ValueError("ours"), False, "ours"),
    ],
)
def test_answers_in_one_line(error: Exception, again: bool, line: str) -> None:
    assert passes(error) is again
    assert hub_line(error).startswith(line)
    assert "\n" not in hub_line(error)


def test_the_wait_that_a_server_asks_for() -> None:
    assert wait_asked(answered(429, **{"Retry-After": "7"})) == 7
    limit = {"ratelimit": '"api";r=0;t=55'}
    assert wait_asked(answered(429, **limit)) == 55
    assert wait_asked(answered(503)) is None
    assert wait_asked(httpx2.ConnectError("")) is None


@dataclass
class Waiting:
    """A call that fails in this way before it goes well, and a clock that only counts."""

    errors: list[Exception]
    pauses: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "well"

    def under(self, limit: float) -> str:
        return Patience(self.said.append, limit, self.pauses.append)("it", self)


def test_patience_grows_and_obeys() -> None:
    busy, slow = answered(503), answered(429, **{"Retry-After": "30"})
    call = Waiting([busy, busy, slow, busy])
    assert call.under(1000) == "well"
    assert call.pauses == [1, 2, 30, 8]
    tried = [line.rpartition(", giving up at ")[0] for line in call.said[:-1]]
    assert tried == [f"it: 503: said the server; tried {n}" for n in ("once", "2 times", "4 times")]
    assert call.said[-1].startswith("it: went well, after 41 s")


def test_patience_ends() -> None:
    call = Waiting([answered(503)] * 99)
    with pytest.raises(HfHubHTTPError):
        call.under(100)
    assert call.pauses == [1, 2, 4, 8, 16, 32]  # the next would be 60
    for line, left in zip(call.said, (100, 99, 93), strict=True):  # the clock only counted
        near = (datetime.now(UTC) + timedelta(seconds=left + odd) for odd in range(-5, 2))
        assert line.rpartition(" at ")[2] in {f"{end:%H:%M:%S} UTC" for end in near}
    refused = Waiting([answered(402)])
    with pytest.raises(HfHubHTTPError):
        refused.under(100)
    assert refused.pauses == [] and json.dumps(refused.said) == "[]"
