"""A release on a stand-in of the Hub: exactly it, without a history, whatever the Hub does."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.utils import _http, close_session

from mi_arena.hub.patience import Patience
from mi_arena.jobs.script import BadInput
from mi_arena.records.release_events import ReleasePushed
from mi_arena.records.store import EventStore, NotStored, Unreadable
from mi_arena.release import push_command
from mi_arena.release.__main__ import main
from mi_arena.release.build import build
from mi_arena.release.freshness import check_fresh
from mi_arena.release.manifest import Manifest, read_manifest
from mi_arena.release.push import FILES, Pushed, check_repo, push
from mi_arena.release.status import LAST_RELEASE, last_release, note_release
from tests.release.small_study import SECRET, Plan, SmallStudy
from tests.training.on_hub.hub_stand_in import TOKEN, Fault, HubStandIn, Repo

REPO = "me/arena"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubStandIn]:
    """The client's own tries follow each other without a wait."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda _: None, time=time.time))
    with HubStandIn() as server:
        yield server
        close_session()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same study's release before and after a withdrawal."""
    root = tmp_path_factory.mktemp("releases")
    for name, withdrawn in (("before", False), ("after", True)):
        study = SmallStudy(root / f"data-{name}")
        epoch = study.epoch()
        study.battle(epoch, Plan())
        study.battle(epoch, Plan(says=("只有我说过葡萄",), withdrawn=withdrawn))
        study.close(epoch)
        build(study.folder, SECRET, root / name)
        study.store.close()
    return root / "before", root / "after"


@pytest.fixture
def study(tmp_path: Path) -> Iterator[SmallStudy]:
    """A closed epoch with two battles."""
    made = SmallStudy(tmp_path / "data")
    epoch = made.epoch()
    made.battle(epoch, Plan())
    made.battle(epoch, Plan(says=("只有我说过葡萄",)))
    made.close(epoch)
    yield made
    made.store.close()


def pushed(hub: HubStandIn, folder: Path, limit: float = 60.0) -> Pushed:
    api = HfApi(endpoint=hub.endpoint, token=TOKEN)
    return push(folder, REPO, api, Patience(lambda _: None, limit, sleep=lambda _: None))


def files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES}


def calls(hub: HubStandIn, part: str) -> int:
    return sum(part in call for call in hub.calls)


def test_it_is_public_and_exactly_the_release(hub: HubStandIn, built: tuple[Path, Path]) -> None:
    done = pushed(hub, built[0])
    repo = hub.repos[REPO]
    assert done == Pushed(REPO, repo.head, True)
    assert repo.files == files(built[0]) and not repo.private
    assert len(repo.commits) == 1
    again = pushed(hub, built[0])
    assert again == Pushed(REPO, repo.head, False)
    assert calls(hub, "/commit/") == 1


def test_what_was_withdrawn_is_nowhere_any_more(hub: HubStandIn, built: tuple[Path, Path]) -> None:
    pushed(hub, built[0])
    repo = hub.repos[REPO]
    old = {"fileOid": "ab" * 32, "filename": "battles/train.parquet", "oid": "0" * 40,
           "pushedAt": "2026-01-01T00:00:00.000Z", "size": 1}  # fmt: skip
    repo.large.append(old)
    pushed(hub, built[1])
    assert repo.files == files(built[1])
    assert len(repo.commits) == 1 and repo.large == []
    assert calls(hub, "super-squash") == 1


FAULTS: list[tuple[list[Fault], int]] = [
    ([Fault("POST", "/commit/", 412)], 2),
    ([Fault("POST", "/commit/", 429, {"Retry-After": "1"}, times=3)], 4),
    ([Fault("POST", "/commit/", 500, done_first=True)], 1),
    ([Fault("POST", "/commit/", None, done_first=True)], 1),
    ([Fault("POST", "/commit/", 503, times=2), Fault("POST", "super-squash", 500)], 3),
    ([Fault("POST", "super-squash", 500, done_first=True)], 1),
    ([Fault("POST", "super-squash", None)], 1),
    ([Fault("POST", "preupload", 502, times=9)], 1),
    ([Fault("GET", "tree", 500, times=9)], 1),
    ([Fault("GET", "/commits/", 500, times=9)], 1),
    ([Fault("POST", "repos/create", 500)], 1),
]
"""What goes wrong, and how often a commit is then asked for: never once it has landed."""


@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_faults_are_waited_out(hub: HubStandIn, built: tuple[Path, Path], number: int) -> None:
    faults, commits = FAULTS[number]
    pushed(hub, built[0])
    hub.faults, hub.calls = [Fault(**vars(fault)) for fault in faults], []
    assert pushed(hub, built[1], limit=1000).changed
    repo = hub.repos[REPO]
    assert repo.files == files(built[1]) and len(repo.commits) == 1
    assert not any(fault.times for fault in hub.faults)
    assert calls(hub, "/commit/") == commits


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        (Fault("POST", "/commit/", 403), "403: this token may not"),
        (Fault("POST", "repos/create", 401), "401: the Hub doesn't accept this token"),
        (Fault("POST", "/commit/", 500, times=999), "500"),
    ],
)
def test_what_does_not_pass_is_one_line(
    hub: HubStandIn, built: tuple[Path, Path], fault: Fault, wanted: str
) -> None:
    hub.faults.append(fault)
    with pytest.raises(BadInput, match=wanted) as raised:
        pushed(hub, built[0], limit=5)
    assert "\n" not in str(raised.value) and TOKEN not in str(raised.value)


def test_large_files_that_may_not_be_deleted_are_told(
    hub: HubStandIn, built: tuple[Path, Path]
) -> None:
    hub.faults.append(Fault("GET", "lfs-files", 403))
    said: list[str] = []
    api = HfApi(endpoint=hub.endpoint, token=TOKEN)
    assert push(built[0], REPO, api, Patience(said.append, 5)).changed
    assert len(said) == 1 and "large files of older releases" in said[0]


@pytest.mark.parametrize("other", ["events/2026-01-01/a-000001.jsonl", "notes.txt"])
def test_a_repository_with_something_else_is_refused(
    hub: HubStandIn, built: tuple[Path, Path], other: str
) -> None:
    """The dataset of all events above all: it would be made public and squashed."""
    hub.repos[REPO] = Repo(private=True, files={other: b"x"}, commits=["one", "two"])
    with pytest.raises(BadInput, match="no part of a release"):
        pushed(hub, built[0])
    assert hub.repos[REPO].files == {other: b"x"} and hub.repos[REPO].commits == ["one", "two"]


@pytest.mark.parametrize(
    ("repo", "wanted"),
    [
        ("me/records", "private dataset of all events"),
        ("ME/Records", "private dataset of all events"),
        ("records", "owner/name"),
        ("a/b/c", "--repo"),
    ],
)
def test_names_that_are_refused(repo: str, wanted: str) -> None:
    with pytest.raises(BadInput, match=wanted):
        check_repo(repo, "me/records")
    check_repo("me/arena", "me/records")
    check_repo("me/arena", None)


def test_half_a_release_is_not_pushed(
    hub: HubStandIn, built: tuple[Path, Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(built[0], tmp_path / "copy"))
    (copy / "epochs.json").unlink()
    for folder, wanted in ((copy, "epochs.json is missing"), (tmp_path, "is no release")):
        with pytest.raises(BadInput, match=wanted):
            pushed(hub, folder)
    assert hub.calls == []


@pytest.fixture
def pushing(hub: HubStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds the stand-in."""
    monkeypatch.setattr(push_command, "open_hub", lambda: HfApi(endpoint=hub.endpoint, token=TOKEN))
    monkeypatch.setenv("MI_ARENA_RELEASE", REPO)


@pytest.mark.usefixtures("pushing")
def test_the_command_notes_what_was_released(
    hub: HubStandIn,
    study: SmallStudy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, data = tmp_path / "out", ["--data", str(study.folder)]
    build(study.folder, SECRET, folder)
    assert last_release(study.store) is None
    assert main(["push", str(folder), *data, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"repo": REPO, "commit": hub.repos[REPO].head, "changed": True}
    last, manifest = last_release(study.store), read_manifest(folder)
    assert last is not None and (last.told.repo, last.told.commit) == (REPO, told["commit"])
    assert (last.told.tables, last.told.events) == (manifest.tables, manifest.events)
    assert main(["push", str(folder), *data]) == 0
    assert "already there" in capsys.readouterr().out
    assert study.store.count("release_pushed") == 1

    hub.faults.append(Fault("POST", "/commit/", 403))
    build(study.folder, SECRET, folder)
    assert main(["push", str(folder), *data]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert last_release(study.store) == last
    monkeypatch.setenv("MI_ARENA_DATASET", REPO)
    assert main(["push", str(folder), *data]) == 2
    assert "private dataset" in capsys.readouterr().err
    monkeypatch.delenv("MI_ARENA_DATASET")
    assert main(["push", str(folder), "--data", str(tmp_path)]) == 2
    assert "there is no" in capsys.readouterr().err


@pytest.mark.usefixtures("pushing")
def test_records_that_take_nothing_are_told_once_it_is_pushed(
    hub: HubStandIn,
    study: SmallStudy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    build(study.folder, SECRET, tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(EventStore, "append", refuse)
        assert main(["push", str(tmp_path / "out"), "--data", str(study.folder)]) == 2
    line = capsys.readouterr().err
    assert f"{REPO} holds the release" in line and line.count("\n") == 1
    assert main(["push", str(tmp_path / "out"), "--data", str(study.folder)]) == 0
    assert study.store.count("release_pushed") == 1


@pytest.mark.usefixtures("pushing")
def test_an_old_build_never_goes_out_again(
    hub: HubStandIn, study: SmallStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither before nor after the one that followed it: what was withdrawn would be back."""
    old, new = tmp_path / "old", tmp_path / "new"

    def push_of(folder: Path) -> int:
        return main(["push", str(folder), "--data", str(study.folder)])

    build(study.folder, SECRET, old)
    study.withdraw(study.battles[1])
    assert push_of(old) == 2
    line = capsys.readouterr().err
    assert "withdraw" in line and "build again" in line and line.count("\n") == 1
    assert hub.calls == [] and study.store.count("release_pushed") == 0
    build(study.folder, SECRET, new)
    assert push_of(new) == 0
    assert push_of(old) == 2
    assert hub.repos[REPO].files == files(new)
    assert push_of(new) == 0


@pytest.mark.parametrize(
    ("built", "stored", "last", "wanted"),
    [
        ((9, 1), (9, 1), None, None),
        ((9, 1), (20, 1), (9, 1), None),
        ((9, 1), (20, 2), None, "1 of 2 withdrawals came after it was built"),
        ((9, 1), (20, 1), (10, 1), "of 9 events, the last release of 10"),
        ((9, 1), (9, 1), (9, 2), "1 of 2 withdrawals"),
        ((9, 1), (8, 1), None, "of 9 events, the records hold 8"),
        ((9, 0), (0, 0), None, "of 9 events, the records hold 0"),
    ],
)
def test_what_is_fresh(
    built: tuple[int, int],
    stored: tuple[int, int],
    last: tuple[int, int] | None,
    wanted: str | None,
) -> None:
    """Each by its events and its withdrawals."""
    manifest = Manifest(
        events=built[0], newest=None, tables={}, tombstones=built[1], masked={}, consents={}
    )
    before = last and ReleasePushed(
        repo=REPO, commit="c", events=last[0], tombstones=last[1], tables={}
    )
    asked = partial(check_fresh, Path("DIR"), manifest, *stored, before)
    if wanted is None:
        asked()
    else:
        with pytest.raises(BadInput, match=f"^DIR: .*{wanted}.*; build again$"):
            asked()


def refuse(*_: object) -> None:
    raise NotStored("events not stored: the disk is full")


def test_what_an_earlier_version_noted_in_a_file(study: SmallStudy) -> None:
    tables = {"battles": {"released": 2, "left_out": {"withdrawn": 1}}}
    held = {"format": 1, "events": 9, "newest": None, "tables": tables, "tombstones": 1,
            "masked": {}, "consents": {}}  # fmt: skip
    noted = {"repo": REPO, "commit": "c0ffee", "pushed_at": "2026-01-02T03:04:05Z", "held": held}
    file = study.folder / LAST_RELEASE
    file.write_text(json.dumps(noted))
    last = last_release(study.store)
    assert last is not None and (last.told.commit, last.told.events) == ("c0ffee", 9)
    assert last.told.tables["battles"].left_out == {"withdrawn": 1}
    assert last.pushed_at.isoformat() == "2026-01-02T03:04:05+00:00"
    for broken in ("{", "[]", json.dumps(noted | {"held": {}}), json.dumps(noted | {"repo": 7})):
        file.write_text(broken)
        with pytest.raises(Unreadable, match="delete it and push"):
            last_release(study.store)
    file.unlink()
    note_release(study.store, ReleasePushed(**vars(last.told) | {"commit": "another"}))
    told = last_release(study.store)
    assert told is not None and told.told.commit == "another"
