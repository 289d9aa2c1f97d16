"""``report``: the study's MITI tables and plots, made on the spot, and all of it as one file."""

from __future__ import annotations

import base64
import re
from html import escape
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZIP_DEFLATED, ZipFile

from markdown_it import MarkdownIt

from mi_arena.access.guard import require
from mi_arena.battles.refusal import Refused
from mi_arena.study.match_results import match_results
from mi_arena.study.miti_results import miti_results
from mi_arena.ui.desk.answer import Answer, Call
from mi_arena.ui.texts import Lang, said
from mi_arena.workspace.report import coding_rows, report_facts, verdict_rows
from mi_arena.workspace.workspace import Workspace


class ReportRoom:
    """For admins only, also while an epoch is open: raters must not see results by system."""

    def __init__(self, workspace: Workspace):
        self.workspace = workspace

    def open(self, call: Call) -> Answer:
        require(call.who, "admin")
        # Only here: its plots need matplotlib, which would make every start of the app slower.
        from mi_arena.workspace.report_files import write_report

        books = self.workspace.ledger.now()
        results = miti_results(coding_rows(books, self.workspace.material))
        with TemporaryDirectory() as folder:
            written = write_report(
                results,
                Path(folder) / "miti",
                matches=match_results(verdict_rows(books)),
                facts=report_facts(self.workspace.store),
            )
            files = {path.name: path.read_bytes() for path in written}
        return Answer(html=_page(files, call.lang), view="report")

    def act(self, call: Call) -> Answer:
        require(call.who, "admin")
        raise Refused("no_work")


def _page(files: dict[str, bytes], lang: Lang) -> str:
    html = (
        MarkdownIt("commonmark", {"html": False})
        .enable("table")
        .render(files["report.md"].decode())
    )
    html = re.sub(r'src="([^"]+\.png)"', lambda found: _inline(found[1], files), html)
    html = html.replace("<table>", '<div class="scroll"><table>').replace(
        "</table>", "</table></div>"
    )
    return (
        '<article class="report"><button type="button" class="link" data-open="admin" '
        f'data-key="back">{said(lang, "desk_back")}</button>'
        f"<h2 tabindex=-1>{said(lang, 'admin_report')}</h2>"
        f'<p class="hint">{said(lang, "report_lead")}</p>'
        f'<p><a class="button" download="miti-report.zip" href="{_data(_zip(files), "zip")}">'
        f"{said(lang, 'report_download')}</a></p>{html}</article>"
    )


def _inline(name: str, files: dict[str, bytes]) -> str:
    return f'src="{_data(files[name], "png")}"' if name in files else f'src="{escape(name)}"'


def _data(content: bytes, kind: str) -> str:
    type_ = "application/zip" if kind == "zip" else "image/png"
    return f"data:{type_};base64,{base64.b64encode(content).decode()}"


def _zip(files: dict[str, bytes]) -> bytes:
    packed = BytesIO()
    with ZipFile(packed, "w", ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            archive.writestr(f"miti-report/{name}", content)
    return packed.getvalue()
