"""The way to Hugging Face and back: two addresses, and the sign-in that waits for the page.

The cookie only says that it is the same browser; it signs nobody in for longer than it takes to
come back. The page keeps the sign-in itself, as it does after an invite code.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from html import escape

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from mi_arena.access.hugging_face import (
    CALLBACK,
    MOST_PENDING,
    VALID_SECONDS,
    HuggingFace,
    NoSignIn,
)
from mi_arena.access.members import Members
from mi_arena.records.store import StoreError
from mi_arena.ui.texts import LANGS, say

log = logging.getLogger(__name__)

BEGIN = "/sign-in/hugging-face"
COOKIE = "mi-arena-sign-in"


class HuggingFaceSignIn:
    """Routes of a server, and the sign-ins that its page has yet to fetch."""

    def __init__(
        self,
        hugging_face: HuggingFace,
        members: Members,
        now: Callable[[], float] = time.monotonic,
    ):
        self._hugging_face, self._members, self._now = hugging_face, members, now
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def install(self, server: FastAPI) -> None:
        """Serve both addresses; before Gradio's own routes, of which some catch everything."""
        for path, endpoint in ((BEGIN, self.begin), (CALLBACK, self.come_back)):
            server.add_api_route(path, endpoint, methods=["GET"], response_model=None)
            server.router.routes.insert(0, server.router.routes.pop())

    def begin(self, request: Request) -> Response:
        """To Hugging Face."""
        browser = secrets.token_urlsafe(24)
        try:
            answer: Response = RedirectResponse(self._hugging_face.begin(browser), 303)
        except NoSignIn as error:
            return _page(f"hf_{error.code}", 502)
        # Lax: the way back is a link that is followed, which other sites' requests are not.
        answer.set_cookie(
            COOKIE, browser, VALID_SECONDS, secure=True, httponly=True, samesite="lax"
        )
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def come_back(self, request: Request, state: str = "", code: str = "") -> Response:
        """From Hugging Face: to the page, or one sentence that says why not."""
        browser = request.cookies.get(COOKIE, "")
        try:
            user = self._hugging_face.finish(browser, state[:200], code[:2_000])
            token = self._members.admit(user.subject, user.name)
        except NoSignIn as error:
            return _page(f"hf_{error.code}", 502 if error.code == "no_answer" else 403)
        except StoreError as error:
            log.error("a member could not be admitted: %s", error)
            return _page("failed", 503)
        if token is None:
            return _page("hf_not_listed", 403)
        with self._lock:
            self._waiting[browser] = (token, self._now() + VALID_SECONDS)
            while len(self._waiting) > MOST_PENDING:
                self._waiting.popitem(last=False)
        return RedirectResponse("/", 303, headers={"Cache-Control": "no-store"})

    def fetched(self, browser: str | None) -> str | None:
        """The sign-in that waits for this browser, once."""
        with self._lock:
            token, until = self._waiting.pop(browser or "", ("", 0.0))
        return token if token and until >= self._now() else None


def _page(key: str, status: int) -> HTMLResponse:
    """Both languages: before the page is there, nobody knows which one is read."""
    lines = "".join(f"<p>{escape(say(lang, key))}</p>" for lang in LANGS)
    back = escape(" · ".join(say(lang, "hf_back") for lang in LANGS))
    html = (
        '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f'<title>MI Arena</title>{lines}<p><a href="/">{back}</a></p>'
    )
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})
