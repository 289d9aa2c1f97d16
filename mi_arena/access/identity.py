"""From what a browser holds to a pseudonym and a role.

The browser holds an opaque rater token, and a member's sign-in token if there is one; both are
untrusted input. What is stored is a keyed hash, so that records name nobody and a leaked record
can't be turned back into a token.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Literal

from mi_arena.access.keyed import keyed_by
from mi_arena.access.members import Member, Members

Role = Literal["public", "expert", "admin"]
TOKEN_BYTES = 24
PSEUDONYM_LENGTH = 24


@dataclass(frozen=True)
class Identity:
    """Who acts. The records know the pseudonym and the role; ``member`` stays out of them."""

    rater: str
    role: Role
    member: str | None = None
    """The member's id; ``None`` for the public."""


def new_token() -> str:
    """An opaque random token for a browser to hold."""
    return secrets.token_urlsafe(TOKEN_BYTES)


class Identities:
    """Knows the study's secret and asks who its members are; holds no state of its own."""

    def __init__(self, secret: bytes, members: Members | None = None):
        """Without ``members`` nobody can sign in."""
        self.keyed = keyed_by(secret)
        """``keyed(purpose, text)``: HMAC-SHA256 under the study's secret, hex."""
        self.members = members

    def of(self, rater_token: str, member_token: str | None = None) -> Identity:
        """The identity behind a browser's tokens; a wrong or ended sign-in makes it public.

        Raises ``Unreadable`` when there is a sign-in token and the store can't be asked: nobody's
        role is guessed.
        """
        member = self.members.holder(member_token) if self.members and member_token else None
        if member is None:
            return Identity(self._pseudonym("rater", rater_token), "public")
        return self.of_member(member)

    def of_member(self, member: Member) -> Identity:
        """Who a member is when they act."""
        return Identity(self._pseudonym(member.role, member.member), member.role, member.member)

    def sign_in(self, code: str) -> str | None:
        """The sign-in token for an invite code, or ``None`` when it is no code."""
        member = self.members.find(code) if self.members else None
        return self.members.token(member.member) if self.members and member else None

    def _pseudonym(self, purpose: str, text: str) -> str:
        return self.keyed(purpose, text)[:PSEUDONYM_LENGTH]
