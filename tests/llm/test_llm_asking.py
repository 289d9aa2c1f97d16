"""Questions over a real, misbehaving server: what is tried again, what ends, what is learnt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

import pytest

from mi_arena.jobs.script import BadInput, LimitReached
from mi_arena.llm.asker import Unanswered
from mi_arena.llm.budget import Budget
from mi_arena.llm.endpoint import Parameters
from mi_arena.llm.many import each
from mi_arena.llm.prices import Price
from mi_arena.llm.question import Question
from mi_arena.llm.stop import Stop
from tests.llm.asking import KEY, SCHEMA, desk, question
from tests.llm.stand_in_llm import GOOD, Behaviour, StandInLLM

Plan = Callable[[dict[str, Any], int], Behaviour]


def first(behaviour: Behaviour, times: int = 1) -> Plan:
    return lambda body, time: behaviour if time <= times else GOOD


def test_an_answer_is_kept_and_never_asked_for_again(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk(server.url, tmp_path) as one:
            answer = await one.asker.ask(question())
            assert (answer.text, answer.model) == ("好", "gpt-test-2026-01-01")
            assert (answer.prompt_tokens, answer.completion_tokens) == (1000, 500)
            assert answer.cost == pytest.approx(0.006) and not answer.estimated
            # Two ask the same at the same moment: one request.
            await asyncio.gather(*(one.asker.ask(question("再问")) for _ in range(3)))
        async with desk(server.url, tmp_path) as two:
            assert await two.asker.ask(question()) == answer
            assert (two.asker.asked, two.asker.reused) == (0, 1)
            assert two.budget.spent == pytest.approx(0.012)

    with StandInLLM(lambda body: "好") as server:
        asyncio.run(go())
    assert len(server.arrivals) == 2
    assert server.arrivals[0].authorization == f"Bearer {KEY}"
    assert server.arrivals[0].body["max_tokens"] == 100
    assert "response_format" not in server.arrivals[0].body


@pytest.mark.parametrize(
    "bad",
    [
        Behaviour(500),
        Behaviour(503),
        Behaviour(408),
        Behaviour(429),
        Behaviour(close=True),
        Behaviour(cut_body=True),
        Behaviour(raw=b"<html>not found</html>"),
        Behaviour(raw=b'{"error": {"code": 429}}'),
        Behaviour(raw=b'{"choices": []}'),
        Behaviour(raw=b'{"choices": [{"message": {"content": ["x"]}}]}'),
    ],
    ids=lambda how: f"{how.status} {how.raw or ''} {how.close} {how.cut_body}",
)
def test_a_failure_that_may_pass_is_tried_again_under_the_same_key(
    tmp_path: Path, bad: Behaviour
) -> None:
    async def go() -> str:
        async with desk(server.url, tmp_path) as one:
            return (await one.asker.ask(question())).text

    with StandInLLM(lambda body: "好", first(bad, 2), honours_keys=False) as server:
        assert asyncio.run(go()) == "好"
    assert len(server.arrivals) == 3
    assert len({arrival.key for arrival in server.arrivals}) == 1
    assert server.arrivals[0].key


def test_a_stalled_request_is_given_up_and_not_charged_again(tmp_path: Path) -> None:
    async def go() -> str:
        async with desk(server.url, tmp_path, timeout=0.5) as one:
            return (await one.asker.ask(question())).text

    with StandInLLM(lambda body: "好", first(Behaviour(stall=True))) as server:
        assert asyncio.run(go()) == "好"
    assert list(server.charged.values()) == [1]


def test_a_repeated_failure_gets_a_new_key(tmp_path: Path) -> None:
    stored = Behaviour(500, {"Idempotent-Replayed": "true"})

    async def go() -> None:
        async with desk(server.url, tmp_path) as one:
            await one.asker.ask(question())

    with StandInLLM(plan=first(stored)) as server:
        asyncio.run(go())
    assert server.arrivals[0].key != server.arrivals[1].key


def test_tries_end_and_the_next_question_is_asked(tmp_path: Path) -> None:
    def plan(body: dict[str, Any], time: int) -> Behaviour:
        return Behaviour(500) if "坏" in str(body["messages"]) else GOOD

    async def go() -> None:
        async with desk(server.url, tmp_path, tries=3) as one:
            with pytest.raises(Unanswered, match=r"answered 500 \(3 tries\)"):
                await one.asker.ask(question("坏"))
            await one.asker.ask(question("好"))

    with StandInLLM(plan=plan) as server:
        asyncio.run(go())
    assert len(server.arrivals) == 4


@pytest.mark.parametrize(
    ("status", "error", "line"),
    [
        (401, {}, "refuses the key"),
        (403, {}, "refuses the key"),
        (404, {}, "knows no gpt-test"),
        (402, {}, "credit is used up"),
        (429, {"code": "insufficient_quota"}, "credit is used up"),
        (400, {"param": "temperature"}, "refuses the parameter temperature"),
        (307, {}, "sends elsewhere"),
    ],
)
def test_what_no_try_can_mend_ends_the_run_with_one_line(
    tmp_path: Path, status: int, error: dict[str, str], line: str
) -> None:
    async def go() -> None:
        async with desk(server.url, tmp_path) as one:
            await one.asker.ask(question("我想戒烟"))

    behaviour = Behaviour(status, {"Location": "http://127.0.0.1:1/"}, error)
    with (
        StandInLLM(plan=lambda body, time: behaviour) as server,
        pytest.raises(BadInput, match=line) as raised,
    ):
        asyncio.run(go())
    said = str(raised.value)
    assert said.isascii() and "\n" not in said and "secret" not in said and KEY not in said
    assert len(server.arrivals) == 1


def test_a_question_that_is_refused_stays_unanswered_alone(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk(server.url, tmp_path) as one:
            with pytest.raises(Unanswered, match="refuses this request") as raised:
                await one.asker.ask(question())
            assert "secret" not in str(raised.value) and str(raised.value).isascii()

    with StandInLLM(plan=first(Behaviour(400, error={"code": "content_filter"}))) as server:
        asyncio.run(go())


def test_an_endpoint_that_answers_nobody_ends_the_run(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk(server.url, tmp_path, tries=1) as one:
            for number in range(20):
                try:
                    await one.asker.ask(question(str(number)))
                except Unanswered:
                    continue

    with (
        StandInLLM(plan=lambda body, time: Behaviour(500)) as server,
        pytest.raises(BadInput, match="10 requests failed one after another"),
    ):
        asyncio.run(go())
    assert len(server.arrivals) == 10


def test_nobody_there_is_said_at_once(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk("http://127.0.0.1:9/v1", tmp_path, tries=2) as one:
            await one.asker.ask(question())

    with pytest.raises(BadInput, match="cannot be reached: check --base-url"):
        asyncio.run(go())


def refuses(*forms: str) -> Plan:
    def plan(body: dict[str, Any], time: int) -> Behaviour:
        form = body.get("response_format", {}).get("type")
        return Behaviour(400, error={"param": "response_format"}) if form in forms else GOOD

    return plan


@pytest.mark.parametrize(
    ("forms", "ends_with"),
    [
        ((), "json_schema"),
        (("json_schema",), "json_object"),
        (("json_schema", "json_object"), None),
    ],
)
def test_structured_output_falls_back_and_that_is_remembered(
    tmp_path: Path, forms: tuple[str, ...], ends_with: str | None
) -> None:
    async def go() -> None:
        async with desk(server.url, tmp_path) as one:
            assert (await one.asker.ask(question("一", SCHEMA))).parsed == {"a": 1}
            await asyncio.gather(*(one.asker.ask(question(str(n), SCHEMA)) for n in range(5)))

    with StandInLLM(lambda body: '{"a": 1}', refuses(*forms)) as server:
        asyncio.run(go())
    asked = [a.body.get("response_format", {}).get("type") for a in server.arrivals]
    assert asked[len(forms) :] == [ends_with] * 6
    if not forms:
        schema = server.arrivals[0].body["response_format"]["json_schema"]
        assert schema == {"name": "answer", "schema": SCHEMA, "strict": True}


def test_the_name_of_the_length_is_learnt(tmp_path: Path) -> None:
    def plan(body: dict[str, Any], time: int) -> Behaviour:
        error = {"param": "max_tokens", "message": "use 'max_completion_tokens' instead"}
        return Behaviour(400, error=error) if "max_tokens" in body else GOOD

    async def go() -> None:
        async with desk(server.url, tmp_path) as one:
            await asyncio.gather(*(one.asker.ask(question(str(n))) for n in range(4)))

    with StandInLLM(plan=plan) as server:
        asyncio.run(go())
    answered = [a.body for a in server.arrivals if a.behaviour == GOOD]
    assert [body["max_completion_tokens"] for body in answered] == [100] * 4


@pytest.mark.parametrize("form", ["seconds", "date", "allowance", "on success"])
def test_everybody_waits_when_the_endpoint_says_so(tmp_path: Path, form: str) -> None:
    """Four at once are told to wait; of eight questions, nothing arrives before that is over."""
    together = threading.Barrier(4)
    told: list[float] = []
    headers = {
        "seconds": {"Retry-After": "1"},
        "date": {},
        "allowance": {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1s"},
        "on success": {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"},
    }[form]
    status = 200 if form == "on success" else 429
    first_four: set[str] = set()

    def answer(body: dict[str, Any]) -> str:
        return "好"

    class Meeting(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            together.wait(timeout)
            told.append(server.arrivals[-1].at)
            return True

    def plan(body: dict[str, Any], seen: int) -> Behaviour:
        if len(server.arrivals) < 4:
            first_four.add(str(body["messages"]))
            # Dates have whole seconds: up to one is lost.
            date = {"Retry-After": formatdate(time() + 3, usegmt=True)}
            return Behaviour(status, headers or date, gate=Meeting())
        return GOOD

    async def go() -> None:
        async with desk(server.url, tmp_path, at_once=4) as one:
            await asyncio.gather(*(one.asker.ask(question(str(n))) for n in range(8)))
            assert any("pause" in note for note in one.notes)

    with StandInLLM(answer, plan) as server:
        asyncio.run(go())
    later = [arrival.at for arrival in server.arrivals[4:]]
    assert len(first_four) == 4 and len(later) == (4 if status == 200 else 8)
    assert min(later) - max(told) >= 0.95


def test_a_wait_beyond_an_hour_ends_the_run(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk(server.url, tmp_path) as one:
            await one.asker.ask(question())

    with (
        StandInLLM(plan=first(Behaviour(429, {"Retry-After": "86400"}))) as server,
        pytest.raises(BadInput, match="asks to wait 86400 seconds"),
    ):
        asyncio.run(go())


def test_missing_usage_is_estimated_and_said(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk(server.url, tmp_path) as one:
            answer = await one.asker.ask(question("你好"))
            assert answer.estimated and "estimated" in answer.cost_note
            assert (answer.prompt_tokens, answer.completion_tokens) == (6, 3)

    with StandInLLM(lambda body: "好的。", first(Behaviour(usage=False))) as server:
        asyncio.run(go())


def test_a_refusal_of_the_endpoint_s_own_is_marked(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk(server.url, tmp_path) as one:
            answer = await one.asker.ask(question())
            assert answer.refused and answer.text == "不行"

    message = {"role": "assistant", "content": None, "refusal": "不行"}
    with StandInLLM(plan=first(Behaviour(message=message))) as server:
        asyncio.run(go())


def test_half_a_surrogate_pair_does_no_harm(tmp_path: Path) -> None:
    async def go() -> None:
        async with desk(server.url, tmp_path) as one:
            assert (await one.asker.ask(question())).text == "好?"

    with StandInLLM(lambda body: "好\ud83d") as server:
        asyncio.run(go())


def test_the_cost_limit_holds_and_a_higher_one_goes_on(tmp_path: Path) -> None:
    """Every request is estimated at 0.004 USD (2 million tokens cost 8) and costs 0.006."""
    server_tokens, price = (0, 750), Price(0.0, 8.0, "of the test")

    async def go(limit: float) -> int:
        done = 0

        def finished(position: int, text: str) -> None:
            nonlocal done
            done += 1

        async with desk(server.url, tmp_path, limit, price, at_once=8) as one:

            async def work(text: str) -> str:
                return (await one.asker.ask(question(text))).text

            try:
                items = [str(n) for n in range(40)]
                await each(items, work, finished, stop=one.stop, at_once=8, ahead=20)
            except LimitReached as limit_reached:
                assert "--max-cost" in str(limit_reached)
            else:
                assert done == 40
            assert one.asker.answers.count() == len(server.charged)
            assert one.budget.spent <= limit + 0.004
        return done

    with StandInLLM(tokens=server_tokens) as server:
        stopped = asyncio.run(go(0.13))
        assert 18 <= stopped <= 22  # 0.13 / 0.006 = 21.7
        assert asyncio.run(go(1.0)) == 40
    assert set(server.charged.values()) == {1}
    assert len(server.charged) == 40


def test_what_is_in_flight_counts_by_its_estimate() -> None:
    async def go() -> None:
        budget = Budget(Stop(), limit=1.0)
        entered: list[str] = []
        ends = {name: asyncio.Event() for name in "abcde"}

        async def spend(name: str, cost: float) -> None:
            async with budget.held(0.3):
                entered.append(name)
                await ends[name].wait()
                budget.pay(cost, 0.3)

        async def settle() -> None:
            for _ in range(9):
                await asyncio.sleep(0)

        tasks = [
            asyncio.create_task(spend(name, cost))
            for name, cost in zip("abcde", (0.05, 0.3, 0.3, 0.3, 0.3), strict=True)
        ]
        await settle()
        assert entered == ["a", "b", "c"]  # a fourth might go beyond
        ends["a"].set()
        await settle()
        assert entered == ["a", "b", "c", "d"]  # the first was cheaper than thought
        for name in "bcd":
            ends[name].set()
        with pytest.raises(LimitReached, match="stopped by --max-cost 1:"):
            await asyncio.gather(*tasks)
        assert budget.spent == pytest.approx(0.95)

    asyncio.run(go())


def test_estimates_learn_from_what_was_paid() -> None:
    async def go() -> None:
        budget = Budget(Stop(), limit=1.0)
        async with budget.held(0.1):
            budget.pay(0.3, 0.1)
        async with budget.held(0.2):  # taken for 0.6
            with pytest.raises(LimitReached):
                async with budget.held(0.3):  # taken for 0.9
                    pass

    asyncio.run(go())


def test_a_stop_lets_what_is_in_flight_end(tmp_path: Path) -> None:
    gate = threading.Event()

    async def go() -> None:
        async with desk(server.url, tmp_path, at_once=3) as one:
            texts: list[str] = []

            async def work(text: str) -> str:
                return (await one.asker.ask(question(text))).text

            async def stop_soon() -> None:
                await asyncio.to_thread(server.wait_for, 3)
                one.stop.ask_for("stopped by SIGTERM")
                gate.set()

            stopper = asyncio.create_task(stop_soon())
            with pytest.raises(LimitReached, match="SIGTERM"):
                await each(
                    map(str, range(99)),
                    work,
                    lambda position, text: texts.append(text),
                    stop=one.stop,
                    at_once=3,
                    ahead=9,
                )
            await stopper
            assert len(texts) == 3 == one.asker.answers.count()

    with StandInLLM(plan=lambda body, time: Behaviour(gate=gate)) as server:
        asyncio.run(go())


def test_each_draws_no_further_than_it_may(tmp_path: Path) -> None:
    """The first item ends last: only ``ahead`` others are drawn until then."""
    drawn: list[int] = []
    release = asyncio.Event

    def items() -> Any:
        for number in range(50):
            drawn.append(number)
            yield number

    async def go() -> None:
        first_may_end = release()
        seen: list[int] = []

        async def work(number: int) -> int:
            if number == 0:
                await first_may_end.wait()
            return number

        def finished(position: int, number: int) -> None:
            assert position == number
            seen.append(number)
            if len(seen) == 9:
                assert drawn == list(range(10)) and 0 not in seen
                first_may_end.set()

        await each(items(), work, finished, stop=Stop(), at_once=4, ahead=10)
        assert sorted(seen) == list(range(50))

    asyncio.run(go())


def test_an_error_ends_each_after_what_is_under_way() -> None:
    ended: list[int] = []

    async def work(number: int) -> int:
        await asyncio.sleep(0)
        if number == 1:
            raise ZeroDivisionError
        return number

    async def go() -> None:
        with pytest.raises(ZeroDivisionError):
            await each(
                range(100),
                work,
                lambda position, number: ended.append(number),
                stop=Stop(),
                at_once=3,
                ahead=9,
            )

    asyncio.run(go())
    assert 0 in ended and len(ended) < 10


def test_questions_hash() -> None:
    """They may stand in sets, schema or not."""
    assert len({Question(()), Question((), {"a": 1}), Question((), sample=1)}) == 3
    assert Parameters(seed=0).asked() == {"seed": 0}
