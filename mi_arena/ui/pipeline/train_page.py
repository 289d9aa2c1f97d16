"""The Train tab: a recipe and what is changed in it, checks, a run that is watched, the arena."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from mi_arena.access.audit import Audit, Outcome
from mi_arena.access.identity import Identities
from mi_arena.jobs.finetune_check import CannotStart, check
from mi_arena.jobs.finetune_form import (
    ADAPTER,
    CONFIG_NAME,
    FORM,
    MODULE,
    ON_HUB,
    Recipe,
    config_of,
    config_text,
    form_values,
    not_here,
    recipe_of,
    recipes,
)
from mi_arena.jobs.places import HERE, Gpus, Place
from mi_arena.jobs.run_directory import write_atomically
from mi_arena.jobs.steps import FormError
from mi_arena.jobs.viewing import RunView
from mi_arena.pairs import Pair
from mi_arena.serving import CannotServe
from mi_arena.settings import ROOT
from mi_arena.ui.events import UNTOLD
from mi_arena.ui.pipeline.admins import Acted, Admins, Updates
from mi_arena.ui.pipeline.check_html import check_html
from mi_arena.ui.pipeline.comparison_part import Compared, ComparisonPart
from mi_arena.ui.pipeline.loss_plot import losses_of
from mi_arena.ui.pipeline.place_fields import PlaceFields
from mi_arena.ui.pipeline.runs_panel import RunsPanel, told
from mi_arena.ui.pipeline.step_form import FormFields
from mi_arena.ui.pipeline.tools import PipelineTools
from mi_arena.ui.pipeline.training_html import CONFIG, comparison_html, read_config, training_html
from mi_arena.ui.pipeline.training_part import TrainingPart
from mi_arena.ui.session import Session
from mi_arena.ui.texts import Lang, say
from mi_arena.ui.transcript import note_html
from mi_arena.ui.updates import merged

SCRIPTS = frozenset({MODULE, ON_HUB})
COMPARED = Compared("train", SCRIPTS, CONFIG, losses_of, comparison_html)
DEFAULT_RECIPE = "demo"
BROUGHT = ("format", "revision", "dtype")
"""Fields that follow the base."""
UNNAMED = "RUN"
"""Stands in the shown command for the folder that a start will make."""


class TrainPage:
    """Made inside a ``gr.Blocks`` context; for admins, and every handler asks."""

    def __init__(
        self,
        tools: PipelineTools,
        identities: Identities,
        browser: gr.BrowserState,
        audit: Audit,
    ):
        self._launcher, self._inputs = tools.launcher, tools.inputs
        self._bases = [pair for pair in tools.pairs if pair.server is None]
        self._recipes = recipes()
        self.heading = gr.Markdown()
        with gr.Row():
            # Empty until an admin opens the tab: what is on the page, every visitor's browser has.
            self.recipe = gr.Dropdown([], elem_id="train-recipe", filterable=False)
            self.name = gr.Textbox(max_length=40, elem_id="train-name")
        self.left_out = gr.HTML(elem_id="train-left-out")
        self.form = FormFields(FORM, tools.inputs, unfolded=True)
        with self.form.frame:
            self.place = PlaceFields()
            with gr.Row():
                self.check = gr.Button(elem_id="train-check")
                self.begin = gr.Button(variant="primary", elem_id="train-begin")
            self.note = gr.HTML(elem_id="train-note")
            self.checked = gr.HTML(elem_id="train-checked")
            self.command = gr.Code(
                language="shell", interactive=False, elem_id="train-command", lines=1,
                wrap_lines=True, visible=False,
            )  # fmt: skip
            self.yaml = gr.Code(
                language="yaml", interactive=False, elem_id="train-yaml", lines=3, max_lines=40,
                visible=False,
            )  # fmt: skip
        # Two places for messages: what is told stands where it was asked.
        self.run_note = gr.HTML(elem_id="train-run-note")
        admins, of_runs = (Admins(identities, note, audit) for note in (self.note, self.run_note))
        self.part = TrainingPart(tools.launcher, tools.serving)
        self.comparison = ComparisonPart(tools.launcher, COMPARED)
        self.runs = RunsPanel(
            "train",
            tools.launcher,
            SCRIPTS,
            tools.downloads,
            self._result,
            lambda _: self._choices(),
            [*self.form.choices(), self.comparison.chosen],
            of_runs,
            browser,
            self.part,
            beside_first=True,
        )
        self.comparison.make()
        self._connect(admins, of_runs, browser)

    def _connect(self, admins: Admins, of_runs: Admins, browser: gr.BrowserState) -> None:
        quiet: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
        place = self.place.inputs()
        fields = [browser, self.recipe, self.name, *place, *self.form.inputs()]
        preview = [self.command, self.yaml]
        chosen = self.runs.parts.chosen
        filled = [
            *self.form.inputs(), self.recipe, self.left_out, *preview, self.note, self.checked
        ]  # fmt: skip
        self.recipe.input(
            admins.only(self.on_recipe), [browser, self.recipe, *place], filled, **quiet
        )
        base = self.form.components["base"]
        brought = [self.form.components[name] for name in BROUGHT]
        previewed: dict[str, Any] = {
            "fn": admins.only(self.on_preview),
            "inputs": [browser, *preview, *fields[1:]],
            "outputs": [*preview, self.note, self.checked],
            **UNTOLD,
        }
        base.input(
            admins.only(self.on_base), [browser, base], [*brought, self.note], **UNTOLD
        ).then(**previewed)
        # What a person enters, and no more: a form that is filled in shows its preview itself, and
        # would else ask for one for every field. A text tells of keys alone while it is entered,
        # not of what is pasted or taken out.
        entered = [field for field in (*place, *self.form.inputs()) if field is not base]
        texts = [field for field in entered if isinstance(field, gr.Textbox)]
        gr.on(
            [*(field.input for field in entered), *(field.blur for field in texts)],
            trigger_mode="always_last",
            **previewed,
        )
        self.check.click(
            admins.only(self.on_check),
            fields,
            [self.checked, *preview, self.note],
            **(quiet | {"show_progress": "full", "show_progress_on": [self.checked]}),
        )
        self.begin.click(
            admins.act("begin-train", self.on_begin),
            fields,
            [self.note, self.checked, *self._changed_outputs(), *self.runs.outputs()],
            **quiet,
        )
        part = self.part.parts
        part.clone.click(
            of_runs.only(self.on_clone),
            [browser, chosen, *place],
            [*filled, self.run_note],
            **quiet,
        )
        for name, button, action in (
            ("serve", part.serve, self.part.serve),
            ("unserve", part.unserve, self.part.unserve),
        ):
            button.click(
                of_runs.act(name, self._told(action)),
                [browser, chosen],
                [self.run_note, *self._changed_outputs(), *self.runs.outputs()],
                **(quiet | {"show_progress": "full", "show_progress_on": [self.run_note]}),
            )
        self.comparison.chosen.change(
            of_runs.only(self.comparison.compare),
            [browser, self.comparison.chosen],
            [*self.comparison.outputs(), self.run_note],
            **quiet,
        )
        self.opened: dict[str, Any] = {
            "fn": admins.only(self.on_open),
            "inputs": [browser, chosen, base, *place],
            "outputs": [
                *dict.fromkeys([*self.outputs(), *filled, self.run_note, *self._changed_outputs()])
            ],
            **quiet,
        }

    def outputs(self) -> list[Any]:
        return [
            self.heading, self.recipe, self.name, self.check, self.begin, self.command, self.yaml,
            *self.form.outputs(), *self.place.outputs(), *self.runs.outputs(),
            *self.comparison.outputs(),
        ]  # fmt: skip

    def words(self, session: Session) -> Updates:
        """For admins alone: the labels too would tell a visitor what is tuned, and how."""
        lang = session.lang
        return {
            self.heading: f"## {say(lang, 'train_title')}\n{say(lang, 'train_lead')}",
            self.recipe: gr.update(
                choices=list(self._recipes),
                label=say(lang, "train_recipe"),
                info=say(lang, "train_recipe_info"),
            ),
            self.name: gr.update(label=say(lang, "train_name"), info=say(lang, "train_name_info")),
            self.check: gr.update(value=say(lang, "train_check")),
            self.begin: gr.update(value=say(lang, "train_begin")),
            self.command: gr.update(label=say(lang, "train_command")),
            self.yaml: gr.update(label=say(lang, "train_yaml")),
            **self.form.words(session),
            **self.place.words(session),
            **self.runs.words(session),
            **self.comparison.words(session),
        }

    # ---- actions of an admin

    def on_open(self, session: Session, chosen: object, base: object, *place: object) -> Updates:
        first: Updates = {}
        if not base:
            first = self._fill(session, self._recipes[DEFAULT_RECIPE], place)
        # The form last: the runs' part only offers the files that are there.
        return merged(
            self.words(session),
            {self.note: "", self.run_note: ""},
            self._choices(),
            self.runs.look(session, chosen),
            first,
        )

    def on_recipe(self, session: Session, recipe: object, *place: object) -> Updates:
        known = self._recipes.get(str(recipe), self._recipes[DEFAULT_RECIPE])
        return self._fill(session, known, place)

    def on_clone(self, session: Session, chosen: object, *place: object) -> Updates:
        run = self._launcher.status(str(chosen))
        filled = self._fill(session, recipe_of(run.name, read_config(run)), place)
        return {**filled, self.run_note: told(session, "train_cloned", "good", name=run.name)}

    def on_base(self, session: Session, base: object) -> Updates:
        """A base of the registry brings its chat format, revision and precision along."""
        known = next((pair for pair in self._bases if base_name(pair) == base), None)
        if known is None:
            return {self.note: "", self.form.components["revision"]: ""}
        values = (known.format, known.base.revision or "", known.dtype)
        brought = dict(zip(BROUGHT, values, strict=True))
        return {self.form.components[name]: value for name, value in brought.items()}

    def on_preview(
        self,
        session: Session,
        command: object,
        yaml: object,
        recipe: object,
        name: object,
        *given: object,
    ) -> Updates:
        """The config and the command as they would be; what is missing yet is no fault.

        What was checked stands for as long as they are the same.
        """
        try:
            found = self._preview(recipe, *given)
            same = [found[part]["value"] for part in (self.command, self.yaml)] == [command, yaml]
            return {self.note: ""} if same else {**found, self.note: "", self.checked: ""}
        except FormError as error:
            if error.code == "missing":
                hidden = gr.update(visible=False)
                return {self.yaml: hidden, self.command: hidden, self.note: "", self.checked: ""}
            return {self.note: self._refused(session, error), self.checked: ""}

    def on_check(self, session: Session, recipe: object, name: object, *given: object) -> Updates:
        try:
            text, place, module, _ = self._asked(self._unnamed(), recipe, *given)
        except FormError as error:
            return {self.note: self._refused(session, error), self.checked: ""}
        devices = place.processes if isinstance(place, Gpus) else 1
        try:
            told = check_html(check(text, devices, module == ON_HUB), session.lang)
        except CannotStart as error:
            told = note_html(str(error), "bad")
        return {self.checked: told, self.note: "", **self._preview(recipe, *given)}

    def on_begin(self, session: Session, recipe: object, name: object, *given: object) -> Acted:
        title = str(name or "").strip() or f"train-{recipe or DEFAULT_RECIPE}"
        folder = self._launcher.new_folder(title).resolve()
        try:
            text, place, module, options = self._asked(folder, recipe, *given)
        except FormError as error:
            folder.rmdir()
            return Acted({self.note: self._refused(session, error)}, None, "refused")
        write_atomically(folder / CONFIG_NAME, text)
        arguments = [str(folder / CONFIG_NAME), f"--out={folder}", *options]
        run = self._launcher.submit(folder, module, arguments, place)
        updates: Updates = {
            self.note: told(session, "data_begun", "good", name=run.name),
            self.checked: "",
            **self._choices(),
            **self.runs.look(session, run.name),
        }
        return Acted(updates, run.name)

    # ---- inside

    def _told(self, action: Any) -> Any:
        def act(session: Session, chosen: object) -> Acted:
            outcome: Outcome = "done"
            try:
                note = action(session, chosen)
            except CannotServe as error:
                note, outcome = note_html(str(error), "bad"), "refused"
            updates = {self.run_note: note, **self.runs.look(session, chosen)}
            return Acted(updates, str(chosen), outcome)

        return act

    def _asked(
        self, folder: Path, recipe: object, *given: object
    ) -> tuple[str, Place, str, list[str]]:
        """The config's text, where to run it, by which script, with which options more."""
        size = len(self.place.inputs())
        where = self.place.read(given[:size])
        config = config_of(self.form.values(given[size:]), self._inputs, folder / ADAPTER)
        begun = str(recipe) if recipe in self._recipes else None
        place = Gpus(where.processes) if where.kind == "gpus" else HERE
        module = ON_HUB if where.kind == "rented" else MODULE
        return config_text(config, begun), place, module, where.options

    def _unnamed(self) -> Path:
        return (self._launcher.root / UNNAMED).resolve()

    def _preview(self, recipe: object, *given: object) -> Updates:
        folder = self._unnamed()
        text, place, module, options = self._asked(folder, recipe, *given)
        words = place.words(module, [str(folder / CONFIG_NAME), f"--out={folder}", *options])
        # As one would type it in the project's folder.
        typed = shlex.join(["python", *words[1:]]).replace(f"{ROOT}/", "")
        return {
            self.yaml: gr.update(value=text.replace(f"{ROOT}/", ""), visible=True),
            self.command: gr.update(value=typed, visible=True),
        }

    def _fill(self, session: Session, recipe: Recipe, place: Sequence[object]) -> Updates:
        """The form by a recipe, and what it comes to."""
        values = form_values(recipe, self._inputs)
        filled: Updates = {
            component: gr.update(value=values[name])
            for name, component in self.form.components.items()
        }
        for component, update in self._choosers(session.lang).items():
            filled[component] = update | filled[component]
        chosen = recipe.name if recipe.name in self._recipes else None
        names = ("、" if session.lang == "zh" else ", ").join(not_here(recipe, self._inputs))
        left_out = told(session, "train_left_out", "plain", names=names) if names else ""
        given = [*place, *(values[name] for name in self.form.components)]
        return {
            **filled,
            **self.on_preview(session, None, None, chosen, None, *given),
            self.recipe: gr.update(value=chosen),
            self.left_out: left_out,
        }

    def _choosers(self, lang: Lang) -> Mapping[Any, dict[str, Any]]:
        bases = [(f"{getattr(p.name, lang)} · {base_name(p)}", base_name(p)) for p in self._bases]
        return {
            **self.form.choices(),
            self.form.components["base"]: gr.update(choices=bases),
        }

    def _choices(self) -> Updates:
        return {**self.form.choices(), **self.comparison.choices()}

    def _changed_outputs(self) -> list[Any]:
        return [*self.form.choices(), self.comparison.chosen]

    def _result(self, run: RunView, lang: Lang) -> str:
        return training_html(run, lang)

    def _refused(self, session: Session, error: FormError) -> str:
        label = say(session.lang, f"field_{error.field}")
        return told(session, f"form_{error.code}", "bad", field=label, reason=error.reason)


def base_name(pair: Pair) -> str:
    """A pair's base as a config names it: a repository, or a folder of the project."""
    if pair.base.repo:
        return pair.base.repo
    path = Path(str(pair.base.path))
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
