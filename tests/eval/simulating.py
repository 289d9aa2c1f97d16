"""Clients, scripted counsellors and the command over both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from eval.simulate.command import main
from eval.simulate.own_words import own_words
from eval.simulate.profiles import OURS, Profile, load_profiles
from eval.simulate.talk import Heard, Talk
from mi_arena.pairs import Pair
from tests.eval.responding import CommandDesk

SKILLED = [
    "听起来你心里一直在两头掂量。",
    "你把家里人看得很重。是什么让你今天愿意说出来？",
    "要不要改、什么时候改，你自己说了算。",
    "能把这些摆出来，真不容易。你最看重的是什么？",
    "你不想再这样下去，又怕自己撑不住。",
    "你愿意听听别人的办法吗？",
    "你已经替自己想好了一步。接下来，你打算怎么做？",
    "你说的这一步是你自己想出来的，很难得。",
]
PUSHY = [
    "你应该尽快改掉，建议你马上制定一个计划。",
    "这样下去后果很严重，你必须重视。",
    "你这就是给自己找借口。",
    "你可以尝试多运动，一定要听医生的。",
    "别人都能做到，你为什么不坚持？",
    "首先，要规律作息；其次，要控制饮食；最后，要多运动。",
    "最好从明天开始，每天打卡。",
    "加油，你应该相信自己。",
]


@cache
def profile(name: str = "smoking-new-father", path: Path = OURS) -> Profile:
    (found,) = [one for one in load_profiles(path).profiles if one.id == name]
    return found


def talk_through(
    of: Profile,
    replies: Sequence[str] | Callable[[int], str],
    system: str = "base",
    rounds: int = 8,
    seed: int = 0,
) -> Talk:
    """A whole talk with a client that speaks in its own sentences."""
    talk = Talk(of, system, rounds)
    while talk.ended is None:
        talk.client_says(own_words(talk.next_turn(), seed))
        if talk.ended is None:
            at = len(talk.rounds)
            talk.counsellor_says(Heard(replies(at) if callable(replies) else replies[at]))
    return talk


def some_profiles(path: Path, number: int = 4) -> Path:
    """The first of each of some topics, as a file of its own."""
    raw = yaml.safe_load(OURS.read_text(encoding="utf-8"))
    raw["profiles"] = raw["profiles"][:: len(raw["profiles"]) // number][:number]
    path.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    return path


class Desk(CommandDesk):
    """One folder with a registry of ``pair`` and some clients."""

    def __init__(self, folder: Path, pair: Pair, clients: int = 4):
        self.profiles = some_profiles(folder / "profiles.yaml", clients)
        super().__init__(folder, pair, main, "--profiles", self.profiles)

    def told(self, name: str, file: str = "summary.json") -> dict[str, Any]:
        return super().told(name, file)
