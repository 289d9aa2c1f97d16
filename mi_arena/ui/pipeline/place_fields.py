"""Where a fine-tune is to run: this machine, its several GPUs, or rented ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import gradio as gr
import torch

from mi_arena.jobs.steps import Field, FormError, number_in
from mi_arena.ui.events import AT_ONCE
from mi_arena.ui.session import Session
from mi_arena.ui.texts import say

Kind = Literal["here", "gpus", "rented"]
GPUS = Field("gpus", "whole", low=2)
MOST_ON_A_CPU = 4
"""Processes; more of them only take the cores from each other."""
HOURS = Field("hours", "number", low=0)


@dataclass(frozen=True)
class Where:
    """What was chosen."""

    kind: Kind
    processes: int = 1
    options: list[str] = field(default_factory=list)
    """Of the script that rents."""


class PlaceFields:
    """Made inside a ``gr.Blocks`` context; what does not belong to a choice is hidden."""

    def __init__(self) -> None:
        with gr.Row():
            self.kind = gr.Radio(list(get_args(Kind)), value="here", elem_id="train-place")
            self.gpus = gr.Textbox(
                "2", max_length=3, elem_id="train-gpus", visible=False, min_width=120
            )
            self.flavor = gr.Textbox(
                "l40sx1", max_length=40, elem_id="train-flavor", visible=False, min_width=120
            )
            self.hours = gr.Textbox(
                "6", max_length=6, elem_id="train-hours", visible=False, min_width=120
            )
        self.kind.change(
            lambda kind: (
                gr.update(visible=kind == "gpus"),
                gr.update(visible=kind == "rented"),
                gr.update(visible=kind == "rented"),
            ),
            [self.kind],
            [self.gpus, self.flavor, self.hours],
            **AT_ONCE,
        )

    def inputs(self) -> list[Any]:
        return [self.kind, self.gpus, self.flavor, self.hours]

    def outputs(self) -> list[Any]:
        return self.inputs()

    def words(self, session: Session) -> dict[Any, Any]:
        lang = session.lang
        return {
            self.kind: gr.update(
                label=say(lang, "field_place"),
                choices=[(say(lang, f"place_{kind}"), kind) for kind in get_args(Kind)],
            ),
            self.gpus: gr.update(label=say(lang, "field_gpus")),
            self.flavor: gr.update(
                label=say(lang, "field_flavor"), info=say(lang, "field_flavor_info")
            ),
            self.hours: gr.update(label=say(lang, "field_hours")),
        }

    def read(self, given: Sequence[object]) -> Where:
        """Raises ``FormError`` for what can't be taken."""
        kind, gpus, flavor, hours = given
        if kind == "gpus":
            number = int(number_in(GPUS, gpus))
            most = torch.cuda.device_count() or MOST_ON_A_CPU
            if number > most:
                raise FormError("gpus", "refused", f"{number} is more than the {most} there are")
            return Where("gpus", number)
        if kind == "rented":
            name = str(flavor or "").strip()
            if not name:
                raise FormError("flavor", "missing")
            return Where(
                "rented", 1, [f"--flavor={name}", f"--timeout={number_in(HOURS, hours):g}h"]
            )
        return Where("here")
