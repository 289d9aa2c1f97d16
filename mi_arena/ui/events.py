"""How the handlers of the public pages run."""

from __future__ import annotations

from typing import Any

AT_ONCE: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""What only looks or stores must go through even when the queue is full or the tab closes."""
WAITING: dict[str, Any] = {
    "concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private",
}  # fmt: skip
"""For what only waits for the engine, which has a queue of its own."""
