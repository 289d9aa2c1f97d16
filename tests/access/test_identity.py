"""Pseudonyms and roles: what the tokens of a browser amount to."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mi_arena.access.guard import NotAllowed, require
from mi_arena.access.identity import Identities, Identity, Role, new_token
from mi_arena.access.keyed import keyed_by
from mi_arena.access.members import Members
from mi_arena.records.store import EventStore
from tests.access.conftest import SECRET


def test_a_pseudonym_is_stable_and_needs_the_secret() -> None:
    one, other = Identities(SECRET), Identities(b"another secret entirely")
    token = new_token()
    assert one.of(token) == one.of(token)
    assert one.of(token).rater != other.of(token).rater
    assert token not in one.of(token).rater
    assert one.of(token).rater != one.of(new_token()).rater


@pytest.mark.parametrize("role", ["expert", "admin"])
def test_a_member_is_one_person_in_every_browser(
    identities: Identities, members: Members, role: Role
) -> None:
    invite = members.invite(role)
    session = identities.sign_in(f" {invite.code.lower()} ")
    assert session is not None and invite.code not in session
    here, there = identities.of("browser 1", session), identities.of("browser 2", session)
    assert here == there
    assert (here.role, here.member) == (role, invite.member)
    assert invite.member not in here.rater


@pytest.mark.parametrize("role", ["expert", "admin"])
def test_a_member_is_known_by_the_same_pseudonym_without_a_browser(
    identities: Identities, members: Members, role: Role
) -> None:
    """Work is given to members who have not signed in yet; it must be theirs when they do."""
    invite = members.invite(role)
    (member,) = members.all()
    then = identities.of_member(member)
    assert then == identities.of("browser", identities.sign_in(invite.code))
    assert (then.role, then.member) == (role, invite.member)
    members.revoke(invite.member)
    (revoked,) = members.all()
    assert identities.of_member(revoked) == then  # what they did stays theirs
    assert Identities(b"another secret entirely").of_member(member).rater != then.rater


def test_two_invites_are_two_people(identities: Identities, members: Members) -> None:
    invites = [members.invite(role) for role in ("expert", "expert", "admin")]
    raters = {identities.of("t", identities.sign_in(invite.code)).rater for invite in invites}
    assert len(raters | {identities.of("t").rater}) == 4


def test_wrong_codes_are_no_sign_in(identities: Identities, members: Members) -> None:
    code = members.invite("expert").code
    other = "0" if code[-1] != "0" else "1"
    for wrong in ("", " ", "-", code[:-1], code[:-1] + other, code + other, code[::-1] + "0"):
        assert identities.sign_in(wrong) is None
    assert Identities(SECRET).sign_in(code) is None


def test_forged_tokens_are_public(identities: Identities, members: Members) -> None:
    one, other = members.invite("admin"), members.invite("expert")
    token = identities.sign_in(one.code) or ""
    name, _, proof = token.partition(".")
    wrong = "0" if proof[-1] != "0" else "1"
    for forged in (
        "forged",
        name,
        f"{name}.",
        f"{name}.{'0' * 64}",
        f"{name}.{proof[:-1]}",
        f"{name}.{proof[:-1]}{wrong}",
        f"{name}.{proof}0",
        f"{name}.{proof}\n",
        f"0{name}.{proof}",
        f"{other.member}.{proof}",
        f"environment.{proof}",
        f"{name}.{keyed_by(b'another secret')('member-session', name)}",
    ):
        assert identities.of("t", forged) == identities.of("t")
    assert identities.of("t", token).role == "admin"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(st.characters(codec=None), max_size=200))
def test_whatever_a_browser_sends_is_public(identities: Identities, sent: str) -> None:
    assert identities.sign_in(sent) is None
    assert identities.of("t", sent).role == "public"


def test_codes_of_another_secret_open_nothing(store: EventStore, members: Members) -> None:
    invite = members.invite("expert")
    elsewhere = b"another secret entirely"
    other = Identities(elsewhere, Members(store, keyed_by(elsewhere)))
    assert other.sign_in(invite.code) is None
    assert other.of("t", members.token(invite.member)).role == "public"


EVERYBODY: list[Role] = ["public", "expert", "admin"]


@pytest.mark.parametrize("role", EVERYBODY)
@pytest.mark.parametrize("allowed", [[], ["expert"], ["admin"], ["expert", "admin"], EVERYBODY])
def test_the_guard_of_a_handler(role: Role, allowed: list[Role]) -> None:
    who = Identity("pseudonym", role, None if role == "public" else "1a2b3c4d")
    if role in allowed:
        assert require(who, *allowed) is who
        return
    with pytest.raises(NotAllowed) as raised:
        require(who, *allowed)
    assert raised.value.code == ("sign_in" if role == "public" else "not_allowed")
