"""Pages on which a component that doesn't change costs nothing.

Gradio makes a component anew for every output that isn't given a plain value, ``gr.skip()`` among
them, and does it on the one thread that serves everybody: about half a millisecond each. A page of
two hundred outputs of which one changes kept all others waiting.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import convert_component_dict_to_list
from gradio.state_holder import SessionState

UNCHANGED = gr.skip()


class Pages(gr.Blocks):
    """``gr.Blocks`` that hands Gradio only what changes."""

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any],
        state: SessionState | None,
    ) -> list[Any]:  # fmt: skip
        """What goes to the browser, by output."""
        outputs = list(block_fn.outputs)
        if isinstance(predictions, dict) and predictions:
            predictions = convert_component_dict_to_list(outputs, predictions)
        given = predictions if isinstance(predictions, list | tuple) else [predictions]
        if block_fn.batch or len(given) != len(outputs):
            return await super().postprocess_data(block_fn, predictions, state)
        told: list[Any] = [None if output.stateful else dict(UNCHANGED) for output in outputs]
        changed = [number for number, value in enumerate(given) if not _is_unchanged(value)]
        if changed:
            only = copy(block_fn)
            only.outputs = [outputs[number] for number in changed]
            values = [given[number] for number in changed]
            made = await super().postprocess_data(
                only, values if len(values) > 1 else values[0], state
            )
            for number, value in zip(changed, made, strict=True):
                told[number] = value
        return told


def _is_unchanged(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == UNCHANGED.keys()
