"""What the admins' tabs over the pipeline stand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mi_arena.access.identity import Identities
from mi_arena.jobs.data_steps import DATA_STEPS
from mi_arena.jobs.evaluate_steps import evaluate_steps
from mi_arena.jobs.finetune_form import MODULE, ON_HUB
from mi_arena.jobs.inputs import Inputs
from mi_arena.jobs.launching import Launcher
from mi_arena.jobs.scripts import NEEDED_SECRETS
from mi_arena.pairs import Pair, load_registry
from mi_arena.serving import Serving
from mi_arena.settings import ROOT
from mi_arena.ui.gate import Tickets
from mi_arena.ui.pipeline.downloads import Downloads

ASSETS = ROOT / "mi_arena" / "assets"
RELEASE = "mi_arena.release"
BUILT_IN = {f"mi_zh/{name}": ASSETS / "mi_zh" / name for name in ("train.jsonl", "test.jsonl")}


@dataclass(frozen=True)
class PipelineTools:
    """Runs, the files to choose from, and the way to fetch what came out."""

    launcher: Launcher
    inputs: Inputs
    downloads: Downloads
    tickets: Tickets
    """For uploads."""
    serving: Serving
    pairs: Sequence[Pair]
    """Of the registry."""
    models: Path
    """The registry's file."""
    data: Path
    """The folder of the app's records."""
    has_key: bool
    """Whether scripts find a key for the model that rates and rewrites."""
    release: str | None = None
    """The public dataset that a release goes to, owner/name."""


def pipeline_tools(
    runs: Path,
    data: Path,
    models: Path,
    identities: Identities,
    serving: Serving,
    has_key: bool,
    release: str | None = None,
) -> PipelineTools:
    """``runs`` is the folder of all runs and uploads, ``data`` that of the app's records; neither
    need be there yet.

    Raises ``RegistryError`` where ``models`` is no registry.
    """
    inputs = Inputs(runs, BUILT_IN)
    steps = (*DATA_STEPS, *evaluate_steps(data))
    scripts = {step.module for step in steps} | {MODULE, ON_HUB, RELEASE}
    launcher = Launcher(runs, scripts, ROOT, NEEDED_SECRETS)
    ways = Downloads(inputs, identities.keyed), Tickets(identities.members)
    pairs = list(load_registry(models).values())
    return PipelineTools(launcher, inputs, *ways, serving, pairs, models, data, has_key, release)
