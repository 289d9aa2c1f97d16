"""Both profiles equal the libraries they stand for: random text, counselling, edge cases."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import jieba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.translate.bleu_score import SmoothingFunction
from nltk.translate.bleu_score import sentence_bleu as nltk_bleu
from rouge_score.rouge_scorer import RougeScorer, _lcs_table
from sacrebleu.metrics.bleu import BLEU

from eval.score.common_subsequence import common_subsequence
from eval.score.llamafactory import similarity
from eval.score.standard import (
    bleu_counts,
    bleu_signature,
    corpus_bleu,
    rouge,
    sentence_bleu,
)
from eval.score.words import cut, words
from mi_arena.dialogue import read_dialogues
from tests.eval import original_metrics as original

TEST_SET = Path("mi_arena/assets/mi_zh/test.jsonl")
CLOSE = 1e-9
SMOOTHING = SmoothingFunction()

PIECES = st.sampled_from(
    [
        *(
            "我",
            "你",
            "的",
            "戒烟",
            "动机式访谈",
            "听起来",
            "觉得",
            "很累",
            "清华大学",
            "研究生命起源",
        ),
        *(
            "。",
            "，",
            "？",
            "！",
            "?",
            "!",
            ".",
            "......",
            "…",
            "……",
            "”",
            "’",
            "“",
            "；",
            "—",
            "《",
        ),
        *(" ", "  ", "\n", "\r\n", "\t", "\u3000", "\u2028", "\x1c", "\x85", "\u00a0", "\u200b"),
        *(
            "AI",
            "it's",
            "don't",
            "3.5",
            "50%",
            "C++",
            "a_b",
            "1,000",
            "A&B",
            "-",
            "100",
            "http://x.y",
        ),
        *("😀", "👩‍⚕️", "🇨🇳", "𠮷", "é", "ü", "한국", "カ", "\x00", "\ufeff", "龦"),
    ]
)
PARTS = st.lists(PIECES, max_size=25).map("".join)
TEXTS = st.one_of(PARTS, st.text(max_size=25))


@st.composite
def pairs_of_texts(draw: st.DrawFn) -> tuple[str, str]:
    """Also texts that have much in common, as a reply and its reference have."""
    first, second, shared = draw(TEXTS), draw(TEXTS), draw(PARTS)
    return draw(
        st.sampled_from([(first, second), (shared + first, second + shared), (shared, shared)])
    )


EDGES = [
    *[
        (text, other)
        for text in ("", " ", "\n", "。", "...", "？？")
        for other in ("", " ", "。", "好")
    ],
    ("好", "好"),
    ("好的", "的好"),
    ("你好吗", "你好吗"),
    ("好。\n好", "好。好"),  # a blank sentence is a word of rouge_chinese
    ("好。\n\n好。\n ", "。\n。\n"),
    ("好……\n好", "好......\n好"),
    ("好\u3000的，", "你好\u3000的"),  # a blank that sacreBLEU takes for Chinese
    ("........", "..好......”.."),
    ("“好。”他说。", "“好？”她说！"),
    ("a b", "  "),  # nltk counts blanks, and so a reply of blanks can share some
    ("听" * 300, "听" * 7),
    ("听起来你很累。" * 40, "你听起来很累，很累。" * 30),
]


def check_round(reference: str, prediction: str) -> None:
    ours = similarity(reference, prediction)._asdict()
    assert ours == pytest.approx(original.llamafactory(reference, prediction), abs=CLOSE, rel=0)
    ours = rouge(reference, prediction)._asdict()
    assert ours == pytest.approx(original.standard_rouge(reference, prediction), abs=CLOSE, rel=0)
    counts = bleu_counts(reference, prediction)
    theirs = original.standard_sentence_bleu(reference, prediction)
    assert sentence_bleu(counts) == pytest.approx(theirs, abs=CLOSE, rel=0)
    check_corpus([(reference, prediction)])


def check_corpus(rounds: Sequence[tuple[str, str]]) -> None:
    counts = [bleu_counts(*texts) for texts in rounds]
    references, predictions = zip(*rounds, strict=True)
    theirs = original.standard_bleu(references, predictions)
    assert corpus_bleu(np.sum(counts, axis=0).tolist()) == pytest.approx(theirs, abs=CLOSE, rel=0)


@given(pairs_of_texts())
@settings(max_examples=250, deadline=None)
def test_random_rounds(texts: tuple[str, str]) -> None:
    check_round(*texts)


@given(st.lists(pairs_of_texts(), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_random_corpora(rounds: list[tuple[str, str]]) -> None:
    check_corpus(rounds)


@pytest.mark.parametrize("texts", EDGES, ids=lambda texts: json.dumps(texts)[:40])
def test_edges_both_ways(texts: tuple[str, str]) -> None:
    check_round(*texts)
    check_round(*reversed(texts))


@pytest.fixture(scope="module")
def natural() -> list[tuple[str, str]]:
    """Counsellor replies of the test set, each with itself, its neighbour and its client turn."""
    rounds = []
    for dialogue in read_dialogues(TEST_SET):
        texts = [message.content for message in dialogue.messages]
        rounds += [(texts[i + 1], texts[i]) for i in range(len(texts) - 1)]
        rounds += [(texts[i + 2], texts[i]) for i in range(len(texts) - 2)]
        rounds.append(("\n".join(texts[:6]), "\n".join(texts[2:8])))
    return rounds


def test_natural_rounds(natural: list[tuple[str, str]]) -> None:
    assert len(natural) > 500
    for reference, prediction in natural[::8]:
        check_round(reference, prediction)
    check_corpus(natural)


@given(st.lists(st.integers(0, 3), max_size=90), st.lists(st.integers(0, 3), max_size=90))
@settings(max_examples=100, deadline=None)
def test_common_subsequence(first: list[int], second: list[int]) -> None:
    assert common_subsequence(first, second) == _lcs_table(first, second)[-1][-1]


@given(TEXTS)
@settings(max_examples=100, deadline=None)
def test_words_hold_no_blank_and_nothing_is_lost(text: str) -> None:
    assert "".join(cut(text)) == text
    assert " ".join(words(text)).split(" ") == list(words(text) or [""])
    assert "".join(words(text)) == "".join(text.split())


def test_words_of_others_change_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    before = words("动机式访谈")
    cut.cache_clear()
    jieba.add_word("动机式访谈")
    try:
        assert words("动机式访谈") == before
    finally:
        jieba.del_word("动机式访谈")
    assert capfd.readouterr() == ("", "")


def test_default_tokenizers_would_give_nothing_for_chinese() -> None:
    """Why the profile names its tokenizers."""
    wanted, given = "听起来你最近压力很大，晚上睡不好。", "听起来你最近很累，晚上睡不好。"
    assert RougeScorer(["rouge1"]).score(wanted, given)["rouge1"].fmeasure == 0
    assert BLEU().corpus_score([given], [[wanted]]).score == 0
    assert rouge(wanted, given).rouge1 > 60
    version = metadata.version("sacrebleu")
    assert bleu_signature() == f"nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:{version}"


def test_one_reply_and_its_bleus() -> None:
    """On Han alone that shares some four characters in a row, BLEU on characters is that of zh;
    on words it is lower."""
    wanted = "听起来你最近压力很大，晚上睡不好，白天没有精神。"
    given = "听起来你最近很累，晚上睡不好，白天也没有什么精神。"
    on_characters = similarity(wanted, given).bleu4
    assert on_characters == pytest.approx(original.standard_bleu([wanted], [given]), abs=CLOSE)
    on_words = 100 * nltk_bleu([words(wanted)], words(given), smoothing_function=SMOOTHING.method3)
    assert 0 < on_words < on_characters - 5
