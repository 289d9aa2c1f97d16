"""Every way into the app, tried over raw HTTP by everybody: who gets what, and what it leaves.

The tables say what is expected. A handler, a view, an act or a route that isn't in them fails the
test: whoever adds one says whose it is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRouter

from mi_arena.access.audit import Audit
from mi_arena.access.identity import new_token
from mi_arena.jobs.data_steps import DATA_STEPS
from mi_arena.jobs.evaluate_steps import evaluate_steps
from mi_arena.ui.desk.admin_room import AdminRoom
from mi_arena.ui.desk.rooms import own_battle_rooms, workspace_rooms
from mi_arena.ui.gate import COOKIE
from mi_arena.ui.texts import say
from tests.ui.conftest import Site, invite
from tests.ui.raw_http import Handler, RawCalls, kept

ROLES = ("nobody", "public", "expert", "admin")

EVERYBODY: dict[str, set[str]] = {
    # By their name: the kinds of events that a call with empty fields may leave.
    "agree.click": {"consent_given"},
    "topic.input": set(),
    "starter.input": set(),
    "send.click": set(),
    "retry.click": set(),
    "on_follow.then": set(),
    "on_answered.then": set(),
    "stop.click": set(),
    "restart.click": set(),
    "again.click": set(),
    "submit.click": set(),
    "epoch.input": set(),
    "results-topic.input": set(),
    "raters.input": set(),
    "refresh.click": set(),
    "results.select": set(),
    "withdraw.click": set(),
    "receipt-code.submit": set(),
    "expert-in.click": set(),
    "expert-code.submit": set(),
    "expert-out.click": {"sign_ins_ended"},
    "expert-out-all.click": {"sign_ins_ended"},
    "on_load.load": set(),
    "switch.click": set(),
    # Shows the fields of a place; knows nothing of anybody.
    "train-place.change": set(),
}
ADMINS_LOOK = {
    *(f"{tab}-{event}" for tab in ("data", "train", "evaluate", "release")
      for event in ("run.tick", "refresh.click", "runs.input")),
    "data.select", "train.select", "evaluate.select", "study.select", "study-refresh.click",
    "train-recipe.input", "finetune-base.input", "handler.then", "train-place.input",
    "train-check.click",
    "train-clone.click", "train-compare.change", "evaluate-compare.change",
    "evaluate-again.click", "rounds-pair.input", "rounds-before.click", "rounds-after.click",
}  # fmt: skip
ADMINS_ACT = {
    *(f"{tab}-{event}.click" for tab in ("data", "train", "evaluate", "release")
      for event in ("stop", "resume")),
    *(f"begin-{step.id}.click" for step in (*DATA_STEPS, *evaluate_steps(Path("data")))),
    "corpus-upload.upload", "reviews-send.click", "reviews-fetch.click", "reviews-close.click",
    "train-begin.click", "train-serve.click", "train-unserve.click",
    "study-close.click", "study-leave-out.click", "study-bring-back.click",
    "release-build.click", "release-push.click",
}  # fmt: skip

BEGIN_AT_ONCE = {"begin-gather.click", "begin-evaluate.click", "release-build.click"}
"""Need no field."""

MEMBERS = {"expert", "admin"}
VIEWS = {
    "home": MEMBERS,
    "practice": MEMBERS,
    "work": {"expert"},
    "match": {"expert"},
    "review": {"expert"},
    "admin": {"admin"},
    "cases": {"admin"},
    "case": {"admin"},
    "final": {"admin"},
    "report": {"admin"},
}
ADMIN_ROOM = {
    "invite", "name", "revoke", "sign-out", "drop", "draw-battles", "import", "take-back",
    "suggestions", "assign", "bar",
}  # fmt: skip
SHEETS = ("give", "submit", "anything")
"""Acts of the other rooms; which one a room knows doesn't matter, as whoever may not is told so."""

SERVED_ROUTES = {
    "GET /", "HEAD /", "GET /config", "GET /config/", "GET /theme.css", "GET /robots.txt",
    "GET /favicon.ico", "GET /manifest.json", "GET /pwa_icon", "GET /pwa_icon/{size}",
    "GET /static/{path:path}", "GET /assets/{path:path}", "GET /svelte/{path:path}",
    "GET /run-files/{until}/{signature}/{name:path}",
    "POST /gradio_api/queue/join", "GET /gradio_api/queue/data",
    "POST /gradio_api/run/{api_name}", "POST /gradio_api/run/{api_name}/",
    "POST /gradio_api/cancel", "POST /gradio_api/reset", "POST /gradio_api/reset/",
    "POST /gradio_api/component_server", "POST /gradio_api/component_server/",
    "GET /gradio_api/heartbeat/{session_hash}", "GET /gradio_api/upload_progress",
    "GET /gradio_api/startup-events", "GET /gradio_api/app_id", "GET /gradio_api/app_id/",
    "GET /gradio_api/theme.css",
}  # fmt: skip
ADMINS_ROUTES = {"POST /gradio_api/upload"}
CLOSED_ROUTES = {
    "GET /openapi.json", "HEAD /openapi.json", "POST /login", "POST /login/", "GET /logout",
    "GET /monitoring", "GET /monitoring/summary", "GET /monitoring/{key}",
    "GET /gradio_api/deep_link", "GET /gradio_api/user", "GET /gradio_api/user/",
    "GET /gradio_api/login_check", "GET /gradio_api/login_check/", "GET /gradio_api/token",
    "GET /gradio_api/token/", "GET /gradio_api/dev/reload", "GET /gradio_api/runs",
    "GET /gradio_api/runs/", 
    
    
    "GET /gradio_api/info", "GET /gradio_api/info/", "GET /gradio_api/openapi.json",
    "GET /gradio_api/custom_component/{id}/{environment}/{type}/{file_name}",
    "GET /gradio_api/proxy={url_path:path}", "HEAD /gradio_api/proxy={url_path:path}",
    "GET /gradio_api/file={path_or_url:path}", "HEAD /gradio_api/file={path_or_url:path}",
    "GET /gradio_api/file/{path:path}", "POST /gradio_api/stream/{event_id}",
    "POST /gradio_api/stream/{event_id}/close",
    "GET /gradio_api/stream/{session_hash}/{run}/{component_id}/playlist.m3u8",
    "GET /gradio_api/stream/{session_hash}/{run}/{component_id}/{segment_id}.{ext}",
    "GET /gradio_api/stream/{session_hash}/{run}/{component_id}/playlist-file",
    "POST /gradio_api/api/{api_name}", "POST /gradio_api/api/{api_name}/",
    "POST /gradio_api/call/v2/{api_name}", "POST /gradio_api/call/v2/{api_name}/",
    "POST /gradio_api/call/{api_name}", "POST /gradio_api/call/{api_name}/",
    "GET /gradio_api/call/{api_name}/{event_id}", "GET /gradio_api/call/v2/{api_name}/{event_id}",
    "GET /gradio_api/queue/status", "POST /gradio_api/process_recording",
    "POST /gradio_api/vibe-edit", "POST /gradio_api/vibe-edit/",
    "POST /gradio_api/undo-vibe-edit", "POST /gradio_api/undo-vibe-edit/",
    "GET /gradio_api/vibe-code", "GET /gradio_api/vibe-code/", "POST /gradio_api/vibe-code",
    "POST /gradio_api/vibe-code/", "POST /gradio_api/vibe-starter-queries",
    "POST /gradio_api/vibe-starter-queries/",
}  # fmt: skip


def session_of(site: Site, role: str) -> dict[str, Any]:
    """What the browser of such a person keeps; ``nobody``'s is made up."""
    if role == "nobody":
        return {"rater": 7, "member": "0a1b2c3d." + "0" * 64, "battle": ["x"], "lang": "en"}
    session: dict[str, Any] = {"rater": new_token(), "lang": "en", "battle": "", "member": ""}
    if role != "public":
        members = site.identities.members
        assert members is not None
        session["member"] = members.token(members.invite(role).member)
    return session


def guard_words(role: str) -> str:
    return say("en", "guard_not_allowed" if role in MEMBERS else "guard_sign_in")


def changes(before: dict[str, int], after: dict[str, int]) -> set[str]:
    return {kind for kind in after if after[kind] != before.get(kind, 0)}


def test_every_handler_is_somebodys(calls: RawCalls) -> None:
    names = {handler.name for handler in calls.handlers}
    assert names == set(EVERYBODY) | ADMINS_LOOK | ADMINS_ACT
    assert calls.server_functions() == {"own-form": ["desk"], "workspace": ["desk"]}


@pytest.mark.parametrize("role", ROLES)
def test_handlers(calls: RawCalls, module_site: Site, folder: Path, role: str) -> None:
    wrong = []
    for handler in calls.handlers:
        if handler.name in EVERYBODY:
            before = kept(module_site, folder)
            calls.call(handler, session_of(module_site, role))
            after = kept(module_site, folder)
            left = changes(before[0], after[0]) - {"member_invited"}
            if left - EVERYBODY[handler.name] or after[1] != before[1]:
                wrong.append((handler.name, left))
    session = session_of(module_site, role)
    before = kept(module_site, folder)
    for handler in calls.handlers:
        if handler.name not in ADMINS_LOOK | ADMINS_ACT:
            continue
        if role != "admin":
            # One note says why, and nothing else comes.
            told = calls.call(handler, session)
            if len(told.changed) != 1 or guard_words(role) not in told.text:
                wrong.append((handler.name, set(told.changed)))
        elif handler.name in ADMINS_LOOK and (
            guard_words("nobody") in calls.call(handler, session).text
        ):
            wrong.append((handler.name, set()))
    assert wrong == []
    assert kept(module_site, folder) == before
    assert module_site.tools.launcher.runs() == []


def test_what_an_admin_does_is_written_down(calls: RawCalls, module_site: Site) -> None:
    """Also what came to nothing, for its fields were empty."""
    session = session_of(module_site, "admin")
    who = module_site.identities.of("x", session["member"]).rater
    tried = ADMINS_ACT - BEGIN_AT_ONCE
    for name in tried:
        calls.call(one(calls, name), session)
    calls.desk("workspace", {"session": session, "view": "admin", "do": "invite", "fields": {}})
    fields = {"role": "expert", "label": "a name that is no record of acts"}
    sent = {"session": session, "view": "admin", "do": "invite", "fields": fields}
    calls.desk("workspace", sent)
    acts = [act for act in Audit(module_site.arena.store).acts() if act.who == who]
    assert len(acts) == len(tried) + 2
    assert {act.act for act in acts} >= {"stop", "resume", "upload", "serve", "begin-train"}
    assert [(act.act, act.outcome) for act in acts[-2:]] == [
        ("invite", "refused"),
        ("invite", "done"),
    ]
    members = module_site.identities.members
    assert members is not None and acts[-1].name == members.all()[-1].member
    text = "".join(e.model_dump_json() for e in module_site.arena.store.events("admin_acted"))
    assert "no record of acts" not in text
    assert module_site.tools.launcher.runs() == []


def test_every_view_of_a_desk_is_somebodys(module_site: Site) -> None:
    workspace = module_site.workspace
    rooms = workspace_rooms(workspace, module_site.identities.members)
    assert set(rooms) == set(VIEWS)
    assert set(own_battle_rooms(workspace)) == {"own"}
    room = rooms["admin"]
    assert isinstance(room, AdminRoom) and set(room._actions) == ADMIN_ROOM


@pytest.mark.parametrize("role", ROLES)
def test_views_of_the_workspace(
    calls: RawCalls, module_site: Site, folder: Path, role: str
) -> None:
    wrong = []
    session = session_of(module_site, role)
    for view, allowed in VIEWS.items():
        before = kept(module_site, folder)
        for do in ("open", *sorted(ADMIN_ROOM if view == "admin" else SHEETS)):
            if role == "admin" and view == "admin" and do != "open":
                continue  # what they do is another test's
            there = view if view == "home" else f"{view}:x"
            told = calls.desk("workspace", {"session": session, "view": there, "do": do})
            refused = guard_words(role) in told.get("note", "")
            # Whoever may not be there is shown where they may be, and nobody is shown nothing.
            shown = told.get("html", "")
            place = 'class="home"' in shown if role in MEMBERS else not shown
            if (role in allowed) == refused or (refused and not place):
                wrong.append((view, do, str(told)[:300]))
        assert kept(module_site, folder) == before, view
    assert wrong == []


@pytest.mark.parametrize("role", ROLES)
def test_the_own_form_is_for_whoever_judged(
    calls: RawCalls, module_site: Site, folder: Path, role: str
) -> None:
    session = session_of(module_site, role)
    before = kept(module_site, folder)
    for view, do in (("own:A", "open"), ("own:B", "submit"), ("admin", "invite"), ("home", "open")):
        told = calls.desk("own-form", {"session": session, "view": view, "do": do})
        assert "note bad" in told["note"] and not told.get("html")
    assert kept(module_site, folder) == before


def test_every_route_is_in_the_table(module_site: Site) -> None:
    found = {f"{method} {path}" for path, methods in routes_of(module_site) for method in methods}
    assert found == SERVED_ROUTES | ADMINS_ROUTES | CLOSED_ROUTES


def routes_of(site: Site) -> list[tuple[str, set[str]]]:
    """Path and methods of every route of the server, those of Gradio's own router too."""
    app = site.app.app
    routes = list(app.router.routes)
    included = [getattr(route, "original_router", None) for route in routes]
    routes += [r for one in included if isinstance(one, APIRouter) for r in one.routes]
    return [(r.path, set(r.methods)) for r in routes if getattr(r, "path", None)]


def test_what_the_app_does_not_use_is_not_there(
    calls: RawCalls, module_site: Site, folder: Path
) -> None:
    before = kept(module_site, folder)
    for route in sorted(CLOSED_ROUTES):
        method, _, path = route.partition(" ")
        address = path.replace("{path_or_url:path}", "/etc/passwd").replace("{", "").rstrip("}")
        answer = calls.http.request(method, address.replace("}", "")[1:])
        assert answer.status_code == 404, route
    for path in ("run/on_agree", "run/handler", "run/predict/../../upload", "made_up"):
        answer = calls.http.post(f"gradio_api/{path}", json={"data": []})
        assert answer.status_code in (403, 404), path
    assert kept(module_site, folder) == before


def test_what_waits_in_the_queue_cannot_be_called_around_it(calls: RawCalls) -> None:
    queued = next(h for h in calls.handlers if h.name == "on_follow.then")
    body = {"data": [{}], "fn_index": queued.number, "session_hash": "around"}
    answer = calls.http.post("gradio_api/run/predict", json=body)
    assert answer.status_code == 404


def test_a_server_function_that_is_none_is_not_found(calls: RawCalls) -> None:
    for component, name in ((0, "desk"), (1, "__init__"), (10**9, "desk")):
        body = {"data": {}, "component_id": component, "fn_name": name, "session_hash": "raw"}
        answer = calls.http.post("gradio_api/component_server", json=body)
        assert answer.status_code in (404, 500) and "Traceback" not in answer.text


def one(calls: RawCalls, name: str) -> Handler:
    return next(handler for handler in calls.handlers if handler.name == name)


def test_a_member_who_lost_their_sign_in_is_out_at_the_next_call(
    calls: RawCalls, module_site: Site
) -> None:
    members = module_site.identities.members
    assert members is not None
    look, session = one(calls, "data-refresh.click"), session_of(module_site, "admin")
    member = session["member"].partition(".")[0]
    assert guard_words("nobody") not in calls.call(look, session).text
    calls.call(one(calls, "expert-out.click"), session)
    assert guard_words("nobody") in calls.call(look, session).text
    session["member"] = members.token(member)
    assert guard_words("nobody") not in calls.call(look, session).text
    opened = calls.call(one(calls, "data.select"), session).text
    [ticket] = re.findall(rf"[0-9]{{10}}\.{member}\.[0-9.]+[0-9a-f.]+", opened)
    upload, cookie = "gradio_api/upload", {"Cookie": f"{COOKIE}={ticket}"}
    assert calls.http.post(upload, headers=cookie).status_code != 403  # no files are in it
    members.revoke(member)
    assert guard_words("nobody") in calls.call(look, session).text
    assert calls.http.post(upload, headers=cookie).status_code == 403
    _, expert = invite(module_site, "expert")
    assert expert.role == "expert"
