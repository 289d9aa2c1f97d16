"""Cuts a counsellor volley into utterances by punctuation: a first proposal for the coder.

Knows Chinese and English sentence ends, not meaning: what is one thought is for the coder to say,
who splits and merges.
"""

from __future__ import annotations

import re
import unicodedata

_END = re.compile(
    r"""
      (?: (?<! \.) \.+ )?       # dots before another mark: "...?"
      (?: [。！？；…\n]
        | [!?;] (?! (?<= [0-9A-Za-z] . ) [0-9A-Za-z] )   # not inside of "x?y=1"
      )
      [。！？；…\n!?;.]*         # a run of marks is one end: "？！", "……"
    | (?<! \.) \.+             # a full stop or three, never the point in 3.5
      (?= [”’」』）)】》〉〕］\]}"']* (?: \s | $ ) )
    """,
    re.VERBOSE,
)
_CLOSING = frozenset("”’」』）)】》〉〕］]}")


def cut(text: str) -> list[str]:
    """The utterances of ``text`` in order; joined they are ``text`` again, character for character.

    An utterance ends after 。！？!?；;… or a newline, and after a full stop before a blank or the
    end; closing quotes and brackets and blanks stay with what they close. No piece is only
    punctuation or blanks unless all of ``text`` is. ``[]`` for the empty text.
    """
    pieces: list[str] = []
    begin = 0
    for match in _END.finditer(text):
        if match[0] == "." and text[begin : match.start()].strip().isdecimal():
            continue  # the number of a list: "1. ..."
        end = _past_closing(text, match.end())
        if end > begin:
            pieces.append(text[begin:end])
            begin = end
    if begin < len(text):
        pieces.append(text[begin:])
    return _with_words(pieces)


def _past_closing(text: str, at: int) -> int:
    """Past closing quotes and brackets at ``at``, and past the blanks behind them."""
    end = at
    while end < len(text) and _closes(text, end):
        end += 1
    while end < len(text) and text[end].isspace():
        end += 1
    return end


def _closes(text: str, at: int) -> bool:
    if text[at] == '"':
        # Straight quotes look alike at both ends: an odd number before means that one is open.
        return text.count('"', 0, at) % 2 == 1
    if text[at] == "'":
        return not text[at + 1 : at + 2].isalnum()
    return text[at] in _CLOSING


def _with_words(pieces: list[str]) -> list[str]:
    """Pieces without a word in them joined to the piece before, the first ones to that after."""
    joined: list[str] = []
    for piece in pieces:
        if joined and not (_has_words(piece) and _has_words(joined[-1])):
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def _has_words(piece: str) -> bool:
    return any(unicodedata.category(character)[0] not in "PZC" for character in piece)
