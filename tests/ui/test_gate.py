"""What any request meets: headers, other sites, uploads, and that no secret is told."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from mi_arena.access.keyed import keyed_by
from mi_arena.access.members import Members
from mi_arena.records.store import DATABASE_NAME, EventStore
from mi_arena.ui.gate import COOKIE, TICKET_SECONDS, UPLOAD, Gate, Tickets, security_headers
from tests.ui.conftest import Site, invite
from tests.ui.raw_http import RawCalls, kept


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def members(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Members]:
    store = EventStore(tmp_path_factory.mktemp("gate") / DATABASE_NAME)
    yield Members(store, keyed_by(b"a key of these tests"), now=clock)
    store.close()


@pytest.fixture(scope="module")
def tickets(members: Members, clock: Clock) -> Tickets:
    return Tickets(members, clock)


@pytest.fixture(scope="module")
def client(tickets: Tickets) -> TestClient:
    """The gate before a server that would answer anything, and breaks at one address."""

    async def anything(request: Request) -> PlainTextResponse:
        if request.url.path == "/static/broken":
            raise RuntimeError("with what somebody wrote")
        return PlainTextResponse("inside")

    inner = Starlette(routes=[Route("/{path:path}", anything, methods=["GET", "POST"])])
    gate = Gate(inner, tickets, on_space=True, hosts=("own.example",))
    return TestClient(gate, "https://a-b.hf.space", raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "https://a-b.hf.space"}, 200),
        ({"Origin": "https://own.example"}, 200),
        ({"Origin": "https://front.example", "X-Forwarded-Host": "front.example"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://a-b.hf.space.evil.example"}, 403),
        ({"Origin": "https://huggingface.co"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
    ],
)
def test_other_sites(client: TestClient, headers: dict[str, str], status: int) -> None:
    for method, path in (("POST", "/gradio_api/queue/join"), ("GET", "/gradio_api/queue/data")):
        answer = client.request(method, path, headers=headers)
        assert answer.status_code == status
        assert (answer.text == "inside") == (status == 200)


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=/etc/passwd", "/gradio_api/file/../../etc/passwd", "/monitoring",
        "/gradio_api/info", "/gradio_api/call/on_agree", "/gradio_api/run/on_agree", "/logout",
        "/openapi.json", "/gradio_api/proxy=http://127.0.0.1/", "/gradio_api/upload/../file=/x",
        "/config/more", "/gradio_api/queue/join/more", "/gradio_api%2Finfo",
        "/configx", "/gradio_api/heartbeat/a/b",
    ],
)  # fmt: skip
def test_what_is_not_named_is_not_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_every_answer_has_the_headers(client: TestClient) -> None:
    for path in ("/", "/made-up", "/static/broken", UPLOAD, "/static/js/x.js"):
        answer = client.post(path) if path == UPLOAD else client.get(path)
        for name, value in security_headers(on_space=True).items():
            assert answer.headers[name] == value, path
    broken = client.get("/static/broken")
    assert broken.status_code == 500 and "somebody" not in broken.text


def test_who_may_frame_the_page() -> None:
    policy = security_headers(on_space=True)["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors 'self' https://huggingface.co")
    assert security_headers(False)["Content-Security-Policy"].endswith("frame-ancestors 'self'")


def test_a_ticket_lets_files_in_until_it_ends(
    client: TestClient, tickets: Tickets, members: Members, clock: Clock
) -> None:
    sign_in = members.token(members.invite("admin").member) or ""
    ticket = tickets.new(sign_in)
    until, _, token = ticket.partition(".")
    later = f"{int(until) + 1}.{token}"
    for cookie, status in (
        (ticket, 200), ("", 403), (later, 403), (f"{until}.", 403), ("²." + token, 403),
        (f"{ticket[:-64]}{'0' * 64}", 403), (token, 403), (f"{until}.{sign_in}", 403),
    ):  # fmt: skip
        headers = {"Cookie": f"{COOKIE}={cookie}".encode()}
        assert client.post(UPLOAD, headers=headers).status_code == status  # type: ignore[arg-type]
    clock.now += TICKET_SECONDS + 1
    assert client.post(UPLOAD, headers={"Cookie": f"{COOKIE}={ticket}"}).status_code == 403


def test_a_ticket_ends_with_the_sign_in_that_it_was_for(tmp_path: Path) -> None:
    # By the clock of the events that end sign-ins.
    members = Members(EventStore(tmp_path / DATABASE_NAME), keyed_by(b"a key"))
    tickets = Tickets(members)
    admin = members.invite("admin").member
    first, second = members.token(admin) or "", members.token(admin) or ""
    of_first, of_second = tickets.new(first), tickets.new(second)
    assert tickets.valid(of_first) and tickets.valid(of_second)
    members.sign_out(first)
    assert not tickets.valid(of_first) and tickets.valid(of_second)
    members.sign_out_everywhere(admin)
    assert not tickets.valid(of_second) and tickets.new(second) == ""
    again = tickets.new(members.token(admin) or "")
    assert tickets.valid(again)
    members.revoke(admin)
    assert not tickets.valid(again)


def test_a_ticket_opens_uploads_alone_and_to_admins_alone(
    client: TestClient, tickets: Tickets, members: Members
) -> None:
    expert, admin = (members.token(members.invite(r).member) or "" for r in ("expert", "admin"))
    headers = {"Cookie": f"{COOKIE}={tickets.new(expert)}"}
    assert client.post(UPLOAD, headers=headers).status_code == 403
    _, _, token = tickets.new(admin).partition(".")
    assert token and members.holder(token) is None and tickets.new(token) == ""


@given(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=80))
def test_whatever_cookie_is_sent(client: TestClient, cookie: str) -> None:
    answer = client.post(UPLOAD, headers={"Cookie": cookie.encode("latin-1")})  # type: ignore[dict-item]
    assert answer.status_code == 403


# ---- the app itself


def send(site: Site, name: str, content: bytes, ticket: str | None) -> httpx2.Response:
    headers = {"Cookie": f"{COOKIE}={ticket}"} if ticket else {}
    files = {"files": (name, content, "application/octet-stream")}
    return httpx2.post(site.url + UPLOAD[1:], files=files, headers=headers)


NAMES = [
    "../../../etc/cron.d/x.jsonl", "/etc/x.jsonl", "..\\..\\x.jsonl", "x.jsonl\x00.png",
    ".hidden.jsonl", "名字 with blanks.jsonl", "a" * 300 + ".jsonl", "..", "corpus;rm -rf.jsonl",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_an_upload_stays_where_uploads_are(module_site: Site, folder: Path, name: str) -> None:
    calls = RawCalls(module_site.url)
    before = kept(module_site, folder)[1]
    assert send(module_site, name, b"{}", None).status_code == 403
    members = module_site.identities.members
    assert members is not None
    sign_in = members.token(members.invite("admin").member) or ""
    answer = send(module_site, name, b"{}", module_site.tools.tickets.new(sign_in))
    assert answer.status_code in (200, 400) and "Traceback" not in answer.text
    if answer.status_code == 200:
        [sent] = answer.json()
        session = {"lang": "en", "member": sign_in}
        handler = next(h for h in calls.handlers if h.name == "corpus-upload.upload")
        file = {"path": sent, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
        calls.call(handler, session, [[file]])
        # What was taken: Gradio's copy is gone at once. What is no corpus, in an hour.
        assert Path(sent).exists() == name.endswith(".png")
        # Nobody fetches what was sent, by whatever address.
        for address in (f"gradio_api/file={sent}", f"gradio_api/file/{sent}", f"file={sent}"):
            assert calls.http.get(address).status_code == 404
    calls.http.close()
    new = set(kept(module_site, folder)[1]) - set(before)
    assert all(Path(path).parent == Path("runs/uploads") for path in new)
    assert all(not Path(path).name.startswith(".") for path in new)


def test_a_form_names_no_file_that_was_not_sent(module_site: Site, folder: Path) -> None:
    """Not even an admin's: a path of the server is no upload."""
    calls = RawCalls(module_site.url)
    members = module_site.identities.members
    assert members is not None
    session = {"lang": "en", "member": members.token(members.invite("admin").member)}
    (folder / "beside.jsonl").write_text("private")
    handler = next(h for h in calls.handlers if h.name == "corpus-upload.upload")
    before = kept(module_site, folder)[1]
    for path in (str(folder / "beside.jsonl"), "/etc/passwd", "../beside.jsonl"):
        file = {"path": path, "orig_name": "x.jsonl", "meta": {"_type": "gradio.FileData"}}
        assert "private" not in calls.call(handler, session, [[file]]).text
    calls.http.close()
    assert kept(module_site, folder)[1] == before


def test_the_page_has_the_headers_and_sets_no_cookie(module_site: Site) -> None:
    for path in ("", "config", "theme.css", "gradio_api/startup-events"):
        answer = httpx2.get(module_site.url + path)
        assert "set-cookie" not in answer.headers
        for name, value in security_headers(on_space=False).items():
            assert answer.headers[name] == value
    origin = {"Origin": "https://evil.example"}
    assert httpx2.get(module_site.url + "config", headers=origin).status_code == 403


def test_seven_wrong_codes_in_a_minute_are_too_many(module_site: Site) -> None:
    calls = RawCalls(module_site.url)
    handler = next(h for h in calls.handlers if h.name == "expert-in.click")
    code, _ = invite(module_site)
    session = {"lang": "en", "rater": f"one-{time.monotonic_ns()}"}
    for _ in range(6):
        calls.call(handler, session, ["wrong"])
    assert "Workspace" not in calls.call(handler, session, [code]).text
    assert "Workspace" in calls.call(handler, session | {"rater": "another"}, [code]).text
    calls.http.close()


def test_the_server_tells_nothing_of_a_bad_request(module_site: Site) -> None:
    for path in ("queue/join", "run/predict", "component_server", "cancel", "reset"):
        for body in (b"", b"{", b"[]", b'{"data": 1}', json.dumps({"fn_index": 10**9}).encode()):
            answer = httpx2.post(
                f"{module_site.url}gradio_api/{path}",
                content=body,
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code >= 200 and "Traceback" not in answer.text
            assert str(Path.cwd()) not in answer.text
