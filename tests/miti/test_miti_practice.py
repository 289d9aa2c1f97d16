"""Practice: what is equal, what passes, why codes differ, and the vignettes that are shipped."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mi_arena.dialogue import read_dialogues
from mi_arena.miti.alignment import NotAligned
from mi_arena.miti.check import violations
from mi_arena.miti.coding import Coding, Utterance, Volley, parse_coding
from mi_arena.miti.editing import Merge, SetCode, Sheet, Split, apply
from mi_arena.miti.items import CODES, GLOBALS, Code, items
from mi_arena.miti.practice import Bar, reason, score
from mi_arena.miti.vignettes import vignettes

ASSETS = Path(__file__).resolve().parents[2] / "mi_arena" / "assets"
TRAIN = ASSETS / "mi_zh" / "train.jsonl"
ANY: tuple[Code | None, ...] = (None, *CODES)

KNOWN = Coding(
    globals={"CCT": 4, "SST": 3, "PARTNERSHIP": 5, "EMPATHY": 4},
    volleys=(
        Volley(
            utterances=(
                Utterance(text="您想少抽，又怕睡不着。", code="CR"),
                Utterance(text="是什么让您想改？", code="Q"),
            )
        ),
        Volley(
            utterances=(
                Utterance(text="嗯。", code=None),
                Utterance(text="三天没抽，您真有毅力。", code="AF"),
                Utterance(text="下一步您定。", code="EMPHASIZE"),
            )
        ),
    ),
)


def sheet() -> Sheet:
    return Sheet.of([volley.utterances for volley in KNOWN.volleys or ()])


def graded(given: Coding, **globals_: float | None) -> Coding:
    """``given`` with the known globals, but for those that are named."""
    rated = {**KNOWN.globals, **globals_}
    return given.model_copy(
        update={"globals": {key: value for key, value in rated.items() if value is not None}}
    )


def recoded(*changes: SetCode | Split | Merge) -> Coding:
    current = sheet()
    for change in changes:
        current = apply(current, change)
    return graded(current.coding)


def test_the_known_coding_itself_passes_any_bar() -> None:
    told = score(KNOWN, KNOWN, Bar(share=1, globals_within=0))
    assert (told.n, told.equal, told.share, told.passed) == (5, 5, 1.0, True)
    assert told.globals == dict.fromkeys(GLOBALS, 0)
    assert all(mark.equal and mark.why is None for mark in told.marks)


def test_marks_say_where_what_and_why() -> None:
    told = score(
        recoded(
            SetCode(volley=0, utterance=0, code="SR"), SetCode(volley=1, utterance=0, code="AF")
        ),
        KNOWN,
        Bar(),
    )
    assert [(one.volley, one.utterance, one.known, one.given) for one in told.marks] == [
        (1, 1, "CR", "SR"),
        (1, 2, "Q", "Q"),
        (2, 1, None, "AF"),
        (2, 2, "AF", "AF"),
        (2, 3, "EMPHASIZE", "EMPHASIZE"),
    ]
    assert [one.text for one in told.marks][:2] == ["您想少抽，又怕睡不着。", "是什么让您想改？"]
    assert (told.equal, told.share, told.passed) == (3, 0.6, False)
    assert told.marks[0].why == reason("CR", "SR") and told.marks[2].why == reason(None, "AF")


@pytest.mark.parametrize(
    ("changes", "given"),
    [
        # Cut in two, both parts with the known code: nothing is lost.
        (
            [
                Split(volley=0, utterance=0, at=5),
                SetCode(volley=0, utterance=1, code="CR"),
            ],
            ["CR", "Q", None, "AF", "EMPHASIZE"],
        ),
        # A part of it carries another code, or none.
        (
            [
                Split(volley=0, utterance=0, at=5),
                SetCode(volley=0, utterance=1, code="SR"),
            ],
            ["SR", "Q", None, "AF", "EMPHASIZE"],
        ),
        ([Split(volley=0, utterance=0, at=5)], [None, "Q", None, "AF", "EMPHASIZE"]),
        # Joined, the second utterance carries the code of the first.
        ([Merge(volley=0, utterance=0)], ["CR", "CR", None, "AF", "EMPHASIZE"]),
        ([Merge(volley=1, utterance=0)], ["CR", "Q", "AF", "AF", "EMPHASIZE"]),
    ],
)
def test_known_utterances_are_counted_however_the_volleys_were_cut(
    changes: list[Split | SetCode | Merge], given: list[Code | None]
) -> None:
    told = score(recoded(*changes), KNOWN, Bar())
    assert [one.given for one in told.marks] == given
    assert [one.text for one in told.marks] == [
        one.text for volley in KNOWN.volleys or () for one in volley.utterances
    ]


@pytest.mark.parametrize(
    ("share", "wrong", "passed"),
    [
        (0.6, 2, True),
        (0.6, 3, False),
        (0.61, 2, False),
        (0.8, 1, True),
        (1, 1, False),
        (1, 0, True),
    ],
)
def test_the_share_that_passes(share: float, wrong: int, passed: bool) -> None:
    places = [(0, 0), (0, 1), (1, 1)][:wrong]
    changes = [SetCode(volley=v, utterance=u, code="GI") for v, u in places]
    assert score(recoded(*changes), KNOWN, Bar(share=share)).passed is passed


@pytest.mark.parametrize(
    ("globals_", "within", "difference", "passed"),
    [
        ({"CCT": 5}, 1, 1, True),
        ({"CCT": 3}, 1, -1, True),
        ({"CCT": 2}, 1, -2, False),
        ({"CCT": 2}, 2, -2, True),
        ({"CCT": 5}, 0, 1, False),
        ({"CCT": None}, 4, None, False),
        ({"CCT": 6}, 4, None, False),
        ({"CCT": 3.5}, 4, None, False),
    ],
)
def test_every_global_must_be_near(
    globals_: dict[str, float | None], within: int, difference: int | None, passed: bool
) -> None:
    told = score(graded(KNOWN, **globals_), KNOWN, Bar(globals_within=within))
    assert told.globals == {**dict.fromkeys(GLOBALS, 0), "CCT": difference}
    assert told.passed is passed and told.share == 1


def test_a_global_that_is_not_known_is_not_asked_for() -> None:
    known = graded(KNOWN, EMPATHY=None)
    told = score(graded(KNOWN, EMPATHY=1), known, Bar())
    assert tuple(told.globals) == ("CCT", "SST", "PARTNERSHIP") and told.passed


def test_what_cannot_be_scored() -> None:
    with pytest.raises(NotAligned, match="totals only"):
        score(Coding(counts={"Q": 2}), KNOWN, Bar())
    with pytest.raises(NotAligned, match="volley 2"):
        other = (KNOWN.volleys or ())[0], Volley(utterances=(Utterance(text="不是。"),))
        score(KNOWN.model_copy(update={"volleys": other}), KNOWN, Bar())
    with pytest.raises(ValueError, match="nothing to score"):
        score(Coding(volleys=()), Coding(volleys=()), Bar())


@pytest.mark.parametrize(
    "wrong",
    [
        {"share": 0},
        {"share": 1.01},
        {"share": -0.5},
        {"share": float("nan")},
        {"globals_within": -1},
        {"globals_within": 5},
        {"globals_within": 1.0},
        {"globals_within": True},
        {"shares": 0.5},
    ],
)
def test_a_bar_that_is_none(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Bar(**wrong)  # type: ignore[arg-type]
    assert Bar() == Bar(share=0.7, globals_within=1)


@given(st.lists(st.tuples(st.sampled_from(ANY), st.sampled_from(ANY)), min_size=1, max_size=30))
def test_the_share_is_that_of_equal_pairs(pairs: list[tuple[Code | None, Code | None]]) -> None:
    known, filled = (
        Coding(volleys=tuple(Volley(utterances=(Utterance(text="好", code=c),)) for c in column))
        for column in zip(*pairs, strict=True)
    )
    told = score(filled, known, Bar(share=0.5))
    equal = sum(right == rated for right, rated in pairs)
    assert (told.equal, told.n, told.share) == (equal, len(pairs), equal / len(pairs))
    assert told.passed is (2 * equal >= len(pairs))
    assert [(one.known, one.given) for one in told.marks] == pairs


def test_every_confusion_has_one_line_in_both_languages() -> None:
    told = {
        (known, given): reason(known, given)
        for known, given in product(ANY, repeat=2)
        if known != given
    }
    assert len(told) == 110
    for pair, one in told.items():
        assert re.search(r"[\u4e00-\u9fff].*。$", one.zh), pair
        assert one.en.endswith(".") and not re.search(r"[\u4e00-\u9fff]", one.en), pair
        assert "\n" not in one.zh + one.en and "{" not in one.zh + one.en, pair
    # The reason for one direction is never that for the other.
    for (right, wrong), one in told.items():
        assert one != told[wrong, right]


@pytest.mark.parametrize(
    ("known", "given", "zh", "en"),
    [
        ("CR", "SR", "没有明说", "meaning, feeling or emphasis beyond"),
        ("SR", "CR", "拿不准", "adds little"),
        ("GI", "PERSUADE", "拿不准", "neutrally"),
        ("PERSUADE", "PERSUADE_WITH", "没有征得同意", "Leave was not asked"),
        ("CONFRONT", "Q", "只编面质", "coded Confront only"),
        ("AF", "CR", "只编肯定", "code Affirm"),
        ("AF", "SEEK", "就编肯定", "code Affirm"),
        ("SEEK", "EMPHASIZE", "就编寻求合作", "code Seeking Collaboration"),
        ("Q", "SEEK", "就编提问", "code Question"),
        (None, "SR", "不编码", "no code"),
    ],
)
def test_typical_confusions_have_words_of_their_own(
    known: Code | None, given: Code | None, zh: str, en: str
) -> None:
    told = reason(known, given)
    assert zh in told.zh and en in told.en


def test_other_confusions_are_told_by_the_definitions() -> None:
    form = {item.code: item for item in items().codes}
    told = reason("Q", "AF")
    for item in (form["Q"], form["AF"]):
        for lang, text in (("zh", told.zh), ("en", told.en)):
            assert item.name.of(lang) in text and item.definition.of(lang) in text  # type: ignore[arg-type]
    bare = reason("CONFRONT", None)
    assert bare.zh.startswith("应为“面质”") and "不编码" in bare.zh
    assert bare.en.startswith("Confront: ") and "Not coded" in bare.en


def test_vignettes_are_ten_in_the_order_of_the_list() -> None:
    listed = yaml.safe_load((ASSETS / "practice.yaml").read_text(encoding="utf-8"))
    assert [one.id for one in vignettes()] == listed and len(set(listed)) == 10
    assert vignettes() is vignettes()


def test_vignettes_break_no_rule_and_show_every_code() -> None:
    shown: Counter[Code | None] = Counter()
    for one in vignettes():
        assert violations(one.known) == [], one.id
        assert tuple(one.known.globals) == GLOBALS
        volleys = one.known.volleys or ()
        assert 4 <= len(volleys) <= 8, one.id
        said = [message.content for message in one.messages if message.role == "counselor"]
        assert ["".join(u.text for u in volley.utterances) for volley in volleys] == said
        shown.update(u.code for volley in volleys for u in volley.utterances)
    assert set(shown) == set(ANY) and min(shown.values()) >= 2


def test_vignettes_are_mixed_and_give_no_code_away() -> None:
    source = {one.id: one.model_dump() for one in read_dialogues(TRAIN)}
    chosen = [source[one.id] for one in vignettes()]
    assert Counter(one["quality"] for one in chosen) == {"high": 7, "low": 3}
    assert len({one["topic"] for one in chosen}) == 8
    for one, original in zip(vignettes(), chosen, strict=True):
        assert one.known == parse_coding(original) and one.lang == "zh"
        assert [message.model_dump() for message in one.messages] == [
            {"role": message["role"], "content": message["content"]}
            for message in original["messages"]
        ]


@pytest.mark.parametrize("number", range(10))
def test_a_vignette_coded_as_known_passes_and_all_uncoded_does_not(number: int) -> None:
    known = vignettes()[number].known
    assert score(known, known, Bar()).passed
    blank = Sheet.of(
        [[Utterance(text=one.text) for one in volley.utterances] for volley in known.volleys or ()]
    )
    assert not score(blank.coding, known, Bar()).passed
