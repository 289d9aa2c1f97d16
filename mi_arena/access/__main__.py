"""``python -m mi_arena.access``: invite members, list, sign out, revoke; list what admins did."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from mi_arena.access.audit import Act, Audit
from mi_arena.access.keyed import keyed_by
from mi_arena.access.listed import listed_users
from mi_arena.access.members import AccessError, Member, MemberRole, Members
from mi_arena.records.store import DATABASE_NAME, EventStore, StoreError
from mi_arena.settings import PREFIX, Settings, SettingsError, load_settings, study_secret


def parse(argv: list[str] | None) -> argparse.Namespace:
    data = argparse.ArgumentParser(add_help=False)
    data.add_argument(
        "--data",
        type=Path,
        default=argparse.SUPPRESS,
        help="folder of the records (default: MI_ARENA_DATA)",
    )
    parser = argparse.ArgumentParser(
        prog="python -m mi_arena.access",
        description="Invite experts and admins by personal codes, list them, sign them out, revoke "
        "them; list what admins did. "
        "Works while the app runs and holds at once. "
        "Exit codes: 0 done, 2 bad input or a store that cannot be used.",
        parents=[data],
    )
    commands = parser.add_subparsers(dest="command", required=True)
    inviting = commands.add_parser(
        "invite", parents=[data], help="make a member and print their code, this once"
    )
    inviting.add_argument("--role", choices=get_args(MemberRole), required=True)
    inviting.add_argument("--label", help="what you call them; only admins see it")
    inviting.add_argument("--json", action="store_true", help="one JSON object")
    listing = commands.add_parser("list", parents=[data], help="list everyone ever invited")
    listing.add_argument("--json", action="store_true", help="one JSON object a line")
    revoking = commands.add_parser(
        "revoke", parents=[data], help="end a member's code and every sign-in made with it"
    )
    revoking.add_argument("member", help="the member's id, as listed")
    leaving = commands.add_parser(
        "sign-out", parents=[data], help="end every sign-in of a member; their code stays good"
    )
    leaving.add_argument("member", help="the member's id, as listed")
    acting = commands.add_parser(
        "audit", parents=[data], help="list what admins did, the oldest first"
    )
    acting.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    try:
        settings = load_settings()
        if "data" in options:
            settings = settings.model_copy(update={"data": options.data})
        database = settings.data / DATABASE_NAME
        if options.command != "invite" and not database.is_file():
            raise AccessError(f"there is no {database}: name the app's data folder with --data")
        store = EventStore(database, read_only=options.command in ("list", "audit"))
        try:
            run(options, settings, store)
        finally:
            store.close()
    except (AccessError, SettingsError, StoreError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def run(options: argparse.Namespace, settings: Settings, store: EventStore) -> None:
    """The chosen command. Raises ``AccessError``, ``SettingsError``, ``StoreError``."""
    audit = Audit(store)
    if options.command == "audit":
        for act in audit.acts():
            told = json.dumps(asdict(act), default=str) if options.json else act_line(act)
            print(told)
        return
    if options.command == "invite":
        members = Members(store, keyed_by(app_secret(settings, store)))
        invite = members.invite(options.role, options.label)
        audit.record(None, "invite", "member", invite.member)
        if options.json:
            print(json.dumps(asdict(invite), ensure_ascii=False))
        else:
            print(f"{invite.code}  is the code of {invite.role} {invite.member}; shown this once")
        return
    members = Members(store, keyed_by(listing_secret(settings)), listed=listed_users(settings))
    if options.command == "list":
        for member in members.all():
            if options.json:
                print(json.dumps(asdict(member), default=str, ensure_ascii=False))
            else:
                print(line(member))
    elif options.command == "sign-out":
        members.sign_out_everywhere(options.member)
        audit.record(None, "sign-out", "member", options.member)
        print(f"signed out {options.member}")
    else:
        members.revoke(options.member)
        audit.record(None, "revoke", "member", options.member)
        print(f"revoked {options.member}")


def listing_secret(settings: Settings) -> bytes:
    """The key by which names on the list are known; none is made where none is."""
    known = settings.secret is not None or (settings.data / "secret").exists()
    return study_secret(settings) if known else b""


def app_secret(settings: Settings, store: EventStore) -> bytes:
    """The secret under which the app of these records knows codes.

    Where the app was given its secret, one made here would make codes that open nothing.
    """
    if settings.secret is None and not (settings.data / "secret").exists() and store.count():
        raise SettingsError(
            f"{PREFIX}SECRET: the app of {settings.data} runs with it; set the same one here"
        )
    return study_secret(settings)


def act_line(act: Act) -> str:
    """An act as a line of the list."""
    on = f"{act.target} {act.name or '?'}" if act.target else ""
    return f"{act.at:%Y-%m-%d %H:%M:%S}Z  {act.who or 'shell':<24}  {act.act} {on}  {act.outcome}"


def line(member: Member) -> str:
    """A member as a line of the list; never with a code or its hash."""
    state = "revoked" if member.revoked else "active "
    return (
        f"{member.member}  {member.role:<6}  {state}  invited {member.invited_at:%Y-%m-%d}  "
        f"{member.label or ''}".rstrip()
    )


if __name__ == "__main__":
    raise SystemExit(main())
