"""The steps of the corpus: read, rate, rewrite, split."""

from __future__ import annotations

from pathlib import Path

from mi_arena.jobs.inputs import CORPUS_ENDINGS, DIALOGUE_ENDINGS, RATINGS_NAME
from mi_arena.jobs.steps import Field, Step

KINDS = (
    "cpsycound", "cpsycoune", "psydt", "smilechat", "mdd5k", "emollm", "sharegpt", "openai",
    "annomi",
)  # fmt: skip

MODEL = (
    Field("model", "text", "--model"),
    Field("base_url", "text", "--base-url", more=True),
    Field("max_cost", "number", "--max-cost", low=0),
    Field("price_in", "number", "--price-in", low=0),
    Field("price_out", "number", "--price-out", low=0),
    Field("concurrency", "whole", "--concurrency", low=1, more=True),
    Field("timeout", "number", "--timeout", low=1, more=True),
)
"""Of every step that asks a model."""


def shared_answers(folder: Path) -> str:
    """One file of answers for all runs: what one has paid for, none asks again."""
    return f"--answers={folder.parent / 'answers.sqlite'}"


READ = Step(
    "read",
    module="training.corpora",
    fields=(
        Field("kind", "choice", choices=KINDS, required=True),
        Field("path", "file", endings=CORPUS_ENDINGS, required=True),
        Field("no_clean", "check", "--no-clean"),
        Field("near_duplicates", "check", "--near-duplicates"),
    ),
    outputs=lambda folder: [
        f"--out={folder / 'dialogues.jsonl'}",
        f"--report={folder / 'report.json'}",
        f"--run={folder}",
    ],
    first=("read",),
)

RATE = Step(
    "rate",
    module="training.rate",
    fields=(
        Field("corpora", "files", endings=DIALOGUE_ENDINGS, required=True),
        Field("sample", "whole", "--sample", default=50, low=1),
        Field("no_judge", "check", "--no-judge"),
        *MODEL,
        Field("human", "files", "--human", endings=(".csv", RATINGS_NAME)),
        Field("choose", "whole", "--choose", default=2, low=1, more=True),
        Field("reason", "text", "--reason", more=True),
        Field("seed", "whole", "--seed", default=0, low=0, more=True),
    ),
    outputs=lambda folder: [f"--out={folder}", shared_answers(folder)],
)

REWRITE = Step(
    "rewrite",
    module="training.transcribe",
    fields=(
        Field("dialogues", "file", endings=DIALOGUE_ENDINGS, required=True),
        *MODEL,
        Field("limit", "whole", "--limit", low=1),
        Field("dry_run", "check", "--dry-run"),
        Field("attempts", "whole", "--attempts", low=1, more=True),
        Field("keep_client", "check", "--keep-client=all", more=True),
    ),
    outputs=lambda folder: [
        f"--out={folder / 'mi.jsonl'}",
        f"--run={folder}",
        shared_answers(folder),
    ],
)

SPLIT = Step(
    "split",
    module="training.split",
    fields=(
        Field("dialogues", "files", endings=DIALOGUE_ENDINGS, required=True),
        Field("train", "whole", "--train", default=2000, low=1),
        Field("test", "whole", "--test", default=40, low=1),
        Field("sources", "files", "--sources", endings=DIALOGUE_ENDINGS),
        Field("against", "files", "--against", endings=DIALOGUE_ENDINGS),
        Field("no_near", "check", "--no-near", more=True),
        Field("seed", "whole", "--seed", default=0, low=0, more=True),
    ),
    outputs=lambda folder: [f"--out={folder / 'split'}", f"--run={folder}"],
)

DATA_STEPS = (READ, RATE, REWRITE, SPLIT)
