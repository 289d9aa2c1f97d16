"""What of this project a job needs, as one archive: the same bytes for the same files."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from mi_arena.jobs.script import BadInput
from mi_arena.settings import ROOT

PACKAGES = ("mi_arena", "training")
ENDINGS = {".py", ".yaml", ".md", ".json"}
FILES = ("requirements.txt", "models.yaml", "pyproject.toml")
LOCK = "requirements.lock"
CONSTRAINTS = "constraints.txt"
"""The exact versions of the lock but for torch, which is that of the job's image."""


def code_files(root: Path = ROOT) -> dict[str, bytes]:
    """Names as in the project, with their content. Raises ``BadInput`` outside of a checkout.

    Assets stay out: what a config names of them travels as its input.
    """
    try:
        found = {name: (root / name).read_bytes() for name in FILES}
        lock = (root / LOCK).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadInput(
            f"{error.filename}: not there; start from a checkout of the project"
        ) from None
    kept = [line for line in lock.splitlines() if not line.startswith("torch==")]
    found[CONSTRAINTS] = "\n".join([*kept, ""]).encode()
    for package in PACKAGES:
        for file in (root / package).rglob("*"):
            name = file.relative_to(root)
            if file.suffix in ENDINGS and "assets" not in name.parts and file.is_file():
                found[name.as_posix()] = file.read_bytes()
    return found


def archive(files: dict[str, bytes]) -> bytes:
    """A ``.tar.gz`` that depends on names and contents alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size = len(files[name])
            tar.addfile(entry, io.BytesIO(files[name]))
    return gzip.compress(packed.getvalue(), compresslevel=1, mtime=0)
