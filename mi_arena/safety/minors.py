"""Whether somebody says of themselves that they are under 18.

Not meant are others (我儿子15岁), a past age (15岁开始抽烟) and spans of time (15年烟龄).
"""

from __future__ import annotations

import re

from mi_arena.safety.plain_text import views

_NUMBER = r"(?:[5-9]|1[0-7]|[五六七八九]|十[一二三四五六七]?)(?!\d|[一二三四五六七八九])"
_AGE = rf"{_NUMBER}\s?(?:周岁|岁)"
_BARE = r"(?:1[0-7]|十[一二三四五六七])(?=[,，。.!！?？\s]|$|了(?![根次年个天瓶杯包斤]))"
"""An age without its unit, at the end of what is said: 我今年16, 我才15，想戒烟."""
_PAST = (
    r"(?!\s?(?:半)?(?:开始|那|时|的时候|的时|起|就(?:开始|学|抽|喝|会|在|出)|学会|第一|离家|出来"
    r"|辍学|进厂|结婚|以前|之前|以后|之后|到|前|后|的(?!学生|初|高|男|女|未成年|人了)|大|第|抽|喝"
    r"|染|没了|跟))"
)
_ADVERB = (
    r"(?:今年|现在|如今|才|刚|刚满|还|只有|只|其实|也|不到|还不到|没到|未满|不满|快|马上|刚刚|已经"
    r"|是|就|,|，|\s)*"
)
_SCHOOL = (
    r"(?:小学[一二三四五六]年级|[一二三四五六七八九]年级|初[一二三]|高[一二三](?!血|脂|尿)"
    r"|初中|高中|中学|小学)"
)
_CHINESE = re.compile(
    rf"(?<![给和跟对像教让是])(?:我|俺|本人){_ADVERB}{_AGE}{_PAST}"
    rf"|^\s*(?:今年)?{_AGE}(?=[,，。\s]|男|女|$)"
    rf"|(?<![给和跟对像教让是])(?:我|俺|本人)(?:今年|现在|才|刚|刚满|刚刚|还)*(?:今年|才|刚满){_BARE}"
    rf"|(?:^|[,，。\s])我{_BARE.partition('(?=')[0]}了(?=[,，。.!！?？\s]|$)"
    rf"|(?:我|俺)(?:今年|现在|还|才)+{_SCHOOL}(?=[,，。!?！？\s]|$|了|呢|啊)"
    r"|(?:我|俺|本人)(?:还|是|是个|还是|还是个|也是|现在|一个)*"
    r"(?:未成年|没成年|没有成年|(?:没|未|不)满(?:18|十八))(?!的)"
    rf"|(?:我|俺)(?:今年|现在|还|正|才|刚|是个?|一个)*(?:在|上|读|念|是个?|刚升)+{_SCHOOL}"
    r"(?:学生|生|在读|的学生|下学期|上学期)?(?=[,，。!?！？\s]|$|了|呢|啊)"
)
_YEARS = r"(?:[5-9]|1[0-7]|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen)"
_ENGLISH = re.compile(
    r"\b(?:i'?m|i\sam)\s(?:(?:only|just|still|about|turning|almost|actually|a|an)\s)*(?:"
    rf"{_YEARS}(?:[\s-]?(?:years?[\s-]old|y/?o\b|yrs?\sold)|\s?(?=[.,!?;]|$)"
    r"|\s(?=and\b|but\b|so\b|btw\b|f\b|m\b))"
    r"|(?:in|at)\s(?:the\s)?(?:\d+(?:st|nd|rd|th)\sgrade|(?:middle|high|primary|elementary)\sschool)"
    r"|(?:high|middle)\sschool(?:er|\s(?:student|freshman|sophomore|junior|senior|kid))"
    r"|(?:a\s)?minor\b|underage\b|under\s(?:18|eighteen)|not\s(?:yet\s)?(?:18|eighteen)|teenager\b)"
    rf"|^\s*{_YEARS}\s?(?:years?[\s-]old|y/?o\b)"
    rf"|\bmy\sage\sis\s{_YEARS}\b"
    rf"|\bi\s(?:just\s|only\s)?turned\s{_YEARS}\b(?!\s(?:in|back)\b|\syears\sago)"
)


def says_under_age(text: str) -> bool:
    """Whether the writer gives an age under 18, or a school for that age, as their own, now."""
    return any(_CHINESE.search(view) or _ENGLISH.search(view) for view in views(text))
