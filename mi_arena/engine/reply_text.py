"""A reply's text while its tokens come in: half a character is held back until it is whole."""

from __future__ import annotations

from mi_arena.chat_formats import ChatFormat

REPLACEMENT = "\ufffd"


class ReplyText:
    """Decodes a growing list of ids. A Chinese character can span several byte tokens."""

    def __init__(self, chat: ChatFormat):
        self._chat = chat
        self.ids: list[int] = []

    def add(self, token: int) -> None:
        self.ids.append(token)

    def shown(self) -> str:
        """The text so far without a broken last character."""
        return self._chat.decode(self.ids).rstrip(REPLACEMENT)

    def final(self) -> str:
        return self._chat.decode(self.ids)
