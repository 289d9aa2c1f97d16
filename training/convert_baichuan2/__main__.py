"""Turn an original Baichuan2-7B checkpoint into a plain Llama that stock classes load.

Weights, tokenizer and generation defaults of SRC go to DST, all or nothing; the original's own code
never runs. The tokenizer must give the ids of sentencepiece on built-in texts, on every piece of
its vocabulary and on what --check names, or nothing is written. LoRA adapters on W_pack become
exactly equal ones on q, k and v. Back it goes only where q, k and v share their A matrix: LoRA on
q, k and v apart is not the same family of updates as LoRA on W_pack.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mi_arena.jobs.ending import ANEW, exit_code, noted
from mi_arena.jobs.run_directory import RunDirectory
from mi_arena.jobs.script import (
    BadInput,
    stop_on_terminate,
)

NAME = "training.convert_baichuan2"
SMALLEST_SHARD = 1 << 10


def gigabytes(text: str) -> int:
    size = float(text) * 1e9
    if not SMALLEST_SHARD <= size < 1e15:
        raise argparse.ArgumentTypeError(f"{text} GB is no size for a file")
    return int(size)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {NAME}",
        description=__doc__,
        epilog="Exit codes: 0 done, 2 bad input (one line says how to mend it), 3 stopped, "
        "1 a fault of ours.",
    )
    add = parser.add_argument
    add("source", nargs="?", type=Path, metavar="SRC", help="the downloaded Baichuan2-7B folder")
    add(
        "target",
        nargs="?",
        type=Path,
        metavar="DST",
        help="the folder to write; an earlier conversion there is replaced, anything else is not",
    )
    add(
        "--check",
        nargs="+",
        action="extend",
        default=[],
        metavar="TEXT_FILE_OR_TEXT",
        help="further texts on which the ids must agree: a text, a file (line by line) or a "
        "dialogue JSONL (.gz allowed)",
    )
    add(
        "--dtype",
        choices=("bfloat16", "float16", "float32"),
        help="number format of the weights (as in the checkpoint's config)",
    )
    add(
        "--shard-gb",
        type=gigabytes,
        default=gigabytes("2"),
        dest="shard_bytes",
        metavar="GB",
        help="size of a file of weights, and about the memory that is needed (2)",
    )
    ways = parser.add_mutually_exclusive_group()
    ways.add_argument(
        "--adapter", type=Path, metavar="W_PACK_ADAPTER", help="LoRA of the original, to the Llama"
    )
    ways.add_argument(
        "--adapter-back", type=Path, metavar="LLAMA_ADAPTER", help="LoRA of the Llama, to W_pack"
    )
    add(
        "--adapter-out",
        type=Path,
        metavar="DIR",
        help="where the converted adapter goes; SRC and DST may be left out then",
    )
    add("--json", action="store_true", help="print what was done as JSON")
    add("--run", type=Path, metavar="DIR", help="run directory, for a program to follow")
    return parser.parse_args(argv)


def check_arguments(arguments: argparse.Namespace) -> None:
    adapter = arguments.adapter or arguments.adapter_back
    if arguments.source and not arguments.target:
        raise BadInput(f"DST is missing: where shall the conversion of {arguments.source} go?")
    if not arguments.source and not adapter:
        raise BadInput("name SRC and DST, or an adapter (--help says more)")
    if bool(adapter) != bool(arguments.adapter_out):
        raise BadInput("--adapter-out goes with --adapter or --adapter-back, and they with it")


def run_all(arguments: argparse.Namespace, run: RunDirectory | None) -> dict[str, Any]:
    """Check everything, then write; returns what was done."""
    check_arguments(arguments)
    from tqdm import tqdm

    from training.convert_baichuan2.adapters import turned
    from training.convert_baichuan2.config import read_config
    from training.convert_baichuan2.folder import ADAPTER_FORMAT, check_target
    from training.convert_baichuan2.making import Options, convert

    config = read_config(arguments.source) if arguments.source else None
    back = arguments.adapter_back is not None
    adapter = None
    if arguments.adapter_out:
        # Told now, not after the weights have been written.
        check_target(arguments.adapter_out.resolve(), "--adapter-out", ADAPTER_FORMAT)
        shape = config.shape if config and not back else None
        adapter = turned(arguments.adapter_back or arguments.adapter, back, shape)
    told: dict[str, Any] = {}
    if config:
        with tqdm(unit="B", unit_scale=True, disable=None, leave=False) as bar:

            def progress(step: str, done: int, total: int) -> None:
                bar.total = total
                bar.set_description(step, refresh=False)
                bar.update(done - bar.n)
                if run:
                    run.progress(min(99, 100 * done // total))

            options = Options(
                arguments.source,
                arguments.target,
                arguments.check,
                arguments.dtype,
                arguments.shard_bytes,
            )
            told["model"] = convert(options, config, progress)
    if adapter:
        base = arguments.source if back else arguments.target
        told["adapter"] = {
            "folder": str(arguments.adapter_out),
            "direction": "llama to W_pack" if back else "W_pack to llama",
            "modules": len(adapter.adapter),
            "written": adapter.write(arguments.adapter_out, str(base) if base else None),
        }
    return told


def as_text(told: dict[str, Any]) -> str:
    lines = []
    if model := told.get("model"):
        compared = model["compared"]
        lines.append(
            f"tokenizer: {compared['ids']} ids of {compared['texts']} texts as in sentencepiece"
        )
        commit = f" from commit {model['commit']}" if model["commit"] else ""
        lines.append(
            f"{model['folder']}: written{commit}, {model['bytes'] / 1e9:.2f} GB of "
            f"{model['dtype']} in {model['shards']} file(s)"
            if model["written"]
            else f"{model['folder']}: holds this conversion already; nothing to do"
        )
    if adapter := told.get("adapter"):
        lines.append(
            f"{adapter['folder']}: adapter written, {adapter['direction']}, "
            f"{adapter['modules']} linear maps"
            if adapter["written"]
            else f"{adapter['folder']}: holds this adapter already; nothing to do"
        )
    return "\n".join(lines)


def config_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What repeats the run, in plain YAML."""
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(arguments).items()
        if name != "run"
    }


def main(argv: list[str] | None = None) -> int:
    arguments = parse(argv)

    def work() -> None:
        run: RunDirectory | None = None
        if arguments.run:
            run = RunDirectory(arguments.run)
            run.start(config_of(arguments), 100)
        with noted(run):
            told = run_all(arguments, run)
            if run:
                run.progress(100)
        print(json.dumps(told, ensure_ascii=False, indent=1) if arguments.json else as_text(told))

    return exit_code(NAME, work, ANEW)


if __name__ == "__main__":
    stop_on_terminate()
    raise SystemExit(main())
