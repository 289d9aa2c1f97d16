"""Files of runs over HTTP: only by links that the page made for an admin, and not for long."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, Response

from mi_arena.access.keyed import Keyed
from mi_arena.jobs.inputs import Inputs, NoSuchFile

PURPOSE = "download"
VALID_SECONDS = 3600
ROUTE = "/run-files"


class Downloads:
    """Links that carry their own end and a keyed hash; nothing is copied anywhere public."""

    def __init__(self, inputs: Inputs, keyed: Keyed, now: Callable[[], float] = time.time):
        self._inputs, self._keyed, self._now = inputs, keyed, now

    def link(self, path: Path) -> str:
        """An address, relative to the page, under which a file below the root can be fetched."""
        name = path.resolve().relative_to(self._inputs.root.resolve()).as_posix()
        until = int(self._now()) + VALID_SECONDS
        return f".{ROUTE}/{until}/{self._sign(until, name)}/{quote(name)}"

    def install(self, server: FastAPI) -> None:
        """Serve the links; before Gradio's own routes, of which some catch everything."""
        server.add_api_route(
            ROUTE + "/{until}/{signature}/{name:path}", self.fetch, methods=["GET"]
        )
        server.router.routes.insert(0, server.router.routes.pop())

    def fetch(self, until: str, signature: str, name: str) -> Response:
        """The file, or a plain line: whoever has no valid link learns nothing else."""
        whole = until.isascii() and until.isdigit() and len(until) < 16
        if not whole or not hmac.compare_digest(
            signature.encode(), self._sign(int(until), name).encode()
        ):
            return PlainTextResponse("This link is not valid. 链接无效。", status_code=403)
        if int(until) < self._now():
            text = "This link has expired; reload the page. 链接已过期，请刷新页面。"
            return PlainTextResponse(text, status_code=410)
        try:
            path = self._inputs.path(name)
        except NoSuchFile:
            return PlainTextResponse("This file is gone. 文件已不在。", status_code=404)
        # Never shown as a page of our own: a corpus may hold anything.
        shown = path.suffix == ".png"
        return FileResponse(
            path,
            filename=path.name,
            media_type="image/png" if shown else "application/octet-stream",
            content_disposition_type="inline" if shown else "attachment",
            headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"},
        )

    def _sign(self, until: int, name: str) -> str:
        return self._keyed(PURPOSE, f"{until}:{name}")
