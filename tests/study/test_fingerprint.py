import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_arena.study.fingerprint import epoch_fingerprint

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
served = st.dictionaries(st.text(max_size=5), json_values, max_size=5)


def test_is_the_hash_of_canonical_json() -> None:
    """The text is written out: whoever audits an epoch computes it without this code."""
    text = '{"decoding":{"temperature":0.7,"top_p":0.9},"prompt":"\\u4f60\\u597d"}'
    given_in_another_order = {"prompt": "你好", "decoding": {"top_p": 0.9, "temperature": 0.7}}
    assert epoch_fingerprint(given_in_another_order) == hashlib.sha256(text.encode()).hexdigest()


@given(served)
@settings(max_examples=20, deadline=None)
def test_order_of_keys_does_not_matter(values: dict[str, object]) -> None:
    assert epoch_fingerprint(values) == epoch_fingerprint(dict(reversed(values.items())))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"prompt": None}, {"prompt": ""}),
        ({"prompt": None}, {}),
        ({"top_k": 1}, {"top_k": 1.0}),
        ({"top_k": 1}, {"top_k": "1"}),
        ({"top_k": 1}, {"top_k": True}),
        ({"stop": ["a", "b"]}, {"stop": ["b", "a"]}),
        ({"prompt": "a"}, {"prompt": "a "}),
    ],
)
def test_different_things_differ(one: dict[str, object], other: dict[str, object]) -> None:
    assert epoch_fingerprint(one) != epoch_fingerprint(other)


def test_refuses_what_has_no_single_form() -> None:
    with pytest.raises(ValueError):
        epoch_fingerprint({"temperature": float("nan")})
    with pytest.raises(TypeError):
        epoch_fingerprint({"decoding": {1: "a"}})
    with pytest.raises(TypeError):
        epoch_fingerprint({"weights": object()})
