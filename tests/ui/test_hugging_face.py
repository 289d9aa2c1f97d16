"""Signing in by a Hugging Face account, against a stand-in provider over real HTTP."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from mi_arena.access.hugging_face import VALID_SECONDS, Application, HuggingFace
from mi_arena.access.identity import Identities
from mi_arena.access.members import MemberRole, Members
from mi_arena.pairs import Pair
from mi_arena.ui.hugging_face_sign_in import BEGIN, COOKIE, HuggingFaceSignIn
from mi_arena.ui.texts import say
from tests.battles.conftest import SECRET
from tests.conftest import make_pair
from tests.oidc_stand_in import CLIENT_ID, CLIENT_SECRET, OidcStandIn
from tests.ui.conftest import Site, open_page, open_workspace, serve
from tests.ui.raw_http import RawCalls

LISTED: dict[str, MemberRole] = {"lin-yisheng": "expert", "the-head": "admin"}
TOKEN = re.compile(r"hf[0-9a-f]{12}\.[0-9]{13}\.[0-9a-f]{16}\.[0-9a-f]{64}")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcStandIn]:
    with OidcStandIn() as running:
        yield running


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("account")


@pytest.fixture(scope="module")
def space(
    folder: Path, pair_folders: tuple[Path, Path], provider: OidcStandIn, clock: Clock
) -> Iterator[Site]:
    def by_account(address: str, identities: Identities) -> HuggingFaceSignIn:
        application = Application(provider.url, CLIENT_ID, CLIENT_SECRET, address)
        assert identities.members is not None
        return HuggingFaceSignIn(HuggingFace(application, clock), identities.members, clock)

    pair: Pair = make_pair(*pair_folders)
    running, app = serve(folder, [pair], by_account=by_account, listed=LISTED)
    yield running
    app.close(verbose=False)  # type: ignore[attr-defined]
    running.arena.close()


@pytest.fixture(autouse=True)
def somebody(provider: OidcStandIn) -> None:
    provider.user = {"sub": "5f0c0ffee", "preferred_username": "Lin-Yisheng"}


def begun(site: Site) -> tuple[str, str]:
    """A sign-in approved at the provider: this browser's cookie, and the address to come back to.

    The cookie is carried by hand, for it is a secure one and this server has no TLS.
    """
    answer = httpx2.get(site.url + BEGIN[1:])
    assert answer.status_code == 303
    kept = answer.headers["set-cookie"]
    assert {"Secure", "HttpOnly", "SameSite=lax"} <= set(kept.split("; "))
    approved = httpx2.get(answer.headers["location"])
    return kept.split(";")[0], approved.headers["location"]


def back(address: str, cookie: str) -> httpx2.Response:
    return httpx2.get(address, headers={"Cookie": cookie})


def loaded(site: Site, cookie: str) -> str:
    """What the page is told when it opens in a browser with this cookie."""
    calls = RawCalls(site.url)
    calls.http.headers["Cookie"] = cookie
    handler = next(h for h in calls.handlers if h.name == "on_load.load")
    text = calls.call(handler, {"lang": "en"}).text
    calls.http.close()
    return text


def test_from_the_link_to_the_workspace(
    space: Site, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    cookie, address = begun(space)
    answer = back(address, cookie)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "data-desk" not in loaded(space, "")
    told = loaded(space, cookie)
    token = TOKEN.search(told)
    assert token is not None and "data-desk" in told
    who = space.identities.of("a browser", token[0])
    assert who.role == "expert"
    # Once: neither the cookie nor the address signs anybody in again.
    assert not TOKEN.search(loaded(space, cookie))
    assert back(address, cookie).status_code == 403
    # The same person again is the same member, and no event tells who they are there.
    cookie, address = begun(space)
    back(address, cookie)
    again = TOKEN.search(loaded(space, cookie))
    assert again is not None and space.identities.of("b", again[0]) == who
    assert space.arena.store.count("member_admitted") == 1
    everything = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())
    for personal in ("Lin-Yisheng", "lin-yisheng", "5f0c0ffee", CLIENT_SECRET, "access-"):
        assert personal.encode() not in everything
    # Uvicorn and the client of this test name addresses; those hold neither.
    for personal in ("isheng", "5f0c0ffee", CLIENT_SECRET):
        assert personal not in caplog.text


def refused(answer: httpx2.Response, key: str, status: int = 403) -> None:
    assert answer.status_code == status
    told = unescape(answer.text)
    assert say("zh", key) in told and say("en", key) in told
    assert "location" not in answer.headers


def test_a_name_that_is_not_on_the_list(space: Site, provider: OidcStandIn) -> None:
    provider.user = {"sub": "77", "preferred_username": "somebody-else"}
    before = space.arena.store.count()
    cookie, address = begun(space)
    refused(back(address, cookie), "hf_not_listed")
    assert not TOKEN.search(loaded(space, cookie))
    assert space.arena.store.count() == before


def test_a_state_is_good_once_for_its_browser_and_not_for_long(space: Site, clock: Clock) -> None:
    before = space.arena.store.count()
    cookie, address = begun(space)
    other, _ = begun(space)
    for forged in (
        address.replace("state=", "state=x"),
        address.split("?")[0],
        f"{address.split('?')[0]}?code=1&state=",
    ):
        refused(back(forged, cookie), "hf_bad_state")
    # Somebody else's way back, as a link that was sent to them.
    refused(back(address, other), "hf_bad_state")
    refused(back(address, cookie), "hf_bad_state")  # it was shown to another: it is used
    cookie, address = begun(space)
    clock.now += VALID_SECONDS + 1
    refused(back(address, cookie), "hf_bad_state")
    cookie, address = begun(space)
    refused(back(re.sub("code=[^&]*", "error=access_denied", address), cookie), "hf_declined")
    cookie, address = begun(space)
    assert back(address, cookie).status_code == 303
    clock.now += VALID_SECONDS + 1
    assert not TOKEN.search(loaded(space, cookie))
    assert space.arena.store.count("member_admitted") <= 1
    assert space.arena.store.count() - before <= 1


@pytest.mark.parametrize(
    "user", [{}, {"sub": "1"}, {"preferred_username": "the-head"}, {"sub": "", "name": 1}, []]
)
def test_a_provider_that_says_too_little(space: Site, provider: OidcStandIn, user: object) -> None:
    provider.user = user  # type: ignore[assignment]
    cookie, address = begun(space)
    refused(back(address, cookie), "hf_no_answer", 502)


def test_a_code_that_the_provider_did_not_give(space: Site) -> None:
    cookie, address = begun(space)
    refused(back(re.sub("code=[^&]*", "code=made-up", address), cookie), "hf_no_answer", 502)


def test_the_secret_goes_to_the_provider_alone(provider: OidcStandIn, folder: Path) -> None:
    """Also where its own page names another server."""
    with OidcStandIn() as thief:
        provider.elsewhere = thief.url
        try:
            application = Application(provider.url, CLIENT_ID, CLIENT_SECRET, "http://space")
            with pytest.raises(Exception, match="no_answer"):
                HuggingFace(application).begin("browser")
        finally:
            provider.elsewhere = None
        assert not thief.codes
    assert CLIENT_SECRET not in repr(application)


def test_whoever_is_taken_off_the_list_is_out_at_the_next_call(space: Site) -> None:
    cookie, address = begun(space)
    back(address, cookie)
    token = TOKEN.search(loaded(space, cookie))
    assert token is not None
    for listed, role in (({}, "public"), ({"LIN-yisheng": "admin"}, "admin")):
        members = Members(space.arena.store, space.identities.keyed, listed=listed)  # type: ignore[arg-type]
        assert Identities(SECRET, members).of("t", token[0]).role == role


ENVIRONMENT = {
    "OPENID_PROVIDER_URL": "https://huggingface.co",
    "OAUTH_CLIENT_ID": "id",
    "OAUTH_CLIENT_SECRET": "secret",
    "SPACE_HOST": "a-b.hf.space,own.example",
}


def test_offered_on_a_space_with_its_secret_alone(site: Site) -> None:
    found = Application.of_space(ENVIRONMENT, on_space=True)
    assert found is not None and found.host == "https://a-b.hf.space"
    assert Application.of_space(ENVIRONMENT, on_space=False) is None
    for name in ENVIRONMENT:
        assert Application.of_space(ENVIRONMENT | {name: " "}, on_space=True) is None
    # An app that doesn't offer it has neither address.
    for path in (BEGIN, "/login/callback", "/login/huggingface"):
        assert httpx2.get(site.url + path[1:]).status_code == 404
    assert COOKIE not in httpx2.get(site.url).headers.get("set-cookie", "")


@pytest.mark.browser
def test_in_a_browser(space: Site, chrome: Browser) -> None:
    page = open_page(chrome, space.url, "en-GB")
    expect(page.locator("#agree")).to_be_visible()
    page.get_by_role("tab", name="About").click()
    with page.context.expect_page() as opened:
        page.locator("#hugging-face-in").click()
    signed_in = opened.value
    expect(signed_in.locator("#agree")).to_be_visible()
    assert signed_in.url == space.url
    open_workspace(signed_in)
