"""Pseudonyms and the experts' sign-in."""

from __future__ import annotations

from mi_arena.access.identity import Identities, new_token

SECRET = b"one secret for tests"
CODES = {"first-code-1": "ada", "second-code": "bo"}


def test_a_pseudonym_is_stable_and_needs_the_secret() -> None:
    one, other = Identities(SECRET, {}), Identities(b"another secret entirely", {})
    token = new_token()
    assert one.of(token) == one.of(token)
    assert one.of(token).rater != other.of(token).rater
    assert token not in one.of(token).rater
    assert one.of(token).rater != one.of(new_token()).rater


def test_an_expert_is_one_person_in_every_browser() -> None:
    identities = Identities(SECRET, CODES)
    session = identities.sign_in(" first-code-1 ")
    assert session is not None and "first-code" not in session
    here, there = identities.of("browser 1", session), identities.of("browser 2", session)
    assert here == there and here.role == "expert"
    assert identities.of("browser 1", identities.sign_in("second-code")).rater != here.rater


def test_wrong_codes_and_forged_sessions_are_public() -> None:
    identities = Identities(SECRET, CODES)
    assert identities.sign_in("first-code-2") is None
    assert identities.sign_in("") is None
    assert identities.of("t", "forged").role == "public"


def test_changing_a_code_ends_its_sign_ins() -> None:
    session = Identities(SECRET, CODES).sign_in("first-code-1")
    assert Identities(SECRET, {"new-code-11": "ada"}).of("t", session).role == "public"
