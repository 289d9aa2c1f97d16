"""What every HTTP request passes before Gradio sees it: origin, address, upload ticket; headers.

Gradio serves more than this app uses (an API beside the queue, a proxy, recordings). What isn't
named here isn't served, so that a newer Gradio opens nothing by itself.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mi_arena.access.members import Members

log = logging.getLogger(__name__)

API = "/gradio_api"
UPLOAD = f"{API}/upload"
SERVED = re.compile(
    r"/(config/?|theme\.css|robots\.txt|favicon\.ico|manifest\.json|pwa_icon(/[^/]+)?)?"
    r"|/(static|assets|svelte)/.*"
    r"|/(run-files|sign-in|login/callback)(/.*)?"
    rf"|{API}/(queue/(join|data)|run/predict|cancel|reset|upload|upload_progress|component_server"
    r"|heartbeat/[^/]+|startup-events|app_id|theme\.css)/?"
)
"""The addresses of the app's own pages; a path must match as a whole."""
HUGGING_FACE = "https://huggingface.co"
"""Shows a Space in a frame of its own page."""
LONGEST_PART = 255
"""Bytes of a part of a path: no file's name is longer."""
COOKIE = "mi-arena-upload"
TICKET_SECONDS = 12 * 3600


class Tickets:
    """What an admin's browser shows before it may send a file: its end, and a token of their
    sign-in that opens nothing else. It ends with the sign-in, at once."""

    def __init__(self, members: Members | None, now: Callable[[], float] = time.time):
        """Without ``members`` there are no admins."""
        self._members, self._now = members, now

    def new(self, sign_in: str) -> str:
        """For the holder of a sign-in token; empty where that does not count."""
        until = str(int(self._now()) + TICKET_SECONDS)
        token = self._members.narrowed(sign_in, _upload_until(until)) if self._members else None
        return f"{until}.{token}" if token else ""

    def valid(self, ticket: str) -> bool:
        """Raises ``Unreadable`` when the store can't be asked."""
        until, _, token = ticket.partition(".")
        if not (until.isascii() and until.isdigit() and len(until) < 16):
            return False
        if self._members is None or int(until) < self._now():
            return False
        holder = self._members.holder(token, _upload_until(until))
        return holder is not None and holder.role == "admin"


def _upload_until(until: str) -> str:
    return f"upload-until-{until}"


class Gate:
    """ASGI middleware. ``hosts``: names of this server beside the one it was asked by."""

    def __init__(
        self, app: ASGIApp, tickets: Tickets, on_space: bool = False, hosts: tuple[str, ...] = ()
    ):
        self._app, self._tickets, self._hosts = app, tickets, frozenset(hosts)
        self._headers = security_headers(on_space)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            refusal = self._refusal(scope["path"], Headers(scope=scope))
            await (refusal or self._app)(scope, receive, guarded)
        except Exception as error:
            # The type says enough to look for; the text might quote what somebody sent.
            debug = log.isEnabledFor(logging.DEBUG)
            log.error("a request failed: %s", type(error).__name__, exc_info=debug)
            if begun:
                raise
            answer = PlainTextResponse("This failed. 出错了。", 500)
            if isinstance(error, UnicodeDecodeError):
                answer = PlainTextResponse("Not UTF-8. 编码不是 UTF-8。", 400)
            await answer(scope, receive, guarded)

    def _refusal(self, path: str, headers: Headers) -> PlainTextResponse | None:
        if not self._same_origin(headers):
            # Gradio itself answers any site, with credentials, on every host but localhost.
            return PlainTextResponse("Not from another site. 不接受其他网站的请求。", 403)
        longest = max(len(part.encode()) for part in path.split("/"))
        if not SERVED.fullmatch(path) or longest > LONGEST_PART:
            return PlainTextResponse("There is nothing here. 这里没有内容。", 404)
        if path.rstrip("/") == UPLOAD and not self._tickets.valid(_cookie(headers, COOKIE)):
            return PlainTextResponse("Uploads are for admins. 只有管理员可以上传。", 403)
        return None

    def _same_origin(self, headers: Headers) -> bool:
        """Whether no other site sent this. Browsers name the origin, programs need not."""
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site") != "cross-site" or _opens_a_page(headers)
        forwarded = headers.get("x-forwarded-host", "").split(",")[0].strip()
        return urlsplit(origin).netloc in self._hosts | {headers.get("host"), forwarded} - {""}


def _opens_a_page(headers: Headers) -> bool:
    """Whether somebody followed a link, or another site's frame shows the page."""
    return headers.get("sec-fetch-mode") == "navigate"


def _cookie(headers: Headers, name: str) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return found.value if found else ""


def security_headers(on_space: bool) -> dict[str, str]:
    """Headers of every answer.

    Gradio writes scripts and styles into its page and makes functions out of text, so that both
    must be allowed; everything else comes from this server alone.
    """
    framed_by = f"'self' {HUGGING_FACE}" if on_space else "'self'"
    policy = {
        "default-src": "'self'",
        "script-src": "'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": "'self' data: blob:",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": framed_by,
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        # Links to files of runs are good for whoever has them.
        "Referrer-Policy": "no-referrer",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    }
