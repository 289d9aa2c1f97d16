"""``python -m benchmarks.load``: raters at once, while everything around them fails.

The app runs as a process with the demo pair and a stand-in of the Hub that fails at random. It is
killed twice and started again, and for a while no file of it can grow. In the end what raters were
told is held against the store, and the store against the dataset.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from benchmarks.__main__ import machine
from benchmarks.load.app_process import AppProcess
from benchmarks.load.page_client import NO_TIMEOUT, load_page
from benchmarks.load.raters import Seen, rate
from benchmarks.load.reconcile import Reconciled, reconcile
from benchmarks.load.watch import Watched, watch
from tests.ports import free_port
from tests.training.on_hub.hub_stand_in import TOKEN, Fault, HubStandIn, Repo

REPO = "me/arena-records"
KILLS = (0.25, 0.65)
"""Shares of the time at which the app is killed."""
DISK_FULL = (0.45, 0.50)
FAULTS = (
    Fault("POST", "/commit/", 500, done_first=True),
    Fault("POST", "/commit/", 500),
    Fault("POST", "/commit/", 429, {"Retry-After": "2"}),
    Fault("POST", "/commit/", 412),
    Fault("POST", "/commit/", None),
    Fault("GET", "/api/datasets/", 503),
    Fault("GET", "/api/datasets/", None),
)
"""What happens to the Hub's next request now and then: an answer lost, none, a wait, another's
commit first."""
FAULT_EACH = 4.0
"""Seconds between two at the mean. One that met no request gives way to the next: the Hub is bad
all the time, it doesn't save its faults for whoever comes back."""
PAGE_GOAL = 2.0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=5.0, help="(default 5)")
    parser.add_argument("--raters", type=int, default=50, help="(default 50)")
    parser.add_argument("--seed", type=int, default=0, help="of the Hub's faults (default 0)")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write the table there")
    return parser.parse_args()


def main() -> int:
    options = parse()
    secret = secrets.token_hex(32)
    with tempfile.TemporaryDirectory() as folder, _hub() as hub:
        data = Path(folder) / "data"
        app = AppProcess(free_port(), _environment(data, secret, hub), Path(folder) / "console")
        with app:
            seen, watched = asyncio.run(_run(app, hub, options))
            code = app.stop()
        files = dict(hub.repos[REPO].files)
        found = reconcile(seen, data, secret.encode(), files)
        if code:
            print((Path(folder) / "console").read_text(encoding="utf-8"), file=sys.stderr)
    text = _report(options, app, seen, watched, found, code)
    print(text)
    if options.out:
        options.out.write_text(f"{text}\n", encoding="utf-8")
    return 0 if found.good and not code and not seen.silent else 1


@contextmanager
def _hub() -> Iterator[HubStandIn]:
    with HubStandIn(repos={REPO: Repo(private=True)}) as hub:
        yield hub


def _environment(data: Path, secret: str, hub: HubStandIn) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MI_ARENA_")}
    return kept | {
        "MI_ARENA_DATA": str(data),
        "MI_ARENA_RUNS": str(data / "runs"),
        "MI_ARENA_SECRET": secret,
        "MI_ARENA_DATASET": REPO,
        "MI_ARENA_PUBLISH_SECONDS": "20",
        "MI_ARENA_TURNS_PER_MINUTE": "100000",
        "MI_ARENA_TURNS_PER_MINUTE_IN_ALL": "100000",
        "HF_ENDPOINT": hub.endpoint,
        "HF_TOKEN": TOKEN,
        "HF_HUB_OFFLINE": "0",
    }


async def _run(
    app: AppProcess, hub: HubStandIn, options: argparse.Namespace
) -> tuple[Seen, Watched]:
    began = time.monotonic()
    until = began + 60 * options.minutes
    seen, watched = Seen(until), Watched()
    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=app.url, timeout=NO_TIMEOUT, limits=limits) as client:
        page = await load_page(client)
        failing = asyncio.create_task(_fail_the_hub(hub, until, random.Random(options.seed)))
        watching = asyncio.create_task(watch(app.url, app.memory, watched, until))
        breaking = asyncio.create_task(_break(app, began, until, watched))
        raters = [rate(client, page, number, seen) for number in range(options.raters)]
        await asyncio.gather(*raters, breaking, watching, failing)
    return seen, watched


async def _break(app: AppProcess, began: float, until: float, watched: Watched) -> None:
    """Everything that happens to the app, at its times."""
    plan: list[tuple[float, Callable[[AppProcess], None]]]
    plan = [(share, _killed) for share in KILLS]
    plan += [(DISK_FULL[0], AppProcess.fill_disk), (DISK_FULL[1], AppProcess.free_disk)]
    for share, happens in sorted(plan, key=lambda one: one[0]):
        await asyncio.sleep(max(0.0, began + share * (until - began) - time.monotonic()))
        await asyncio.to_thread(happens, app)
        if happens is _killed:
            watched.memory.clear()


def _killed(app: AppProcess) -> None:
    app.kill()
    app.start()


async def _fail_the_hub(hub: HubStandIn, until: float, chance: random.Random) -> None:
    while (left := until - time.monotonic()) > 0:
        await asyncio.sleep(min(left, chance.expovariate(1 / FAULT_EACH)))
        planned = chance.choice(FAULTS)
        with hub.changed:
            hub.faults[:] = [Fault(**vars(planned))]
    with hub.changed:
        hub.faults.clear()


def _report(
    options: argparse.Namespace,
    app: AppProcess,
    seen: Seen,
    watched: Watched,
    found: Reconciled,
    code: int,
) -> str:
    growth = watched.growth
    rows = [
        ("rounds of both sides", f"{seen.rounds:,}", ""),
        ("battles ended without a judgement", f"{seen.ended:,}", ""),
        ("judgements acknowledged", f"{found.acknowledged:,}", ""),
        ("judgements stored", f"{found.stored:,}", ""),
        ("acknowledged and lost", f"{found.lost}", "0"),
        ("stored twice", f"{found.doubled}", "0"),
        ("stored, the answer lost at the very end", f"{found.unseen}", ""),
        ("events stored", f"{found.events:,}", ""),
        ("events in the dataset", f"{found.published:,}", f"{found.events:,}"),
        ("events not in the dataset", f"{found.not_published}", "0"),
        ("events there twice", f"{found.published_twice}", "0"),
        ("events there that differ", f"{found.different}", "0"),
        ("faults told to raters, saying / judging",
         f"{seen.told['saying']} / {seen.told['judging']}", ""),
        ("judgements that failed without a word", f"{seen.silent}", "0"),
        ("calls while the app was down", f"{seen.away:,}", ""),
        ("page under load, median / 95 % / longest",
         " / ".join(f"{watched.answered_within(share):.2f} s" for share in (0.5, 0.95, 1.0)),
         f"≤ {PAGE_GOAL:g} s"),
        ("starts until the page answers", " / ".join(f"{one:.1f} s" for one in app.starts), ""),
        ("memory, last third over middle third of the last process",
         "–" if growth is None else f"{growth:.3f}", "≈ 1"),
        ("exit code after SIGTERM", f"{code}", "0"),
    ]  # fmt: skip
    body = "\n".join(f"| {what} | {value} | {goal} |" for what, value, goal in rows)
    return (
        "# Load and faults\n\n"
        f"Written by `python -m benchmarks.load`: {options.raters} raters chat and judge at once "
        f"on the demo pair for {options.minutes:g} minutes; the app is killed and started again at "
        f"{KILLS[0]:.0%} and {KILLS[1]:.0%} of the time, no file of it can grow from "
        f"{DISK_FULL[0]:.0%} to {DISK_FULL[1]:.0%}, and a stand-in of the Hub fails about every "
        f"{FAULT_EACH:g} seconds (answers lost, 412, 429, 5xx, connections cut).\n\n"
        f"Machine: {machine()}; the raters run on it too.\n\n"
        f"| what | seen | goal |\n|---|---|---|\n{body}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
