"""``python app.py`` as a process: it starts, says where, leaves out what can't be loaded, stops."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mi_arena.records.__main__ import main as export_records
from mi_arena.settings import PREFIX, ROOT
from tests.ports import free_port
from tests.ui.raw_http import RawCalls


@contextmanager
def app(data: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running app and its address."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    chosen = {"DATA": str(data), "PORT": str(free_port())} | settings
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py")],
        env=clean | {PREFIX + name: value for name, value in chosen.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("MI Arena: http"), process.stderr.read() if process.stderr else ""
        yield process, line.removeprefix("MI Arena: ").strip()
    finally:
        process.kill()
        process.wait()


def test_it_starts_leaves_out_what_is_not_there_yet_and_stops_on_sigterm(tmp_path: Path) -> None:
    with app(tmp_path, PAIRS="demo,baichuan2-7b") as (process, address):
        assert address.startswith("http://127.0.0.1:")
        page = urllib.request.urlopen(address, timeout=60).read().decode()
        assert "MI Arena" in page
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 0
    assert "pair baichuan2-7b is left out" in told and "convert" in told
    assert (tmp_path / "events.sqlite").exists()


def test_what_stops_the_start_is_one_line(tmp_path: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
    chosen = {"DATA": str(tmp_path), "PORT": str(free_port()), "PAIRS": "nope"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "app.py")],
        env=clean | {PREFIX + name: value for name, value in chosen.items()},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert "MI_ARENA_PAIRS" in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_no_secret_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to an admin either: neither in pages nor in the log, the records or the files kept."""
    secrets = {
        "OPENAI_API_KEY": "sk-planted-key-of-a-model",
        "HF_TOKEN": "hf_plantedtokenofahub",
        "OAUTH_CLIENT_SECRET": "planted-oauth-secret",
        "MY_SERVER_KEY": "planted-key-of-a-server",
    }
    space = {
        "SPACE_ID": "group/mi-arena",
        "SPACE_HOST": "group-mi-arena.hf.space",
        "OAUTH_CLIENT_ID": "client",
        "OPENID_PROVIDER_URL": "http://127.0.0.1:9/",
    }
    for name, value in (secrets | space).items():
        monkeypatch.setenv(name, value)
    code, secret = "planted admin code 42", "planted secret of the study"
    planted = [*secrets.values(), code, code.replace(" ", ""), secret]
    settings = {"SECRET": secret, "ADMIN_CODE": code, "EXPERTS": "Lin-Yisheng", "HOST": "127.0.0.1"}
    with app(tmp_path, RUNS=str(tmp_path / "runs"), **settings) as (process, address):
        calls = RawCalls(address)
        page = calls.http.get("")
        assert "https://huggingface.co" in page.headers["content-security-policy"]
        told = page.text + json.dumps(calls.config)
        by_name = {handler.name: handler for handler in calls.handlers}
        entered = calls.call(by_name["expert-in.click"], {"lang": "en"}, [code]).text
        token = re.search(r"environment\.[0-9]{13}\.[0-9a-f]{16}\.[0-9a-f]{64}", entered)
        assert token is not None
        session = {"lang": "en", "member": token[0]}
        told += entered
        for name in ("on_load.load", "data.select", "train.select", "evaluate.select"):
            told += calls.call(by_name[name], session).text
        told += json.dumps(calls.desk("workspace", {"session": session, "view": "admin"}))
        refused = calls.http.get("sign-in/hugging-face")  # nobody answers there
        assert refused.status_code == 502
        told += refused.text
        calls.http.close()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    out_file = tmp_path / "export.jsonl"
    assert export_records(["export", "--data", str(tmp_path), "--out", str(out_file)]) == 0
    files = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    everything = told + out + err + files.decode("latin-1")
    assert "Lin-Yisheng" not in everything
    assert [one for one in planted if one in everything] == []
