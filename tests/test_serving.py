"""A tuned adapter is put into the arena while it runs, and taken out again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mi_arena.access.identity import Identity
from mi_arena.battles.arena import Arena
from mi_arena.battles.refusal import Refused
from mi_arena.engine.room import EngineRoom
from mi_arena.pairs import Pair
from mi_arena.serving import SERVED_NAME, CannotServe, Serving, choose_kept, other_prompt
from tests.battles.conftest import open_arena, public
from tests.conftest import make_pair
from tests.small_models import small_adapter, small_base

GB = 10**9


@pytest.fixture
def arena(tmp_path: Path, tiny_pair: Pair) -> Iterator[Arena]:
    opened = open_arena(tmp_path, [tiny_pair])
    yield opened
    opened.close()


@pytest.fixture
def serving(arena: Arena, tmp_path: Path) -> Serving:
    return Serving(arena.offer, EngineRoom(GB, 2, 8), tmp_path / SERVED_NAME)


def entry(folder: Path, pair: Pair) -> Path:
    """The file that a fine-tune leaves."""
    file = folder / f"{pair.id}.yaml"
    content = {"pairs": [pair.model_dump(mode="json", exclude_none=True)]}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


def tuned(pair_folders: tuple[Path, Path], name: str = "fresh") -> Pair:
    return make_pair(*pair_folders, name=name, decoding={"max_new_tokens": 5, "temperature": 0})


def rater(arena: Arena, name: str = "a rater") -> Identity:
    who = public(name)
    arena.consent(who, "zh")
    return who


def battle(arena: Arena, who: Identity, text: str = "我想戒烟。") -> tuple[str, str]:
    """One turn of a new battle; its token and the epoch it is in."""
    token = arena.start(who, "smoking", None, "zh")
    arena.say(who, token, text)
    assert answered(arena, who, token) == 1
    return token, str([*arena.store.events("battle_started")][-1].epoch)


def answered(arena: Arena, who: Identity, token: str) -> int:
    """The rounds that both sides have answered."""
    *_, view = arena.follow(who, token, 0.01)
    return view.complete_rounds


def test_a_new_pair_takes_battles_in_an_epoch_of_its_own(
    arena: Arena, serving: Serving, tmp_path: Path, pair_folders: tuple[Path, Path]
) -> None:
    before = {e.epoch for e in arena.store.events("epoch_opened")}
    pair, warning = serving.add(entry(tmp_path, tuned(pair_folders)))
    assert warning is None and [p.id for p in serving.added()] == ["fresh"]
    opened = {e.epoch for e in arena.store.events("epoch_opened")} - before
    assert len(opened) == 1 and arena.store.count("epoch_closed") == 0
    arena.offer.leave_out("tiny")  # so that the draw is no draw
    assert battle(arena, rater(arena))[1] in opened
    assert pair.id in {p.id for p in arena.offer.pairs()}


def test_taken_out_it_gets_no_new_battle_and_ends_those_it_has(
    arena: Arena, serving: Serving, tmp_path: Path, pair_folders: tuple[Path, Path]
) -> None:
    serving.add(entry(tmp_path, tuned(pair_folders)))
    arena.offer.leave_out("tiny")
    who = rater(arena)
    token, _ = battle(arena, who)
    serving.remove("fresh")
    assert serving.added() == [] and arena.offer.pairs() == []
    arena.say(who, token, "可是压力大。")
    assert answered(arena, who, token) == 2


def test_weights_that_changed_under_one_id_begin_another_epoch(
    arena: Arena, serving: Serving, tmp_path: Path, pair_folders: tuple[Path, Path]
) -> None:
    serving.add(entry(tmp_path, tuned(pair_folders)))
    changed = tuned(pair_folders).model_copy(update={"system_prompt": "先听，再问。"})
    serving.add(entry(tmp_path, changed))
    closed = {e.epoch for e in arena.store.events("epoch_closed")}
    mine = [e.epoch for e in arena.store.events("epoch_opened") if "fresh" in str(e.epoch)]
    assert len(mine) == 2 and closed == {mine[0]}


def test_it_is_served_after_a_restart(
    arena: Arena, serving: Serving, tmp_path: Path, pair_folders: tuple[Path, Path]
) -> None:
    serving.add(entry(tmp_path, tuned(pair_folders)))
    told: list[str] = []
    kept = choose_kept(tmp_path / SERVED_NAME, {"tiny"}, told.append)
    assert [p.id for p in kept] == ["fresh"] and told == []
    assert kept[0].adapter == tuned(pair_folders).adapter
    assert choose_kept(tmp_path / SERVED_NAME, {"fresh"}, told.append) == []
    assert told == ["pair fresh is left out: models.yaml has its id"]


def test_what_can_not_be_served_changes_nothing(
    arena: Arena, serving: Serving, tmp_path: Path, pair_folders: tuple[Path, Path]
) -> None:
    base, _ = pair_folders
    gone = tuned((base, tmp_path / "nowhere"), "gone")
    with pytest.raises(CannotServe, match=r"no adapter_config\.json"):
        serving.add(entry(tmp_path, gone))
    with pytest.raises(CannotServe, match=r"tiny is served already, by models\.yaml"):
        serving.add(entry(tmp_path, tuned(pair_folders, "tiny")))
    with pytest.raises(CannotServe, match="No such file"):
        serving.add(tmp_path / "missing.yaml")
    wider = small_base(tmp_path / "wider", width=96)
    other = small_adapter(tmp_path / "of-another-base", wider)
    with pytest.raises(CannotServe, match=r"pair misfit: .* in the base"):
        serving.add(entry(tmp_path, tuned((base, other), "misfit")))
    too_large = Serving(arena.offer, EngineRoom(1000, 2, 8), tmp_path / SERVED_NAME)
    with pytest.raises(CannotServe, match="MI_ARENA_MEMORY_GB"):
        too_large.add(entry(tmp_path, tuned(pair_folders)))
    assert serving.added() == [] and [p.id for p in arena.offer.pairs()] == ["tiny"]
    assert arena.store.count("epoch_opened") == 1


@pytest.mark.parametrize(
    ("trained", "served", "told"),
    [
        (None, None, None),
        ("听。", "听。", None),
        (None, "听。", "tuned without a system prompt, and is served with a system prompt"),
        ("听。", None, "tuned with a system prompt, and is served without a system prompt"),
        ("听。", "问。", "served with a system prompt of other words"),
    ],
)
def test_another_prompt_than_in_training_is_told(
    tmp_path: Path,
    pair_folders: tuple[Path, Path],
    trained: str | None,
    served: str | None,
    told: str | None,
) -> None:
    adapter = tmp_path / "adapter"
    shutil.copytree(pair_folders[1], adapter)
    pair = tuned((pair_folders[0], adapter)).model_copy(update={"system_prompt": served})
    assert other_prompt(pair) is None  # made elsewhere: nothing is known
    (adapter / "training.json").write_text(json.dumps({"system_prompt": trained}))
    warning = other_prompt(pair)
    assert warning is None if told is None else warning is not None and told in warning


def test_what_can_not_be_kept_is_not_served(
    arena: Arena, tmp_path: Path, pair_folders: tuple[Path, Path]
) -> None:
    (tmp_path / "a-file").write_text("")
    serving = Serving(arena.offer, EngineRoom(GB, 2, 8), tmp_path / "a-file" / SERVED_NAME)
    with pytest.raises(CannotServe, match="cannot be written"):
        serving.add(entry(tmp_path, tuned(pair_folders)))
    assert [p.id for p in arena.offer.pairs()] == ["tiny"]


def test_a_damaged_file_keeps_nobody_from_starting(tmp_path: Path, arena: Arena) -> None:
    file = tmp_path / SERVED_NAME
    file.write_text("pairs: [")
    told: list[str] = []
    assert choose_kept(file, set(), told.append) == [] and len(told) == 1
    serving = Serving(arena.offer, EngineRoom(GB, 2, 8), file)
    assert serving.added() == []
    with pytest.raises(CannotServe, match="mend or remove the file"):
        serving.remove("fresh")
    assert file.read_text() == "pairs: ["


def test_an_open_battle_of_changed_weights_is_over(
    arena: Arena, serving: Serving, tmp_path: Path, pair_folders: tuple[Path, Path]
) -> None:
    serving.add(entry(tmp_path, tuned(pair_folders)))
    arena.offer.leave_out("tiny")
    who = rater(arena)
    token, before = battle(arena, who)
    changed = tuned(pair_folders).model_copy(update={"system_prompt": "先听，再问。"})
    serving.add(entry(tmp_path, changed))
    for act in (lambda: arena.say(who, token, "还有呢？"), lambda: arena.retry(who, token)):
        try:
            act()
        except Refused as refused:
            assert refused.code == "not_open"
    assert arena.view(who, token).complete_rounds == 1
    assert battle(arena, who)[1] != before
