"""What is masked, what stays, and that no number survives whatever stands around it."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mi_arena.safety.numbers_in_text import HAN_DIGITS, identity_check, luhn, plain
from mi_arena.safety.personal_data import find, mask, personal_data_table
from mi_arena.settings import ROOT

MASKED = [
    # phones
    ("我的电话是13812345678。", "我的电话是[PHONE]。"),
    ("打 138 1234 5678 给我", "打 [PHONE] 给我"),
    ("138-1234-5678", "[PHONE]"),
    ("+86 138 1234 5678", "[PHONE]"),
    ("１３８１２３４５６７８", "[PHONE]"),
    ("一三八一二三四五六七八", "[PHONE]"),
    ("幺三八一二三四五六七八", "[PHONE]"),
    ("138一二三四5678", "[PHONE]"),
    ("1 3 8 1 2 3 4 5 6 7 8", "[PHONE]"),
    ("一三九，一二三四，五六七八", "[PHONE]"),
    ("138\u200b1234\u200b5678", "[PHONE]"),
    ("座机010-62345678，或(0571)8765 4321", "座机[PHONE]，或[PHONE]"),
    ("电话62345678，分机不用", "电话[PHONE]，分机不用"),
    ("手机尾号5678", "手机尾号[PHONE]"),
    ("call me at +1 (415) 555-2671 ok", "call me at [PHONE] ok"),
    ("Ring 020 7946 0958 please", "Ring [PHONE] please"),
    ("+852 2345 6789", "[PHONE]"),
    # identity cards and other documents
    ("身份证110101199003074610", "身份证[ID]"),
    ("11010119900307461x", "[ID]"),
    ("110101 19900307 4610", "[ID]"),
    ("１１０１０１１９９００３０７４６１０", "[ID]"),
    ("身份证后四位是461X", "身份证后四位是[ID]"),
    ("护照E12345678", "护照[ID]"),
    ("A123456(7)", "[ID]"),
    ("my SSN is 078-05-1120", "my SSN is [ID]"),
    ("车牌京A12345", "车牌[ID]"),
    # cards
    ("卡号 6222 0212 3456 7890 123", "卡号 [BANK]"),
    ("4111 1111 1111 1111", "[BANK]"),
    ("GB82 WEST 1234 5698 7654 32", "[BANK]"),
    # e-mail
    ("email zhang.wei@qq.com now", "email [EMAIL] now"),
    ("发到ｚｈａｎｇ＠ｑｑ．ｃｏｍ", "发到[EMAIL]"),
    ("zhang at gmail dot com", "[EMAIL]"),
    # accounts
    ("加我微信zhang_123", "加我微信[ACCOUNT]"),
    ("微信号：abcdefg", "微信号：[ACCOUNT]"),
    ("我的qq是123456", "我的qq是[ACCOUNT]"),
    ("QQ群 123456789", "QQ群 [ACCOUNT]"),
    ("my wechat id is zhangsan", "my wechat id is [ACCOUNT]"),
    ("看 https://weibo.com/u/12345?x=1 吧", "看 [ACCOUNT] 吧"),
    ("follow @zhang_wei", "follow [ACCOUNT]"),
    ("病历号 A00123", "病历号 [ACCOUNT]"),
    ("我的V：liuyang88", "我的V：[ACCOUNT]"),
    # addresses
    ("我住在北京市海淀区中关村大街27号", "我住在[ADDRESS]"),
    ("住在朝阳区三里屯路12号3单元501室", "住在[ADDRESS]"),
    ("阳光花园3号楼2单元501室", "[ADDRESS]"),
    ("I live at 12 Baker Street", "I live at [ADDRESS]"),
    ("PO Box 1234", "[ADDRESS]"),
    ("at flat 3, 22 Elm Road, Leeds", "at [ADDRESS]"),
    ("中关村大街27号，3单元", "[ADDRESS]"),
    ("住在成都市武侯区玉林南路", "住在[ADDRESS]"),
    # names
    ("我叫张伟，今年三十", "我叫[NAME]，今年三十"),
    ("我妈妈王秀英也劝我", "我妈妈[NAME]也劝我"),
    ("我老婆叫刘芳芳，孩子叫乐乐", "我老婆叫[NAME]，孩子叫[NAME]"),
    ("王医生说我得戒烟", "[NAME]医生说我得戒烟"),
    ("My name is John Smith.", "My name is [NAME]."),
    ("my name is john", "my name is [NAME]"),
    ("我哥赵铁柱去年戒了", "我哥[NAME]去年戒了"),
    ("隔壁老陈得了肺癌", "隔壁[NAME]得了肺癌"),
    ("I told Jennifer about it", "I told [NAME] about it"),
    ("I'm Sarah, and Dr. Brown agrees", "I'm [NAME], and Dr. [NAME] agrees"),
    ("My wife Emily worries", "My wife [NAME] worries"),
    # an earlier mask, and what stands beside it
    ("[PHONE]或13912345678", "[PHONE]或[PHONE]"),
]
STAYS = [
    "吃了3片，40岁，2019年开始，血压135/85，体重80.5公斤",
    "2026-01-02 10:30，上午9:00到11:30",
    "编号20260102",
    "12356 热线，急救120，报警110，妇女12338，青少年12355",
    "可以打400-161-9995，或 1800-273-8255",
    "call 988 or 911 or 116 123",
    "每天 15 16 17 18 19 20 点抽",
    "从1到10打7分；0.5 毫克，10000步，心率72",
    "挣了100000000元",
    "三号楼那个人，一路上，走了一条路，五道口",
    "我觉得很高兴，明白了，安静一点，高考，平安，小心",
    "孙子孙女都劝我，师傅也劝，张嘴就想抽",
    "I'm Chinese. I am OK. I'm Not sure. It's Monday.",
    "my wechat is great, instagram makes me sad",
    "I slept 8 hours on 2026-01-02 and walked 10000 steps",
    "",
]


@pytest.mark.parametrize(("text", "wanted"), MASKED)
def test_masked(text: str, wanted: str) -> None:
    assert mask(text).text == wanted
    assert mask(wanted).text == wanted
    assert mask(text).counts.total() == wanted.count("[") - text.count("[")


@pytest.mark.parametrize("text", STAYS)
def test_stays(text: str) -> None:
    assert mask(text).text == text


def test_check_digits() -> None:
    # The example of GB 11643, and the one of ISO/IEC 7812-1's usual explanation.
    assert identity_check("11010519491231002X") and not identity_check("110105194912310021")
    assert luhn("79927398713") and not luhn("79927398710")


def test_false_masks_on_the_demo_corpus() -> None:
    """Its clients and their nicknames are made up, so only nicknames (老李, 小孟) may be masked."""
    lines = (ROOT / "mi_arena/assets/mi_zh/test.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [message["content"] for line in lines for message in json.loads(line)["messages"]]
    found = [text[s.start : s.end] for text in texts for s in find(text)]
    ordinary = [word for word in found if not re.fullmatch("[老小阿].", word)]
    assert len(texts) > 700 and len(ordinary) <= 3, ordinary


mobiles = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
groupings = st.sampled_from([(11,), (3, 4, 4), (3, 3, 5), (4, 4, 3), (3, 8), (1,) * 11])
separators = st.sampled_from([" ", "-", ".", " - ", "\u3000", "·"])
widths = st.sampled_from([0, 0xFEE0])
"""Full-width digits stand this far behind the plain ones."""


def is_digit(character: str) -> bool:
    plainly = unicodedata.normalize("NFKC", character)
    return any(one.isdecimal() or one in HAN_DIGITS for one in plainly)


noise = st.text(st.characters().filter(lambda character: not is_digit(character)), max_size=12)
"""Without digits: a number of its own would be no news."""


@st.composite
def written_phones(draw: st.DrawFn) -> tuple[str, str]:
    """The digits of a mobile number, and a way to write it."""
    digits, between = draw(mobiles), draw(separators)
    groups, at = [], 0
    for size in draw(groupings):
        groups.append(digits[at : at + size])
        at += size
    shift = draw(widths)
    written = between.join("".join(chr(ord(d) + shift) for d in group) for group in groups)
    return digits, written


@st.composite
def identity_numbers(draw: st.DrawFn) -> str:
    born = draw(st.dates(date(1900, 1, 1), date(2025, 1, 1))).strftime("%Y%m%d")
    region, order = draw(st.integers(110000, 659999)), draw(st.integers(0, 999))
    first = f"{region}{born}{order:03}"
    return next(first + last for last in "0123456789X" if identity_check(first + last))


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    first = draw(st.from_regex(r"(4[0-9]{14}|62[0-9]{16})", fullmatch=True))
    return next(first + str(last) for last in range(10) if luhn(first + str(last)))


def digits_of(text: str) -> str:
    return re.sub("[^0-9]", "", plain(text).text)


QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@QUICK
@given(written_phones(), noise, noise, st.sampled_from(["", "5", "０"]))
def test_no_phone_survives(phone: tuple[str, str], before: str, after: str, glued: str) -> None:
    digits, written = phone
    if written[:11].isdecimal():
        written = glued + written  # in one piece, a digit more or less hides nothing
    masked = mask(before + written + after).text
    assert digits[3:] not in digits_of(masked)


@QUICK
@given(st.one_of(identity_numbers(), card_numbers()), noise, noise)
def test_no_identity_or_card_number_survives(number: str, before: str, after: str) -> None:
    masked = digits_of(mask(before + number + after).text)
    assert number[:17] not in masked and number[4:14] not in masked


@QUICK
@given(noise, noise, st.from_regex(r"[a-z]{3,8}[0-9]{2,4}@[a-z]{2,8}\.(com|cn)", fullmatch=True))
def test_no_address_of_mail_survives(before: str, after: str, email: str) -> None:
    assert email not in mask(before + email + after).text


@QUICK
@given(st.text(st.sampled_from("1389 -微信号路张伟我叫[PHONE]at.com@a住在12号楼单元"), max_size=40))
def test_masking_twice_changes_nothing(text: str) -> None:
    once = mask(text)
    assert mask(once.text).text == once.text
    assert mask(text) == once


def test_every_pattern_of_the_table_has_an_id_of_its_own() -> None:
    ids = [one.id for one in personal_data_table().patterns]
    assert len(set(ids)) == len(ids)
