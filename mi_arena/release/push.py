"""A release's folder to the public dataset on the Hub: one commit, and no history behind it.

Every try begins with a look at what is there, so that one whose answer got lost is not made twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HFValidationError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils._validators import validate_repo_id

from mi_arena.hub.hub_errors import HUB_ERRORS, hub_line, passes
from mi_arena.hub.patience import Patience
from mi_arena.jobs.script import BadInput, first_line
from mi_arena.release.build import CARD
from mi_arena.release.manifest import MANIFEST, read_manifest
from mi_arena.release.parquet import FILE
from mi_arena.release.tables import TABLES
from mi_arena.study.release_reading import EPOCHS, TOMBSTONES

DATASET = "dataset"
FILES = (CARD, MANIFEST, EPOCHS, TOMBSTONES, *(f"{table}/{FILE}" for table in TABLES))
THEIRS = (".gitattributes",)
"""What the Hub puts there itself."""


@dataclass(frozen=True)
class Pushed:
    """Where a release is."""

    repo: str
    commit: str
    changed: bool
    """Whether anything had to be uploaded."""


def check_repo(repo: str, private: str | None) -> None:
    """``private``: the dataset that holds every event. Raises ``BadInput``."""
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise BadInput(f"--repo: {first_line(error)}") from None
    if repo.count("/") != 1:
        raise BadInput(f"--repo {repo}: name it with its owner, owner/name")
    if private is not None and repo.casefold() == private.casefold():
        raise BadInput(
            f"--repo {repo}: is the private dataset of all events (MI_ARENA_DATASET); "
            "a release goes to one of its own"
        )


def push(folder: Path, repo: str, api: HfApi, patience: Patience) -> Pushed:
    """Make the dataset hold exactly this release. Raises ``BadInput`` in one line."""
    read_manifest(folder)
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise BadInput(f"{folder}: {missing[0]} is missing; build the release again")
    target = _Target(api, repo, {name: folder / name for name in FILES}, patience.say)
    try:
        return patience(f"push to {repo}", target.bring)
    except HUB_ERRORS as error:
        raise BadInput(
            f"--repo {repo}: {hub_line(error)}; {folder} stays, and the same command pushes it"
        ) from None


@dataclass
class _Target:
    """The repository, and what it is to hold."""

    api: HfApi
    repo: str
    files: dict[str, Path]
    say: Callable[[str], None]
    changed: bool = False

    def bring(self) -> Pushed:
        """One try, from whatever an earlier one left. Raises what the Hub's client raises."""
        self.api.create_repo(self.repo, repo_type=DATASET, private=False, exist_ok=True)
        head = self.api.repo_info(self.repo, repo_type=DATASET).sha
        there = self._there()
        self._refuse_others(there)
        operations: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationAdd(name, path)
            for name, path in self.files.items()
            if name not in there or not _same(there[name], path)
        ]
        if operations:
            self.changed = True
            self.api.create_commit(
                self.repo,
                operations,
                commit_message="Release",
                repo_type=DATASET,
                parent_commit=head,
            )
        self._forget_what_was()
        info = self.api.repo_info(self.repo, repo_type=DATASET)
        return Pushed(self.repo, str(info.sha), self.changed)

    def _there(self) -> dict[str, RepoFile]:
        tree = self.api.list_repo_tree(self.repo, recursive=True, repo_type=DATASET)
        return {file.path: file for file in tree if isinstance(file, RepoFile)}

    def _refuse_others(self, there: dict[str, RepoFile]) -> None:
        others = sorted(there.keys() - set(self.files) - set(THEIRS))
        if others:
            raise BadInput(
                f"--repo {self.repo}: holds {others[0]}, which is no part of a release; name a "
                "repository that is for releases only"
            )

    def _forget_what_was(self) -> None:
        """Withdrawn records must not stay in older commits, nor in large files of theirs."""
        if len(self.api.list_repo_commits(self.repo, repo_type=DATASET)) > 1:
            self.api.super_squash_history(self.repo, repo_type=DATASET, commit_message="Release")
        try:
            self._drop_large_files()
        except HUB_ERRORS as error:
            if passes(error):
                raise
            # The release itself is there and has no history.
            self.say(
                f"{self.repo}: large files of older releases could not be deleted "
                f"({hub_line(error)}); delete them in the repository's settings, under storage"
            )

    def _drop_large_files(self) -> None:
        used = {file.lfs.sha256 for file in self._there().values() if file.lfs is not None}
        kept = self.api.list_lfs_files(self.repo, repo_type=DATASET)
        gone = [file for file in kept if file.file_oid not in used]
        if gone:
            self.api.permanently_delete_lfs_files(
                self.repo, gone, rewrite_history=False, repo_type=DATASET
            )


def _same(there: RepoFile, path: Path) -> bool:
    content = path.read_bytes()
    if there.lfs is not None:
        return there.lfs.sha256 == hashlib.sha256(content).hexdigest()
    named = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return there.blob_id == named.hexdigest()
