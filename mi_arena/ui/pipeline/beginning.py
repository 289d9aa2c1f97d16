"""What a step's button does: what was entered becomes a run, or one line says why not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mi_arena.jobs.steps import FormError
from mi_arena.ui.pipeline.admins import Acted
from mi_arena.ui.pipeline.runs_panel import RunsPanel, told
from mi_arena.ui.pipeline.step_form import StepForm
from mi_arena.ui.pipeline.tools import PipelineTools
from mi_arena.ui.session import Session
from mi_arena.ui.texts import say


def beginner(
    form: StepForm,
    tools: PipelineTools,
    runs: RunsPanel,
    more: Callable[[dict[str, object]], Sequence[str]] = lambda values: (),
) -> Callable[..., Acted]:
    """An action of an admin; ``more`` gives words of the command line beside the form's own."""

    def begin(session: Session, *given: object) -> Acted:
        values = form.values(given)
        folder = tools.launcher.new_folder(form.step.id)
        try:
            words = form.step.command(values, tools.inputs, folder.resolve())
        except FormError as error:
            folder.rmdir()
            label = say(session.lang, f"field_{error.field}")
            refused = told(session, f"form_{error.code}", "bad", field=label, reason=error.reason)
            return Acted({form.note: refused}, None, "refused")
        run = tools.launcher.submit(folder, form.step.module, [*words, *more(values)])
        updates = {
            form.note: told(session, "data_begun", "good", name=run.name),
            **runs.look(session, run.name),
        }
        return Acted(updates, run.name)

    return begin
