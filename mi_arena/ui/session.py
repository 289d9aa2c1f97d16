"""What the browser keeps between visits: opaque tokens and a language, all of it untrusted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import gradio as gr

from mi_arena.access.identity import Identities, Identity, new_token
from mi_arena.ui.texts import LANGS, Lang, browser_language

STORAGE_KEY = "mi-arena"
LONGEST = 200
"""Characters of a token that are looked at; ours are shorter."""


@dataclass(frozen=True)
class Session:
    """One browser, as it presents itself."""

    rater: str = ""
    battle: str = ""
    member: str = ""
    lang: Lang = "zh"

    @classmethod
    def read(cls, stored: object, request: gr.Request | None) -> Self:
        """From whatever the browser sent; anything odd counts as a first visit."""
        kept = stored if isinstance(stored, dict) else {}
        lang = kept.get("lang")
        if lang not in LANGS:
            lang = browser_language(_header(request, "accept-language"))
        return cls(
            rater=_token(kept.get("rater")) or new_token(),
            battle=_token(kept.get("battle")),
            member=_token(kept.get("member")),
            lang=lang,
        )

    def write(self) -> dict[str, Any]:
        """What the browser is to keep."""
        return asdict(self)

    def with_(self, **changes: Any) -> Self:
        return replace(self, **changes)

    def identity(self, identities: Identities) -> Identity:
        return identities.of(self.rater, self.member or None)


def locale_of(request: gr.Request | None, lang: Lang) -> str:
    """The reader's locale for choosing help lines: the browser's first one, else the language's."""
    first = _header(request, "accept-language").split(",")[0].split(";")[0].strip()
    return first or ("zh-CN" if lang == "zh" else "en")


def _header(request: gr.Request | None, name: str) -> str:
    headers = getattr(request, "headers", None)
    return str(headers.get(name, "")) if headers is not None else ""


def _token(value: object) -> str:
    return value if isinstance(value, str) and value.isascii() and len(value) <= LONGEST else ""
