"""Experts and admins: who was invited or is on the list of Hugging Face users, who still is, and
whose a code or a sign-in token is.

Everything is derived from the event log, which holds a keyed hash of each code and never the code.
Members are asked about by every handler, so an answer costs one look into an index; a revocation
by another process holds from the next question on.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from mi_arena.access.codes import new_code, normalised
from mi_arena.access.keyed import Keyed
from mi_arena.access.sign_ins import (
    DEFAULT_HOURS,
    SIGN_IN,
    SignIn,
    narrowed,
    new_token,
    proven,
    read_token,
)
from mi_arena.records.events import Event
from mi_arena.records.member_events import (
    MemberAdmitted,
    MemberInvited,
    MemberNamed,
    MemberRevoked,
    SignInsEnded,
)
from mi_arena.records.store import EventStore, Transaction

MemberRole = Literal["expert", "admin"]
_Kind = Literal["member_invited", "member_admitted", "member_revoked"]

ENVIRONMENT = "environment"
"""The built-in admin whose code is the setting ``MI_ARENA_ADMIN_CODE``."""

# INDEXED BY: without statistics SQLite might walk back over all later events instead.
_LATEST = """
SELECT max(seq) FROM events INDEXED BY events_by_kind
WHERE kind IN ('member_invited', 'member_named', 'member_revoked', 'member_admitted',
               'sign_ins_ended')
"""
_LISTED = "hf"
"""Begins the ids of members from the list; those of invited ones are hexadecimal."""


Problem = Literal["bad_role", "label_too_long", "of_environment", "unknown", "revoked_already"]
"""Why it can't be done, for pages that say it in their reader's language."""


class AccessError(ValueError):
    """An invitation, a name or a revocation that can't be; the message is one line for an admin."""

    def __init__(self, message: str, code: Problem = "unknown", **values: str | int):
        super().__init__(message)
        self.code: Problem = code
        self.values = values


@dataclass(frozen=True)
class Member:
    """An expert or admin, as an admin may see them. Everyone else sees a pseudonym."""

    member: str
    role: MemberRole
    label: str | None
    """What the admin calls them; for admins only."""
    invited_at: datetime | None
    """Or first admitted; ``None`` for the admin of the environment, whom nobody invited."""
    revoked: bool = False


@dataclass(frozen=True)
class Invite:
    """A new member and their code, which can't be told a second time."""

    member: str
    role: MemberRole
    code: str = field(repr=False)
    label: str | None


@dataclass(frozen=True)
class _Kept:
    member: Member
    bound_to: str
    """The hash of their code, or of their name on the list: sign-ins end when it changes."""
    by_code: bool = True
    ended_ms: int = 0
    """Sign-ins made until then no longer count."""
    ended: frozenset[str] = frozenset()
    """Nor do these."""


class Members:
    """The members of one study. Any number of threads and processes may ask and change."""

    def __init__(
        self,
        store: EventStore,
        keyed: Keyed,
        admin_code: str | None = None,
        listed: Mapping[str, MemberRole] | None = None,
        hours: float = DEFAULT_HOURS,
        now: Callable[[], float] = time.time,
    ):
        """``admin_code``: the code of the built-in admin, if there is one. ``listed``: the
        Hugging Face user names that may sign in there. ``hours``: how long a sign-in counts."""
        self._store, self._keyed = store, keyed
        self._hours, self._now = hours, now
        self._listed = {self._name_hash(name): role for name, role in (listed or {}).items()}
        self._built_in: dict[str, _Kept] = {}
        if admin_code is not None:
            admin = Member(ENVIRONMENT, "admin", None, None)
            self._built_in[ENVIRONMENT] = _Kept(admin, self._hash(admin_code))
        # Replaced whole, never changed in place: threads need no lock.
        self._seen: tuple[int, Mapping[str, _Kept]] = (0, self._built_in)

    def invite(self, role: str, label: str | None = None) -> Invite:
        """Make a member and their code; stored when this returns.

        Raises ``AccessError`` for another role or an overlong label, ``NotStored`` when the store
        failed.
        """
        code, label = new_code(), " ".join((label or "").split()) or None
        with self._store.transaction() as transaction:
            taken = _names(transaction, "member_invited")
            while (member := secrets.token_hex(4)) in taken:
                pass
            try:
                invited = MemberInvited.model_validate(
                    {
                        "member": member,
                        "role": role,
                        "label": label,
                        "code_hash": self._hash(code),
                    }
                )
            except ValidationError as error:
                raise _bad(error) from None
            transaction.append(Event.of(invited, role="admin"))
        return Invite(member, invited.role, code, invited.label)

    def admit(self, subject: str, name: str) -> str | None:
        """The sign-in token for a user of Hugging Face, known by their lasting id there and their
        user name; ``None`` for somebody who isn't on the list or is revoked.

        Neither is kept. Raises ``NotStored`` when a newcomer can't be stored.
        """
        name_hash = self._name_hash(name)
        role = self._listed.get(name_hash)
        if role is None:
            return None
        member = _LISTED + self._keyed("hf-user", subject)[:12]
        kept = self._current().get(member)
        if kept is None or kept.bound_to != name_hash:
            admitted = MemberAdmitted(member=member, role=role, name_hash=name_hash)
            self._store.append(Event.of(admitted, role="admin"))
        return self.token(member)

    def name(self, member: str, label: str) -> str | None:
        """Call a member so from now on; nothing for an empty label. What they are called now.

        Raises ``AccessError`` for somebody unknown or an overlong label, ``NotStored`` when the
        store failed.
        """
        called = " ".join(label.split()) or None
        try:
            named = MemberNamed.model_validate({"member": member, "label": called})
        except ValidationError as error:
            raise _bad(error) from None
        with self._store.transaction() as transaction:
            _check_known(member, transaction)
            transaction.append(Event.of(named, role="admin"))
        return called

    def revoke(self, member: str) -> None:
        """End a member's code and every sign-in made with it, from now on and for good.

        Raises ``AccessError`` for somebody unknown or already revoked, ``NotStored`` when the
        store failed.
        """
        if member == ENVIRONMENT:
            raise AccessError(
                f"member {member} is the holder of MI_ARENA_ADMIN_CODE; "
                "change that setting and restart the app",
                "of_environment",
            )
        with self._store.transaction() as transaction:
            _check_known(member, transaction)
            if member in _names(transaction, "member_revoked"):
                raise AccessError(f"member {member!r} is revoked already", "revoked_already")
            transaction.append(Event.of(MemberRevoked(member=member), role="admin"))

    def sign_out(self, token: str) -> None:
        """End this one sign-in; what is none is none already. Raises ``NotStored``."""
        sign_in = read_token(token)
        if sign_in and self.holder(token):
            ended = SignInsEnded(member=sign_in.member, session=sign_in.session)
            self._store.append(Event.of(ended, role="admin"))

    def sign_out_everywhere(self, member: str) -> None:
        """End every sign-in that a member has made until now; they may sign in anew.

        Raises ``AccessError`` for somebody unknown, ``NotStored`` when the store failed.
        """
        if member not in self._current():
            raise AccessError(f"no member {member!r}; `list` names them")
        self._store.append(Event.of(SignInsEnded(member=member), role="admin"))

    def all(self) -> list[Member]:
        """Everyone ever invited, then admitted, in that order; but the admin of the environment."""
        return [kept.member for name, kept in self._current().items() if name not in self._built_in]

    def find(self, code: str) -> Member | None:
        """The member whose code this is, however it was typed; ``None`` if nobody's."""
        wanted, found = self._hash(code), None
        for kept in self._current().values():
            # Every code is compared, so that time tells nothing.
            same = hmac.compare_digest(kept.bound_to, wanted) and kept.by_code
            if same and not kept.member.revoked:
                found = kept.member
        return found

    def token(self, member: str) -> str | None:
        """What a member's browser holds once they have signed in; ``None`` for nobody.

        Another one each time. It ends with the member's code or place on the list.
        """
        kept = self._current().get(member)
        if kept is None or kept.member.revoked:
            return None
        # Later than what has ended within the same millisecond.
        return new_token(self._keyed, member, kept.bound_to, max(self._now_ms(), kept.ended_ms + 1))

    def narrowed(self, token: str, purpose: str) -> str | None:
        """A token of the same sign-in for one purpose alone, which ends when that does; ``None``
        where the sign-in does not count."""
        stands = self._standing(token, SIGN_IN)
        return narrowed(self._keyed, stands[0], stands[1].bound_to, purpose) if stands else None

    def holder(self, token: str, purpose: str = SIGN_IN) -> Member | None:
        """The member who signed in with this token, unless it is forged, for another purpose, too
        old or ended, or they are revoked."""
        stands = self._standing(token, purpose)
        return stands[1].member if stands else None

    def _standing(self, token: str, purpose: str) -> tuple[SignIn, _Kept] | None:
        sign_in = read_token(token)
        kept = self._current().get(sign_in.member) if sign_in else None
        if sign_in is None or kept is None:
            return None
        if not proven(sign_in, self._keyed, kept.bound_to, purpose):
            return None
        ended = sign_in.at_ms <= kept.ended_ms or sign_in.session in kept.ended
        old = sign_in.expired(self._hours, self._now_ms())
        return None if ended or old or kept.member.revoked else (sign_in, kept)

    def _hash(self, code: str) -> str:
        return self._keyed("invite", normalised(code))

    def _name_hash(self, name: str) -> str:
        return self._keyed("hf-name", name.casefold())

    def _now_ms(self) -> int:
        return int(self._now() * 1000)

    def _current(self) -> Mapping[str, _Kept]:
        """Members by id, as the store has them now."""
        with self._store.reading() as connection:
            latest = connection.exec_driver_sql(_LATEST).scalar() or 0
        seen, members = self._seen
        if latest > seen:
            members = self._read()
            self._seen = (latest, members)
        return members

    def _read(self) -> Mapping[str, _Kept]:
        members = dict(self._built_in)
        for event in self._store.events("member_invited"):
            invited = event.payload
            assert isinstance(invited, MemberInvited)
            member = Member(invited.member, invited.role, invited.label, event.created_at)
            members[invited.member] = _Kept(member, invited.code_hash)
        for event in self._store.events("member_admitted"):
            admitted = event.payload
            assert isinstance(admitted, MemberAdmitted)
            # Asked anew: who was taken off the list is nobody's member any more.
            role = self._listed.get(admitted.name_hash)
            first = members.get(admitted.member)
            since = first.member.invited_at if first else event.created_at
            member = Member(
                admitted.member, role or admitted.role, None, since, revoked=role is None
            )
            members[admitted.member] = _Kept(member, admitted.name_hash, by_code=False)
        for event in self._store.events("member_named"):
            named = event.payload
            assert isinstance(named, MemberNamed)
            kept = members[named.member]
            members[named.member] = replace(kept, member=replace(kept.member, label=named.label))
        for name in _names(self._store, "member_revoked"):
            kept = members[name]
            members[name] = replace(kept, member=replace(kept.member, revoked=True))
        for event in self._store.events("sign_ins_ended"):
            ended = event.payload
            assert isinstance(ended, SignInsEnded)
            if (kept_now := members.get(ended.member)) is not None:
                members[ended.member] = _after(kept_now, ended, event.created_at)
        return members


def _after(kept: _Kept, ended: SignInsEnded, at: datetime) -> _Kept:
    """A member's sign-ins without those that ended."""
    if ended.session is None:
        return replace(kept, ended_ms=max(kept.ended_ms, int(at.timestamp() * 1000)))
    return replace(kept, ended=kept.ended | {ended.session})


def _bad(error: ValidationError) -> AccessError:
    wrong = error.errors(include_input=False)[0]
    field = str(wrong["loc"][0])
    code: Problem = "label_too_long" if field == "label" else "bad_role"
    if field not in ("label", "role"):
        code = "unknown"
    return AccessError(f"{field}: {wrong['msg']}", code)


def _check_known(member: str, transaction: Transaction) -> None:
    """Raises ``AccessError`` for somebody who was never invited nor admitted."""
    if member not in _names(transaction, "member_invited") | _names(transaction, "member_admitted"):
        raise AccessError(f"no member {member!r}; `list` names them")


def _names(source: EventStore | Transaction, kind: _Kind) -> set[str]:
    """The ids in all events of this kind."""
    return {
        event.payload.member
        for event in source.events(kind)
        if isinstance(event.payload, MemberInvited | MemberAdmitted | MemberRevoked)
    }
