"""The clients that come with the project, and files that are refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from eval.simulate.behaviours import in_language
from eval.simulate.client_state import Stage
from eval.simulate.profiles import OURS, Topic, load_profiles
from mi_arena.jobs.script import BadInput
from mi_arena.safety.crisis import scan
from tests.eval.simulating import PUSHY, SKILLED, talk_through

ENGLISH = OURS.with_name("profiles_en.yaml")


def test_ours_cover_topics_stages_and_ways_of_resisting() -> None:
    ours = load_profiles(OURS).profiles
    assert len(ours) >= 40
    assert {one.lang for one in ours} == {"zh"}
    topics = Counter(one.topic for one in ours)
    assert set(topics) == set(get_args(Topic)) and min(topics.values()) >= 5
    stages = Counter(one.stage for one in ours)
    assert set(stages) == set(get_args(Stage)) and min(stages.values()) >= 3
    resistant = [one for one in ours if one.resistance == "high"]
    assert len(resistant) >= 12 and len({one.topic for one in resistant}) == 8
    assert min(Counter(one.sex for one in ours).values()) >= len(ours) // 3
    ages = [one.age for one in ours]
    assert min(ages) < 20 and max(ages) > 70
    assert len({one.style for one in ours}) == len({one.resists for one in ours}) == len(ours)


@pytest.mark.parametrize("path", [OURS, ENGLISH])
def test_no_sentence_is_shared_in_danger_or_in_another_language(path: Path) -> None:
    profiles = load_profiles(path).profiles
    said = Counter(text for one in profiles for text in one.sentences)
    assert max(times for text, times in said.items() if len(text) > 12) == 1
    assert not [text for text in said if scan(text)]
    assert all(in_language(text, profiles[0].lang) for text in said)


def test_what_a_client_hears_decides_where_it_goes() -> None:
    for one in load_profiles(OURS).profiles:
        skilled, pushed = talk_through(one, SKILLED), talk_through(one, PUSHY)
        assert skilled.state.readiness > skilled.began.readiness, one.id
        assert pushed.state.readiness < pushed.began.readiness, one.id
        assert skilled.ended in ("rounds", "commitment") and pushed.ended in ("rounds", "left")


def broken(change: dict[str, Any], of: int = 1) -> dict[str, Any]:
    raw: dict[str, Any] = yaml.safe_load(OURS.read_text(encoding="utf-8"))
    raw["profiles"] = raw["profiles"][:3]
    raw["profiles"][of] |= change
    return raw


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (broken({"stage": "dreaming"}), "profile 2 ('smoking-new-father').stage: Input should be"),
        (broken({"importance": 11}), "importance: Input should be less than or equal to 10"),
        (broken({"id": "smoking-night-taxi"}), "the id smoking-night-taxi stands twice"),
        (broken({"hobby": "棋"}), "hobby: Extra inputs are not permitted"),
        (broken({"words": {"sustain": ["不改。"]}}), "words.sustain needs at least 3 sentences"),
        (broken({"first_words": "我不想活了。"}), "shows a sign of danger"),
        (broken({"barriers": ["难。", "难。"]}), "a sentence stands twice"),
        ({"lang": "fr", "profiles": []}, "lang: Input should be"),
        ({"lang": "zh", "profiles": []}, "profiles: List should have at least 1 item"),
        ({"lang": "zh", "profiles": [3]}, "profile 1 (None): Input should be"),
        (["zh"], "the file: Input should be"),
    ],
)
def test_refused_in_one_line(tmp_path: Path, raw: object, words: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(raw, allow_unicode=True), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_profiles(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and words in line and "\n" not in line
    assert "不想活" not in line


def test_what_is_no_yaml_or_no_text(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("lang: zh\nprofiles: [\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"p\.yaml:3: is not YAML"):
        load_profiles(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="not UTF-8"):
        load_profiles(path)
    with pytest.raises(BadInput, match="cannot be read: No such file"):
        load_profiles(tmp_path / "none.yaml")
