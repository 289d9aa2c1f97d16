"""Why something was not done: a code that a page turns into a sentence in the reader's language."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from mi_arena.records.store import EventStore, NotStored, NotTaken
from mi_arena.safety.text import BadText, clean

log = logging.getLogger(__name__)

Code = Literal[
    "no_consent",
    "no_battle",
    "not_yours",
    "empty",
    "too_long",
    "nothing_readable",
    "too_fast",
    "busy",
    "away",
    "no_pair",
    "not_open",
    "still_answering",
    "too_few_rounds",
    "bad_answers",
    "not_saved",
    "not_restored",
    "bad_receipt",
    "already_withdrawn",
    "bad_topic",
    "no_work",
    "not_trained",
    "overtaken",
    "change_unreadable",
    "change_no_such_place",
    "change_no_words",
    "change_cut_off",
    "change_last",
    "change_nothing_done",
    "change_fixed",
    "no_goal",
    "unchosen",
    "unsure",
    "unchanged",
    "no_reason",
    "too_few_raters",
    "bad_import",
    "no_import",
    "import_used",
    "import_is_study",
    "bad_number",
    "out_of_range",
    "damaged_draft",
    "judged_already",
    "practised_already",
    "review_closed",
    "review_unfinished",
    "review_no_verdict",
    "review_no_reason",
    "review_empty_turn",
    "review_unedited",
    "review_open_already",
    "review_nothing_left",
    "review_too_large",
    "review_no_source",
    "review_bad_file",
    "review_none_given",
]


class Refused(Exception):
    """Nothing was changed. ``values`` fill the sentence; they never hold conversation text."""

    def __init__(self, code: Code, **values: float | int | str):
        super().__init__(code)
        self.code: Code = code
        self.values = values


@contextmanager
def saving() -> Iterator[None]:
    """Refuse, and log, where the store does not take what is stored inside."""
    try:
        yield
    except NotStored as error:
        log.error("nothing was saved: %s", error)
        raise Refused("not_restored" if isinstance(error, NotTaken) else "not_saved") from None


def unknown(store: EventStore, code: Code) -> Refused:
    """For what the store does not have, unless it may be among what it has lost."""
    return Refused(code if store.taking else "not_restored")


def cleaned(text: str, limit: int) -> str:
    """A text as it is kept, at most ``limit`` characters. Raises ``Refused``."""
    try:
        return clean(text, limit)
    except BadText as error:
        raise Refused(error.code, limit=error.limit, length=error.length) from None
