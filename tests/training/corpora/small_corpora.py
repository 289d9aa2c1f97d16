"""A tiny corpus of every kind, written for the tests, in the shape that its source publishes."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from mi_arena.dialogue import Dialogue, Message

ROLES = {"c": "client", "k": "counselor", "s": "system"}


def said(*turns: str) -> list[Message]:
    """“c:我累” and “k:听起来你累” as messages; s is the system."""
    return [Message.model_validate({"role": ROLES[turn[0]], "content": turn[2:]}) for turn in turns]


def shown(messages: list[Message]) -> list[str]:
    short = {role: letter for letter, role in ROLES.items()}
    return [f"{short[message.role]}:{message.content}" for message in messages]


def made(identity: str, *turns: str, source: str = "made-up", **meta: object) -> Dialogue:
    return Dialogue(id=identity, source=source, messages=said(*turns), meta=meta)


def to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def text(*numbers: int) -> dict[str, str]:
    lines = "来访者：第{}天，我睡不好。\r\n\r\n心理咨询师：说说看。\r\n"
    return {f"CPsyCounD/Data/case_{n}.txt": lines.format(n) for n in numbers}


PAIR = [{"role": "user", "content": "我睡不好。"}, {"role": "assistant", "content": "说说看。"}]
CSV = """mi_quality,transcript_id,topic,utterance_id,interlocutor,utterance_text,annotator_id,main
high,7,smoking ,0,client,I smoke.,1,n/a
high,7,smoking ,0,client,I smoke.,2,n/a
high,7,smoking ,1,therapist,"You smoke, then?",1,question
high,7,smoking ,1,therapist,"You smoke, then?",2,reflection
low,8,diet,0,client,I eat.,1,n/a
low,8,diet,1,therapist,Stop it.,1,other
"""

FILES: Mapping[str, Mapping[str, str]] = {
    "cpsycound": {**text(10, 2), "recovered/case_2.txt": "来访者：我累。\n心理咨询师：嗯？\n"},
    "cpsycoune": {
        "CPsyCounE/Sex/1.json": to_json(["求助者：我怕。", "支持者：怕什么？"]),
        "CPsyCounE/Family Relationship/1.json": to_json(["求助者：我烦。", "支持者：烦谁？"]),
    },
    "psydt": {
        "train.json": to_json([{"id": 5, "normalizedTag": "婚恋", "messages": PAIR}]),
    },
    "smilechat": {
        "data/3.json": to_json(
            [
                {
                    "role": "client",
                    "content": "我累。",
                    "annotation": [{"sentence": "我累。", "label": ""}],
                },
                {"role": "counselor", "content": "累了多久？"},
            ]
        ),
    },
    "mdd5k": {
        "MDD_5k/patient_4.json": to_json(
            [
                {"conversation": [{"doctor": "你好。", "patient": "我累。"}]},
                {"conversation": [{"doctor": "你好！", "patient": "我睡不着。"}]},
            ]
        ),
    },
    "emollm": {
        "emollm_part.json": to_json(
            [{"conversation": [{"system": "你是专家", "input": "我累。", "output": "说说看。"}]}]
        ),
    },
    "sharegpt": {
        "soul.jsonl": to_json(
            {
                "id": "a1",
                "topic": "睡眠",
                "conversations": [
                    {"from": "human", "value": "我睡不好。"},
                    {"from": "gpt", "value": "说说看。"},
                ],
            }
        )
        + "\n"
    },
    "openai": {
        "chat.jsonl": to_json({"messages": PAIR})
        + "\n"
        + to_json({"messages": [{"role": "system", "content": "在"}, *PAIR], "note": 1})
        + "\n"
    },
    "annomi": {"full.csv": CSV},
}

IDS: Mapping[str, list[str]] = {
    "cpsycound": ["cpsycound-2", "cpsycound-10", "cpsycound-recovered-2"],
    "cpsycoune": ["cpsycoune-family-relationship-1", "cpsycoune-sex-1"],
    "psydt": ["psydt-5"],
    "smilechat": ["smile-3"],
    "mdd5k": ["mdd5k-4-1", "mdd5k-4-2"],
    "emollm": ["emollm-part-1"],
    "sharegpt": ["{path}-soul-a1"],
    "openai": ["{path}-chat-1", "{path}-chat-2"],
    "annomi": ["annomi-7", "annomi-8"],
}
"""Where the kind has no name of its own, the path's name begins the id."""


def folder(at: Path, files: Mapping[str, str]) -> Path:
    at.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        file = at / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode())
    return at


def archive(at: Path, files: Mapping[str, str]) -> Path:
    """A .tar, .tar.gz, .tgz or .zip, by the name of ``at``."""
    if at.suffix == ".zip":
        with zipfile.ZipFile(at, "w") as out:
            for name, content in files.items():
                out.writestr(name, content)
        return at
    with tarfile.open(at, "w" if at.suffix == ".tar" else "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    return at


def gzipped(at: Path, content: str) -> Path:
    at.write_bytes(gzip.compress(content.encode()))
    return at
