"""What is asked and in which batches: rounds, systems and shared texts, without a model."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.respond.batches import Ask, batches, families
from eval.respond.rounds import Round, read_test_set, rounds_of
from eval.respond.systems import Prompts, System, load_mi_prompt, parse_systems, reply_seed
from mi_arena.dialogue import Dialogue, Message
from mi_arena.jobs.script import BadInput
from tests.small_dialogues import made_up, write


def dialogue(*said: tuple[str, str], **more: str) -> Dialogue:
    messages = [{"role": role, "content": text} for role, text in said]
    return Dialogue.model_validate({"id": "d", "source": "s", "messages": messages, **more})


C, A, S = "client", "counselor", "system"


@pytest.mark.parametrize(
    ("said", "rounds"),
    [
        ([(C, "1"), (A, "2"), (C, "3"), (A, "4")], [("1", "2"), ("1 2 3", "4")]),
        # What one speaker says in several messages is one turn.
        ([(C, "1"), (C, "2"), (A, "3"), (A, "4")], [("1\n2", "3\n4")]),
        # A counsellor's opening is history, no reply; a last client turn has none.
        ([(A, "0"), (C, "1"), (A, "2"), (C, "3")], [("0 1", "2")]),
        ([(S, "you are"), (C, "1"), (S, "note"), (C, "2"), (A, "3")], [("1\n2", "3")]),
        ([(C, "1")], []),
        ([(A, "1")], []),
        ([], []),
    ],
)
def test_rounds_of_a_dialogue(said: list[tuple[str, str]], rounds: list[tuple[str, str]]) -> None:
    found = rounds_of(dialogue(*said))
    assert [(" ".join(m.content for m in r.history), r.reference) for r in found] == rounds
    assert [r.number for r in found] == list(range(1, len(rounds) + 1))
    assert all(r.history[-1].role == "client" for r in found)


def test_a_test_set_counts_what_has_no_rounds(tmp_path: Path) -> None:
    silent = dialogue((C, "1"))
    data = write(tmp_path / "d.jsonl", made_up(2), [silent], made_up(1, seed=1))
    tests = read_test_set(data)
    assert (tests.dialogues, tests.without_rounds, len(tests.rounds)) == (4, 1, 9)
    assert len(read_test_set(data, limit=2).rounds) == 6


@pytest.mark.parametrize(
    ("dialogues", "words"),
    [
        ([made_up(1)[0], made_up(1)[0]], "occurs twice"),
        ([dialogue((C, "1"))], "no counsellor turn that answers a client in 1 dialogues"),
        ([], "in 0 dialogues"),
    ],
)
def test_test_sets_that_cannot_be_answered(
    tmp_path: Path, dialogues: list[Dialogue], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        read_test_set(write(tmp_path / "d.jsonl", dialogues))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "name one of"),
        ("base,best", "no system 'best'; known: base, base_prompted, tuned, remote:NAME"),
        ("remote:", "no system 'remote:'"),
        ("reference", "no system 'reference'"),
        ("base,tuned,base", "base stands twice"),
    ],
)
def test_systems_that_are_none(text: str, words: str) -> None:
    with pytest.raises(BadInput) as raised:
        parse_systems(text)
    assert words in str(raised.value) and "\n" not in str(raised.value)


def test_what_each_system_is_told() -> None:
    mi = load_mi_prompt()
    prompts = Prompts("own", mi)
    for lang, part in (("zh", "zh"), ("zh-CN", "zh"), ("en", "en"), ("de", "en")):
        [asked] = rounds_of(dialogue((C, "嗯"), (A, "好"), lang=lang))
        told = {
            system.name: prompts.messages(system, asked)
            for system in parse_systems("base,base_prompted,tuned,remote:big")
        }
        assert told["base"] == told["tuned"] == told["remote:big"]
        assert [m.content for m in told["base"]] == ["own", "嗯"]
        assert [m.role for m in told["base_prompted"]] == ["system", "client"]
        assert told["base_prompted"][0].content == mi.parts[part]
        assert Prompts(None, mi).messages(System("base"), asked) == list(asked.history)
    assert set(mi.parts) == {"zh", "en"} and all(mi.parts.values())


def test_every_reply_has_a_seed_of_its_own() -> None:
    rounds = [r for d in made_up(3) for r in rounds_of(d)]
    seeds = {
        reply_seed(seed, asked, system)
        for seed in (0, 1)
        for asked in rounds
        for system in parse_systems("base,base_prompted,tuned")
    }
    assert len(seeds) == 2 * 3 * len(rounds) and all(0 <= seed < 2**63 for seed in seeds)


def ask(prompt: list[int]) -> Ask:
    history = (Message(role="client", content="x"),)
    return Ask(Round("d", 1, "zh", history, "y"), System("base"), prompt, 0)


PROMPTS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=12)


@given(PROMPTS)
def test_families_share_their_longest_text(prompts: list[list[int]]) -> None:
    found = families([ask(prompt) for prompt in prompts])
    assert sorted(one.prompt for family in found for one in family) == sorted(prompts)
    for family in found:
        longest = family[0].prompt
        assert all(longest[: len(one.prompt)] == one.prompt for one in family)


def test_a_dialogue_that_fits_is_one_family() -> None:
    text = list(range(100))
    assert len(families([ask(text[:n]) for n in (10, 40, 100)])) == 1
    # One whose beginning was left out shares nothing with the others.
    assert len(families([ask(text[:10]), ask(text[:40]), ask(text[20:])])) == 2


@given(PROMPTS, st.integers(1, 8))
def test_batches_hold_everything_once_and_no_more_than_they_may(
    prompts: list[list[int]], most: int
) -> None:
    every = families([ask(prompt) for prompt in prompts])
    made = batches(every, most)
    assert sorted(one.prompt for batch in made for f in batch for one in f) == sorted(prompts)
    assert all(0 < sum(map(len, batch)) <= most for batch in made)
    lengths = [len(family[0].prompt) for batch in made for family in batch]
    assert all(one >= other for one, other in pairwise(lengths))
    assert made == batches(every, most)
