"""The in-process engine: many battles at once, places in the queue, cancelling, memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mi_arena.decoding import Decoding
from mi_arena.dialogue import Message
from mi_arena.engine.loading import LoadedPair, bytes_needed, load_pair
from mi_arena.engine.local import LocalEngine
from mi_arena.engine.protocol import ARMS, Away, Busy, EngineError, Turn
from mi_arena.engine.residency import GB, Residency
from mi_arena.engine.zero_gpu import ZeroGpuEngine, run_alone
from mi_arena.pairs import Pair
from tests.conftest import make_pair

WAIT = 60
GREEDY = Decoding(max_new_tokens=24, temperature=0)
SAMPLED = Decoding(max_new_tokens=24, temperature=1.0, top_p=0.95, repetition_penalty=1.1)
LONG = Decoding(max_new_tokens=400, temperature=1.5)


def said(text: str) -> dict[str, list[Message]]:
    return {arm: [Message(role="client", content=text)] for arm in ARMS}


def residency_of(*pairs: Pair, budget: int = int(GB)) -> Residency[LoadedPair]:
    by_id = {pair.id: pair for pair in pairs}
    return Residency(
        budget, lambda name: bytes_needed(by_id[name], 1), lambda name: load_pair(by_id[name])
    )


@pytest.fixture
def engine(tiny_pair: Pair) -> Iterator[LocalEngine]:
    running = LocalEngine("tiny", residency_of(tiny_pair), at_once=4, queue_limit=4)
    yield running
    running.close()


def texts(turn: Turn) -> dict[str, str]:
    assert turn.wait(WAIT)
    assert turn.error is None
    return {arm: reply.text for arm, reply in turn.replies.items()}


def test_a_turn_alone_and_in_company_says_the_same(engine: LocalEngine) -> None:
    """Sampling too: a row draws from its own generator, whoever shares the batch."""
    prompts = ["我想戒烟", "喝酒以后我总是后悔，第二天什么都做不了。" * 3, "睡不好", "医生让我吃药"]
    alone = [texts(engine.submit(said(p), SAMPLED, seed=i)) for i, p in enumerate(prompts)]
    together = [engine.submit(said(p), SAMPLED, seed=i) for i, p in enumerate(prompts)]
    assert [texts(turn) for turn in together] == alone
    assert alone[0]["base"] != alone[0]["tuned"]


def test_another_seed_says_something_else(engine: LocalEngine) -> None:
    one, two = (texts(engine.submit(said("我想戒烟"), SAMPLED, seed=s)) for s in (1, 2))
    assert one != two


def test_both_sides_march_together(engine: LocalEngine) -> None:
    """Token times of the two sides are the same while both go on; so are the steps."""
    turn = engine.submit(said("我想戒烟"), SAMPLED, seed=5)
    assert turn.wait(WAIT)
    base, tuned = (turn.replies[arm] for arm in ARMS)
    both = min(base.tokens, tuned.tokens)
    assert base.token_seconds[:both] == tuned.token_seconds[:both]
    assert base.tokens == len(base.token_seconds)


def test_cancelling_ends_both_and_leaves_others_alone(tiny_pair: Pair) -> None:
    engine = LocalEngine("tiny", residency_of(tiny_pair), at_once=4)
    try:
        reference = texts(engine.submit(said("半夜老醒"), GREEDY, seed=0))
        doomed = engine.submit(said("我想戒烟"), LONG, seed=1)
        other = engine.submit(said("半夜老醒"), GREEDY, seed=0)
        next(s for s in doomed.follow() if any(s.text.values()))
        doomed.cancel()
        assert doomed.wait(WAIT)
        assert {reply.end for reply in doomed.replies.values()} <= {"cancelled", "stop"}
        assert texts(other) == reference
    finally:
        engine.close()


def test_waiting_turns_know_their_place_and_the_queue_has_an_end(tiny_pair: Pair) -> None:
    engine = LocalEngine("tiny", residency_of(tiny_pair), at_once=1, queue_limit=2)
    try:
        running = engine.submit(said("我想戒烟"), LONG, seed=1)
        next(s for s in running.follow() if any(s.text.values()))
        first, second, third = (engine.submit(said("嗯"), GREEDY, seed=s) for s in range(3))
        assert [t.snapshot().place for t in (first, second, third)] == [1, 2, 3]
        with pytest.raises(Busy):
            engine.submit(said("嗯"), GREEDY, seed=4)
        second.cancel()
        running.cancel()
        for turn in (first, third):
            texts(turn)
        assert second.wait(WAIT) and second.replies["base"].end == "cancelled"
    finally:
        engine.close()


def test_a_turn_too_long_for_the_pair_fails_alone(engine: LocalEngine) -> None:
    long = engine.submit(said("很长" * 600), GREEDY, seed=0)
    short = engine.submit(said("短"), GREEDY, seed=0)
    assert long.wait(WAIT)
    assert long.error is not None and "tokens" in long.error and "很长" not in long.error
    texts(short)


def test_early_rounds_make_room_and_are_counted(engine: LocalEngine) -> None:
    history = [
        Message(role=role, content="说了很多很多话" * 6)
        for _ in range(20)
        for role in ("client", "counselor")
    ]
    turn = engine.submit(
        {arm: [*history, Message(role="client", content="最后一句")] for arm in ARMS},
        GREEDY,
        seed=0,
    )
    texts(turn)
    reply = turn.replies["base"]
    assert reply.messages_left_out > 0 and reply.messages_left_out % 2 == 0
    assert reply.prompt_tokens <= 512 - GREEDY.max_new_tokens


def test_closing_ends_every_turn(tiny_pair: Pair) -> None:
    engine = LocalEngine("tiny", residency_of(tiny_pair), at_once=1)
    turns = [engine.submit(said("我想戒烟"), LONG, seed=s) for s in range(3)]
    engine.close()
    assert all(turn.done for turn in turns)
    with pytest.raises(EngineError):
        engine.submit(said("我想戒烟"), GREEDY, seed=0)


def test_a_pair_that_cannot_be_loaded_says_so_in_its_turns(
    tmp_path: Path, pair_folders: tuple[Path, Path]
) -> None:
    broken = tmp_path / "adapter"
    broken.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (broken / name).write_bytes((pair_folders[1] / name).read_bytes())
    (broken / "adapter_config.json").write_text('{"peft_type": "LORA", "use_dora": true}')
    pair = make_pair(pair_folders[0], broken)
    engine = LocalEngine("tiny", residency_of(pair))
    try:
        turn = engine.submit(said("嗯"), GREEDY, seed=0)
        assert turn.wait(WAIT)
        assert turn.error is not None and "DoRA" in turn.error and "\n" not in turn.error
    finally:
        engine.close()


def test_pairs_take_turns_in_a_small_memory(
    tiny_pair: Pair, pair_folders: tuple[Path, Path]
) -> None:
    """Three pairs, room for one: each answers, the least recently used has made room."""
    pairs = [make_pair(*pair_folders, name=f"tiny-{i}") for i in range(3)]
    size = bytes_needed(pairs[0], 1)
    residency = residency_of(*pairs, budget=int(size * 1.5))
    engines = [LocalEngine(pair.id, residency, at_once=2) for pair in pairs]
    try:
        answers = []
        for _ in range(2):
            turns = [engine.submit(said("我想戒烟"), GREEDY, seed=0) for engine in engines]
            answers += [texts(turn) for turn in turns]
            assert len(residency.names()) == 1
        assert all(answer == answers[0] for answer in answers)
    finally:
        for engine in engines:
            engine.close()


def test_a_busy_pair_lets_another_have_its_turn(pair_folders: tuple[Path, Path]) -> None:
    pairs = [make_pair(*pair_folders, name=name) for name in ("busy", "waiting")]
    residency = residency_of(*pairs, budget=int(bytes_needed(pairs[0], 1) * 1.5))
    busy, waiting = (LocalEngine(pair.id, residency, at_once=1) for pair in pairs)
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            try:
                busy.submit(said("我想戒烟"), GREEDY, seed=0).wait(WAIT)
            except EngineError:
                return

    hammers = [threading.Thread(target=keep_busy) for _ in range(3)]
    try:
        for hammer in hammers:
            hammer.start()
        texts(waiting.submit(said("我想戒烟"), GREEDY, seed=0))
    finally:
        stop.set()
        busy.close()
        waiting.close()
        for hammer in hammers:
            hammer.join()


def test_pausing_lets_turns_end_refuses_the_rest_and_unloads(tiny_pair: Pair) -> None:
    residency = residency_of(tiny_pair)
    engine = LocalEngine("tiny", residency, at_once=1)
    try:
        expected = texts(engine.submit(said("半夜老醒"), GREEDY, seed=0))
        longer = GREEDY.model_copy(update={"max_new_tokens": 100})
        answering = engine.submit(said("我想戒烟"), longer, seed=1)
        waiting = engine.submit(said("嗯"), GREEDY, seed=0)
        next(s for s in answering.follow() if any(s.text.values()))
        pausing = threading.Thread(target=residency.pause)
        pausing.start()
        assert waiting.wait(WAIT) and waiting.error is not None and "away" in waiting.error
        pausing.join(WAIT)
        assert not pausing.is_alive() and residency.names() == []
        assert answering.done and answering.error is None
        assert {reply.end for reply in answering.replies.values()} <= {"stop", "length"}
        assert engine.away
        with pytest.raises(Away):
            engine.submit(said("嗯"), GREEDY, seed=0)
        residency.resume()
        assert texts(engine.submit(said("半夜老醒"), GREEDY, seed=0)) == expected
    finally:
        engine.close()


def test_a_pair_that_can_never_fit_says_what_to_do(tiny_pair: Pair) -> None:
    residency = residency_of(tiny_pair, budget=1000)
    with pytest.raises(EngineError, match="MI_ARENA_MEMORY_GB") as raised:
        residency.check_fits("tiny")
    assert "\n" not in str(raised.value)


def test_zerogpu_turns_run_alone_and_say_the_same(engine: LocalEngine, tiny_pair: Pair) -> None:
    loaded = load_pair(tiny_pair)
    zero = ZeroGpuEngine("tiny", lambda m, d, s: run_alone(loaded, m, d, s))
    try:
        expected = texts(engine.submit(said("我想戒烟"), SAMPLED, seed=3))
        assert texts(zero.submit(said("我想戒烟"), SAMPLED, seed=3)) == expected
        doomed = zero.submit(said("我想戒烟"), LONG, seed=3)
        next(s for s in doomed.follow() if any(s.text.values()))
        doomed.cancel()
        assert doomed.wait(WAIT)
    finally:
        zero.close()


@pytest.mark.gpu
def test_bf16_on_a_gpu_agrees_with_the_reference(pair_folders: tuple[Path, Path]) -> None:
    """bf16 rounds, so whole distributions are compared: mean total variation below 2 %."""
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    from mi_arena.engine.batch import Batch
    from tests.engine.test_equality import references, rows_of_length

    loaded = load_pair(make_pair(*pair_folders, dtype="bfloat16"))
    apart = references(*pair_folders)
    batch = Batch(loaded.model, loaded.mask, loaded.chat.pad_id)
    rows = rows_of_length([20, 90], 400, [1, 1], seed=0)
    for row in rows:
        batch.mask.set([row.tuned])
        ids = torch.tensor([row.prompt], device="cuda")
        ours = loaded.model(input_ids=ids).logits[0].float().softmax(-1).cpu()
        theirs = apart[row.tuned](input_ids=ids.cpu()).logits[0].softmax(-1)
        assert (ours - theirs).abs().sum(-1).mean() / 2 < 0.02
