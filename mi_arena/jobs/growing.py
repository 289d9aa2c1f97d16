"""Files that grow line by line, in order, and survive a kill at any moment.

A run writes the same lines again from its beginning; those that stand there already are left
alone, and the file is cut where it begins to differ. So a torn last line is mended, and what
stands in the file is always the beginning of what the run gives.
"""

from __future__ import annotations

import os
from pathlib import Path


class GrowingFile:
    """Bytes go to the system line by line: a killed process leaves at most one torn line."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        self._at = 0
        self._following = True
        """Nothing has differed so far."""
        self._cut_torn_line()

    def write(self, line: str) -> None:
        """The next line, without its end."""
        data = line.encode() + b"\n"
        if self._following:
            if os.pread(self._file, len(data), self._at) == data:
                self._at += len(data)
                return
            self._following = False
            os.ftruncate(self._file, self._at)
        while data:
            written = os.pwrite(self._file, data, self._at)
            self._at, data = self._at + written, data[written:]

    def complete(self) -> None:
        """That was all: what stands beyond goes, and the file is on the disk."""
        os.ftruncate(self._file, self._at)
        os.fsync(self._file)

    def close(self) -> None:
        os.close(self._file)

    def _cut_torn_line(self) -> None:
        end = os.fstat(self._file).st_size
        while end > 0:
            begin = max(0, end - 65536)
            found = os.pread(self._file, end - begin, begin).rfind(b"\n")
            if found >= 0:
                end = begin + found + 1
                break
            end = begin
        os.ftruncate(self._file, end)
