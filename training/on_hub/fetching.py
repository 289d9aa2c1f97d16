"""What a finished job has made, brought to where the config wants it, and the arena's entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mi_arena.jobs.finetune_config import FinetuneConfig
from mi_arena.jobs.run_directory import RunDirectory, write_atomically
from mi_arena.jobs.script import BadInput
from mi_arena.jobs.whole_folder import whole_folder
from training import pair_entry
from training.on_hub.store import OUTPUT, RUN, RunStore
from training.output_folder import MERGED, check_output


def fetch_outputs(store: RunStore, config: FinetuneConfig, run: RunDirectory) -> Path:
    """The adapter's folder, whole; an older adapter there is replaced. Raises what the Hub's
    client raises, and ``BadInput`` where the outputs can't be put."""
    adapter = Path(config.output)
    _fetch_folder(store, f"{OUTPUT}/adapter", adapter, check_output)
    if config.merge:
        _fetch_folder(store, f"{OUTPUT}/merged", Path(config.output + MERGED), lambda _: None)
    made = run.path / "hub" / pair_entry.NAME
    store.fetch(f"{RUN}/{pair_entry.NAME}", made)
    text = here(made.read_text(encoding="utf-8"), config, run.path.resolve().name, adapter)
    write_atomically(run.path / pair_entry.NAME, text)
    return adapter


def _fetch_folder(store: RunStore, name: str, target: Path, check: Any) -> None:
    files = store.files(name)
    if not files:
        raise BadInput(f"{store.repo}: {store.prefix}/{name} is empty: somebody has deleted it")
    with whole_folder(target, check) as part:
        for file in files:
            store.fetch(file, part / file.removeprefix(f"{name}/"))


def here(made: str, config: FinetuneConfig, run: str, adapter: Path) -> str:
    """The entry that the job made, with this machine's places in it."""
    [entry] = yaml.safe_load(made)["pairs"]
    return pair_entry.registry_text(
        config,
        run,
        adapter,
        entry["context"],
        entry["base"].get("revision"),
        entry["adapter"].get("revision"),
    )
