"""models.yaml: what it says, and what is said about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mi_arena.pairs import RegistryError, choose, load_registry, missing
from mi_arena.settings import ROOT

GOOD = {
    "id": "one",
    "name": {"zh": "一", "en": "One"},
    "base": {"repo": "a/b", "revision": "main"},
    "adapter": {"path": "adapter"},
    "format": "chatml",
    "context": 1024,
    "licence": "x",
}


def registry(folder: Path, *pairs: dict[str, object]) -> Path:
    path = folder / "models.yaml"
    path.write_text(yaml.safe_dump({"pairs": list(pairs)}, allow_unicode=True))
    return path


def test_the_shipped_registry_has_the_study_s_pairs() -> None:
    pairs = load_registry(ROOT / "models.yaml")
    assert set(pairs) == {"demo", "baichuan2-7b", "glm-4-9b", "llama3-8b-zh", "qwen2.5-0.5b"}
    assert missing(pairs["demo"]) is None
    assert pairs["llama3-8b-zh"].base.revision == "v2"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "alpaca"}, "unknown format"),
        ({"colour": "red"}, "colour"),
        ({"base": {"repo": "a/b"}}, "revision"),
        ({"base": {"repo": "a/b", "path": "c", "revision": "main"}}, "either repo or path"),
        ({"decoding": {"temperature": 9}}, "temperature"),
        ({"context": 200}, "context must be longer"),
        ({"id": "No Spaces"}, "id"),
    ],
)
def test_a_wrong_entry_is_one_line_that_names_it(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    with pytest.raises(RegistryError, match=words) as raised:
        load_registry(registry(tmp_path, GOOD | change))
    assert "\n" not in str(raised.value)


def test_an_id_twice_and_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="twice"):
        load_registry(registry(tmp_path, GOOD, GOOD))
    bad = tmp_path / "bad.yaml"
    bad.write_text("pairs: [")
    with pytest.raises(RegistryError, match="not YAML"):
        load_registry(bad)
    with pytest.raises(RegistryError, match="No such file"):
        load_registry(tmp_path / "none.yaml")


def test_what_can_not_be_loaded_yet_is_left_out_with_a_line(tmp_path: Path) -> None:
    pairs = load_registry(ROOT / "models.yaml")
    served, problems = choose(pairs, ["demo", "baichuan2-7b", "glm-4-9b"])
    assert [pair.id for pair in served] == ["demo"]
    assert len(problems) == 2
    assert "convert" in problems[0] and "adapter" in problems[1]
    assert all("\n" not in line for line in problems)


def test_an_unknown_pair_stops_the_start() -> None:
    with pytest.raises(RegistryError, match=r"MI_ARENA_PAIRS.*nope"):
        choose(load_registry(ROOT / "models.yaml"), ["nope"])
