"""Archives that mean harm: nothing leaves them, and nothing is read without end."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from mi_arena.jobs.script import BadInput
from training.corpora import sources
from training.corpora.sources import Unreadable, open_source

NAMES = ("../../../etc/case_1.txt", "/etc/case_2.txt", "a/../../case_3.txt", "..\\case_4.txt")


def zipped(path: Path, contents: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, contents: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        for kind, name in ((tarfile.SYMTYPE, "link.txt"), (tarfile.LNKTYPE, "hard.txt")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "/etc/passwd"
            archive.addfile(link)
    return path


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
def test_names_and_links_lead_nowhere(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    make = zipped if name.endswith("zip") else tarred
    made = make(inside / name, {one: b"its own words" for one in NAMES})
    source = open_source(made, (".txt",))
    contents = [entry.content() for entry in source.entries]
    assert set(contents) == {b"its own words"}
    assert list(tmp_path.iterdir()) == [inside] and list(inside.iterdir()) == [made]


def test_a_link_in_a_zip_is_its_own_few_letters(tmp_path: Path) -> None:
    made = tmp_path / "x.zip"
    with zipfile.ZipFile(made, "w") as archive:
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    [entry] = open_source(made, (".txt",)).entries
    assert entry.content() == b"/etc/passwd"


@pytest.mark.parametrize("name", ["x.zip", "x.tar", "x.tar.gz"])
def test_a_member_that_swells_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "LARGEST", 1 << 16)
    make = zipped if name.endswith("zip") else tarred
    made = make(tmp_path / name, {"bomb.txt": bytes(1 << 20), "case.txt": b"small"})
    bomb, case = open_source(made, (".txt",)).entries
    assert case.content() == b"small"
    with pytest.raises(Unreadable, match="over 0 MiB"):
        bomb.content()


def test_an_archive_that_swells_as_a_whole_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MOST_UNPACKED", 1 << 20)
    made = tarred(tmp_path / "x.tar.gz", {f"case_{n}.txt": bytes(1 << 18) for n in range(5)})
    with pytest.raises(BadInput, match="split it"):
        open_source(made, (".txt",))
