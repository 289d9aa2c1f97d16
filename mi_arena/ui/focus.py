"""Where the keyboard goes on, once a page has put away what was pressed."""

from __future__ import annotations

import json

_FOCUS = """() => {
  let tries = 0;
  const lost = () => [null, document.body].includes(document.activeElement);
  const go = () => {
    // Whoever went on by themselves meanwhile is left where they are.
    if (!lost()) return;
    const found = [...document.querySelectorAll(SELECTOR)].find(
      (one) => one.offsetParent !== null && !one.disabled);
    const scroll = found?.hasAttribute("data-scroll");
    if (found) found.focus({ preventScroll: true });
    if (scroll) found.scrollIntoView({ block: "start" });
    if (lost() && (tries += 1) < 20) setTimeout(go, 100);
  };
  setTimeout(go, 50);
}"""


def focus_on(selector: str) -> str:
    """A script for Gradio: focus the first of these that can be seen, where focus is lost.

    The page may still be painting, so it looks for two seconds. One with ``data-scroll`` is brought
    into view.
    """
    return _FOCUS.replace("SELECTOR", json.dumps(selector))
