"""How the handlers of the public pages run."""

from __future__ import annotations

from typing import Any

# No component is told how far an event is: none shows it, and each one told costs the browser a
# search through all, a second in all on a page of this size.
UNTOLD: dict[str, Any] = {
    "show_progress": "hidden", "show_progress_on": [], "api_visibility": "private",
}  # fmt: skip
AT_ONCE: dict[str, Any] = {"queue": False, **UNTOLD}
"""What only looks or stores must go through even when the queue is full or the tab closes."""
WAITING: dict[str, Any] = {"concurrency_limit": None, **UNTOLD}
"""For what only waits for the engine, which has a queue of its own."""
