"""While the records are not restored nothing is taken anywhere, and every page says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mi_arena.battles.arena import Arena
from mi_arena.battles.form import Answers
from mi_arena.battles.refusal import Refused
from mi_arena.pairs import Pair
from mi_arena.publishing.opening import open_publisher
from mi_arena.records.store import DATABASE_NAME, EventStore
from mi_arena.settings import Settings, SettingsError, study_secret
from mi_arena.ui.texts import say
from mi_arena.workspace.workspace import Workspace
from tests.battles.conftest import open_arena, public
from tests.workspace.conftest import (
    ANN,
    append_battle,
    assign,
    hand_in,
    import_alone,
    jsonl,
    line,
    open_workspace,
    train,
)

WHO = public("token-of-a-rater")


@pytest.fixture
def closed(
    tmp_path: Path, tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Arena, EventStore]]:
    """An arena over a store that lost everything; the store as the publisher will open it."""
    prepare = EventStore.__init__

    def not_taking(self: EventStore, *given: object, **named: object) -> None:
        prepare(self, *given, **named)  # type: ignore[arg-type]
        self.taking = False

    with monkeypatch.context() as patched:
        patched.setattr(EventStore, "__init__", not_taking)
        arena = open_arena(tmp_path, [tiny_pair])
    yield arena, arena.store
    arena.close()


@pytest.mark.parametrize(
    "act",
    [
        lambda arena: arena.consent(WHO, "zh"),
        lambda arena: arena.view(WHO, "token of a battle that is lost"),
        lambda arena: arena.say(WHO, "token of a battle that is lost", "我想戒烟"),
        lambda arena: arena.judge(WHO, "token of a battle that is lost", Answers(overall="A")),
        lambda arena: arena.withdraw(WHO, "AAAA-BBBB-CCCC"),
        lambda arena: arena.sign_in(WHO, "a code"),
    ],
)
def test_the_arena_is_closed(
    closed: tuple[Arena, EventStore], act: Callable[[Arena], object]
) -> None:
    arena, store = closed
    with pytest.raises(Refused) as refused:
        act(arena)
    assert refused.value.code == "not_restored" and store.count() == 0


def test_it_opens_by_itself_with_its_epochs(closed: tuple[Arena, EventStore]) -> None:
    arena, store = closed
    store.taking = True
    arena.offer.open_epochs()
    assert store.count("epoch_opened") == 1
    arena.consent(WHO, "zh")
    assert arena.start(WHO, "smoking", None, "zh")
    assert store.count("epoch_opened") == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda workspace: workspace.material.import_dialogues(jsonl([line("new")]), "new.jsonl"),
        lambda workspace: workspace.material.draw_battles(),
        lambda workspace: workspace.assignments.draw("coding", 1, 0.0),
        lambda workspace: workspace.practice.set_bar(0.8, 1, 2),
    ],
)
def test_the_workspace_is_closed(tmp_path: Path, act: Callable[[Workspace], object]) -> None:
    workspace = open_workspace(tmp_path)
    append_battle(workspace.store)
    train(workspace.store, ANN)
    import_alone(workspace, "one")
    before = workspace.store.count()
    workspace.store.taking = False
    with pytest.raises(Refused) as refused:
        act(workspace)
    assert refused.value.code == "not_restored" and workspace.store.count() == before
    workspace.close()


def test_a_finished_form_is_kept_and_handed_in_later(tmp_path: Path) -> None:

    workspace = open_workspace(tmp_path)
    train(workspace.store, ANN)
    (dialogue,) = import_alone(workspace, "one")
    job = workspace.assignments.job(ANN, assign(workspace.store, ANN, dialogue))
    workspace.store.taking = False
    with pytest.raises(Refused) as refused:
        hand_in(workspace, job)
    assert refused.value.code == "not_restored"
    assert workspace.store.count("coding_submitted") == 0
    workspace.store.taking = True
    hand_in(workspace, job)
    assert workspace.store.count("coding_submitted") == 1
    workspace.close()


def test_the_notice_is_in_both_languages() -> None:
    assert "恢复" in say("zh", "refused_not_restored")
    assert "could not be restored" in say("en", "refused_not_restored")


def test_a_dataset_without_a_secret_or_a_token_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data=tmp_path, dataset="me/arena")
    with pytest.raises(SettingsError, match="MI_ARENA_SECRET: must be set") as raised:
        study_secret(settings)
    assert "\n" not in str(raised.value) and not (tmp_path / "secret").exists()
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("mi_arena.publishing.opening.get_token", lambda: None)
    with pytest.raises(SettingsError, match="HF_TOKEN: must be set") as raised:
        open_publisher(settings, EventStore(tmp_path / DATABASE_NAME))
    assert "\n" not in str(raised.value)
    assert open_publisher(Settings(data=tmp_path), EventStore(tmp_path / DATABASE_NAME)) is None
