"""All pages as one Gradio app; the browser's language decides, a switch changes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from mi_arena.access.identity import Identities
from mi_arena.battles.arena import Arena
from mi_arena.ui.admin_tabs import AdminTabs
from mi_arena.ui.battle_page import HELP_TAB, BattlePage
from mi_arena.ui.blocks import Pages
from mi_arena.ui.desk.rooms import workspace_rooms
from mi_arena.ui.desk.shell import DeskShell
from mi_arena.ui.events import AT_ONCE
from mi_arena.ui.focus import focus_on
from mi_arena.ui.gate import Gate, Tickets
from mi_arena.ui.help_page import HelpPage
from mi_arena.ui.hugging_face_sign_in import COOKIE, HuggingFaceSignIn
from mi_arena.ui.pipeline.tools import PipelineTools
from mi_arena.ui.results_page import ResultsPage
from mi_arena.ui.session import STORAGE_KEY, Session
from mi_arena.ui.side_pages import ExpertSignIn, WithdrawPage
from mi_arena.ui.texts import Lang, say
from mi_arena.ui.updates import merged
from mi_arena.workspace.workspace import Workspace

STYLES = [Path(__file__).with_name("style.css"), Path(__file__).with_name("desk") / "desk.css"]
HOUR = 3600
"""Seconds; copies of what was uploaded go after it."""
# Tells the screen reader (and the spelling checker) which language the page is in.
SET_LANGUAGE = "(lang) => { document.documentElement.lang = lang === 'en' ? 'en' : 'zh-CN'; }"


def build(
    arena: Arena,
    identities: Identities,
    workspace: Workspace,
    tools: PipelineTools,
    minimum_n: int,
    hugging_face: HuggingFaceSignIn | None = None,
) -> Pages:
    """The app; a caller launches it with ``launch_options``, and installs ``hugging_face``."""
    with Pages(title="MI Arena", analytics_enabled=False, delete_cache=(HOUR, HOUR)) as app:
        browser = gr.BrowserState({}, storage_key=STORAGE_KEY, secret=STORAGE_KEY)
        language = gr.Textbox(visible=False)
        with gr.Row(elem_id="head", elem_classes="cornered"):
            heading = gr.Markdown(elem_id="heading")
            switch = gr.Button(elem_id="switch", size="sm", scale=0, min_width=90)
        # What Gradio would put behind its dots on a phone is not found.
        with gr.Tabs(elem_id="tabs", overflow_behavior="wrap"):
            with gr.Tab("对话", id="battle") as battle_tab:
                battle = BattlePage(arena, identities, workspace, minimum_n, browser)
                topics = battle.topics
            with gr.Tab("专家工作台", id="workspace", visible=False) as workspace_tab:
                desk = DeskShell(
                    identities, workspace_rooms(workspace, identities.members), "workspace", "home"
                )
            admin_tabs = AdminTabs(arena, tools, workspace, identities, minimum_n, browser)
            with gr.Tab("结果", id="results") as results_tab:
                results = ResultsPage(
                    arena.store, arena.votes, arena.offer.known, minimum_n, browser
                )
            with gr.Tab("撤回", id="withdraw") as withdraw_tab:
                withdraw = WithdrawPage(arena, identities, browser)
            with gr.Tab("求助", id="help", elem_id=HELP_TAB) as help_tab:
                help_page = HelpPage()
            with gr.Tab("说明", id="about") as about_tab:
                about = gr.Markdown()
                expert = ExpertSignIn(
                    arena,
                    identities,
                    browser,
                    lambda session, request: members_part(session) | battle.paint(session, request),
                    [workspace_tab, *admin_tabs.labels, desk.component, *battle.outputs()],
                    hugging_face is not None,
                )

        tabs = {
            battle_tab: "tab_battle", workspace_tab: "tab_workspace",
            results_tab: "tab_results", withdraw_tab: "tab_withdraw", help_tab: "tab_help",
            about_tab: "tab_about",
        }  # fmt: skip

        def members_part(session: Session) -> dict[Any, Any]:
            """The tabs of members; what they show is asked for by every call anew."""
            member = session.identity(identities).member is not None
            return {
                **admin_tabs.shown(session),
                workspace_tab: gr.update(visible=member, label=say(session.lang, "tab_workspace")),
                desk.component: desk.painted(session, shown=member),
            }

        def words(session: Session) -> dict[Any, Any]:
            lang = session.lang
            names = "、" if lang == "zh" else ", "
            served = names.join(getattr(pair.name, lang) for pair in arena.offer.pairs())
            return {
                language: lang,
                heading: f"# {say(lang, 'title')}\n{say(lang, 'lead')}",
                switch: gr.update(value=say(lang, "switch_language")),
                about: say(lang, "about", pairs=served or "–"),
                **{tab: gr.update(label=say(lang, key)) for tab, key in tabs.items()},
                **members_part(session),
                **battle.words(session),
                **admin_tabs.words(session),
                **results.words(session),
                **withdraw.words(session),
                **expert.words(session),
            }

        def on_load(stored: object, request: gr.Request) -> dict[Any, Any]:
            session = Session.read(stored, request)
            waiting = hugging_face.fetched(request.cookies.get(COOKIE)) if hugging_face else None
            if waiting is not None:
                session = session.with_(member=waiting, battle="")
            return on_language(session, request)

        def on_switch(stored: object, topic: object, request: gr.Request) -> dict[Any, Any]:
            session = Session.read(stored, request)
            other: Lang = "en" if session.lang == "zh" else "zh"
            changed = on_language(session.with_(lang=other), request)
            return merged(changed, {topics.starter: topics.starter_choices(other, topic)})

        def on_language(session: Session, request: gr.Request) -> dict[Any, Any]:
            told = words(session) | help_page.words(session, request)
            return merged(told, battle.paint(session, request))

        everything = list(
            dict.fromkeys(
                [
                    language,
                    heading,
                    switch,
                    about,
                    *tabs,
                    desk.component,
                    *battle.outputs(),
                    *admin_tabs.outputs(),
                    *results.outputs(),
                    *withdraw.outputs(),
                    *help_page.outputs(),
                    *expert.outputs(),
                ]
            )
        )
        # Results are looked at after a judgement as a rule: never show those of a minute ago.
        results_tab.select(**results.refreshed)
        admin_tabs.connect()
        loaded = battle.follow_after(app.load(on_load, [browser], everything, **AT_ONCE))
        loaded.then(js=focus_on("#crisis section"))
        battle.follow_after(
            switch.click(
                on_switch,
                [browser, topics.topic],
                everything,
                cancels=list(battle.following),
                **AT_ONCE,
            )
        )
        language.change(None, [language], None, js=SET_LANGUAGE)
    return app


def launch_options(
    tickets: Tickets, on_space: bool = False, hosts: tuple[str, ...] = ()
) -> dict[str, Any]:
    """What every launch of the app has in common, in tests and in earnest."""
    gate = Middleware(Gate, tickets=tickets, on_space=on_space, hosts=hosts)
    return {
        "css_paths": STYLES,
        # System fonts: the page asks no other host for anything.
        "theme": gr.themes.Soft(
            primary_hue="teal",
            secondary_hue="teal",
            font=["system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif"],
            font_mono=["ui-monospace", "monospace"],
        ).set(
            # The theme's own teal is too light for white text on it, and for text.
            background_fill_primary="*neutral_50",  # the theme's own, which ``set`` would forget
            button_primary_background_fill="*primary_700",
            button_primary_background_fill_hover="*primary_800",
            button_primary_background_fill_dark="*primary_700",
            button_primary_background_fill_hover_dark="*primary_800",
            checkbox_label_background_fill_selected="*primary_700",
            checkbox_label_background_fill_selected_dark="*primary_700",
            block_label_text_color="*primary_800",
            block_title_text_color="*primary_800",
        ),
        # A corpus is not larger than this.
        "max_file_size": "200mb",
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        # Or Gradio asks itself for the page, and ends the app when a crowd that waits for a restart
        # makes that slow.
        "_frontend": False,
        "mcp_server": False,
        "show_error": False,
        # Unset, its figures are told to everybody.
        "enable_monitoring": False,
        "app_kwargs": {"middleware": [gate]},
    }
