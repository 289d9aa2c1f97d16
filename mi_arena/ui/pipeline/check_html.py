"""What is known before a fine-tune starts, as HTML: warnings, dialogues, steps, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mi_arena.ui.texts import Lang, said

GB = 1e9


def check_html(report: Mapping[str, Any], lang: Lang) -> str:
    """Of the report of ``training.finetune --check --json``."""
    warnings = "".join(f"<li>{escape(str(one))}</li>" for one in report["warnings"])
    verdict = said(lang, "check_warned" if warnings else "check_ok")
    kind = "plain" if warnings else "good"
    return (
        f'<section class="run-check"><p class="note {kind}" role="status">{verdict}</p>'
        + (f"<ul class=run-warnings>{warnings}</ul>" if warnings else "")
        + _memory(report["memory"], lang)
        + _numbers(report, lang)
        + _lengths(report["data"], lang)
        + "</section>"
    )


def _numbers(report: Mapping[str, Any], lang: Lang) -> str:
    data, steps, model = report["data"], report["steps"], report["model"]
    lengths = data["lengths"]
    told = [
        ("check_dialogues", f"{data['train']:,} + {data['validation']:,}"),
        ("check_tokens", f"{data['tokens']:,} / {data['target_tokens']:,}"),
        (
            "check_lengths",
            " / ".join(f"{lengths[key]:,.0f}" for key in ("median", "p90", "p99", "max")),
        ),
        ("check_cut", f"{data['cut']:,} / {data['rounds_cut']:,}"),
        ("check_padding", f"{data['padding_share']:.1%}"),
        ("check_steps", f"{steps['total']:,} ({steps['per_epoch']:,} × {steps['epochs']})"),
        ("check_step_size", f"{steps['dialogues_per_step']:,}"),
        ("check_parameters", f"{model['trainable']:,} / {model['parameters']:,}"),
        ("check_licence", str(model["licence"] or "–")),
    ]
    rows = "".join(
        f"<tr><th scope=row>{said(lang, key)}</th><td>{escape(value)}</td></tr>"
        for key, value in told
    )
    return f"<div class=scroll><table class=run-table>{rows}</table></div>"


def _memory(memory: Mapping[str, Any], lang: Lang) -> str:
    """Needed beside free, as a bar and as words; the estimate's parts beneath."""
    needed = memory["needed_bytes"] / GB
    parts = " · ".join(
        f"{escape(said(lang, f'memory_{name}'))} {size / GB:.2g} GB"
        for name, size in memory["parts"].items()
    )
    if memory["available_bytes"] is None:
        told = said(lang, "check_memory_elsewhere", needed=f"{needed:.2f}")
        return f"<p>{told}<br><small>{parts}</small></p>"
    free, device = memory["available_bytes"] / GB, memory["device"]
    place = said(lang, "check_main_memory") if device == "cpu" else device
    told = said(lang, "check_memory", needed=f"{needed:.2f}", free=f"{free:.2f}", device=place)
    share = min(1.0, needed / free) if free else 1.0
    return (
        f'<meter min="0" max="1" low="0.8" high="0.95" optimum="0" value="{share:.4f}" '
        f'aria-label="{escape(told)}"></meter><p>{told}<br><small>{parts}</small></p>'
    )


def _lengths(data: Mapping[str, Any], lang: Lang) -> str:
    """A histogram of lengths in tokens, and the longest dialogues by their ids."""
    bars: Sequence[Mapping[str, Any]] = data["histogram"]
    most = max((bar["count"] for bar in bars), default=0)
    drawn = "".join(
        f'<span class="bar" style="height:{100 * bar["count"] / most:.1f}%" '
        f'title="{bar["from"]:,}–{bar["to"]:,}: {bar["count"]:,}"></span>'
        for bar in bars
        if most
    )
    rows = "".join(
        f"<tr><td>{escape(str(one['id']))}</td><td>{one['tokens']:,}</td>"
        f"<td>{one['rounds_cut']:,}</td></tr>"
        for one in data["longest"]
    )
    head = "".join(
        f"<th scope=col>{said(lang, key)}</th>"
        for key in ("check_dialogue", "check_length", "check_rounds_cut")
    )
    caption = said(lang, "check_histogram")
    figure = (
        f'<figure class="histogram"><div role="img" aria-label="{caption}">{drawn}</div>'
        f"<figcaption>{caption}</figcaption></figure>"
        if drawn
        else ""
    )
    summary = said(lang, "check_longest")
    return (
        f"{figure}<details><summary>{summary}</summary>"
        f"<div class=scroll><table class=run-table><tr>{head}</tr>{rows}</table></div></details>"
    )
