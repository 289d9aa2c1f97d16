"""The dataset card: front matter that the Hub and ``datasets`` understand, and prose. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import yaml

from mi_arena.dialogue import Dialogue
from training.split.licences import licence_of
from training.split.making import Made
from training.split.report import leak_lines, share_rows, table

TITLE = "Counselling dialogues for motivational interviewing"
FIXED = ("id", "source", "lang", "messages", "meta")


def card(made: Made, told: dict[str, Any], splits: Mapping[str, Sequence[Dialogue]]) -> str:
    """The text of ``README.md``. ``splits`` are the records as written."""
    dialogues = [one for found in splits.values() for one in found]
    front = yaml.safe_dump(front_matter(splits, dialogues), allow_unicode=True, sort_keys=False)
    parts = [
        f"---\n{front}---",
        f"# {TITLE}",
        "Counselling dialogues, split for tuning and testing models for motivational interviewing "
        f"by `python -m training.split` of MI Arena: {_sizes(told)}. "
        "`manifest.json` holds hashes, seed and versions, `report.txt` and `report.json` counts.",
        "## Records",
        "One dialogue a line: `id`, `source`, `lang`, `messages` (`role` is `client`, `counselor` "
        "or `system`; `content`), `meta` (with `split`). Where `dataset/` stands beside the JSONL, "
        "it is the same for `datasets.load_from_disk`: with `meta` as JSON text, and without "
        "further keys.",
        "## Sources and licences",
        *_lines(table(_source_rows(dialogues))),
        "As the sources state them; check before publishing or using them.",
        "## How it was made",
        _how(made, told),
        *_lines(table(_provenance_rows(told))),
        "## Statistics",
        *_lines(table(_statistic_rows(told))),
        "Shares of source and topic, among all that could be chosen and in each split:",
        *_lines(table(share_rows(told))),
        "## Leaks",
        "`near` means the same group of near-duplicates, `question` the same source dialogue, "
        f"question group or first client turn.\n\n{_bullets(leak_lines(told))}",
        "## Limits",
        _bullets(_limits(made, told)),
    ]
    return "\n\n".join(parts) + "\n"


def front_matter(
    splits: Mapping[str, Sequence[Dialogue]], dialogues: Sequence[Dialogue]
) -> dict[str, Any]:
    hub_ids = sorted({licence_of(one.source).hub for one in dialogues})
    return {
        "pretty_name": TITLE,
        "language": sorted({one.lang for one in dialogues}),
        "license": hub_ids[0] if len(hub_ids) == 1 else hub_ids,
        "task_categories": ["text-generation"],
        "tags": ["counselling", "motivational-interviewing", "dialogue"],
        "size_categories": [size_category(len(dialogues))],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": name, "path": f"{name}.jsonl"} for name in splits],
            }
        ],
        "dataset_info": {"features": features(dialogues)},
    }


def features(dialogues: Iterable[Dialogue]) -> list[dict[str, Any]]:
    """The columns of the JSONL in the words of the card; what varies by record is ``json``."""
    more: set[str] = set()
    more_in_messages = False
    for dialogue in dialogues:
        more |= (dialogue.model_extra or {}).keys()
        more_in_messages = more_in_messages or any(m.model_extra for m in dialogue.messages)
    text = [{"name": name, "dtype": "string"} for name in FIXED[:3]]
    turn = [{"name": "role", "dtype": "string"}, {"name": "content", "dtype": "string"}]
    return [
        *text,
        {"name": "messages", "list": "json" if more_in_messages else turn},
        *({"name": name, "dtype": "json"} for name in ("meta", *sorted(more))),
    ]


def size_category(number: int) -> str:
    """The Hub's word for a number of records."""
    for below, word in ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K")):
        if number < below:
            return word
    return "100K<n<1M"


def _source_rows(dialogues: Sequence[Dialogue]) -> list[list[str]]:
    rows = [["source", "dialogues", "licence", "note"]]
    for source, number in sorted(Counter(one.source for one in dialogues).items()):
        licence = licence_of(source)
        note = ". ".join(part for part in (licence.note, licence.origin) if part)
        rows.append([source, str(number), licence.licence, note or "-"])
    return rows


def _provenance_rows(told: dict[str, Any]) -> list[list[str]]:
    rows = [["in `meta.provenance`", "value", "dialogues"]]
    for what, counts in told["provenance"].items():
        rows += [[what.replace("_", " "), value, str(n)] for value, n in counts.items()]
    return rows


def _statistic_rows(told: dict[str, Any]) -> list[list[str]]:
    head = "split, dialogues, groups, rounds, rounds a dialogue"
    rows = [[*head.split(", "), "characters a client turn", "characters a counsellor turn"]]
    for name, split in told["splits"].items():
        lengths = split["characters_per_turn"]
        cells = (
            name, split["dialogues"], split["groups"], split["rounds"],
            split["rounds_per_dialogue"], lengths["client"], lengths["counselor"],
        )  # fmt: skip
        rows.append(list(map(str, cells)))
    return rows


def _how(made: Made, told: dict[str, Any]) -> str:
    options = made.options
    near = (
        "near-duplicates were not looked for"
        if options.near_threshold is None
        else f"near-duplicates by MinHash at a Jaccard similarity of {options.near_threshold}"
    )
    left_out = ", ".join(f"{n} {reason}" for reason, n in told["left_out"].items()) or "none"
    return (
        f"{told['read']} dialogues were read from {_names(f.name for f in made.intake.files)}; "
        f"left out: {left_out}. Dialogues of one source question, with the same first client turn, "
        f"or with the same text were joined to groups; {near}. Whole groups were "
        f"drawn with seed {options.seed}, in proportion to source and topic. Compared with: "
        f"{_names(f.name for f in made.against) or 'no further file'}"
        f" ({told['dropped_leaks']['dialogues']} dialogues in {told['dropped_leaks']['groups']} "
        "groups were dropped for overlapping with it)."
    )


def _limits(made: Made, told: dict[str, Any]) -> list[str]:
    limits = [
        "Dialogues are as their sources or a rewriting model made them. Nothing in this step "
        "judges whether they are good counselling; they are for research, not for people's care.",
        "Copies and near-copies are kept apart; two dialogues that tell one story in other words "
        "are not recognised.",
        "Flags of crisis content come from the readers of the corpora and miss some. "
        + ("Flagged dialogues are in here." if made.options.with_crisis
           else "Flagged dialogues were left out, so nothing can be learnt of them here."),
    ]  # fmt: skip
    for name, number in told["were_test_in_their_source"].items():
        if number and name != "test":
            limits.append(
                f"{number} dialogues of {name} were test data in their source: a comparison with "
                "results on that test set is not fair."
            )
    return limits


def _sizes(told: dict[str, Any]) -> str:
    return ", ".join(f"{split['dialogues']} {name}" for name, split in told["splits"].items())


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _lines(lines: Sequence[str]) -> list[str]:
    return ["\n".join(lines)]


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
