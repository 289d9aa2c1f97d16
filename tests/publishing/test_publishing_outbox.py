"""Commits onto a head that is known whole: lost answers, other writers, refusals."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from mi_arena.publishing.faults import Busy, DatasetFault, Denied, Moved
from mi_arena.publishing.private_dataset import PrivateDataset
from tests.publishing.conftest import (
    REPO,
    dataset_on,
    judgement,
    open_outbox,
    open_store,
    published,
)
from tests.training.on_hub.hub_stand_in import Fault, HubStandIn, Repo


def test_what_is_stored_goes_out_whole_and_in_its_order(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path
) -> None:
    outbox = open_outbox(tmp_path, dataset)
    events = open_store(tmp_path).append_all(judgement(f"b{n}") for n in range(5))
    assert outbox.waiting() == [event.event_id for event in events]
    commit = outbox.publish()
    assert commit is not None and commit.events == 5 and commit.id == hub.repos[REPO].head
    assert outbox.waiting() == [] and outbox.publish() is None
    (path,) = hub.repos[REPO].files
    assert published(hub) == events and path.startswith("events/20")


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", "/commit/", 500, done_first=True),
        Fault("POST", "/commit/", None, done_first=True),
        Fault("POST", "/commit/", 503),
        Fault("POST", "/commit/", None),
        Fault("POST", "/preupload/", 500, times=2),
        Fault("GET", "/tree/", None, times=2),
    ],
    ids=lambda fault: f"{fault.path}{fault.status}{fault.done_first}",
)
def test_an_answer_that_is_lost_doubles_nothing(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path, fault: Fault
) -> None:
    outbox, store = open_outbox(tmp_path, dataset), open_store(tmp_path)
    store.append(judgement("b1"))
    hub.faults.append(fault)
    for number in range(2, 5):
        with suppress(Busy):
            outbox.publish()
        store.append(judgement(f"b{number}"))
    outbox.publish()
    assert published(hub) == list(store.events())


def test_another_process_may_commit_to_the_same_dataset(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path
) -> None:
    ours, theirs = (open_outbox(tmp_path / name, dataset) for name in ("ours", "theirs"))
    stores = [open_store(tmp_path / name) for name in ("ours", "theirs")]
    for number in range(4):
        stores[number % 2].append(judgement(f"b{number}"))
        (ours, theirs)[number % 2].publish()
    ours.catch_up()
    assert {e.event_id for e in stores[0].events()} == {e.event_id for e in published(hub)}
    assert len(published(hub)) == 4 and ours.publish() is None


def test_another_copy_is_one_on_another_folder(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path
) -> None:
    """Not ourselves whose answer was lost, nor another process on our folder."""
    store = open_store(tmp_path / "ours")
    ours, beside = (open_outbox(tmp_path / "ours", dataset) for _ in range(2))
    ours.catch_up()
    hub.faults.append(Fault("POST", "/commit/", 500, done_first=True))
    store.append(judgement("unanswered"))
    with pytest.raises(Busy):
        ours.publish()
    assert ours.publish() is None
    for number, outbox in enumerate((beside, ours)):
        store.append(judgement(f"b{number}"))
        outbox.publish()
    assert ours.another_copy is None
    theirs = open_store(tmp_path / "theirs")
    for number in range(2):
        theirs.append(judgement(f"c{number}"))
        open_outbox(tmp_path / "theirs", dataset).publish()
        store.append(judgement(f"d{number}"))
        ours.publish()
        assert ours.another_copy is not None and ours.another_copy.events == number + 1
        assert 0 < ours.another_copy.seconds < 600
    assert len(published(hub)) == 7 == store.count()


@pytest.mark.parametrize("after", ["a look", "a commit"])
def test_a_commit_that_lands_long_after_its_answer_was_lost(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path, after: str
) -> None:
    """As when a process is killed while the Hub still works on what it sent."""
    store = open_store(tmp_path)
    store.append(judgement())
    hub.faults.append(Fault("POST", "/commit/", None, held=True))
    with pytest.raises(Busy):
        open_outbox(tmp_path, dataset).publish()
    restarted = open_outbox(tmp_path, dataset)
    restarted.catch_up()
    if after == "a look":
        hub.land()
        assert restarted.publish() is None
    else:
        assert restarted.publish() is not None
        hub.land()
    restarted.catch_up()
    assert published(hub) == list(store.events()) and restarted.waiting() == []


def test_another_commit_that_always_comes_first_is_a_fault_in_the_end(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path
) -> None:
    outbox, store = open_outbox(tmp_path, dataset), open_store(tmp_path)
    store.append(judgement())
    hub.faults.append(Fault("POST", "/commit/", 412, times=5))
    with pytest.raises(Moved):
        outbox.publish()
    assert outbox.publish() is not None and published(hub) == list(store.events())


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, Denied, "HF_TOKEN"),
        (403, Denied, "HF_TOKEN"),
        (404, Denied, "hf repos create"),
        (429, Busy, "429"),
        (502, Busy, "502"),
        (None, Busy, "no answer"),
    ],
)
def test_faults_are_one_line_that_tells_no_token(
    hub: HubStandIn,
    dataset: PrivateDataset,
    status: int | None,
    kind: type[DatasetFault],
    words: str,
) -> None:
    headers = {"Retry-After": "7"} if status == 429 else {}
    hub.faults.append(Fault("GET", f"/api/datasets/{REPO}", status, headers))
    with pytest.raises(kind, match=words) as raised:
        dataset.head()
    line = str(raised.value)
    assert "\n" not in line and "hf_stand_in" not in line and REPO in line
    assert getattr(raised.value, "seconds", 0) == (7 if status == 429 else 0)


def test_a_public_dataset_is_refused_and_gets_nothing(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path
) -> None:
    outbox = open_outbox(tmp_path, dataset)
    open_store(tmp_path).append(judgement())
    hub.repos[REPO] = Repo(private=False)
    with pytest.raises(Denied, match="is public") as raised:
        outbox.publish()
    assert "\n" not in str(raised.value) and not hub.repos[REPO].files


def test_a_dataset_that_is_made_public_gets_nothing_more_until_it_is_private(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path
) -> None:
    """A change of visibility is no commit: its head stays the same."""
    outbox, store = open_outbox(tmp_path, dataset), open_store(tmp_path)
    store.append(judgement("b1"))
    outbox.publish()
    hub.repos[REPO].private = False
    store.append(judgement("b2", reason="我想戒烟"))
    for _ in range(2):
        with pytest.raises(Denied, match="is public"):
            outbox.publish()
    assert len(published(hub)) == 1 and len(outbox.waiting()) == 1
    hub.repos[REPO].private = True
    outbox.publish()
    assert published(hub) == list(store.events())


def test_a_head_that_has_moved_costs_no_upload(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path
) -> None:
    outbox, store = open_outbox(tmp_path, dataset), open_store(tmp_path)
    outbox.catch_up()
    hub.repos[REPO].commits.append("somebody else's")
    store.append(judgement())
    hub.calls.clear()
    assert outbox.publish() is not None
    assert sum("POST" in call and "/commit/" in call for call in hub.calls) == 1


def test_a_dataset_that_is_not_there_is_not_made(hub: HubStandIn, tmp_path: Path) -> None:
    del hub.repos[REPO]
    with pytest.raises(Denied, match="hf repos create"):
        open_outbox(tmp_path, dataset_on(hub)).catch_up()
    assert not hub.repos


def test_much_goes_out_in_several_shards_and_commits(
    hub: HubStandIn, dataset: PrivateDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mi_arena.publishing.outbox.SHARD_BYTES", 1000)
    monkeypatch.setattr("mi_arena.publishing.outbox.COMMIT_BYTES", 3000)
    outbox, store = open_outbox(tmp_path, dataset), open_store(tmp_path)
    store.append_all(judgement(f"b{n}", reason="很" * (n * 50)) for n in range(20))
    while outbox.publish():
        pass
    assert len(hub.repos[REPO].commits) > 3 and len(hub.repos[REPO].files) > 10
    assert published(hub) == list(store.events())
