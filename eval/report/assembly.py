"""All parts of a report, in their order, from what the stages found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eval.report.costs import Cost
from eval.report.glance_part import glance_part
from eval.report.judge_codings import Judged
from eval.report.length_part import length_part
from eval.report.metrics_part import metrics_part
from eval.report.miti_part import agreement_part, judge_part, people_part
from eval.report.other_parts import costs_part, examples_part, simulated_part
from eval.report.parts import Part, absent
from eval.report.preferences_part import preferences_part
from eval.report.round_table import RoundKey, RoundRow, merge
from eval.report.settings_part import Answered, InputFile, settings_part
from eval.report.simulated_summary import SimulatedSummary
from eval.report.study_records import StudyRecords
from eval.report.words import Words
from eval.respond.rounds import TestSet
from eval.score.about import About
from eval.score.bootstrap import Bootstrap
from eval.score.names import KEYS, PROFILES
from eval.score.results import Results, ScoredRound


@dataclass(frozen=True)
class Material:
    """What the stages found; what nothing was given for is empty or ``None``."""

    answered: Sequence[Answered]
    inputs: Sequence[InputFile]
    rounds: Sequence[ScoredRound]
    tests: TestSet | None
    codes: Mapping[RoundKey, Sequence[str]]
    """Of single replies."""
    judged: Sequence[Judged]
    not_coded: Mapping[str, int]
    """Dialogues that the judge asked for this report could not code, by why."""
    simulated: SimulatedSummary | None
    study: StudyRecords | None
    costs: Sequence[Cost]


def assemble(
    material: Material, draws: int, seed: int, examples: int | None, words: Words
) -> tuple[list[Part], list[RoundRow]]:
    """The parts, and the single rounds that they rest on."""
    rows = merge(material.rounds, _clients(material.tests), material.codes)
    bootstrap = Bootstrap(draws, seed)
    study = material.study
    groups = study.codings if study else ()
    people = [group for group in groups if group.source != "judge"]
    suggested = [group for group in groups if group.source == "judge"]
    facts = study.facts if study else []
    parts = [
        settings_part(material.answered, material.inputs, facts, words),
        _metrics(material, bootstrap, rows, words),
        length_part(rows, bootstrap, words),
        judge_part(material.judged, suggested, material.not_coded, words),
        people_part(people, words),
        preferences_part(study, words),
        agreement_part(people, words),
        simulated_part(material.simulated, words),
        costs_part(material.costs, words),
    ]
    parts.insert(0, glance_part({part.key: part.data for part in parts}, words))
    if examples and rows:
        parts.append(examples_part(rows, examples, seed, words))
    return parts, rows


def _metrics(
    material: Material, bootstrap: Bootstrap, rows: Sequence[RoundRow], words: Words
) -> Part:
    if not material.rounds:
        return absent("text_metrics", words("text_metrics"), words("no_predictions"))
    results = Results(material.rounds, PROFILES, bootstrap)
    files = {one.name: one.sha256 for one in material.inputs if one.of == "predictions"}
    return metrics_part(results, About.of(files, PROFILES, bootstrap, KEYS), rows, words)


def _clients(tests: TestSet | None) -> dict[tuple[str, int], str]:
    """The client turn that each round answers."""
    return {
        (one.dialogue_id, one.number): one.history[-1].content
        for one in (tests.rounds if tests else ())
    }
