"""Tables of rewritings and what the checks say of them."""

from __future__ import annotations

from itertools import cycle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mi_arena.dialogue import Message, read_dialogues
from tests.processes import ROOT
from training.transcribe.checks import (
    check,
    containment,
    han_share,
    same_words,
    unasked_advice,
)
from training.transcribe.prompt import load_prompt, material

C = [
    "我抽烟二十年了，老婆天天念叨。",
    "上个月体检，医生说肺上有个小结节。",
    "我也想戒，可是一上夜班就忍不住。",
    "最长一次戒过三个月，过年又抽上了。",
]
K = [
    "抽了二十年，家里人也跟着担心。",
    "那张体检单让你心里咯噔了一下。",
    "一边是真想戒，一边是夜班太难熬。对你来说，最想戒的理由是什么？",
    "三个月，那是实实在在做到过的。",
]


def talk(client: list[str], counselor: list[str]) -> list[Message]:
    """Turn by turn, the client first."""
    made = []
    for one, two in zip(client, counselor, strict=True):
        made += [Message(role="client", content=one), Message(role="counselor", content=two)]
    return made


SOURCE = talk(C, ["你应该戒烟。"] * 4)
GOOD = talk(C, K)


def with_counselor(number: int, text: str) -> list[Message]:
    return talk(C, [*K[:number], text, *K[number + 1 :]])


def with_client(number: int, text: str) -> list[Message]:
    return talk([*C[:number], text, *C[number + 1 :]], K)


def kinds(found: list[Message], keep: bool = False, prompt: str = "") -> list[str]:
    return [failure.kind for failure in check(SOURCE, found, keep, prompt)]


@pytest.mark.parametrize("keep", [False, True])
def test_a_good_one_passes(keep: bool) -> None:
    assert check(SOURCE, GOOD, keep, load_prompt().parts["common"]) == []


ECHO = "反映多于提问；既有简单反映，也有说出言外之意、感受和两难的复杂反映"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([], ["empty"]),
        (GOOD[1:], ["first_role"]),
        (GOOD[:-1], ["last_role"]),
        (GOOD[1:-1], ["first_role", "last_role"]),
        ([*GOOD[:2], *GOOD[1:]], ["alternation"]),
        (with_counselor(1, " "), ["empty_turn"]),
        (GOOD[:4], ["rounds"]),
        (talk(C * 3, K * 3), ["rounds"]),
        (
            talk(["我养的猫丢了，找遍整个小区。"] * 4, K),
            ["story"],
        ),
        (with_counselor(0, "嗯。"), ["counselor_length"]),
        (with_counselor(0, "我在听你说。" * 60), ["counselor_length"]),
        (with_client(0, C[0] + "唉，真的。" * 130), ["client_length"]),
        (talk(C, ["I hear how hard this has been for you."] * 4), ["language", "few_questions"]),
        (with_counselor(0, "来访者：我抽烟。咨询师：抽了很久了。"), ["role_leak"]),
        (with_counselor(0, "听上去很难。<|im_end|>"), ["role_leak"]),
        (with_client(0, C[0] + "\nuser: 好"), ["role_leak"]),
        (with_counselor(0, "抱歉，我无法提供这方面的帮助。"), ["refusal"]),
        (with_counselor(0, "作为一个AI，我听到你很担心。"), ["refusal"]),
        (with_counselor(0, "我的做法是：" + ECHO + "。"), ["echo"]),
        (with_counselor(1, "建议你每天少抽两根。"), ["advice"]),
        (with_counselor(1, "你可以试试尼古丁贴片。"), ["advice"]),
        (with_counselor(1, "为什么？什么时候？跟谁？"), ["many_questions"]),
        (talk(C, [K[0], K[1], K[0], K[3]]), ["few_questions"]),
        (talk(C, [K[2]] * 4), ["question_share"]),
        (with_counselor(1, "听起来你像是得了焦虑症。"), ["diagnosis"]),
        (with_counselor(1, "这可以诊断为一种依赖。"), ["diagnosis"]),
        (with_client(3, "抽不抽都一样，我不想活了。"), ["crisis"]),
    ],
)
def test_what_is_wrong_is_named(found: list[Message], expected: list[str]) -> None:
    failures = check(SOURCE, found, False, load_prompt().parts["common"])
    assert [failure.kind for failure in failures] == expected
    for failure in failures:
        assert failure.reason.endswith("。") and not failure.reason.isascii()
        # Nothing that was said: a reason may stand in a log.
        said = "".join(message.content for message in found)
        assert not any(text in failure.reason for text in [*C, *K]) and ECHO not in failure.reason
        assert said != failure.reason


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (with_client(1, C[1] + "我很怕。"), ["client_changed"]),
        (with_client(1, f" {C[1][:4]}\n{C[1][4:]}"), []),
        (talk(C[:3], K[:3]), ["rounds"]),
        (talk([*C, "谢谢。"], [*K, K[0]]), ["rounds"]),
    ],
)
def test_client_turns_word_for_word(found: list[Message], expected: list[str]) -> None:
    assert kinds(found, keep=True) == expected


def test_what_the_source_s_client_says_is_not_the_model_s_fault() -> None:
    odd = "咨询师：你好，我的号 user: smoker 二十年 quit now please help me out of this"
    source = talk([odd, *C[1:]], ["嗯嗯嗯嗯。"] * 4)
    found = talk([odd, *C[1:]], K)
    assert check(source, found, True) == []
    assert [failure.kind for failure in check(source, found, False)] == ["language", "role_leak"]


@pytest.mark.parametrize(
    "reply",
    [
        "我很担心你，先停一下。你现在身边有人吗？请拨打12356，危险时打120。",
        "先别挂断，我们一起去急诊。",
    ],
)
def test_a_crisis_with_real_help_passes(reply: str) -> None:
    found = talk([*C[:3], "抽不抽都一样，我不想活了。"], [*K[:3], reply])
    assert kinds(found) == []


def test_a_disorder_that_the_client_named_may_be_taken_up() -> None:
    found = talk([C[0], "医生说我有焦虑症。", *C[2:]], [K[0], "焦虑症这三个字压着你。", *K[2:]])
    assert "diagnosis" not in kinds(found)


@pytest.mark.parametrize(
    ("client", "counselor", "unasked"),
    [
        ("我睡不着。", "建议你早点睡。", True),
        ("我睡不着。", "您应该去医院看看。", True),
        ("我睡不着。", "首先，放下手机；其次，喝杯牛奶。", True),
        ("我睡不着，怎么办？", "你可以试试睡前不看手机，你怎么看？", False),
        ("有什么好办法吗？", "建议你记一周睡眠。", False),
        ("我睡不着。", "我这儿有点资料，你愿意的话我说两句？你可以先听听。", False),
        ("我睡不着。", "如果你愿意，我可以分享别人的做法：你可以试着写下来。", False),
        ("我睡不着。", "你觉得自己应该早点睡。", False),
        ("我睡不着。", "夜里那几个钟头特别长。", False),
        ("我撑不住了。", "你应该马上打120，我陪着你。", False),
        ("我睡不着。", "你应该减到120斤。", True),
        # What the docstring owns up to: advice in other words is missed.
        ("我睡不着。", "早睡早起身体好。", False),
    ],
)
def test_unasked_advice(client: str, counselor: str, unasked: bool) -> None:
    assert unasked_advice([(client, counselor)]) == ([1] if unasked else [])


def test_permission_in_the_turn_before_counts() -> None:
    rounds = [
        ("我睡不着。", "别人有些做法，您想听吗？"),
        ("说来听听。", "您可以试试固定起床时间。"),
        ("哦。", "您应该今天就开始。"),
    ]
    assert unasked_advice(rounds) == [3]


def test_skilled_dialogues_pass() -> None:
    """MI that was written as such, given as its own rewriting: few of 337 are turned away."""
    prompt = load_prompt().parts["common"]
    turned_away = seen = 0
    for name in ("train", "test"):
        for dialogue in read_dialogues(ROOT / f"mi_arena/assets/mi_zh/{name}.jsonl"):
            if (dialogue.model_extra or {}).get("quality") == "high":
                given_ = material(dialogue)
                seen += 1
                turned_away += bool(check(given_, given_, False, prompt))
    assert seen > 300 and turned_away <= 0.02 * seen


@given(st.text(max_size=60), st.text(max_size=60))
def test_shares_stay_in_bounds(one: str, two: str) -> None:
    assert 0 <= containment(one, two) <= 1 and 0 <= han_share(one) <= 1
    assert containment(one, one) == 1 and containment(one, two + one) == 1
    assert same_words(one, " ".join(one))


@example(
    [Message(role=r, content="0") for r in ("client", "counselor", "system", "counselor")], False
)
@given(
    st.lists(
        st.builds(
            Message,
            role=st.sampled_from(["client", "counselor", "system"]),
            content=st.text(max_size=30),
        ),
        max_size=8,
    ),
    st.booleans(),
)
def test_no_dialogue_makes_the_checks_fall_over(found: list[Message], keep: bool) -> None:
    failures = check(SOURCE, found, keep)
    roles = [message.role for message in found]
    expected = cycle(["client", "counselor"])
    alternates = all(role == next(expected) for role in roles)
    if not alternates or len(found) % 2 or not found:
        assert failures
