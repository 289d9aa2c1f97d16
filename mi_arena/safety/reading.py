"""Small networks that read a text and say how likely it is of which danger.

Each is a copy of the convolutions of Google's multilingual Universal Sentence Encoder, trained
further on labelled lines (``training.safety_network``); they share a vocabulary and its embeddings,
which were not trained further. Their mean is what counts. What is learnt lies in ``network/``
beside this file; that folder's README says where it comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from mi_arena.safety.categories import CLIENT_CATEGORIES, MODEL_CATEGORIES, Category, Speaker

KINDS: dict[Speaker, tuple[Category, ...]] = {
    "client": CLIENT_CATEGORIES,
    "model": MODEL_CATEGORIES,
}
ORDERS = ((2, 0), (3, 1), (5, 2))
"""Of each branch: tokens seen at once, and how many of them lie before."""
EMBEDDING = 512
WIDTH = 256
SENTENCE = 512
HIDDEN = 256
EPSILON = 1e-6
UNKNOWN, START, END = 0, 1, 2
LONGEST = 256
"""Tokens; what is longer is cut (texts are read in windows, which are shorter)."""
ONE_AT_A_TIME = Lock()
"""Twenty threads that read at once are no sooner done, and cost half as much again."""


class Branch(nn.Module):
    """Two convolutions over tokens, each added to what goes in."""

    def __init__(self, tokens: int, before: int) -> None:
        super().__init__()
        self.tokens, self.before = tokens, before
        self.project = nn.Linear(EMBEDDING, WIDTH)
        self.norm = nn.LayerNorm(WIDTH, eps=EPSILON)
        self.first = nn.Linear(tokens * WIDTH, WIDTH)
        self.second = nn.Linear(tokens * WIDTH, WIDTH)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """``(batch, time, EMBEDDING)`` to ``(batch, time, WIDTH)``."""
        x = self.norm(self.project(x)) * there
        x = x + functional.relu(self.first(self._around(x))) * there
        return x + functional.relu(self.second(self._around(x))) * there

    def _around(self, x: Tensor) -> Tensor:
        time = x.shape[1]
        padded = functional.pad(x, (0, 0, self.before, self.tokens - 1 - self.before))
        return torch.cat([padded[:, start : start + time] for start in range(self.tokens)], dim=2)


class Network(nn.Module):
    """Embeddings of tokens to the log odds of every kind of danger against none."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Branch(*order) for order in ORDERS)
        features = EMBEDDING + len(ORDERS) * WIDTH
        self.norm = nn.LayerNorm(features, eps=EPSILON)
        self.mean = nn.Linear(features, SENTENCE)
        self.most = nn.Linear(features, HIDDEN)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(SENTENCE + HIDDEN, HIDDEN)
        self.kinds = nn.ModuleDict(
            {speaker: nn.Linear(HIDDEN, 1 + len(kinds)) for speaker, kinds in KINDS.items()}
        )

    def forward(self, x: Tensor, there: Tensor) -> dict[str, Tensor]:
        """``x`` ``(batch, time, EMBEDDING)``, ``there`` ``(batch, time, 1)`` 1 for tokens and 0 for
        padding. By speaker ``(batch, 1 + kinds)`` logits, first that of no danger."""
        features = self.norm(torch.cat([x, *(branch(x, there) for branch in self.branches)], dim=2))
        length = there.sum(dim=1)
        mean = (self.mean(features) * there).sum(dim=1) / length.sqrt()
        most = functional.relu(self.most(features) * there).amax(dim=1)
        hidden = functional.relu(self.hidden(self.dropout(torch.cat([mean, most], dim=1))))
        return {speaker: head(self.dropout(hidden)) for speaker, head in self.kinds.items()}


@dataclass(frozen=True)
class Embeddings:
    """Of all pieces, in a byte a number."""

    numbers: NDArray[np.uint8]
    """``(pieces, EMBEDDING)``."""
    scale: NDArray[np.float32]
    lowest: NDArray[np.float32]
    """Of each piece: its numbers times ``scale``, plus this."""

    def of(self, pieces: NDArray[np.int64]) -> Tensor:
        """``(batch, time)`` pieces to ``(batch, time, EMBEDDING)``."""
        scaled = self.numbers[pieces] * self.scale[pieces][..., None]
        return torch.from_numpy(scaled + self.lowest[pieces][..., None])


def batch(rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], Tensor]:
    """Pieces side by side, shorter ones filled up, and which are there, ``(batch, time, 1)``."""
    longest = max(len(row) for row in rows)
    pieces = np.zeros((len(rows), longest), np.int64)
    there = np.zeros((len(rows), longest, 1), np.float32)
    for number, row in enumerate(rows):
        pieces[number, : len(row)] = row
        there[number, : len(row)] = 1
    return pieces, torch.from_numpy(there)


def pieces_of(tokenizer: Tokenizer, text: str) -> list[int]:
    return [START, *tokenizer.encode(text).ids[: LONGEST - 2], END]


@dataclass(frozen=True)
class Reader:
    """The networks with their vocabulary, ready to read."""

    tokenizer: Tokenizer
    embeddings: Embeddings
    networks: list[Network]

    def read(self, texts: Sequence[str], speaker: Speaker) -> NDArray[np.float32]:
        """The log odds of every kind of danger against none, ``(texts, kinds)``, of texts as
        ``plain_text.unmarked`` gives them."""
        pieces, there = batch([pieces_of(self.tokenizer, text) for text in texts])
        with ONE_AT_A_TIME, torch.inference_mode():
            x = self.embeddings.of(pieces)
            logits = torch.stack([network(x, there)[speaker] for network in self.networks]).mean(0)
            return (logits[:, 1:] - logits[:, :1]).numpy()


def packed(network: nn.Module) -> dict[str, NDArray[np.generic]]:
    """A network's weights, matrices as bytes with a scale a row."""
    kept: dict[str, NDArray[np.generic]] = {}
    for name, value in network.state_dict().items():
        weights = value.float().numpy()
        if weights.ndim < 2:
            kept[name] = weights
            continue
        scale = np.abs(weights).max(axis=1, keepdims=True) / 127 + 1e-12
        kept[name] = np.round(weights / scale).astype(np.int8)
        kept[f"{name}.scale"] = scale.astype(np.float32)
    return kept


def unpacked(kept: dict[str, NDArray[np.generic]]) -> Network:
    """The network that was packed. Raises ``RuntimeError`` where weights are missing."""
    tensors = {name: torch.from_numpy(value) for name, value in kept.items()}
    state = {
        name: value * tensors[f"{name}.scale"] if f"{name}.scale" in tensors else value
        for name, value in tensors.items()
        if not name.endswith(".scale")
    }
    with torch.device("meta"):  # without first weights, which take longer to draw than to read
        network = Network()
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False).eval()


def read_embeddings(path: Path) -> Embeddings:
    with np.load(path, allow_pickle=False) as kept:
        return Embeddings(kept["numbers"], kept["scale"], kept["lowest"])


def read_networks(path: Path) -> list[Network]:
    """Of a file of arrays named ``NUMBER/WEIGHT``."""
    with np.load(path, allow_pickle=False) as kept:
        numbers = sorted({name.split("/", 1)[0] for name in kept.files})
        return [
            unpacked(
                {
                    name.split("/", 1)[1]: kept[name]
                    for name in kept.files
                    if name.startswith(f"{number}/")
                }
            )
            for number in numbers
        ]


def reader() -> Reader:
    """The one that lies in this package, read once: whoever comes meanwhile waits for it."""
    with ONE_AT_A_TIME:
        return _reader()


@cache
def _reader() -> Reader:
    folder = Path(str(files("mi_arena.safety"))) / "network"
    return Reader(
        Tokenizer.from_file(str(folder / "tokenizer.json")),
        read_embeddings(folder / "embeddings.npz"),
        read_networks(folder / "weights.npz"),
    )
