"""The three tables of a release, column by column: types, and what each says. Pure.

The parquet files, the dataset card and the tests all read it from here.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from datasets import Features, List, Value

from mi_arena.battles.form import POINTS
from mi_arena.miti.items import GLOBALS
from mi_arena.release.tables import Table

Row = dict[str, Any]
"""Column to value, as the table's schema has it."""

_TEXT, _INT, _FLAG, _DAY = Value("string"), Value("int64"), Value("bool"), Value("date32")
_SMALL, _NUMBER = Value("int8"), Value("float64")
_REPLY = {"text": _TEXT, "end": _TEXT, "tokens": _INT, "prompt_tokens": _INT,
          "messages_left_out": _INT}  # fmt: skip


class Column(NamedTuple):
    """One column. ``type`` is a feature of ``datasets``."""

    name: str
    type: Any
    about: str


_RATER = Column("rater", _TEXT, "Pseudonym, made for the release: it fits no other record.")
_ROLE = Column("role", _TEXT, "`public` or `expert`.")
_PAIR = Column("pair", _TEXT, "The pair of models, as `models.yaml` names it.")
_DAY_OF = Column("day", _DAY, "The day (UTC). The time of day is left out on purpose.")
_EXCLUDED = Column(
    "excluded_reason", _TEXT, "Why the study's own tables don't count this row; null: they do."
)

COLUMNS: dict[Table, tuple[Column, ...]] = {
    "judgements": (
        Column("judgement", _TEXT, "The row's id; the same in every release."),
        Column("about", _TEXT, "`battle`: by whoever held it. `match`: by an expert who read it."),
        Column("battle", _TEXT, "The battle that was judged; null for an imported match."),
        Column("match", _TEXT, "The match that was judged; null for a battle."),
        _RATER,
        Column("role", _TEXT, "`public`, `expert` or `admin` (of a match)."),
        Column("epoch", _TEXT, "Null for an imported match. Never pool two epochs."),
        _PAIR,
        _DAY_OF,
        Column("a_system", _TEXT, "What stood on side A: `base`, `tuned`, or an imported system."),
        Column("b_system", _TEXT, "What stood on side B."),
        Column("overall", _TEXT, "`A`, `B`, `tie` or `both_unacceptable`: the last two differ."),
        Column("preferred", _TEXT, "`overall` with the side's system in place of the side."),
        Column(
            "scales",
            dict.fromkeys(POINTS, _SMALL),
            "MI points from -2 (A clearly better) to 2 (B clearly better); null: not answered.",
        ),
        Column("reason", _TEXT,
               "In the rater's words, masked; null: none given, or of an imported match."),
        Column("guess", _TEXT, "The side that the rater took for the tuned one; null: no guess."),
        Column("confidence", _SMALL, "Of the guess, 1 to 5."),
        Column("rounds", _INT, "Rounds of the battle when it was judged; null for a match."),
        Column(
            "ordinal",
            _INT,
            "1 for the rater's first judgement of a battle ever: a reveal teaches the style.",
        ),
        Column("form_version", _TEXT, "The form that was filled."),
        _EXCLUDED,
    ),
    "codings": (
        Column("coding", _TEXT, "The row's id; the same in every release."),
        Column("revision", _INT, "The revision; only the last one is in here."),
        Column("dialogue", _TEXT, "The dialogue that was coded."),
        Column("match", _TEXT, "The match it belongs to; null: none."),
        Column("battle", _TEXT, "The battle it comes from; null for an imported dialogue."),
        Column("side", _TEXT, "The side of that battle."),
        Column("system", _TEXT, "What answered: `base`, `tuned`, or an imported system."),
        _PAIR,
        Column("epoch", _TEXT, "Null for an imported dialogue. Never pool two epochs."),
        Column(
            "source",
            _TEXT,
            "`expert`, `expert_suggested` (a model's suggestion stood before the rater), "
            "`adjudicated`, `judge` (a model), or `self_…`: by whoever held the conversation, "
            "with `untrained` for no practice passed and `blind` for not told the systems yet.",
        ),
        _RATER,
        _ROLE._replace(about="`public`, `expert` or `admin`."),
        _DAY_OF,
        Column("form", _TEXT, "`full` or `quick`."),
        Column("change_goal", _TEXT, "Masked; null for an imported dialogue."),
        Column(
            "globals", dict.fromkeys(GLOBALS, _NUMBER), "MITI 4.2.1 globals, 1 to 5; null: not."
        ),
        Column("counts", List({"code": _TEXT, "count": _NUMBER}),
               "Totals as on the paper form; null where volleys are coded."),
        Column(
            "volleys",
            List(List({"text": _TEXT, "code": _TEXT})),
            "Utterances of each counsellor turn with their codes; null where counts are given. "
            "`text` is masked, and null for an imported dialogue, whose licence is not known here.",
        ),
        Column("reason", _TEXT, "Of an adjudicated coding, masked; null for an imported one."),
        _EXCLUDED,
    ),
    "battles": (
        Column("battle", _TEXT, "The row's id; the same in every release."),
        _RATER,
        _ROLE,
        Column("epoch", _TEXT, "Never pool two epochs. `epochs.json` says what was served."),
        _PAIR,
        _DAY_OF,
        Column("lang", _TEXT, "Language of the page: `zh` or `en`."),
        Column("topic", _TEXT, "What the rater chose to talk about."),
        Column("starter", _TEXT, "Id of the opening that was offered and taken; null: own words."),
        Column(
            "allocation_index",
            _INT,
            "The battle's number within its epoch, from 0; see `doubled` in `epochs.json`.",
        ),
        Column("tuned_side", _TEXT, "The side on which the MI-tuned model answered."),
        Column(
            "rounds",
            List({"round": _INT, "client": _TEXT, "a": _REPLY, "b": _REPLY, "seed": _INT,
                  "error": _TEXT}),
            "Client turn and both replies, masked; `end` is `stop`, `length`, `cancelled` or "
            "`error`; `seed` is the generation's. `a` and `b` are null where nothing came.",
        ),
        Column("withheld_a", _INT, "How often a turn was tried again because what A answered did "
               "harm, so that it was shown to nobody."),
        Column("withheld_b", _INT, "The same of B."),
        _EXCLUDED,
    ),
}  # fmt: skip


def features(table: Table) -> Features:
    """The table's schema for ``datasets``."""
    return Features({column.name: column.type for column in COLUMNS[table]})
