"""How long the app takes from the command to its page."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from benchmarks.timing import Line, in_turn, seconds
from mi_arena.settings import ROOT


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def app_start_seconds() -> float:
    """From the command to the page over HTTP."""
    port = free_port()
    with tempfile.TemporaryDirectory() as data:
        environment = os.environ | {"MI_ARENA_PORT": str(port), "MI_ARENA_DATA": data}
        began = time.perf_counter()
        app = subprocess.Popen(
            [sys.executable, str(ROOT / "app.py")], env=environment, stdout=subprocess.DEVNULL
        )
        try:
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).read()
                    return time.perf_counter() - began
                except OSError:
                    if app.poll() is not None:
                        raise RuntimeError("the app ended before it answered") from None
                    time.sleep(0.05)
        finally:
            app.terminate()
            app.wait()


def start_line(runs: int) -> Line:
    def imports() -> float:
        code = "import gradio, torch, transformers"
        return seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True))

    ours, theirs, ratio = in_turn(app_start_seconds, imports, runs)
    return Line(
        "app start to its page",
        f"{ours:.1f} s",
        "importing gradio, torch and transformers",
        f"{theirs:.1f} s",
        ratio,
    )
