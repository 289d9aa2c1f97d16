"""Inviting and revoking members: what is kept, what is not, and how soon it holds."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

import pytest

from mi_arena.access.identity import Identities
from mi_arena.access.keyed import keyed_by
from mi_arena.access.members import _LATEST, AccessError, Member, Members
from mi_arena.records.battle_events import ConsentGiven
from mi_arena.records.events import Event
from mi_arena.records.member_events import MemberInvited
from mi_arena.records.payloads import Kind
from mi_arena.records.store import DATABASE_NAME, EventStore, Where
from tests.access.conftest import SECRET


def kept_bytes(folder: Path) -> bytes:
    """Everything the store has on the disk, its write-ahead log too."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob(f"{DATABASE_NAME}*")))


def test_an_invited_member_as_listed(members: Members) -> None:
    invite = members.invite("expert", "  Dr.\nAda ")
    (listed,) = members.all()
    assert (invite.role, invite.label) == ("expert", "Dr. Ada")
    assert listed.invited_at is not None
    assert listed == Member(invite.member, "expert", "Dr. Ada", listed.invited_at, revoked=False)
    assert members.find(invite.code) == listed
    assert members.invite("admin", " ").label is None
    assert [member.role for member in members.all()] == ["expert", "admin"]


@pytest.mark.parametrize(("role", "label"), [("public", None), ("", None), ("expert", "a" * 201)])
def test_a_bad_invitation_stores_nothing(
    store: EventStore, members: Members, role: str, label: str | None
) -> None:
    with pytest.raises(AccessError, match=r"^(role|label): ") as raised:
        members.invite(role, label)
    assert "\n" not in str(raised.value)
    assert store.count() == 0 and members.all() == []


def test_only_a_hash_is_kept(tmp_path: Path, store: EventStore, members: Members) -> None:
    invite = members.invite("expert", "a label that is kept")
    token = members.token(invite.member)
    kept = kept_bytes(tmp_path)
    assert b"a label that is kept" in kept and invite.member.encode() in kept
    plain = invite.code.replace("-", "")
    for secret in (invite.code, plain, plain.lower(), token or "", (token or "").partition(".")[2]):
        assert secret and secret.encode() not in kept
    assert invite.code not in repr(invite)
    event = next(store.events("member_invited"))
    assert isinstance(event.payload, MemberInvited)
    assert event.payload.code_hash.encode() in kept
    # Keyed: whoever has the file alone can't try codes against it.
    assert event.payload.code_hash == keyed_by(SECRET)("invite", plain)
    assert event.payload.code_hash != keyed_by(b"")("invite", plain)


def test_revoking_ends_code_and_sign_in_at_once(identities: Identities, members: Members) -> None:
    gone, stays = members.invite("expert", "same name"), members.invite("expert")
    session, other = identities.sign_in(gone.code), identities.sign_in(stays.code)
    before = identities.of("t", session)
    assert before.role == "expert"
    members.revoke(gone.member)
    assert identities.of("t", session).role == "public"
    assert identities.sign_in(gone.code) is None and members.token(gone.member) is None
    assert identities.of("t", other).role == "expert"
    assert [member.revoked for member in members.all()] == [True, False]
    # Invited anew, the old sign-in stays ended, and the new one is somebody else to the records.
    again = members.invite("expert", "same name")
    assert identities.of("t", session).role == "public"
    assert identities.sign_in(gone.code) is None
    after = identities.of("t", identities.sign_in(again.code))
    assert after.role == "expert" and after.rater != before.rater


def test_a_member_can_be_named_later_and_anew(store: EventStore, members: Members) -> None:
    invite, other = members.invite("expert"), members.invite("expert", "Bo")
    session = members.token(invite.member)
    assert members.name(invite.member, "  Dr.\nAda ") == "Dr. Ada"
    assert [member.label for member in members.all()] == ["Dr. Ada", "Bo"]
    assert members.name(other.member, " ") is None
    assert [member.label for member in members.all()] == ["Dr. Ada", None]
    # Nothing else changes, and a revoked member can be named too.
    assert members.holder(session or "") == members.all()[0]
    members.revoke(invite.member)
    members.name(invite.member, "Ada")
    assert members.all()[0].revoked and members.all()[0].label == "Ada"
    for member, label, code in (
        ("00000000", "x", "unknown"),
        ("", "x", "unknown"),
        (invite.member, "a" * 201, "label_too_long"),
    ):
        with pytest.raises(AccessError) as raised:
            members.name(member, label)
        assert raised.value.code == code and "\n" not in str(raised.value)
    assert store.count("member_named") == 3


@pytest.mark.parametrize("unknown", ["", "00000000", "environment", "no such", "public"])
def test_only_a_known_member_can_be_revoked(
    store: EventStore, members: Members, unknown: str
) -> None:
    members.invite("expert")
    with pytest.raises(AccessError) as raised:
        members.revoke(unknown)
    assert "\n" not in str(raised.value)
    assert store.count("member_revoked") == 0


def test_a_member_is_revoked_once_however_many_try(store: EventStore, members: Members) -> None:
    invite, outcomes = members.invite("admin"), []
    gate = threading.Barrier(4)

    def revoke() -> None:
        gate.wait()
        try:
            members.revoke(invite.member)
            outcomes.append("revoked")
        except AccessError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=revoke) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("revoked") == 1 and store.count("member_revoked") == 1
    assert sum("revoked already" in outcome for outcome in outcomes) == 3


def test_another_store_object_on_the_same_file_is_heard_at_once(
    tmp_path: Path, identities: Identities, members: Members
) -> None:
    elsewhere = EventStore(tmp_path / DATABASE_NAME)
    other = Members(elsewhere, keyed_by(SECRET))
    assert members.all() == []
    invite = other.invite("expert")
    session = identities.sign_in(invite.code)
    assert identities.of("t", session).role == "expert"
    other.revoke(invite.member)
    assert identities.of("t", session).role == "public"
    assert members.all() == other.all()
    elsewhere.close()


def test_a_restart_knows_codes_and_sign_ins(tmp_path: Path, members: Members) -> None:
    invite = members.invite("expert")
    token = members.token(invite.member)
    again = EventStore(tmp_path / DATABASE_NAME)
    identities = Identities(SECRET, Members(again, keyed_by(SECRET)))
    assert identities.of("t", identities.sign_in(invite.code)).member == invite.member
    assert identities.of("t", token).member == invite.member
    again.close()


def test_the_admin_of_the_environment(store: EventStore) -> None:
    def identities(code: str | None) -> Identities:
        return Identities(SECRET, Members(store, keyed_by(SECRET), code))

    first = identities("correct horse battery")
    session = first.sign_in("Correct-Horse-Battery")
    who = first.of("t", session)
    assert (who.role, who.member) == ("admin", "environment")
    assert first.members is not None and first.members.all() == []
    with pytest.raises(AccessError, match="MI_ARENA_ADMIN_CODE"):
        first.members.revoke("environment")
    # The same after an invitation was read, and after a restart.
    first.members.invite("expert")
    assert first.of("t", session) == who
    assert identities("correct horse battery").of("t", session) == who
    # Another code, or none, ends the sign-in.
    assert identities("another horse battery").of("t", session).role == "public"
    assert identities(None).of("t", session).role == "public"
    assert identities(None).sign_in("correct horse battery") is None


def test_asking_opens_nothing_but_an_index(store: EventStore) -> None:
    """What makes it cheap enough for every handler, however long the log has become."""
    with store.reading() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {_LATEST}")]
    assert any("COVERING INDEX events_by_kind (kind=?" in step for step in plan)
    assert not any(step.startswith("SCAN") for step in plan)


class CountingStore(EventStore):
    """A store that counts how often events were read out of it."""

    readings = 0

    def events(
        self, kind: Kind | None = None, *, after_seq: int = 0, **where: Unpack[Where]
    ) -> Iterator[Event]:
        self.readings += 1
        return super().events(kind, after_seq=after_seq, **where)


def test_members_are_read_again_only_after_a_change(store: EventStore, members: Members) -> None:
    invite = members.invite("expert")
    token = members.token(invite.member) or ""
    counting = CountingStore(store.path)
    asked = Members(counting, keyed_by(SECRET))
    assert asked.holder(token) is not None
    first = counting.readings
    store.append(Event.of(ConsentGiven(version="1", lang="zh"), role="public", rater="ann"))
    assert asked.holder(token) is not None and asked.find(invite.code) is not None
    assert counting.readings == first
    members.revoke(invite.member)
    assert asked.holder(token) is None
    assert counting.readings > first
    counting.close()
