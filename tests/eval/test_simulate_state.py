"""What replies do to a client: a table of cases, and what holds for all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.simulate.behaviours import BEHAVIOURS, Behaviour
from eval.simulate.client_state import CLOSING, ClientState, Stance, begin, earns, moved, rules

STATES = st.builds(
    ClientState,
    readiness=st.floats(0, 10).map(lambda x: round(x, 2)),
    engagement=st.floats(0, 10).map(lambda x: round(x, 2)),
    resistance=st.sampled_from(["low", "medium", "high"]),
    questions_alone=st.integers(0, 4),
)
DONE = st.frozensets(st.sampled_from(BEHAVIOURS))


def at(readiness: float, engagement: float = 6, questions_alone: int = 0) -> ClientState:
    return ClientState(readiness, engagement, "medium", questions_alone)


@pytest.mark.parametrize(
    ("state", "stance"),
    [
        (at(2), "sustain"),
        (at(3.49), "sustain"),
        (at(3.5), "ambivalent"),
        (at(6.49), "ambivalent"),
        (at(6.5), "change"),
        (at(8.49), "change"),
        (at(8.5), "commitment"),
        (at(10, 2.99), "disengaging"),
        (at(2, 3), "sustain"),
        (at(9, 1), "leaving"),
        (at(5, 1.01), "disengaging"),
    ],
)
def test_the_stance_follows_from_both_numbers(state: ClientState, stance: Stance) -> None:
    assert state.stance == stance


@pytest.mark.parametrize(
    ("facts", "readiness", "engagement"),
    [
        (("precontemplation", 2, 4, "high"), 2.25, 5),
        (("contemplation", 6, 4, "medium"), 4.5, 6),
        (("action", 9, 9, "low"), 7.5, 7),  # there must be something left to earn
        (("precontemplation", 0, 0, "low"), 0.75, 7),
    ],
)
def test_where_a_client_begins(
    facts: tuple[str, int, int, str], readiness: float, engagement: float
) -> None:
    state = begin(*facts)  # type: ignore[arg-type]
    assert (state.readiness, state.engagement) == (readiness, engagement)


@pytest.mark.parametrize(
    ("state", "done", "readiness", "engagement"),
    [
        # The table's number, times 0.9 earned or 1 lost for medium resistance.
        (at(2), {"reflection"}, 2.36, 6.45),
        (at(2), {"reflection", "open_question"}, 2.5, 6.54),
        (at(2), {"advice"}, 1.6, 5.1),
        (at(5), {"advice"}, 4.7, 5.3),
        (at(7), {"permitted_advice"}, 7.22, 6.09),
        (at(2), {"permitted_advice"}, 2, 5.6),
        (at(2), {"confrontation", "reflection"}, 1.1, 4.2),
        (at(2), {"advice", "reflection"}, 1.96, 5.55),
        (at(2), set(), 2, 5.6),
        (at(2), {"silence"}, 2, 4),
        (at(7), {"reflection", "open_question", "affirmation", "autonomy"}, 7.9, 6.9),
        (at(5), {"open_question"}, 5.22, 6.18),
        (at(5, questions_alone=2), {"open_question"}, 5, 5.6),
        (at(5, questions_alone=2), {"open_question", "reflection"}, 5.59, 6.54),
        (at(0.2), {"confrontation"}, 0, 4.2),
        (at(9), {"confrontation"}, 9, 6),  # who has decided is not moved any more
    ],
)
def test_what_a_reply_does(
    state: ClientState, done: set[Behaviour], readiness: float, engagement: float
) -> None:
    after = moved(state, done)
    assert (after.readiness, after.engagement) == pytest.approx((readiness, engagement), abs=0.011)


@given(STATES, DONE)
def test_readiness_never_rises_where_nothing_was_earned(
    state: ClientState, done: frozenset[Behaviour]
) -> None:
    after = moved(state, done)
    assert 0 <= after.readiness <= 10 and 0 <= after.engagement <= 10
    assert after.readiness <= state.readiness + rules().most_a_round + 0.01
    if not earns(state, done):
        assert after.readiness <= state.readiness
    if state.stance in CLOSING:
        assert after == state


@given(STATES, st.sampled_from(["advice", "confrontation", "lecture", "closed_question"]), DONE)
def test_no_bad_habit_ever_helps(
    state: ClientState, bad: Behaviour, done: frozenset[Behaviour]
) -> None:
    with_it, without = moved(state, done | {bad}), moved(state, done - {bad})
    assert with_it.readiness <= without.readiness + 1e-9
    if done - {bad}:  # alone it may still be more than saying nothing
        only_asks = done - {bad} <= {"open_question", "closed_question"}
        assert with_it.engagement <= without.engagement + 1e-9 or only_asks


@given(STATES, DONE)
def test_the_same_comes_out_of_the_same(state: ClientState, done: frozenset[Behaviour]) -> None:
    other_way_round = sorted(done, reverse=True)
    assert moved(state, done) == moved(state, other_way_round) == moved(state, [*done, *done])


@given(STATES, DONE)
def test_more_resistance_never_makes_it_easier(
    state: ClientState, done: frozenset[Behaviour]
) -> None:
    each = [
        moved(ClientState(state.readiness, state.engagement, level, state.questions_alone), done)
        for level in ("low", "medium", "high")
    ]
    assert each[0].readiness >= each[1].readiness >= each[2].readiness
    assert each[0].engagement >= each[1].engagement >= each[2].engagement
