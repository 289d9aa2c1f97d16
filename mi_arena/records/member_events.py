"""Payloads about members: invited or admitted, named, signed out, revoked."""

from __future__ import annotations

from typing import Literal

from mi_arena.records.payloads import Payload, Sha256, Short


class MemberInvited(Payload):
    """An admin made a personal invite code; of the code itself only a keyed hash is kept."""

    kind = "member_invited"

    member: Short
    role: Literal["expert", "admin"]
    label: Short | None = None
    """What admins call this person; told to admins only and never released."""
    code_hash: Sha256


class MemberNamed(Payload):
    """An admin calls a member something else from now on, or nothing."""

    kind = "member_named"

    member: Short
    label: Short | None = None
    """Like that of the invitation: told to admins only and never released."""


class MemberRevoked(Payload):
    """A member's code and every sign-in made with it no longer count."""

    kind = "member_revoked"

    member: Short


class MemberAdmitted(Payload):
    """Somebody on the list of Hugging Face users signed in, for the first time or renamed.

    The member's id is a keyed hash of the user's id there; of the name, too, only one is kept.
    """

    kind = "member_admitted"

    member: Short
    role: Literal["expert", "admin"]
    """As the list had it; what counts is the list of the moment."""
    name_hash: Sha256


class SignInsEnded(Payload):
    """A sign-in of a member no longer counts, or none that was made until now."""

    kind = "sign_ins_ended"

    member: Short
    session: Short | None = None
    """The one that ended; ``None`` for all."""
