"""Who is on the list of Hugging Face users, and as what."""

from __future__ import annotations

from mi_arena.access.members import MemberRole
from mi_arena.settings import Settings


def listed_users(settings: Settings) -> dict[str, MemberRole]:
    """Who may sign in as what by their Hugging Face user name; on both lists, as an admin."""
    experts: dict[str, MemberRole] = dict.fromkeys(settings.experts, "expert")
    return experts | dict.fromkeys(settings.admins, "admin")
