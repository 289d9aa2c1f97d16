"""What is told of a split: as JSON for programs, as text for people. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from mi_arena.dialogue import Dialogue, turns
from training.split.groups import stratum_of
from training.split.making import Made

NONE_STATED = "none stated"


def report(made: Made) -> dict[str, Any]:
    """Counts are of dialogues where nothing else is said; shares run from 0 to 1."""
    used = {one.key for found in made.split_groups.values() for one in found}
    unused = [one for one in made.groups if one.key not in used]
    return {
        "read": made.intake.read,
        "left_out": dict(sorted(made.intake.left_out.items())),
        "usable": len(made.intake.dialogues),
        "groups": {
            "number": len(made.groups) + len(made.dropped),
            "largest": max(one.size for one in (*made.groups, *made.dropped)),
            "joined_by": dict(sorted(made.joins.items())),
        },
        "dropped_leaks": _extent(made.dropped),
        "splits": {
            name: {**_extent(made.split_groups[name]), **statistics(dialogues)}
            for name, dialogues in made.splits.items()
        },
        "unused": _extent(unused),
        "shares": shares(made),
        "were_test_in_their_source": {
            name: sum(one.meta.get("split") == "test" for one in dialogues)
            for name, dialogues in made.splits.items()
        },
        "leaks": [overlap.as_json() for overlap in made.overlaps],
        "provenance": provenance(one for found in made.splits.values() for one in found),
    }


def _extent(groups: Sequence[Any]) -> dict[str, int]:
    return {"dialogues": sum(one.size for one in groups), "groups": len(groups)}


def statistics(dialogues: Sequence[Dialogue]) -> dict[str, Any]:
    """Lengths in characters; a round is a client turn and the counsellor reply to it."""
    spoken = [turns(m for m in one.messages if m.role != "system") for one in dialogues]
    rounds = sum(
        (first[0], then[0]) == ("client", "counselor")
        for said in spoken
        for first, then in pairwise(said)
    )
    by_role: dict[str, list[int]] = {"client": [], "counselor": []}
    for said in spoken:
        for role, text in said:
            by_role[role].append(len(text))
    return {
        "rounds": rounds,
        "rounds_per_dialogue": round(rounds / len(dialogues), 2),
        "characters": sum(map(sum, by_role.values())),
        "characters_per_turn": {
            role: round(sum(lengths) / len(lengths), 1) for role, lengths in by_role.items()
        },
    }


def shares(made: Made) -> list[dict[str, Any]]:
    """For each source and topic, how many there were to choose from and how many each split got."""
    dropped = {member for one in made.dropped for member in one.members}
    before = Counter(stratum_of(one) for one in made.intake.dialogues if one.id not in dropped)
    after = {name: Counter(map(stratum_of, dialogues)) for name, dialogues in made.splits.items()}
    return [
        {
            "source": stratum[0],
            "topic": stratum[1] or None,
            "available": _part(number, before.total()),
            **{name: _part(count[stratum], count.total()) for name, count in after.items()},
        }
        for stratum, number in sorted(before.items())
    ]


def _part(number: int, total: int) -> dict[str, float]:
    return {"dialogues": number, "share": round(number / total, 4)}


def provenance(dialogues: Iterable[Dialogue]) -> dict[str, dict[str, int]]:
    """Prompt versions and models found in ``meta.provenance``, and how often."""
    prompts: Counter[str] = Counter()
    models: Counter[str] = Counter()
    for dialogue in dialogues:
        told = dialogue.meta.get("provenance")
        told = told if isinstance(told, dict) else {}
        prompts[_first(told, "prompt_version", "prompt")] += 1
        models[_first(told, "model_answered", "model_asked", "model")] += 1
    return {
        "prompt_versions": dict(sorted(prompts.items())),
        "models": dict(sorted(models.items())),
    }


def _first(told: dict[str, Any], *names: str) -> str:
    return next((str(told[name]) for name in names if told.get(name)), NONE_STATED)


def as_text(told: dict[str, Any]) -> str:
    """The report in lines that a person reads in a terminal."""
    groups = told["groups"]
    joined = ", ".join(f"{kind} {n}" for kind, n in groups["joined_by"].items()) or "nothing"
    left_out = ", ".join(f"{n} {reason}" for reason, n in told["left_out"].items()) or "none"
    lines = [
        f"dialogues: {told['read']} read, {told['usable']} usable; left out: {left_out}",
        f"groups: {groups['number']}, the largest of {groups['largest']}; joined by {joined}",
    ]
    if told["dropped_leaks"]["groups"]:
        lines.append(
            "dropped as leaks: {dialogues} in {groups} groups".format_map(told["dropped_leaks"])
        )
    for name, split in told["splits"].items():
        lines.append(
            f"{name}: {split['dialogues']} in {split['groups']} groups, {split['rounds']} rounds"
        )
        if before := told["were_test_in_their_source"][name] if name != "test" else 0:
            lines.append(f"  note: {before} of them were marked as test in their source")
    lines.append("not used: {dialogues} in {groups} groups".format_map(told["unused"]))
    lines += ["", *table(share_rows(told))]
    lines += ["", "leaks:", *(f"  {line}" for line in leak_lines(told))]
    return "\n".join(lines)


def share_rows(told: dict[str, Any]) -> list[list[str]]:
    """Heading and rows of the table of shares."""
    names = ["available", *told["splits"]]
    return [
        ["source", "topic", *names],
        *(
            [
                row["source"],
                row["topic"] or "-",
                *(f"{row[n]['dialogues']} ({row[n]['share']:.1%})" for n in names),
            ]
            for row in told["shares"]
        ),
    ]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, which reads in a terminal too."""
    head, *body = (
        ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |"] for row in rows
    )
    return [*head, "|" + " --- |" * len(rows[0]), *(line for row in body for line in row)]


def leak_lines(told: dict[str, Any]) -> list[str]:
    """A line for each two sides and kind."""
    lines = []
    for one in told["leaks"]:
        if one["left_dialogues"] is None:
            found = one["reason"]
        else:
            sides = ((one[f"{side}_dialogues"], one[side]) for side in ("left", "right"))
            found = ", ".join(f"{number} of {name}" for number, name in sides)
            if one["examples"]:
                found += f", such as {' and '.join(one['examples'][0])}"
        lines.append(f"{one['left']} and {one['right']}, {one['kind']}: {found}")
    return lines
