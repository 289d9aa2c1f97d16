"""What the admin's room answers, without a browser: sentences in the reader's language."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mi_arena.access.identity import Identities
from mi_arena.battles.refusal import Refused
from mi_arena.records.drafts import DRAFTS_NAME, Drafts
from mi_arena.records.store import DATABASE_NAME, EventStore
from mi_arena.ui.desk.admin_room import AdminRoom
from mi_arena.ui.desk.answer import Answer, Call
from mi_arena.ui.texts import LANGS, Lang, say
from mi_arena.workspace.workspace import Workspace
from tests.battles.conftest import identities_over
from tests.workspace.conftest import (
    CHIEF,
    import_alone,
    import_gold,
    import_match,
    jsonl,
    judged,
    line,
)


@pytest.fixture
def room(tmp_path: Path) -> AdminRoom:
    store = EventStore(tmp_path / DATABASE_NAME)
    identities: Identities = identities_over(store)
    workspace = Workspace(store, Drafts(tmp_path / DRAFTS_NAME), identities)
    return AdminRoom(workspace, identities.members)


def act(room: AdminRoom, do: str, lang: Lang = "zh", **sent: Any) -> Answer:
    return room.act(Call(CHIEF, lang, "", do, "", None, sent, again=False))


def refused(room: AdminRoom, do: str, lang: Lang = "zh", **sent: Any) -> str:
    with pytest.raises(Refused) as caught:
        act(room, do, lang, **sent)
    return say(lang, f"refused_{caught.value.code}", **caught.value.values)


def test_a_member_is_named_from_the_page(room: AdminRoom) -> None:
    assert room._members is not None
    member = room._members.invite("expert").member
    named = act(room, "name", member=member, fields={"label": "王<医生>"})
    assert "王&lt;医生&gt;" in (named.note or "") and "王&lt;医生&gt;<br>" in (named.html or "")
    assert "没有称呼" in (act(room, "name", member=member, fields={"label": " "}).note or "")
    unknown = act(room, "name", member="nobody", fields={"label": "x"})
    assert unknown.html is None and say("zh", "access_unknown") in (unknown.note or "")


def test_an_import_is_listed_and_taken_back(room: AdminRoom) -> None:
    import_alone(room.workspace, "one", "two")
    assert "alone.jsonl" in (act(room, "draw-battles").html or "")
    (standing,) = room.workspace.material.imports()
    done = act(room, "take-back", batch=standing.batch.batch)
    assert "2 段" in (done.note or "") and "alone.jsonl" not in (done.html or "")
    assert room.workspace.ledger.now().dialogues == {}
    assert refused(room, "take-back", batch=standing.batch.batch).startswith("没有这次导入")


BAD = (
    "not json",
    "{}",
    {**line(), "meta": {}},
    line(system="x"),
    line(pair="x" * 300),
    {**line(), "messages": [{"role": "user", "content": "x"}]},
    {**line(), "messages": []},
)


@pytest.mark.parametrize("bad", BAD)
def test_what_is_wrong_with_a_file_is_said_in_the_reader_s_language(
    room: AdminRoom, bad: Any
) -> None:
    file = {"name": "in.jsonl", "text": jsonl([line("good"), bad])}
    for lang in LANGS:
        told = refused(room, "import", lang, fields={"file": file})
        assert "in.jsonl:2" in told
        assert bool(re.search("[\u4e00-\u9fff]", told)) == (lang == "zh")
    # Beside facts of the file there is no English in the Chinese sentence.
    told = refused(room, "import", fields={"file": file})
    assert not re.search("should|valid|Input|missing", told)


@pytest.mark.parametrize(
    ("field", "value"),
    [("share", "150"), ("share", "0"), ("share", ""), ("within", "5"), ("needed", "1.5")],
)
def test_a_number_out_of_range_is_refused_with_its_limits(
    room: AdminRoom, field: str, value: str
) -> None:
    fields = {"share": "70", "within": "1", "needed": "1"} | {field: value}
    before = room.workspace.practice.bar()
    told = refused(room, "bar", fields=fields)
    assert say("zh", f"admin_bar_{field}") in told and "整数" in told
    assert room.workspace.practice.bar() == before
    assert "data-do='bar' novalidate" in (act(room, "draw-battles").html or "")


def test_of_nothing_nothing_is_counted(room: AdminRoom) -> None:
    import_match(room.workspace)
    assert room._members is not None
    room._members.invite("expert")
    member = room._members.all()[0].member
    work = {"task": "coding", "each": "1", "doubled": "100"}
    first = act(room, "assign", fields=work).note or ""
    assert "2 项" in first and "合适" not in first
    file = {"name": "in.jsonl", "text": jsonl([line("one")])}
    told = [
        act(room, "assign", fields=work),
        act(room, "draw-battles"),
        act(room, "import", fields={"file": file}),
        act(room, "drop", member=member),
        act(room, "drop", member=member),
    ]
    assert not [one.note for one in told if re.search(r"(?<!\d)0 ", one.note or "")]


def test_suggestions_are_allowed_and_forbidden_for_gold_dialogues_alone(room: AdminRoom) -> None:
    import_alone(room.workspace, "study")
    gold, _ = import_gold(room.workspace, "gold")
    (other,) = set(room.workspace.ledger.now().imports) - {gold}
    html = act(room, "draw-battles").html or ""
    assert f'data-do="suggestions" data-batch="{gold}" data-allowed="yes"' in html
    assert other in html and f'data-do="suggestions" data-batch="{other}"' not in html
    assert "盲评材料，不可用" in html
    allowed = act(room, "suggestions", batch=gold, allowed="yes")
    assert "eval.judge suggest" in (allowed.note or "") and "0 段有建议" in (allowed.html or "")
    room.workspace.suggestions.attach([judged("gold")])
    assert "Allowed, 1 dialogues have one" in (act(room, "draw-battles", "en").html or "")
    assert "仍会注明" in (act(room, "suggestions", batch=gold, allowed="no").note or "")
    for batch, words in ((other, "都属于盲评材料"), ("none", "没有这次导入")):
        assert words in refused(room, "suggestions", batch=batch, allowed="yes")
