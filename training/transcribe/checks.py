"""What a rewriting must be like: pure rules, each failure with a reason to send back to the model.

The bounds are ours. The rules are patterns and counts: they catch what is plainly wrong and say
nothing about whether the rest is good MI; that is for people and for MITI coding. Reasons are in
Chinese, name turns by number, and quote nothing, so that they may stand in a log.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mi_arena.dialogue import Message
from mi_arena.llm.dead_letters import Failure
from mi_arena.safety.crisis import scan
from mi_arena.safety.plain_text import HAN


@dataclass(frozen=True)
class Bounds:
    """Ours throughout."""

    fewest_rounds: float = 0.6
    most_rounds: float = 1.5
    """Of the source's rounds; two rounds more are always allowed."""
    client_characters: int = 600
    """At most in a turn, or one and a half times the source's longest."""
    counselor_characters: tuple[int, int] = (4, 300)
    han_share: float = 0.8
    """Of all letters and digits that one speaker says."""
    story_kept: float = 0.3
    """Of the bigrams of the source's client that come back. Of 3,000 pairs of unrelated CPsyCounD
    dialogues, 99 in 100 share less than 0.28."""
    question_share: tuple[float, float] = (0.1, 0.9)
    """Of the counsellor's turns that ask something, from ``rounds_for_share`` rounds on."""
    questions_in_a_turn: int = 2
    rounds_for_share: int = 4
    echo: int = 20
    """Characters in a row, Han and letters alone, that the prompt has too."""


DEFAULT = Bounds()

REFUSAL = re.compile(
    r"(?:抱歉|对不起|很遗憾)[，,。！!]?\s*(?:但是?|不过)?我(?:无法|不能|没有?办法|没法)(?:提供|完成|帮|继续|协助|满足|生成|改写|处理|参与|回答)"
    r"|我(?:无法|不能)(?:完成|满足|协助|改写|处理)(?:这|该|您的|你的)(?:个|项|一)?(?:请求|任务|要求|对话|内容)"
    r"|作为(?:一个|一名|一款)?(?:AI|人工智能|大?语言模型)|我(?:只)?是(?:一个|一款)?(?:AI|人工智能|大?语言模型)"
    r"|\b[Aa]s an AI\b|\bI(?:'|’)?m sorry, but\b|\bI can(?:no|')t (?:assist|help) with\b"
)
_LABEL = re.compile(
    r"(?:来访者|咨询师|心理咨询师|求助者|支持者|咨询者|治疗师|用户|助手)\s*[:：]"
    r"|(?:^|\n)\s*(?:client|counsell?or|therapist|user|assistant|system|human)\s*[:：]"
    r"|<\|[^<>\n]{0,40}\|>|\[/?INST\]|<</?SYS>>|</?s>|\"role\"\s*:",
    re.IGNORECASE,
)
_ADVICE = re.compile(
    r"建议(?:你|您)|我(?:的)?建议(?:是|：|，)|(?:你|您)(?:应该|应当|必须|需要(?:去|做|先|多|学会|尽快|改))"
    r"|(?:你|您)(?:可以|不妨)(?:先|多|去|试|尝试|通过|考虑|每天|找|把|用|和|跟|与|做|学|给)"
    r"|不妨(?:试|先|去|多|考虑)|(?:首先|第一)[，、：].{0,200}(?:其次|第二)[，、：]|最好(?:先|去|是|不要|别|每天)"
    r"|试着(?:去|把|每天)|(?:记得|一定)要(?:多|去|每天|坚持|按时)",
    re.DOTALL,
)
_PERMISSION = re.compile(
    r"(?:愿意|愿不愿意|想不想|想|要不要|有没有兴趣|有兴趣|介不介意).{0,4}听"
    r"|(?:可以|可不可以|能|能不能|允许|介意|方便|愿意|要不要|不如)[^。！？]{0,4}我[^。！？]{0,8}"
    r"(?:分享|说|讲|提|给|介绍|告诉)"
    r"|我(?:可以|能|能不能|可不可以)[^。！？]{0,10}(?:分享|说|讲|提|给|介绍|告诉)[^。！？]{0,16}[吗？]"
    r"|(?:你|您)(?:要是|如果)?(?:愿意|同意|想听|觉得可以|有兴趣|感兴趣|不介意)的话"
    r"|(?:如果|要是)(?:你|您)(?:愿意|同意|想听|觉得可以|有兴趣|感兴趣|不介意)"
    r"|经(?:你|您)(?:同意|允许)"
)
_ASKED_FOR = re.compile(
    r"怎么办|怎么做|该怎么|如何(?:是好|做|才|去|改|应对|处理|调整|克服)|有(?:没有)?(?:什么|哪些|啥)?(?:好的?)?(?:办法|建议|方法|技巧)|给(?:我)?(?:一?些|点|个)?(?:建议|意见|办法|指导)"
    r"|(?:你|您)(?:有什么|的)建议|教教?我|告诉我(?:怎么|该)|怎样(?:才|去|做)|能帮(?:帮)?我|可以(?:啊|呀|的|，|。|！|$)|^(?:好|行|嗯)[，。啊呀的！]|愿意(?:听|，|。|$)|(?:你|您)说(?:吧|说看)"
)
_DISORDER = re.compile(
    r"抑郁症|焦虑症|双相|躁郁症|强迫症|恐惧症|恐慌症|惊恐障碍|人格障碍|精神分裂|精神病|创伤后应激障碍|PTSD|多动症|ADHD"
    r"|自闭症|孤独症|厌食症|暴食症|成瘾症|酒精依赖症?|酒精使用障碍|睡眠障碍|进食障碍|适应障碍"
)
_DIAGNOSES = re.compile(r"诊断(?:为|是|结果|：)|确诊")
_HELP = re.compile(r"(?<!\d)(?:12356|120|110)(?![\d斤克元块分公毫岁天次])|急救|急诊|报警")
_QUESTION = re.compile(r"[？?]")
_LETTER = re.compile(r"[^\W_]")
_HAN = re.compile(f"[{HAN}]")


def check(
    source: Sequence[Message],
    found: Sequence[Message],
    keep_client: bool = False,
    prompt: str = "",
    bounds: Bounds = DEFAULT,
) -> list[Failure]:
    """Every rule that ``found`` breaks, in the order of the rules; empty when it passes.

    ``source``: the dialogue as it was given to the model, client first (`prompt.material`).
    ``prompt``: the system message, of which nothing may come back.
    """
    shape = list(_shape(found))
    if shape:
        # The other rules speak of rounds, which there are none of.
        return shape
    return [
        *_rounds(source, found, keep_client, bounds),
        *_client_kept(source, found, keep_client, bounds),
        *_lengths(source, found, keep_client, bounds),
        *_language(found, keep_client, bounds),
        *_leaks(found, keep_client, prompt, bounds),
        *_manner(found, bounds),
        *_crisis(found),
    ]


def _shape(found: Sequence[Message]) -> Iterator[Failure]:
    if not found:
        yield Failure("empty", "对话是空的。")
        return
    if found[0].role != "client":
        yield Failure("first_role", "第一条消息必须是来访者（client）说的。")
    if found[-1].role != "counselor":
        yield Failure("last_role", "最后一条消息必须是咨询师（counselor）说的。")
    others = [number for number, m in enumerate(found, 1) if m.role == "system"]
    if others:
        yield Failure("role", f"第{others[0]}条消息既不是来访者也不是咨询师说的。")
    pairs = pairwise(found)
    twice = [number for number, (one, two) in enumerate(pairs, 2) if one.role == two.role]
    if twice:
        yield Failure("alternation", f"第{twice[0]}条消息与上一条是同一个人说的，两人必须交替。")
    blank = [number for number, message in enumerate(found, 1) if not message.content.strip()]
    if blank:
        yield Failure("empty_turn", f"第{blank[0]}条消息没有内容。")


def _rounds(
    source: Sequence[Message], found: Sequence[Message], keep_client: bool, bounds: Bounds
) -> Iterator[Failure]:
    there, here = len(said_by("client", source)), len(said_by("client", found))
    if keep_client:
        if there != here:
            yield Failure("rounds", f"来访者应当正好说{there}次，现在是{here}次。")
        return
    fewest = max(1, math.ceil(there * bounds.fewest_rounds))
    most = math.ceil(there * bounds.most_rounds) + 2
    if not fewest <= here <= most:
        yield Failure(
            "rounds", f"原对话有{there}轮，改写应在{fewest}到{most}轮之间，现在是{here}轮。"
        )


def _client_kept(
    source: Sequence[Message], found: Sequence[Message], keep_client: bool, bounds: Bounds
) -> Iterator[Failure]:
    there, here = said_by("client", source), said_by("client", found)
    if keep_client:
        pairs = enumerate(zip(there, here, strict=False), 1)
        changed = [number for number, (one, two) in pairs if not same_words(one, two)]
        if changed:
            yield Failure("client_changed", f"来访者第{changed[0]}次说的话与原文不是逐字相同。")
        return
    if containment("".join(there), "".join(here)) < bounds.story_kept:
        yield Failure("story", "来访者的处境和经历与原对话差得太远，请保留原有的事实、人物和说法。")


def _lengths(
    source: Sequence[Message], found: Sequence[Message], keep_client: bool, bounds: Bounds
) -> Iterator[Failure]:
    if not keep_client:
        longest = max((len(text) for text in said_by("client", source)), default=0)
        most = max(bounds.client_characters, round(1.5 * longest))
        for number, text in enumerate(said_by("client", found), 1):
            if len(text) > most:
                yield Failure("client_length", f"第{number}轮来访者的话超过{most}字。")
                break
    fewest, most = bounds.counselor_characters
    for number, text in enumerate(said_by("counselor", found), 1):
        if not fewest <= len(text) <= most:
            yield Failure(
                "counselor_length",
                f"第{number}轮咨询师的话有{len(text)}字，应在{fewest}到{most}字之间。",
            )
            break


def _language(found: Sequence[Message], keep_client: bool, bounds: Bounds) -> Iterator[Failure]:
    for role, name in (("client", "来访者"), ("counselor", "咨询师")):
        if role == "client" and keep_client:
            continue
        if han_share("".join(said_by(role, found))) < bounds.han_share:
            yield Failure("language", f"{name}的话应当用中文。")


def _leaks(
    found: Sequence[Message], keep_client: bool, prompt: str, bounds: Bounds
) -> Iterator[Failure]:
    # Client turns that must be kept word for word are not the model's to mend.
    written = [m for m in found if not (keep_client and m.role == "client")]
    if any(_LABEL.search(message.content) for message in written):
        yield Failure("role_leak", "话里出现了说话人的标签或特殊记号，请去掉。")
    if any(REFUSAL.search(text) for text in said_by("counselor", found)):
        yield Failure("refusal", "咨询师的话里有拒绝，或自称人工智能。")
    told = _runs(prompt, bounds.echo)
    if told and any(told & _runs(message.content, bounds.echo) for message in written):
        yield Failure("echo", "话里照抄了写作要求，请只写对话。")


def _manner(found: Sequence[Message], bounds: Bounds) -> Iterator[Failure]:
    rounds = list(zip(said_by("client", found), said_by("counselor", found), strict=True))
    unasked = unasked_advice(rounds)
    if unasked:
        yield Failure(
            "advice", f"第{unasked[0]}轮咨询师没有征得同意就给了建议，请先征得同意，或改成引出。"
        )
    asking = [text for _, text in rounds if _QUESTION.search(text)]
    many = [n for n, (_, t) in enumerate(rounds, 1) if _asked(t) > bounds.questions_in_a_turn]
    if many:
        yield Failure("many_questions", f"第{many[0]}轮咨询师一次问了太多问题，一次只问一个。")
    if len(rounds) >= bounds.rounds_for_share:
        fewest, most = bounds.question_share
        share = len(asking) / len(rounds)
        if share < fewest:
            yield Failure("few_questions", "咨询师几乎没有提问，请加入开放式提问。")
        elif share > most:
            yield Failure("question_share", "咨询师几乎每次都在提问，请多用反映，少用提问。")
    heard = ""
    for number, (client, counselor) in enumerate(rounds, 1):
        heard += client
        new = [word for word in _DISORDER.findall(counselor) if word not in heard]
        if new or (_DIAGNOSES.search(counselor) and not _DIAGNOSES.search(heard)):
            yield Failure("diagnosis", f"第{number}轮咨询师说了病名或诊断，请不要诊断。")
            break


def _crisis(found: Sequence[Message]) -> Iterator[Failure]:
    """The first sign of self-harm in the client's words, and no real help named from there on."""
    for position, message in enumerate(found):
        if message.role != "client" or not any(
            sign.category == "self_harm" for sign in scan(message.content)
        ):
            continue
        if not any(_HELP.search(text) for text in said_by("counselor", found[position:])):
            number = position // 2 + 1
            yield Failure(
                "crisis",
                f"第{number}轮来访者有危险的迹象，咨询师必须停下来询问，并指向真实的帮助"
                "（12356、120）。",
            )
        return


def unasked_advice(rounds: Sequence[tuple[str, str]]) -> list[int]:
    """Rounds (from 1) whose counsellor turn advises though nobody asked for it.

    By patterns: a turn advises when it has words like 建议你, 你可以试, 你应该. It is allowed when
    the client asks for advice or agrees just before, or when the counsellor asks permission in this
    turn or the one before; pointing to help in danger needs none. Advice in other words is missed,
    and a reflection in such words (你觉得你应该…) can be taken for advice; so this holds down
    advice in a corpus, and measures nothing.
    """
    found = []
    before = ""
    for number, (client, counselor) in enumerate(rounds, 1):
        reflected = re.sub(
            r"(?:你|您)(?:觉得|认为|说|想|心里)[^。！？]{0,12}(?:应该|需要)", "", counselor
        )
        if (
            _ADVICE.search(reflected)
            and not _ASKED_FOR.search(client)
            and not _PERMISSION.search(counselor)
            and not _PERMISSION.search(before)
            and not _HELP.search(counselor)
        ):
            found.append(number)
        before = counselor
    return found


def said_by(role: str, messages: Sequence[Message]) -> list[str]:
    return [message.content for message in messages if message.role == role]


def same_words(one: str, two: str) -> bool:
    """The same but for white space."""
    return "".join(one.split()) == "".join(two.split())


def containment(source: str, found: str, size: int = 2) -> float:
    """Share, in [0, 1], of the source's different character n-grams that come back in ``found``.

    Letters, digits and Han only. A source without any n-gram is contained in everything.
    """
    there = _runs(source, size)
    return len(there & _runs(found, size)) / len(there) if there else 1.0


def han_share(text: str) -> float:
    """Share of Han among letters and digits, in [0, 1]; 1 where there are none."""
    han = len(_HAN.findall(text))
    # Characters that Python does not know yet as letters are Han by their place alone.
    letters = max(len(_LETTER.findall(text)), han)
    return han / letters if letters else 1.0


def _asked(text: str) -> int:
    return len(re.findall(r"[？?]+", text))


def _runs(text: str, size: int) -> set[str]:
    plain = "".join(_LETTER.findall(text))
    return {plain[at : at + size] for at in range(len(plain) - size + 1)}
