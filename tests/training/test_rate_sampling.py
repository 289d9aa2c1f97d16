"""Which dialogues are drawn, how they are named, and what is refused."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.dialogue import Dialogue, read_dialogues
from mi_arena.jobs.script import BadInput
from tests.small_dialogues import made_up, write
from tests.training.rate_stand_in import corpora, small_sample
from training.rate.sampling import crisis_marks, draw_sample, kept_sample, spoken, write_sample


def test_the_order_of_files_and_lines_changes_nothing(tmp_path: Path) -> None:
    files = corpora(tmp_path)
    before = draw_sample(files, 5, seed=3)
    for file in files:
        dialogues = list(read_dialogues(file))
        random.Random(1).shuffle(dialogues)
        write(file, dialogues)
    after = draw_sample(files[::-1], 5, seed=3)
    assert after.items == before.items
    assert [len(after.of(corpus.name)) for corpus in after.corpora] == [5, 5, 5]
    assert draw_sample(files, 5, seed=4).items != before.items


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 11), st.integers())
def test_a_larger_sample_holds_the_smaller_one(
    tmp_path_factory: pytest.TempPathFactory, size: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("corpora")
    files = corpora(folder, number=1)
    small, large = (
        {item.dialogue.id for item in draw_sample(files, n, seed).items} for n in (size, size + 1)
    )
    assert len(small) == size
    assert small < large


def test_every_dialogue_is_drawn_about_as_often(tmp_path: Path) -> None:
    files = corpora(tmp_path, number=1)
    times = dict.fromkeys((f"made-0-{n}" for n in range(12)), 0)
    for seed in range(300):
        for item in draw_sample(files, 4, seed).items:
            times[item.dialogue.id] += 1
    # Binomial, 300 of one third: 100, standard deviation 8.
    assert all(65 < number < 135 for number in times.values())


def test_people_see_ids_that_mix_the_corpora_and_tell_runs_apart(tmp_path: Path) -> None:
    files = corpora(tmp_path)
    ids = [item.blind_id for item in draw_sample(files, 10, seed=0).items]
    assert [one[:4] for one in ids] == [f"D{n:03}" for n in range(1, 31)]
    others = {item.blind_id for item in draw_sample(files, 10, seed=1).items}
    assert not others & set(ids)
    order = [item.corpus for item in draw_sample(files, 10, seed=0).items]
    assert order != sorted(order)


def test_crises_stay_in_and_are_marked(tmp_path: Path) -> None:
    plain, flagged, said = made_up(3, source="s")
    flagged = flagged.model_copy(update={"meta": {"flags": ["crisis"]}})
    message = said.messages[0].model_copy(update={"content": "我不想活了，我想自杀。"})
    said = said.model_copy(update={"messages": [message]})
    assert crisis_marks(plain) == ()
    assert crisis_marks(flagged) == ("flagged",)
    assert crisis_marks(said)
    sample = draw_sample([write(tmp_path / "c.jsonl", [plain, flagged, said])], 3, 0)
    assert sum(bool(item.crisis) for item in sample.items) == 2


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    sample = small_sample(tmp_path)
    assert kept_sample(tmp_path) is None
    write_sample(tmp_path, sample)
    assert kept_sample(tmp_path) == sample
    with (tmp_path / "sample.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(BadInput, match="changed since"):
        kept_sample(tmp_path)


def test_names_are_sources_or_files(tmp_path: Path) -> None:
    def names(**sources: str) -> list[str]:
        files = []
        for number, (file, source) in enumerate(sources.items()):
            made = made_up(4, seed=number)
            kinds = source.split("|")
            made = [
                d.model_copy(update={"source": kinds[n % len(kinds)]}) for n, d in enumerate(made)
            ]
            files.append(write(tmp_path / f"{file}.jsonl", made))
        return [corpus.name for corpus in draw_sample(files, 2, 0).corpora]

    assert names(one="甲", two="乙") == ["乙", "甲"]
    assert names(one="甲|乙", two="丙") == ["one", "丙"]
    assert names(one="甲", two="甲") == ["one", "two"]


def test_system_messages_and_runs_of_one_role() -> None:
    dialogue = Dialogue.model_validate(
        {
            "id": "d",
            "source": "s",
            "messages": [
                {"role": "system", "content": "你是咨询师"},
                {"role": "client", "content": " 你好 "},
                {"role": "client", "content": "在吗"},
                {"role": "counselor", "content": ""},
                {"role": "counselor", "content": "在的"},
            ],
        }
    )
    assert spoken(dialogue) == [("来访者", "你好 \n在吗"), ("咨询师", "在的")]


def test_dialogues_without_a_word_are_counted(tmp_path: Path) -> None:
    empty = made_up(1, seed=9)[0].model_copy(update={"messages": []})
    file = write(tmp_path / "c.jsonl", made_up(3), [empty])
    (corpus,) = draw_sample([file], 3, 0).corpora
    assert (corpus.dialogues, corpus.empty) == (3, 1)
    with pytest.raises(BadInput, match=r"has 3 dialogues \(1 without a word are left out\)"):
        draw_sample([file], 4, 0)


def test_bad_files_are_one_line(tmp_path: Path) -> None:
    good = corpora(tmp_path, number=1)[0].read_bytes()
    cases = {
        "empty.jsonl": (b"", "has no dialogue to rate"),
        "few.jsonl": (b"".join(good.splitlines(True)[:2]), "has 2 dialogues, fewer than the 5"),
        "half.jsonl": (good[:-40], "half.jsonl:12: "),
        "schema.jsonl": (b'{"a": 1}\n', "schema.jsonl:1: id"),
        "binary.jsonl": (b"\xff\xfe\x00", "is not UTF-8"),
        "cut.jsonl.gz": (gzip.compress(good)[:-20], "is not a whole gzip file"),
        "no.jsonl.gz": (good, "is not a whole gzip file"),
        "twice.jsonl": (good + good, "two dialogues have the id"),
    }
    for name, (content, words) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput) as error:
            draw_sample([tmp_path / name], 5, 0)
        assert words in str(error.value)
        assert name in str(error.value)
        assert "\n" not in str(error.value)
    with pytest.raises(BadInput, match="no such file"):
        draw_sample([tmp_path / "none.jsonl"], 5, 0)
