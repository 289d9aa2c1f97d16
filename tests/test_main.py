"""The house as the settings make it: what gives way to training, and what doesn't."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from mi_arena.engine.residency import device_memory, on_gpu
from mi_arena.jobs.script import BadInput
from mi_arena.jobs.turns import turn
from mi_arena.main import open_house, pauses_for_training, serve
from mi_arena.settings import Settings
from tests.processes import until


def settings(folder: Path, pauses: str = "auto", **others: object) -> Settings:
    return Settings.model_validate(
        {
            "data": folder / "data",
            "runs": folder / "runs",
            "secret": "sixteen characters",
            "training_pauses_serving": pauses,
            **others,
        }
    )


def test_the_arena_gives_way_to_a_run_and_comes_back(tmp_path: Path) -> None:
    house = open_house(settings(tmp_path, "yes"))
    try:
        assert not house.arena.offer.away
        with turn(tmp_path / "runs", lambda _: None):
            until(lambda: house.arena.offer.away)
        until(lambda: not house.arena.offer.away)
    finally:
        house.close()


def test_it_starts_away_beside_a_run_and_is_given_the_whole_memory(tmp_path: Path) -> None:
    with turn(tmp_path / "runs", lambda _: None):
        house = open_house(settings(tmp_path, "yes"))
        assert house.arena.offer.away and house.arena.offer.pairs()
    until(lambda: not house.arena.offer.away)
    house.close()
    if not on_gpu():
        assert device_memory(whole=True) == psutil.virtual_memory().total > device_memory()


@pytest.mark.parametrize(("pauses", "wanted"), [("yes", True), ("no", False), ("auto", None)])
def test_only_where_it_is_wanted(tmp_path: Path, pauses: str, wanted: bool | None) -> None:
    expected = on_gpu() if wanted is None else wanted
    assert pauses_for_training(settings(tmp_path, pauses)) == expected


def test_never_on_zero_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", "1")
    assert not pauses_for_training(settings(tmp_path, "yes"))


def test_a_folder_of_runs_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(BadInput, match="cannot be written") as raised:
        open_house(settings(tmp_path, "yes"))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"), [("models", "/nowhere/models.yaml"), ("data", "/proc/nowhere")]
)
def test_a_file_or_folder_that_cannot_be_used_stops_the_start_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    assert serve(settings(tmp_path, **{name: Path(value)}), on_space=False) == 2
    told = capsys.readouterr().err
    assert value in told and told.count("\n") == 1


def test_a_pair_too_large_for_the_memory_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house = open_house(settings(tmp_path, memory_gb=0.01))
    try:
        assert not house.arena.offer.pairs()
    finally:
        house.close()
    told = capsys.readouterr().err
    assert "pair demo is left out" in told and "MI_ARENA_MEMORY_GB" in told
