"""What a run found, as one record, as text and as a table.

Ratings in, texts out. Knows nothing of where files lie, nor how a rating was asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from mi_arena import __version__
from mi_arena.miti.agreement import ItemAgreement
from mi_arena.miti.bootstrap import DRAWS, SEED
from mi_arena.miti.ratings import Coefficient
from mi_arena.study.estimates import Estimate, bootstrap_method
from training.rate.choice import Choice, Given, choose
from training.rate.judge import Judgement
from training.rate.people import KEPT_NAME as PEOPLE_NAME
from training.rate.results import (
    COLUMNS,
    KAPPA_METHOD,
    RANKING_METHOD,
    CorpusResult,
    Group,
    JudgeAgainstPeople,
    Ranking,
    Ratings,
    among_people,
    corpus_results,
    judge_against_people,
    ranking,
)
from training.rate.rubric import DIMENSIONS, TOTAL, TOTAL_METHOD
from training.rate.sampling import Corpus, Sample
from training.rate.sheets import HumanRating, as_csv, too_long

UNDEFINED = "–"
CAUTION = (
    "The judge is a language model: read its figures with its agreement with people. Wording of "
    "the levels, prompt and sample size are our choice."
)
AGREEMENT_METHOD = (
    "ICC: single ratings, 95 % intervals by F (McGraw & Wong 1996). Alpha (ordinal; of the total "
    "interval) and weighted kappa (quadratic, mean over rater pairs): 95 % percentile bootstrap "
    f"over dialogues, {DRAWS} draws, seed {SEED}. ICC(A,1) uses dialogues that all raters rated, "
    "the others those with two ratings or more. An interval without width means that no "
    "disagreement was seen in these dialogues, not that there is none"
)
_MARKUP = re.compile(r"[\\`*_\[\]<>&~#|]")
_SHOWN_LINES = 50


@dataclass(frozen=True)
class Findings:
    """All that a report tells."""

    sample: Sample
    judgements: Mapping[str, Judgement]
    """By blind id."""
    missing: Mapping[str, str]
    """Why the judge's rating of a dialogue is missing; empty where no judge was ever asked."""
    people: Sequence[HumanRating]
    replaced: Sequence[str]
    """Which ratings by people gave way to later ones."""
    results: Mapping[Group, list[CorpusResult]]
    """Of those who rated anything."""
    rankings: Mapping[Group, Ranking]
    against: Mapping[str, JudgeAgainstPeople]
    among: Mapping[str, ItemAgreement]
    among_reason: str | None
    choice: Choice
    stopped: str | None
    """Why the judge was not asked about all, if so."""
    made_at: str


def findings(
    sample: Sample,
    judgements: Mapping[str, Judgement],
    missing: Mapping[str, str],
    people: Sequence[HumanRating],
    replaced: Sequence[str],
    best: int,
    given: Given | None,
    stopped: str | None,
) -> Findings:
    """Everything from the ratings; ``best`` corpora are chosen."""
    by_rater: dict[str, dict[str, dict[str, int]]] = {}
    for one in people:
        by_rater.setdefault(one.rater, {})[one.blind_id] = one.scores
    ratings = Ratings(
        {c.name: [item.blind_id for item in sample.of(c.name)] for c in sample.corpora},
        {i: one.scores for i, one in judgements.items() if one.scores is not None},
        by_rater,
    )
    groups: list[Group] = ["judge"] if judgements else []
    groups += ["people"] if people else []
    rankings: dict[Group, Ranking] = {
        "judge": ranking(ratings, "judge", best),
        "people": ranking(ratings, "people", best),
    }
    among, among_reason = among_people(ratings)
    rated = corpus_results(ratings, "people")
    all_by_people = all(one.estimates[TOTAL].n == one.dialogues for one in rated)
    choice = choose(rankings, bool(people) and all_by_people, given, stopped)
    return Findings(
        sample,
        judgements,
        missing,
        people,
        replaced,
        {group: corpus_results(ratings, group) for group in groups},
        rankings,
        judge_against_people(ratings),
        among,
        among_reason,
        choice,
        stopped,
        datetime.now(UTC).isoformat(timespec="seconds"),
    )


def versions(found: Findings) -> dict[str, Any]:
    """What the figures depend on besides the ratings."""
    judge = next(iter(found.judgements.values()), None)
    return {
        "mi_arena": __version__,
        "judge": judge.model if judge else None,
        "prompt": judge.prompt if judge else None,
        "prompt_sha256": judge.prompt_sha256 if judge else None,
        "parameters": judge.parameters if judge else None,
        "answered_by": sorted(
            {one.answered_by for one in found.judgements.values() if one.answered_by}
        ),
        "numpy": version("numpy"),
        "scipy": version("scipy"),
    }


def record(found: Findings) -> dict[str, Any]:
    """As ``report.json``; undefined is null, with a reason."""
    judge = list(found.judgements.values())
    costs = [one.cost for one in judge]
    known = [cost for cost in costs if cost is not None]
    return {
        "made_at": found.made_at,
        "versions": versions(found),
        "complete": found.stopped is None,
        "stopped": found.stopped,
        "sample": {
            "seed": found.sample.seed,
            "size": found.sample.size,
            "drawn_at": found.sample.drawn_at,
            "corpora": [_corpus_record(found, corpus) for corpus in found.sample.corpora],
        },
        "judge": {
            "rated": sum(one.scores is not None for one in judge),
            "missing": dict(found.missing),
            "cost_usd": round(sum(known), 8) if len(known) == len(costs) else None,
            "cost_note": judge[-1].cost_note if judge else "no judge was asked",
        },
        "people": {"raters": _by_rater(found.people), "replaced": list(found.replaced)},
        "method": {
            "interval": bootstrap_method("dialogue") + ", after averaging raters",
            "total": TOTAL_METHOD,
            "ranking": RANKING_METHOD,
            "weighted_kappa": KAPPA_METHOD,
            "among_people": AGREEMENT_METHOD,
        },
        "results": {
            group: [asdict(one) for one in of_group] for group, of_group in found.results.items()
        },
        "rankings": {group: asdict(one) for group, one in found.rankings.items()},
        "judge_against_people": {name: asdict(one) for name, one in found.against.items()},
        "among_people": {name: asdict(one) for name, one in found.among.items()} or None,
        "among_people_reason": found.among_reason,
        "choice": choice_record(found),
    }


def _corpus_record(found: Findings, corpus: Corpus) -> dict[str, Any]:
    own = found.sample.of(corpus.name)
    crisis = sum(bool(item.crisis) for item in own)
    return asdict(corpus) | {"drawn": len(own), "touching_a_crisis": crisis}


def choice_record(found: Findings) -> dict[str, Any]:
    """As ``choice.json``."""
    by = found.choice.by
    return {
        **asdict(found.choice),
        "best": found.rankings["judge"].best,
        "ranking": [asdict(one) for one in found.rankings[by].places] if by else [],
        "date": found.made_at,
        "seed": found.sample.seed,
        "sample": found.sample.size,
        "versions": versions(found),
    }


def ratings_csv(found: Findings) -> str:
    """All ratings, a row for each rater, dialogue and dimension; judge and people in columns of
    their own. A missing rating of the judge's has a row, with why."""
    names = {item.blind_id: (item.corpus, item.dialogue.id) for item in found.sample.items}
    rows: list[list[object]] = []
    for blind_id, why in found.missing.items():
        model = one.model if (one := found.judgements.get(blind_id)) else ""
        rows += [
            [blind_id, *names[blind_id], d.name, d.most, model, "", "", f"missing: {why}"]
            for d in DIMENSIONS
        ]
    for blind_id, judgement in found.judgements.items():
        for d in DIMENSIONS if judgement.scores is not None else ():
            score, why = (judgement.scores or {})[d.name], judgement.reasons[d.name]
            rows.append(
                [blind_id, *names[blind_id], d.name, d.most, judgement.model, score, "", why]
            )
    for rating in found.people:
        for d in DIMENSIONS:
            if d.name in rating.scores:
                cells = [d.name, d.most, rating.rater, "", rating.scores[d.name], rating.comment]
                rows.append([rating.blind_id, *names[rating.blind_id], *cells])
    rows.sort(key=lambda row: (str(row[0]), row[7] != "", str(row[5])))
    header = "blind_id corpus dialogue dimension maximum rater judge_score human_score remark"
    return as_csv(header.split(), rows)


def markdown(found: Findings, picture: str) -> str:
    """As ``report.md``."""
    blocks = ["# Ratings of corpora", *_facts(found), "## The sample", _sample_table(found)]
    for group, of_group in found.results.items():
        blocks += [f"## By {_who(group)}", _result_table(of_group), *_reasons(of_group)]
    if not found.results:
        blocks += ["Nobody has rated anything yet."]
    else:
        blocks += [f"![Mean and 95 % interval of each dimension, by corpus]({picture})"]
    if found.results:
        blocks += ["## Ranking by normalised total"]
    for group, one in found.rankings.items():
        if group in found.results:
            blocks += [f"**By {_who(group)}.**", _ranking_table(one)]
    blocks += ["## Agreement", *_agreement(found), "## The choice", *_choice(found)]
    blocks += _lists(found)
    return "\n\n".join(blocks) + "\n"


def _facts(found: Findings) -> list[str]:
    made = versions(found)
    judge = f"{plain(made['judge'])}, prompt {made['prompt']}" if made["judge"] else "none asked"
    raters = ", ".join(f"{plain(k)} ({n})" for k, n in _by_rater(found.people).items()) or "none"
    lines = [
        f"Made at {found.made_at} by MI Arena {made['mi_arena']}.",
        f"Sample: {found.sample.size} dialogues of each corpus, seed {found.sample.seed}.",
        f"Judge: {judge}. People (dialogues rated): {raters}.",
        f"Means with {bootstrap_method('dialogue')}, after averaging raters. Judge and people "
        "are never pooled.",
        TOTAL_METHOD[0].upper() + TOTAL_METHOD[1:] + ".",
        CAUTION,
    ]
    if found.stopped:
        lines.insert(0, f"**Not complete:** {plain(found.stopped)}.")
    return ["\n".join(f"- {line}" for line in lines)]


def _sample_table(found: Findings) -> str:
    rows = []
    for number, one in enumerate(found.sample.corpora, 1):
        own = found.sample.of(one.name)
        crisis = sum(bool(item.crisis) for item in own)
        cut = sum(too_long(item) for item in own)
        cells = (one.dialogues, one.empty, len(own), crisis, cut)
        rows.append([str(number), plain(one.name), *map(str, cells)])
    header = (
        "No.|corpus|dialogues|without a word, left out|drawn|touching a crisis|cut in the sheet"
    )
    return _table(header.split("|"), rows)


def _result_table(results: Sequence[CorpusResult]) -> str:
    header = ["corpus", "rated", "ratings"]
    header += [f"{one.name} (0–{one.most})" for one in DIMENSIONS] + ["normalised total (0–1)"]
    return _table(
        header,
        (
            [
                plain(one.corpus),
                f"{one.rated} of {one.dialogues}",
                str(one.ratings),
                *(_estimate(one.estimates[name], one.dialogues) for name in COLUMNS),
            ]
            for one in results
        ),
    )


def _reasons(results: Sequence[CorpusResult]) -> list[str]:
    """Why estimates lack something, each reason once."""
    lacking: dict[tuple[str, str], list[str]] = {}
    for name in COLUMNS:
        for one in results:
            if reason := one.estimates[name].reason:
                lacking.setdefault((name, reason), []).append(plain(one.corpus))
    return _undefined(
        (f"{_item(name)} of {', '.join(corpora)}", reason)
        for (name, reason), corpora in lacking.items()
    )


def _ranking_table(one: Ranking) -> str:
    if not one.places:
        return f"Undefined: {plain(one.reason or '')}."
    table = _table(
        ["place", "corpus", "normalised total", f"share of draws in the best {one.best}"],
        (
            [
                str(own.place),
                plain(own.corpus),
                _estimate(own.total, own.total.n, digits=3),
                f"{own.best_share:.3f}",
            ]
            for own in one.places
        ),
    )
    return f"{table}\n\nShares: {RANKING_METHOD}."


def _agreement(found: Findings) -> list[str]:
    if not found.people:
        return ["Undefined: no person has rated anything yet."]
    blocks = ["**Judge against the mean of people.**"]
    if any(one.n for one in found.against.values()):
        header = "dimension|n|ICC(A,1)|weighted kappa|bias (judge minus people)"
        rows = (
            [
                _item(name),
                str(one.n),
                _coefficient(one.icc_a1),
                _coefficient(one.weighted_kappa),
                _estimate(one.bias, one.n, "+"),
            ]
            for name, one in found.against.items()
        )
        blocks += [_table(header.split("|"), rows)]
        blocks += [f"Weighted kappa: {KAPPA_METHOD}; 95 % intervals."]
        blocks += _undefined(
            (f"{_item(name)}, {label}", reason)
            for name, one in found.against.items()
            for label, reason in (
                ("ICC(A,1)", one.icc_a1.reason),
                ("weighted kappa", one.weighted_kappa.reason if name != TOTAL else None),
                ("bias", one.bias.reason),
            )
        )
    else:
        blocks += ["Undefined: no dialogue was rated by both."]
    blocks += ["**Among people.**"]
    if found.among_reason:
        return [*blocks, f"Undefined: {found.among_reason}."]
    header = "dimension|raters|equal|at most 1 apart|ICC(A,1)|ICC(1,1)|alpha|weighted kappa"
    rows = (
        [
            _item(name),
            str(one.n_raters),
            _share(one.exact),
            _share(one.within_one) if name != TOTAL else UNDEFINED,
            *map(_coefficient, (one.icc_a1, one.icc_11, one.alpha)),
            _coefficient(one.weighted_kappa) if name != TOTAL else UNDEFINED,
        ]
        for name, one in found.among.items()
    )
    blocks += [_table(header.split("|"), rows), AGREEMENT_METHOD + "."]
    return blocks + _undefined(
        (f"{_item(name)}, {label}", coefficient.reason)
        for name, one in found.among.items()
        for label, coefficient in (
            ("ICC(A,1)", one.icc_a1),
            ("ICC(1,1)", one.icc_11),
            ("alpha", one.alpha),
            ("weighted kappa", one.weighted_kappa),
        )
        if (name, label) != (TOTAL, "weighted kappa")
    )


def _choice(found: Findings) -> list[str]:
    choice = found.choice
    if not choice.chosen:
        return [f"None: {plain(choice.reason)}."]
    lines = [
        f"Chosen: **{', '.join(map(plain, choice.chosen))}**",
        f"Reason: {plain(choice.reason)}",
        f"Ranking followed: that of {_who(choice.by)}" if choice.by else "",
        plain(choice.clear_cut_reason[0].upper() + choice.clear_cut_reason[1:]),
    ]
    return ["\n".join(f"- {line}." for line in lines if line)]


def _lists(found: Findings) -> list[str]:
    blocks = []
    for title, lines in (
        ("Missing ratings of the judge", [f"{i}: {why}" for i, why in found.missing.items()]),
        (f"Ratings by people that gave way to later ones ({PEOPLE_NAME})", found.replaced),
    ):
        if lines:
            more = len(lines) - _SHOWN_LINES
            shown = [f"- {plain(line)}" for line in lines[:_SHOWN_LINES]]
            shown += [f"- and {more} more, in report.json"] if more > 0 else []
            blocks += [f"## {title}", "\n".join(shown)]
    return blocks


def _undefined(reasons: Iterable[tuple[str, str | None]]) -> list[str]:
    lines = [f"- {what}: {plain(reason)}" for what, reason in reasons if reason]
    return ["\n".join(lines)] if lines else []


def _estimate(one: Estimate, expected: int, sign: str = "", digits: int = 2) -> str:
    """Mean and interval, and n where it is not what one would expect."""
    if one.mean is None:
        return UNDEFINED
    text = _number(one.mean, sign, digits)
    if one.low is not None and one.high is not None:
        text += f" [{_number(one.low, sign, digits)}, {_number(one.high, sign, digits)}]"
    return text if one.n == expected else f"{text} (n {one.n})"


def _coefficient(one: Coefficient) -> str:
    if one.value is None:
        return UNDEFINED
    if one.ci_low is None or one.ci_high is None:
        return _number(one.value)
    return f"{_number(one.value)} [{_number(one.ci_low)}, {_number(one.ci_high)}]"


def _number(value: float, sign: str = "", digits: int = 2) -> str:
    """Rounded; what rounds to zero has no sign."""
    rounded = round(value, digits)
    return f"{rounded:{sign}.{digits}f}" if rounded else f"{0:.{digits}f}"


def _share(value: float | None) -> str:
    return UNDEFINED if value is None else f"{100 * value:.0f} %"


def _item(name: str) -> str:
    return name.replace("_", " ")


def _who(group: Group) -> str:
    return "the judge" if group == "judge" else "people"


def _by_rater(people: Sequence[HumanRating]) -> dict[str, int]:
    raters = [one.rater for one in people]
    return {rater: raters.count(rater) for rater in sorted(set(raters))}


def plain(text: str) -> str:
    """The text as it reads, whatever Markdown would make of it."""
    return _MARKUP.sub(lambda found: "\\" + found.group(), " ".join(text.split()))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
