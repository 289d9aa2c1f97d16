"""From a path to the files in it, one after the other in natural order (case_2 before case_10).

A path is a file, a folder or an archive (.tar, .tar.gz, .tgz, .zip), and any file may be
gzipped. Nothing is unpacked to disk, so what a member calls itself can do no harm. It doesn't
know what is in a file.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from mi_arena.jobs.script import BadInput, first_line

LARGEST = 1 << 28
"""Bytes of a file, or of a line, that is taken into memory as a whole."""
MOST_UNPACKED = 1 << 33
"""Bytes that a gzipped archive may hold: real corpora hold far less, and a bomb has no end."""
TAR_ENDS = (".tar.gz", ".tgz", ".tar")
CHUNK = 1 << 20
BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile)


class Unreadable(Exception):
    """A file or an entry in it that cannot be read; ``where`` names it, with its line if known."""

    def __init__(self, where: str, reason: str):
        super().__init__(f"{where}: {reason}")
        self.where, self.reason = where, reason


@dataclass(frozen=True)
class Entry:
    """One file: its path on disk or in the archive, and how people find it."""

    name: PurePosixPath
    where: str
    opened: Callable[[], BinaryIO] = field(repr=False)
    size: int
    """Bytes as stored, for the progress only."""
    _raw: list[BinaryIO] = field(default_factory=list, repr=False)

    @property
    def stem(self) -> str:
        return self.name.name.removesuffix(".gz").rsplit(".", 1)[0]

    @property
    def folder(self) -> str:
        return self.name.parent.name

    @contextmanager
    def stream(self) -> Iterator[BinaryIO]:
        """The file's bytes, gunzipped. Raises ``Unreadable``, and ``BadInput`` when cut off."""
        try:
            raw = self.opened()
        except (*BROKEN, OSError, RuntimeError, NotImplementedError) as error:
            # Of a zip: a password, a method of packing that is not known here.
            raise Unreadable(self.where, f"cannot be opened ({first_line(error)})") from None
        self._raw[:] = [raw]
        try:
            with raw:
                if self.name.name.lower().endswith(".gz"):
                    with gzip.open(raw, "rb") as plain:
                        yield cast(BinaryIO, plain)
                else:
                    yield raw
        except EOFError:
            raise BadInput(f"{self.where}: is cut off in the middle; fetch it again") from None
        except BROKEN as error:
            raise Unreadable(self.where, f"is damaged ({first_line(error)})") from None
        except OSError as error:
            raise Unreadable(self.where, f"cannot be read ({first_line(error)})") from None

    def read_so_far(self) -> int:
        """Bytes taken from it, about; all of them once it is closed."""
        raw = self._raw[0] if self._raw else None
        return self.size if raw is None or raw.closed else min(self.size, raw.tell())

    def content(self) -> bytes:
        """All its bytes. Raises ``Unreadable``."""
        with self.stream() as stream:
            data = stream.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise Unreadable(self.where, f"is over {LARGEST >> 20} MiB; make it JSON lines")
        return data


@dataclass(frozen=True)
class Source:
    """The files of a path that were asked for, and the names of the others."""

    path: Path
    entries: list[Entry]
    passed_over: list[str]

    @property
    def size(self) -> int:
        return sum(entry.size for entry in self.entries)


def natural(name: PurePosixPath) -> list[tuple[int, int, str]]:
    """A sort key under which numbers in names count as numbers."""
    return [
        (0, int(part), "") if part.isdecimal() and part.isascii() else (1, 0, part)
        for part in re.split(r"([0-9]+)", str(name))
        if part
    ]


def open_source(path: str | Path, suffixes: tuple[str, ...]) -> Source:
    """What ``path`` holds, of the files whose names end in ``suffixes`` (or those and ``.gz``).

    A file that is named itself is taken whatever its name. Raises ``BadInput`` for a path that is
    missing, an archive that is damaged, and where no file has such a name.
    """
    path = Path(path)
    try:
        if path.is_dir():
            found, holder = _folder(path), "folder"
        elif not path.exists():
            raise BadInput(f"{path}: no such file or folder")
        elif path.name.lower().endswith(TAR_ENDS):
            found, holder = _tar(path), "archive"
        elif path.name.lower().endswith(".zip"):
            found, holder = _zip(path), "archive"
        else:
            return Source(path, [_file(path, str(path))], [])
    except EOFError:
        raise BadInput(f"{path}: is cut off in the middle; fetch it again") from None
    except BROKEN as error:
        raise BadInput(f"{path}: is no whole archive ({first_line(error)})") from None
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or first_line(error)}") from None
    found.sort(key=lambda entry: natural(entry.name))
    wanted = (*suffixes, *(suffix + ".gz" for suffix in suffixes))
    entries = [entry for entry in found if entry.name.name.lower().endswith(wanted)]
    if not entries:
        raise BadInput(
            f"{path}: no {' or '.join(suffixes)} file in this {holder}; it holds {_summary(found)}"
        )
    taken = set(map(id, entries))
    return Source(path, entries, [entry.where for entry in found if id(entry) not in taken])


def _summary(entries: list[Entry]) -> str:
    kinds = Counter(entry.name.suffix.lower() or "unsuffixed" for entry in entries)
    return ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(4)) or "no file at all"


def _hidden(name: PurePosixPath) -> bool:
    """What systems leave behind: .DS_Store, __MACOSX and the like."""
    return any(
        (part.startswith(".") and part not in (".", "..")) or part == "__MACOSX"
        for part in name.parts
    )


def _file(path: Path, where: str) -> Entry:
    # The absolute name, for the folders above a file tell of it: a topic, where it came from.
    name = PurePosixPath(path.absolute().as_posix())
    return Entry(name, where, lambda: path.open("rb"), path.stat().st_size)


def _folder(path: Path) -> list[Entry]:
    found = []
    for above, _, names in os.walk(path):
        for name in names:
            file = Path(above, name)
            if file.is_file() and not _hidden(PurePosixPath(file.relative_to(path).as_posix())):
                found.append(_file(file, str(file)))
    return found


def _tar(path: Path) -> list[Entry]:
    """A plain archive is read where its members lie; of a gzipped one they are kept in memory,
    packed, since one can go through it in its own order only."""
    found: list[Entry] = []
    packed = not path.name.lower().endswith(".tar")
    end = 0
    with _opened_tar(path, packed) as tar:
        for member in tar:
            end = member.offset_data + -(-member.size // 512) * 512
            if end > MOST_UNPACKED:
                raise BadInput(f"{path}: holds over {MOST_UNPACKED >> 30} GiB; split it")
            name = PurePosixPath(member.name)
            if not member.isreg() or _hidden(name):
                continue
            if packed:
                content = tar.extractfile(member)
                assert content is not None  # it is a regular file
                opened = _packed(cast(BinaryIO, content), member.size)
            else:
                opened = _stretch(path, member.offset_data, member.size)
            found.append(Entry(name, f"{path}/{member.name}", opened, member.size))
    if not packed and path.stat().st_size < end:
        raise EOFError
    return found


@contextmanager
def _opened_tar(path: Path, packed: bool) -> Iterator[tarfile.TarFile]:
    if not packed:
        with tarfile.open(path, "r:") as tar:
            yield tar
        return
    # Unpacked here and not by tarfile, which takes the end of a cut file for the archive's.
    with gzip.open(path) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
        yield tar
        while plain.read(CHUNK):
            pass  # to the end, where a file that was cut off shows itself


def _packed(content: BinaryIO, size: int) -> Callable[[], BinaryIO]:
    kept = io.BytesIO()
    taken = 0
    with gzip.GzipFile(fileobj=kept, mode="wb", compresslevel=1) as pack:
        while chunk := content.read(CHUNK):
            pack.write(chunk)
            taken += len(chunk)
    if taken < size:
        raise EOFError
    data = kept.getvalue()
    return lambda: cast(BinaryIO, gzip.GzipFile(fileobj=io.BytesIO(data)))


def _stretch(path: Path, offset: int, size: int) -> Callable[[], BinaryIO]:
    def opened() -> BinaryIO:
        if size > LARGEST:
            raise OSError(f"over {LARGEST >> 20} MiB; take it out of the archive")
        with path.open("rb") as tar:
            tar.seek(offset)
            return io.BytesIO(tar.read(size))

    return opened


def _zip(path: Path) -> list[Entry]:
    archive = zipfile.ZipFile(path)

    def member(info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
        return lambda: cast(BinaryIO, archive.open(info))

    return [
        Entry(name, f"{path}/{info.filename}", member(info), info.compress_size)
        for info in archive.infolist()
        if not info.is_dir() and not _hidden(name := PurePosixPath(info.filename))
    ]
