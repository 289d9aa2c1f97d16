"""The battle page: consent, topic, talking to both sides, judging, the reveal.

Wires components to the arena. What a rater may see is decided there (``BattleView``); this file
only paints it. Transcripts are repainted from the server, never read back from the browser.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr
from pydantic import ValidationError

from mi_arena.access.identity import Identities, Identity
from mi_arena.battles.arena import Arena
from mi_arena.battles.form import OVERALL, POINTS, REASON_LIMIT, TOPICS, Answers
from mi_arena.battles.refusal import Refused
from mi_arena.battles.view import BattleView
from mi_arena.records.store import StoreError
from mi_arena.safety.categories import CLIENT_CATEGORIES
from mi_arena.safety.check import category_of
from mi_arena.safety.check import findings as signs_of_danger
from mi_arena.safety.help import NEEDS, help_for
from mi_arena.ui.desk.rooms import own_battle_rooms
from mi_arena.ui.desk.shell import DeskShell
from mi_arena.ui.focus import focus_on
from mi_arena.ui.outcome import outcome_html
from mi_arena.ui.session import Session, locale_of
from mi_arena.ui.starters import starters
from mi_arena.ui.texts import Lang, say, sentences
from mi_arena.ui.transcript import crisis_html, note_html, rounds_html, status_text
from mi_arena.workspace.workspace import Workspace

log = logging.getLogger(__name__)

LOOKED_AT = 20_000
"""Characters of a refused text that are looked through for signs of danger."""
PAINT_SECONDS = 0.15
"""At most this often a growing reply is repainted."""
HELP_TAB = "help-tab"
"""The element of the tab that "need help?" opens."""
NOT_SURE = "none"
GUESSES = ("A", "B", NOT_SURE)
CONFIDENCE = ("1", "2", "3", "4", "5")
SCALE = ("-2", "-1", "0", "1", "2")
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
        self.arena, self.identities, self.minimum_n = arena, identities, minimum_n
        self.workspace = workspace
        self.browser = browser
        self.painted = gr.State("")
        """The token of the battle on the page: a form is emptied only when another comes."""
        self.following: list[Any] = []
        """Events that follow a running turn; what changes battle or language cancels them."""
        self._build()
        self._wire()

    # ---- components

    def _build(self) -> None:
        limit = self.arena.rules.message_limit
        with gr.Column(visible=False, elem_id="consent") as self.consent_box:
            self.notice = gr.Markdown()
            self.agree = gr.Button(variant="primary", elem_id="agree")
        with gr.Column(visible=False, elem_id="setup") as self.setup_box:
            # Values stand from the beginning, only words change with the language: a page that
            # outlived a restart of the server must still be able to send its form.
            self.topic = gr.Radio(list(TOPICS), elem_id="topic")
            every = [one["id"] for ones in starters().values() for one in ones]
            self.starter = gr.Radio(every, elem_id="starter", visible=False)
        self.finished = gr.HTML(elem_id="finished")
        self.live = gr.HTML(elem_id="live")
        self.status = gr.HTML(elem_id="status")
        self.crisis = gr.HTML(elem_id="crisis")
        self.problem = gr.HTML(elem_id="problem")
        with gr.Column(visible=False, elem_id="talk") as self.talk_box:
            # The server checks the length; the page lets a longer text stand, so nothing is lost.
            self.text = gr.Textbox(
                lines=2, max_lines=8, elem_id="text", max_length=limit * 4, autofocus=False
            )
            with gr.Row(elem_id="actions"):
                self.send = gr.Button(variant="primary", elem_id="send")
                self.stop = gr.Button(elem_id="stop", visible=False)
                self.retry = gr.Button(elem_id="retry", visible=False)
                self.restart = gr.Button(elem_id="restart", visible=False)
                self.need_help = gr.Button(elem_id="need-help", variant="secondary")
        with gr.Column(visible=False, elem_id="judge") as self.judge_box:
            self.judge_title = gr.Markdown()
            self.overall = gr.Radio(list(OVERALL), elem_id="overall")
            with gr.Accordion(open=False, elem_id="points") as self.points_box:
                self.points = {n: gr.Radio(list(SCALE), elem_id=f"point-{n}") for n in POINTS}
                self.reason = gr.Textbox(lines=2, elem_id="reason", max_length=REASON_LIMIT)
            self.guess = gr.Radio(list(GUESSES), elem_id="guess")
            self.confidence = gr.Radio(list(CONFIDENCE), elem_id="confidence")
            self.judge_problem = gr.HTML(elem_id="judge-problem")
            self.submit = gr.Button(variant="primary", elem_id="submit")
        with gr.Column(visible=False, elem_id="outcome") as self.outcome_box:
            self.outcome = gr.HTML(elem_id="outcome-text")
            self.receipt = gr.Textbox(
                interactive=False, buttons=["copy"], visible=False, elem_id="receipt"
            )
            with gr.Accordion(open=False, elem_id="own") as self.own_box:
                self.own_lead = gr.Markdown()
                self.own = DeskShell(
                    self.identities, own_battle_rooms(self.workspace), "own-form", "own:A"
                )
            self.again = gr.Button(variant="primary", elem_id="again")

    def outputs(self) -> list[Any]:
        """Every component this page may change."""
        return [
            self.browser, self.painted, self.consent_box, self.notice, self.agree, self.setup_box,
            self.topic, self.starter, self.finished, self.live, self.status, self.crisis,
            self.talk_box, self.text, self.problem, self.send, self.stop, self.retry, self.restart,
            self.need_help,
            self.judge_box, self.judge_title, self.overall, self.points_box, *self.points.values(),
            self.reason, self.guess, self.confidence, self.judge_problem, self.submit,
            self.outcome_box, self.outcome, self.receipt, self.own_box, self.own_lead,
            self.own.component, self.again,
        ]  # fmt: skip

    def _wire(self) -> None:
        everything = self.outputs()
        form = [self.overall, *self.points.values(), self.reason, self.guess, self.confidence]
        # What only looks or stores must go through even when the queue is full or the tab closes.
        at_once: dict[str, Any] = {
            "queue": False,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        # These only wait for the engine, which has a queue of its own.
        streaming: dict[str, Any] = {
            "concurrency_limit": None, "show_progress": "hidden", "api_visibility": "private",
        }  # fmt: skip
        follow: dict[str, Any] = {
            "fn": self.on_follow,
            "inputs": [self.browser],
            "outputs": everything,
        }

        agreed = self.agree.click(self.on_agree, [self.browser], everything, **at_once)
        self.topic.input(self.on_topic, [self.browser, self.topic], [self.starter], **at_once)
        self.starter.input(
            self.on_starter, [self.browser, self.topic, self.starter], [self.text], **at_once
        )
        self.follow = follow | streaming
        said = gr.on(
            [self.send.click, self.text.submit],
            self.on_send,
            [self.browser, self.painted, self.topic, self.starter, self.text],
            everything,
            **at_once,
        )
        here = [self.browser, self.painted]
        retried = self.retry.click(self.on_retry, here, everything, **at_once)
        answered = said.then(**self.follow), retried.then(**self.follow)
        self.following += answered
        self.stop.click(self.on_stop, here, everything, **at_once)
        self.restart.click(self.on_restart, here, everything, cancels=self.following, **at_once)
        self.again.click(self.on_again, [self.browser], everything, **at_once)
        judged = self.submit.click(self.on_judge, {*here, *form}, everything, **at_once)
        agreed.then(js=focus_on("#topic input"))
        for event in answered:
            event.then(js=focus_on("#crisis section, #text textarea"))
        self.need_help.click(js=f"() => document.getElementById('{HELP_TAB}-button')?.click()")
        judged.then(js=focus_on("#crisis section, #outcome-text h2"))

    # ---- handlers

    def on_agree(self, stored: object, request: gr.Request) -> Updates:
        session, who = self._who(stored, request)

        def act() -> None:
            self.arena.consent(who, session.lang)

        return self._try(session, request, act, self.problem)

    def on_topic(self, stored: object, topic: object, request: gr.Request) -> Updates:
        session = Session.read(stored, request)
        return {self.starter: self.starter_choices(session.lang, topic)}

    def on_starter(
        self, stored: object, topic: object, starter: object, request: gr.Request
    ) -> Updates:
        session = Session.read(stored, request)
        for one in starters().get(str(topic), []):
            if one["id"] == starter:
                written: Lang = "zh" if self.chinese_only else session.lang
                return {self.text: gr.update(value=one[written])}
        return {self.text: gr.skip()}

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
                begun = _taken(topic, starter, text)
                token = self.arena.start(who, str(topic or ""), begun, session.lang)
                started = session.with_(battle=token)
            self.arena.say(who, token, text)
            emptied = True
        except Refused as refused:
            problem = note_html(_sentence(session, who, refused), "bad")
        except Exception as error:
            problem = self._failed(session, error)
        updates = self.paint(started, request) | {self.problem: problem}
        if emptied:
            updates[self.text] = updates[self.text] | {"value": ""}
            return updates
        if not started.battle:
            for chosen in (self.topic, self.starter):  # like what was written, they stand
                updates.pop(chosen, None)
        if findings := signs_of_danger(text[:LOOKED_AT], "client"):
            # Help comes first, whatever kept the words from being stored.
            updates[self.crisis] = self._help(category_of(findings), session.lang, request)
        return updates

    async def on_follow(self, stored: object, request: gr.Request) -> AsyncIterator[Updates]:
        """Repaint the growing replies until both have ended.

        It never writes the session back: what the reader changed meanwhile must stand. Sleeping
        here holds no thread, so that many may wait without keeping others from being served.
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
        painted = await asyncio.to_thread(self.paint, session, request)
        kept = [self.browser, self.painted, self.problem]
        if not painted.get(self.crisis):
            # Help may stand there for words that were refused, and so are in no battle.
            kept.append(self.crisis)
        yield {part: update for part, update in painted.items() if part not in kept}

    def on_stop(self, stored: object, painted: str, request: gr.Request) -> Updates:
        session, who = self._who(stored, request)
        return self._try(
            session, request, lambda: self.arena.stop(who, painted or session.battle), self.problem
        )

    def on_retry(self, stored: object, painted: str, request: gr.Request) -> Updates:
        session, who = self._who(stored, request)
        return self._try(
            session, request, lambda: self.arena.retry(who, painted or session.battle), self.problem
        )

    def on_restart(self, stored: object, painted: str, request: gr.Request) -> Updates:
        session, who = self._who(stored, request)
        try:
            if token := painted or session.battle:
                self.arena.give_up(who, token)
        except Refused as refused:
            if refused.code not in ("no_battle", "not_yours"):
                return {self.problem: note_html(_sentence(session, who, refused), "bad")}
        return self.paint(session.with_(battle=""), request)

    def on_again(self, stored: object, request: gr.Request) -> Updates:
        session = Session.read(stored, request)
        return self.paint(session.with_(battle=""), request)

    def on_judge(self, data: dict[Any, Any], request: gr.Request) -> Updates:
        session, who = self._who(data[self.browser], request)
        token = data[self.painted] or session.battle
        try:
            self.arena.judge(who, token, self._answers(data))
        except Refused as refused:
            return {self.judge_problem: note_html(_sentence(session, who, refused), "bad")}
        except Exception as error:
            return {self.judge_problem: self._failed(session, error)}
        return self.paint(session.with_(battle=token), request) | {self.judge_problem: ""}

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
            closed = _sentence(session, who, refused)
        except StoreError as error:
            log.error("the records cannot be read: %s", error)
            return {self.problem: note_html(say(lang, "failed"), "bad")}
        phase = view.phase if view else None
        answering = phase == "answering"
        rounds = view.rounds if view else []
        split = len(rounds) - 1 if answering else len(rounds)
        talking = consented and phase in (None, "open", "answering", "interrupted", "unsaved")
        return {
            self.browser: session.write(),
            self.painted: session.battle,
            # Not beside what tells somebody that this is for adults.
            self.consent_box: gr.update(visible=not consented and view is None),
            self.setup_box: gr.update(visible=consented and view is None),
            self.finished: rounds_html(rounds[:split], lang),
            self.live: rounds_html(rounds[split:], lang),
            self.status: self._status(view, lang),
            self.crisis: self._crisis(view, lang, request),
            self.talk_box: gr.update(visible=talking or phase in ("crisis", "ended")),
            self.text: gr.update(visible=talking, interactive=not answering),
            self.problem: note_html(closed, "bad"),
            self.send: gr.update(visible=phase in (None, "open")),
            self.stop: gr.update(visible=answering),
            self.retry: gr.update(visible=phase in ("interrupted", "unsaved")),
            self.restart: gr.update(visible=view is not None and phase != "judged"),
            self.judge_box: gr.update(visible=bool(view and view.can_judge)),
            self.outcome_box: gr.update(visible=phase == "judged"),
            self.outcome: self._outcome(view, lang) if phase == "judged" else "",
            self.receipt: gr.update(
                value=view.receipt if view else None, visible=bool(view and view.receipt)
            ),
            self.own.component: self.own.painted(session, shown=phase == "judged"),
        } | (self._fresh_form() if view is None else {})

    def words(self, session: Session) -> Updates:
        """Every fixed text of the page in the session's language."""
        lang = session.lang

        def choices(prefix: str, values: tuple[str, ...]) -> list[tuple[str, str]]:
            return [(say(lang, f"{prefix}_{value}"), value) for value in values]

        scale = choices("point", SCALE)
        return {
            self.notice: say(lang, "notice"),
            self.agree: gr.update(value=say(lang, "consent")),
            self.topic: gr.update(
                label=say(lang, "choose_topic"), choices=choices("topic", TOPICS)
            ),
            self.starter: gr.update(label=say(lang, "choose_starter")),
            self.text: gr.update(
                label=say(lang, "own_words"),
                placeholder=self._hint(lang),
            ),
            self.send: gr.update(value=say(lang, "send")),
            self.stop: gr.update(value=say(lang, "stop")),
            self.retry: gr.update(value=say(lang, "retry")),
            self.restart: gr.update(value=say(lang, "start_over")),
            self.need_help: gr.update(value=say(lang, "need_help")),
            self.judge_title: f"### {say(lang, 'judge_title')}",
            self.overall: gr.update(
                label=say(lang, "overall"), choices=choices("overall", OVERALL)
            ),
            self.points_box: gr.update(label=say(lang, "points")),
            **{
                radio: gr.update(label=say(lang, f"point_{name}"), choices=scale)
                for name, radio in self.points.items()
            },
            self.reason: gr.update(label=say(lang, "reason")),
            self.guess: gr.update(label=say(lang, "guess"), choices=choices("guess", GUESSES)),
            self.confidence: gr.update(
                label=say(lang, "confidence"),
                choices=choices("confidence", CONFIDENCE),
            ),
            self.submit: gr.update(value=say(lang, "submit")),
            self.receipt: gr.update(label=say(lang, "receipt"), info=say(lang, "receipt_info")),
            self.own_box: gr.update(label=say(lang, "own_open")),
            self.own_lead: say(lang, "own_lead"),
            self.again: gr.update(value=say(lang, "again")),
        }

    def _fresh_form(self) -> Updates:
        emptied = [self.overall, *self.points.values(), self.guess, self.confidence, self.topic]
        return {
            **{radio: gr.update(value=None) for radio in emptied},
            self.reason: gr.update(value=""),
            self.starter: gr.update(visible=False, value=None),
            self.judge_problem: "",
        }

    def starter_choices(self, lang: Lang, topic: object) -> Any:
        """The starters of a topic in a language; hidden where there are none."""
        found = starters().get(str(topic), [])
        told = [
            f"{one['zh']} ({one['en']})" if lang == "en" and self.chinese_only else one[lang]
            for one in found
        ]
        ids = [one["id"] for one in found]
        return gr.update(choices=list(zip(told, ids, strict=True)), value=None, visible=bool(found))

    @property
    def chinese_only(self) -> bool:
        """Whether a battle may have a pair that makes no sense of English."""
        return any(pair.chinese_only for pair in self.arena.offer.pairs())

    def _hint(self, lang: Lang) -> str:
        hint = say(lang, "own_words_hint", limit=self.arena.rules.message_limit)
        return sentences(lang, hint, say(lang, "write_chinese")) if self.chinese_only else hint

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

    def _outcome(self, view: BattleView | None, lang: Lang) -> str:
        known = self.arena.offer.known().values()
        names = {pair.id: getattr(pair.name, lang) for pair in known}
        if view is None:
            return ""
        store, votes = self.arena.store, self.arena.votes
        return outcome_html(view, lang, store, votes, names, self.minimum_n)

    # ---- helpers

    def _answers(self, data: dict[Any, Any]) -> Answers:
        """The form's values as answers; raises ``Refused`` for what no form of ours would send."""
        guess, confidence = data[self.guess], data[self.confidence]
        scales = {name: data[radio] for name, radio in self.points.items()}
        guessed = guess in ("A", "B")
        try:
            return Answers(
                overall=data[self.overall],
                scales={name: int(value) for name, value in scales.items() if value is not None},
                reason=data[self.reason] or None,
                guess=guess if guessed else None,
                confidence=int(confidence) if confidence and guessed else None,
            )
        except (ValidationError, ValueError, TypeError):
            raise Refused("bad_answers") from None

    def _who(self, stored: object, request: gr.Request) -> tuple[Session, Identity]:
        session = Session.read(stored, request)
        return session, session.identity(self.identities)

    def _try(
        self, session: Session, request: gr.Request, act: Callable[[], None], where: Any
    ) -> Updates:
        try:
            act()
        except Refused as refused:
            who = session.identity(self.identities)
            return self.paint(session, request) | {
                where: note_html(_sentence(session, who, refused), "bad")
            }
        except Exception as error:
            return {where: self._failed(session, error)}
        return self.paint(session, request)

    def _failed(self, session: Session, error: Exception) -> str:
        # The type says enough to look for; the text of an error might quote what somebody wrote.
        log.error(
            "a handler failed: %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG)
        )
        return note_html(say(session.lang, "failed"), "bad")


def _taken(topic: object, starter: object, text: str) -> str | None:
    """The starter that was offered and sent as it is; one that was changed is somebody's own."""
    for one in starters().get(str(topic), []):
        if one["id"] == starter and text.strip() in (one["zh"], one["en"]):
            return str(starter)
    return None


def _sentence(session: Session, who: Identity, refused: Refused) -> str:
    if refused.code in ("not_yours", "no_battle") and session.member and who.member is None:
        return say(session.lang, "signed_out")  # the browser's battle was the member's
    return say(session.lang, f"refused_{refused.code}", **refused.values)
