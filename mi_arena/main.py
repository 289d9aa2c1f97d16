"""Puts the house together: records, engines and pages from the settings, and serves them."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from mi_arena.access.identity import Identities
from mi_arena.access.keyed import keyed_by
from mi_arena.access.members import Members
from mi_arena.battles.arena import Arena, Rules
from mi_arena.engine.loading import LoadedPair, bytes_needed, load_pair
from mi_arena.engine.local import LocalEngine
from mi_arena.engine.protocol import Engine, EngineError
from mi_arena.engine.remote import RemoteEngine
from mi_arena.engine.residency import GB, Residency, device_memory
from mi_arena.engine.revisions import at_commits
from mi_arena.engine.zero_gpu import ZeroGpuEngine, zero_gpu_call
from mi_arena.pairs import Pair, RegistryError, choose, load_registry
from mi_arena.records.drafts import DRAFTS_NAME, Drafts
from mi_arena.records.store import DATABASE_NAME, EventStore, StoreError
from mi_arena.settings import Settings, SettingsError, study_secret
from mi_arena.workspace.workspace import Workspace

log = logging.getLogger(__name__)


def serve(settings: Settings, on_space: bool) -> int:
    """Run the app until it is stopped; the exit code of the process."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        arena, identities, workspace = open_arena(settings)
        keyed = keyed_by(study_secret(settings))
    except (SettingsError, RegistryError, StoreError) as error:
        print(error, file=sys.stderr)
        return 2
    from mi_arena.ui.pages import build, launch_options
    from mi_arena.ui.pipeline.tools import pipeline_tools

    tools = pipeline_tools(settings.runs, keyed, has_key=bool(os.environ.get("OPENAI_API_KEY")))
    app = build(arena, identities, workspace, tools, settings.minimum_n)
    app.queue(api_open=False, max_size=settings.queue_limit * 8 + 64)
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    host = settings.host or ("0.0.0.0" if on_space else None)
    try:
        server, address, _ = app.launch(
            **launch_options(),
            server_name=host,
            server_port=settings.port,
            prevent_thread_lock=True,
            quiet=True,
        )
    except OSError as error:
        print(
            f"MI_ARENA_PORT: {settings.port} can't be used ({error}); choose another",
            file=sys.stderr,
        )
        arena.close()
        workspace.close()
        return 2
    tools.downloads.install(server)
    print(f"MI Arena: {address}", flush=True)
    stopping.wait()
    app.close(verbose=False)
    arena.close()
    workspace.close()
    return 0


def open_arena(settings: Settings) -> tuple[Arena, Identities, Workspace]:
    """Everything behind the pages. What can't be served yet is left out with a line on stderr."""
    registry = load_registry(settings.models)
    served, problems = choose(registry, settings.pairs)
    secret = study_secret(settings)
    store = EventStore(Path(settings.data) / DATABASE_NAME)
    admin_code = settings.admin_code.get_secret_value() if settings.admin_code else None
    identities = Identities(secret, Members(store, keyed_by(secret), admin_code))
    pairs = {pair.id: at_commits(pair) for pair in served}
    engines, unfit = make_engines(pairs, settings)
    for line in [*problems, *unfit]:
        print(line, file=sys.stderr, flush=True)
    rules = Rules(
        rounds_to_judge=settings.rounds_to_judge,
        message_limit=settings.message_limit,
        turns_per_minute=settings.turns_per_minute,
        turns_per_minute_in_all=settings.turns_per_minute_in_all,
    )
    usable = {name: pair for name, pair in pairs.items() if name in engines}
    workspace = Workspace(store, Drafts(Path(settings.data) / DRAFTS_NAME), identities)
    return Arena(store, identities, secret, usable, engines, rules), identities, workspace


def make_engines(
    pairs: Mapping[str, Pair], settings: Settings
) -> tuple[dict[str, Engine], list[str]]:
    """An engine a pair, and a line for each pair that could never fit into the memory allowed."""
    on_zero_gpu = bool(os.environ.get("SPACES_ZERO_GPU"))
    budget = int(settings.memory_gb * GB) if settings.memory_gb else device_memory()
    at_once = settings.max_battles_at_once
    residency: Residency[LoadedPair] = Residency(
        budget,
        size=lambda name: bytes_needed(pairs[name], at_once),
        load=lambda name: load_pair(pairs[name]),
        unload=free_device_memory,
    )
    engines: dict[str, Engine] = {}
    problems: list[str] = []
    for name, pair in pairs.items():
        if pair.server is not None:
            key = os.environ.get(pair.server.key_variable) if pair.server.key_variable else None
            engines[name] = RemoteEngine(
                base_url=str(pair.server.url),
                api_key=key,
                models={"base": pair.server.base, "tuned": pair.server.tuned},
                max_concurrent=at_once,
                queue_limit=settings.queue_limit,
            )
            continue
        try:
            # A repo's size is known once it is here; a folder's at once.
            if pair.base.path is not None:
                residency.check_fits(name)
        except EngineError as error:
            problems.append(f"pair {name} is left out: {error}")
            continue
        if on_zero_gpu:
            try:
                engines[name] = ZeroGpuEngine(
                    name, zero_gpu_call(pair), at_once, settings.queue_limit
                )
            except EngineError as error:
                problems.append(f"pair {name} is left out: {error}")
            continue
        engines[name] = LocalEngine(name, residency, at_once, settings.queue_limit)
    return engines, problems


def free_device_memory() -> None:
    """Give cached blocks of an unloaded pair back to the device."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
