"""A stand-in for Hugging Face's OpenID Connect: approves at once whoever is said to be there."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.http_stand_in import HttpStandIn

CLIENT_ID, CLIENT_SECRET = "client-of-tests", "secret-of-the-oauth-application"


class _Handler(BaseHTTPRequestHandler):
    server_of_tests: OidcStandIn

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        server, asked = self.server_of_tests, urlsplit(self.path)
        match asked.path.removeprefix("/v1"):
            case "/.well-known/openid-configuration":
                base = server.elsewhere or server.url
                names = ("authorization", "token", "userinfo")
                self._answer({f"{name}_endpoint": f"{base}/oauth/{name}" for name in names})
            case "/oauth/authorization":
                sent = {key: values[0] for key, values in parse_qs(asked.query).items()}
                code = secrets.token_urlsafe(8)
                server.codes[code] = sent
                back = urlencode({"code": code, "state": sent["state"]})
                self.send_response(302)
                self.send_header("Location", f"{sent['redirect_uri']}?{back}")
                self.end_headers()
            case "/oauth/userinfo":
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                known = token in server.tokens
                self._answer(server.user if known else {"error": "?"}, 200 if known else 401)
            case _:
                self._answer({}, 404)

    def do_POST(self) -> None:
        server = self.server_of_tests
        length = int(self.headers["Content-Length"])
        sent = {k: v[0] for k, v in parse_qs(self.rfile.read(length).decode()).items()}
        begun = server.codes.pop(sent.get("code", ""), None)
        given = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        digest = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            begun is None
            or self.headers.get("Authorization") != f"Basic {given}"
            or begun["redirect_uri"] != sent["redirect_uri"]
            or begun["code_challenge"] != challenge
        ):
            self._answer({"error": "invalid_grant"}, 400)
            return
        token = f"access-{secrets.token_urlsafe(8)}"
        server.tokens.add(token)
        self._answer({"access_token": token, "token_type": "Bearer"})

    def _answer(self, told: object, status: int = 200) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class OidcStandIn(HttpStandIn):
    """``user`` is who sits there; ``elsewhere`` makes it name endpoints of another server."""

    handler = _Handler

    def __init__(self) -> None:
        self.user: dict[str, Any] = {"sub": "5f0c0ffee", "preferred_username": "Lin-Yisheng"}
        self.codes: dict[str, dict[str, str]] = {}
        self.tokens: set[str] = set()
        self.elsewhere: str | None = None
