"""``python -m mi_arena.jobs.keeper FOLDER WORD…``: runs a command and notes that it has ended.

Between a run and whoever started it, which may end long before: a shell at once, the app when it
is restarted. A script that had nothing to run (a mere estimate, say) has not touched its status.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from mi_arena.jobs.run_directory import end_begun_status
from mi_arena.jobs.script import DONE, STOPPED


def main(words: Sequence[str]) -> int:
    """The command's exit code; a request to end is passed on to it."""
    folder, command = Path(words[0]), words[1:]
    running: list[subprocess.Popen[bytes]] = []
    asked = threading.Event()

    def end(*_: object) -> None:
        asked.set()
        for process in running:
            process.terminate()

    signal.signal(signal.SIGTERM, end)
    # Until whoever starts it has written the first status, which a quick script would find.
    sys.stdin.read()
    if asked.is_set():
        return STOPPED
    running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
    if asked.is_set():
        running[0].terminate()
    code = running[0].wait()
    if code == DONE:
        end_begun_status(folder, os.getpid())
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
