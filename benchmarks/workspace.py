"""The experts' workspace: a click while coding, and codings summarised by the thousand."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from itertools import cycle
from pathlib import Path

from benchmarks.timing import Line, in_turn, seconds
from mi_arena.access.identity import Identities
from mi_arena.access.keyed import keyed_by
from mi_arena.access.members import Members
from mi_arena.miti.items import CODES
from mi_arena.miti.vignettes import vignettes
from mi_arena.records.drafts import DRAFTS_NAME, Drafts
from mi_arena.records.events import Event
from mi_arena.records.store import DATABASE_NAME, EventStore
from mi_arena.records.workspace_events import PracticeDone
from mi_arena.ui.desk.door import Door
from mi_arena.ui.desk.rooms import workspace_rooms
from mi_arena.workspace.workspace import Workspace

VOLLEYS = 60
CODINGS = 10_000
VOLLEYS_OF_A_CODING = 12
SECRET = b"of a benchmark only"


def workspace_lines(runs: int) -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        return [click_line(Path(folder), runs), summary_line(Path(folder), runs)]


def click_line(folder: Path, runs: int) -> Line:
    """A code set in a long dialogue, beside painting its whole page again."""
    store = EventStore(folder / DATABASE_NAME)
    members = Members(store, keyed_by(SECRET))
    identities = Identities(SECRET, members)
    workspace = Workspace(store, Drafts(folder / DRAFTS_NAME), identities)
    invited = members.invite("expert")
    session = {"rater": "r", "member": members.token(invited.member), "lang": "zh"}
    who = identities.of("r", members.token(invited.member))
    for vignette in vignettes()[:2]:
        done = PracticeDone(vignette=vignette.id, filled=vignette.known)
        store.append(Event.of(done, role="expert", rater=who.rater))
    said = [
        {"role": role, "content": f"{text}（{number}）"}
        for number in range(VOLLEYS)
        for role, text in (
            ("client", "我知道该少喝，可是应酬推不掉。"),
            ("counselor", "应酬让您为难。您也想少喝一点。您觉得从哪一顿开始合适？"),
        )
    ]
    line = {"id": "long", "source": "x", "messages": said, "meta": {"system": "base"}}
    workspace.material.import_dialogues(json.dumps(line, ensure_ascii=False), "long.jsonl")
    workspace.assignments.draw("coding", 1, 1.0)
    (item,) = workspace.assignments.items(who)
    door = Door(identities, workspace_rooms(workspace, members), "home")
    call = {"session": session, "view": f"work:{item.assignment}"}
    version = 0
    clicks = cycle((v, code) for v in range(VOLLEYS) for code in CODES)

    def click() -> float:
        nonlocal version
        volley, code = next(clicks)
        change = {"do": "code", "volley": volley, "utterance": 0, "code": code}
        sent = call | {"do": "change", "version": version, "change": change}
        taken = seconds(lambda: door.answer(sent, None))
        version += 1
        return taken

    def repaint() -> float:
        return seconds(lambda: door.answer(call | {"do": "open"}, None))

    ours, theirs, ratio = in_turn(click, repaint, runs * 10)
    workspace.close()
    store.close()
    return Line(
        f"a click in a dialogue of {VOLLEYS} volleys",
        f"{ours * 1000:.0f} ms",
        "painting the whole page",
        f"{theirs * 1000:.0f} ms",
        ratio,
        "200 ms",
    )


def summary_line(folder: Path, runs: int) -> Line:
    """The command on a file of codings, beside a process that reads the same file as JSON."""
    codes = cycle(CODES)
    coding = {
        "change_goal": "少喝酒",
        "globals": {"CCT": 4, "SST": 3, "PARTNERSHIP": 4, "EMPATHY": 5},
        "volleys": [
            {"utterances": [{"text": "您想少喝一点。", "code": next(codes)} for _ in range(2)]}
            for _ in range(VOLLEYS_OF_A_CODING)
        ],
    }
    file = folder / "codings.jsonl"
    file.write_text((json.dumps(coding, ensure_ascii=False) + "\n") * CODINGS, encoding="utf-8")

    def run(*command: str) -> float:
        whole = [sys.executable, *command, str(file)]
        return seconds(lambda: subprocess.run(whole, check=True, stdout=subprocess.DEVNULL))

    read = "import json, sys; [json.loads(line) for line in open(sys.argv[1], encoding='utf-8')]"
    ours, theirs, ratio = in_turn(
        lambda: run("-m", "mi_arena.miti", "summarize", "--json"),
        lambda: run("-c", read),
        min(runs, 3),
    )
    return Line(
        f"{CODINGS:,} codings summarised",
        f"{ours:.2f} s",
        "reading the same file as JSON",
        f"{theirs:.2f} s",
        ratio,
        "2 s",
    )
