"""The words of the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from mi_arena.llm.asking_options import amount
from training.on_hub.hardware import SHORTEST, seconds
from training.on_hub.job_spec import IMAGE

FLAVOR = "l40sx1"


def parse(argv: list[str] | None, description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m training.on_hub",
        description=description,
        epilog="For the config's keys see python -m training.finetune --help.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("config", type=Path, help="YAML file, as for training.finetune")
    add("--out", type=Path, metavar="RUN", help="run directory (default runs/CONFIG-NAME)")
    add("--flavor", default=FLAVOR, help=f"machine (default {FLAVOR}); see `hf jobs hardware`")
    add(
        "--timeout",
        type=seconds,
        default=seconds("6h"),
        metavar="TIME",
        help="the job ends after this time at the latest, having saved: 90m, 6h, 1d (default 6h)",
    )
    add(
        "--max-cost",
        type=amount,
        metavar="USD",
        help="shorten --timeout so that the run, earlier jobs included, costs no more by the "
        "Hub's price list",
    )
    add("--namespace", help="who pays: you or an organization (default the token's account)")
    add("--repo", help="dataset repository for the files (default NAMESPACE/mi-arena-runs)")
    add("--image", default=IMAGE, help=f"Docker image with Python and torch (default {IMAGE})")
    for option, default, unit, about in (
        ("--poll", 15.0, "SECONDS", "between two looks at the job"),
        ("--publish", 60.0, "SECONDS", "between two uploads of the job, at least"),
        ("--offline", 60.0, "MINUTES", "go on trying for so long while the Hub is out of reach"),
    ):
        text = f"{about} (default {default:g})"
        add(option, type=amount, default=default, metavar=unit, help=text)
    add("--json", action="store_true", help="print how it ended as JSON")
    options = parser.parse_args(argv)
    if options.timeout < SHORTEST:
        parser.error(f"--timeout: at least {SHORTEST // 60}m, or nothing is done when it ends")
    return options
