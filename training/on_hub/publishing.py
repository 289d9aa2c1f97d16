"""In the job: what is new in the run directory goes to the Hub, and requests to stop come back.

A checkpoint goes up whole, in one commit; those that the fine-tune has removed are removed there.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub.errors import RemoteEntryNotFoundError

from mi_arena.hub.hub_errors import hub_line, wait_asked
from mi_arena.jobs.finetune_config import load_config
from mi_arena.jobs.script import DONE
from training.checkpoints import PREFIX, PROGRESS
from training.on_hub.outcome import Outcome
from training.on_hub.store import CONFIG, OUTCOME, OUTPUT, RUN, STOP, RunStore
from training.output_folder import MERGED

CONSOLE = "console.txt"
SMALL = ("status.json", "metrics.jsonl", "log.txt", "samples.jsonl", "config.yaml", CONSOLE)
CHECKPOINTS = "checkpoints"
LONGEST = 600.0
"""Seconds between two uploads at most, however often the Hub refuses."""


class Publisher:
    """Uploads ``run``, a run directory in the working directory."""

    def __init__(
        self,
        store: RunStore,
        run: Path,
        attempt: int,
        say: Callable[[str], None],
        stop: Callable[[], None],
    ):
        self._store, self._run, self._attempt = store, run, attempt
        self._say, self._stop = say, stop
        self._published: object = None
        self._ended = threading.Event()

    @contextmanager
    def every(self, seconds: float) -> Iterator[None]:
        """Publish in a thread of its own until the block ends; nothing of it harms the run."""
        thread = threading.Thread(target=self._keep_on, args=(seconds,), name="publisher")
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _keep_on(self, seconds: float) -> None:
        wait = seconds
        while not self._ended.wait(wait):
            try:
                self.publish()
                if self._asked_to_stop():
                    self._stop()
                wait = seconds
            except Exception as error:  # whatever it is: training goes on, and so does trying
                wait = max(wait_asked(error) or 0.0, min(LONGEST, wait * 2))
                self._say(f"upload: {hub_line(error)}; again in {wait:.0f} s")

    def publish(self, outcome: Outcome | None = None) -> None:
        """One commit of all that is new. The last one has the outcome, and what was made."""
        small = {name: self._run / name for name in SMALL if (self._run / name).exists()}
        kept = {folder.name for folder in self._complete()}
        state = ({name: stamp(file) for name, file in small.items()}, kept)
        if outcome is None and state == self._published:
            return
        there = self._checkpoints_there()
        with self._set_aside(kept - there) as files:
            # Files that grow are read once, so that what is announced is what is sent.
            grown = {f"{RUN}/{name}": file.read_bytes() for name, file in small.items()}
            last, old = self._last(outcome) if outcome else ({}, set())
            self._store.commit(
                "end" if outcome else "progress",
                {**grown, **files, **last},
                delete=sorted(old),
                folders=[f"{RUN}/{CHECKPOINTS}/{name}" for name in sorted(there - kept)],
            )
        self._published = state

    def _last(self, outcome: Outcome) -> tuple[dict[str, bytes | Path], set[str]]:
        """What the last upload adds, and what of an earlier end it takes away."""
        told: dict[str, bytes | Path] = {OUTCOME: outcome.model_dump_json(indent=1).encode()}
        if outcome.code != DONE:
            return told, set()
        made = self._made()
        return told | made, self._store.files(OUTPUT).keys() - made.keys()

    def _checkpoints_there(self) -> set[str]:
        """Names of those on the Hub."""
        files = (Path(name).parts for name in self._store.files(f"{RUN}/{CHECKPOINTS}"))
        return {parts[2] for parts in files if len(parts) > 3}

    def _complete(self) -> list[Path]:
        found = (self._run / CHECKPOINTS).glob(f"{PREFIX}*")
        return [folder for folder in found if (folder / PROGRESS).is_file()]

    @contextmanager
    def _set_aside(self, names: set[str]) -> Iterator[dict[str, bytes | Path]]:
        """These checkpoints' files under a second name, as the fine-tune may remove them while
        they are uploaded; one that is gone already is left out."""
        aside = self._run / "uploading"
        shutil.rmtree(aside, ignore_errors=True)
        files: dict[str, bytes | Path] = {}
        try:
            for name in sorted(names):
                try:
                    files |= self._linked(name, aside / name)
                except FileNotFoundError:
                    continue
            yield files
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _linked(self, name: str, aside: Path) -> dict[str, bytes | Path]:
        linked: dict[str, bytes | Path] = {}
        source = self._run / CHECKPOINTS / name
        for file in sorted(source.rglob("*")):
            if not file.is_file():
                continue
            inside = file.relative_to(source)
            (aside / inside).parent.mkdir(parents=True, exist_ok=True)
            os.link(file, aside / inside)
            linked[f"{RUN}/{CHECKPOINTS}/{name}/{inside.as_posix()}"] = aside / inside
        return linked

    def _made(self) -> dict[str, bytes | Path]:
        """Adapter, merged model and the arena's entry."""
        config = load_config(Path(CONFIG))
        made: dict[str, bytes | Path] = {f"{RUN}/pair.yaml": self._run / "pair.yaml"}
        folders = {"adapter": Path(config.output)}
        if config.merge:
            folders["merged"] = Path(config.output + MERGED)
        for name, folder in folders.items():
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    made[f"{OUTPUT}/{name}/{file.relative_to(folder).as_posix()}"] = file
        return made

    def _asked_to_stop(self) -> bool:
        asked = self._run / "asked"
        if STOP not in self._store.files("", recursive=False):
            return False
        try:
            self._store.fetch(STOP, asked)
        except RemoteEntryNotFoundError:
            return False
        return asked.read_text(encoding="utf-8").strip() == str(self._attempt)


def stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns
