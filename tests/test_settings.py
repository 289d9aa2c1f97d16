"""Every MI_ARENA_* variable: typed, named when wrong, and described in the README."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mi_arena.settings import PREFIX, ROOT, Settings, SettingsError, load_settings, study_secret


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def test_defaults_and_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().pairs == ["demo"]
    monkeypatch.setenv("MI_ARENA_PAIRS", " demo, qwen2.5-0.5b ")
    assert load_settings().pairs == ["demo", "qwen2.5-0.5b"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MI_ARENA_PORT", "port"),
        ("MI_ARENA_PORT", "70000"),
        ("MI_ARENA_MEMORY_GB", "-1"),
        ("MI_ARENA_SECRET", "short"),
        ("MI_ARENA_TRAINING_PAUSES_SERVING", "maybe"),
        ("MI_ARENA_PAIRS", ","),
        ("MI_ARENA_PAIRS", "demo,demo"),
        ("MI_ARENA_ADMIN_CODE", ""),
        ("MI_ARENA_ADMIN_CODE", "elevenchars"),
        ("MI_ARENA_ADMIN_CODE", "  elevenchars   "),
        ("MI_ARENA_ADMIN_CODE", "- - - - - - - - - - -"),
        ("MI_ARENA_PROT", "7860"),
        ("MI_ARENA_MODERATION_URL", "ftp://host"),
        ("MI_ARENA_MODERATION_URL", "https://user@host/v1"),
        ("MI_ARENA_MODERATION_URL", "https://host/v1"),
    ],
)
def test_a_wrong_one_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name) as raised:
        load_settings()
    assert "\n" not in str(raised.value)


def test_no_dataset_may_be_meant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MI_ARENA_DATASET", "none")
    monkeypatch.setenv("MI_ARENA_DATA", str(tmp_path))
    settings = load_settings()
    assert settings.published_to is None and study_secret(settings)  # one that is made here does
    monkeypatch.setenv("MI_ARENA_RELEASE", "none")
    with pytest.raises(SettingsError, match=r"^MI_ARENA_RELEASE: .*owner/name$"):
        load_settings()


@pytest.mark.parametrize("name", ["MI_ARENA_RELEASE", "MI_ARENA_DATASET"])
@pytest.mark.parametrize("value", ["foo", "", "a/b/c", "owner/", "owner/name\n", "owner/two words"])
def test_a_dataset_is_named_with_its_owner(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, "our/study-1.0")
    load_settings()
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: .*owner/name$"):
        load_settings()


def test_a_wrong_one_stops_the_app_without_a_traceback() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "app.py")],
        env={"MI_ARENA_PORT": "none", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("MI_ARENA_PORT") and done.stderr.count("\n") == 1


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MI_ARENA_SECRET", "sixteen characters and more")
    monkeypatch.setenv("MI_ARENA_ADMIN_CODE", "long-enough-code")
    settings = load_settings()
    assert "sixteen" not in repr(settings) and "long-enough" not in repr(settings)
    assert settings.admin_code is not None
    assert settings.admin_code.get_secret_value() == "long-enough-code"


def test_a_wrong_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MI_ARENA_ADMIN_CODE", "too-short")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert "too-short" not in str(raised.value)


def test_a_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "new")
    first = study_secret(settings)
    assert study_secret(settings) == first and len(first) >= 32
    assert stat.S_IMODE((tmp_path / "new" / "secret").stat().st_mode) == 0o600


def test_a_new_secret_is_on_the_disk_before_anything_hangs_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_size))
    study_secret(Settings(data=tmp_path))
    assert synced == [64]


def test_the_readme_tells_every_setting() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(MI_ARENA_\w+)` \| .*? \| (.*?) \|$", readme, re.M))
    assert told == {
        PREFIX + name.upper(): field.description for name, field in Settings.model_fields.items()
    }
