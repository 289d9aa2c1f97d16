"""Asks the fine-tuning script what can be known before a start; nothing is trained."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mi_arena.jobs.finetune_form import CONFIG_NAME, MODULE
from mi_arena.jobs.places import environment
from mi_arena.jobs.script import DONE
from mi_arena.jobs.scripts import NEEDED_SECRETS
from mi_arena.settings import ROOT

LONGEST_SECONDS = 300


class CannotStart(ValueError):
    """The script's own line saying why it would refuse."""


def check(text: str, devices: int = 1, elsewhere: bool = False) -> dict[str, Any]:
    """The report of ``training.finetune --check --json`` on a config. Raises ``CannotStart``.

    ``elsewhere``: it will run on another machine, so that this one's memory says nothing.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / CONFIG_NAME
        file.write_text(text, encoding="utf-8")
        try:
            ended = subprocess.run(
                [
                    *(sys.executable, "-m", MODULE, str(file), "--check", "--json"),
                    *(f"--out={folder}/run", f"--devices={devices}"),
                    *(["--elsewhere"] if elsewhere else []),
                ],
                cwd=ROOT,
                env=environment(NEEDED_SECRETS[MODULE]),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LONGEST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CannotStart(f"no answer within {LONGEST_SECONDS} seconds") from None
    if ended.returncode == DONE:
        report: dict[str, Any] = json.loads(ended.stdout)
        return report
    lines = [line for line in ended.stderr.splitlines() if line.strip()]
    last = lines[-1] if lines else f"exit code {ended.returncode}"
    # The temporary file's name says nothing to whoever filled in the form.
    raise CannotStart(last.removeprefix(f"{MODULE}: ").replace(f"{file}: ", ""))
