"""One arm's stream from an OpenAI-compatible server: asked for, read, retried once, cut at will.

Knows the wire and its failures; pacing, the queue and the other arm are ``remote``'s business.
Nothing that was said, and no key, goes into an error line or a log.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, cast
from urllib.parse import urlsplit

import openai

from mi_arena.chat_formats.families import PROVIDER_ROLES
from mi_arena.decoding import Decoding
from mi_arena.dialogue import Message
from mi_arena.engine.pacing import Pacer
from mi_arena.engine.protocol import (
    Arm,
    ArmReply,
    EndReason,
)

log = logging.getLogger(__name__)

RETRY_WAIT = 0.5
"""Seconds before the one retry when the server names none."""
LONGEST_RETRY_WAIT = 5.0
"""A server that asks for more than this is not asked again: somebody is waiting."""

USAGE_WAIT = 2.0
"""Seconds that a finished reply waits for its token counts."""

END_REASONS: Mapping[str, EndReason] = {
    "stop": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
}


@dataclass(frozen=True)
class Timeouts:
    """How long a server may be silent, in seconds."""

    connect: float = 10.0
    first_token: float = 60.0
    """From the connection to the first text."""
    gap: float = 30.0
    """Between two pieces of text."""


class Server:
    """The server, and the one HTTP client that all threads share."""

    def __init__(self, base_url: str, api_key: str, timeouts: Timeouts) -> None:
        self.base_url, self.timeouts = base_url, timeouts
        self.gives_usage = True
        """Turned off once the server has refused ``stream_options``."""
        self._asking = threading.local()
        # The read timeout is a backstop: `Side.check_deadline` is the one that counts.
        silence = max(timeouts.first_token, timeouts.gap) + 5
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=api_key or "none",  # with None the client would send another server's key
            timeout=openai.Timeout(silence, connect=timeouts.connect),
            max_retries=0,
            # One connection per request, so that cutting it cuts nobody else's.
            default_headers={"Connection": "close"},
            http_client=openai.DefaultHttpxClient(
                event_hooks={"request": [self._attach_wire]}, follow_redirects=False
            ),
        )

    def stream(self, request: Mapping[str, Any], wire: _Wire) -> AbstractContextManager[Any]:
        """The chunks of a completion, read over a connection that ``wire`` can cut."""
        self._asking.wire = wire
        usage = {"stream_options": {"include_usage": True}} if self.gives_usage else {}
        create = cast(Any, self._client.chat.completions.create)
        return cast(AbstractContextManager[Any], create(**request, **usage, stream=True))

    def close(self) -> None:
        self._client.close()

    def _attach_wire(self, request: Any) -> None:
        # Called in the thread that asks, hence the thread-local.
        request.extensions["trace"] = self._asking.wire.trace

    @property
    def address(self) -> str:
        """The base URL without user, password and query, which may be secrets."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def request_for(
    model: str, messages: Sequence[Message], decoding: Decoding, seed: int
) -> dict[str, Any]:
    """The arguments of ``chat.completions.create``, without those about streaming."""
    request: dict[str, Any] = {
        "model": model,
        "messages": [{"role": PROVIDER_ROLES[m.role], "content": m.content} for m in messages],
        "max_tokens": decoding.max_new_tokens,
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "seed": seed,
    }
    # Not part of OpenAI's own interface: a server that doesn't know them may refuse them.
    extra: dict[str, Any] = {}
    if decoding.top_k:
        extra["top_k"] = decoding.top_k
    if decoding.repetition_penalty != 1.0:
        extra["repetition_penalty"] = decoding.repetition_penalty
    return {**request, "extra_body": extra} if extra else request


class Failure(Exception):
    """A request failed. ``wait``: seconds before it may be tried again, None when it may not."""

    def __init__(self, line: str, wait: float | None = None) -> None:
        super().__init__(line)
        self.line, self.wait = line, wait


class _Wire:
    """The connection of one request, so that another thread can cut it at any moment.

    Closing a socket doesn't wake a thread that reads from it; shutting it down does.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._cut = False
        self.connected_at: float | None = None

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """httpx calls this at each stage of a request."""
        if not event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            return
        with self._lock:
            self.connected_at = time.monotonic()
            self._sockets.append(info["return_value"].get_extra_info("socket"))
            if self._cut:
                self._shut_down()

    def cut(self) -> None:
        with self._lock:
            self._cut = True
            self._shut_down()

    def _shut_down(self) -> None:
        for sock in self._sockets:
            # The plain socket's method: SSLSocket's own takes the TLS state from its reader.
            with contextlib.suppress(OSError):  # closed already
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Side:
    """One arm's request: a thread that reads its stream, with one retry before the first text.

    ``end`` is set after the last text is in the inbox; ``failure`` when the side failed for good.
    """

    def __init__(
        self, server: Server, arm: Arm, request: dict[str, Any], reply: ArmReply, submitted: float
    ) -> None:
        self.end: EndReason | None = None
        self.failure: str | None = None
        self._server, self._request, self._reply = server, request, reply
        self._submitted = submitted
        self._inbox: SimpleQueue[str] = SimpleQueue()
        self._stopped = threading.Event()
        self._wire = _Wire()
        self._overdue: str | None = None
        self._last_text: float | None = None
        self._counted = False
        self._ended_at = 0.0
        self._thread = threading.Thread(target=self._run, name=f"remote-{arm}", daemon=True)

    # ---- for the thread that paces

    def start(self) -> None:
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout: float | None = None) -> None:
        if self._thread.ident is not None:
            self._thread.join(timeout)

    def stop(self) -> None:
        self._stopped.set()
        self._wire.cut()

    def pour_into(self, pacer: Pacer, arm: Arm) -> None:
        end = self.end  # read before the inbox: whatever came before the end is in there
        while True:
            try:
                pacer.feed(arm, self._inbox.get_nowait())
            except Empty:
                break
        if end:
            pacer.complete(arm)

    def check_deadline(self, now: float) -> None:
        """Cut the request when its server has been silent for too long.

        By this clock and not by the socket's: a server that sends empty chunks is silent too.
        """
        limits, connected = self._server.timeouts, self._wire.connected_at
        if self._overdue or not connected or not self.running:
            return
        if self.end:
            overdue, what = now - self._ended_at > min(USAGE_WAIT, limits.gap), "no token counts"
        elif self._last_text:
            overdue = now - self._last_text > limits.gap
            what = f"the reply stalled for {limits.gap:g} s"
        else:
            overdue = now - connected > limits.first_token
            what = f"no first token within {limits.first_token:g} s"
        if overdue:
            self._overdue = what
            self._wire.cut()

    # ---- the reading thread

    def _run(self) -> None:
        for attempt in (1, 2):
            try:
                return self._read()
            except Exception as error:
                failure = self._explain(error)
            if self.end or self._stopped.is_set():
                return  # the text is whole and only the token counts are lost; or nobody waits
            if attempt == 2 or failure.wait is None or self._reply.token_seconds:
                self.failure = f"{self._request['model']} at {self._server.address}: {failure.line}"
                return
            if self._stopped.wait(failure.wait):
                return

    def _read(self) -> None:
        wire = _Wire()
        self._overdue, self._wire = None, wire
        if self._stopped.is_set():
            return
        with self._server.stream(self._request, wire) as stream:
            for chunk in stream:
                self._take(chunk)
        if not self.end:
            raise Failure("the stream ended before the reply did", RETRY_WAIT)

    def _take(self, chunk: Any) -> None:
        now = time.monotonic()
        if usage := getattr(chunk, "usage", None):
            self._counted = True
            self._reply.tokens = usage.completion_tokens or 0
            self._reply.prompt_tokens = usage.prompt_tokens or 0
        # The chunk with the token counts has no choices, nor has Azure's first one.
        if not chunk.choices or self.end:
            return
        choice = chunk.choices[0]
        text = choice.delta.content if choice.delta else None
        if text:
            self._inbox.put(str.__str__(text))
            self._last_text = now
            self._reply.token_seconds.append(now - self._submitted)
            if not self._counted:
                # Until the server says better: one chunk is one token on most servers.
                self._reply.tokens = len(self._reply.token_seconds)
        if choice.finish_reason:
            if choice.finish_reason not in END_REASONS:
                raise Failure(f"the server ended the reply early ({_word(choice.finish_reason)})")
            self._ended_at = now
            self.end = END_REASONS[choice.finish_reason]

    def _explain(self, error: Exception) -> Failure:
        """What went wrong, in words of our own: the server's may quote the dialogue."""
        if self._overdue:
            return Failure(self._overdue, 0.0)
        if isinstance(error, Failure):
            return error
        if isinstance(error, openai.APIStatusError):
            return self._explain_status(error)
        kind = type(error).__module__.partition(".")[0]
        if isinstance(error, openai.APIConnectionError) or kind in ("httpx", "httpx2"):
            if self._wire.connected_at:
                return Failure("the connection broke off", RETRY_WAIT)
            if isinstance(error, openai.APITimeoutError):
                return Failure(f"no connection within {self._server.timeouts.connect:g} s", 0.0)
            return Failure("cannot connect; is the server running, base_url right?", RETRY_WAIT)
        if isinstance(error, openai.APIError):
            return Failure("the server reported an error in mid-stream", RETRY_WAIT)
        if isinstance(error, ValueError | TypeError | AttributeError | LookupError):
            return Failure("the answer is malformed; is base_url right?", RETRY_WAIT)
        return Failure(f"unexpected {type(error).__name__}")

    def _explain_status(self, error: openai.APIStatusError) -> Failure:
        status = error.status_code
        if status in (401, 403):
            return Failure(f"HTTP {status}: the server refused the API key; check the key")
        if status == 404:
            return Failure(
                "HTTP 404: not found; check the model name (vLLM: --lora-modules NAME=PATH) and "
                "base_url (it usually ends in /v1)"
            )
        if (
            status in (400, 422)
            and self._server.gives_usage
            and "stream_options" in str(error.body)
        ):
            self._server.gives_usage = False
            return Failure(f"HTTP {status}: the server refused stream_options", 0.0)
        if status in (429, 500, 502, 503, 504):
            what = "overloaded" if status == 429 else "failing"
            wait = _retry_after(error.response.headers.get("retry-after"))
            if wait > LONGEST_RETRY_WAIT:
                return Failure(f"HTTP {status}: the server is {what}; retry in {wait:.0f} s")
            return Failure(f"HTTP {status}: the server is {what}", wait)
        return Failure(
            f"HTTP {status}: the server refused the request; check the dialogue's length and the "
            "decoding settings against the model"
        )


def _retry_after(header: str | None) -> float:
    """Seconds to wait; the header's form with a date is rare and read as if it were missing."""
    return float(header) if header and re.fullmatch(r"\d{1,6}(\.\d+)?", header) else RETRY_WAIT


def _word(value: object) -> str:
    """``value`` when it is a plain short word, so that a server can't put a text into a log."""
    return value if isinstance(value, str) and re.fullmatch(r"\w{1,30}", value, re.A) else "unknown"
