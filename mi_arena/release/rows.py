"""Rows of a release from what the records tell: every id another, every text masked. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mi_arena.battles.form import POINTS
from mi_arena.battles.state import SIDES, BattleState, Round
from mi_arena.miti.coding import Coding
from mi_arena.miti.items import GLOBALS
from mi_arena.records.battle_events import Judgement, Replied, Reply, ReplyWithheld, Verdict
from mi_arena.records.events import Event
from mi_arena.records.workspace_events import MatchJudged
from mi_arena.release.masking import Masker
from mi_arena.release.pseudonyms import Pseudonyms
from mi_arena.release.schema import Row
from mi_arena.study.miti_results import Source
from mi_arena.workspace.ledger import Handed, Material


class Rows:
    """Makes rows; ``masker`` counts what it masked in them."""

    def __init__(self, names: Pseudonyms, masker: Masker):
        self._name, self._masker = names, masker

    def battle(self, started: Event, state: BattleState, events: Sequence[Event]) -> Row:
        """``events`` are all of the battle; ``started`` the one that began it."""
        told = state.started
        replied = {e.payload.round: e.payload for e in events if isinstance(e.payload, Replied)}
        withheld = Counter(e.payload.source for e in events if isinstance(e.payload, ReplyWithheld))
        return {
            "battle": self._name.of("battle", told.battle),
            "rater": self._name.of("rater", state.rater),
            "role": started.role,
            "epoch": state.epoch,
            "pair": told.pair,
            "day": started.created_at.date(),
            "lang": told.lang,
            "topic": told.topic,
            "starter": told.starter,
            "allocation_index": told.allocation_index,
            "tuned_side": told.tuned_side,
            "rounds": [self._round(one, replied.get(one.number)) for one in state.rounds],
            **{f"withheld_{side.lower()}": withheld[side] for side in SIDES},
            "excluded_reason": None,
        }

    def judgement(
        self, event: Event, told: Judgement, state: BattleState, excluded: str | None
    ) -> Row:
        """Of a battle, by whoever held it; ``excluded`` says why it does not count."""
        return {
            "judgement": self._name.of("judgement", event.event_id),
            "about": "battle",
            "battle": self._name.of("battle", told.battle),
            "match": None,
            "rater": self._name.of("rater", event.rater),
            "role": event.role,
            "epoch": event.epoch,
            "pair": state.started.pair,
            "day": event.created_at.date(),
            **self._verdict(told, state.arm_on("A"), state.arm_on("B")),
            "rounds": told.rounds,
            "ordinal": told.ordinal,
            "form_version": told.form_version,
            "excluded_reason": excluded,
        }

    def match(self, event: Event, told: MatchJudged, a: Material, b: Material) -> Row:
        """Of a match, by an expert; ``a`` and ``b`` are what stood on the sides."""
        return {
            "judgement": self._name.of("judgement", event.event_id),
            "about": "match",
            "battle": self._name.of("battle", a.battle),
            "match": self._name.of("match", told.match),
            "rater": self._name.of("rater", event.rater),
            "role": event.role,
            "epoch": a.epoch,
            "pair": a.pair,
            "day": event.created_at.date(),
            **self._verdict(told, a.system, b.system, with_reason=a.battle is not None),
            "rounds": None,
            "ordinal": None,
            "form_version": told.form_version,
            "excluded_reason": None,
        }

    def coding(self, handed: Handed, coded: Material, source: Source) -> Row:
        """Of an imported dialogue nothing that may quote it is told: its licence is not known."""
        told, ours = handed.told, coded.battle is not None
        return {
            "coding": self._name.of("coding", told.coding),
            "revision": told.revision,
            "dialogue": self._name.of("dialogue", told.dialogue),
            "match": self._name.of("match", coded.match),
            "battle": self._name.of("battle", coded.battle),
            "side": coded.side,
            "system": coded.system,
            "pair": coded.pair,
            "epoch": coded.epoch,
            "source": source,
            "rater": self._name.of("rater", handed.rater),
            "role": handed.role,
            "day": handed.at.date(),
            "form": told.form,
            **self._filled(told.filled, with_texts=ours),
            "reason": self._masker.maybe(told.reason) if ours else None,
            "excluded_reason": None,
        }

    def _round(self, one: Round, replied: Replied | None) -> Row:
        replies = one.replies or {}
        return {
            "round": one.number,
            "client": self._masker(one.client),
            "a": self._reply(replies.get("A")),
            "b": self._reply(replies.get("B")),
            "seed": replied.seed if replied is not None else None,
            "error": replied.error if replied is not None else None,
        }

    def _reply(self, reply: Reply | None) -> Row | None:
        if reply is None:
            return None
        return {
            "text": self._masker(reply.text),
            "end": reply.end,
            "tokens": reply.tokens,
            "prompt_tokens": reply.prompt_tokens,
            "messages_left_out": reply.messages_left_out,
        }

    def _verdict(
        self, told: Verdict, a_system: str, b_system: str, *, with_reason: bool = True
    ) -> Row:
        return {
            "a_system": a_system,
            "b_system": b_system,
            "overall": told.overall,
            "preferred": {"A": a_system, "B": b_system}.get(told.overall, told.overall),
            "scales": {point: told.scales.get(point) for point in POINTS},
            "reason": self._masker.maybe(told.reason) if with_reason else None,
            "guess": told.guess,
            "confidence": told.confidence,
        }

    def _filled(self, filled: Coding, *, with_texts: bool) -> Row:
        return {
            "change_goal": self._masker.maybe(filled.change_goal) if with_texts else None,
            "globals": {key: _number(filled.globals.get(key)) for key in GLOBALS},
            "counts": None
            if filled.counts is None
            else [{"code": code, "count": float(n)} for code, n in sorted(filled.counts.items())],
            "volleys": None
            if filled.volleys is None
            else [
                self._utterances(
                    [one.text for one in volley.utterances],
                    [one.code for one in volley.utterances],
                    with_texts=with_texts,
                )
                for volley in filled.volleys
            ],
        }

    def _utterances(
        self, texts: Sequence[str], codes: Sequence[str | None], *, with_texts: bool
    ) -> list[Row]:
        masked = self._masker.parts(texts) if with_texts else [None] * len(texts)
        return [{"text": text, "code": code} for text, code in zip(masked, codes, strict=True)]


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)
