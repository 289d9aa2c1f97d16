"""Payload about what admins do: which act, on what, with which outcome; never any content."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from mi_arena.records.payloads import Payload, Short

Target = Literal["run", "epoch", "pair", "member", "batch"]


class AdminActed(Payload):
    """An admin did something; the envelope's rater is who, or nobody from a shell."""

    kind = "admin_acted"

    act: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_-]{1,40}$")]
    target: Target | None = None
    name: Short | None = None
    """The id of the run, epoch, pair, member or batch."""
    outcome: Literal["done", "refused", "failed"]
