"""A chat-completions server for tests, without streaming: real HTTP on 127.0.0.1, misbehaving on
demand, and keeping books of what it has charged.

``plan`` says how it behaves, by the request's body and how often that body has come.
"""

from __future__ import annotations

import hashlib
import json
import select
import socket
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.http_stand_in import HttpStandIn

SECRET_IN_ERRORS = "quotes your dialogue: 我想戒烟 and your key sk-secret"


@dataclass(frozen=True)
class Behaviour:
    """What happens to one request. Only what is answered with 200 is charged, and then even if
    the answer never arrives."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    error: Mapping[str, Any] = field(default_factory=dict)
    """More of the error object: ``code``, ``param``."""
    text: str | None = None
    """The answer; ``None`` is what the server's own ``answer`` gives."""
    message: Mapping[str, Any] | None = None
    finish: str = "stop"
    usage: bool = True
    raw: bytes | None = None
    """The whole HTTP body, instead of a completion."""
    stall: bool = False
    """Charges, then says nothing until the client hangs up."""
    close: bool = False
    """Charges, then closes the connection without an answer."""
    cut_body: bool = False
    """Charges, then closes the connection in the middle of the answer."""
    gate: threading.Event | None = None
    """Waited for before anything else."""


GOOD = Behaviour()
Plan = Callable[[dict[str, Any], int], Behaviour]


@dataclass(frozen=True)
class Arrival:
    """One request as it came, and what was done with it."""

    at: float
    body: dict[str, Any]
    name: str
    """The hash of model and messages: which question it was."""
    key: str | None
    """Its Idempotency-Key."""
    authorization: str | None
    behaviour: Behaviour | None
    """``None``: repeated from what the key had got before."""


def name_of(body: Mapping[str, Any]) -> str:
    facts = [body["model"], body["messages"]]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass
class StandInLLM(HttpStandIn):
    """``with StandInLLM(answer, plan) as server: … server.url``."""

    answer: Callable[[dict[str, Any]], str] = lambda body: "{}"
    plan: Plan = lambda body, time: GOOD
    honours_keys: bool = True
    arrivals: list[Arrival] = field(default_factory=list)
    charged: Counter[str] = field(default_factory=Counter)
    """Times that each question (`name_of`) was charged."""
    tokens: tuple[int, int] = (1000, 500)
    """Of every answer's usage."""

    def __post_init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._kept: dict[str, bytes] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def wait_for(self, arrivals: int, timeout: float = 30) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: len(self.arrivals) >= arrivals, timeout)

    def lock_of(self, key: str) -> threading.Lock:
        with self.changed:
            return self._locks[key]

    def take(
        self, body: dict[str, Any], key: str | None, authorization: str | None
    ) -> tuple[Behaviour | None, bytes]:
        """What to do, and the HTTP body of an answer; a repeated one has no behaviour."""
        at, name = time.monotonic(), name_of(body)
        with self.changed:
            repeated = self._kept.get(key) if key and self.honours_keys else None
            how = None
            if repeated is None:
                self._seen[name] += 1
                how = self.plan(body, self._seen[name])
            self.arrivals.append(Arrival(at, body, name, key, authorization, how))
            self.changed.notify_all()
            if repeated is not None or how is None:
                return None, repeated or b""
            if how.status != 200:
                error = {"message": SECRET_IN_ERRORS, "type": "error", **how.error}
                return how, json.dumps({"error": error}).encode()
            self.charged[name] += 1
            data = how.raw if how.raw is not None else self._completion(body, how)
            if key and self.honours_keys:
                self._kept[key] = data
            return how, data

    def _completion(self, body: dict[str, Any], how: Behaviour) -> bytes:
        text = self.answer(body) if how.text is None else how.text
        message = how.message or {"role": "assistant", "content": text}
        prompt, completion = self.tokens
        made = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": f"{body['model']}-2026-01-01",
            "choices": [{"index": 0, "message": message, "finish_reason": how.finish}],
        }
        if how.usage:
            made["usage"] = {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            }
        return json.dumps(made).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_tests: StandInLLM

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        key = self.headers.get("Idempotency-Key")
        owner = self.server_of_tests
        with owner.lock_of(key or "none at all"):
            how, data = owner.take(body, key, self.headers.get("Authorization"))
        try:
            self._answer(how or GOOD, data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _answer(self, how: Behaviour, data: bytes) -> None:
        if how.gate and not how.gate.wait(30):
            return
        if how.stall:
            return self._stall()
        if how.close:
            return self._close()
        self.send_response(how.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in how.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if how.cut_body:
            self.wfile.write(data[: len(data) // 2])
            return self._close()
        self.wfile.write(data)

    def _close(self) -> None:
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def _stall(self) -> None:
        self.close_connection = True
        while not self.server_of_tests.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.02)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                return


StandInLLM.handler = _Handler
