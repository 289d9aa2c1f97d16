"""What a rater is told once their judgement is stored: the reveal and the tally."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from mi_arena.battles.tally import tally
from mi_arena.battles.view import BattleView
from mi_arena.records.store import EventStore, StoreError
from mi_arena.records.votes import Votes
from mi_arena.ui.texts import Lang, said, say
from mi_arena.ui.transcript import note_html

log = logging.getLogger(__name__)


def outcome_html(
    view: BattleView,
    lang: Lang,
    store: EventStore,
    votes: Votes,
    names: Mapping[str, str],
    minimum_n: int,
) -> str:
    """Which side was which, and where the epoch stands; ``names`` of the pairs by their ids.

    Nothing of it for who must stay blind.
    """
    title = f"<h2 tabindex=-1>{said(lang, 'outcome_title')}</h2>"
    if view.reveal is None:
        return title + note_html(say(lang, "blind"), "good")
    reveal = view.reveal
    other = "B" if reveal.tuned_side == "A" else "A"
    lines = [
        say(lang, "judged"),
        say(
            lang,
            "reveal",
            tuned=reveal.tuned_side,
            base=other,
            pair=names.get(reveal.pair, reveal.pair),
        ),
        say(lang, f"verdict_{_verdict(reveal.overall, reveal.tuned_side)}"),
    ]
    if reveal.guess is not None:
        right = reveal.guess == reveal.tuned_side
        lines.append(say(lang, "guess_right" if right else "guess_wrong", guess=reveal.guess))
    try:
        stands = tally(store, reveal.epoch, votes.excluded(reveal.epoch))
    except StoreError as error:
        log.error("the tally cannot be read: %s", error)
        return title + "".join(note_html(line, "good") for line in lines)
    if stands.judgements < minimum_n:
        lines.append(say(lang, "tally_few", judgements=stands.judgements, minimum=minimum_n))
    else:
        lines.append(say(lang, "tally", **stands._asdict()))
    return title + "".join(note_html(line, "good") for line in lines)


def _verdict(overall: str, tuned_side: str) -> str:
    if overall not in ("A", "B"):
        return overall
    return "tuned" if overall == tuned_side else "base"
