"""What the table of word patterns finds, in sentences of ours and in coded Chinese dialogues."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from eval.simulate.behaviours import Lang, behaviours
from mi_arena.dialogue import read_dialogues
from tests.processes import ROOT

CLIENT = "我抽了十几年烟，压力一大就想点一根。"


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("听起来，压力大的时候烟是你的一个出口。", {"reflection"}),
        ("一方面想戒，一方面又怕撑不住压力。", {"reflection"}),
        ("如果真的少抽了，你最先感觉到的会是什么？", {"open_question"}),
        ("跟我说说那天的情形吧。", {"open_question"}),
        ("你今天抽烟了吗？", {"closed_question"}),
        ("戒不戒，由你自己决定。", {"autonomy"}),
        ("没有人能替你做这个决定。", {"autonomy"}),
        ("能坚持这三个月，真不容易。", {"affirmation"}),
        ("有几种办法别人试过，你想听听吗？", {"permission"}),
        ("建议你尽快戒烟。", {"advice"}),
        ("你可以尝试用口香糖代替。", {"advice"}),
        ("有没有想过用口香糖代替？", {"advice"}),
        ("你可以和家人沟通，寻求一些专业的帮助。", {"advice"}),
        ("你需要明确自己的目标，并且坚持下去。", {"advice"}),
        ("你这就是给自己找借口。", {"confrontation"}),
        ("你不觉得这样太自私了吗？", {"confrontation"}),
        ("首先，要规律作息；其次，要多运动；最后，要少熬夜。", {"lecture"}),
        ("1. 扔掉打火机\n2. 多喝水\n3. 告诉家人", {"lecture"}),
        ("听起来你很累。是什么让你想改？", {"reflection", "open_question"}),
        ("你愿意听个办法吗？可以先把家里的烟收起来。", {"permission", "permitted_advice"}),
        ("", {"silence"}),
        ("……", {"silence"}),
        ("I see. What would you like to do about it?", {"unreadable"}),
        ("好的好的好的好的" * 12, {"unreadable"}),
    ],
)
def test_in_chinese(reply: str, found: set[str]) -> None:
    got = behaviours(reply, CLIENT)
    extra = set() if "lecture" in found else got - found
    assert found <= got and not extra & {"advice", "confrontation", "affirmation"}


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("It sounds like cigarettes are your way out when it gets too much.", {"reflection"}),
        ("What would be different if you smoked less?", {"open_question"}),
        ("Tell me more about that evening.", {"open_question"}),
        ("Did you smoke today?", {"closed_question"}),
        ("Whether you quit is up to you.", {"autonomy"}),
        ("That took a lot of courage.", {"affirmation"}),
        ("Would it be okay if I shared what has worked for others?", {"permission"}),
        ("You should quit as soon as possible.", {"advice"}),
        ("Have you tried chewing gum?", {"advice"}),
        ("That's just an excuse.", {"confrontation"}),
        ("你为什么想改？", {"unreadable"}),
    ],
)
def test_in_english(reply: str, found: set[str]) -> None:
    got = behaviours(reply, "I've smoked for ten years.", lang="en")
    assert found <= got and not (got - found) & {"advice", "confrontation", "affirmation"}


@pytest.mark.parametrize(
    ("phrase", "lang"),
    [
        ("我理解你的感受。", "zh"),
        ("这是个很好的主意！", "zh"),
        ("你并不孤单，我们会一直支持你。", "zh"),
        ("You're not alone in this.", "en"),
    ],
)
def test_stock_phrases_are_nothing(phrase: str, lang: Lang) -> None:
    assert behaviours(phrase, CLIENT, lang=lang) == frozenset()


def test_advice_is_permitted_by_whoever_asked_for_it() -> None:
    advice = "可以先把家里的烟收起来。"
    assert behaviours(advice, CLIENT) == {"advice"}
    assert behaviours(advice, "那我该怎么办？") == {"permitted_advice"}
    assert behaviours(advice, "嗯，你说。", ["有几种办法，你想听听吗？"]) == {"permitted_advice"}
    assert behaviours(advice, "嗯。", ["有几种办法，你想听听吗？", "好。"]) == {"advice"}


def test_saying_it_again_is_nothing_else() -> None:
    said = "听起来你很累，也想改一改。"
    assert behaviours(said, CLIENT, ["你好。", said]) == {"repetition"}
    assert behaviours("听起来你很累，也想改一改！", CLIENT, [said]) == {"repetition"}
    assert "repetition" not in behaviours("嗯。", CLIENT, ["嗯。"])


MEASURED = {
    "reflection": {"SR", "CR"},
    "question": {"Q", "SEEK"},
    "autonomy": {"EMPHASIZE"},
    "permission": {"SEEK"},
    "against": {"PERSUADE", "CONFRONT"},
}


@cache
def measured(split: str) -> dict[str, tuple[float, float]]:
    """Precision and recall by counsellor turn, against the codes of ``mi_zh``."""
    hits: Counter[str] = Counter()
    found: Counter[str] = Counter()
    coded: Counter[str] = Counter()
    folder = ROOT / "mi_arena" / "assets" / "mi_zh"
    for dialogue in read_dialogues(folder / f"{split}.jsonl"):
        client, earlier = "", list[str]()
        for message in dialogue.messages:
            if message.role == "client":
                client = message.content
                continue
            got = set[str](behaviours(message.content, client, earlier, _lang(dialogue.lang)))
            earlier.append(message.content)
            if got & {"open_question", "closed_question", "permission"}:
                got.add("question")
            if got & {"advice", "confrontation", "lecture"}:
                got.add("against")
            codes = {one["code"] for one in (message.model_extra or {})["utterances"]}
            for name, wanted in MEASURED.items():
                hits[name] += name in got and bool(codes & wanted)
                found[name] += name in got
                coded[name] += bool(codes & wanted)
    return {
        name: (hits[name] / max(1, found[name]), hits[name] / max(1, coded[name]))
        for name in MEASURED
    }


def _lang(lang: str) -> Lang:
    assert lang == "zh"
    return "zh"


@pytest.mark.parametrize(
    ("split", "name", "precision", "recall"),
    [
        ("test", "reflection", 0.8, 0.8),
        ("test", "question", 0.95, 0.95),
        ("test", "autonomy", 0.75, 0.55),
        ("test", "permission", 0.9, 0.55),
        ("train", "reflection", 0.7, 0.8),
        ("train", "question", 0.95, 0.95),
        ("train", "against", 0.7, 0.5),
    ],
)
def test_against_coded_dialogues(split: str, name: str, precision: float, recall: float) -> None:
    """Model-written codes: that the table keeps what it has, not that it is right."""
    got = measured(split)[name]
    assert got[0] >= precision and got[1] >= recall, got
