"""``kill -9`` at random moments: no acknowledged judgement is lost and none is doubled."""

import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

from mi_arena.records.store import EventStore

KILLS = 5

APPENDING = """
import sys
from itertools import count
from mi_arena.records.battle_events import Judgement
from mi_arena.records.events import Event
from mi_arena.records.store import EventStore

store = EventStore(sys.argv[1])
for number in count():
    verdict = Judgement(battle=f"{sys.argv[2]}-{number}", overall="A", reason="x" * 500, rounds=2,
                        ordinal=1, form_version="1", receipt_hash="r")
    event = Event.of(verdict, role="public", epoch="e", rater="ann")
    store.append(event)
    sys.stdout.write(event.event_id + "\\n")
    sys.stdout.flush()
"""


def killed_while_appending(path: Path, run: int, chance: random.Random) -> list[str]:
    """The ids that a child acknowledged before it was killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", APPENDING, str(path), str(run)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    acknowledged = [child.stdout.readline().strip() for _ in range(chance.randrange(1, 40))]
    try:
        child.wait(chance.uniform(0, 0.05))
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
    # What the child wrote whole before it died was acknowledged as well.
    acknowledged += [line.strip() for line in child.stdout if line.endswith("\n")]
    assert child.wait() == -signal.SIGKILL
    return acknowledged


def test_no_acknowledged_judgement_is_lost_or_doubled(tmp_path: Path) -> None:
    path, chance = tmp_path / "events.sqlite", random.Random(1)
    acknowledged: list[str] = []
    for run in range(KILLS):
        acknowledged += killed_while_appending(path, run, chance)
        stored = Counter(event.event_id for event in EventStore(path).events("judgement"))
        assert all(stored[event_id] == 1 for event_id in acknowledged)
        # A judgement may have become durable in the moment before it could be acknowledged.
        assert len(acknowledged) <= stored.total() <= len(acknowledged) + run + 1
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
