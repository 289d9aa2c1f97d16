"""The folder of a split: JSONL, ``datasets`` on disk, card, reports, manifest; whole or not at all.

There is no time and no path of this machine in it: the same command makes the same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mi_arena.dialogue import Dialogue, write_dialogues
from mi_arena.jobs.dialogue_files import file_sha256
from mi_arena.jobs.script import BadInput
from mi_arena.jobs.whole_folder import whole_folder
from training.split.card import card
from training.split.making import Made
from training.split.report import as_text

FORMAT = "mi-arena-split/1"
MANIFEST = "manifest.json"
LIBRARIES = ("datasets", "datasketch", "numpy", "pyarrow", "scipy")


def check_target(folder: Path) -> None:
    """Refuse to replace what is not an earlier split."""
    if not os.path.lexists(folder):
        return
    if not folder.is_dir() or folder.is_symlink():
        raise BadInput(f"--out {folder}: is no folder; name one that is new or an earlier split")
    if any(folder.iterdir()) and not _is_split(folder):
        raise BadInput(f"--out {folder}: holds other files than a split; name another folder")


def _is_split(folder: Path) -> bool:
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and manifest.get("format") == FORMAT


def write_split(target: Path, made: Made, told: dict[str, Any]) -> None:
    """Write everything; an earlier split there is replaced. Raises ``OSError`` where it can't."""
    with whole_folder(target, check_target) as folder:
        marked = {
            name: [_marked(one, name) for one in found] for name, found in made.splits.items()
        }
        for name, dialogues in marked.items():
            write_dialogues(folder / f"{name}.jsonl", dialogues)
        save_datasets(folder / "dataset", marked)
        _write_json(folder / "report.json", told)
        (folder / "report.txt").write_text(as_text(told) + "\n", encoding="utf-8")
        text = card(made, told, marked)
        (folder / "README.md").write_text(text, encoding="utf-8")
        _write_json(folder / MANIFEST, _manifest(folder, made, told))
        for path in folder.rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())


def _marked(dialogue: Dialogue, split: str) -> Dialogue:
    """With its split, and with the one its source gave it where that was another."""
    meta = dialogue.meta | {"split": split}
    if dialogue.meta.get("split") not in (None, split):
        meta["split_before"] = dialogue.meta["split"]
    return dialogue.model_copy(update={"meta": meta})


def save_datasets(folder: Path, splits: Mapping[str, Sequence[Dialogue]]) -> None:
    """``datasets.DatasetDict`` on disk, with one schema whatever the records hold.

    ``meta`` is JSON text; keys beyond the contract are in the JSONL alone.
    """
    import datasets

    features = datasets.Features(
        {
            "id": datasets.Value("string"),
            "source": datasets.Value("string"),
            "lang": datasets.Value("string"),
            "messages": datasets.List(
                {"role": datasets.Value("string"), "content": datasets.Value("string")}
            ),
            "meta": datasets.Value("string"),
        }
    )
    shown = datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        datasets.DatasetDict(
            {
                name: datasets.Dataset.from_list([_row(one) for one in found], features=features)
                for name, found in splits.items()
            }
        ).save_to_disk(str(folder))
    finally:
        if not shown:
            datasets.enable_progress_bars()


def _row(dialogue: Dialogue) -> dict[str, Any]:
    return {
        "id": dialogue.id,
        "source": dialogue.source,
        "lang": dialogue.lang,
        "messages": [{"role": m.role, "content": m.content} for m in dialogue.messages],
        "meta": json.dumps(dialogue.meta, ensure_ascii=False, sort_keys=True),
    }


def _manifest(folder: Path, made: Made, told: dict[str, Any]) -> dict[str, Any]:
    options = made.options
    return {
        "format": FORMAT,
        "made_by": "python -m training.split",
        "seed": options.seed,
        "sizes": options.sizes,
        "options": {
            "near_threshold": options.near_threshold,
            "with_crisis": options.with_crisis,
            "drop_leaks": options.drop_leaks,
        },
        "inputs": [asdict(file) for file in made.intake.files],
        "sources": [asdict(file) for file in made.sources],
        "against": [asdict(file) for file in made.against],
        "leaks": told["leaks"],
        "files": {
            path.relative_to(folder).as_posix(): {
                "sha256": file_sha256(path),
                "bytes": path.stat().st_size,
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
        "versions": {name: version(name) for name in LIBRARIES},
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
