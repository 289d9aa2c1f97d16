"""Calls of an app's handlers as a script makes them: over HTTP, by number, with any session."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2

if TYPE_CHECKING:
    from tests.ui.conftest import Site


class Handler(NamedTuple):
    """One of the app's handlers under a name that stays the same when others come or go."""

    name: str
    number: int
    inputs: int
    queued: bool
    session_first: bool
    """Whether its first input is what the browser keeps; the inputs of some are in no order."""


class Told(NamedTuple):
    """What came back: the values by the name of their component where it has one, and all of it."""

    changed: dict[str, Any]
    text: str


class RawCalls:
    """Over an app at an address, whose handlers it knows from ``/config`` as anybody does."""

    def __init__(self, url: str):
        # One for all calls: making one takes longer than most of them.
        self.http = httpx2.Client(base_url=url, timeout=60)
        self.config: dict[str, Any] = self.http.get("config").json()
        props = {c["id"]: c for c in self.config["components"]}
        self._elements = {
            number: str(c["props"].get("elem_id") or c["props"].get("id") or "")
            for number, c in props.items()
        }
        self._browser = next(n for n, c in props.items() if c["type"] == "browserstate")
        self.handlers = [self._handler(d) for d in self.config["dependencies"] if d["backend_fn"]]
        self._by_number = {d["id"]: d for d in self.config["dependencies"]}

    def server_functions(self) -> dict[str, list[str]]:
        """The functions of components that any browser may call, by the component's name."""
        return {
            self._elements[c["id"]]: list(c["props"]["server_fns"])
            for c in self.config["components"]
            if c["props"].get("server_fns")
        }

    def _with_functions(self, name: str) -> int:
        """The component of that name: a tab may have the same."""
        return next(
            int(c["id"])
            for c in self.config["components"]
            if c["props"].get("server_fns") and self._elements[c["id"]] == name
        )

    def call(self, handler: Handler, session: object, values: Sequence[object] = ()) -> Told:
        """The answer of a handler; inputs that are not given are empty."""
        inputs = self._by_number[handler.number]["inputs"]
        rest = iter(values)
        data = [session if i == self._browser else next(rest, None) for i in inputs]
        body = {"data": data, "fn_index": handler.number, "session_hash": _new_hash()}
        if not handler.queued:
            answer = self.http.post("gradio_api/run/predict", json=body)
            return self._told(handler, answer.json() if answer.status_code == 200 else {})
        return self._told(handler, self._through_the_queue(body))

    def desk(self, component: str, call: Mapping[str, object]) -> dict[str, Any]:
        """The answer of a desk's server function."""
        body = {
            "data": call,
            "component_id": self._with_functions(component),
            "fn_name": "desk",
            "session_hash": _new_hash(),
        }
        answer: dict[str, Any] = self.http.post("gradio_api/component_server", json=body).json()
        return answer

    def _through_the_queue(self, body: dict[str, Any]) -> dict[str, Any]:
        url = "gradio_api/queue/"
        assert self.http.post(url + "join", json=body).status_code == 200
        with self.http.stream("GET", f"{url}data?session_hash={body['session_hash']}") as events:
            for line in events.iter_lines():
                if '"process_completed"' in line:
                    output: dict[str, Any] = json.loads(line.removeprefix("data:"))["output"]
                    return output
        return {}

    def _told(self, handler: Handler, output: Mapping[str, Any]) -> Told:
        names = [self._elements[o] for o in self._by_number[handler.number]["outputs"]]
        data = output.get("data") or []
        changed = {
            name or f"#{place}": value
            for place, (name, value) in enumerate(zip(names, data, strict=False))
            if not _unchanged(value)
        }
        return Told(changed, json.dumps(output, ensure_ascii=False))

    def _handler(self, made: Mapping[str, Any]) -> Handler:
        target, event = made["targets"][0]
        name = self._elements.get(target) or ""
        if not name and event == "tick":
            name = next(n for o in made["outputs"] if (n := self._elements[o]).endswith("-run"))
        if not name:
            name = str(made["api_name"]).rstrip("0123456789").rstrip("_")
        inputs = made["inputs"]
        return Handler(
            f"{name}.{event}", made["id"], len(inputs), made["queue"], inputs[:1] == [self._browser]
        )


def kept(site: Site, folder: Path) -> tuple[dict[str, int], dict[str, bytes]]:
    """What the app keeps: its events by kind, and every other file with its content."""
    with site.arena.store.reading() as connection:
        counted = connection.exec_driver_sql("SELECT kind, count(*) FROM events GROUP BY kind")
        events = {str(kind): int(n) for kind, n in counted}
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".sqlite" not in path.name
    }
    return events, files


def _unchanged(value: object) -> bool:
    """Whether a handler left a component as it was: an update with nothing in it."""
    if not isinstance(value, dict):
        return value is None
    return all(key == "__type__" or _unchanged(inner) for key, inner in value.items())


def _new_hash() -> str:
    return f"raw{time.monotonic_ns()}"
