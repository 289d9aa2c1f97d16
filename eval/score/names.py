"""The words that results are told in: profiles, metrics, what groups are made by."""

from __future__ import annotations

from typing import Literal, get_args

ProfileName = Literal["llamafactory", "standard"]
PROFILES: tuple[ProfileName, ...] = get_args(ProfileName)
METRICS = ("rouge1", "rouge2", "rougeL", "bleu4")
"""Of both profiles, each 0 to 100."""

Key = Literal["arm", "pair"]
KEYS: tuple[Key, ...] = get_args(Key)

AGAINST = (("tuned", "base"), ("tuned", "base_prompted"), ("base_prompted", "base"))
"""A system, and the one that it is measured against where a pair has both."""

CAUTION = (
    "Likeness to a reference is not MI quality: a reply can be good MI and unlike the reference, "
    "or like it and poor MI."
)
