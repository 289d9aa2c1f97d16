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

from mi_arena.jobs.script import BadInput
from mi_arena.study.audit import Audit, EpochAudit, Problem, audit
from mi_arena.study.before_audit import Release, Since, compare
from mi_arena.study.release_reading import read_release, whole_rows
from mi_arena.study.rows_audit import rows_audit

HOLDS, UNREADABLE, DOES_NOT_HOLD = 0, 2, 4
SHOWN = 20
"""Problems of one epoch that the text lists; ``--json`` has all."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Recomputes, for every closed epoch of a released dataset: the commitment from the seed, "
        "the fingerprint from what was served, and every battle's side from the seed and its "
        "allocation index. Tells gaps in the indices (battles that the release leaves out, which "
        "it must count by reason) and whatever does not fit: battles, judgements and codings must "
        "say alike what stood on which side, and each battle has one judgement. A "
        "commitment convinces only whoever saw it before its seed was told: note those of open "
        "epochs, or keep the release and name it with --before once they are closed."
    )
    parser.epilog = (
        "Exit codes: 0 everything holds; 2 a folder can't be read; "
        "4 it can be read, and something does not hold."
    )
    parser.add_argument("folder", metavar="DATASET_DIR", type=Path, help="the release's folder")
    parser.add_argument(
        "--before", metavar="OLD_DIR", type=Path,
        help="an older release: its commitments must be the same, and so must the rows of epochs "
        "that were closed, but for what was withdrawn",
    )  # fmt: skip
    parser.add_argument("--epoch", help="only this one")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(options: argparse.Namespace) -> int:
    try:
        found, since = audit_of(options.folder, options.before)
        if options.epoch is not None:
            found = _only(found, options.epoch, options.folder)
    except BadInput as error:
        print(f"error: {_plain(str(error))}", file=sys.stderr)
        return UNREADABLE
    if options.json:
        print(json.dumps(_as_json(found, since), ensure_ascii=False))
    else:
        print("\n".join(map(_plain, _as_text(found, since))))
    return HOLDS if found.holds else DOES_NOT_HOLD


def audit_of(folder: Path, before: Path | None = None) -> tuple[Audit, Since | None]:
    """The audit of a release's folder, against an older one if it is named. Raises ``BadInput``."""
    told = read_release(folder)
    problems, since = rows_audit(told), None
    if before is not None:
        older = Release(read_release(before), whole_rows(before))
        more, since = compare(older, Release(told, whole_rows(folder)))
        problems += more
    return audit(told, problems), since


def _only(found: Audit, name: str, folder: Path) -> Audit:
    epochs = [one for one in found.epochs if one.epoch == name]
    if not epochs:
        raise BadInput(f"--epoch {name}: {folder} has no such epoch")
    return Audit(epochs, [])


def _as_json(found: Audit, since: Since | None) -> dict[str, Any]:
    return {
        "holds": found.holds,
        "epochs": [_epoch_as_json(one) for one in found.epochs],
        "others": [one._asdict() for one in found.others],
        "since": since and since._asdict(),
    }


def _epoch_as_json(one: EpochAudit) -> dict[str, Any]:
    return {
        "epoch": one.epoch,
        "open": one.open,
        "commitment": one.commitment,
        "holds": one.holds,
        "begun": one.begun,
        "battles": one.battles,
        "withheld": dict(one.withheld),
        "gaps": one.gaps,
        "doubled": one.doubled,
        "problems": [problem._asdict() for problem in one.problems],
    }


def _as_text(found: Audit, since: Since | None) -> list[str]:
    lines = []
    for one in found.epochs:
        lines += [_head(one), f"  commitment: {one.commitment}"]
        if one.gaps:
            reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(one.withheld.items()))
            lines.append(f"  withheld: {reasons or 'no reason named'}; indices {ranges(one.gaps)}")
        if one.doubled:
            lines.append(
                f"  {len(one.doubled)} battles have the index of another, given by a second copy "
                f"of the app: {ranges(sorted(set(one.doubled)))}"
            )
        lines += _problems(one.problems)
    if found.others:
        lines += ["of no epoch that is told:", *_problems(found.others)]
    if since is not None:
        lines.append(
            f"since the older release: battles withdrawn {since.withdrawn}, held back "
            f"{since.held_back}, come in {since.come}; judgements counted otherwise "
            f"{since.recounted}"
        )
    return [*lines, "everything holds" if found.holds else "something does not hold"]


def _head(one: EpochAudit) -> str:
    if one.open and one.holds:
        return f"{one.epoch}: open; note its commitment, which must be the same once it is closed"
    return (
        f"{one.epoch}: {'holds' if one.holds else 'DOES NOT HOLD'}; "
        f"{one.battles} of {'?' if one.begun is None else one.begun} battles checked"
    )


def _problems(problems: Sequence[Problem]) -> list[str]:
    lines = [f"  {one.battle or one.epoch or '–'}: {one.what}" for one in problems[:SHOWN]]
    if len(problems) > SHOWN:
        lines.append(f"  and {len(problems) - SHOWN} more; --json has all")
    return lines


def ranges(numbers: Sequence[int]) -> str:
    """Sorted numbers as ``0, 3-5``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and parts[-1][1] == number - 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def _plain(line: str) -> str:
    """Whatever a release says stays on its line: it must not pass for a word of this command."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in line)
