"""Who says that they are under 18, and who says something else with a number or a school in it."""

from __future__ import annotations

import pytest

from mi_arena.safety.minors import says_minor

MINORS = [
    "我15岁", "我今年十五岁，抽烟被我妈发现了", "我才十四岁半", "我刚满16周岁。", "我还未成年",
    "我是初中生，老熬夜", "我现在初二，天天失眠", "我上六年级", "我快17岁了，想戒可乐",
    "你好,我今年 13 岁", "我是个初三的学生", "我还没满十八，可以聊吗",
    "I am 15", "I'm fifteen and I vape", "im 16 yo", "I'm only 17, can I talk here?",
    "I am 14 years old.", "i'm a minor", "I’m still in middle school", "I'm in 9th grade",
    "I just turned 13!",
]  # fmt: skip
OTHERS = [
    "我儿子15岁，天天打游戏", "我有15年烟龄了", "我15岁开始抽烟", "我十五岁那年我爸走了",
    "我是初中老师", "我45岁", "我今年三十五岁", "我十八岁了", "我18岁", "我女儿上初二",
    "我15岁的时候就会喝酒", "我孩子六年级", "我瘦了15斤", "我未成年的时候抽过", "我教小学生",
    "I'm 15 minutes late", "I am 45", "my son is 15", "I was 15 when I started",
    "I'm 12 days sober", "I'm 17 kilos lighter", "I am 18", "I'm 30 and tired",
    "I teach 9th grade", "I'm eighteen", "I have been smoking since I was 15",
]  # fmt: skip


@pytest.mark.parametrize("text", MINORS)
def test_minors(text: str) -> None:
    assert says_minor(text)


@pytest.mark.parametrize("text", OTHERS)
def test_others(text: str) -> None:
    assert not says_minor(text)
