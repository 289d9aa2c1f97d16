"""From what a browser holds to a pseudonym and a role.

The browser holds an opaque rater token, and an expert's sign-in token if there is one; both are
untrusted input. What is stored is a keyed hash, so that records name nobody and a leaked record
can't be turned back into a token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

Role = Literal["public", "expert"]
TOKEN_BYTES = 24


@dataclass(frozen=True)
class Identity:
    """Who acts, as far as the records may know."""

    rater: str
    role: Role


def new_token() -> str:
    """An opaque random token for a browser to hold."""
    return secrets.token_urlsafe(TOKEN_BYTES)


class Identities:
    """Knows the study's secret and its invite codes; holds no state of its own."""

    def __init__(self, secret: bytes, experts: dict[str, str]):
        """``experts``: invite code -> name."""
        self._secret = secret
        self._experts = experts

    def of(self, rater_token: str, expert_token: str | None = None) -> Identity:
        """The identity behind a browser's tokens; a wrong expert token makes it public."""
        name = self._expert_name(expert_token) if expert_token else None
        if name is not None:
            return Identity(self.keyed("expert", name)[:24], "expert")
        return Identity(self.keyed("rater", rater_token)[:24], "public")

    def sign_in(self, code: str) -> str | None:
        """The sign-in token for an invite code, or ``None`` when it is no code."""
        found = None
        for known in self._experts:
            # Every code is compared, so that time tells nothing.
            if hmac.compare_digest(known.encode(), code.strip().encode()):
                found = known
        return None if found is None else self._expert_token(found)

    def keyed(self, purpose: str, text: str) -> str:
        """HMAC-SHA256 of ``text`` under the study's secret, hex, apart for each purpose."""
        return hmac.new(self._secret, f"{purpose}:{text}".encode(), hashlib.sha256).hexdigest()

    def _expert_token(self, code: str) -> str:
        # Bound to the code: replacing the code ends every sign-in made with it.
        return self.keyed("expert-session", f"{self._experts[code]}\0{code}")

    def _expert_name(self, token: str) -> str | None:
        name = None
        for code in self._experts:
            if hmac.compare_digest(self._expert_token(code).encode(), token.encode()):
                name = self._experts[code]
        return name
