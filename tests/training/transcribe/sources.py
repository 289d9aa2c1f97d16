"""Sources to transcribe: made up, and real CPsyCounD read minimally where it is at hand."""

from __future__ import annotations

import random
import re
import tarfile
from pathlib import Path

from mi_arena.dialogue import Dialogue, Message, write_dialogues
from tests.processes import ROOT
from tests.training.transcribe.rewriter import TEXT_MARK

CPSYCOUND = ROOT.parent / "shared" / "data" / "cpsycound_raw.tar.gz"
TROUBLES = [
    "抽烟",
    "喝酒",
    "熬夜",
    "忘记吃药",
    "不想运动",
    "刷手机停不下来",
    "血糖高",
    "体重上去了",
]
PEOPLE = ["我妈", "我老公", "孩子", "同事老张", "女朋友", "室友", "领导", "我爸"]
SAID = [
    "{people}总说我{trouble}，我听了心里挺烦的。",
    "上个月体检以后，我一直在想{trouble}这件事。",
    "有时候也想改，可是一忙起来又{trouble}了。",
    "{people}上次为这个跟我吵了一架，我一夜没睡好。",
    "说真的，{trouble}以后我自己也不舒服，第二天没精神。",
    "以前我坚持过两个星期，那阵子{people}还夸我来着。",
]


def made_up(number: int, rounds: int = 5, seed: int = 0, pad: int = 0) -> list[Dialogue]:
    """Every dialogue differs; ``pad`` characters more in every client turn."""
    chance = random.Random(seed)
    made = []
    for index in range(number):
        trouble, people = chance.choice(TROUBLES), chance.choice(PEOPLE)
        messages = []
        for turn in range(rounds):
            text = SAID[(turn + index) % len(SAID)].format(trouble=trouble, people=people)
            text = f"{TEXT_MARK}{index}，{text}" + "我想了又想还是放不下。" * (pad // 11)
            messages.append(Message(role="client", content=text))
            messages.append(Message(role="counselor", content="你应该早点改掉这个坏习惯。"))
        made.append(
            Dialogue(
                id=f"made-{seed}-{index}",
                source="made-up",
                messages=messages,
                meta={"topic": "health", "group": f"g{index}", "flags": ["short"]},
            )
        )
    return made


def write(path: Path, dialogues: list[Dialogue]) -> Path:
    write_dialogues(path, dialogues)
    return path


def cpsycound(number: int) -> list[Dialogue]:
    """The first cases with at least three rounds; labels and （stage directions） taken off."""
    made: list[Dialogue] = []
    with tarfile.open(CPSYCOUND) as archive:
        for member in archive:
            found = re.search(r"case_(\d+)\.txt$", member.name)
            file = archive.extractfile(member) if found else None
            if not found or not file:
                continue
            messages: list[Message] = []
            for line in file.read().decode("utf-8", "replace").splitlines():
                said = re.match(r"\s*(来访者|心理咨询师)：\s*(\S.*)", line)
                if said:
                    role = "client" if said[1] == "来访者" else "counselor"
                    text = re.sub(r"（[^）]*）", "", said[2]).strip()
                    if text:
                        messages.append(Message(role=role, content=text))
            if len(messages) >= 6:
                made.append(
                    Dialogue(id=f"cpsycound-{found[1]}", source="CPsyCounD", messages=messages)
                )
            if len(made) == number:
                return made
    return made
