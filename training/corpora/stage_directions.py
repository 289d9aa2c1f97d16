"""Stage directions in brackets: （沉默片刻）, （一段时间后）, (laughs).

Clients put asides into brackets too, and those are theirs: only a bracket that stands on its own
line, or short at the start of a line or after a sentence, and names what a narrator would name,
is a stage direction. The words are ours, made from looking at CPsyCounD and SmileChat.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

SHORT, LONG = 14, 300
"""Characters of a stage direction beside speech, and of one on a line of its own."""

_BRACKET = re.compile(r"[（(\[]([^（）()\[\]\n]{1,300})[）)\]]")
_NARRATED = re.compile(
    r"沉默|哭|流泪|眼泪|泪水|含泪|哽咽|抽泣|(?<!玩)笑(?!话)|叹了?一?口?气|叹息|沉思|思索|思考(?!题)"
    r"|想了想|犹豫|停顿|点头|摇头|低头|抬头|深呼吸|深吸|呼气|吸气|片刻|一会儿?|一段时间|过程中|省略|略$"
    r"|结束|进行中|对话|语气|声音|眼神|表情|激动|情绪|平静|拥抱|握手|起身|坐下|闭上?眼|睁开?眼"
    r"|扮演|画|摆|催眠|冥想|练习|游戏|沙盘|卡片|[^，。]{1,8}[后中]$"
    r"|\b(?:laugh|chuckl|sigh|cry|cries|sob|pause|silen|nod|smil)",
    re.IGNORECASE,
)
_NARRATOR = re.compile(r"来访者|咨询师|治疗师|对话|咨询(?:过程|结束|笔记)|案例")
_ADDRESSED = re.compile(r"[我你您]|\b(?:I|you|my|your)\b")
_SENTENCE_END = "。！？…”!?~～.，,"


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the stage directions are, brackets included."""
    if "（" not in text and "(" not in text and "[" not in text:
        return
    for found in _BRACKET.finditer(text):
        begin, end = found.span()
        line_begin = text.rfind("\n", 0, begin) + 1
        line_end = text.find("\n", end)
        before = text[line_begin:begin].rstrip()
        after = text[end : len(text) if line_end < 0 else line_end].strip(" 。.")
        if _is_one(found[1].strip(), before, after):
            yield begin, end


def _is_one(inside: str, before: str, after: str) -> bool:
    if not before and not after:
        if _NARRATOR.search(inside):
            return True
        return _NARRATED.search(inside) is not None and _ADDRESSED.search(inside) is None
    return (
        (not before or before[-1] in _SENTENCE_END)
        and len(inside) <= SHORT
        and _NARRATED.search(inside) is not None
        and _ADDRESSED.search(inside) is None
        and re.search(r"[。！？：；]|[他她它]|\d[.、]", inside) is None
    )
