"""The steps of an evaluation: a report, simulated talks, a judge's codes, and a check of it."""

from __future__ import annotations

from pathlib import Path

from mi_arena.jobs.data_steps import MODEL, shared_answers
from mi_arena.jobs.inputs import DIALOGUE_ENDINGS
from mi_arena.jobs.steps import Field, Step

REPORT_MODULE = "eval.report"
ASKING = tuple(field for field in MODEL if field.name != "model")
"""How a model is asked, whatever the option that names it."""
PRICED = tuple(field for field in ASKING if not field.more)
"""What it may cost, and what that hangs on."""
_CODES = ("codes.jsonl",)


def report_step(data: Path) -> Step:
    """``data`` is the folder of the app's records."""
    return Step(
        "evaluate",
        module=REPORT_MODULE,
        fields=(
            Field("pair", "several", "--pair"),
            Field("test_set", "file", "--data", endings=DIALOGUE_ENDINGS),
            Field("judge", "text", "--judge"),
            *PRICED,
            Field("study", "check", f"--study={data}"),
            Field("report_lang", "choice", "--lang", default="zh", choices=("zh", "en")),
            Field("limit", "whole", "--limit", low=1),
            Field("systems", "text", "--systems", more=True),
            Field("sampled", "check", "--sample", more=True),
            Field("max_new_tokens", "whole", "--max-new-tokens", low=1, more=True),
            Field("batch", "whole", "--batch", low=1, more=True),
            *(field for field in ASKING if field not in PRICED),
            Field("predictions", "files", "--predictions", endings=DIALOGUE_ENDINGS, more=True),
            Field("codings", "files", "--codings", endings=_CODES, more=True),
            Field(
                "checked_judge", "file", "--validation", endings=("validation.json",), more=True
            ),
            Field(
                "talks_summary", "file", "--transcripts-summary", endings=("summary.json",),
                more=True,
            ),
            Field("examples", "whole", "--examples", low=1, high=5, more=True),
            Field("bootstrap", "whole", "--bootstrap", low=1, more=True),
            Field("seed", "whole", "--seed", low=0, more=True),
            Field("title", "text", "--title", more=True),
        ),
        outputs=lambda folder: [f"--out={folder}", shared_answers(folder)],
    )  # fmt: skip


SIMULATE = Step(
    "simulate",
    module="eval.simulate",
    fields=(
        Field("pair", "listed", "--pair", required=True),
        Field("client", "text", "--client"),
        *PRICED,
        Field("rounds", "whole", "--rounds", low=1, high=50),
        Field("limit", "whole", "--limit", low=1),
        Field("systems", "text", "--systems", more=True),
        Field("profiles", "file", "--profiles", endings=(".yaml", ".yml"), more=True),
        *(field for field in ASKING if field not in PRICED),
        Field("seed", "whole", "--seed", low=0, more=True),
    ),
    outputs=lambda folder: [
        f"--out={folder / 'talks.jsonl'}",
        f"--run={folder}",
        shared_answers(folder),
    ],
)

CODE = Step(
    "code",
    module="eval.judge",
    fields=(
        Field("dialogues", "file", endings=DIALOGUE_ENDINGS, required=True),
        *MODEL,
        Field("prompt_lang", "choice", "--lang", choices=("auto", "zh", "en"), more=True),
        Field("limit", "whole", "--limit", low=1),
        Field("dry_run", "check", "--dry-run"),
        Field("attempts", "whole", "--attempts", low=1, more=True),
    ),
    outputs=lambda folder: [
        f"--out={folder / 'codes.jsonl'}",
        f"--run={folder}",
        shared_answers(folder),
    ],
    first=("code",),
)


def gather_step(data: Path) -> Step:
    """``data`` is the folder of the app's records."""
    return Step(
        "gather",
        module="eval.judge",
        fields=(Field("judge_codes", "file", endings=_CODES, required=True),),
        outputs=lambda folder: [f"--out={folder / 'human.jsonl'}", f"--data={data}"],
        first=("gather",),
    )


VALIDATE = Step(
    "validate",
    module="eval.judge",
    fields=(
        Field("judge_codes", "file", "--judge", endings=_CODES, required=True),
        Field("human_codes", "file", "--human", endings=DIALOGUE_ENDINGS, required=True),
    ),
    outputs=lambda folder: [f"--out={folder}"],
    first=("validate",),
)


def evaluate_steps(data: Path) -> tuple[Step, ...]:
    """In the order in which the page has them: the report first, it is what most people want."""
    return (report_step(data), SIMULATE, CODE, gather_step(data), VALIDATE)
