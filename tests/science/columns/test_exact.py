"""The kernel over columns against the one on Python's integers."""

from fractions import Fraction
from random import Random

import numpy as np
import pytest

from science import exact
from science.columns.exact import any_of, counts, floors, ln, micro_floor, micro_ratios, sums, sums_of_squares

RNG = Random("columns")
OWNER = np.array([0, 0, 2, 2, 2, 3])


def test_logarithms_are_those_of_the_kernel() -> None:
    """At every power of two and beside it, at every border of a cell, and anywhere."""
    edges = [1 << k for k in range(31)] + [(128 + j << 23) for j in range(128)]
    numbers = [x for edge in edges for x in (edge - 1, edge, edge + 1) if 0 < x < 1 << 31]
    numbers += [RNG.randrange(1, 1 << RNG.randrange(1, 32)) for _ in range(20_000)]
    assert ln(np.array(numbers)).tolist() == [exact.ln(x) for x in numbers]


@pytest.mark.parametrize("x", [0, -1, 1 << 31])
def test_logarithms_end_where_columns_do(x: int) -> None:
    """Beyond it the steps would not fit."""
    with pytest.raises(AssertionError):
        ln(np.array([5, x]))


def test_sums_are_those_of_the_owners() -> None:
    """Also of an owner of nothing, in the middle and at the end."""
    values = np.array([1, -2, 1 << 40, 4, 8, -(1 << 50)])
    assert sums(values, OWNER, 5).tolist() == [-1, 0, (1 << 40) + 12, -(1 << 50), 0]
    assert counts(OWNER, 5).tolist() == [2, 0, 3, 1, 0]
    assert any_of(np.array([False, True, False, False, False, True]), OWNER, 5).tolist() == [1, 0, 0, 1, 0]


def test_sums_of_squares_go_beyond_64_bits() -> None:
    """Up to the largest that is allowed, of either sign."""
    largest = (1 << 38) - 1
    numbers = [largest, -largest - 1, RNG.randrange(largest), -3, 7, -RNG.randrange(largest)]
    squares = [sum(x * x for x, of in zip(numbers, OWNER.tolist(), strict=True) if of == n) for n in range(5)]
    assert sums_of_squares(np.array(numbers), OWNER, 5) == squares


def test_ratios_round_half_up() -> None:
    """As the kernel's."""
    pairs = [(RNG.randrange(-(1 << 40), 1 << 40), RNG.randrange(1, 1 << 40)) for _ in range(2_000)]
    pairs += [(1, 2_000_000), (-1, 2_000_000), (3, 2_000_000), (-3, 2_000_000), (0, 1)]
    tops, bottoms = (np.array(column) for column in zip(*pairs, strict=True))
    assert micro_ratios(tops, bottoms).tolist() == [exact.micro_ratio(*pair) for pair in pairs]


def test_a_quotient_on_paper_is_the_quotient() -> None:
    """Of numerators and denominators of every size, up to the largest denominator."""
    pairs = []
    for _ in range(5_000):
        bottom = RNG.randrange(1, 1 << RNG.randrange(1, 54))
        top = RNG.randrange(min(1 << 62, bottom << 42))
        pairs.append((top * RNG.choice([1, -1]), bottom))
    pairs.append((bottom := (1 << 53) - 1, bottom))
    tops, bottoms = (np.array(column) for column in zip(*pairs, strict=True))
    assert micro_floor(tops, bottoms).tolist() == [top * 1_000_000 // bottom for top, bottom in pairs]


def test_a_floor_is_right_or_unsure() -> None:
    """Far from a whole number it is sure, near one and where terms take each other away it is not."""
    rows = [[RNG.uniform(-1, 1) * 10 ** RNG.randrange(12) for _ in range(3)] for _ in range(5_000)]
    scales = [RNG.uniform(1, 1e6) for _ in rows]
    terms = [np.array(column) for column in zip(*rows, strict=True)]
    found, unsure = floors(terms, np.array(scales))
    for row, scale, floor, is_unsure in zip(rows, scales, found.tolist(), unsure.tolist(), strict=True):
        truth = sum(map(Fraction, row)) / Fraction(scale)
        margin = sum(abs(Fraction(x)) for x in row) / Fraction(scale) / (1 << 35)
        is_far = min(truth % 1, 1 - truth % 1) > margin and abs(truth) < 1 << 24
        assert is_unsure or floor == truth // 1
        assert not (is_far and is_unsure)
    assert 0 < unsure.sum() < 2_500


@pytest.mark.parametrize(
    ("terms", "floor", "is_unsure"),
    [
        ((0.0, 0.0), 0, False),
        ((7.5, 0.0), 7, False),
        ((-7.5, 0.0), -8, False),
        ((8.0, 0.0), 0, True),  # it may be a little less
        ((1e9 + 0.5, -1e9), 0, False),
        ((1e12 + 0.5, -1e12), 0, True),  # half a unit may be lost in what cancels
        (((1 << 25) + 0.5, 0.0), 0, True),
        ((-(1 << 25) + 0.5, 0.0), 0, True),
        (((1 << 25) - 0.5, 0.0), (1 << 25) - 1, False),
    ],
)
def test_where_a_floor_is_unsure(terms: tuple[float, float], floor: int, is_unsure: bool) -> None:
    """Exactly nothing is sure; whole numbers, great differences and great quotients are not."""
    found, unsure = floors([np.array([term]) for term in terms], np.array([1.0]))
    assert (found.tolist(), unsure.tolist()) == ([floor], [is_unsure])
