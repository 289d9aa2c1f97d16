"""What text and plots of a report call its parts, in English: fonts for Chinese may be missing."""

from __future__ import annotations

from mi_arena.miti.agreement import CoefficientName
from mi_arena.miti.agreement_command import NAMES
from mi_arena.miti.item_values import Item
from mi_arena.miti.items import CODES, GLOBALS, SCORES, Score, items
from mi_arena.miti.summary import THRESHOLDS
from mi_arena.study.match_results import MatchResults
from mi_arena.study.miti_results import Bar, GroupResults, Source

SOURCE_TITLES: dict[Source, str] = {
    "expert": "Expert codings",
    "expert_suggested": "Expert codings made beside a model's suggestions",
    "adjudicated": "Adjudicated codings",
    "self_trained": "Codings of own conversations after the reveal, trained raters",
    "self_untrained": "Codings of own conversations after the reveal, untrained raters",
    "self_trained_blind": "Blind codings of own conversations, trained raters",
    "self_untrained_blind": "Blind codings of own conversations, untrained raters",
    "judge": "Codings by a model",
}
SOURCE_MEANINGS: dict[Source, str] = {
    "expert": "by raters to whom the dialogue was assigned",
    "expert_suggested": "by raters to whom the dialogue was assigned and who saw a model's codes: "
    "not independent of it",
    "adjudicated": "one coding a dialogue, settled after independent ones",
    "self_trained": "by whoever held the conversation, after having been told which arm was which "
    "and after passing the practice",
    "self_untrained": "by whoever held the conversation, after having been told which arm was "
    "which and without having passed the practice",
    "self_trained_blind": "by whoever held the conversation, before being told which arm was "
    "which and after passing the practice",
    "self_untrained_blind": "by whoever held the conversation, before being told which arm was "
    "which and without having passed the practice",
    "judge": "by a language model, not by people",
}
BAR_NAMES: dict[Bar, str] = {"fair": "at least fair", "good": "at least good"}
COEFFICIENTS: dict[CoefficientName, str] = {
    key: name for key, name in NAMES.items() if key != "kappa"
}
"""Those of agreement that fit some item here: none is nominal."""
ITEM_KINDS: tuple[tuple[str, tuple[Item, ...]], ...] = (
    ("Globals (1 to 5)", GLOBALS),
    ("Behaviour counts (per dialogue)", CODES),
    ("Summary scores", SCORES),
)
_UNITS: dict[Item, str] = {
    "technical": "1 to 5",
    "relational": "1 to 5",
    "percent_cr": "%",
    "r_to_q": "ratio",
    "mia": "count",
    "mina": "count",
}
_NAMES: dict[Item, str] = {
    **{item.key: item.name.en for item in items().globals},
    **{item.code: item.name.en for item in items().codes},
    **{score: name.en for score, name in items().scores.items()},
}


def item_name(item: Item) -> str:
    """What the form calls it."""
    return _NAMES[item]


def name_with_unit(item: Item) -> str:
    """The same, for a summary score with its unit."""
    unit = _UNITS.get(item)
    return f"{_NAMES[item]} ({unit})" if unit else _NAMES[item]


def group_title(group: GroupResults) -> str:
    """Kind of coding, pair and epoch."""
    return f"{SOURCE_TITLES[group.source]}, pair {group.pair}, {epoch_name(group)}"


def epoch_name(of: GroupResults | MatchResults) -> str:
    """The epoch's id without the pair's, with which it begins."""
    return (
        "outside of epochs" if of.epoch is None else f"epoch {of.epoch.removeprefix(of.pair + '-')}"
    )


def limit(score: Score, bar: Bar) -> float:
    """From which value on a score of ``THRESHOLDS`` reaches the bar."""
    threshold = THRESHOLDS[score]
    return threshold.fair if bar == "fair" else threshold.good
