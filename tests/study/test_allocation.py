import hashlib
import hmac
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.study.allocation import Allocation, commitment, seed_for, tuned_side

SEED = seed_for(b"secret", "epoch-1", "00ff")
seeds = st.binary(min_size=1, max_size=64)


def test_golden_vector() -> None:
    """Written down once: a change of the algorithm would make past epochs impossible to audit."""
    assert hmac.new(b"secret", b"epoch-1:00ff", hashlib.sha256).digest() == SEED
    assert SEED.hex() == "8659350ae9045480dfc069f17f4f5a920a416f1178c00da869fed8a209fdafb7"
    assert commitment(SEED) == "be91e3652fb604423bcd76abbcb8f631ea252a76187b99862992baa5a35e0544"
    assert "".join(tuned_side(SEED, index) for index in range(40)) == (
        "ABABBABABBAAABABBAABAABBBBBAAABAABABABBB"
    )


def test_follows_the_description_in_the_docstring() -> None:
    """The algorithm written a second time from its description, as an auditor would."""

    def mac(label: str) -> bytes:
        return hmac.new(SEED, label.encode("ascii"), hashlib.sha256).digest()

    expected: list[str] = []
    for k in range(50):
        size = 4 + 2 * (int(mac(f"block:{k}").hex(), 16) % 3)
        block = ["B"] * size
        for slot in sorted(range(size), key=lambda i: mac(f"slot:{k}:{i}"))[: size // 2]:
            block[slot] = "A"
        expected += block
    assert [tuned_side(SEED, index) for index in range(len(expected))] == expected


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_every_block_is_balanced_and_of_an_allowed_size(seed: bytes) -> None:
    allocation = Allocation(seed)
    index = 0
    for number in range(20):
        block, start, size = allocation.block_of(index)
        assert (block, start) == (number, index)
        assert size in (4, 6, 8)
        sides = Counter(allocation.tuned_side(i) for i in range(start, start + size))
        assert sides == {"A": size // 2, "B": size // 2}
        index += size


@given(seeds)
@settings(max_examples=15, deadline=None)
def test_no_prefix_is_off_balance_by_more_than_four(seed: bytes) -> None:
    lead = 0
    for index in range(150):
        lead += 1 if tuned_side(seed, index) == "A" else -1
        assert abs(lead) <= 4


@given(seeds, st.lists(st.integers(0, 2_000), min_size=1, max_size=10))
@settings(max_examples=15, deadline=None)
def test_asking_in_any_order_gives_the_same(seed: bytes, indices: list[int]) -> None:
    in_this_order = Allocation(seed)
    assert [in_this_order.tuned_side(i) for i in indices] == [
        Allocation(seed).tuned_side(i) for i in indices
    ]


def test_first_battles_of_many_epochs_are_split_evenly() -> None:
    """What a rater meets first must not depend on the block's shape: 5 standard deviations."""
    seeds = [seed_for(b"secret", f"epoch-{number}", "aa") for number in range(1_000)]
    for index in (0, 1, 5):
        first = Counter(tuned_side(seed, index) for seed in seeds)
        assert abs(first["A"] - 500) < 5 * 16


def test_block_sizes_are_equally_frequent() -> None:
    allocation = Allocation(SEED)
    sizes, index = Counter[int](), 0
    for _ in range(1_500):
        _, start, size = allocation.block_of(index)
        sizes[size] += 1
        index = start + size
    assert all(abs(sizes[size] - 500) < 92 for size in (4, 6, 8))


@pytest.mark.parametrize(
    "other",
    [
        seed_for(b"other", "epoch-1", "00ff"),
        seed_for(b"secret", "epoch-2", "00ff"),
        seed_for(b"secret", "epoch-1", "00fe"),
    ],
)
def test_secret_epoch_and_nonce_all_matter(other: bytes) -> None:
    assert other != SEED
    assert commitment(other) != commitment(SEED)


def test_a_large_index_is_found_and_a_negative_one_refused() -> None:
    assert tuned_side(SEED, 200_000) in ("A", "B")
    with pytest.raises(ValueError, match="from 0"):
        tuned_side(SEED, -1)
