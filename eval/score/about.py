"""How the numbers were made: what every table has to say beside them."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

from eval.score.bootstrap import Bootstrap
from eval.score.names import Key, ProfileName
from eval.score.standard import bleu_signature
from mi_arena import __version__


@dataclass(frozen=True)
class ProfileFacts:
    """How a profile's numbers are made."""

    tokenizer: str
    method: str
    versions: dict[str, str]
    signature: str | None = None
    """Of sacreBLEU."""


def facts_of(profile: ProfileName) -> ProfileFacts:
    jieba = metadata.version("jieba")
    if profile == "llamafactory":
        return ProfileFacts(
            f"jieba {jieba}, default mode, for ROUGE; characters, blanks among them, for BLEU-4",
            "as LLaMA-Factory's ComputeSimilarity, not rounded: F1 of rouge_chinese 1.0.3 on sets "
            "of n-grams, sentence BLEU-4 of nltk with smoothing method3, each x 100; mean over "
            "rounds",
            {"jieba": jieba},
        )
    return ProfileFacts(
        f"jieba {jieba}, default mode, blanks dropped, punctuation kept, for ROUGE; zh of "
        "sacreBLEU for BLEU-4",
        "F1 of rouge-score, no stemming, no lower-casing, x 100, mean over rounds; corpus BLEU-4 "
        "of sacreBLEU over all rounds",
        {name: metadata.version(name) for name in ("jieba", "rouge-score", "sacrebleu")},
        bleu_signature(),
    )


@dataclass(frozen=True)
class About:
    """What every table says beside its numbers."""

    files: dict[str, str]
    """Each file of predictions with its SHA-256."""
    profiles: dict[ProfileName, ProfileFacts]
    bootstrap: Bootstrap
    by: tuple[Key, ...]
    versions: dict[str, str]

    @classmethod
    def of(
        cls,
        files: dict[str, str],
        profiles: Sequence[ProfileName],
        bootstrap: Bootstrap,
        by: Sequence[Key],
    ) -> About:
        facts = {profile: facts_of(profile) for profile in profiles}
        return cls(files, facts, bootstrap, tuple(by), _versions(facts))


def _versions(facts: dict[ProfileName, ProfileFacts]) -> dict[str, str]:
    """Of ours and of every library that a score passes through."""
    ours = {"mi_arena": __version__, "python": platform.python_version()}
    theirs = {name: one for fact in facts.values() for name, one in fact.versions.items()}
    return ours | {"numpy": metadata.version("numpy")} | theirs
