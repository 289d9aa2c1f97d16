"""Machines for rent: their GPUs, their price, and how long a sum of money lasts on one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from huggingface_hub import HfApi, JobHardwareInfo

from mi_arena.jobs.script import BadInput, LimitReached

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
PER_HOUR = {"second": 3600, "minute": 60, "hour": 1}
SHORTEST = 600
"""Seconds below which a job isn't worth its start."""


@dataclass(frozen=True)
class Flavor:
    """One kind of machine."""

    name: str
    gpus: int
    """0 where it has none."""
    device: str
    usd_per_hour: float | None
    """``None`` where the Hub's price list doesn't say."""


def flavors(api: HfApi) -> list[Flavor]:
    """The Hub's own list, with its prices."""
    return [_flavor(machine) for machine in api.list_jobs_hardware()]


def _flavor(machine: JobHardwareInfo) -> Flavor:
    unit, chip = PER_HOUR.get(machine.unit_label), machine.accelerator
    gpus = int(chip.quantity) if chip and chip.type == "gpu" and chip.quantity.isdigit() else 0
    return Flavor(
        machine.name,
        gpus,
        f"{gpus} x {chip.model}, {chip.vram}" if chip and gpus else machine.cpu,
        machine.unit_cost_usd * unit if unit else None,
    )


def flavor_named(machines: list[Flavor], name: str) -> Flavor:
    """Raises ``BadInput`` naming those that there are."""
    for machine in machines:
        if machine.name == name:
            return machine
    known = ", ".join(machine.name for machine in machines)
    raise BadInput(f"--flavor {name}: there is no such machine; there are: {known}")


def seconds(text: str) -> int:
    """``90m``, ``1.5h``, ``2d`` or a number of seconds."""
    number, unit = (text[:-1], UNITS[text[-1]]) if text[-1:] in UNITS else (text, 1)
    found = float(number) * unit
    if not math.isfinite(found) or found < 1:
        raise ValueError
    return int(found)


seconds.__name__ = "duration (as 90m, 6h or 1d)"  # as argparse tells it


def within_cost(flavor: Flavor, timeout: int, most: float, spent: float) -> int:
    """The seconds, at most ``timeout``, after which ``most`` USD of this run are used up.

    Raises ``LimitReached`` where earlier jobs of the run have left too little of it.
    """
    if not flavor.usd_per_hour:
        raise BadInput(
            f"--max-cost: the Hub names no price for {flavor.name}; use --timeout instead"
        )
    left = max(0, int((most - spent) / flavor.usd_per_hour * 3600))
    if left >= min(SHORTEST, timeout):
        return min(left, timeout)
    line = (
        f"--max-cost: {most:g} USD, of which this run has used {spent:.2f}, leave {left // 60} "
        f"minutes of {flavor.name}; raise it"
    )
    raise LimitReached(line) if spent else BadInput(line)
