"""The folder of one run in a private dataset repository: what lies there, fetched and committed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import RemoteEntryNotFoundError
from huggingface_hub.hf_api import RepoFile

from mi_arena.jobs.script import BadInput

DATASET = "dataset"

# What lies in a run's folder.
CODE, CONFIG, INPUTS, RUN, OUTPUT = "code.tar.gz", "finetune.yaml", "inputs", "run", "output"
STOP = "stop-asked"
"""Holds the number of the attempt that is to end."""
OUTCOME = f"{RUN}/outcome.json"


@dataclass(frozen=True)
class RunStore:
    """Names are relative to the run's folder. Raises what the Hub's client raises."""

    api: HfApi
    repo: str
    prefix: str

    def create(self) -> None:
        """The repository, private. Raises ``BadInput`` where a public one has that name."""
        self.api.create_repo(self.repo, repo_type=DATASET, private=True, exist_ok=True)
        if not self.api.repo_info(self.repo, repo_type=DATASET).private:
            raise BadInput(f"--repo {self.repo}: is public; dialogues go to a private one only")

    def files(self, folder: str, recursive: bool = True) -> dict[str, str]:
        """Names below ``folder`` with a hash of what is in each; none where there is none."""
        try:
            path = f"{self.prefix}/{folder}".rstrip("/")
            found = self.api.list_repo_tree(self.repo, path, recursive=recursive, repo_type=DATASET)
            return {
                file.path.removeprefix(f"{self.prefix}/"): file.blob_id
                for file in found
                if isinstance(file, RepoFile)
            }
        except RemoteEntryNotFoundError:
            return {}

    def fetch(self, name: str, target: Path) -> None:
        """Put a file at ``target`` in one step; ``RemoteEntryNotFoundError`` if it isn't there."""
        # An empty folder: nothing older in it can stand in for what is out of reach.
        part = target.parent / f".{target.name}.fetched"
        shutil.rmtree(part, ignore_errors=True)
        try:
            got = self.api.hf_hub_download(
                self.repo, f"{self.prefix}/{name}", repo_type=DATASET, local_dir=part
            )
            target.parent.mkdir(parents=True, exist_ok=True)
            Path(got).replace(target)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def commit(
        self,
        message: str,
        add: Mapping[str, bytes | Path],
        delete: Iterable[str] = (),
        folders: Iterable[str] = (),
    ) -> None:
        """All in one commit. What is there already with the same content is left out, so that a
        commit whose answer got lost can be sent again; what is to be deleted must be there."""
        added = [CommitOperationAdd(f"{self.prefix}/{name}", add[name]) for name in add]
        gone = [CommitOperationDelete(f"{self.prefix}/{name}") for name in delete]
        away = [CommitOperationDelete(f"{self.prefix}/{name}/", is_folder=True) for name in folders]
        self.api.create_commit(
            self.repo,
            [*added, *gone, *away],
            commit_message=f"{self.prefix}: {message}",
            repo_type=DATASET,
        )
