"""The Evaluate tab: reports, talks and a judge's codes as runs, compared, and round by round."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from mi_arena.access.audit import Audit
from mi_arena.access.identity import Identities
from mi_arena.jobs.command import kept
from mi_arena.jobs.evaluate_steps import REPORT_MODULE, evaluate_steps
from mi_arena.jobs.launching import JobError
from mi_arena.pairs import Pair, RegistryError, load_registry
from mi_arena.ui.pipeline.admins import Admins, Updates
from mi_arena.ui.pipeline.beginning import beginner
from mi_arena.ui.pipeline.comparison_part import Compared, ComparisonPart
from mi_arena.ui.pipeline.evaluation_html import EvaluationResults
from mi_arena.ui.pipeline.evaluations import REPORT, evaluations_figure, evaluations_html
from mi_arena.ui.pipeline.rounds_part import RoundsPart
from mi_arena.ui.pipeline.runs_panel import RunsPanel, told
from mi_arena.ui.pipeline.step_form import StepForm
from mi_arena.ui.pipeline.tools import BUILT_IN, PipelineTools
from mi_arena.ui.pipeline.training_part import PAIR
from mi_arena.ui.session import Session
from mi_arena.ui.texts import say
from mi_arena.ui.updates import merged

TEST_SET = "mi_zh/test.jsonl"
"""Chosen until somebody chooses another."""
TO_THE_TOP = "() => document.querySelector('#rounds').scrollIntoView()"
COMPARED = Compared(
    "evaluate", frozenset({REPORT_MODULE}), REPORT, evaluations_figure, evaluations_html
)


class EvaluatePage:
    """Made inside a ``gr.Blocks`` context; for admins, and every handler asks."""

    def __init__(
        self,
        tools: PipelineTools,
        identities: Identities,
        browser: gr.BrowserState,
        audit: Audit,
    ):
        assert TEST_SET in BUILT_IN
        self._tools = tools
        steps = evaluate_steps(tools.data.resolve())
        self.heading = gr.Markdown()
        self.note = gr.HTML(elem_id="evaluate-note")
        admins = Admins(identities, self.note, audit)
        self.forms = [
            StepForm(step, tools.inputs, unfolded=number == 0) for number, step in enumerate(steps)
        ]
        self.rounds = RoundsPart(tools.launcher)
        self.comparison = ComparisonPart(tools.launcher, COMPARED)
        self.runs = RunsPanel(
            "evaluate",
            tools.launcher,
            frozenset(step.module for step in steps),
            tools.downloads,
            EvaluationResults(tools.downloads).html,
            lambda _: self._choices(),
            self._changed_outputs(),
            admins,
            browser,
            self.rounds,
        )
        self.again = gr.Button(elem_id="evaluate-again")
        self.comparison.make()
        self._connect(admins, browser)

    def _connect(self, admins: Admins, browser: gr.BrowserState) -> None:
        quiet: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private"}
        for form in self.forms:
            form.begin.click(
                admins.beside(form.note).act(
                    f"begin-{form.step.id}",
                    beginner(form, self._tools, self.runs, self._models),
                ),
                [browser, *form.inputs()],
                [form.note, *self._changed_outputs(), *self.runs.outputs()],
                **quiet,
            )
        rounds, chosen = self.rounds, self.runs.parts.chosen
        gr.on(
            [chooser.input for chooser in rounds.choosers()],
            admins.only(rounds.choose),
            [browser, chosen, *rounds.choosers()],
            [*rounds.outputs(), self.note],
            **quiet,
        )
        for button, by in ((rounds.parts.before, -1), (rounds.parts.after, 1)):
            button.click(
                admins.only(rounds.turn(by)),
                [browser, chosen, rounds.page, *rounds.choosers()],
                [*rounds.outputs(), self.note],
                **quiet,
            ).then(js=TO_THE_TOP)
        fields = [component for form in self.forms for component in form.outputs()]
        self.again.click(
            admins.only(self.on_again), [browser, chosen], [*fields, self.note], **quiet
        )
        self.comparison.chosen.change(
            admins.only(self.comparison.compare),
            [browser, self.comparison.chosen],
            [*self.comparison.outputs(), self.note],
            **quiet,
        )
        first = self.forms[0].components
        self.opened: dict[str, Any] = {
            "fn": admins.only(self.on_open),
            "inputs": [browser, chosen, first["pair"], first["test_set"]],
            "outputs": list(dict.fromkeys([*self.outputs(), self.note, *self._changed_outputs()])),
            **quiet,
        }

    def outputs(self) -> list[Any]:
        forms = [component for form in self.forms for component in form.outputs()]
        return [self.heading, self.again, *forms, *self.runs.outputs(), *self.comparison.outputs()]

    def words(self, session: Session) -> Updates:
        """For admins alone: what is compared here, visitors are to judge blind."""
        lang = session.lang
        key = say(lang, "data_key" if self._tools.has_key else "evaluate_no_key")
        words: Updates = {
            self.heading: f"## {say(lang, 'evaluate_title')}\n{say(lang, 'evaluate_lead')} {key}",
            self.again: gr.update(value=say(lang, "evaluate_again")),
            **self.runs.words(session),
            **self.comparison.words(session),
        }
        for form in self.forms:
            words |= form.words(session)
        return words

    # ---- actions of an admin

    def on_open(self, session: Session, chosen: object, pair: object, tests: object) -> Updates:
        first: Updates = {}
        form = self.forms[0].components
        if not pair and not tests:
            first = {form["pair"]: gr.update(value=[pair.id for pair in self._tools.pairs[:1]])}
            first[form["test_set"]] = gr.update(value=TEST_SET)
        return merged(
            {self.note: ""},
            self.words(session),
            self._choices(),
            self._pair_choices(session),
            self.runs.look(session, chosen),
            first,
        )

    # ---- inside

    def _models(self, values: dict[str, object]) -> Sequence[str]:
        """The registries of the chosen pairs: the app's own, and those that fine-tunes left."""
        given = values.get("pair") or []
        chosen = [str(one) for one in given] if isinstance(given, list) else [str(given)]
        own, tuned = {pair.id for pair in self._tools.pairs}, self._tuned()
        files = [self._tools.models] if own & set(chosen) else []
        files += [tuned[one][1] for one in chosen if one in tuned and one not in own]
        return [f"--models={file.resolve()}" for file in files]

    def _tuned(self) -> dict[str, tuple[Pair, Path]]:
        """Pairs that runs have left, by id; of several with one id the newest."""
        found: dict[str, tuple[Pair, Path]] = {}
        for run in self._tools.launcher.runs():
            try:
                for pair in load_registry(run.path / PAIR).values():
                    found.setdefault(pair.id, (pair, run.path / PAIR))
            except RegistryError:
                continue
        return found

    def _pair_choices(self, session: Session) -> Updates:
        own = {pair.id: pair for pair in self._tools.pairs}
        pairs = [*own.values(), *(pair for id, (pair, _) in self._tuned().items() if id not in own)]
        choices = [(_label(getattr(pair.name, session.lang), pair.id), pair.id) for pair in pairs]
        return {
            form.components["pair"]: gr.update(choices=choices)
            for form in self.forms
            if "pair" in form.components
        }

    def on_again(self, session: Session, chosen: object) -> Updates:
        """The settings of a run back in the form that began it."""
        run = self._tools.launcher.status(str(chosen))
        command = kept(run.path)
        for form in self.forms:
            if (form.step.module, *form.step.first) == (
                command.module,
                *command.arguments[: len(form.step.first)],
            ):
                values = form.step.values(command.arguments, self._tools.inputs)
                filled = {form.components[name]: gr.update(value=v) for name, v in values.items()}
                told_so = told(session, "evaluate_filled", "good", name=run.name)
                unfolded = {form.frame: gr.update(open=True)}
                if form.more and any(values[one.name] for one in form.step.fields if one.more):
                    unfolded[form.more] = gr.update(open=True)
                return {**filled, **unfolded, form.note: told_so}
        raise JobError("from_a_shell")

    def _choices(self) -> Updates:
        choices: Updates = self.comparison.choices()
        for form in self.forms:
            choices |= form.choices()
        return choices

    def _changed_outputs(self) -> list[Any]:
        choosers = [component for form in self.forms for component in form.choices()]
        return [*choosers, self.comparison.chosen]


def _label(name: str, pair: str) -> str:
    """A fine-tune's pair bears its run's name alone."""
    return name if name == pair else f"{name} · {pair}"
