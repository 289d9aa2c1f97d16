"""``python -m mi_arena.study verify``: anybody can check that sides were allocated as committed.

Needs the release's folder and nothing of the study's own.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas
from pydantic import TypeAdapter, ValidationError

from mi_arena.study.audit import BattleTold, EpochAudit, EpochTold, audit

HOLDS, UNREADABLE, DOES_NOT_HOLD = 0, 2, 4
EPOCHS = "epochs.json"
_EPOCHS: TypeAdapter[list[EpochTold]] = TypeAdapter(list[EpochTold])
SHOWN = 20
"""Problems of one epoch that the text lists; ``--json`` has all."""


class Unreadable(ValueError):
    """The release can't be read; one line with what to do."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Recomputes, for every closed epoch of a released dataset: the commitment from the seed, "
        "the fingerprint from what was served, and every battle's side from the seed and its "
        "allocation index. Tells gaps in the indices (battles that the release leaves out, which "
        "it must count by reason) and every battle that does not fit."
    )
    parser.epilog = (
        "Exit codes: 0 everything holds; 2 the folder can't be read; "
        "4 it can be read, and something does not hold."
    )
    parser.add_argument("folder", metavar="DATASET_DIR", type=Path, help="the release's folder")
    parser.add_argument("--epoch", help="only this one")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(options: argparse.Namespace) -> int:
    try:
        found = audit_of(options.folder)
        if options.epoch is not None:
            found = [one for one in found if one.epoch == options.epoch]
            if not found:
                raise Unreadable(f"--epoch {options.epoch}: {options.folder} has no such epoch")
    except Unreadable as error:
        print(f"error: {error}", file=sys.stderr)
        return UNREADABLE
    holds = all(one.holds for one in found)
    if options.json:
        told = {"holds": holds, "epochs": [_as_json(one) for one in found]}
        print(json.dumps(told, ensure_ascii=False))
    else:
        print("\n".join(_as_text(found, holds=holds)))
    return HOLDS if holds else DOES_NOT_HOLD


def audit_of(folder: Path) -> list[EpochAudit]:
    """The audit of a release's folder. Raises ``Unreadable``."""
    try:
        epochs = _EPOCHS.validate_json((folder / EPOCHS).read_bytes())
    except OSError as error:
        raise Unreadable(
            f"{folder / EPOCHS}: {error.strerror}; name the folder of a whole release"
        ) from None
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Unreadable(
            f"{folder / EPOCHS}: {where}: {first['msg']}; download the release again"
        ) from None
    battles = _columns(folder, "battles", BattleTold._fields)
    judged = _columns(folder, "judgements", ("about", "battle", "a_system", "b_system"))
    sides = {battle: (a, b) for about, battle, a, b in judged if about == "battle"}
    return audit(epochs, (BattleTold(str(b), str(e), int(i), str(s)) for b, e, i, s in battles),
                 sides)  # fmt: skip


def _columns(folder: Path, table: str, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """The rows of a table, these columns only. Raises ``Unreadable``."""
    files = sorted((folder / table).glob("*.parquet"))
    if not files:
        raise Unreadable(f"{folder / table}: has no parquet file; name a whole release's folder")
    rows: list[tuple[Any, ...]] = []
    for file in files:
        try:
            read = pandas.read_parquet(file, columns=list(names))
            rows += read[list(names)].itertuples(index=False, name=None)
        except (OSError, ValueError, KeyError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else "damaged"
            raise Unreadable(f"{file}: {reason}; download the release again") from None
    return rows


def _as_json(one: EpochAudit) -> dict[str, Any]:
    return {
        "epoch": one.epoch,
        "open": one.open,
        "holds": one.holds,
        "begun": one.begun,
        "battles": one.battles,
        "withheld": dict(one.withheld),
        "gaps": one.gaps,
        "doubled": one.doubled,
        "problems": [problem._asdict() for problem in one.problems],
    }


def _as_text(found: list[EpochAudit], *, holds: bool) -> list[str]:
    lines = []
    for one in found:
        if one.open and one.holds:
            lines.append(f"{one.epoch}: open; only its commitment is told")
            continue
        lines.append(
            f"{one.epoch}: {'holds' if one.holds else 'DOES NOT HOLD'}; "
            f"{one.battles} of {one.begun} battles checked"
        )
        if one.gaps:
            reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(one.withheld.items()))
            lines.append(f"  withheld: {reasons or 'no reason named'}; indices {ranges(one.gaps)}")
        if one.doubled:
            lines.append(
                f"  {len(one.doubled)} battles have the index of another, given by a second copy "
                f"of the app: {ranges(sorted(set(one.doubled)))}"
            )
        lines += [
            f"  {problem.battle or 'the epoch'}: {problem.what}" for problem in one.problems[:SHOWN]
        ]
        if len(one.problems) > SHOWN:
            lines.append(f"  and {len(one.problems) - SHOWN} more; --json has all")
    return [*lines, "everything holds" if holds else "something does not hold"]


def ranges(numbers: Sequence[int]) -> str:
    """Sorted numbers as ``0, 3-5``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
