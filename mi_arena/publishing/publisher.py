"""The thread that restores at a boot, and then publishes what is stored.

It only reads the store, so no rater waits for it. Whatever goes wrong is told in one line and tried
again, for as long as the process lives.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

from mi_arena.publishing.faults import Busy, DatasetFault
from mi_arena.publishing.index import ShardIndex
from mi_arena.publishing.outbox import AnotherCopy, Commit, Outbox
from mi_arena.publishing.pace import Quota, pause
from mi_arena.records.store import EventStore, StoreError

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks into the store at most."""
HURRIED_SECONDS = 1.0
"""Between two tries at most when the process is about to end."""


class Publisher:
    """Until everything is restored the store takes nothing. Then what waits goes out when it is
    ``events`` of them or the first has waited ``seconds``."""

    def __init__(
        self,
        store: EventStore,
        index: ShardIndex,
        outbox: Outbox,
        *,
        events: int,
        seconds: float,
        quota: Quota | None = None,
    ):
        self._store, self._index, self._outbox = store, index, outbox
        self._events, self._seconds = events, seconds
        self._quota = quota or Quota()
        self._failures, self._told = 0, ""
        self._noted: AnotherCopy | None = None
        self._since: float | None = None
        """When the first of the waiting events was seen, by the monotonic clock."""
        self._changed = threading.Condition()
        # All below is guarded by it.
        self._tried = self._ended = False
        self._asked = self._emptied = 0
        """How often everything was to go out at once, and up to which of these it has."""
        self._after: list[Callable[[], object]] = []
        store.taking = False
        self._note("taking", False)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wait_for_restore(self, seconds: float) -> bool:
        """Wait for the first try to end; whether everything is restored."""
        with self._changed:
            self._changed.wait_for(lambda: self._tried, seconds)
            return self._store.taking

    def then(self, action: Callable[[], object]) -> None:
        """Do this once everything is restored: here and now, or in the publisher's thread, again
        and again until it does not raise."""
        with self._changed:
            if not self._store.taking:
                self._after.append(action)
                return
        action()

    def hurry(self) -> int:
        """Let everything go out at once; returns how often that was asked for."""
        with self._changed:
            self._asked += 1
            self._changed.notify_all()
            return self._asked

    def close(self, seconds: float) -> bool:
        """Publish what there is, for so many seconds at most, and end; whether all is published.

        What is not stays in the store, for the next start.
        """
        asked = self.hurry()
        with self._changed:
            everything = self._store.taking and self._changed.wait_for(
                lambda: self._emptied >= asked, seconds
            )
            self._ended = True
            self._changed.notify_all()
        return everything

    def _run(self) -> None:
        while True:
            with self._changed:
                asked = self._asked
            wait = self._turn(asked)
            with self._changed:
                self._tried = True
                self._changed.notify_all()
                wait = min(wait, HURRIED_SECONDS) if self._asked else wait
                self._changed.wait_for(partial(self._is_called, asked), wait)
                if self._ended:
                    return

    def _is_called(self, seen: int) -> bool:
        return self._ended or self._asked > seen

    def _turn(self, asked: int) -> float:
        """Do what is due; the seconds until the next turn."""
        try:
            if not self._store.taking:
                self._restore()
            failed = self._follow()
            self._publish(asked)
            if failed is not None:
                raise failed
        except Exception as error:
            self._failures += 1
            wait = pause(self._failures, error.seconds if isinstance(error, Busy) else 0.0)
            self._tell(error, wait)
            return wait
        if self._failures:
            log.warning("publishing: goes on")
        self._failures, self._told = 0, ""
        return min(LOOK_SECONDS, self._seconds)

    def _restore(self) -> None:
        self._outbox.catch_up()
        if self._outbox.waiting():
            # Left over from before this start: it has waited long enough.
            self._since = time.monotonic() - self._seconds
        with self._changed:
            self._store.taking = True
        self._note("taking", True)
        self._note("another_copy", None)

    def _follow(self) -> Exception | None:
        """Do what was to follow the restoring. What fails is left for the next turn; why it did."""
        fault, left = None, []
        for action in self._after:  # nothing is added to it any more
            try:
                action()
            except Exception as error:
                fault = error
                left.append(action)
        self._after = left
        return fault

    def _publish(self, asked: int) -> None:
        while waiting := len(self._outbox.waiting()):
            now = time.monotonic()
            self._since = now if self._since is None else self._since
            due = waiting >= self._events or now - self._since >= self._seconds
            # Who is about to end does not save commits.
            if asked <= self._emptied and not (due and self._quota.take()):
                return
            try:
                commit = self._outbox.publish()
            finally:
                self._note_another_copy()
            if commit is not None:
                self._landed(commit)
            self._since = now  # of what came meanwhile, if anything did
        self._since = None
        with self._changed:
            self._emptied = max(self._emptied, asked)
            self._changed.notify_all()

    def _landed(self, commit: Commit) -> None:
        self._note(
            "last_commit",
            {"id": commit.id, "at": commit.at.isoformat(), "events": commit.events},
        )

    def _note_another_copy(self) -> None:
        seen = self._outbox.another_copy
        if seen is not None and seen != self._noted:
            self._note("another_copy", asdict(seen))
            self._noted = seen

    def _tell(self, error: Exception, wait: float) -> None:
        kind, line = type(error).__name__, str(error)
        if not isinstance(error, DatasetFault | StoreError):
            # The text of another error might quote what somebody wrote.
            line = getattr(error, "strerror", None) or kind
        if line != self._told:
            log.error("publishing: %s; again in %.0f s", line, wait)
        self._told = line
        at = datetime.now(UTC).isoformat()
        self._note("last_error", {"type": kind, "line": line, "at": at})

    def _note(self, name: str, value: object) -> None:
        with suppress(StoreError):  # a full disk must not keep events from going out
            self._index.note(name, value)
