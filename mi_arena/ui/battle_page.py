"""The battle page: consent, talking to both sides, and the parts before and after it.

Wires components to the arena. What a rater may see is decided there (``BattleView``); this file
only paints it. Transcripts are repainted from the server, never read back from the browser.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr

from mi_arena.access.identity import Identities, Identity
from mi_arena.battles.arena import Arena
from mi_arena.battles.refusal import Refused
from mi_arena.battles.view import BattleView
from mi_arena.records.store import StoreError
from mi_arena.safety.categories import CLIENT_CATEGORIES
from mi_arena.safety.check import category_of
from mi_arena.safety.check import findings as signs_of_danger
from mi_arena.safety.help import NEEDS, help_for
from mi_arena.ui.events import AT_ONCE, WAITING
from mi_arena.ui.focus import focus_on
from mi_arena.ui.judging_part import JudgingPart
from mi_arena.ui.outcome_part import OutcomePart
from mi_arena.ui.problem import failure_html, refusal_html
from mi_arena.ui.session import Session, locale_of
from mi_arena.ui.starters import sent_as_it_is
from mi_arena.ui.texts import Lang, say, sentences
from mi_arena.ui.topic_part import TopicPart
from mi_arena.ui.transcript import crisis_html, note_html, rounds_html, status_text
from mi_arena.workspace.workspace import Workspace

log = logging.getLogger(__name__)

WRITTEN = 4
"""Times the limit that a text on the page may have: none is lost for being too long, and one that
is refused is looked through for signs of danger up to here."""
PAINT_SECONDS = 0.15
"""At most this often a growing reply is repainted."""
HELP_TAB = "help-tab"
"""The element of the tab that "need help?" opens."""
Updates = dict[Any, Any]


class BattlePage:
    """Components of the page and their handlers; made inside a ``gr.Blocks`` context."""

    def __init__(
        self,
        arena: Arena,
        identities: Identities,
        workspace: Workspace,
        minimum_n: int,
        browser: gr.BrowserState,
    ):
        self.arena, self.identities = arena, identities
        self.browser = browser
        self.painted = gr.State("")
        """The token of the battle on the page: a form is emptied only when another comes."""
        self.answering = gr.State()
        """Whether a running turn is on the page, so that its end must be painted; ``None`` where
        that isn't known: after a restart, or where a turn was painted while something else was."""
        self.following: list[Any] = []
        """Events that follow a running turn; what changes battle or language cancels them."""
        self._build()
        self.judging = JudgingPart(arena, identities, browser, self.painted, self.paint)
        self.outcome = OutcomePart(arena, identities, workspace, minimum_n)
        self._wire()

    # ---- components

    def _build(self) -> None:
        self._longest = self.arena.rules.message_limit * WRITTEN
        with gr.Column(visible=False, elem_id="consent") as self.consent_box:
            self.notice = gr.Markdown()
            self.agree = gr.Button(variant="primary", elem_id="agree")
        self.topics = TopicPart(self.arena.offer, self.browser)
        self.finished = gr.HTML(elem_id="finished")
        self.live = gr.HTML(elem_id="live")
        self.status = gr.HTML(elem_id="status")
        self.crisis = gr.HTML(elem_id="crisis")
        self.problem = gr.HTML(elem_id="problem")
        with gr.Column(visible=False, elem_id="talk") as self.talk_box:
            # The server checks the length; the page lets a longer text stand, so nothing is lost.
            self.text = gr.Textbox(
                lines=2, max_lines=8, elem_id="text", max_length=self._longest, autofocus=False
            )
            with gr.Row(elem_id="actions"):
                self.send = gr.Button(variant="primary", elem_id="send")
                self.stop = gr.Button(elem_id="stop", visible=False)
                self.retry = gr.Button(elem_id="retry", visible=False)
                self.restart = gr.Button(elem_id="restart", visible=False)
                self.need_help = gr.Button(elem_id="need-help", variant="secondary")

    def outputs(self) -> list[Any]:
        """Every component this page may change."""
        return [
            self.browser, self.painted, self.answering, self.consent_box, self.notice, self.agree,
            *self.topics.outputs(), self.finished, self.live, self.status, self.crisis,
            self.talk_box, self.text, self.problem, self.send, self.stop, self.retry, self.restart,
            self.need_help, *self.judging.outputs(), *self.outcome.outputs(),
        ]  # fmt: skip

    def _wire(self) -> None:
        everything = self.outputs()
        agreed = self.agree.click(self.on_agree, [self.browser], everything, **AT_ONCE)
        self.topics.connect(self.text)
        said = gr.on(
            [self.send.click, self.text.submit],
            self.on_send,
            [self.browser, self.painted, self.topics.topic, self.topics.starter, self.text],
            everything,
            **AT_ONCE,
        )
        here = [self.browser, self.painted]
        retried = self.retry.click(self.on_retry, here, everything, **AT_ONCE)
        answered = self.follow_after(said), self.follow_after(retried)
        self.stop.click(self.on_stop, here, everything, **AT_ONCE)
        self.restart.click(self.on_restart, here, everything, cancels=self.following, **AT_ONCE)
        self.outcome.again.click(self.on_again, [self.browser], everything, **AT_ONCE)
        agreed.then(js=focus_on("#topic input"))
        for event in answered:
            event.then(js=focus_on("#crisis section, #text textarea"))
        self.need_help.click(js=f"() => document.getElementById('{HELP_TAB}-button')?.click()")
        self.judging.connect(everything)

    def follow_after(self, event: Any) -> Any:
        """After ``event``, paint a running turn while it goes on, and everything at its end."""
        followed = event.then(
            self.on_follow, [self.browser], [self.live, self.status, self.answering], **WAITING
        )
        self.following.append(followed)
        return followed.then(
            self.on_answered, [self.browser, self.answering], self.outputs(), **AT_ONCE
        )

    # ---- handlers

    def on_agree(self, stored: object, request: gr.Request) -> Updates:
        session, who = self._who(stored, request)

        def act() -> None:
            self.arena.consent(who, session.lang)

        return self._try(session, request, act)

    def on_send(
        self,
        stored: object,
        painted: str,
        topic: object,
        starter: object,
        text: object,
        request: gr.Request,
    ) -> Updates:
        session, who = self._who(stored, request)
        token = painted or session.battle
        started, problem, emptied = session.with_(battle=token), "", False
        text = text if isinstance(text, str) else ""
        try:
            if not text.strip():
                raise Refused("empty")
            if not token:
                begun = sent_as_it_is(topic, starter, text)
                token = self.arena.start(who, str(topic or ""), begun, session.lang)
                started = session.with_(battle=token)
            self.arena.say(who, token, text)
            emptied = True
        except Refused as refused:
            problem = refusal_html(session, who, refused)
        except Exception as error:
            problem = failure_html(session, error)
        updates = self.paint(started, request) | {self.problem: problem}
        if emptied:
            updates[self.text] = updates.get(self.text, gr.update()) | {"value": ""}
            return updates
        if not started.battle:
            for chosen in (self.topics.topic, self.topics.starter):
                updates.pop(chosen, None)  # like what was written, they stand
        if findings := signs_of_danger(text[: self._longest], "client"):
            # Help comes first, whatever kept the words from being stored.
            updates[self.crisis] = self._help(category_of(findings), session.lang, request)
        return updates

    async def on_follow(self, stored: object, request: gr.Request) -> AsyncIterator[Updates]:
        """Repaint the growing replies until both have ended.

        Sleeping here holds no thread, so that many may wait without keeping others from being
        served.
        """
        session, who = self._who(stored, request)
        told = None
        try:
            glimpse = await asyncio.to_thread(self.arena.glimpses, who, session.battle)
        except (Refused, StoreError):
            yield {self.live: gr.skip()}
            return
        while (view := glimpse()) is not None and view.phase == "answering":
            updates = {self.live: rounds_html(view.rounds[-1:], session.lang)}
            status = self._status(view, session.lang)
            if status != told:
                # Repainting the same words would make a screen reader say them again.
                updates[self.status] = told = status
            yield updates
            await asyncio.sleep(PAINT_SECONDS)
        # What else the page was painted with meanwhile (a sign-in, a stop), this came over it.
        yield {self.live: gr.skip()} if told is None else {self.answering: None}

    def on_answered(self, stored: object, answering: object, request: gr.Request) -> Updates:
        """Paint what a turn came to. It never writes the session back: what the reader changed
        meanwhile must stand."""
        if answering is False:
            return {self.live: gr.skip()}
        painted = self.paint(Session.read(stored, request), request)
        kept = [self.browser, self.painted, self.problem]
        if not painted.get(self.crisis):
            # Help may stand there for words that were refused, and so are in no battle.
            kept.append(self.crisis)
        return {part: update for part, update in painted.items() if part not in kept}

    def on_stop(self, stored: object, painted: str, request: gr.Request) -> Updates:
        session, who = self._who(stored, request)
        return self._try(session, request, lambda: self.arena.stop(who, painted or session.battle))

    def on_retry(self, stored: object, painted: str, request: gr.Request) -> Updates:
        session, who = self._who(stored, request)
        return self._try(session, request, lambda: self.arena.retry(who, painted or session.battle))

    def on_restart(self, stored: object, painted: str, request: gr.Request) -> Updates:
        session, who = self._who(stored, request)
        try:
            if token := painted or session.battle:
                self.arena.give_up(who, token)
        except Refused as refused:
            if refused.code not in ("no_battle", "not_yours"):
                return {self.problem: refusal_html(session, who, refused)}
        return self.paint(session.with_(battle=""), request)

    def on_again(self, stored: object, request: gr.Request) -> Updates:
        session = Session.read(stored, request)
        return self.paint(session.with_(battle=""), request)

    # ---- painting

    def paint(self, session: Session, request: gr.Request | None) -> Updates:
        """The whole page for a session: what the arena says now, in its language."""
        lang, who = session.lang, session.identity(self.identities)
        view: BattleView | None = None
        closed = ""
        try:
            consented = self.arena.has_consented(who)
            if consented and not session.battle:
                session = session.with_(battle=self.arena.open_battle(who))
            if session.battle:
                view = self.arena.view(who, session.battle)
        except Refused as refused:
            session = session.with_(battle="")
            closed = refusal_html(session, who, refused)
        except StoreError as error:
            log.error("the records cannot be read: %s", error)
            return {self.answering: None, self.problem: note_html(say(lang, "failed"), "bad")}
        phase = view.phase if view else None
        answering = phase == "answering"
        rounds = view.rounds if view else []
        split = len(rounds) - 1 if answering else len(rounds)
        talking = consented and phase in (None, "open", "answering", "interrupted", "unsaved")
        return {
            self.browser: session.write(),
            self.painted: session.battle,
            self.answering: answering,
            # Not beside what tells somebody that this is for adults.
            self.consent_box: gr.update(visible=not consented and view is None),
            **self.topics.painted(shown=consented and view is None, emptied=view is None),
            self.finished: rounds_html(rounds[:split], lang),
            self.live: rounds_html(rounds[split:], lang),
            self.status: self._status(view, lang),
            self.crisis: self._crisis(view, lang, request),
            self.talk_box: gr.update(visible=talking or phase in ("crisis", "ended")),
            self.text: gr.update(visible=talking, interactive=not answering),
            self.problem: closed,
            self.send: gr.update(visible=phase in (None, "open")),
            self.stop: gr.update(visible=answering),
            self.retry: gr.update(visible=phase in ("interrupted", "unsaved")),
            self.restart: gr.update(visible=view is not None and phase != "judged"),
            **self.judging.painted(view),
            **self.outcome.painted(session, view),
        }

    def words(self, session: Session) -> Updates:
        """Every fixed text of the page in the session's language."""
        lang = session.lang
        return {
            self.notice: say(lang, "notice"),
            self.agree: gr.update(value=say(lang, "consent")),
            **self.topics.words(lang),
            self.text: gr.update(
                label=say(lang, "own_words"),
                placeholder=self._hint(lang),
            ),
            self.send: gr.update(value=say(lang, "send")),
            self.stop: gr.update(value=say(lang, "stop")),
            self.retry: gr.update(value=say(lang, "retry")),
            self.restart: gr.update(value=say(lang, "start_over")),
            self.need_help: gr.update(value=say(lang, "need_help")),
            **self.judging.words(lang),
            **self.outcome.words(lang),
        }

    def _hint(self, lang: Lang) -> str:
        hint = say(lang, "own_words_hint", limit=self.arena.rules.message_limit)
        if self.arena.offer.chinese_only:
            return sentences(lang, hint, say(lang, "write_chinese"))
        return hint

    def _status(self, view: BattleView | None, lang: Lang) -> str:
        if view is None:
            return note_html(say(lang, "away") if self.arena.offer.away else "", "plain")
        return note_html(status_text(view, self.arena.rules.rounds_to_judge, lang), "plain")

    def _crisis(self, view: BattleView | None, lang: Lang, request: gr.Request | None) -> str:
        if view is None or (view.crisis_category is None and not view.minor):
            return ""
        return self._help(view.crisis_category, lang, request, minor=view.minor)

    def _help(
        self, category: str | None, lang: Lang, request: gr.Request | None, *, minor: bool = False
    ) -> str:
        wanted = {category, "minor" if minor else None}
        # Records may name a kind that there is no more: then every help there is.
        kinds = [one for one in NEEDS if one in wanted] or CLIENT_CATEGORIES
        lines = help_for(locale_of(request, lang), kinds)
        return crisis_html(lines, lang, danger=category is not None, minor=minor)

    # ---- helpers

    def _who(self, stored: object, request: gr.Request) -> tuple[Session, Identity]:
        session = Session.read(stored, request)
        return session, session.identity(self.identities)

    def _try(self, session: Session, request: gr.Request, act: Callable[[], None]) -> Updates:
        try:
            act()
        except Refused as refused:
            told = refusal_html(session, session.identity(self.identities), refused)
            return self.paint(session, request) | {self.problem: told}
        except Exception as error:
            return {self.problem: failure_html(session, error)}
        return self.paint(session, request)
