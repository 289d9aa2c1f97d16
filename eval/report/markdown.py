"""A report as Markdown; its plots are files beside it."""

from __future__ import annotations

from collections.abc import Sequence

from eval.report.parts import Block, Heading, Paragraph, Part, Plot, Table

PLOTS = "plots"
"""The folder of the plots."""


def as_markdown(title: str, lead: Sequence[str], parts: Sequence[Part]) -> str:
    """The whole text, with its last line's end."""
    blocks = [f"# {_text(title)}", *map(_text, lead)]
    for part in parts:
        blocks += [f"## {_text(part.title)}", *map(_block, part.blocks)]
    return "\n\n".join(blocks) + "\n"


def _block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"### {_text(text)}"
        case Paragraph(text, strong):
            return f"**{_text(text)}**" if strong else _text(text)
        case Plot(name, shows):
            return f"![{_text(shows)}]({PLOTS}/{name}.png)"
        case Table(header, rows, notes):
            lines = [_row(header), _row(["---"] * len(header)), *map(_row, rows)]
            return "\n\n".join(["\n".join(lines), *map(_text, notes)])


def _row(cells: Sequence[str]) -> str:
    texts = [_text(cell).replace("|", r"\|") for cell in cells]
    return f"| {' | '.join(texts)} |"


def _text(text: str) -> str:
    """In one line, and never read as a tag or a heading."""
    one_line = " ".join(text.split())
    return one_line.replace("<", "&lt;").replace("*", r"\*").replace("_", r"\_")
