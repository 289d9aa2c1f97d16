"""What experts said of a run's rewritings, as HTML from ``review_report.json``."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from mi_arena.ui.texts import Lang, said

COLUMNS = (
    "review_prompt_version", "review_n", "review_accepted", "review_edited", "review_rejected",
    "review_accepted_share", "review_usable_share",
)  # fmt: skip


def review_html(report: Mapping[str, Any], lang: Lang) -> str:
    """Acceptance by prompt version, and why dialogues were rejected; empty if it isn't ours."""
    try:
        rows = [(escape(str(v)), t) for v, t in report["by_prompt_version"].items()]
        if len(rows) > 1:
            rows.append((said(lang, "review_all"), report["all"]))
        table = "".join(_row(name, tally, lang) for name, tally in rows)
        method = str(report["all"]["accepted_share"]["method"])
        reasons = "".join(
            f"<li><b>{escape(str(one['dialogue']))}</b>：{escape(str(one['reason']))}</li>"
            for one in report["all"]["reasons"]
        )
        n = len(report["all"]["reasons"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""
    heads = "".join(f"<th scope=col>{said(lang, key)}</th>" for key in COLUMNS)
    listed = f"<summary>{said(lang, 'review_reasons', n=n)}</summary><ul>{reasons}</ul>"
    why = f"<details>{listed}</details>" if reasons else ""
    return (
        f'<section class="review-report"><h4>{said(lang, "review_result")}</h4>'
        f'<div class="scroll"><table class="run-table"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{table}</tbody></table></div>"
        f"<p>{said(lang, 'review_method', method=method)}</p>{why}</section>"
    )


def _row(name: str, tally: Mapping[str, Any], lang: Lang) -> str:
    counts = "".join(f"<td>{tally[key]:,}</td>" for key in ("n", "accepted", "edited", "rejected"))
    shares = "".join(
        f"<td>{_interval(tally[key], lang)}</td>"
        for key in ("accepted_share", "accepted_or_edited_share")
    )
    return f"<tr><th scope=row>{name}</th>{counts}{shares}</tr>"


def _interval(share: Mapping[str, Any], lang: Lang) -> str:
    if share["value"] is None:
        return said(lang, "review_undefined")
    value, low, high = (f"{100 * share[key]:.0f}" for key in ("value", "low", "high"))
    return said(lang, "review_interval", value=value, low=low, high=high)
