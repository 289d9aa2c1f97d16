"""Files of dialogues as the scripts take them: their hash, and one line for each that is bad."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mi_arena.dialogue import BadLine
from mi_arena.jobs.script import BadInput, first_line


@contextmanager
def told_in_one_line(path: Path) -> Iterator[None]:
    """What goes wrong while ``path`` is read as dialogue JSONL becomes a ``BadInput``."""
    try:
        yield
    except FileNotFoundError:
        raise BadInput(f"{path}: no such file") from None
    except IsADirectoryError:
        raise BadInput(f"{path}: is a folder; name the JSONL files in it") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path}: is not UTF-8 text; dialogue JSONL is wanted") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise BadInput(f"{path}: is not a whole gzip file") from None
    except BadLine as error:
        raise BadInput(first_line(error)) from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror or first_line(error)}") from None


def file_sha256(path: Path) -> str:
    """Of a file of any size, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
