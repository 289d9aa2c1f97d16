"""A release on a stand-in of the Hub: exactly it, without a history, whatever the Hub does."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.utils import _http, close_session

from mi_arena.hub.patience import Patience
from mi_arena.jobs.script import BadInput
from mi_arena.records.store import Unreadable
from mi_arena.release import push_command
from mi_arena.release.__main__ import main
from mi_arena.release.build import build
from mi_arena.release.manifest import read_manifest
from mi_arena.release.push import FILES, Pushed, check_repo, push
from mi_arena.release.status import LAST_RELEASE, release_status
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


def test_the_command_notes_what_was_released(
    hub: HubStandIn,
    built: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(push_command, "open_hub", lambda: HfApi(endpoint=hub.endpoint, token=TOKEN))
    monkeypatch.setenv("MI_ARENA_RELEASE", REPO)
    assert release_status(tmp_path) is None
    assert main(["push", str(built[0]), "--data", str(tmp_path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"repo": REPO, "commit": hub.repos[REPO].head, "changed": True}
    last = release_status(tmp_path)
    assert last is not None and (last.repo, last.commit) == (REPO, told["commit"])
    assert last.held == read_manifest(built[0])
    assert [path.name for path in tmp_path.iterdir()] == [LAST_RELEASE]

    hub.faults.append(Fault("POST", "/commit/", 403))
    assert main(["push", str(built[1]), "--data", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert release_status(tmp_path) == last
    monkeypatch.setenv("MI_ARENA_DATASET", REPO)
    assert main(["push", str(built[1]), "--data", str(tmp_path)]) == 2
    assert "private dataset" in capsys.readouterr().err
    (tmp_path / LAST_RELEASE).write_text("{")
    with pytest.raises(Unreadable, match="push the release again"):
        release_status(tmp_path)
