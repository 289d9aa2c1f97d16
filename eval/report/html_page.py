"""A report as one HTML file that opens alone: style and plots are inside, nothing is loaded."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from eval.report.parts import Block, Heading, Paragraph, Part, Plot, Table
from eval.report.words import Words

_LANGS = {"zh": "zh-CN", "en": "en"}
_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.6 system-ui, "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", sans-serif;
  color: #1a1a1a; background: #fff; max-width: 68rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.7rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; }
h3 { margin-top: 1.6rem; font-size: 1.05rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; min-width: 3.5em; }
th { background: #f4f4f4; overflow-wrap: normal; }
p, li, td { overflow-wrap: anywhere; }
@media (max-width: 640px) { body { padding: 1rem; } th { overflow-wrap: anywhere; } }
.notes { font-size: .8rem; color: #555; margin: .3rem 0; }
.caution { border-left: 4px solid #b45309; background: #fff7ed; padding: .6rem .9rem; }
img { max-width: 100%; height: auto; }
@media print { body { max-width: none; } h2 { break-after: avoid; } img { break-inside: avoid; } }
"""


def as_html(title: str, lead: Sequence[str], parts: Sequence[Part], words: Words) -> str:
    """The whole page."""
    contents = "".join(f'<li><a href="#{part.key}">{escape(part.title)}</a></li>' for part in parts)
    sections = "".join(_section(part) for part in parts)
    return (
        f'<!DOCTYPE html>\n<html lang="{_LANGS[words.lang]}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{''.join(f'<p>{escape(one)}</p>' for one in lead)}\n"
        f'<nav aria-label="{escape(words("contents"))}"><ul>{contents}</ul></nav>\n'
        f"{sections}</main>\n</body>\n</html>\n"
    )


def _section(part: Part) -> str:
    blocks = "\n".join(map(_block, part.blocks))
    return f'<section id="{part.key}">\n<h2>{escape(part.title)}</h2>\n{blocks}\n</section>\n'


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h3>{escape(text)}</h3>"
        case Paragraph(text, strong):
            kind = ' class="caution"' if strong else ""
            return f"<p{kind}>{escape(text)}</p>"
        case Plot(_, shows, png):
            data = b64encode(png).decode()
            return f'<p><img alt="{escape(shows)}" src="data:image/png;base64,{data}"></p>'
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in table.header)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in table.rows
    )
    notes = "".join(f'<p class="notes">{escape(note)}</p>' for note in table.notes)
    return (
        f'<div class="table"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>'
        f"</table></div>\n{notes}"
    )
