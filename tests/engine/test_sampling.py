"""The draw: right frequencies, right support, greedy at temperature 0."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mi_arena.decoding import Decoding
from mi_arena.engine.sampling import next_tokens


def draw(logits: torch.Tensor, decoding: Decoding, times: int) -> np.ndarray:
    rows = logits.expand(times, -1)
    history = torch.zeros(times, 1, dtype=torch.long)
    generators = [np.random.default_rng(i) for i in range(times)]
    return next_tokens(rows, history, decoding, generators).numpy()


def test_frequencies_follow_the_distribution() -> None:
    wanted = torch.tensor([0.5, 0.3, 0.15, 0.05])
    got = np.bincount(draw(wanted.log(), Decoding(temperature=1, top_p=1), 20_000), minlength=4)
    assert np.abs(got / 20_000 - wanted.numpy()).max() < 0.015


def test_top_p_and_top_k_cut_the_tail() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    assert set(draw(logits, Decoding(temperature=1, top_p=0.7), 500)) == {0, 1}
    assert set(draw(logits, Decoding(temperature=1, top_p=1, top_k=3), 500)) == {0, 1, 2}


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=50))
def test_temperature_zero_is_greedy(values: list[float]) -> None:
    logits = torch.tensor(values)
    assert draw(logits, Decoding(temperature=0), 1)[0] == int(logits.argmax())


@pytest.mark.parametrize("last", [0.999999999999, 1 - 2**-53])
def test_the_largest_uniform_number_still_finds_a_token(last: float) -> None:
    class Edge:
        def random(self) -> float:
            return last

    logits = torch.full((1, 150_000), -30.0)
    logits[0, :10] = 0
    token = next_tokens(
        logits,
        torch.zeros(1, 1, dtype=torch.long),
        Decoding(temperature=1, top_p=1),
        [Edge()],  # type: ignore[list-item]
    )
    assert 0 <= int(token) < 150_000
