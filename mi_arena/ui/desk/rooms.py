"""Every view of a desk by its name."""

from __future__ import annotations

from mi_arena.access.members import Members
from mi_arena.ui.desk.admin_room import AdminRoom
from mi_arena.ui.desk.answer import Room
from mi_arena.ui.desk.cases_room import CaseRoom, CasesRoom
from mi_arena.ui.desk.home_room import HomeRoom
from mi_arena.ui.desk.match_room import MatchRoom
from mi_arena.ui.desk.report_room import ReportRoom
from mi_arena.ui.desk.review_room import ReviewRoom
from mi_arena.ui.desk.sheet_rooms import AssignedRoom, FinalRoom, OwnRoom, PracticeRoom
from mi_arena.workspace.workspace import Workspace


def workspace_rooms(workspace: Workspace, members: Members | None) -> dict[str, Room]:
    """The views of the workspace's own page."""
    return {
        "home": HomeRoom(workspace),
        "practice": PracticeRoom(workspace),
        "work": AssignedRoom(workspace),
        "match": MatchRoom(workspace),
        "review": ReviewRoom(workspace),
        "admin": AdminRoom(workspace, members),
        "cases": CasesRoom(workspace),
        "case": CaseRoom(workspace),
        "final": FinalRoom(workspace),
        "report": ReportRoom(workspace),
    }


def own_battle_rooms(workspace: Workspace) -> dict[str, Room]:
    """The view after a battle."""
    return {"own": OwnRoom(workspace)}
