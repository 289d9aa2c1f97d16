"""Sign-in tokens: made for a member's browser, checked at every call, good for a limited time.

A token says whose it is, since when, and which one of theirs; its proof is a keyed hash over all of
it, over what it is bound to (a code, a name on a list), so that it ends with that, and over what it
is for, so that one for less opens nothing more.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass

from mi_arena.access.keyed import Keyed

DEFAULT_HOURS = 168
"""A week: experts code for days, and a forgotten browser is closed in the end."""
AHEAD_MS = 60_000
"""How far a clock may have been set back since a token was made."""

SIGN_IN = "member-session"
"""What a token is for that opens all that its member may do."""

_TOKEN = re.compile(r"([a-z0-9]{1,32})\.([0-9]{13})\.([0-9a-f]{16})\.([0-9a-f]{64})")


@dataclass(frozen=True)
class SignIn:
    """What a token says of itself; true only if its proof is."""

    member: str
    at_ms: int
    """When it was made, in milliseconds since 1970."""
    session: str
    proof: str

    def expired(self, hours: float, now_ms: int) -> bool:
        age = now_ms - self.at_ms
        return not -AHEAD_MS <= age < hours * 3_600_000


def new_token(keyed: Keyed, member: str, bound_to: str, now_ms: int) -> str:
    """A token for a member who has signed in at this moment."""
    session = secrets.token_hex(8)
    return _written(keyed, member, now_ms, session, bound_to, SIGN_IN)


def narrowed(keyed: Keyed, sign_in: SignIn, bound_to: str, purpose: str) -> str:
    """A token of the same sign-in that is good for this purpose alone."""
    return _written(keyed, sign_in.member, sign_in.at_ms, sign_in.session, bound_to, purpose)


def read_token(token: str) -> SignIn | None:
    """What a token says, of which nothing is believed yet; ``None`` where it is none."""
    parts = _TOKEN.fullmatch(token)
    return SignIn(parts[1], int(parts[2]), parts[3], parts[4]) if parts else None


def proven(sign_in: SignIn, keyed: Keyed, bound_to: str, purpose: str) -> bool:
    """Whether we made it, for this member, what they are bound to and this purpose."""
    proof = _proof(keyed, sign_in.member, sign_in.at_ms, sign_in.session, bound_to, purpose)
    return hmac.compare_digest(proof, sign_in.proof)


def _written(
    keyed: Keyed, member: str, at_ms: int, session: str, bound_to: str, purpose: str
) -> str:
    proof = _proof(keyed, member, at_ms, session, bound_to, purpose)
    return f"{member}.{at_ms}.{session}.{proof}"


def _proof(keyed: Keyed, member: str, at_ms: int, session: str, bound_to: str, purpose: str) -> str:
    return keyed(purpose, f"{member}:{at_ms}:{session}:{bound_to}")
