"""A server of tests on 127.0.0.1 for as long as a ``with`` block lasts, its threads too."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self


class HttpStandIn:
    """``url`` is its address; handlers find it as their ``server_of_tests``."""

    handler: ClassVar[type[BaseHTTPRequestHandler]]

    def __enter__(self) -> Self:
        self.changed = threading.Condition()
        self.closing = threading.Event()
        kept = type("Handler", (self.handler,), {"server_of_tests": self})

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Quiet: clients that are killed hang up."""

        self._http = Server(("127.0.0.1", 0), kept)
        self.url = f"http://127.0.0.1:{self._http.server_port}/v1"
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.02,), name="stand-in", daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
