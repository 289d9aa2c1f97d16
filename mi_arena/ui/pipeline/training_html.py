"""What a fine-tune tells while it runs and when it has ended, as HTML: numbers, losses, samples."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import yaml

from mi_arena.jobs.finetune_form import differences
from mi_arena.jobs.viewing import RunView, metrics
from mi_arena.ui.texts import Lang, said

SAMPLES = "samples.jsonl"
CONFIG = "config.yaml"
MOST_SAMPLES = 400
"""Replies that are read, the last ones; a prompt is answered once an evaluation."""
GB = 1e9


def training_html(run: RunView, lang: Lang) -> str:
    """Empty where nothing has been measured yet."""
    records = metrics(run.path)
    return numbers_html(records, lang) + losses_html(records, lang) + samples_html(run, lang)


def numbers_html(records: Sequence[Mapping[str, Any]], lang: Lang) -> str:
    """Where it stands now, and the best validation loss beside the base's own."""
    last: Mapping[str, Any] = next((r for r in reversed(records) if "loss" in r), {})
    measured = [r for r in records if isinstance(r.get("validation_loss"), int | float)]
    told: list[tuple[str, str]] = []
    for name, shown in (
        ("loss", "{:.4f}"),
        ("learning_rate", "{:.2e}"),
        ("tokens_per_second", "{:,.0f}"),
    ):
        if isinstance(last.get(name), int | float):
            told.append((said(lang, f"metric_{name}"), shown.format(last[name])))
    if isinstance(last.get("memory_bytes"), int | float):
        told.append((said(lang, "metric_memory"), f"{last['memory_bytes'] / GB:.2f} GB"))
    if measured:
        best = min(measured, key=lambda record: record["validation_loss"])
        text = f"{best['validation_loss']:.4f}"
        base = next((r["validation_loss"] for r in measured if r.get("step") == 0), None)
        if base is not None and best.get("step", 0) > 0:
            text += f" ({best['validation_loss'] - base:+.4f} {said(lang, 'metric_from_base')})"
        told.append((said(lang, "metric_best"), text))
    items = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in told)
    return f'<dl class="run-numbers">{items}</dl>' if items else ""


def losses_html(records: Sequence[Mapping[str, Any]], lang: Lang) -> str:
    """Every evaluation, a row each."""
    measured = [r for r in records if "epoch" in r and "step" in r]
    if not measured:
        return ""
    losses = [r["validation_loss"] for r in measured if r.get("validation_loss") is not None]
    rows = "".join(_loss_row(record, min(losses, default=None), lang) for record in measured)
    head = "".join(
        f"<th scope=col>{said(lang, key)}</th>"
        for key in ("plot_epoch", "plot_step", "plot_train", "plot_validation")
    )
    table = f"<div class=scroll><table class=run-table><tr>{head}</tr>{rows}</table></div>"
    return f"<details open><summary>{said(lang, 'train_losses')}</summary>{table}</details>"


def samples_html(run: RunView, lang: Lang) -> str:
    """Replies to the fixed prompts, the latest first: how the style changes."""
    by_prompt: dict[str, list[tuple[int, str]]] = {}
    for line in _text(run.path / SAMPLES).splitlines()[-MOST_SAMPLES:]:
        try:
            record = json.loads(line)
            by_prompt.setdefault(record["prompt"], []).append((record["step"], record["reply"]))
        except (ValueError, KeyError, TypeError):
            continue  # half a line, while it is being written
    parts = []
    for prompt, replies in by_prompt.items():
        rows = "".join(
            f"<tr><th scope=row>{said(lang, 'train_base') if step == 0 else f'{step:,}'}</th>"
            f"<td>{escape(reply)}</td></tr>"
            for step, reply in reversed(replies)
        )
        parts.append(
            f"<h4>{said(lang, 'result_client')}：{escape(prompt)}</h4>"
            f'<table class="run-table samples"><tr>'
            f"<th scope=col>{said(lang, 'plot_step')}</th>"
            f"<th scope=col>{said(lang, 'train_reply')}</th></tr>{rows}</table>"
        )
    if not parts:
        return ""
    summary = said(lang, "train_samples")
    return f"<details open><summary>{summary}</summary>{''.join(parts)}</details>"


def comparison_html(runs: Sequence[RunView], lang: Lang) -> str:
    """What differs between runs, their best losses first."""
    configs = [read_config(run) for run in runs]
    rows = [_row(said(lang, "metric_best"), [_best(run) for run in runs])]
    rows += [
        _row(escape(key), [_short(value) for value in values])
        for key, values in differences(configs).items()
    ]
    head = "".join(f"<th scope=col>{escape(run.name)}</th>" for run in runs)
    return (
        f'<div class="scroll"><table class=run-table><tr><th scope=col></th>{head}</tr>'
        f"{''.join(rows)}</table></div>"
    )


def read_config(run: RunView) -> dict[str, Any]:
    """The run's whole config, or nothing where it can't be read."""
    try:
        config = yaml.safe_load((run.path / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return config if isinstance(config, dict) else {}


def _loss_row(record: Mapping[str, Any], lowest: float | None, lang: Lang) -> str:
    validation = record.get("validation_loss")
    kept = lowest is not None and validation == lowest and record["step"] > 0
    mark = f" <strong>{said(lang, 'train_best')}</strong>" if kept else ""
    epoch = said(lang, "train_base") if record["step"] == 0 else f"{record['epoch']:g}"
    return (
        f"<tr><td>{epoch}{mark}</td><td>{record['step']:,}</td>"
        f"<td>{_loss(record.get('train_loss'))}</td><td>{_loss(validation)}</td></tr>"
    )


def _loss(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, int | float) else "–"


def _best(run: RunView) -> str:
    losses = [
        record["validation_loss"]
        for record in metrics(run.path)
        if isinstance(record.get("validation_loss"), int | float) and record.get("step")
    ]
    return f"{min(losses):.4f}" if losses else "–"


def _short(value: object) -> str:
    text = (
        "–" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else value
    )
    return escape(str(text))


def _row(name: str, values: Sequence[str]) -> str:
    cells = "".join(f"<td>{value}</td>" for value in values)
    return f"<tr><th scope=row>{name}</th>{cells}</tr>"


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
