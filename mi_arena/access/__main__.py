"""``python -m mi_arena.access``: invite experts and admins, list them, revoke them."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from mi_arena.access.keyed import keyed_by
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
        description="Invite experts and admins by personal codes, list them, revoke them. "
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
        store = EventStore(database, read_only=options.command == "list")
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
    if options.command == "invite":
        members = Members(store, keyed_by(app_secret(settings, store)))
        invite = members.invite(options.role, options.label)
        if options.json:
            print(json.dumps(asdict(invite), ensure_ascii=False))
        else:
            print(f"{invite.code}  is the code of {invite.role} {invite.member}; shown this once")
        return
    # Only an invitation hashes anything.
    members = Members(store, keyed_by(b""))
    if options.command == "list":
        for member in members.all():
            if options.json:
                print(json.dumps(asdict(member), default=str, ensure_ascii=False))
            else:
                print(line(member))
    else:
        members.revoke(options.member)
        print(f"revoked {options.member}")


def app_secret(settings: Settings, store: EventStore) -> bytes:
    """The secret under which the app of these records knows codes.

    Where the app was given its secret, one made here would make codes that open nothing.
    """
    if settings.secret is None and not (settings.data / "secret").exists() and store.count():
        raise SettingsError(
            f"{PREFIX}SECRET: the app of {settings.data} runs with it; set the same one here"
        )
    return study_secret(settings)


def line(member: Member) -> str:
    """A member as a line of the list; never with a code or its hash."""
    state = "revoked" if member.revoked else "active "
    return (
        f"{member.member}  {member.role:<6}  {state}  invited {member.invited_at:%Y-%m-%d}  "
        f"{member.label or ''}".rstrip()
    )


if __name__ == "__main__":
    raise SystemExit(main())
