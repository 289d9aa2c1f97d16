"""Agreement of a judge with people: worked by hand, by other libraries, and on real coders."""

from __future__ import annotations

import csv
import gzip
import math
import warnings
from itertools import pairwise

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.judge.comparison import LABELS, Comparison, NotComparable, Pair, compare
from mi_arena.miti.coding import Coding, Utterance, Volley
from mi_arena.miti.items import CODES, GLOBALS, Code
from tests.processes import ROOT

ANNOMI = ROOT.parent / "shared" / "data" / "annomi_full.csv.gz"
Said = tuple[str, Code | None]


def coding(*volleys: list[Said], scores: tuple[float, ...] = ()) -> Coding:
    return Coding(
        change_goal="戒烟",
        globals=dict(zip(GLOBALS, scores, strict=False)),
        volleys=tuple(
            Volley(utterances=tuple(Utterance(text=text, code=code) for text, code in volley))
            for volley in volleys
        ),
    )


def one_each(*codes: Code | None) -> Coding:
    """A volley for each code, all of the same length."""
    return coding(*([("话", code)] for code in codes))


def compared(*pairs: tuple[Coding, Coding]) -> Comparison:
    """Of (human, judge)."""
    return compare([Pair(str(number), *both) for number, both in enumerate(pairs)])


def test_numbers_worked_by_hand() -> None:
    """Q: 3 by both, 1 by the judge alone, 2 by people alone, 4 by neither."""
    human = one_each("Q", "Q", "SR", "Q", "CR", "SR"), one_each("Q", "Q", "CR", None)
    judge = one_each("Q", "Q", "Q", "SR", "CR", "SR"), one_each("Q", "GI", "SR", None)
    found = compared(*zip(human, judge, strict=True))
    question = found.labels["Q"]
    assert (question.human, question.judge, question.both) == (5, 4, 3)
    assert question.precision.value == pytest.approx(3 / 4)
    assert question.recall.value == pytest.approx(3 / 5)
    assert question.f1.value == pytest.approx(2 * 3 / 9)
    # Observed 7/10; by chance .5 * .4 + .5 * .6 = .5.
    assert question.kappa.value == pytest.approx((0.7 - 0.5) / 0.5)
    # Over all: 6 of 10 the same; by chance (5*4 + 2*3 + 2*1 + 1*1) / 100 = .29 (Q, SR, CR, none).
    assert found.same == pytest.approx(0.6)
    assert found.kappa.value == pytest.approx((0.6 - 0.29) / (1 - 0.29))
    assert found.kappa.n_targets == 2
    place = {label: number for number, label in enumerate(LABELS)}
    assert found.confusion[place["CR"]][place["SR"]] == 1
    assert found.confusion[place["Q"]][place["GI"]] == 1
    assert found.confusion[place[None]][place[None]] == 1
    assert sum(map(sum, found.confusion)) == found.n_segments == 10 == found.n_volleys
    assert found.volleys["Q"] == question
    # 5 questions by people and 4 by the judge; nobody affirms.
    assert (found.calls["Q"].human, found.calls["Q"].judge) == (5, 4)
    assert found.calls["Q"].ratio.value == pytest.approx(0.8)
    assert found.calls["GI"].ratio.value is None
    assert found.calls["GI"].ratio.reason == "people never used it"
    assert found.labels["GI"].precision.value == 0 and found.labels["GI"].recall.value is None
    assert found.labels["AF"].f1.value is None
    assert found.labels["AF"].f1.reason == "neither people nor the judge used it"


def test_what_is_cut_differently_is_compared_stretch_by_stretch() -> None:
    human = coding([("你想戒烟，", "SR"), ("这很难。怎么办？", "Q")])
    judge = coding([("你想戒烟，这很难。", "SR"), ("怎么办？", "Q")])
    found = compared((human, judge))
    assert (found.n_human_utterances, found.n_judge_utterances, found.n_segments) == (2, 2, 3)
    assert (found.n_cuts_human, found.n_cuts_judge, found.n_cuts_both) == (1, 1, 0)
    assert found.same == pytest.approx(2 / 3)
    # By volley, both hold a simple reflection and a question, however they were cut.
    assert found.volleys["SR"].f1.value == found.volleys["Q"].f1.value == 1
    assert found.calls["SR"].ratio.value == found.calls["Q"].ratio.value == 1


def test_white_space_is_left_out_of_account_and_other_words_are_not() -> None:
    human = coding([("I see. ", "SR"), ("And you?", "Q")])
    judge = coding([("I see.\n\n", "SR"), ("And  you? ", "Q")])
    assert compared((human, judge)).same == 1
    with pytest.raises(NotComparable, match=r"volley 1: the judge's has another text") as error:
        compare([Pair("d-7", human, coding([("I see. And they?", "Q")]))])
    assert error.value.id == "d-7" and "And" not in str(error.value)
    with pytest.raises(NotComparable, match="another number of volleys"):
        compared((human, coding([("I see. And you?", None)], [("x", None)])))


CODED = st.lists(
    st.lists(st.sampled_from([*CODES, None]), min_size=1, max_size=5, unique=True),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=15)
@given(st.lists(CODED, min_size=2, max_size=4))
def test_a_judge_that_equals_people_has_f1_1_and_kappa_1(
    dialogues: list[list[list[Code | None]]],
) -> None:
    same = [
        coding(*([(f"话{place}。", code) for place, code in enumerate(volley)] for volley in one))
        for one in dialogues
    ]
    found = compared(*((one, one) for one in same))
    assert found.same == 1 and (
        found.kappa.value == 1 or "the same code" in str(found.kappa.reason)
    )
    for label in found.labels.values():
        if label.human:
            for each in (label.precision, label.recall, label.f1):
                assert (each.value, each.ci_low, each.ci_high) == (1, 1, 1)
            assert label.kappa.value == 1 or "the same everywhere" in str(label.kappa.reason)
        else:
            assert label.f1.value is None and "neither" in str(label.f1.reason)
    for code in CODES:
        calls = found.calls[code]
        assert calls.human == calls.judge and calls.ratio.value == (1 if calls.human else None)


def test_a_judge_with_one_code_for_everything_finds_it_all_and_agrees_by_chance() -> None:
    human = [one_each("Q", "SR", "CR", "Q"), one_each("Q", "AF", None, "GI")]
    found = compared(*((one, one_each("Q", "Q", "Q", "Q")) for one in human))
    question = found.labels["Q"]
    assert question.recall.value == 1 and question.precision.value == pytest.approx(3 / 8)
    assert question.kappa.value == 0 == found.kappa.value
    assert found.calls["Q"].ratio.value == pytest.approx(8 / 3)
    assert found.labels["SR"].recall.value == 0
    assert found.labels["SR"].precision.value is None
    assert found.labels["SR"].precision.reason == "the judge never used it"
    assert found.calls["SR"].ratio.value == 0


def test_intervals_are_over_dialogues_and_one_dialogue_has_none() -> None:
    good = (one_each("Q", "SR", "CR"), one_each("Q", "SR", "CR"))
    bad = (one_each("Q", "SR", "CR"), one_each("SR", "CR", "Q"))
    found = compared(*[good, bad] * 10).labels["Q"].recall
    assert found.value == 0.5 and found.n_targets == 20
    assert found.ci_low is not None and found.ci_high is not None
    # The share of 20 drawn dialogues that are good ones: binomial, sd .11.
    assert found.ci_low == pytest.approx(0.3, abs=0.051)
    assert found.ci_high == pytest.approx(0.7, abs=0.051)
    alone = compared(good)
    assert alone.kappa.value == 1 and alone.kappa.ci_low is None
    assert alone.kappa.reason == "no interval: there is one dialogue"


def test_icc_of_globals_and_scores_is_that_of_another_library() -> None:
    draws = np.random.default_rng(3)
    pairs, rows = [], []
    for number in range(12):
        human = draws.integers(1, 6, size=4)
        judge = np.clip(human + draws.integers(-1, 2, size=4), 1, 5)
        pairs.append((coding(scores=tuple(map(int, human))), coding(scores=tuple(map(int, judge)))))
        rows += [
            (number, "h", human[1], human[:2].mean()),
            (number, "j", judge[1], judge[:2].mean()),
        ]
    found = compared(*pairs)
    table = pd.DataFrame(rows, columns=["target", "rater", "SST", "technical"])
    for item in ("SST", "technical"):
        one = found.items[item]  # type: ignore[index]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            icc = pingouin.intraclass_corr(table, "target", "rater", item).set_index("Type")
        assert one.agreement is not None
        assert one.agreement.icc_a1.value == pytest.approx(icc.loc["ICC(A,1)", "ICC"], abs=1e-6)
        assert one.human_mean == pytest.approx(table[table.rater == "h"][item].mean())
        assert one.judge_mean == pytest.approx(table[table.rater == "j"][item].mean())
    apart = [abs(one.globals["SST"] - other.globals["SST"]) for one, other in pairs]
    sst = found.items["SST"].agreement
    assert sst is not None
    assert sst.exact == pytest.approx(apart.count(0) / 12) and sst.within_one == 1


def test_totals_alone_count_for_the_form_and_not_for_utterances() -> None:
    totals = Coding(globals={"CCT": 4}, counts={"Q": 3, "SR": 1, "CR": 1})
    found = compared((totals, one_each("Q", "SR", "CR")), (totals, one_each("Q", "Q", "CR")))
    assert (found.n_dialogues, found.n_with_utterances, found.n_segments) == (2, 0, 0)
    assert found.same is None and found.kappa.value is None
    assert found.kappa.reason == "no dialogue has coded utterances on both sides"
    assert (found.calls["Q"].human, found.calls["Q"].judge) == (6, 3)
    assert found.calls["Q"].ratio.value == 0.5
    assert found.items["CCT"].human_mean is None  # the judge rated none
    assert found.items["Q"].human_mean == 3


def test_ten_real_annotators_agree_as_their_publication_says() -> None:
    """AnnoMI: Fleiss' kappa of the main therapist behaviour is .74, that of reflections' subtype
    far lower. Each annotator is held against the next as a judge against people."""
    if not ANNOMI.exists():
        pytest.skip(f"NO REAL ANNOTATORS WERE COMPARED: {ANNOMI} is not here")
    annotators = real_annotators()
    names = sorted(annotators)
    assert len(names) == 10
    kappas = [
        compare([Pair(t, annotators[one][t], annotators[other][t]) for t in annotators[one]]).kappa
        for one, other in pairwise([*names, names[0]])
    ]
    values = [kappa.value for kappa in kappas]
    assert all(kappa.n_targets == 7 for kappa in kappas)
    assert all(value is not None and 0.5 < value < 0.9 for value in values)
    assert math.isclose(float(np.mean(values)), 0.74, abs_tol=0.02)  # type: ignore[arg-type]


def real_annotators() -> dict[str, dict[str, Coding]]:
    """Codings by annotator and transcript, an utterance a turn, of the seven with all ten."""
    codes: dict[str, Code | None] = {
        "question": "Q",
        "reflection": "SR",
        "therapist_input": "GI",
        "other": None,
    }
    said: dict[str, dict[str, list[list[Said]]]] = {}
    with gzip.open(ANNOMI, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["interlocutor"] == "therapist":
                turn = [(row["utterance_text"], codes[row["main_therapist_behaviour"]])]
                transcripts = said.setdefault(row["annotator_id"], {})
                transcripts.setdefault(row["transcript_id"], []).append(turn)
    shared = set.intersection(*(set(transcripts) for transcripts in said.values()))
    return {
        name: {number: coding(*transcripts[number]) for number in sorted(shared)}
        for name, transcripts in said.items()
    }
