"""The dataset card of a release: front matter for the Hub and ``datasets``, and prose. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import yaml

from mi_arena.battles.form import CONSENT_VERSION
from mi_arena.release.left_out import ABOUT, REASONS
from mi_arena.release.manifest import Manifest
from mi_arena.release.parquet import FILE
from mi_arena.release.schema import COLUMNS, Column, features
from mi_arena.release.tables import TABLES
from mi_arena.study.told import EpochTold

TITLE = "MI Arena: blind judgements of motivational interviewing by language models"
_WHAT = {
    "judgements": "Pairwise verdicts: of raters on the battle that they held, and of experts on "
    "matches that they read.",
    "codings": "MITI 4.2.1 codings of dialogues, the last revision of each rater.",
    "battles": "Blind conversations with two models at once, which were judged afterwards.",
}


def card(
    manifest: Manifest,
    epochs: Sequence[EpochTold],
    languages: Iterable[str],
    notices: Mapping[str, str],
    licence: str,
) -> str:
    """The text of ``README.md``. ``languages`` of the battles, ``notices`` by language."""
    front = yaml.safe_dump(
        _front_matter(manifest, languages, licence), allow_unicode=True, sort_keys=False
    )
    parts = [
        f"---\n{front}---",
        f"# {TITLE}",
        "Members of the public and experts talked with a base model and its version tuned for "
        "motivational interviewing (MI), blind and side by side, and judged which was the better "
        "MI. Made by `python -m mi_arena.release`" + _as_of(manifest) + ".",
        "```python\nfrom datasets import load_dataset\n\n"
        'judgements = load_dataset("OWNER/NAME", "judgements", split="train")\n```',
        "## How much there is",
        _counts(manifest),
        "## What is left out, and why",
        _left_out(manifest),
        "## Epochs",
        "An epoch is a stretch in which models, prompt, decoding and form stay the same. "
        "**Records of two epochs must never be pooled.** Of an open epoch only the commitment to "
        "its seed is told.",
        _epochs(manifest, epochs),
        "## Checking the allocation",
        "`epochs.json` holds, for every closed epoch, the seed from which the sides follow, the "
        "commitment (SHA-256 of the seed) that was stored when it opened, and what was served. "
        "`python -m mi_arena.study verify DATASET_DIR` recomputes all of it, and holds judgements "
        "and codings against the battles that they are of. Battles that are left out leave gaps in "
        "`allocation_index`; how many, and why, is in `withheld`. `doubled` lists indices that "
        "were given twice, by two copies of the app that ran at once.\n\n"
        "**A commitment convinces only whoever saw it before its seed was told, and no history is "
        "kept here: while an epoch is open, note its `seed_commitment`, or keep a copy of this "
        "release.** `verify` prints the commitments; `verify DATASET_DIR --before OLD_DIR` "
        "compares them, and tells whether rows of closed epochs changed for another reason than "
        "those named here. An older copy from which withdrawn rows were deleted serves as well.",
        "## Personal data",
        _personal_data(manifest),
        "## Withdrawn records",
        "Raters can take their record back at any time. It then leaves the next release, and "
        f"`tombstones.jsonl` keeps its id and the day, nothing else ({manifest.tombstones} so "
        "far). History is squashed with every release. **Copies already downloaded can't be "
        "recalled: if you hold one, delete every row whose `battle` is listed there.**",
        "## Consent",
        _consent(manifest, notices),
        *(part for table in TABLES for part in _schema(table, COLUMNS[table])),
        "## Licence",
        f"`{licence}` for the judgements, codings and what raters wrote. What models wrote may "
        "also fall under the licences of these models; `served` in `epochs.json` names them.",
        "## Limits",
        "Raters chose to take part and are no sample of any population. A rater may hold several "
        "battles: `rater` tells which. A reveal after the first judgement teaches the style: see "
        "`ordinal`. The conversations are for research and no model for people's care.",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(manifest: Manifest, languages: Iterable[str], licence: str) -> dict[str, Any]:
    # `datasets` fails on a configuration without a row.
    filled = [table for table in TABLES if manifest.tables[table].released]
    return {
        "pretty_name": TITLE,
        "license": licence,
        "language": sorted(set(languages)) or ["zh"],
        "tags": ["motivational-interviewing", "counselling", "human-preference", "arena"],
        "size_categories": [_size(sum(one.released for one in manifest.tables.values()))],
        "configs": [
            {
                "config_name": table,
                "data_files": [{"split": "train", "path": f"{table}/{FILE}"}],
                **({"default": True} if table == filled[0] else {}),
            }
            for table in filled
        ],
        "dataset_info": [
            {"config_name": table, "features": features(table)._to_yaml_list()} for table in filled
        ],
    }


def _size(rows: int) -> str:
    for limit, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K")):
        if rows < limit:
            return name
    return "100K<n<1M"


def _as_of(manifest: Manifest) -> str:
    if manifest.newest is None:
        return " from a record without any event"
    return f" from a record of {manifest.events} events, the newest of {manifest.newest} (UTC)"


def _counts(manifest: Manifest) -> str:
    rows = [
        (f"`{table}`", _WHAT[table], manifest.tables[table].released,
         sum(manifest.tables[table].left_out.values()))
        for table in TABLES
    ]  # fmt: skip
    counts = _table(("table", "what", "rows", "left out"), rows)
    return counts + "\n\nA table without rows can't be loaded by its name."


def _left_out(manifest: Manifest) -> str:
    rows = [
        (f"`{reason}`", ABOUT[reason],
         *(manifest.tables[table].left_out.get(reason, 0) for table in TABLES))
        for reason in REASONS
    ]  # fmt: skip
    return _table(("reason", "what it means", *(f"`{table}`" for table in TABLES)), rows)


def _epochs(manifest: Manifest, epochs: Sequence[EpochTold]) -> str:
    if not epochs:
        return "There is none yet."
    rows = [
        (
            f"`{one.epoch}`",
            f"`{one.pair}`",
            _days(one.opened_on, one.closed_on),
            "" if one.battles is None else one.battles,
            "" if one.battles is None else one.battles - sum((one.withheld or {}).values()),
            "yes" if one.seed else f"no: {one.no_seed_because}",
        )
        for one in epochs
    ]
    return _table(("epoch", "pair", "open", "battles begun", "in here", "seed told"), rows)


def _days(opened: date, closed: date | None) -> str:
    return f"{opened} to {closed}" if closed else f"since {opened}"


def _personal_data(manifest: Manifest) -> str:
    masked = ", ".join(f"{n} `[{kind}]`" for kind, n in sorted(manifest.masked.items()))
    return (
        "Raters are asked to write nothing by which anybody could be recognised. What a program "
        "finds all the same is replaced by its kind in every text, of raters and of models: "
        "`[PHONE]`, `[EMAIL]`, `[ID]` (identity cards, passports, number plates), `[BANK]`, "
        "`[ACCOUNT]` (WeChat, QQ, handles, links, long numbers), `[ADDRESS]`, `[NAME]`. "
        f"In this release: {masked or 'nothing was masked'}. Phone numbers are found by "
        "phonenumbers, Chinese names by jieba's tagger and by what leads up to a name, English "
        "names only by what leads up to them; the rest by patterns and check digits. **It does "
        "not find everything** (above all names without a cue and places told in a roundabout "
        "way) and masks some words that are no names. Ids are made for the release, and days "
        "stand in place of times. Please don't try to find out who somebody is; if you recognise "
        "somebody, tell the maintainers."
    )


def _consent(manifest: Manifest, notices: Mapping[str, str]) -> str:
    versions = ", ".join(f"{n} to version {version}" for version, n in manifest.consents.items())
    texts = [_quoted(notices[lang]) for lang in sorted(notices)]
    return "\n\n".join(
        [
            "Nobody can begin a battle without agreeing to a notice. The last consent of the "
            f"raters whose battles are in here: {versions or 'none'}. Version {CONSENT_VERSION}, "
            "as it is shown:",
            *texts,
        ]
    )


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _schema(table: str, columns: Sequence[Column]) -> list[str]:
    rows = [(f"`{column.name}`", _type(column.type), column.about) for column in columns]
    return [f"## Columns of `{table}`", _table(("column", "type", "what"), rows)]


def _type(feature: Any) -> str:
    """In words that a table can hold."""
    if isinstance(feature, dict):
        return "{" + ", ".join(f"{name}: {_type(one)}" for name, one in feature.items()) + "}"
    inner = getattr(feature, "feature", None)
    return f"list of {_type(inner)}" if inner is not None else str(feature.dtype)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)
