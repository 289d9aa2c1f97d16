"""The report of a check for people: a short table, then the warnings."""

from __future__ import annotations

from typing import Any

from mi_arena.engine.residency import GB

LEFT_OUT = {
    "left_out_quality": "of other quality",
    "left_out_test_split": "of the test split",
    "left_out_no_counselor_turn": "without a counsellor turn",
    "left_out_too_long": "too long",
}


def table(report: dict[str, Any]) -> str:
    """Of a report whose fine-tune can start."""
    rows = {**_data(report["data"]), **_run(report)}
    lines = [f"{name:<10} {value}" for name, value in rows.items()]
    return "\n".join([*lines, *(f"warning: {warning}" for warning in report["warnings"])])


def _data(data: dict[str, Any]) -> dict[str, str]:
    left_out = [f"{data[key]:,} {words}" for key, words in LEFT_OUT.items() if data[key]]
    lengths = data["lengths"]
    longest = [
        f"{one['id']} {one['tokens']:,}"
        + (f" (loses {one['rounds_cut']} rounds)" if one["rounds_cut"] else "")
        for one in data["longest"]
    ]
    return {
        "dialogues": f"{data['read']:,} read, {data['used']:,} used: {data['train']:,} to learn "
        f"from, {data['validation']:,} to validate on",
        "left out": ", ".join(left_out) or "none",
        "cut": f"{data['cut']:,} dialogues lose {data['rounds_cut']:,} late rounds",
        "tokens": f"{data['tokens']:,} in a pass, {data['target_tokens']:,} with loss; "
        f"{data['padding_share']:.1%} of the batches is padding",
        "length": f"median {lengths['median']:,}, 90 % up to {lengths['p90']:,}, 99 % up to "
        f"{lengths['p99']:,}, longest {lengths['max']:,}",
        "longest": ", ".join(longest),
    }


def _run(report: dict[str, Any]) -> dict[str, str]:
    steps, model, memory = report["steps"], report["model"], report["memory"]
    known = memory["available_bytes"] is not None
    free = f", {memory['available_bytes'] / GB:.2f} GB free on {memory['device']}" if known else ""
    parts = ", ".join(f"{name} {size / GB:.2f}" for name, size in memory["parts"].items())
    return {
        "steps": f"{steps['total']:,} ({steps['epochs']} x {steps['per_epoch']:,}) of "
        f"{steps['dialogues_per_step']:,} dialogues; {steps['evaluations']:,} evaluations",
        "model": f"{model['parameters']:,} parameters and {model['trainable']:,} to train; context "
        f"{model['context']:,}; licence {model['licence'] or 'not known'}",
        "memory": f"about {memory['needed_bytes'] / GB:.2f} GB needed" + free,
        "": parts,
    }
