"""``python -m mi_arena.safety evaluate``: recall and false alarms on labelled lines, no texts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator

from mi_arena.safety.evaluation import Evaluation, Share, evaluate
from mi_arena.safety.lines import BadLines, LabelledLine, read_lines


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        'Reads lines {"text", "speaker", "lang", "stop", "category"} and prints how many of those '
        "to be stopped the patterns stop, and how many of the others; never a text."
    )
    parser.epilog = "Exit codes: 0 done; 2 what can't be read, in one line."
    parser.add_argument("file", metavar="FILE", help="a labelled .jsonl file; - for stdin")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def run(options: argparse.Namespace) -> int:
    try:
        found = evaluate(read_lines(options.file, LabelledLine))
    except BadLines as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps({name: _as_json(share) for name, share in _rows(found)}))
    else:
        for name, share in _rows(found):
            print(f"{name:44} {_told(share)}")
    return 0


def _rows(found: Evaluation) -> Iterator[tuple[str, Share]]:
    yield "recall", found.recall
    yield "false_alarms", found.false_alarms
    yield "named", found.named
    for kind, share in found.recall_of.items():
        yield f"recall.{kind}", share
    for (speaker, lang), share in found.recall_among.items():
        yield f"recall.{speaker}.{lang}", share
    for (speaker, lang), share in found.false_alarms_among.items():
        yield f"false_alarms.{speaker}.{lang}", share
    for category, hits in found.false_alarms_as.items():
        yield f"false_alarms_as.{category}", Share(hits, found.false_alarms.n)


def _as_json(share: Share) -> dict[str, object]:
    return {"hits": share.hits, "n": share.n, "value": share.value, "interval": share.interval}


def _told(share: Share) -> str:
    if share.value is None or share.interval is None:
        return "undefined: no such line"
    low, high = share.interval
    return f"{share.value:.3f}  [{low:.3f}, {high:.3f}]  {share.hits}/{share.n}"
