"""A split's folder to a dataset repository on the Hub, in one commit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import httpx2
from huggingface_hub import HfApi
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils._validators import validate_repo_id

from mi_arena.dialogue import Dialogue
from mi_arena.jobs.script import BadInput, first_line
from training.split.licences import licence_of

PUSHED = ["*.jsonl", "README.md", "manifest.json", "report.json", "report.txt"]


def check_push(repo: str, token: str | None) -> None:
    """What can be known before any work. Raises ``BadInput``."""
    if not token:
        raise BadInput("--push: HF_TOKEN is not set; set it to a token that may write to the Hub")
    try:
        validate_repo_id(repo)
    except HFValidationError as error:
        raise BadInput(f"--push: {first_line(error)}") from None


def check_licences(dialogues: Iterable[Dialogue]) -> None:
    """Nothing of an unknown licence is published. Raises ``BadInput``."""
    unknown = sorted({one.source for one in dialogues if not licence_of(one.source).known})
    if unknown:
        raise BadInput(
            f"--push --public: the licence of {', '.join(unknown)} is unknown; find it out and add "
            "it to training/split/licences.yaml, or push with --private"
        )


def push(folder: Path, repo: str, token: str, public: bool) -> str:
    """Upload, and return the commit's address. JSONL of an earlier push that is not in the folder
    is deleted in the same commit. Raises ``BadInput`` in one line for all that the Hub answers."""
    api = HfApi(token=token)
    try:
        made = api.create_repo(repo, repo_type="dataset", private=not public, exist_ok=True)
        if not public and not api.repo_info(made.repo_id, repo_type="dataset").private:
            raise BadInput(f"--push {repo}: is public already; name another, or push with --public")
        commit = api.upload_folder(
            repo_id=made.repo_id,
            repo_type="dataset",
            folder_path=folder,
            allow_patterns=PUSHED,
            delete_patterns=["*.jsonl"],
            commit_message="Split by training.split",
        )
    except (HfHubHTTPError, OfflineModeIsEnabled, httpx2.HTTPError, OSError, ValueError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput(
            f"--push {repo}: {first_line(error)}; {folder} is written, "
            "and the same command pushes it again"
        ) from None
    return str(commit.commit_url)
