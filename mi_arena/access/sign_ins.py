"""Sign-in tokens: made for a member's browser, checked at every call, good for a limited time.

A token says whose it is, since when, and which one of theirs; its proof is a keyed hash over all of
it and over what it is bound to (a code, a name on a list), so that it ends with that.
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
    return f"{member}.{now_ms}.{session}.{_proof(keyed, member, now_ms, session, bound_to)}"


def read_token(token: str) -> SignIn | None:
    """What a token says, of which nothing is believed yet; ``None`` where it is none."""
    parts = _TOKEN.fullmatch(token)
    return SignIn(parts[1], int(parts[2]), parts[3], parts[4]) if parts else None


def proven(sign_in: SignIn, keyed: Keyed, bound_to: str) -> bool:
    """Whether we made it, for this member and what they are bound to."""
    proof = _proof(keyed, sign_in.member, sign_in.at_ms, sign_in.session, bound_to)
    return hmac.compare_digest(proof, sign_in.proof)


def _proof(keyed: Keyed, member: str, at_ms: int, session: str, bound_to: str) -> str:
    return keyed("member-session", f"{member}:{at_ms}:{session}:{bound_to}")
