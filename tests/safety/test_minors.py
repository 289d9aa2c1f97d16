"""Who says that they are under 18, and who speaks of somebody or something else."""

from __future__ import annotations

import pytest

from mi_arena.safety.minors import says_under_age


@pytest.mark.parametrize(
    "text",
    [
        "我15岁", "我今年十五岁，想戒烟", "我才十六岁",
        "15岁，女，想减肥", "我還未成年", "我是未成年",
        "我是初三学生", "我上高一，压力很大", "我在读初中", "我还没满18岁",
        "我只有 13 岁", "我１４岁",
        "老师你好，我今年17岁了", "俺十七岁", "I am 15", "I'm 15 years old and I vape", "im 16 btw",
        "I’m only fourteen, is that ok?", "I'm in 9th grade", "I'm a high school student",
        "I'm a minor", "I am not 18 yet", "i'm 13 and want to quit",
        "16 yo, smoking since last year", "我今年16", "我今年十七", "我15了", "我才15，想戒烟",
        "我今年初三", "I turned 15 last week", "my age is 15",
    ],
)  # fmt: skip
def test_a_minor(text: str) -> None:
    assert says_under_age(text)


@pytest.mark.parametrize(
    "text",
    [
        "我儿子15岁", "我15年烟龄", "我15岁开始抽烟", "我从15岁起就抽烟", "我十六岁那年学会喝酒",
        "15岁开始抽的", "我女儿今年十二岁", "我今年35岁", "我四十五岁了", "我十八岁", "我20岁",
        "我的孩子上初三", "我教高一", "我上高中的时候开始抽烟", "我高一那年", "烟龄15年",
        "我15天没抽了",
        "我弟弟未成年", "不能卖烟给未成年人", "我85岁的老母亲", "我读高中时抽过", "我高血压",
        "我十五岁的儿子总玩手机", "我给17岁的女儿报了班", "我五六十岁了", "My son is 15",
        "I'm 35 years old", "I started when I was 15", "I'm 15 days sober", "I'm 15 pounds heavier",
        "I've smoked for 15 years", "I'm 10 minutes late", "I teach in high school",
        "when I was in high school", "I'm 17 weeks pregnant", "I'm 150 cm", "I'm 5 feet tall",
        "我今年初三去拜年", "我才15根烟", "我今年17公斤", "我今年12月结婚", "I turned 15 in 1990",
        "I'm at 15 cigarettes a day", "I'm 45", "I have a minor cold", "I'm 12 months in",
    ],
)  # fmt: skip
def test_somebody_or_something_else(text: str) -> None:
    assert not says_under_age(text)
