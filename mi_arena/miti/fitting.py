"""Pieces of a text that somebody wrote down again, laid back onto the text itself.

Only white space may differ. Knows characters, not codes or who wrote.
"""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 12
"""Characters of a text that an error shows."""


class DoesNotFit(ValueError):
    """The pieces are not the text. ``expected`` and ``given`` show both from where they part; an
    empty one has ended there."""

    def __init__(self, expected: str, given: str) -> None:
        super().__init__("the pieces joined are another text")
        self.expected, self.given = expected, given


def fitted(pieces: Sequence[str], text: str) -> list[str]:
    """``text`` cut where the pieces end, one entry for each; joined they are ``text`` again.

    White space belongs to the piece before it, leading white space to the first with words; a piece
    without words is empty. Raises ``DoesNotFit``.
    """
    bare = [_bare(piece) for piece in pieces]
    _check_same(_bare(text), "".join(bare))
    cut: list[str] = []
    at = 0
    for piece in bare:
        end, left = at, len(piece)
        while left:
            left -= not text[end].isspace()
            end += 1
        if piece:
            while end < len(text) and text[end].isspace():
                end += 1
        cut.append(text[at:end])
        at = end
    return cut


def span_in(span: str, text: str) -> str | None:
    """The stretch of ``text`` that ``span`` writes down, in the text's own spelling.

    The first one where there are several; ``None`` where there is none or ``span`` has no words.
    """
    wanted = _bare(span)
    at = _bare(text).find(wanted) if wanted else -1
    if at < 0:
        return None
    places = [place for place, letter in enumerate(text) if not letter.isspace()]
    return text[places[at] : places[at + len(wanted) - 1] + 1]


def same_words(one: str, other: str) -> bool:
    """Whether two texts are the same but for white space."""
    return _bare(one) == _bare(other)


def _bare(text: str) -> str:
    return "".join(text.split())


def _check_same(expected: str, given: str) -> None:
    if expected == given:
        return
    pairs = zip(expected, given, strict=False)
    shorter = min(len(expected), len(given))
    at = next((place for place, (one, other) in enumerate(pairs) if one != other), shorter)
    raise DoesNotFit(expected[at : at + SHOWN], given[at : at + SHOWN])
