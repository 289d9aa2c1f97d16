"""Whether a client says that they are under 18; others' ages and bygone years don't count."""

from __future__ import annotations

import re

ADULT = 18
_HAN = {**{c: n for n, c in enumerate("零一二三四五六七八九")}, "两": 2}
_ENGLISH = {
    name: number
    for number, name in enumerate(
        ("eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
         "seventeen"),
        start=8,
    )
}  # fmt: skip
_PAST = r"(?!\s*(?:开始|起|那年|那时|那会|时候?|的时候|就|学会|第一次|以前|之前|以后|之后|半?出来))"
_AGE_ZH = re.compile(
    r"(?:我|俺|本人)\s*(?:今年|现在|才|刚|刚满|只有|还|都|是|,|，|的年龄是|也|快|马上)*\s*"
    rf"(?P<age>\d{{1,2}}|[零一二两三四五六七八九]?十?[零一二三四五六七八九]?)\s*周?岁(?:半|多)?{_PAST}"
)
_SAYS_SO_ZH = re.compile(
    r"(?:我|俺|本人)\s*(?:今年|现在|才|刚|还|是|还是|就是|只是|个|一个|一名|在|在读|上|正在|读|念)*\s*"
    r"(?:未成年(?!人?(?:的时候|时|那))|没成年|没满18|没满十八|不满18|不满十八|未满18|未满十八"
    r"|小学生|初中生|初[一二三](?!的时候|时|那)|[一二三四五六]年级)"
)
_ENDS_EN = r"(?=\s*(?:years?[ -]old|y/?o\b|yrs?\b|and\b|but\b|[,.!?;]|$))"
_PAST_EN = r"(?!\s*(?:years?[ -]old)?\s*(?:when|back)\b)"
_AGE_EN = re.compile(
    rf"\b(?:i am|i'm|im|i’m|i just turned|i turned)\s+(?:only|just|still|almost|about)?\s*"
    rf"(?P<age>\d{{1,2}}|{'|'.join(_ENGLISH)})\b{_ENDS_EN}{_PAST_EN}",
    re.IGNORECASE,
)
_SAYS_SO_EN = re.compile(
    r"\b(?:i am|i'm|im|i’m)\s+(?:only|just|still)?\s*(?:a minor|under ?age|under 18|not 18 yet"
    r"|in (?:middle|junior high|primary|elementary) school"
    r"|in (?:the )?(?:[3-9]|1[01])(?:th|rd) grade|in (?:[5-9]|1[01])th grade)",
    re.IGNORECASE,
)
_YOUNGEST = 6
"""Nobody younger writes here: a smaller number is something else."""


def says_minor(text: str) -> bool:
    """Whether the writer says so of themself, now."""
    plain = " ".join(text.split())
    if _SAYS_SO_ZH.search(plain) or _SAYS_SO_EN.search(plain):
        return True
    ages = [_number(found["age"]) for found in _AGE_ZH.finditer(plain)]
    ages += [_number(found["age"].lower()) for found in _AGE_EN.finditer(plain)]
    return any(age is not None and _YOUNGEST <= age < ADULT for age in ages)


def _number(told: str) -> int | None:
    if told.isdigit():
        return int(told)
    if told in _ENGLISH:
        return _ENGLISH[told]
    tens, ten, ones = told.partition("十")
    if not ten:
        return _HAN.get(told)
    return 10 * (_HAN[tens] if tens else 1) + (_HAN[ones] if ones else 0)
