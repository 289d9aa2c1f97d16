"""Messages to token ids and labels, per model family: one source for serving, tuning and eval."""

from mi_arena.chat_formats.base import IGNORE, ChatFormat, Example, FormatError
from mi_arena.chat_formats.families import FORMATS, load_format

__all__ = ["FORMATS", "IGNORE", "ChatFormat", "Example", "FormatError", "load_format"]
