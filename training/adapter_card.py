"""The model card beside an adapter, written from its ``training.json`` alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

TEMPLATE = Path(__file__).with_name("adapter_card.md")


def adapter_card(record: dict[str, Any], name: str, licence: str | None) -> str:
    """Markdown with the Hub's front matter."""
    config, data, loss = record["config"], record["data"], record["loss"]
    front = {
        "base_model": config["base"],
        "library_name": "peft",
        "language": "zh",
        "pipeline_tag": "text-generation",
        "tags": ["motivational-interviewing", "lora"],
    }
    held = record["validation_data"] or data
    return TEMPLATE.read_text(encoding="utf-8").format_map(
        {
            "front": yaml.safe_dump(front, allow_unicode=True, sort_keys=False).strip(),
            "name": name,
            "base": config["base"],
            "revision": record["base_commit"] or config["revision"] or "as it lay in its folder",
            "format": config["format"],
            "system_prompt": record["system_prompt"] or "null (none was used)",
            "licence": licence or "not known to the program: see the base's own card",
            "train": data["dialogues_train"],
            "validation": data["dialogues_validation"],
            "left_out": data["left_out_quality"],
            "test_split": data["left_out_test_split"],
            "cut": data["cut"],
            "rounds_cut": data["rounds_cut"],
            "manifest": data["manifest_sha256"],
            "validation_manifest": held["manifest_sha256"],
            "unit": loss["unit"],
            "losses": losses_table(loss),
            "stopped": "It stopped early." if loss["stopped_early"] else "It ran to its end.",
            "parameters": f"{record['trainable_parameters']:,}",
            "config": yaml.safe_dump(config, allow_unicode=True, sort_keys=False).strip(),
            "versions": ", ".join(f"{k} {v}" for k, v in record["versions"].items()),
        }
    )


def losses_table(loss: dict[str, Any]) -> str:
    rows = ["| epoch | step | train | validation |", "|---|---|---|---|"]
    for one in loss["epochs"]:
        kept = " (kept)" if one["epoch"] == loss["best_epoch"] else ""
        train, validation = (
            "not measured" if one[key] is None else f"{one[key]:.4f}"
            for key in ("train_loss", "validation_loss")
        )
        rows.append(f"| {one['epoch']}{kept} | {one['step']} | {train} | {validation} |")
    return "\n".join(rows)
