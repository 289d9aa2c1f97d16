"""``python -m eval.simulate``: arguments, exit codes, and what is said at the end."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path
from typing import Any

from eval.respond.chosen import chosen_pair, price_within_limit, ways_to
from eval.respond.registry_option import add_models
from eval.respond.systems import Prompts, load_mi_prompt, parse_systems
from eval.simulate.asking import HowToAsk, Priced
from eval.simulate.client_prompt import FILE, load_client_prompt
from eval.simulate.clients import PARAMETERS
from eval.simulate.counsellors import Settings
from eval.simulate.profiles import OURS, load_profiles
from eval.simulate.run import NAME, ClientModel, Task, check_same_run, simulate
from mi_arena.chat_formats import FORMATS
from mi_arena.jobs.ending import exit_code, noted
from mi_arena.jobs.run_directory import RunDirectory, alone_in
from mi_arena.jobs.same_means import check_out
from mi_arena.jobs.script import BadInput
from mi_arena.llm.answers import NAME as ANSWERS
from mi_arena.llm.answers import check_same_answers
from mi_arena.llm.asking_options import add_asking, whole
from mi_arena.llm.endpoint import KEY_VARIABLE, endpoint_from

ROUNDS, BATCH = 8, 64
RULES, LOCAL = "rules", "local:"

DESCRIPTION = f"""\
Let simulated clients talk to the systems of a pair, each client to every system under the same
profile and seed, and write the talks as dialogues that the judge codes and the experts' workspace
imports. Systems: base, base_prompted, tuned, remote:NAME (see python -m eval.respond --help).

A client has a readiness and an engagement that its counsellor's replies move by rules: readiness
rises only by what was earned (reflections, open questions, affirmations, support of autonomy), and
falls with unasked advice, confrontation and lectures. Both decide how the client speaks next and
when it commits itself or leaves. What a reply did is told by a table of word patterns in Chinese
and English, whoever words the client: the same words move every client alike, without a network.

Who words the client's turns (--client):
  rules        sentences of the profile itself; no model (the default)
  MODEL        a model behind an OpenAI-compatible endpoint, told the profile and its stance
               ({FILE}); the key comes from {KEY_VARIABLE} alone
  local:DIR    a model in a folder, run here; name its --client-format

Replies are sampled as the pair does in a battle. A sign of danger in what either says ends a talk;
such talks, and those in which the counsellor said nothing, go to OUT.left-out.jsonl.

The same command, after any stop or kill, goes on where it was; OUT is written when all is there.

Exit codes: 0 done, 2 bad input, 3 stopped by --max-cost or by a signal (the last line says which).
"""


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {NAME}",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--pair", required=True, metavar="ID", help="of models.yaml")
    add(
        "--profiles", type=Path, default=OURS, metavar="FILE",
        help=f"clients as YAML (default {OURS.name} beside this script)",
    )  # fmt: skip
    add("--out", type=Path, required=True, metavar="OUT.jsonl", help="where transcripts go")
    add("--rounds", type=whole, default=ROUNDS, metavar="N", help=f"at most (default {ROUNDS})")
    add("--client", default=RULES, metavar="WHO", help=f"{RULES}, MODEL or {LOCAL}DIR")
    add("--client-format", metavar="NAME", help=f"of {LOCAL}DIR: {', '.join(sorted(FORMATS))}")
    add(
        "--systems", default="base,tuned", metavar="NAMES",
        help="separated by commas (default %(default)s)",
    )  # fmt: skip
    add("--seed", type=int, default=0, metavar="S", help="of clients and of sampling (default 0)")
    add_models(parser)
    add("--limit", type=whole, metavar="N", help="the first N profiles alone")
    add(
        "--batch", type=whole, default=BATCH, metavar="N",
        help=f"replies made at once, as memory allows (default {BATCH})",
    )  # fmt: skip
    add("--run", type=Path, metavar="DIR", help="run directory (default OUT.jsonl.run)")
    add("--json", action="store_true", help="the summary as one JSON object on standard output")
    add_asking(parser, "the run directory")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code. No text of a talk and no key is ever printed."""
    options = parse(argv)
    return exit_code(NAME, lambda: _run(_task(options), options.json))


def _run(task: Task, as_json: bool) -> None:
    config = task.config()
    check_same_run(task, config)
    if task.ways or (task.client and task.client.asked):
        check_same_answers(task.run, task.asking.answers)
    task.out.parent.mkdir(parents=True, exist_ok=True)
    # The lock comes first: another process's status is not ours to overwrite.
    with alone_in(task.run, "--run"):
        directory = RunDirectory(task.run)
        directory.start(config, task.steps)
        with noted(directory):
            told = asyncio.run(simulate(task, config, directory))
            directory.log(f"done, {task.out}")
    print(json.dumps(told, ensure_ascii=False) if as_json else "\n".join(_lines(told)))


def _task(options: argparse.Namespace) -> Task:
    check_out(options.out, options.profiles, "the profiles")
    profiles = load_profiles(options.profiles, options.limit)
    systems = parse_systems(options.systems)
    pair = chosen_pair(options.models, options.pair, systems)
    run = options.run or options.out.with_name(options.out.name + ".run")
    return Task(
        profiles=profiles,
        profiles_path=options.profiles,
        settings=Settings(
            pair=pair,
            systems={system.name: system for system in systems},
            decoding=pair.decoding,
            seed=options.seed,
            batch=options.batch,
            prompts=Prompts(pair.system_prompt, load_mi_prompt()),
            ways=ways_to(systems, pair, pair.decoding, options),
        ),
        client=_client(options),
        rounds=options.rounds,
        limit=options.limit,
        out=options.out,
        run=run,
        asking=HowToAsk(
            answers=options.answers or run / ANSWERS,
            run=run,
            at_once=options.concurrency,
            max_cost=options.max_cost,
        ),
    )


def _client(options: argparse.Namespace) -> ClientModel | None:
    who = options.client.strip()
    if who == RULES:
        return None
    prompt = load_client_prompt()
    if who.startswith(LOCAL):
        folder = Path(who.removeprefix(LOCAL))
        if options.client_format not in FORMATS:
            raise BadInput(
                f"--client-format: name the format of {folder}: {', '.join(sorted(FORMATS))}"
            )
        if not (folder / "config.json").is_file():
            raise BadInput(f"--client: no config.json in {folder}: name a model's folder")
        return ClientModel(who, prompt, folder=folder, chat_format=options.client_format)
    try:
        endpoint = endpoint_from(who, options.base_url, PARAMETERS, options.timeout)
    except BadInput as error:
        raise BadInput(str(error).replace("--model:", "--client:")) from None
    return ClientModel(who, prompt, asked=Priced(endpoint, price_within_limit(endpoint, options)))


def _lines(told: dict[str, Any]) -> list[str]:
    lines = [
        f"{told['n_clients']} clients, worded by {told['client']['model']}, pair {told['pair']}, "
        f"seed {told['seed']}: {told['out']}"
    ]
    for name, one in told["systems"].items():
        ended = ", ".join(f"{ending} {count}" for ending, count in one["ended"].items())
        lines.append(
            f"{name}: {one['n']} talks, ended by {ended}; readiness {one['readiness_start']:.2f} "
            f"to {one['readiness_end']:.2f}, change {_estimate(one['readiness_change'])}"
        )
        if one["left_out"]:
            why = ", ".join(f"{kind} {count}" for kind, count in one["left_out"].items())
            lines.append(f"{name}: not for raters, in the file beside it: {why}")
        if one["client_turns_spare"]:
            lines.append(
                f"{name}: client turns for which the model had nothing fit: "
                f"{one['client_turns_spare']}"
            )
    for one in told["differences"]:
        lines.append(
            f"{one['system']} - {one['against']}: {_estimate(one['readiness_change'])}, "
            f"{one['readiness_change']['method']}"
        )
    return [*lines, told["caution"]]


def _estimate(one: dict[str, Any]) -> str:
    if one["mean"] is None:
        return f"undefined ({one['reason']})"
    interval = (
        f"[{one['low']:+.2f}, {one['high']:+.2f}]"
        if one["low"] is not None
        else f"no interval: {one['reason']}"
    )
    return f"{one['mean']:+.2f} ({interval}, n = {one['n']})"
