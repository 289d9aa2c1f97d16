"""Puts the house together: records, engines and pages from the settings, and serves them."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from mi_arena.access.hugging_face import Application, HuggingFace
from mi_arena.access.identity import Identities
from mi_arena.access.keyed import keyed_by
from mi_arena.access.listed import listed_users
from mi_arena.access.members import Members
from mi_arena.battles.arena import Arena, Rules
from mi_arena.battles.moderation import Moderator
from mi_arena.engine.residency import GB, device_memory, on_gpu
from mi_arena.engine.revisions import at_commits
from mi_arena.engine.room import EngineRoom, on_zero_gpu, open_engines
from mi_arena.jobs.giving_way import GivingWay
from mi_arena.jobs.script import BadInput
from mi_arena.jobs.turns import Line
from mi_arena.pairs import RegistryError, choose, load_registry
from mi_arena.publishing.opening import open_publisher
from mi_arena.publishing.publisher import Publisher
from mi_arena.records.drafts import DRAFTS_NAME, Drafts
from mi_arena.records.store import DATABASE_NAME, EventStore, StoreError
from mi_arena.safety.check import make_ready
from mi_arena.serving import SERVED_NAME, Serving, choose_kept, other_prompt
from mi_arena.settings import Settings, SettingsError, study_secret
from mi_arena.workspace.workspace import Workspace

if TYPE_CHECKING:
    from mi_arena.ui.hugging_face_sign_in import HuggingFaceSignIn

log = logging.getLogger(__name__)

RESTORE_SECONDS = 60.0
"""How long the pages stay shut for the records to be restored; later they open without taking
anything."""
FLUSH_SECONDS = 15.0
"""How long the end waits for what is not published yet; whoever runs us may kill us after 30."""


def serve(settings: Settings, on_space: bool) -> int:
    """Run the app until it is stopped; the exit code of the process."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        house = open_house(settings)
    except (SettingsError, RegistryError, StoreError, BadInput) as error:
        print(error, file=sys.stderr)
        return 2
    from mi_arena.ui.pages import build, launch_options
    from mi_arena.ui.pipeline.tools import pipeline_tools

    tools = pipeline_tools(
        settings.runs,
        settings.data,
        settings.models,
        house.identities,
        house.serving,
        has_key=bool(os.environ.get("OPENAI_API_KEY")),
        release=settings.release,
    )
    by_account = hugging_face_sign_in(settings, house.identities, on_space)
    app = build(
        house.arena, house.identities, house.workspace, tools, settings.minimum_n, by_account
    )
    app.queue(api_open=False, max_size=settings.queue_limit * 8 + 64)
    stopping = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    host = settings.host or ("0.0.0.0" if on_space else None)
    try:
        server, address, _ = app.launch(
            **launch_options(tools.tickets, on_space, space_hosts()),
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
        house.close()
        return 2
    tools.downloads.install(server)
    if by_account is not None:
        by_account.install(server)
    print(f"MI Arena: {address}", flush=True)
    stopping.wait()
    house.hurry()
    app.close(verbose=False)
    house.close()
    return 0


@dataclass(frozen=True)
class House:
    """Everything behind the pages."""

    arena: Arena
    identities: Identities
    workspace: Workspace
    serving: Serving
    giving_way: GivingWay | None
    publisher: Publisher | None

    def hurry(self) -> None:
        """What must be away before the process is killed goes first."""
        if self.publisher:
            self.publisher.hurry()

    def close(self) -> None:
        self.arena.close()
        if self.publisher and not self.publisher.close(FLUSH_SECONDS):
            log.error("not everything stored is published; the next start goes on with it")
        if self.giving_way:  # after the turns that it might wait for
            self.giving_way.close()
        self.workspace.close()


def open_house(settings: Settings) -> House:
    """What can't be served yet is left out with a line on stderr."""
    wanted, problems = choose(load_registry(settings.models), settings.pairs)
    kept = Path(settings.data) / SERVED_NAME
    wanted += choose_kept(kept, {pair.id for pair in wanted}, problems.append)
    secret = study_secret(settings)
    store = EventStore(Path(settings.data) / DATABASE_NAME)
    publisher = open_publisher(settings, store)
    admin_code = settings.admin_code.get_secret_value() if settings.admin_code else None
    listed = listed_users(settings)
    members = Members(store, keyed_by(secret), admin_code, listed, settings.session_hours)
    identities = Identities(secret, members)
    pairs = [at_commits(pair) for pair in wanted]
    pausing = pauses_for_training(settings)
    # What a run takes at the moment comes back with its end.
    training = pausing and bool(Line(settings.runs).numbers())
    allowed = int(settings.memory_gb * GB) if settings.memory_gb else None
    budget = allowed or device_memory(whole=training)
    room = EngineRoom(budget, settings.max_battles_at_once, settings.queue_limit)
    engines = open_engines(room, pairs, problems.append)
    problems += [warning for pair in pairs if (warning := other_prompt(pair))]
    for line in problems:
        print(line, file=sys.stderr, flush=True)
    make_ready()
    if publisher and not publisher.wait_for_restore(RESTORE_SECONDS):
        log.error("the records are not restored; nothing is taken until they are")
    rules = Rules(
        rounds_to_judge=settings.rounds_to_judge,
        message_limit=settings.message_limit,
        turns_per_minute=settings.turns_per_minute,
        turns_per_minute_in_all=settings.turns_per_minute_in_all,
    )
    usable = {pair.id: pair for pair in pairs if pair.id in engines}
    workspace = Workspace(store, Drafts(Path(settings.data) / DRAFTS_NAME), identities)
    arena = Arena(store, identities, secret, usable, engines, rules, moderator_of(settings))
    if publisher:
        publisher.then(arena.offer.open_epochs)
    models = room.residency
    giving_way = GivingWay(settings.runs, models.pause, models.resume) if pausing else None
    serving = Serving(arena.offer, room, kept)
    return House(arena, identities, workspace, serving, giving_way, publisher)


def hugging_face_sign_in(
    settings: Settings, identities: Identities, on_space: bool
) -> HuggingFaceSignIn | None:
    """Offered where somebody is on the list and the Space has its OAuth secret, nowhere else."""
    application = Application.of_space(os.environ, on_space)
    if application is None or identities.members is None or not listed_users(settings):
        return None
    from mi_arena.ui.hugging_face_sign_in import HuggingFaceSignIn

    return HuggingFaceSignIn(HuggingFace(application), identities.members)


def space_hosts() -> tuple[str, ...]:
    """The names under which a Space is reached, its own domains too."""
    names = os.environ.get("SPACE_HOST", "").split(",")
    return tuple(name.strip() for name in names if name.strip())


def moderator_of(settings: Settings) -> Moderator | None:
    """The second opinion on what is said, where one is set."""
    if settings.moderation_url is None or settings.moderation_model is None:
        return None
    return Moderator(settings.moderation_url, settings.moderation_model, settings.moderation_key)


def pauses_for_training(settings: Settings) -> bool:
    """Whether the models of this process leave the device while a run trains."""
    wanted = settings.training_pauses_serving
    return not on_zero_gpu() and (wanted == "yes" or (wanted == "auto" and on_gpu()))
