"""A form's fields as Gradio components, and the button that begins a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from mi_arena.jobs.inputs import Inputs
from mi_arena.jobs.steps import Field, Form, Step
from mi_arena.ui.session import Session
from mi_arena.ui.texts import Lang, all_texts, say

LONG = ("file", "files", "several", "listed", "suggested")
"""Kinds of fields that take a line of their own."""


class FormFields:
    """Made inside a ``gr.Blocks`` context; more can be put into its ``frame``."""

    def __init__(self, form: Form, inputs: Inputs, *, unfolded: bool = False):
        self.form, self._inputs = form, inputs
        first = [field for field in form.fields if not field.more]
        rest = [field for field in form.fields if field.more]
        with gr.Accordion(form.id, open=unfolded, elem_id=f"step-{form.id}") as self.frame:
            self.lead = gr.Markdown()
            made = self._rows(first)
            if rest:
                with gr.Accordion("…", open=False) as self.more:
                    made |= self._rows(rest)
            else:
                self.more = None
        self.components = {field.name: made[field.name] for field in form.fields}

    def values(self, given: Sequence[object]) -> dict[str, object]:
        """What was entered, by field."""
        return dict(zip(self.components, given, strict=True))

    def inputs(self) -> list[Any]:
        return list(self.components.values())

    def outputs(self) -> list[Any]:
        frames = [self.frame, self.more] if self.more else [self.frame]
        return [*frames, self.lead, *self.components.values()]

    def words(self, session: Session) -> dict[Any, Any]:
        lang = session.lang
        words: dict[Any, Any] = {
            self.frame: gr.update(label=say(lang, f"step_{self.form.id}")),
            self.lead: say(lang, f"step_{self.form.id}_lead"),
        }
        if self.more:
            words[self.more] = gr.update(label=say(lang, "step_more"))
        for field in self.form.fields:
            words[self.components[field.name]] = gr.update(**self._label(field, lang))
        return words

    def choices(self) -> dict[Any, Any]:
        """The files that can be chosen now."""
        return {
            self.components[field.name]: gr.update(choices=self._inputs.names(field.endings))
            for field in self.form.fields
            if field.kind in ("file", "files")
        }

    def _label(self, field: Field, lang: Lang) -> dict[str, Any]:
        told: dict[str, Any] = {"label": say(lang, f"field_{field.name}")}
        if (key := f"field_{field.name}_info") in all_texts()[lang]:
            told["info"] = say(lang, key)
        return told

    def _rows(self, fields: Sequence[Field]) -> dict[str, Any]:
        """Files take a line of their own; the short fields stand beside each other."""
        made: dict[str, Any] = {}
        long = [field for field in fields if field.kind in LONG]
        short = [field for field in fields if field not in long]
        for field in long:
            made[field.name] = self._component(field)
        if short:
            with gr.Row():
                for field in short:
                    made[field.name] = self._component(field)
        return made

    def _component(self, field: Field) -> Any:
        name = f"{self.form.id}-{(field.handle or field.name).replace('_', '-')}"
        match field.kind:
            case "file" | "files":
                return gr.Dropdown([], value=None, multiselect=field.kind == "files", elem_id=name)
            case "choice":
                return gr.Dropdown(
                    list(field.choices), value=field.default, elem_id=name, min_width=150
                )
            case "several" | "listed":
                # Empty until an admin opens the tab: names would tell visitors what is compared.
                return gr.Dropdown(
                    [], value=None, multiselect=field.kind == "several", elem_id=name
                )
            case "suggested":
                return gr.Dropdown([], value=None, allow_custom_value=True, elem_id=name)
            case "whole" | "number":
                # Not gr.Number: an empty one sends 0, and empty means the script's own default.
                value = "" if field.default is None else str(field.default)
                return gr.Textbox(value, max_length=20, elem_id=name, min_width=150)
            case "check":
                return gr.Checkbox(value=bool(field.default), elem_id=name, min_width=150)
            case "lines" | "long":
                return gr.Textbox(lines=3, max_length=4_000, elem_id=name, min_width=320)
            case "text":
                return gr.Textbox(max_length=2_000, elem_id=name, min_width=200)


class StepForm(FormFields):
    """The fields of a step with their own button; the page connects ``begin``."""

    def __init__(self, step: Step, inputs: Inputs, *, unfolded: bool = False):
        super().__init__(step, inputs, unfolded=unfolded)
        self.step = step
        with self.frame:
            self.begin = gr.Button(variant="primary", elem_id=f"begin-{step.id}")
            # Told where it was asked: the top of the page may be out of sight.
            self.note = gr.HTML(elem_id=f"note-{step.id}")

    def outputs(self) -> list[Any]:
        return [*super().outputs(), self.begin, self.note]

    def words(self, session: Session) -> dict[Any, Any]:
        label = say(session.lang, f"step_{self.step.id}_begin")
        return {**super().words(session), self.begin: gr.update(value=label), self.note: ""}
