"""What the admins' tabs over the pipeline stand on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mi_arena.access.keyed import Keyed
from mi_arena.jobs.data_steps import DATA_STEPS
from mi_arena.jobs.finetune_form import MODULE, ON_HUB
from mi_arena.jobs.inputs import Inputs
from mi_arena.jobs.launching import Launcher
from mi_arena.jobs.scripts import NEEDED_SECRETS
from mi_arena.pairs import Pair
from mi_arena.serving import Serving
from mi_arena.settings import ROOT
from mi_arena.ui.pipeline.downloads import Downloads

ASSETS = ROOT / "mi_arena" / "assets"
BUILT_IN = {f"mi_zh/{name}": ASSETS / "mi_zh" / name for name in ("train.jsonl", "test.jsonl")}


@dataclass(frozen=True)
class PipelineTools:
    """Runs, the files to choose from, and the way to fetch what came out."""

    launcher: Launcher
    inputs: Inputs
    downloads: Downloads
    serving: Serving
    bases: Sequence[Pair]
    """Pairs whose base can be tuned."""
    has_key: bool
    """Whether scripts find a key for the model that rates and rewrites."""


def pipeline_tools(
    runs: Path, keyed: Keyed, serving: Serving, registry: Iterable[Pair], has_key: bool
) -> PipelineTools:
    """``runs`` is the folder of all runs and uploads; it need not be there yet."""
    inputs = Inputs(runs, BUILT_IN)
    scripts = {step.module for step in DATA_STEPS} | {MODULE, ON_HUB}
    launcher = Launcher(runs, scripts, ROOT, NEEDED_SECRETS)
    bases = [pair for pair in registry if pair.server is None]
    return PipelineTools(launcher, inputs, Downloads(inputs, keyed), serving, bases, has_key)
