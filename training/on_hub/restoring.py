"""In the job: the run's folder as files, as an earlier job of the run has left it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from mi_arena.hub.patience import Patience
from training.on_hub.store import CONFIG, INPUTS, OUTCOME, RUN, STOP, RunStore


def restore(store: RunStore, working: Path, patient: Patience) -> None:
    """Config and inputs into the working directory, the run directory below it."""
    (working / RUN).mkdir(parents=True, exist_ok=True)

    def names() -> list[str]:
        return [CONFIG, *store.files(INPUTS), *store.files(RUN)]

    for name in patient("the run's files", names):
        if name in (OUTCOME, STOP):
            continue
        target = working / name.removeprefix(f"{INPUTS}/")
        patient(name, partial(store.fetch, name, target))
