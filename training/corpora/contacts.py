"""Ways to reach somebody, as they stand in a text: phone, e-mail, link, WeChat and QQ id."""

from __future__ import annotations

import re

_IS = r"\s*(?:是|为)?\s*[:：]?\s*"
_WAYS = (
    # phones: mobile, with an area code, 400
    r"(?<![\d.])(?:\+?86[-\s]?)?1[3-9]\d(?:[-\s]?\d{4}){2}(?!\.?\d)",
    r"(?<![\d.])0\d{2,3}[-\s]\d{7,8}(?!\.?\d)",
    r"(?<![\d.])400[-\s]?\d{3}[-\s]?\d{4}(?!\.?\d)",
    r"[a-z0-9][a-z0-9._%+-]{0,63}@[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.[a-z]{2,}",
    r"https?://[^\s，。！？；、）】》”]+",
    r"(?<![a-z0-9@.-])www\.[a-z0-9-]+\.[a-z0-9./?=&%_-]+",
    r"(?<![a-z0-9@.-])(?:[a-z0-9-]+\.)+(?:com|cn|net|org)(?![a-z0-9])[a-z0-9./?=&%_-]*",
    r"(?:微信|(?<![a-z])(?:wechat|weixin|vx))(?:公众)?\s*(?:号码?|账号|id)?"
    + _IS
    + r"[a-z][a-z0-9_-]{5,19}(?![a-z0-9_-])",
    r"(?<![a-z])(?:qq|扣扣)(?:群|号码?)*" + _IS + r"[1-9]\d{4,11}(?!\d)",
)
_CONTACT = re.compile("|".join(_WAYS), re.IGNORECASE | re.ASCII)
_POSSIBLE = re.compile(r"[!-~]{4}")
"""Each of them has that many ASCII characters in a row; most messages haven't."""


def places(text: str) -> list[int]:
    """Where contacts begin. Emergency and help-line numbers of three to five digits are none."""
    if _POSSIBLE.search(text) is None:
        return []
    return [found.start() for found in _CONTACT.finditer(text)]
