"""A browser's side of the page over plain HTTP: its components, handlers and what they answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import httpx2

NO_TIMEOUT = httpx2.Timeout(60.0)


class NoAnswer(RuntimeError):
    """The server was away, refused, or broke off; what was asked may have been done."""


@dataclass(frozen=True)
class Page:
    """What ``/config`` says: which component is which, and what each handler takes and gives."""

    by_name: Mapping[str, int]
    handlers: Mapping[int, Mapping[str, Any]]
    browser: int
    """The component whose value the browser keeps."""

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Page:
        components = config["components"]
        names = {str(one["props"].get("elem_id") or ""): one["id"] for one in components}
        (browser,) = (one["id"] for one in components if one["type"] == "browserstate")
        return cls(names, {one["id"]: one for one in config["dependencies"]}, browser)

    def handler(self, name: str | None, event: str) -> Mapping[str, Any]:
        """That of an event of a named component; of the page itself for ``None``."""
        wanted = None if name is None else self.by_name[name]
        for one in self.handlers.values():
            for target, happened in one["targets"]:
                if happened == event and (wanted is None or target == wanted):
                    return one
        raise KeyError(f"no handler of {name}.{event}")

    def after(self, handler: Mapping[str, Any]) -> Mapping[str, Any]:
        """The one that runs when ``handler`` has ended."""
        return next(
            one
            for one in self.handlers.values()
            if one.get("trigger_after") == handler["id"] and one["backend_fn"]
        )


@dataclass
class Tab:
    """One browser tab. Values are kept as the page would keep them."""

    client: httpx2.AsyncClient
    page: Page
    kept: dict[str, Any] = field(default_factory=dict)
    session: str = field(default_factory=lambda: token_hex(8))

    async def call(self, handler: Mapping[str, Any], **given: Any) -> dict[str, Any]:
        """Call a handler with these values by component name; returns what it changed, by name,
        and whether it shows it now as ``NAME:visible``.

        Raises ``NoAnswer``.
        """
        by_id = {self.page.by_name[name]: value for name, value in given.items()}
        by_id[self.page.browser] = self.kept
        body = {
            "data": [by_id.get(one) for one in handler["inputs"]],
            "fn_index": handler["id"],
            "session_hash": self.session,
        }
        try:
            if handler["queue"] is False:
                answered = await self.client.post("gradio_api/run/predict", json=body)
                answered.raise_for_status()
                data = answered.json()["data"]
            else:
                data = await self._queued(body)
        except (httpx2.HTTPError, ValueError, KeyError) as error:
            raise NoAnswer(type(error).__name__) from None
        return self._taken(handler, data)

    async def _queued(self, body: Mapping[str, Any]) -> list[Any]:
        """The last of what a handler of the queue gives."""
        joined = await self.client.post("gradio_api/queue/join", json=body)
        joined.raise_for_status()
        path = f"gradio_api/queue/data?session_hash={self.session}"
        async with self.client.stream("GET", path) as events:
            async for line in events.aiter_lines():
                if not line.startswith("data:"):
                    continue
                told = json.loads(line.removeprefix("data:"))
                if told["msg"] == "process_completed":
                    if not told["success"]:
                        raise ValueError("a handler failed")
                    return list(told["output"].get("data") or [])
        raise ValueError("the stream ended early")

    def _taken(self, handler: Mapping[str, Any], data: list[Any]) -> dict[str, Any]:
        names = {number: name for name, number in self.page.by_name.items() if name}
        changed: dict[str, Any] = {}
        for number, value in zip(handler["outputs"], data, strict=False):
            update = isinstance(value, dict) and value.get("__type__") == "update"
            if update and number in names and "visible" in value:
                changed[f"{names[number]}:visible"] = value["visible"]
            if update and "value" not in value:
                continue
            plain = value["value"] if update else value
            if number == self.page.browser and isinstance(plain, dict):
                self.kept = plain
            elif number in names:
                changed[names[number]] = plain
        return changed


async def load_page(client: httpx2.AsyncClient) -> Page:
    """Raises ``NoAnswer``."""
    try:
        answered = await client.get("config")
        answered.raise_for_status()
        return Page.of(answered.json())
    except (httpx2.HTTPError, ValueError, KeyError) as error:
        raise NoAnswer(type(error).__name__) from None
