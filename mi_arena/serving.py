"""Puts a tuned adapter into the arena while it runs, and takes it out again.

What was put in is kept in a registry file beside the records, so that a restart serves it too. A
pair that is new, or whose weights, prompt or decoding differ, begins an epoch of its own: its
judgements never mix with those of another.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path

import yaml
from huggingface_hub import try_to_load_from_cache

from mi_arena.battles.offer import Offer
from mi_arena.engine.protocol import Engine, EngineError
from mi_arena.engine.revisions import at_commits
from mi_arena.engine.room import EngineRoom
from mi_arena.jobs.run_directory import write_atomically
from mi_arena.pairs import Pair, RegistryError, Source, load_registry, missing
from mi_arena.records.store import NotStored

log = logging.getLogger(__name__)

SERVED_NAME = "served.yaml"
RECORD = "training.json"
"""Beside an adapter of ours: how it was made."""


class CannotServe(ValueError):
    """One line saying why a pair can't be served."""


class Serving:
    """Pairs put in by an admin. ``file`` need not be there yet."""

    def __init__(self, offer: Offer, room: EngineRoom, file: Path):
        self._offer, self._room, self._file = offer, room, file
        self._lock = threading.Lock()

    def added(self) -> list[Pair]:
        """Those put in and not taken out again."""
        try:
            return list(kept_pairs(self._file).values())
        except RegistryError as error:
            log.error("what was put in can't be read: %s", error)
            return []

    def add(self, entry: Path) -> tuple[Pair, str | None]:
        """Serve the one pair of a registry file; a warning where its prompt is another than the
        adapter was tuned with.

        Raises ``CannotServe`` and changes nothing when it can't be loaded or kept.
        """
        with self._lock:
            try:
                (pair,) = load_registry(entry).values()
            except RegistryError as error:
                raise CannotServe(str(error)) from None
            except ValueError:
                raise CannotServe(f"{entry}: must hold one pair") from None
            kept = self._kept()
            if pair.id not in kept and pair.id in {p.id for p in self._offer.pairs()}:
                raise CannotServe(f"a pair {pair.id} is served already, by models.yaml")
            if (problem := missing(pair)) is not None:
                raise CannotServe(problem)
            try:
                pair = at_commits(pair)
                # Loaded now: an adapter for another base must be refused here, not to a rater.
                engine = self._room.engine(pair, load=True)
            except EngineError as error:
                raise CannotServe(str(error)) from None
            try:
                self._keep({**kept, pair.id: pair})
                self._serve(pair, engine, kept)
            except CannotServe:
                engine.close()
                raise
            return pair, other_prompt(pair)

    def remove(self, pair_id: str) -> None:
        """No battle begins on it any more; those under way go on. Unknown ones are no fault."""
        with self._lock:
            kept = self._kept()
            if kept.pop(pair_id, None) is not None:
                self._keep(kept)
                self._offer.leave_out(pair_id)

    def _kept(self) -> dict[str, Pair]:
        try:
            return kept_pairs(self._file)
        except RegistryError as error:
            raise CannotServe(f"{error}; mend or remove the file") from None

    def _serve(self, pair: Pair, engine: Engine, before: dict[str, Pair]) -> None:
        try:
            self._offer.add(pair, engine)
        except NotStored:
            self._keep(before)
            raise CannotServe("the records could not be written") from None

    def _keep(self, pairs: dict[str, Pair]) -> None:
        entries = [pair.model_dump(mode="json", exclude_none=True) for pair in pairs.values()]
        text = yaml.safe_dump({"pairs": entries}, allow_unicode=True, sort_keys=False)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, text)
        except OSError as error:
            raise CannotServe(f"{self._file}: cannot be written: {error.strerror}") from None


def kept_pairs(file: Path) -> dict[str, Pair]:
    """Pairs by id, of the file that ``Serving`` keeps. Raises ``RegistryError``."""
    return load_registry(file) if file.exists() else {}


def choose_kept(file: Path, taken: set[str], problem: Callable[[str], None]) -> list[Pair]:
    """The kept pairs that can be served now; ``problem`` gets a line for each other."""
    chosen: list[Pair] = []
    try:
        kept = kept_pairs(file)
    except RegistryError as error:
        problem(f"what was put in from runs is left out: {error}")
        return chosen
    for pair in kept.values():
        reason = "models.yaml has its id" if pair.id in taken else missing(pair)
        if reason is None:
            chosen.append(pair)
        else:
            problem(f"pair {pair.id} is left out: {reason}")
    return chosen


def other_prompt(pair: Pair) -> str | None:
    """A warning where the adapter was tuned with another system prompt than is served.

    Of adapters from elsewhere, which don't say, nothing is known.
    """
    record = _training_record(pair.adapter)
    if record is None or record["system_prompt"] == pair.system_prompt:
        return None
    tuned, served = (
        "without a system prompt" if prompt is None else "with a system prompt"
        for prompt in (record["system_prompt"], pair.system_prompt)
    )
    other = " of other words" if tuned == served else ""
    return f"pair {pair.id}: its adapter was tuned {tuned}, and is served {served}{other}"


def _training_record(adapter: Source | None) -> dict[str, object] | None:
    if adapter is None:
        return None
    if adapter.repo is not None:
        found = try_to_load_from_cache(adapter.repo, RECORD, revision=adapter.revision)
        file = Path(found) if isinstance(found, str) else None
    else:
        file = Path(str(adapter.path)) / RECORD
    try:
        record = json.loads(file.read_text(encoding="utf-8")) if file else None
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "system_prompt" in record else None
