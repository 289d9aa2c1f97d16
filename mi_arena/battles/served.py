"""What exactly a pair serves, in words that identify an epoch; any change begins a new one.

Holds revisions and digests, never a path of the machine.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from mi_arena.battles.form import FORM_VERSION
from mi_arena.pairs import Pair, Source

WHOLE_FILE = 256 * 2**20
SAMPLE = 2**20
_PATH = re.compile(r"[/~.\\]|[A-Za-z]:[\\/]|file:")
Told = str | dict[str, str]
"""A name, or the digest of what may not be told."""


def what_is_served(pair: Pair) -> dict[str, Any]:
    """Base and adapter, prompt, decoding and form of a pair, as plain JSON values.

    Of a server only names can be known: whoever changes its weights should name others in
    models.yaml.
    """
    if pair.server is not None:
        weights: dict[str, Any] = {
            # Not its address: the same models on another port are the same.
            "server": {"base": _name(pair.server.base), "tuned": _name(pair.server.tuned)},
            "base": _named(pair.base),
            "adapter": _named(pair.adapter) if pair.adapter else None,
        }
    else:
        assert pair.adapter is not None
        weights = {"base": identify(pair.base), "adapter": identify(pair.adapter)}
    return {
        "pair": pair.id,
        **weights,
        "format": pair.format,
        "dtype": pair.dtype,
        "quantization": pair.quantization,
        "context": pair.context,
        "system_prompt": pair.system_prompt,
        "decoding": pair.decoding.model_dump(),
        "form": FORM_VERSION,
    }


def identify(source: Source) -> dict[str, Any]:
    """A folder by its digest, a repository by its name and revision."""
    if source.path is not None:
        return {"sha256": folder_digest(Path(source.path))}
    assert source.repo is not None and source.revision is not None
    return {"repo": _name(source.repo), "revision": source.revision}


def _named(source: Source) -> Told:
    """What stands beside a server: nothing of it is read, so only its name identifies it."""
    return _name(str(source)) if source.path is None else _digest(source.path)


def _name(name: str) -> Told:
    """Names of models are told, but servers often name one after the folder it was loaded from."""
    return _digest(name) if _PATH.match(name) else name


def _digest(path: str) -> Told:
    return {"sha256": hashlib.sha256(path.encode()).hexdigest()}


def folder_digest(folder: Path) -> str:
    """SHA-256 over names, sizes and bytes of weights, tokenizer and configuration.

    Of a file over 256 MiB only the first and last MiB are read: a digest at every start must not
    take minutes, and safetensors keeps its table of contents in front.
    """
    whole = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix not in {".safetensors", ".json", ".model", ".jinja", ".txt"}:
            continue
        size = file.stat().st_size
        whole.update(f"{file.name}\0{size}\0".encode())
        with file.open("rb") as data:
            if size <= WHOLE_FILE:
                whole.update(hashlib.file_digest(data, "sha256").digest())
            else:
                whole.update(data.read(SAMPLE))
                data.seek(-SAMPLE, 2)
                whole.update(data.read(SAMPLE))
    return whole.hexdigest()
