"""Signing in by a Hugging Face account: the OpenID Connect code flow, with PKCE, on the server.

Only what says who somebody is leaves here, and only to be looked up on a list: access tokens are
dropped at once, and nothing is kept between two visits. It knows no pages and no members.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import httpx2

CALLBACK = "/login/callback"
"""Where Hugging Face sends people back to; Spaces have it allowed."""
VALID_SECONDS = 600
"""From leaving for Hugging Face until coming back, and from then until the page is there."""
MOST_PENDING = 1_000
"""The oldest give way: whoever hammers fills no memory."""
TIMEOUT = 10.0


@dataclass(frozen=True)
class Application:
    """What a Space's environment says of its OAuth application."""

    provider: str
    client_id: str
    client_secret: str = field(repr=False)
    host: str
    """The Space's own address, without a slash at its end."""

    @classmethod
    def of_space(cls, environment: Mapping[str, str], on_space: bool) -> Application | None:
        """``None`` anywhere but on a Space that has its OAuth secret."""
        needed = ("OPENID_PROVIDER_URL", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "SPACE_HOST")
        provider, client, secret, host = (environment.get(name, "").strip() for name in needed)
        if not (on_space and provider and client and secret and host):
            return None
        own = host.split(",")[0].strip()
        return cls(provider.rstrip("/"), client, secret, f"https://{own}")


@dataclass(frozen=True)
class User:
    """Somebody at Hugging Face: an id that stays, and a name that may change."""

    subject: str
    name: str


class NoSignIn(Exception):
    """``bad_state``: this browser began no such sign-in, or too long ago, or it was used already.
    ``declined``: they turned back. ``no_answer``: Hugging Face did not confirm who they are."""

    def __init__(self, code: Literal["bad_state", "declined", "no_answer"]):
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class _Begun:
    browser: str
    verifier: str
    until: float


class HuggingFace:
    """The sign-ins under way of one process. Any number of threads may ask."""

    def __init__(self, application: Application, now: Callable[[], float] = time.monotonic):
        self._application, self._now = application, now
        self._lock = threading.Lock()
        self._begun: OrderedDict[str, _Begun] = OrderedDict()
        self._endpoints: dict[str, str] | None = None

    def begin(self, browser: str) -> str:
        """The address at Hugging Face to send somebody to; ``browser`` is what theirs will show
        again. Raises ``NoSignIn``."""
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": self._application.client_id,
            "redirect_uri": self._application.host + CALLBACK,
            "scope": "openid profile",
            "state": state,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        address = f"{self._endpoint('authorization_endpoint')}?{urlencode(asked)}"
        with self._lock:
            self._begun[state] = _Begun(browser, verifier, self._now() + VALID_SECONDS)
            while len(self._begun) > MOST_PENDING:
                self._begun.popitem(last=False)
        return address

    def finish(self, browser: str, state: str, code: str) -> User:
        """Who came back. A state serves once, for the browser that began. Raises ``NoSignIn``."""
        with self._lock:
            begun = self._begun.pop(state, None)
        if begun is None or begun.until < self._now():
            raise NoSignIn("bad_state")
        if not hmac.compare_digest(begun.browser.encode(), browser.encode()):
            raise NoSignIn("bad_state")
        if not code:
            raise NoSignIn("declined")
        return self._user(code, begun.verifier)

    def _user(self, code: str, verifier: str) -> User:
        application = self._application
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": application.host + CALLBACK,
            "code_verifier": verifier,
        }
        token = self._asked(
            "POST",
            self._endpoint("token_endpoint"),
            data=sent,
            auth=(application.client_id, application.client_secret),
        ).get("access_token")
        headers = {"Authorization": f"Bearer {token}"}
        told = self._asked("GET", self._endpoint("userinfo_endpoint"), headers=headers)
        subject, name = told.get("sub"), told.get("preferred_username")
        if not (isinstance(subject, str) and subject and isinstance(name, str) and name):
            raise NoSignIn("no_answer")
        return User(subject, name)

    def _endpoint(self, name: str) -> str:
        if self._endpoints is None:
            provider = self._application.provider
            told = self._asked("GET", f"{provider}/.well-known/openid-configuration")
            self._endpoints = {key: value for key, value in told.items() if isinstance(value, str)}
        found = self._endpoints.get(name, "")
        # The secret goes to the provider and nowhere else, whatever its own page says.
        if urlsplit(found)[:2] != urlsplit(self._application.provider)[:2]:
            raise NoSignIn("no_answer")
        return found

    def _asked(self, method: str, address: str, **more: Any) -> dict[str, Any]:
        try:
            answer = httpx2.request(method, address, timeout=TIMEOUT, **more)
            told = answer.raise_for_status().json()
        except (httpx2.HTTPError, ValueError):
            raise NoSignIn("no_answer") from None
        if not isinstance(told, dict):
            raise NoSignIn("no_answer")
        return told
