"""What a fine-tune learns from and what it validates on, read by its config; knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from mi_arena.chat_formats import ChatFormat, Example
from mi_arena.dialogue import BadLine, read_dialogues
from mi_arena.jobs.finetune_config import FinetuneConfig
from mi_arena.jobs.script import BadInput, first_line
from training.examples import Counts, ExampleSet, Size, build_examples, held_out, manifest_hash

LONGEST = 5


@dataclass(frozen=True)
class Data:
    """What is learnt from and what is held out, and how it came about."""

    train: list[Example]
    validation: list[Example]
    counts: Counts
    longest: list[Size]
    """The longest dialogues of ``data``."""
    manifest_sha256: str
    """Of all used dialogues of ``data``, those held out among them."""
    validation_counts: Counts | None = None
    """Of a validation file of its own."""
    validation_manifest_sha256: str | None = None


def prepare(config: FinetuneConfig, chat: ChatFormat) -> Data:
    """Read and cut the dialogues. Raises ``BadInput`` with one line for what can't be used."""
    made = _read("data", config.files, config, chat)
    share = 0.0 if config.validation_data else config.validation
    train, validation = held_out(len(made.examples), share, config.seed)
    if not train:
        raise BadInput(
            f"data: {', '.join(config.files)}: {made.counts.used} of {made.counts.read} dialogues "
            "can be used, too few to learn from; see only_quality, max_length and validation"
        )
    data = Data(
        [made.examples[i] for i in train],
        [made.examples[i] for i in validation],
        made.counts,
        sorted(made.sizes, key=lambda size: -size.tokens)[:LONGEST],
        manifest_hash(made.dialogues),
    )
    return _with_file(data, config, chat, made) if config.validation_data else data


def _with_file(data: Data, config: FinetuneConfig, chat: ChatFormat, made: ExampleSet) -> Data:
    name = str(config.validation_data)
    held = _read("validation_data", [name], config, chat)
    if not held.examples:
        raise BadInput(f"validation_data: {name}: none of {held.counts.read} dialogues can be used")
    learnt = {_words(dialogue.messages) for dialogue in made.dialogues}
    both = sum(_words(dialogue.messages) in learnt for dialogue in held.dialogues)
    if both:
        raise BadInput(
            f"validation_data: {name}: {both} of its dialogues are in data too; take them out"
        )
    return Data(
        data.train,
        held.examples,
        data.counts,
        data.longest,
        data.manifest_sha256,
        held.counts,
        manifest_hash(held.dialogues),
    )


def _words(messages: Sequence[object]) -> str:
    return "\n".join(map(str, messages))


def _read(key: str, files: Sequence[str], config: FinetuneConfig, chat: ChatFormat) -> ExampleSet:
    try:
        dialogues = chain.from_iterable(read_dialogues(file) for file in files)
        return build_examples(
            dialogues, chat, config.max_length, config.only_quality, config.system_prompt
        )
    except FileNotFoundError as error:
        raise BadInput(f"{key}: {error.filename}: no such file") from None
    except (BadLine, OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{key}: {first_line(error)}") from None
