"""Two copies of the app at once, as when a Space restarts: what both acknowledged counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mi_arena.access.identity import Identities, Identity
from mi_arena.battles.tokens import Tokens
from mi_arena.publishing.private_dataset import PrivateDataset
from mi_arena.publishing.status import read_status
from mi_arena.records.battle_events import EpochClosed
from mi_arena.records.results_query import judgement_rows
from mi_arena.release.build import build
from mi_arena.release.records import project
from mi_arena.study.__main__ import main as study_main
from tests.publishing.conftest import open_outbox
from tests.release.small_study import CHIEF, SECRET, Plan, SmallStudy

VISITORS = [Identity(f"rater-{name}", "public") for name in ("one", "two", "three")]


@pytest.fixture
def copies(dataset: PrivateDataset, tmp_path: Path) -> tuple[SmallStudy, SmallStudy]:
    """Both know the open epoch; then each takes a battle that the other does not see."""
    first = SmallStudy(tmp_path / "first")
    epoch = first.epoch()
    open_outbox(first.folder, dataset).publish()
    open_outbox(tmp_path / "second", dataset).catch_up()
    second = SmallStudy(tmp_path / "second")
    for study, who in zip((first, second), VISITORS, strict=False):
        study.battle(epoch, Plan(who=who, says=(f"我是{who.rater}",)))
    return first, second


def exchange(dataset: PrivateDataset, *studies: SmallStudy) -> None:
    """Every copy publishes what it has, then takes in what the others have."""
    for study in studies:
        open_outbox(study.folder, dataset).publish()
    for study in studies:
        open_outbox(study.folder, dataset).catch_up()


def restored(dataset: PrivateDataset, folder: Path) -> SmallStudy:
    """From nothing but the dataset."""
    open_outbox(folder, dataset).catch_up()
    return SmallStudy(folder)


def test_an_epoch_that_both_open_is_two_and_they_go_on_with_one(
    dataset: PrivateDataset, tmp_path: Path
) -> None:
    """Each has a seed of its own: under one name, half the sides of one could not be verified."""
    studies = [SmallStudy(tmp_path / name) for name in ("first", "second")]
    opened = {study.epoch().id for study in studies}
    for study in studies:
        study.battle(study.epoch())
    exchange(dataset, *studies)
    everywhere = [*studies, restored(dataset, tmp_path / "new")]
    assert len(opened) == 2 and len({study.epoch().id for study in everywhere}) == 1
    for study in everywhere:
        found = project(study.store, SECRET)
        assert sum(n["open_epoch"] for n in found.withheld.values()) == 2
    for epoch in opened:
        studies[0].tell(EpochClosed(reason="admin"), CHIEF, epoch)
    build(studies[0].folder, SECRET, tmp_path / "release")
    assert study_main(["verify", str(tmp_path / "release")]) == 0


def test_both_judgements_of_one_allocation_index_count_and_the_release_says_so(
    dataset: PrivateDataset,
    tmp_path: Path,
    copies: tuple[SmallStudy, SmallStudy],
    capsys: pytest.CaptureFixture[str],
) -> None:
    first, second = copies
    exchange(dataset, first, second)
    epoch = second.epoch()
    second.battle(epoch, Plan(who=VISITORS[2], says=("我是第三个",)))
    second.close(epoch)
    exchange(dataset, second, first)
    for study in (first, second, restored(dataset, tmp_path / "new")):
        indices = [e.payload.allocation_index for e in study.store.events("battle_started")]  # type: ignore[attr-defined]
        assert indices == [0, 0, 1]
        assert len(judgement_rows(study.store, epoch.id)) == 3
        assert len(project(study.store, SECRET).rows["judgements"]) == 3
        told = read_status(study.folder)
        assert told.judgements_acknowledged == 3 and told.alarms == []

    out = tmp_path / "release"
    build(first.folder, SECRET, out)
    capsys.readouterr()
    assert study_main(["verify", str(out)]) == 0
    assert "1 battles have the index of another" in capsys.readouterr().out
    (epochs := json.loads((out / "epochs.json").read_text()))[0].update(doubled=[])
    (out / "epochs.json").write_text(json.dumps(epochs))
    assert study_main(["verify", str(out)]) == 4  # nobody may give an index twice without a word


def test_a_judgement_is_put_back_after_the_battle_that_the_other_copy_began(
    dataset: PrivateDataset, tmp_path: Path
) -> None:
    """The names of the shards of whoever started first come first, whatever they hold."""
    first, second = (SmallStudy(tmp_path / name) for name in ("first", "second"))
    outboxes = [open_outbox(study.folder, dataset) for study in (first, second)]
    epoch = first.epoch()
    outboxes[0].publish()
    outboxes[1].catch_up()
    battle = second.battle(epoch, Plan(judged=False))
    outboxes[1].publish()
    outboxes[0].catch_up()
    begun = first.store.latest("battle_started")
    assert begun is not None
    first.judge(epoch, battle, Tokens(Identities(SECRET)).begun(begun.event_id), Plan())
    first.close(epoch)
    outboxes[0].publish()
    found = restored(dataset, tmp_path / "new").store
    assert [event.event_id for event in found.events()] == [
        event.event_id for event in first.store.events()
    ]
    assert len(project(found, SECRET).rows["judgements"]) == 1
