"""Sign-ins end: by themselves, one by one, all at once, and with what they are bound to."""

from __future__ import annotations

import pytest

from mi_arena.access.identity import Identities
from mi_arena.access.keyed import keyed_by
from mi_arena.access.members import AccessError, Members
from mi_arena.records.store import EventStore
from tests.access.conftest import SECRET

HOUR = 3600


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def members(store: EventStore, clock: Clock) -> Members:
    return Members(store, keyed_by(SECRET), "an admin's long code", hours=24, now=clock)


@pytest.mark.parametrize("who", ["invited", "environment"])
def test_after_its_hours_a_sign_in_is_over(members: Members, clock: Clock, who: str) -> None:
    member = members.invite("expert").member if who == "invited" else who
    token = members.token(member) or ""
    clock.now += 24 * HOUR - 1
    assert members.holder(token) is not None
    clock.now += 1
    assert members.holder(token) is None
    assert members.holder(members.token(member) or "") is not None


def test_using_it_makes_it_no_longer(members: Members, clock: Clock) -> None:
    token = members.token(members.invite("expert").member) or ""
    for _ in range(24):
        clock.now += HOUR - 1
        assert members.holder(token) is not None
    clock.now += HOUR
    assert members.holder(token) is None


def test_a_sign_in_of_the_future_is_none(members: Members, clock: Clock) -> None:
    token = members.token(members.invite("expert").member) or ""
    clock.now -= 30
    assert members.holder(token) is not None  # a clock that was set right
    clock.now -= 60
    assert members.holder(token) is None


def test_neither_time_nor_session_can_be_changed(members: Members) -> None:
    token = members.token(members.invite("admin").member) or ""
    member, at, session, proof = token.split(".")
    for forged in (
        f"{member}.{int(at) + 1}.{session}.{proof}",
        f"{member}.{at}.{session[::-1]}.{proof}",
        f"{member}.{at}..{proof}",
        f"{member}.{proof}",
    ):
        assert members.holder(forged) is None
    assert members.holder(token) is not None


def test_one_ends_and_the_others_stay(store: EventStore, members: Members) -> None:
    member = members.invite("expert").member
    here, there = members.token(member) or "", members.token(member) or ""
    assert here != there
    members.sign_out(here)
    assert members.holder(here) is None and members.holder(there) is not None
    before = store.count()
    for ended in (here, "forged", ""):
        members.sign_out(ended)
    assert store.count() == before  # nothing is there to end


def test_all_end_and_the_code_stays_good(store: EventStore) -> None:
    members = Members(store, keyed_by(SECRET))
    identities = Identities(SECRET, members)
    invite, other = members.invite("expert"), members.invite("expert")
    tokens = [members.token(invite.member) or "" for _ in range(3)]
    stays = members.token(other.member) or ""
    members.sign_out_everywhere(invite.member)
    # Another process, or this one after a restart, knows it too.
    for asked in (members, Members(store, keyed_by(SECRET))):
        assert [asked.holder(token) for token in tokens] == [None, None, None]
        assert asked.holder(stays) is not None
    again = identities.sign_in(invite.code)
    assert again is not None and members.holder(again) is not None
    with pytest.raises(AccessError, match="nobody"):
        members.sign_out_everywhere("nobody")


def test_a_user_of_the_list(store: EventStore) -> None:
    listed = Members(store, keyed_by(SECRET), listed={"Ada": "expert", "Bo": "admin"})
    assert listed.admit("1", "eve") is None and store.count() == 0
    token = listed.admit("1", "ada") or ""
    who = listed.holder(token)
    assert who is not None and who.role == "expert" and who.member.startswith("hf")
    assert listed.holder(listed.admit("1", "ADA") or "") == who
    assert store.count("member_admitted") == 1
    # The same name taken over by another account is another member.
    other = listed.holder(listed.admit("2", "ada") or "")
    assert other is not None and other.member != who.member
    # No code opens them, whatever hash is kept of their name.
    assert listed.find("ada") is None
    # Renamed to somebody on the list: the sign-ins under the old name end.
    renamed = listed.admit("1", "bo") or ""
    now = listed.holder(renamed)
    assert now is not None and (now.member, now.role) == (who.member, "admin")
    assert listed.holder(token) is None
    listed.revoke(who.member)
    assert listed.holder(renamed) is None and listed.admit("1", "bo") is None
    assert [member.revoked for member in listed.all()] == [True, False]
    assert [member.revoked for member in Members(store, keyed_by(SECRET)).all()] == [True, True]
