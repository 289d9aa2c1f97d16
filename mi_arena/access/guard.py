"""Who may use a page: asked inside every handler of experts and admins, whatever the page shows."""

from __future__ import annotations

from typing import Literal

from mi_arena.access.identity import Identity, Role

Code = Literal["sign_in", "not_allowed"]


class NotAllowed(Exception):
    """Nothing was done. ``sign_in``: nobody is signed in (any more); ``not_allowed``: somebody is,
    who may not."""

    def __init__(self, code: Code):
        super().__init__(code)
        self.code: Code = code


def require(identity: Identity, *roles: Role) -> Identity:
    """The identity itself if it has one of these roles. Raises ``NotAllowed``."""
    if identity.role in roles:
        return identity
    raise NotAllowed("sign_in" if identity.role == "public" else "not_allowed")
