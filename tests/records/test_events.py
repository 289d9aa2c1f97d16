from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from mi_arena.records.battle_events import (
    BattleStarted,
    ClientSaid,
    EpochClosed,
    Judgement,
    Withdrawn,
)
from mi_arena.records.events import PAYLOADS, Event
from mi_arena.records.payloads import MAX_REASON, MAX_TEXT

REPLY = {
    "text": "你好",
    "end": "stop",
    "tokens": 2,
    "prompt_tokens": 9,
    "messages_left_out": 0,
    "token_seconds": [0.5, 0.75],
}
JUDGEMENT: dict[str, Any] = {
    "battle": "b",
    "overall": "tie",
    "rounds": 2,
    "ordinal": 1,
    "form_version": "1",
    "receipt_hash": "r",
}
FILLED: dict[str, Any] = {
    "change_goal": "戒烟",
    "globals": {"CCT": 3},
    "volleys": ({"utterances": ({"text": "您想戒烟吗？", "code": "Q"},)},),
}
CODING: dict[str, Any] = {
    "coding": "c",
    "revision": 1,
    "source": "assigned",
    "dialogue": "d1",
    "assignment": "w",
    "trained": True,
    "form": "full",
    "filled": FILLED,
}
SCORES = {"comprehensiveness": 2, "professionalism": 4, "authenticity": 3, "safety": 1}
SAID = [{"role": "client", "content": "我睡不着"}, {"role": "counselor", "content": "您很累。"}]
REWRITING: dict[str, Any] = {"id": "mi-1", "source": "s", "lang": "zh", "messages": SAID}
REVIEWED: dict[str, Any] = {"set": "s", "item": "i", "revision": 1}
REVIEW_SET: dict[str, Any] = {
    "set": "s",
    "task": "rewrite",
    "run": "rewrite-1",
    "each": 1,
    "seed": 0,
    "items": [
        {"item": "i", "name": "mi-1", "messages": SAID, "rewriting": REWRITING, "sensitive": True}
    ],
}
LONG_ITEM = REVIEW_SET["items"][0] | {"messages": [{"role": "client", "content": "长" * 8_000_001}]}
ONE_OF_EACH: dict[str, dict[str, Any]] = {
    "epoch_opened": {
        "pair": "demo",
        "fingerprint": "a" * 64,
        "served": {"decoding": {"temperature": 0.7}, "prompt": None},
        "nonce": "00" * 16,
        "seed_commitment": "b" * 64,
    },
    "epoch_closed": {"reason": "served_changed"},
    "consent_given": {"version": "1", "lang": "zh"},
    "battle_started": {
        "battle": "b",
        "token_hash": "c" * 64,
        "pair": "demo",
        "topic": "smoking",
        "starter": None,
        "lang": "zh",
        "allocation_index": 0,
        "tuned_side": "A",
    },
    "client_said": {"battle": "b", "round": 1, "text": "我想戒烟\n\u0000😀"},
    "replied": {
        "battle": "b",
        "round": 1,
        "sides": {"A": REPLY, "B": REPLY | {"end": "length"}},
        "seed": -5,
        "error": None,
    },
    "reply_withheld": {
        "battle": "b",
        "round": 1,
        "category": "model_gives_dose",
        "source": "B",
        "terms": ["zh_r_dose"],
    },
    "battle_flagged": {
        "battle": "b",
        "round": 1,
        "category": "self_harm",
        "source": "client",
        "terms": ["zh-07"],
    },
    "battle_ended": {"battle": "b", "reason": "crisis"},
    "judgement": JUDGEMENT
    | {
        "overall": "both_unacceptable",
        "scales": {"empathy": -2, "autonomy": 2},
        "reason": "都不好",
        "guess": "A",
        "confidence": 5,
    },
    "withdrawn": {"battle": "b", "receipt_hash": "r"},
    "member_invited": {
        "member": "0a1b2c3d",
        "role": "expert",
        "label": "王医生",
        "code_hash": "d" * 64,
    },
    "member_named": {"member": "0a1b2c3d", "label": "李医生"},
    "member_revoked": {"member": "0a1b2c3d"},
    "member_admitted": {"member": "hf0a1b2c3d4e5f", "role": "expert", "name_hash": "a" * 64},
    "sign_ins_ended": {"member": "0a1b2c3d", "session": "0123456789abcdef"},
    "admin_acted": {"act": "revoke", "target": "member", "name": "0a1b2c3d", "outcome": "done"},
    "battle_drawn": {"battle": "b", "match": "m", "dialogues": {"A": "d1", "B": "d2"}},
    "dialogue_imported": {
        "dialogue": "d1",
        "messages": [
            {"role": "client", "content": "我想戒烟"},
            {"role": "counselor", "content": "听起来这件事您想了很久。"},
        ],
        "system": "remote:gpt-4",
        "pair": "demo",
        "match": "m",
        "topic": "smoking",
        "lang": "zh",
        "batch": "i1",
        "file": "study.jsonl",
    },
    "import_taken_back": {"batch": "i1", "dialogues": ["d1"]},
    "work_assigned": {"assignment": "w", "task": "coding", "target": "d1"},
    "work_released": {"assignment": "w"},
    "rater_left": {},
    "coding_submitted": CODING
    | {"form": "quick", "filled": {"globals": {"CCT": 3}, "counts": {"Q": 2}}, "reason": "已讨论"},
    "match_judged": {
        "assignment": "w",
        "match": "m",
        "a_dialogue": "d1",
        "overall": "A",
        "form_version": "1",
    },
    "practice_bar_set": {"share": 0.7, "globals_within": 1, "vignettes": 2},
    "practice_done": {"vignette": "v", "filled": FILLED},
    "suggestions_allowed": {"batch": "i", "allowed": True},
    "coding_suggested": {
        "suggestion": "s",
        "dialogue": "d1",
        "model": "m",
        "prompt_version": "zh-1",
        "prompt_sha256": "d" * 64,
        "filled": FILLED,
    },
    "review_set_opened": REVIEW_SET,
    "review_given": REVIEWED | {"verdict": "edited", "edited": SAID},
    "review_set_closed": {"set": "s"},
    "release_pushed": {
        "repo": "me/arena",
        "commit": "d" * 40,
        "events": 9,
        "tombstones": 1,
        "tables": {"battles": {"released": 2, "left_out": {"withdrawn": 1}}},
    },
}


def make(kind: str, payload: Any, **more: Any) -> Event:
    envelope = {"kind": kind, "epoch": "e", "rater": "ann", "role": "public", "payload": payload}
    return Event.model_validate(envelope | more)


def test_the_table_of_examples_has_every_kind() -> None:
    assert set(ONE_OF_EACH) == set(PAYLOADS)


@pytest.mark.parametrize("kind", ONE_OF_EACH)
def test_round_trip_through_json(kind: str) -> None:
    event = make(kind, ONE_OF_EACH[kind])
    assert type(event.payload) is PAYLOADS[event.kind]
    assert event.payload.model_dump(exclude_unset=True) == ONE_OF_EACH[kind]
    assert Event.model_validate_json(event.model_dump_json()) == event


def test_of_takes_the_kind_from_the_payload_and_the_time_from_now() -> None:
    event = Event.of(EpochClosed(reason="admin"), role="admin", epoch="e")
    other = Event.of(EpochClosed(reason="admin"), role="admin", epoch="e")
    assert event.kind == "epoch_closed"
    assert event.event_id != other.event_id
    assert abs(datetime.now(UTC) - event.created_at) < timedelta(minutes=1)


def test_times_are_utc() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=8)))
    event = make("epoch_closed", {"reason": "admin"}, created_at=noon)
    assert event.created_at.isoformat() == "2026-01-01T04:00:00+00:00"


def test_frozen() -> None:
    event = make("epoch_closed", {"reason": "admin"})
    with pytest.raises(ValidationError):
        event.role = "admin"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        event.payload.reason = "served_changed"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "payload", "more"),
    [
        ("party", {}, {}),
        ("withdrawn", {"battle": "b"}, {}),
        ("withdrawn", {"battle": "b", "receipt_hash": "r", "note": "x"}, {}),
        ("withdrawn", {"battle": "", "receipt_hash": "r"}, {}),
        ("withdrawn", None, {}),
        ("withdrawn", EpochClosed(reason="admin"), {}),
        ("epoch_closed", {"reason": "admin"}, {"role": "robot"}),
        ("epoch_closed", {"reason": "admin"}, {"event_id": "1"}),
        ("epoch_closed", {"reason": "admin"}, {"created_at": datetime(2026, 1, 1)}),
        ("epoch_closed", {"reason": "admin"}, {"epoch": None}),
        ("epoch_closed", {"reason": "admin"}, {"colour": "red"}),
        ("consent_given", {"version": "1", "lang": "zh"}, {"rater": None}),
        ("judgement", JUDGEMENT, {"rater": None}),
        ("judgement", JUDGEMENT, {"epoch": None}),
        ("judgement", JUDGEMENT | {"overall": "C"}, {}),
        ("judgement", JUDGEMENT | {"scales": {"empathy": 3}}, {}),
        ("judgement", JUDGEMENT | {"scales": {"empathy": 0.5}}, {}),
        ("judgement", JUDGEMENT | {"scales": {"charm": 1}}, {}),
        ("judgement", JUDGEMENT | {"confidence": 3}, {}),
        ("battle_drawn", {"battle": "b", "match": "m", "dialogues": {"A": "d", "B": "d"}}, {}),
        ("battle_drawn", {"battle": "b", "match": "m", "dialogues": {"A": "d"}}, {}),
        ("work_assigned", {"assignment": "w", "task": "coding", "target": "d"}, {"rater": None}),
        ("rater_left", {}, {"rater": None}),
        ("coding_submitted", CODING | {"revision": 0}, {}),
        ("coding_submitted", CODING | {"assignment": None}, {}),
        ("coding_submitted", CODING | {"source": "self"}, {}),
        ("coding_submitted", CODING | {"source": "adjudicated"}, {}),
        ("coding_submitted", CODING | {"filled": FILLED | {"counts": {"Q": 1}}}, {}),
        ("practice_bar_set", {"share": 0, "globals_within": 1, "vignettes": 2}, {}),
        ("review_set_opened", REVIEW_SET | {"task": "rating"}, {}),
        ("review_set_opened", REVIEW_SET | {"items": []}, {}),
        ("review_set_opened", REVIEW_SET | {"items": 2 * REVIEW_SET["items"]}, {}),
        ("review_set_opened", REVIEW_SET | {"each": 0}, {}),
        ("review_set_opened", REVIEW_SET | {"each": 21}, {}),
        ("review_set_opened", REVIEW_SET | {"items": [LONG_ITEM]}, {}),
        ("review_given", REVIEWED, {}),
        ("review_given", REVIEWED | {"scores": SCORES, "verdict": "accepted"}, {}),
        ("review_given", REVIEWED | {"scores": SCORES}, {"rater": None}),
        ("review_given", REVIEWED | {"scores": SCORES | {"safety": 2}}, {}),
        ("review_given", REVIEWED | {"scores": {"safety": 1}}, {}),
        ("review_given", REVIEWED | {"scores": SCORES | {"warmth": 1}}, {}),
        ("review_given", REVIEWED | {"scores": SCORES | {"safety": True}}, {}),
        ("review_given", REVIEWED | {"verdict": "rejected"}, {}),
        ("review_given", REVIEWED | {"verdict": "accepted", "reason": "x"}, {}),
        ("review_given", REVIEWED | {"verdict": "edited"}, {}),
        ("review_given", REVIEWED | {"verdict": "accepted", "edited": SAID}, {}),
        ("review_given", REVIEWED | {"verdict": "rejected", "reason": "x" * (MAX_REASON + 1)}, {}),
        ("judgement", JUDGEMENT | {"guess": "A", "confidence": 6}, {}),
        ("judgement", JUDGEMENT | {"ordinal": 0}, {}),
        ("judgement", JUDGEMENT | {"reason": "x" * (MAX_REASON + 1)}, {}),
        ("client_said", {"battle": "b", "round": 0, "text": "x"}, {}),
        ("client_said", {"battle": "b", "round": 1, "text": "x" * (MAX_TEXT + 1)}, {}),
        ("client_said", {"battle": "b", "round": 1, "text": "\ud800"}, {}),
        ("replied", {"battle": "b", "round": 1, "sides": {"A": REPLY}, "seed": 1}, {}),
        ("epoch_opened", ONE_OF_EACH["epoch_opened"] | {"seed_commitment": "abc"}, {}),
        ("epoch_opened", ONE_OF_EACH["epoch_opened"] | {"nonce": "xyz"}, {}),
    ],
)
def test_refused(kind: str, payload: Any, more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make(kind, payload, **more)


def test_at_the_bounds() -> None:
    make("client_said", {"battle": "b", "round": 1, "text": "文" * MAX_TEXT})
    make("judgement", JUDGEMENT | {"reason": "文" * MAX_REASON})


def test_errors_name_the_field_and_never_the_content() -> None:
    with pytest.raises(ValidationError) as caught:
        make("client_said", {"battle": "b", "round": 1, "text": "秘密" * MAX_TEXT})
    assert "text: " in str(caught.value)
    assert "秘密" not in str(caught.value)
    with pytest.raises(ValidationError) as caught:
        ClientSaid(battle="b", round=1, text="秘密" * MAX_TEXT)
    assert "秘密" not in str(caught.value)


def test_constructors_are_typed() -> None:
    started = BattleStarted(**ONE_OF_EACH["battle_started"])
    judged = Judgement(**ONE_OF_EACH["judgement"])
    assert started.tuned_side == judged.guess == "A"
    assert Withdrawn(battle="b", receipt_hash="r").kind == "withdrawn"
