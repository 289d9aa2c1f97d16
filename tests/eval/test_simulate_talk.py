"""Talks: one client for every system, every way in which one ends, and words without a model."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.simulate.client_prompt import Unfit, fit_words, load_client_prompt
from eval.simulate.clients import turn_key
from eval.simulate.own_words import own_words
from eval.simulate.profiles import OURS
from eval.simulate.talk import Heard, Talk
from mi_arena.dialogue import Message
from tests.eval.simulating import PUSHY, SKILLED, profile, talk_through

REPLIES = st.lists(st.sampled_from([*SKILLED, *PUSHY, "", "嗯。"]), min_size=8, max_size=8)
NAMES = ["smoking-night-taxi", "diet-yoyo", "medication-asthma-teen", "sleep-shift-nurse"]
DANGER = "我真的不想活了。"


@settings(deadline=None, max_examples=40)
@given(REPLIES, REPLIES, st.integers(0, 8), st.sampled_from(NAMES), st.integers(0, 99))
def test_systems_meet_the_same_client_until_they_differ(
    one: list[str], other: list[str], common: int, name: str, seed: int
) -> None:
    first = talk_through(profile(name), one, "base", seed=seed)
    second = talk_through(profile(name), [*one[:common], *other[common:]], "tuned", seed=seed)
    turns = [
        [(m.role, m.content) for m in talk.messages][: 2 * common + 1] for talk in (first, second)
    ]
    # The turn after the last common reply is still the same.
    assert turns[0] == turns[1]
    assert first.rounds[:common] == second.rounds[:common]


@settings(deadline=None, max_examples=20)
@given(REPLIES, st.sampled_from(NAMES))
def test_a_talk_is_what_it_was_when_it_is_held_again(replies: list[str], name: str) -> None:
    once, again = (talk_through(profile(name), replies) for _ in range(2))
    assert once.messages == again.messages and once.rounds == again.rounds
    assert once.ended == again.ended


def test_another_seed_says_it_otherwise() -> None:
    of = profile()
    said = {
        tuple(m.content for m in talk_through(of, SKILLED, seed=seed).messages) for seed in range(5)
    }
    assert len(said) > 1


def test_a_client_commits_itself_once_it_is_ready_and_is_answered() -> None:
    talk = talk_through(profile("smoking-quit-half-year"), SKILLED, rounds=12)
    assert talk.ended == "commitment"
    assert talk.rounds[-1].stance == "commitment" and talk.messages[-1].role == "counselor"
    said = talk.messages[-2].content
    assert any(one in said for one in talk.profile.words["commitment"])


def test_a_client_leaves_once_it_has_had_enough() -> None:
    talk = talk_through(profile("smoking-night-taxi"), PUSHY, rounds=20)
    assert talk.ended == "left" and len(talk.rounds) < 8
    assert talk.messages[-2].content == talk.profile.words["leaving"][0]
    assert [one.stance for one in talk.rounds][-2:] == ["disengaging", "leaving"]


def test_rounds_run_out() -> None:
    talk = talk_through(profile("diet-salty-grandma"), SKILLED, rounds=3)
    assert talk.ended == "rounds" and len(talk.rounds) == 3 == talk.steps


def test_a_sign_of_danger_ends_it_at_once() -> None:
    talk = Talk(profile(), "base", 8)
    talk.client_says(profile().first_words)
    talk.counsellor_says(Heard(SKILLED[0]))
    talk.client_says(DANGER)
    assert talk.ended == "crisis" and talk.messages[-1].role == "client"
    other = Talk(profile(), "base", 8)
    other.client_says(profile().first_words)
    other.counsellor_says(Heard("那你就去死吧，自杀算了。"))
    assert other.ended == "crisis" and len(other.rounds) == 1


def test_own_words_are_new_as_long_as_there_are_new_ones() -> None:
    of = profile("screen-grandpa-tablet")
    talk = talk_through(of, ["嗯。"] * 6, rounds=6)
    said = [m.content for m in talk.messages if m.role == "client"]
    assert said[0] == of.first_words
    pool = of.pool("sustain") + of.words["disengaging"]
    used = [one for text in said[1:] for one in pool if one in text]
    assert len(used) == len(set(used)) == len(said) - 1
    assert not any(text.startswith("还是那句话") for text in said)


def test_a_talk_may_be_longer_than_a_client_has_sentences() -> None:
    of = profile("smoking-college-vape")
    talk = Talk(of, "base", 40)
    for _ in range(20):  # always in the same stance
        turn = talk.next_turn()
        talk.messages.append(Message(role="client", content=own_words(turn, 0)))
        talk.messages.append(Message(role="counselor", content="嗯。"))
    said = [m.content for m in talk.messages if m.role == "client"]
    assert all(before != after for before, after in pairwise(said))


def test_a_turn_is_kept_by_what_was_said_and_not_by_who_said_it() -> None:
    one, other = Talk(profile(), "base", 8), Talk(profile(), "tuned", 8)
    for talk in (one, other):
        talk.client_says(profile().first_words)
        talk.counsellor_says(Heard(SKILLED[0]))
    assert turn_key(one.next_turn()) == turn_key(other.next_turn())
    prompt = load_client_prompt()
    assert prompt.task(one.next_turn(), 0) == prompt.task(other.next_turn(), 0)
    one.client_says("嗯。")
    assert turn_key(one.next_turn()) != turn_key(other.next_turn())


@pytest.mark.parametrize("path", [OURS, OURS.with_name("profiles_en.yaml")])
def test_what_a_model_is_told_of_a_client(path: object) -> None:
    name = "smoking-new-father" if path == OURS else "en-sleep-developer"
    of = profile(name, path)  # type: ignore[arg-type]
    talk = Talk(of, "tuned", 8)
    talk.client_says(of.first_words)
    talk.counsellor_says(Heard("{stance} {goal} 听起来\n你很累。"))
    prompt = load_client_prompt()
    task = prompt.task(talk.next_turn(), 0)
    for told in (of.person, of.goal, of.resists, of.style, of.barriers[0], of.motives[1]):
        assert told in task
    assert "{stance} {goal} 听起来 你很累。" in task  # what was said stays as it was said
    assert prompt.file.parts[f"{of.lang}-{talk.stance}"] in task
    assert "tuned" not in task + prompt.rules(of.lang)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("我再想想吧。", "我再想想吧。"),
        ("来访者：我再想想吧。\n", "我再想想吧。"),
        ("<think>咨询师：他应该不想改</think>“我再想想吧。”", "我再想想吧。"),
        ("我爱人说“少抽点”，\n我没吭声。", "我爱人说“少抽点”， 我没吭声。"),
    ],
)
def test_words_that_fit(text: str, said: str) -> None:
    assert fit_words(text, Talk(profile(), "base", 8).next_turn()) == said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("<think>想一想</think> …", "empty"),
        ("作为一个AI语言模型，我不能扮演来访者。", "refused"),
        ("我" * 201, "long"),
        ("我再想想。\n咨询师：好的。", "speakers"),
        ("Let me think about it.", "language"),
        (profile().first_words, "repeated"),
    ],
)
def test_words_that_do_not_fit(text: str, reason: str) -> None:
    talk = Talk(profile(), "base", 8)
    talk.client_says(profile().first_words)
    talk.counsellor_says(Heard(SKILLED[0]))
    with pytest.raises(Unfit) as caught:
        fit_words(text, talk.next_turn())
    assert caught.value.reason == reason
    told = load_client_prompt().again("zh", caught.value.reason, 2)
    assert "（第 2 次）" in told and "{" not in told
