"""One text for one value."""

import json
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from science.canonical import canonical, digest

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


class Point(msgspec.Struct):
    """A value with its fields out of order."""

    y: int
    x: int


@given(VALUES)
def test_it_says_the_value_and_nothing_else(value: object) -> None:
    """Any JSON reader gets the value back, and writing it again gives the same bytes."""
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@given(VALUES)
def test_it_is_sorted_and_dense(value: object) -> None:
    """Python's own encoder with sorted keys and no blanks writes the same text."""
    plain = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert canonical(value) == plain


def test_the_order_of_keys_does_not_matter() -> None:
    """Equal dictionaries and Structs have equal bytes, whatever the order they were made in."""
    assert canonical({"b": 1, "a": {"d": 2, "c": 3}}) == b'{"a":{"c":3,"d":2},"b":1}'
    assert canonical({"a": {"c": 3, "d": 2}, "b": 1}) == canonical({"b": 1, "a": {"d": 2, "c": 3}})
    assert canonical(Point(y=2, x=1)) == b'{"x":1,"y":2}'


@pytest.mark.parametrize("value", [1.0, [0.5], {"a": {"b": (1, 2.0)}}, float("nan"), {1: 2}])
def test_it_refuses_what_platforms_write_differently(value: object) -> None:
    """Floats anywhere, and keys that are no strings, are programming errors."""
    with pytest.raises(AssertionError):
        canonical(value)


def test_a_digest_is_the_sha256_of_the_text() -> None:
    """In lower-case hexadecimal."""
    assert (
        digest({"b": [1, None, True], "a": "é"}) == sha256('{"a":"é","b":[1,null,true]}'.encode()).hexdigest()
    )
