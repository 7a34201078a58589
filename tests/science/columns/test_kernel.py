"""The integer kernel over columns against the kernel of one integer, densely and at every edge."""

from collections.abc import Callable
from math import isqrt, prod
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from science import exact
from science.columns import kernel
from science.columns.kernel import Exact
from science.exact import MICRO, Q32

DICE = Random("kernel")
EDGES = (-2, -1, 0, 1, 2)
CELLS = [cell << 27 for cell in range(257)]
HALVES = [(cell << 27) + (1 << 26) for cell in range(257)]
POINTS = [
    sign * (z + edge)
    for z in (*CELLS, *HALVES, *[DICE.randrange(9 << 32) for _ in range(5_000)])
    for edge in EDGES
    for sign in (-1, 1)
]
PROBABILITIES = [
    p
    for q in (*exact.CDF, 0, Q32 // 2, *[DICE.randrange(Q32) for _ in range(5_000)], *range(0, 3_000, 5))
    for edge in EDGES
    for p in (q + edge, Q32 - q - edge)
    if 0 <= p <= Q32
]
SQUARES = [
    square
    for n in (0, 1, 2, 1 << 26, (1 << 31) - 1, *[isqrt(DICE.randrange(1 << 62)) for _ in range(5_000)])
    for edge in EDGES
    if 0 <= (square := n * n + edge) < 1 << 62
]
MICROS = [DICE.randrange(-(1 << bits), 1 << bits) for bits in range(1, 30) for _ in range(200)] + [
    sign * 8 * MICRO + edge for sign in (-1, 1) for edge in EDGES
]


@pytest.mark.parametrize(
    ("by_column", "by_one", "values"),
    [
        (kernel.normal_cdf, exact.normal_cdf, POINTS),
        (kernel.normal_quantile, exact.normal_quantile, PROBABILITIES),
        (kernel.root, isqrt, [*SQUARES, (1 << 62) - 1]),
        (kernel.half_root, lambda x: (isqrt(x) + 1) // 2, SQUARES),
        (kernel.micro, exact.micro, [*POINTS, -(1 << 40) + 1, (1 << 40) - 1]),
        (kernel.q32, exact.q32, MICROS),
        (kernel.probability, lambda z: exact.micro(exact.normal_cdf(exact.q32(z))), MICROS),
    ],
    ids=["normal_cdf", "normal_quantile", "root", "half_root", "micro", "q32", "probability"],
)
def test_a_column_takes_the_steps_of_one_integer(
    by_column: Callable[[kernel.Column], kernel.Column], by_one: Callable[[int], int], values: list[int]
) -> None:
    """Cell borders and centres, squares and their neighbours, both ends, and thousands in between."""
    assert by_column(np.array(values)).tolist() == [by_one(value) for value in values]


def test_a_quantile_that_is_there_at_once_takes_no_step() -> None:
    """The table's own points."""
    points = exact.CDF[:160]
    assert kernel.normal_quantile(np.array(points[:1])).tolist() == [exact.normal_quantile(points[0])]


def test_beyond_sixteen_standard_deviations_nothing_changes() -> None:
    """A column is cut there, one integer is not."""
    far = [-(1 << 59), -17 * MICRO, 17 * MICRO, 1 << 59]
    assert kernel.probability(np.array(far)).tolist() == [0, 0, MICRO, MICRO]


WIDE = st.integers(-(1 << 62), 1 << 62) | st.integers(-(1 << 40), 1 << 40) | st.integers(-9, 9)
DIVISORS = st.integers(1, (1 << 63) - 1) | st.integers(1, 1 << 45) | st.integers(1, 9)


@given(st.lists(st.lists(WIDE, min_size=1, max_size=6), min_size=1, max_size=8), WIDE, DIVISORS)
def test_a_quotient_is_exact_or_not_known(factors: list[list[int]], plus: int, divisor: int) -> None:
    """Whatever is divided; and it is known wherever its bounds are kept."""
    exact_ = Exact(1)
    longest = max(map(len, factors))
    columns = [
        np.array([[row[place] if place < len(row) else 1] for row in factors]) for place in range(longest)
    ]
    found = exact_.over(columns, divisor, starts=[0], plus=np.array([[plus]]))
    total = sum(map(prod, factors)) + plus
    size = sum(abs(prod(row)) for row in factors) + abs(plus)
    if exact_.known[0]:
        assert found.tolist() == [[total // divisor]]
    assert exact_.known[0] or size >= 1 << 105 or size // divisor >= 1 << 59 or divisor >= 1 << 60
    assert not exact_.known[0] or (size < 1 << 107 and size // divisor < 1 << 61 and divisor < 1 << 60)


def test_the_widest_quotients_are_exact() -> None:
    """Just below the bounds of size, divisor and quotient, where the guess is off by most."""
    dice = Random("the widest")
    for _ in range(2_000):
        divisor = dice.randrange(1 << 46, 1 << 60)
        factors = [dice.randrange(1 << 52, 1 << 53), dice.randrange(1 << 51, 1 << 52), dice.choice([-1, 1])]
        exact_ = Exact(1)
        found = exact_.over([np.array([factor]) for factor in factors], np.array([divisor]))
        assert exact_.known.all()
        assert found.tolist() == [prod(factors) // divisor]


def test_a_product_too_wide_for_its_guess_is_not_known() -> None:
    """2**106 and more, though the quotient and the divisor are not too wide."""
    factors = [np.array([1 << 52, 1 << 53]), np.array([1 << 53, 1 << 53])]
    exact_ = Exact(2)
    exact_.over(factors, 1 << 59)
    assert exact_.known.tolist() == [True, False]


@pytest.mark.parametrize("divisor", [0, -1, 1 << 60])
def test_a_divisor_is_positive_and_not_too_wide(divisor: int) -> None:
    """Any other leaves the quotient unknown, and warns of nothing."""
    exact_ = Exact(2)
    exact_.over([np.array([3, 3])], np.array([divisor, 2]))
    assert exact_.known.tolist() == [False, True]


@given(st.integers(-(1 << 55), 1 << 55), st.integers(1, 1 << 50))
def test_a_ratio_is_rounded_half_up(numerator: int, denominator: int) -> None:
    """As of one integer."""
    exact_ = Exact(1)
    found = exact_.ratio([np.array([numerator])], np.array([denominator])).tolist()
    assert not exact_.known[0] or found == [exact.micro_ratio(numerator, denominator)]
    assert exact_.known[0] or 2 * MICRO * numerator // denominator >= 1 << 58 or numerator < 0


def test_what_breaks_a_condition_in_any_row_is_not_known_and_stays_so() -> None:
    """Rows first, sessions last."""
    exact_ = Exact(3)
    exact_.expect(np.array([[True, True, True], [True, False, True]]))
    exact_.expect(np.array([True, True, False]))
    exact_.expect(np.array([True, True, True]))
    assert exact_.known.tolist() == [True, False, False]


def test_too_many_factors_or_summands_are_refused() -> None:
    """The bound on the error counts them."""
    one = np.array([1])
    assert Exact(1).over([one] * 6, 1).tolist() == [1]
    with pytest.raises(AssertionError):
        Exact(1).over([one] * 7, 1)
    many = np.ones((64, 1), dtype=np.int64)
    assert Exact(1).over([many], 1, starts=[0]).tolist() == [[64]]
    with pytest.raises(AssertionError):
        Exact(1).over([np.ones((65, 1), dtype=np.int64)], 1, starts=[0])
