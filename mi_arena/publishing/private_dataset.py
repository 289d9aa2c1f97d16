"""The private dataset on the Hub: its head, its shards, and commits onto a head.

Everything raises ``DatasetFault``. Nothing is ever deleted or replaced in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx2
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_url, set_client_factory
from huggingface_hub.errors import RemoteEntryNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import logging
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import (
    default_client_factory,
    hf_raise_for_status,
    http_backoff,
)

from mi_arena.publishing.faults import HUB_ERRORS, DatasetFault, Denied, Moved, fault_of
from mi_arena.publishing.shards import FOLDER, is_shard

DATASET = "dataset"
TIMEOUT = httpx2.Timeout(60, connect=20)
"""Seconds without a byte. By default the client waits for ever."""


class PrivateDataset:
    """``repo`` must be there and be private: neither is seen to here, since a name with a slip in
    it would else begin an empty record beside the real one."""

    def __init__(self, repo: str, api: HfApi):
        self.repo, self._api = repo, api

    def head(self) -> str:
        """The commit it stands at. ``Denied`` where it is public."""
        with self._faults():
            info = self._api.dataset_info(self.repo)
        if not info.private:
            raise Denied(
                f"the dataset {self.repo}: is public, and whole conversations go to a private one "
                "only; make it private in its settings, or name another in MI_ARENA_DATASET"
            )
        if info.sha is None:
            raise Denied(f"the dataset {self.repo}: has no commit; add a README.md to it first")
        return info.sha

    def shards(self, head: str) -> dict[str, str]:
        """The shards at a commit: path to the name of what is in it (see ``is_named``)."""
        with self._faults():
            try:
                tree = self._api.list_repo_tree(
                    self.repo, FOLDER, recursive=True, revision=head, repo_type=DATASET
                )
                return {
                    # Of a large file git names only a pointer.
                    file.path: file.blob_id if file.lfs is None else file.lfs.sha256
                    for file in tree
                    if isinstance(file, RepoFile) and is_shard(file.path)
                }
            except RemoteEntryNotFoundError:  # no event has been published yet
                return {}

    def read(self, path: str, head: str) -> bytes:
        """What is in a shard at a commit."""
        url = hf_hub_url(
            self.repo, path, repo_type=DATASET, revision=head, endpoint=self._api.endpoint
        )
        with self._faults():
            answer = http_backoff("GET", url, headers=build_hf_headers(token=self._api.token))
            hf_raise_for_status(answer)
            return answer.content

    def commit(self, shards: Mapping[str, bytes], message: str, onto: str) -> str:
        """Add shards in one commit and return the new head; ``Moved`` where ``onto`` is not the
        head. After any fault it may have landed or not."""
        # Asked each time: a dataset that is made public has the same head as before.
        if self.head() != onto:
            raise Moved(f"the dataset {self.repo}: another commit came first")
        with self._faults():
            made = self._api.create_commit(
                self.repo,
                [CommitOperationAdd(path, content) for path, content in shards.items()],
                commit_message=message,
                parent_commit=onto,
                repo_type=DATASET,
            )
            return str(made.oid)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except DatasetFault:
            raise
        except HUB_ERRORS as error:
            raise fault_of(error, self.repo) from None


def open_dataset(repo: str, token: str) -> PrivateDataset:
    """The dataset over a client that never waits for ever and says nothing by itself."""
    logging.set_verbosity_error()
    set_client_factory(_client)
    return PrivateDataset(repo, HfApi(token=token))


def blob_id(content: bytes) -> str:
    """git's name of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def is_named(content: bytes, name: str) -> bool:
    """Whether a file's content has this name: git's, or the SHA-256 by which large files go."""
    if len(name) == 2 * hashlib.sha256().digest_size:
        return hashlib.sha256(content).hexdigest() == name
    return blob_id(content) == name


def _client() -> httpx2.Client:
    client = default_client_factory()
    client.timeout = TIMEOUT
    return client
