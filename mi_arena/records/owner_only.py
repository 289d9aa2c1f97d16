"""A database of what people wrote is for its owner alone, whatever the umask says."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path


def owner_only(database: Path) -> None:
    """Take from group and others what they may do with an SQLite file and those beside it.

    SQLite makes the log beside it with the rights of the file itself. A file system without rights,
    or a file of somebody else, stays as it is.
    """
    for suffix in ("", "-wal", "-shm", "-journal"):
        file = database.with_name(database.name + suffix)
        with suppress(OSError):
            file.chmod(stat.S_IMODE(file.stat().st_mode) & stat.S_IRWXU)
