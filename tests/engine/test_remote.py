"""The remote engine against a real HTTP server that also misbehaves."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mi_arena.decoding import Decoding
from mi_arena.dialogue import Message
from mi_arena.engine import remote_side
from mi_arena.engine.protocol import ARMS, Arm, Busy, Engine, EngineError, Snapshot, Turn
from mi_arena.engine.remote import RemoteEngine
from mi_arena.engine.remote_side import Timeouts, _retry_after, _word
from mi_arena.engine.seeds import arm_seed
from tests.engine.stand_in_server import Behaviour, StandInServer

KEY = "sk-very-secret"
SAID = "我想戒烟，可是很难。"
MODELS: dict[Arm, str] = {"base": "qwen-base", "tuned": "qwen-mi"}
MESSAGES = [
    Message(role="system", content="你是一位咨询师。"),
    Message(role="client", content="你好"),
    Message(role="counselor", content="你好，请说。"),
    Message(role="client", content=SAID),
]
BOTH: dict[Arm, list[Message]] = {"base": MESSAGES, "tuned": MESSAGES}
FINE = Behaviour()
TEXT = "".join(FINE.chunks)
LONG = Behaviour(chunks=tuple("一二三四五六七八九十" * 4), pause=0.002)


@contextmanager
def serving(
    base: Behaviour | list[Behaviour] = FINE, tuned: Behaviour | list[Behaviour] = FINE, **how: Any
) -> Iterator[tuple[StandInServer, RemoteEngine]]:
    script = {
        MODELS["base"]: base if isinstance(base, list) else [base],
        MODELS["tuned"]: tuned if isinstance(tuned, list) else [tuned],
    }
    how = {"timeouts": Timeouts(8, 8, 8), "cadence": 0.005, "step": 3, **how}
    with StandInServer(script) as server:
        engine = RemoteEngine(server.url, KEY, MODELS, **how)
        try:
            yield server, engine
        finally:
            engine.close()
            assert not [t.name for t in threading.enumerate() if t.name.startswith("remote-")]


def run(engine: Engine, seed: int = 5) -> Turn:
    turn = engine.submit(BOTH, Decoding(), seed)
    assert turn.wait(10), "the turn did not end"
    return turn


def watch(turn: Turn) -> list[Snapshot]:
    """All that a reader sees; checks that no side is ever ahead while both run."""
    seen = list(turn.follow())
    for now in seen:
        if not any(now.ended.values()):
            lengths = {len(text) for text in now.text.values()}
            # The step that ends a side is published before its end is known.
            last = any(len(now.text[a]) == len(turn.replies[a].text) for a in ARMS)
            assert len(lengths) == 1 or last, now
    return seen


def assert_failed(turn: Turn, *words: str) -> None:
    assert turn.done and turn.error
    for word in words:
        assert word in turn.error
    for secret in (KEY, "sk-", SAID, "戒烟", "听", "\n"):
        assert secret not in turn.error
    assert {reply.end for reply in turn.replies.values()} <= {"error", "stop"}


@pytest.fixture(autouse=True)
def retry_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_side, "RETRY_WAIT", 0.01)


@pytest.fixture(autouse=True)
def nothing_said_in_logs(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    for secret in (KEY, SAID, "戒烟", "我在"):
        assert secret not in caplog.text


# ---- the happy path


def test_both_sides_in_lock_step_at_the_pace_of_the_slower() -> None:
    fast = Behaviour(chunks=("快" * 60,))
    slow = Behaviour(chunks=tuple("慢" * 40), pause=0.003)
    with serving(fast, slow) as (_, engine):
        turn = engine.submit(BOTH, Decoding(), 1)
        seen = watch(turn)
    assert turn.error is None
    assert {a: r.text for a, r in turn.replies.items()} == {"base": "快" * 60, "tuned": "慢" * 40}
    assert [r.end for r in turn.replies.values()] == ["stop", "stop"]
    growing = [len(now.text["base"]) for now in seen]
    assert growing == sorted(growing)
    # Sixty characters that were there from the start still take their twenty steps.
    assert time.monotonic() - turn.submitted >= 19 * 0.005


def test_what_is_asked_of_the_server() -> None:
    decoding = Decoding(max_new_tokens=33, temperature=0.5, top_p=0.8)
    with serving() as (server, engine):
        assert engine.submit(BOTH, decoding, 5).wait(10)
        for arm in ARMS:
            (body,) = server.asked(MODELS[arm])
            assert body == {
                "model": MODELS[arm],
                "messages": [
                    {"role": "system", "content": "你是一位咨询师。"},
                    {"role": "user", "content": "你好"},
                    {"role": "assistant", "content": "你好，请说。"},
                    {"role": "user", "content": SAID},
                ],
                "max_tokens": 33,
                "temperature": 0.5,
                "top_p": 0.8,
                "seed": arm_seed(5, arm),
                "stream": True,
                "stream_options": {"include_usage": True},
            }
        assert {r.authorization for r in server.requests} == {f"Bearer {KEY}"}
        assert {r.path for r in server.requests} == {"/v1/chat/completions"}
        other = Decoding(top_k=20, repetition_penalty=1.1)
        assert engine.submit(BOTH, other, 5).wait(10)
        body = server.asked(MODELS["tuned"])[-1]
        assert (body["top_k"], body["repetition_penalty"]) == (20, 1.1)


def test_counts_timings_and_end_reasons() -> None:
    with serving(FINE, Behaviour(finish="length", usage=False)) as (_, engine):
        turn = run(engine)
    base, tuned = turn.replies["base"], turn.replies["tuned"]
    assert (base.end, tuned.end) == ("stop", "length")
    assert (base.tokens, base.prompt_tokens) == (4, 17)
    assert (tuned.tokens, tuned.prompt_tokens) == (3, 0)
    for reply in (base, tuned):
        assert len(reply.token_seconds) == 3
        assert reply.token_seconds == sorted(reply.token_seconds) and reply.token_seconds[0] > 0


@pytest.mark.parametrize(
    "odd",
    [
        Behaviour(done=False),
        Behaviour(empty_choices_first=True),
        Behaviour(garbage_at=1, garbage=": a comment, as proxies send to keep a line open"),
        Behaviour(usage=False, done=False),
        Behaviour(garbage_at=1, garbage='data: {"choices": [{}]}'),
        Behaviour(chunks=("你好", "", "，我在听。")),
    ],
)
def test_odd_but_whole_answers_are_fine(odd: Behaviour) -> None:
    with serving(odd) as (_, engine):
        turn = run(engine)
    assert turn.error is None and turn.replies["base"].text == TEXT


def test_an_empty_reply_ends_and_the_other_goes_on() -> None:
    with serving(Behaviour(chunks=())) as (_, engine):
        turn = run(engine)
    assert turn.error is None
    assert (turn.replies["base"].text, turn.replies["tuned"].text) == ("", TEXT)


def test_a_server_without_stream_options_is_remembered() -> None:
    refuses = Behaviour(status=400, error_body='{"error": {"message": "stream_options unknown"}}')
    with serving([refuses, FINE], FINE) as (server, engine):
        assert run(engine).error is None
        first, second = server.asked(MODELS["base"])
        assert "stream_options" in first and "stream_options" not in second
        assert run(engine).error is None
        assert len(server.asked(MODELS["base"])) == 3


# ---- cancelling


@pytest.mark.parametrize("stall_at", [0, 2])
def test_cancel_closes_both_streams(stall_at: int) -> None:
    stalls = Behaviour(stall_at=stall_at)
    with serving(stalls, stalls, timeouts=Timeouts(30, 30, 30)) as (server, engine):
        turn = engine.submit(BOTH, Decoding(), 1)
        assert server.wait_for(requests=2)
        shown = "".join(FINE.chunks[:stall_at])
        for now in turn.follow():
            if now.text["base"] == shown:
                break
        started = time.monotonic()
        turn.cancel()
        assert turn.wait(5) and server.wait_for(hang_ups=2)
        assert time.monotonic() - started < 5
    assert turn.error is None
    assert [(r.text, r.end) for r in turn.replies.values()] == [(shown, "cancelled")] * 2


def test_cancel_before_the_server_answers() -> None:
    gate = threading.Event()
    waits = Behaviour(gate=gate)
    with serving(waits, waits, timeouts=Timeouts(30, 30, 30)) as (server, engine):
        turn = engine.submit(BOTH, Decoding(), 1)
        assert server.wait_for(requests=2)
        turn.cancel()
        assert turn.wait(5)
        gate.set()
    assert [r.end for r in turn.replies.values()] == ["cancelled", "cancelled"]


def test_cancel_shows_nothing_of_what_was_buffered() -> None:
    with serving(Behaviour(chunks=("快" * 500,)), Behaviour(stall_at=1)) as (_, engine):
        turn = engine.submit(BOTH, Decoding(), 1)
        for now in turn.follow():
            if now.text["tuned"] == FINE.chunks[0]:
                break
        turn.cancel()
        assert turn.wait(5)
    assert len(turn.replies["base"].text) == len(turn.replies["tuned"].text) == 3


# ---- misbehaving servers


@pytest.mark.parametrize(
    "first",
    [
        Behaviour(status=429, retry_after="0.05"),
        Behaviour(status=500),
        Behaviour(status=502),
        Behaviour(status=503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"),
        Behaviour(break_at=0),
        Behaviour(garbage_at=0),
        Behaviour(garbage_at=0, garbage='data: {"error": {"message": "我想戒烟"}}'),
        Behaviour(chunks=(), finish=None),
    ],
)
def test_one_retry_mends_a_fault_before_the_first_text(first: Behaviour) -> None:
    with serving([first, FINE]) as (server, engine):
        turn = run(engine)
        assert turn.error is None and turn.replies["base"].text == TEXT
        assert len(server.asked(MODELS["base"])) == 2
        assert len(server.asked(MODELS["tuned"])) == 1


def test_a_stall_before_the_first_text_is_retried_once() -> None:
    stalls, limits = Behaviour(stall_at=0), Timeouts(5, 0.5, 5)
    with serving([stalls, FINE], timeouts=limits) as (server, engine):
        assert run(engine).error is None
        assert server.wait_for(hang_ups=1)
    with serving(FINE, stalls, timeouts=limits) as (server, engine):
        turn = run(engine)
        assert_failed(turn, MODELS["tuned"], "no first token within 0.5 s")
        assert len(server.asked(MODELS["tuned"])) == 2


@pytest.mark.parametrize(
    ("bad", "requests", "words"),
    [
        (Behaviour(status=429, retry_after="0"), 2, "HTTP 429: the server is overloaded"),
        (Behaviour(status=429, retry_after="600"), 1, "retry in 600 s"),
        (Behaviour(status=500), 2, "HTTP 500: the server is failing"),
        (Behaviour(status=401), 1, "check the key"),
        (Behaviour(status=404), 1, "check the model name"),
        (Behaviour(status=400), 1, "check the dialogue's length"),
        (Behaviour(break_at=0), 2, "broke off"),
        (Behaviour(break_at=2), 1, "broke off"),
        (Behaviour(garbage_at=0), 2, "malformed"),
        (Behaviour(garbage_at=1), 1, "malformed"),
        (Behaviour(garbage_at=1, garbage="data: 17"), 1, "malformed"),
        (Behaviour(garbage_at=1, garbage='data: {"choices": 3}'), 1, "malformed"),
        (Behaviour(garbage_at=1, garbage='data: {"error": {"message": "戒烟"}}'), 1, "mid-stream"),
        (Behaviour(finish=None), 1, "ended before the reply did"),
        (Behaviour(finish="content_filter"), 1, "content_filter"),
    ],
)
def test_a_side_that_fails_for_good_fails_the_turn(
    bad: Behaviour, requests: int, words: str
) -> None:
    with serving(LONG, bad) as (server, engine):
        turn = engine.submit(BOTH, Decoding(), 1)
        watch(turn)
        assert_failed(turn, MODELS["tuned"], server.url, words)
        assert len(server.asked(MODELS["tuned"])) == requests
        assert len({len(r.text) for r in turn.replies.values()}) == 1


def test_a_stall_in_the_middle_stops_both() -> None:
    other = Behaviour(chunks=("快" * 500,))
    with serving(Behaviour(stall_at=2), other, timeouts=Timeouts(5, 5, 0.3)) as (server, engine):
        turn = run(engine)
        assert_failed(turn, "stalled for 0.3 s")
        assert server.wait_for(hang_ups=1)
        assert len(server.asked(MODELS["base"])) == 1
    assert len(turn.replies["base"].text) == len(turn.replies["tuned"].text) > 0


def test_a_stall_after_the_end_only_costs_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_side, "USAGE_WAIT", 0.05)
    with serving(Behaviour(stall_before_usage=True)) as (server, engine):
        turn = run(engine)
        assert turn.error is None and server.wait_for(hang_ups=1)
    assert (turn.replies["base"].text, turn.replies["base"].tokens) == (TEXT, 3)


def test_nobody_listens() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        url = f"http://user:{KEY}@127.0.0.1:{held.getsockname()[1]}/v1?key={KEY}"
        engine = RemoteEngine(url, KEY, MODELS)
        turn = run(engine)
        engine.close()
    assert_failed(turn, "cannot connect", "http://127.0.0.1:")


def test_unknown_model() -> None:
    with StandInServer({MODELS["base"]: [FINE]}) as server:
        engine = RemoteEngine(server.url, None, MODELS)
        assert_failed(run(engine), "HTTP 404", MODELS["tuned"], server.url)
        engine.close()


# ---- the queue


def test_places_are_kept_up_to_date_and_a_full_queue_is_busy() -> None:
    gate = threading.Event()
    waits = Behaviour(gate=gate)
    with serving(waits, waits, max_concurrent=1, queue_limit=3) as (server, engine):
        running, *waiting = [engine.submit(BOTH, Decoding(), seed) for seed in range(4)]
        assert running.snapshot().place is None
        assert [turn.snapshot().place for turn in waiting] == [1, 2, 3]
        with pytest.raises(Busy):
            engine.submit(BOTH, Decoding(), 9)
        waiting[0].cancel()
        assert waiting[0].wait(5)
        assert [r.end for r in waiting[0].replies.values()] == ["cancelled", "cancelled"]
        for now in waiting[2].follow():
            if now.place == 2:
                break
        assert waiting[1].snapshot().place == 1
        assert server.wait_for(requests=2) and len(server.requests) == 2
        gate.set()
        for turn in (running, waiting[1], waiting[2]):
            assert turn.wait(5) and turn.error is None
            assert turn.replies["base"].text == TEXT
        assert len(server.requests) == 6


def test_a_failed_turn_makes_room() -> None:
    with serving([Behaviour(status=401), FINE], max_concurrent=1) as (_, engine):
        turns = [engine.submit(BOTH, Decoding(), seed) for seed in range(2)]
        assert all(turn.wait(5) for turn in turns)
        assert turns[0].error and turns[1].error is None


def test_close_cancels_all_and_takes_no_more() -> None:
    stalls = Behaviour(stall_at=1)
    with serving(stalls, stalls, max_concurrent=2, timeouts=Timeouts(30, 30, 30)) as (
        server,
        engine,
    ):
        turns = [engine.submit(BOTH, Decoding(), seed) for seed in range(4)]
        assert server.wait_for(requests=4)
        started = time.monotonic()
        engine.close()
        assert time.monotonic() - started < 5
        assert all(turn.done and turn.error is None for turn in turns)
        assert {r.end for turn in turns for r in turn.replies.values()} == {"cancelled"}
        with pytest.raises(EngineError):
            engine.submit(BOTH, Decoding(), 1)
        engine.close()


def test_messages_must_end_with_the_client() -> None:
    with serving() as (server, engine):
        with pytest.raises(EngineError):
            engine.submit({"base": MESSAGES, "tuned": MESSAGES[:3]}, Decoding(), 1)
        assert not server.requests


def test_words_from_the_server_are_not_trusted() -> None:
    assert _word("content_filter") == "content_filter"
    assert [_word(x) for x in ("我想戒烟", "two words", "x" * 31, None, 3)] == ["unknown"] * 5
    assert _retry_after("2") == 2
    assert _retry_after("soon") == _retry_after(None) == remote_side.RETRY_WAIT
