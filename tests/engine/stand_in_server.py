"""A chat-completions server for tests: real HTTP and SSE on 127.0.0.1, misbehaving on demand.

Each model has a list of behaviours, one per request; the last one stays.
"""

from __future__ import annotations

import json
import select
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.http_stand_in import HttpStandIn


@dataclass(frozen=True)
class Behaviour:
    """What the server does with one request. Positions count chunks of text."""

    chunks: tuple[str, ...] = ("你好，", "我在", "听。")
    finish: str | None = "stop"
    usage: bool = True
    done: bool = True
    status: int = 200
    retry_after: str | None = None
    error_body: str = '{"error": {"message": "quotes your dialogue: 我想戒烟 sk-secret"}}'
    stall_at: int | None = None
    """Sends nothing more from this chunk on, until the client hangs up."""
    stall_before_usage: bool = False
    break_at: int | None = None
    """Closes the connection before this chunk, in the middle of the HTTP body."""
    garbage_at: int | None = None
    garbage: str = "data: {not json 我想戒烟"
    empty_choices_first: bool = False
    pause: float = 0.0
    """Seconds before each chunk."""
    gate: threading.Event | None = None
    """Waited for before the answer."""


@dataclass
class Request:
    body: dict[str, Any]
    authorization: str | None
    path: str


@dataclass
class StandInServer(HttpStandIn):
    """``with StandInServer({"base": [Behaviour()], …}) as server: … server.url``."""

    behaviours: dict[str, list[Behaviour]]
    requests: list[Request] = field(default_factory=list)
    hang_ups: int = 0
    """Clients that closed their connection while the server stalled."""

    def take(self, request: Request) -> Behaviour | None:
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
            script = self.behaviours.get(str(request.body.get("model")))
            if not script:
                return None
            return script.pop(0) if len(script) > 1 else script[0]

    def wait_for(self, requests: int = 0, hang_ups: int = 0, timeout: float = 5) -> bool:
        with self.changed:
            return self.changed.wait_for(
                lambda: len(self.requests) >= requests and self.hang_ups >= hang_ups, timeout
            )

    def asked(self, model: str) -> list[dict[str, Any]]:
        """The bodies of the requests for ``model``."""
        with self.changed:
            return [r.body for r in self.requests if r.body.get("model") == model]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of_tests: StandInServer

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        owner = self.server_of_tests
        how = owner.take(Request(body, self.headers.get("Authorization"), self.path))
        try:
            if how is None:
                self._refuse(404, '{"error": {"message": "The model does not exist."}}', None)
            elif how.status != 200:
                self._refuse(how.status, how.error_body, how.retry_after)
            else:
                self._stream(how, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _refuse(self, status: int, text: str, retry_after: str | None) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, how: Behaviour, body: dict[str, Any]) -> None:
        if how.gate and not how.gate.wait(10):
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if how.empty_choices_first:
            self._event({"choices": []})
        self._choice({"role": "assistant", "content": ""})
        for position, text in enumerate((*how.chunks, None)):
            if how.pause:
                self.server_of_tests.closing.wait(how.pause)
            if position == how.stall_at:
                return self._stall()
            if position == how.break_at:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            if position == how.garbage_at:
                self._line(how.garbage)
            if text is not None:
                self._choice({"content": text})
        if how.finish:
            self._choice({}, how.finish)
        if how.stall_before_usage:
            return self._stall()
        if how.usage and body.get("stream_options", {}).get("include_usage"):
            self._event({"choices": [], "usage": usage(len(how.chunks) + 1)})
        if how.done:
            self._line("data: [DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _stall(self) -> None:
        self.close_connection = True
        while not self.server_of_tests.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.02)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                with self.server_of_tests.changed:
                    self.server_of_tests.hang_ups += 1
                    self.server_of_tests.changed.notify_all()
                return

    def _choice(self, delta: dict[str, str], finish: str | None = None) -> None:
        self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def _event(self, fields: dict[str, Any]) -> None:
        frame = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", **fields}
        self._line("data: " + json.dumps(frame))

    def _line(self, line: str) -> None:
        data = (line + "\n\n").encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def usage(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": 17, "completion_tokens": tokens, "total_tokens": 17 + tokens}


StandInServer.handler = _Handler
