"""The registry entry that puts a finished adapter into the arena: ``pair.yaml`` in its run.

Name, decoding and licence come from the entry of ``models.yaml`` that has the same base, where
there is one. The file is a registry of its own and can be read as such.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import yaml

from mi_arena.jobs.finetune_config import FinetuneConfig
from mi_arena.pairs import Pair, Registry, RegistryError, load_registry
from mi_arena.settings import ROOT

NAME = "pair.yaml"
WEIGHTS = "adapter_model.safetensors"
LONGEST_CONTEXT = 4096
UNKNOWN = "not known; see the base's card"


def registry_text(
    config: FinetuneConfig,
    run: str,
    adapter: Path,
    context: int,
    base_commit: str | None,
    pushed_commit: str | None,
) -> str:
    """The entry as YAML; to serve it, put it below ``pairs`` in ``models.yaml``."""
    known = pair_of(config.base)
    entry: dict[str, Any] = {
        "id": _free_id(run, adapter),
        "name": {"zh": f"{known.name.zh} · {run}", "en": f"{known.name.en} · {run}"}
        if known
        else {"zh": run, "en": run},
        "base": _base(config, base_commit),
        "adapter": {"repo": config.push_to_hub, "revision": pushed_commit}
        if pushed_commit
        else {"path": str(adapter.resolve())},
        "format": config.format,
        "dtype": config.dtype,
        "quantization": config.quantization,
        "context": min(context, known.context if known else LONGEST_CONTEXT),
        "licence": licence_of(config.base) or UNKNOWN,
    }
    if config.system_prompt:
        entry["system_prompt"] = config.system_prompt
    if known:
        entry["decoding"] = known.decoding.model_dump()
        entry["links"] = [str(link) for link in known.links]
        entry["chinese_only"] = known.chinese_only
    else:
        entry["decoding"] = {"max_new_tokens": max(1, min(256, entry["context"] // 2))}
    Registry.model_validate({"pairs": [entry]})
    return yaml.safe_dump({"pairs": [entry]}, allow_unicode=True, sort_keys=False)


def _free_id(run: str, adapter: Path) -> str:
    """The run's name as an id that no entry of the project's registry has."""
    slug = re.sub(r"[^a-z0-9._-]+", "-", run.lower()).strip("-._")
    try:
        taken = load_registry(ROOT / "models.yaml").keys()
    except RegistryError:
        taken = {}.keys()
    if slug and slug not in taken and slug.isascii() and re.search("[a-z]", slug):
        return slug
    # Names that say nothing in ASCII, or are taken, are told apart by what was tuned.
    weights = (adapter / WEIGHTS).read_bytes()
    return f"{slug or 'tuned'}-{hashlib.sha256(weights).hexdigest()[:6]}"


def pair_of(base: str) -> Pair | None:
    """The entry of the project's registry that has this base."""
    try:
        pairs = load_registry(ROOT / "models.yaml").values()
    except RegistryError:
        return None
    place = str(Path(base).resolve())
    return next((pair for pair in pairs if base == pair.base.repo or place == pair.base.path), None)


def licence_of(base: str) -> str | None:
    """The base's licence: from the registry, else from the card in its folder."""
    known = pair_of(base)
    if known:
        return known.licence
    try:
        card = (Path(base) / "README.md").read_text(encoding="utf-8")
        front = yaml.safe_load(card.split("---")[1]) if card.startswith("---") else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, IndexError):
        return None
    return str(front["license"]) if isinstance(front, dict) and front.get("license") else None


def _base(config: FinetuneConfig, commit: str | None) -> dict[str, str]:
    if (Path(config.base) / "config.json").is_file():
        return {"path": str(Path(config.base).resolve())}
    return {"repo": config.base, "revision": commit or config.revision or "main"}
