"""Pages on which a component that doesn't change costs nothing, nor does a visitor's coming.

Gradio makes a component anew for every output that isn't given a plain value, ``gr.skip()`` among
them, and writes down every component's settings for every visitor, which only its deep links read.
It does so on the one thread that serves everybody, about half a millisecond a component: a reply
that grew, or a visitor who came, kept all others waiting.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block, BlocksConfig, convert_component_dict_to_list
from gradio.renderable import Renderable
from gradio.state_holder import SessionState

UNCHANGED = gr.skip()


class Pages(gr.Blocks):
    """``gr.Blocks`` that hands Gradio only what changes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.default_config = _Config(self)

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any],
        state: SessionState | None,
    ) -> list[Any]:  # fmt: skip
        """What goes to the browser, by output."""
        outputs = list(block_fn.outputs)
        if isinstance(predictions, dict) and predictions:
            predictions = convert_component_dict_to_list(outputs, predictions)
        given = [predictions] if len(outputs) == 1 else predictions
        if block_fn.batch or not isinstance(given, list | tuple) or len(given) != len(outputs):
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


class _Config(BlocksConfig):
    """All components; each session gets a copy, in which it keeps those that it changed."""

    def __copy__(self) -> BlocksConfig:
        copied = super().__copy__()
        copied.__class__ = _SessionConfig
        return copied


class _SessionConfig(BlocksConfig):
    @staticmethod
    def config_for_block(
        _id: int, rendered_ids: list[int], block: Block, renderable: Renderable | None = None
    ) -> dict[str, Any]:
        """Nothing, but for what a page renders anew."""
        if renderable is None:
            return {}
        return BlocksConfig.config_for_block(_id, rendered_ids, block, renderable)


def _is_unchanged(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == UNCHANGED.keys()
