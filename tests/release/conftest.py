"""One study and its release, for all who only look at them, and a copy to be changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_arena.release.build import build
from tests.release.small_study import EXPERT, SECRET, Plan, SmallStudy

UNSAID = {
    "withdrawn": "我说过的葡萄",
    "flagged": "我说过的橘子",
    "open": "我说过的香蕉",
    "left": "我说过的西瓜",
    "seen today": "我想死，我说过的草莓",
}
"""What is written in battles that may not go out."""


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallStudy]:
    """A closed epoch with gaps, an open one, and another pair's without any battle that counts."""
    made = SmallStudy(tmp_path_factory.mktemp("study") / "data")
    first = made.epoch()
    made.battle(first, Plan(says=("我的电话是13812345678", "怕咳嗽"), reason="B 更会听"))
    made.battle(first, Plan(says=(UNSAID["withdrawn"],), withdrawn=True))
    for number in range(8):
        made.battle(first, Plan(who=EXPERT, overall="tie", says=(f"第{number}次",)))
    made.battle(first, Plan(says=(UNSAID["flagged"],), flagged=True, judged=False))
    made.battle(first, Plan(says=(UNSAID["left"],), judged=False))
    made.battle(first, Plan(says=(UNSAID["seen today"],)))
    made.close(first)
    made.battle(made.epoch(), Plan(says=(UNSAID["open"],)))
    other = made.epoch("pair-wombat")
    made.battle(other, Plan(judged=False))
    made.close(other)
    yield made
    made.store.close()


@pytest.fixture(scope="session")
def release(study: SmallStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("release") / "out"
    build(study.folder, SECRET, out)
    return out


@pytest.fixture
def copy(release: Path, tmp_path: Path) -> Path:
    """The release, to be tampered with."""
    return Path(shutil.copytree(release, tmp_path / "copy"))


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of one study: with its epoch open, once it is closed, and later."""
    root = tmp_path_factory.mktemp("releases")
    study = SmallStudy(root / "data")
    epoch = study.epoch()
    for number in range(6):
        study.battle(epoch, Plan(says=(f"第{number}次", "怕咳嗽")))
    study.battle(epoch, Plan(judged=False))
    study.import_match("theirs")
    made = {name: root / name for name in ("open", "closed", "later")}
    build(study.folder, SECRET, made["open"])
    study.close(epoch)
    first, second = study.battles[:2]
    study.draw(first)
    study.draw(second)
    study.code(f"{first}-A", "c1")
    study.code(f"{second}-B", "c2")
    study.judge_match(f"{first}-m", f"{first}-B", "w1")
    study.judge_match(f"{second}-m", f"{second}-A", "w2")
    study.judge_match("theirs", "theirs-1", "w3")
    study.battle(study.epoch(), Plan())
    build(study.folder, SECRET, made["closed"])
    study.withdraw(second)
    study.code(f"{first}-A", "c1", revision=2)
    study.code(f"{first}-B", "c3")
    study.judge_match(f"{first}-m", f"{first}-A", "w4")
    build(study.folder, SECRET, made["later"])
    study.store.close()
    return made


@pytest.fixture
def closed(releases: dict[str, Path], tmp_path: Path) -> Path:
    """A release with codings and matches, to be changed."""
    return Path(shutil.copytree(releases["closed"], tmp_path / "closed"))
