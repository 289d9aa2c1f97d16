"""``python -m mi_arena.access``: as an admin types it, beside an app that runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mi_arena.access.identity import Identities
from mi_arena.access.keyed import keyed_by
from mi_arena.access.members import Members
from mi_arena.records.battle_events import ConsentGiven
from mi_arena.records.events import Event
from mi_arena.records.store import DATABASE_NAME, EventStore
from mi_arena.settings import PREFIX, ROOT, Settings, study_secret

CODE = re.compile(r"\b([0-9A-Z]{4}-){3}[0-9A-Z]{4}\b")


def access(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    return subprocess.run(
        [sys.executable, "-m", "mi_arena.access", *map(str, arguments)],
        cwd=ROOT,
        env=clean | {PREFIX + name: value for name, value in settings.items()},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def app_of(data: Path) -> Identities:
    """What an app over this folder asks."""
    secret = study_secret(Settings(data=data))
    return Identities(secret, Members(EventStore(data / DATABASE_NAME), keyed_by(secret)))


def test_the_first_admin_then_an_expert_listed_and_revoked_while_the_app_runs(
    tmp_path: Path,
) -> None:
    data = tmp_path / "new"
    # Before the app ever ran.
    done = access("--data", data, "invite", "--role", "admin")
    assert done.returncode == 0, done.stderr
    code = CODE.search(done.stdout)
    assert code is not None and done.stdout.count("\n") == 1
    app = app_of(data)
    assert app.of("t", app.sign_in(code[0])).role == "admin"

    done = access("invite", "--role", "expert", "--label", "林医生", "--json", DATA=str(data))
    assert done.returncode == 0, done.stderr
    expert = json.loads(done.stdout)
    assert list(expert) == ["member", "role", "code", "label"]
    assert (expert["role"], expert["label"]) == ("expert", "林医生")
    session = app.sign_in(expert["code"])
    assert app.of("t", session).member == expert["member"]

    done = access("list", "--json", "--data", data)
    assert done.returncode == 0
    listed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["role"] for one in listed] == ["admin", "expert"]
    assert list(listed[1]) == ["member", "role", "label", "invited_at", "revoked"]
    assert (listed[1]["member"], listed[1]["revoked"]) == (expert["member"], False)
    assert not re.search(r"[0-9a-f]{40}", done.stdout) and not CODE.search(done.stdout)

    done = access("revoke", expert["member"], "--data", data)
    assert done.returncode == 0 and expert["member"] in done.stdout
    assert app.of("t", session).role == "public"
    assert app.sign_in(expert["code"]) is None
    plain = access("list", "--data", data).stdout
    assert "林医生" in plain and plain.count("revoked") == 1 and not CODE.search(plain)
    again = access("revoke", expert["member"], "--data", data)
    assert again.returncode == 2 and "revoked already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["revoke", "nobody"], "nobody"),
        (["revoke", "environment"], "MI_ARENA_ADMIN_CODE"),
        (["invite", "--role", "expert", "--label", "a" * 201], "label"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    EventStore(tmp_path / DATABASE_NAME).close()
    done = access(*arguments, "--data", tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["list"], ["revoke", "1a2b3c4d"]])
def test_no_records_is_one_line_and_makes_none(tmp_path: Path, arguments: list[str]) -> None:
    done = access(*arguments, DATA=str(tmp_path / "none"))
    assert done.returncode == 2
    assert "--data" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_a_role_must_be_chosen(tmp_path: Path) -> None:
    for role in ([], ["--role", "public"]):
        done = access("invite", *role, "--data", tmp_path)
        assert done.returncode == 2 and "--role" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_code_that_would_open_nothing_is_not_made(tmp_path: Path) -> None:
    """The app was given its secret by a variable that this shell lacks."""
    store = EventStore(tmp_path / DATABASE_NAME)
    store.append(Event.of(ConsentGiven(version="1", lang="zh"), role="public", rater="ann"))
    done = access("invite", "--role", "expert", "--data", tmp_path)
    assert done.returncode == 2
    assert "MI_ARENA_SECRET" in done.stderr and done.stderr.count("\n") == 1
    assert store.count("member_invited") == 0 and not (tmp_path / "secret").exists()
    secret = "sixteen characters and more"
    done = access("invite", "--role", "expert", "--json", "--data", tmp_path, SECRET=secret)
    assert done.returncode == 0, done.stderr
    members = Members(store, keyed_by(secret.encode()))
    assert members.find(json.loads(done.stdout)["code"]) is not None
    store.close()


def test_signing_out_and_what_admins_did(tmp_path: Path) -> None:
    assert access("invite", "--role", "expert", "--data", tmp_path).returncode == 0
    [member] = app_of(tmp_path).members.all()  # type: ignore[union-attr]
    app = app_of(tmp_path)
    assert app.members is not None
    token = app.members.token(member.member)
    done = access("sign-out", member.member, "--data", tmp_path)
    assert (done.returncode, done.stdout) == (0, f"signed out {member.member}\n")
    assert app.of("t", token).role == "public"
    assert app.of("t", app.members.token(member.member)).role == "expert"
    assert access("sign-out", "nobody", "--data", tmp_path).returncode == 2
    assert access("revoke", member.member, "--data", tmp_path).returncode == 0
    listed = access("audit", "--json", "--data", tmp_path)
    acts = [json.loads(line) for line in listed.stdout.splitlines()]
    assert [(act["act"], act["name"]) for act in acts] == [
        ("invite", member.member),
        ("sign-out", member.member),
        ("revoke", member.member),
    ]
    assert {(act["who"], act["target"], act["outcome"]) for act in acts} == {
        (None, "member", "done")
    }
    plain = access("audit", "--data", tmp_path).stdout
    assert plain.count("\n") == 3 and f"sign-out member {member.member}  done" in plain
