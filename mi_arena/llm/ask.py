"""One request to the endpoint, over the openai client: an answer, or which kind of failure.

Pacing and trying again are the asker's business, so the client's own retries are off. No text that
was sent or received, and no key, goes into an error line: they are made of ASCII words of ours.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import openai

from mi_arena.jobs.script import BadInput
from mi_arena.llm.endpoint import KEY_VARIABLE, Endpoint
from mi_arena.llm.pace import retry_after, used_up
from mi_arena.llm.question import Question, canonical

STRUCTURED = ("json_schema", "json_object", "plain")
"""How JSON is asked for, from the strictest down. An endpoint that refuses one is asked in the
next from then on."""

_ABOUT_FORMAT = re.compile(r"response_format|json_schema|json_object|structured", re.IGNORECASE)
_ABOUT_LENGTH = re.compile(r"max_completion_tokens")
_QUOTA = re.compile(r"insufficient_quota|billing_hard_limit|insufficient[_ ]balance", re.IGNORECASE)
_OURS = (
    "temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "model", "top_k",
    "repetition_penalty",
)  # fmt: skip
_NOT_OPENAIS = ("top_k", "repetition_penalty")
"""The client takes these only as more of the body."""
_TRY_AGAIN = (408, 409, 425, 429)


@dataclass(frozen=True)
class Reply:
    """What came back; token counts are ``None`` where the endpoint gave none."""

    text: str
    finish: str
    refused: bool
    model: str
    prompt_tokens: int | None
    completion_tokens: int | None
    pause: float | None
    """Seconds until the endpoint's allowance is back, when this request has used it up."""


class TryAgain(Exception):
    """This time it failed. ``wait``: seconds that the endpoint asks *everybody* to wait."""

    def __init__(
        self,
        line: str,
        wait: float | None = None,
        limited: bool = False,
        replayed: bool = False,
        unreachable: bool = False,
    ) -> None:
        super().__init__(line)
        self.wait, self.limited = wait, limited
        self.replayed = replayed
        """The endpoint repeated a failure that it keeps for the Idempotency-Key."""
        self.unreachable = unreachable


class Refused(Exception):
    """The endpoint doesn't take this question; another may do."""


class Wire:
    """The client, and what it has learnt about the endpoint."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.structured = 0
        """Index into ``STRUCTURED``."""
        self.length_name = "max_tokens"
        self._client = openai.AsyncOpenAI(
            api_key=endpoint.key.get_secret_value(),
            base_url=endpoint.base_url,
            timeout=openai.Timeout(endpoint.timeout, connect=min(15.0, endpoint.timeout)),
            max_retries=0,
            # A redirect would carry the key elsewhere.
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False),
        )

    async def close(self) -> None:
        await self._client.close()

    async def once(self, question: Question, key: str, series: int = 0) -> Reply:
        """Ask once. Raises ``TryAgain``, ``Refused``, or ``BadInput`` where no question will do.

        ``key`` (see `key_of`) names the Idempotency-Key: the same for every try of a question, in
        this process and the next, so that an endpoint that honours it charges once. It changes
        with what is sent and with ``series``.
        """
        while True:
            learnt = (self.structured, self.length_name)
            body = self._body(question)
            name = hashlib.sha256(canonical([key, series, body])).hexdigest()
            try:
                return await self._send(body, {"Idempotency-Key": f"mi-arena-{name[:40]}"})
            except openai.APIStatusError as error:
                if error.status_code in (400, 422) and self._learns(question, error, learnt):
                    continue
                raise self._failure(error) from None

    def _body(self, question: Question) -> dict[str, Any]:
        parameters: dict[str, Any] = self.endpoint.parameters.asked()
        if "max_tokens" in parameters:
            parameters[self.length_name] = parameters.pop("max_tokens")
        if question.seed is not None:
            parameters["seed"] = question.seed
        if extra := {name: parameters.pop(name) for name in _NOT_OPENAIS if name in parameters}:
            parameters["extra_body"] = extra
        body = {
            "model": self.endpoint.model,
            "messages": [{"role": s.role, "content": s.content} for s in question.messages],
            **parameters,
        }
        how = STRUCTURED[self.structured]
        if question.schema is None or how == "plain":
            return body
        wanted: dict[str, Any] = {"type": how}
        if how == "json_schema":
            wanted[how] = {
                "name": question.schema_name,
                "schema": question.schema,
                "strict": True,
            }
        return body | {"response_format": wanted}

    async def _send(self, body: dict[str, Any], headers: dict[str, str]) -> Reply:
        create = cast(Any, self._client.chat.completions.with_raw_response.create)
        try:
            # The client's timeouts are between bytes; this one is for the whole.
            async with asyncio.timeout(self.endpoint.timeout):
                raw = await create(**body, extra_headers=headers)
        except (openai.APITimeoutError, TimeoutError):
            raise TryAgain("the endpoint took too long") from None
        except openai.APIConnectionError as error:
            if type(error.__cause__).__name__ == "ConnectError":
                raise TryAgain("the endpoint cannot be reached", unreachable=True) from None
            raise TryAgain("the connection to the endpoint broke") from None
        try:
            return _read(raw.http_response.json(), raw.headers)
        except (ValueError, TypeError, AttributeError, KeyError, IndexError):
            raise TryAgain("the endpoint's answer is no chat completion") from None

    def _learns(
        self, question: Question, error: openai.APIStatusError, sent: tuple[int, str]
    ) -> bool:
        """Whether the refusal was about how we ask, so that the next way is worth a try."""
        text = error.response.text
        if self.length_name == "max_tokens" and _ABOUT_LENGTH.search(text):
            self.length_name = "max_completion_tokens"
            return True
        if question.schema is None or not (
            error.param == "response_format" or _ABOUT_FORMAT.search(text)
        ):
            return (self.structured, self.length_name) != sent
        if self.structured == sent[0]:  # or another request has learnt it meanwhile
            if self.structured + 1 == len(STRUCTURED):
                return False
            self.structured += 1
        return True

    def _failure(self, error: openai.APIStatusError) -> Exception:
        status, model = error.status_code, self.endpoint.model
        if status == 402 or (status in (400, 403, 429) and _QUOTA.search(error.response.text)):
            return BadInput("the endpoint says that the account's credit is used up: top it up")
        if status in (401, 403):
            return BadInput(f"the endpoint refuses the key ({status}): check {KEY_VARIABLE}")
        if status == 404:
            return BadInput(
                f"the endpoint knows no {model} at this address (404): check --model and --base-url"
            )
        if status in _TRY_AGAIN or status >= 500:
            headers = error.response.headers
            wait = retry_after(headers)
            replayed = any(
                headers.get(name, "").lower() == "true"
                for name in ("idempotent-replayed", "idempotency-replayed")
            )
            return TryAgain(
                f"the endpoint answered {status}",
                wait if wait is not None else used_up(headers),
                limited=status == 429,
                replayed=replayed,
            )
        if 300 <= status < 400:
            return BadInput(
                f"the endpoint sends elsewhere ({status}): write its new address as --base-url"
            )
        if error.param in _OURS:
            return BadInput(f"the endpoint refuses the parameter {error.param} ({status})")
        return Refused(f"the endpoint refuses this request ({status})")


def _read(data: Any, headers: Mapping[str, str]) -> Reply:
    choice = data["choices"][0]
    message = choice["message"]
    refusal = message.get("refusal")
    text = message.get("content") or refusal or ""
    if not isinstance(text, str):
        raise TypeError("content is no text")
    usage = data.get("usage") or {}
    return Reply(
        # Half a surrogate pair, which JSON can spell, can be neither kept nor written.
        text=text.encode("utf-8", "replace").decode("utf-8"),
        finish=str(choice.get("finish_reason") or "unknown"),
        refused=bool(refusal),
        model=str(data.get("model") or "unknown"),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        pause=used_up(headers),
    )


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None
