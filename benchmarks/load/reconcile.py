"""What raters were told, what the store holds and what the dataset holds, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.raters import Seen
from mi_arena.access.identity import Identities
from mi_arena.battles.tokens import Tokens
from mi_arena.publishing.shards import from_bytes, is_shard
from mi_arena.records.battle_events import Judgement
from mi_arena.records.events import Event
from mi_arena.records.store import DATABASE_NAME, EventStore


@dataclass(frozen=True)
class Reconciled:
    """Counts; what must be 0 is 0 in a good run."""

    acknowledged: int
    stored: int
    """Judgements in the store."""
    lost: int
    """Acknowledged and not stored."""
    doubled: int
    """Battles with two judgements, or receipts that two have."""
    unseen: int
    """Stored, and no rater was told so: their answers were on the way when the run ended."""
    events: int
    published: int
    not_published: int
    published_twice: int
    different: int
    """Events whose published line is not what the store holds."""

    @property
    def good(self) -> bool:
        wrong = self.lost, self.doubled, self.not_published, self.published_twice, self.different
        return not any(wrong)


def reconcile(seen: Seen, data: Path, secret: bytes, files: Mapping[str, bytes]) -> Reconciled:
    """``files`` are the dataset's, by path."""
    stored = list(EventStore(data / DATABASE_NAME, read_only=True).events())
    shards = [event for path, content in sorted(files.items()) if is_shard(path)
              for event in from_bytes(path, content)]  # fmt: skip
    judged = [one.payload for one in stored if isinstance(one.payload, Judgement)]
    receipts = Counter(one.receipt_hash for one in judged)
    tokens = Tokens(Identities(secret))
    told = {tokens.receipt_hash(receipt) for receipt in seen.receipts}
    battles = Counter(one.battle for one in judged)
    return Reconciled(
        acknowledged=len(seen.receipts),
        stored=len(judged),
        lost=len(told - receipts.keys()) + len(seen.receipts) - len(told),
        doubled=_more_than_once(receipts) + _more_than_once(battles),
        unseen=len(receipts.keys() - told),
        events=len(stored),
        published=len(shards),
        **_against(stored, shards),
    )


def _against(stored: Sequence[Event], shards: Sequence[Event]) -> dict[str, int]:
    lines = {one.event_id: one for one in shards}
    return {
        "not_published": sum(one.event_id not in lines for one in stored),
        "published_twice": len(shards) - len(lines),
        "different": sum(lines.get(one.event_id, one) != one for one in stored),
    }


def _more_than_once(counts: Counter[str]) -> int:
    return sum(count - 1 for count in counts.values())
