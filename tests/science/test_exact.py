"""The fixed-point kernel against decimal, scipy and fractions: its documented bounds are true everywhere we look."""

from decimal import Decimal, localcontext
from fractions import Fraction
from hashlib import sha256
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special

from science import exact
from science.exact import (
    MICRO,
    Q32,
    Line,
    Moments,
    ln,
    micro,
    micro_ratio,
    micro_root,
    normal_cdf,
    normal_quantile,
    q32,
)

LN_MAX = (1 << 62) - 1
Column = NDArray[np.int64]
COLUMN_LENGTH = 100_000


def ln_arguments(count: int) -> list[int]:
    """Arguments of every magnitude, with both sides of every cell and of every power of two."""
    rng = Random("ln")
    borders = [
        ((128 + j) << exponent >> 7) + d for exponent in range(62) for j in range(128) for d in (-1, 0)
    ]
    edges = [x for x in (*borders, LN_MAX) if x > 0]
    return edges + [rng.randrange(1, 1 << rng.randrange(1, 63)) for _ in range(count - len(edges))]


def cdf_arguments(count: int) -> list[int]:
    """Arguments over more than the domain, with both sides of every cell."""
    rng = Random("cdf")
    borders = [(j << 27) + (1 << 26) + d for j in range(-258, 258) for d in (-1, 0, 1)]
    edges = [*borders, 0, -1, 1, 8 * Q32 - 1, 8 * Q32, 8 * Q32 + 1, -8 * Q32, 30 * Q32]
    return edges + [rng.randrange(-9 * Q32, 9 * Q32) for _ in range(count - len(edges))]


def quantile_arguments(count: int) -> list[int]:
    """Probabilities from 0 to 1, with both sides of every cell and dense runs at both ends."""
    rng = Random("quantile")
    borders = [point + d for point in exact.CDF[:162] for d in (-1, 0, 1)]
    upper = [p for p in (*borders, *range(Q32 - 2_000, Q32 + 1)) if p <= Q32]
    edges = [*upper, *(Q32 - p for p in upper)]
    return edges + [rng.randrange(Q32 + 1) for _ in range(count - len(edges))]


# ------------------------------------------------------------- the same steps on int64 columns, where 2**63 would wrap


def ln_column(x: Column) -> Column:
    """The steps of ``ln`` on int64: a step that needed more than 63 bits would give other bits."""
    exponent = np.array([int(one).bit_length() - 1 for one in x], dtype=np.int64)
    mantissa = np.where(exponent <= 31, x << np.maximum(31 - exponent, 0), x >> np.maximum(exponent - 31, 0))
    cell = (mantissa >> 24) - 128
    inverse, logarithm = (np.array(table, dtype=np.int64) for table in (exact.LN_INVERSE, exact.LN_CELL))
    r = (mantissa * inverse[cell] >> 30) - Q32
    r2 = r * r >> 32
    r3 = r2 * r >> 32
    return exponent * exact.LN2 + logarithm[cell] + r - (r2 >> 1) + r3 // 3


def cdf_column(z: Column) -> Column:
    """The steps of ``normal_cdf`` on int64."""
    cumulative, density = np.array(exact.CDF, dtype=np.int64), np.array(exact.DENSITY, dtype=np.int64)
    is_beyond = np.abs(z) >= 8 * Q32
    size = np.where(is_beyond, 0, np.abs(z))
    cell = (size + (Q32 >> 6)) >> 27
    a = cell << 27
    h = size - a
    h2 = h * h >> 32
    h3 = h2 * h >> 32
    h4 = h3 * h >> 32
    a2 = (cell * cell) << 22
    a3 = ((a >> 8) * (a2 - 3 * Q32 >> 8)) >> 16
    bracket = h - (a * h2 >> 33) + ((a2 - Q32) * h3 >> 32) // 6 - (a3 * h4 >> 32) // 24
    upper = np.where(is_beyond, Q32, cumulative[cell] + (density[cell] * bracket >> 32))
    return np.where(z < 0, Q32 - upper, upper)


def test_ln_takes_the_same_steps_in_64_bits() -> None:
    """No intermediate of ln reaches 2**63, so a column of int64 gives the same bits on 100,000 arguments."""
    x = ln_arguments(COLUMN_LENGTH)
    assert [ln(one) for one in x] == ln_column(np.array(x, dtype=np.int64)).tolist()


def test_the_normal_distribution_takes_the_same_steps_in_64_bits() -> None:
    """No intermediate of normal_cdf reaches 2**63, so a column of int64 gives the same bits on 100,000 arguments."""
    z = cdf_arguments(COLUMN_LENGTH)
    assert [normal_cdf(one) for one in z] == cdf_column(np.array(z, dtype=np.int64)).tolist()


# The bits of the kernel on the arguments below, frozen: every published score rests on them.
KERNEL_SHA256 = "e2af7da0670d0cd9d4dc7e81b2e8b2f5970be1d1683354d5978eacbb16b753e6"


def test_the_bits_of_the_kernel_are_frozen() -> None:
    """ln and normal_cdf give the very integers of 0.1.0; a better approximation is a new function beside them."""
    bits = sha256()
    for x in ln_arguments(20_000):
        bits.update(ln(x).to_bytes(8, "big"))
    for z in cdf_arguments(10_000):
        bits.update(normal_cdf(z).to_bytes(8, "big"))
    assert bits.hexdigest() == KERNEL_SHA256


QUANTILE_SHA256 = "198c6e1d8734e22744021d163011e6a449cf9308f1d0b2befe0cd2822f181845"


def test_the_bits_of_the_quantile_are_frozen() -> None:
    """Newton's steps end where they always ended, also in the tails, where one more or less would be seen."""
    bits = sha256()
    for p in quantile_arguments(20_000):
        bits.update(normal_quantile(p).to_bytes(8, "big", signed=True))
    assert bits.hexdigest() == QUANTILE_SHA256


# ------------------------------------------------------------------------------------------------ against the true values


def test_ln_is_within_its_documented_bound() -> None:
    """Decimal's correctly rounded logarithm is at most 2**-28 away, from 1 to 2**62 - 1."""
    bound = Decimal(Q32 >> 28)
    with localcontext() as context:
        context.prec = 40
        for x in ln_arguments(25_000):
            error = ln(x) - Decimal(x).ln() * Q32
            assert abs(error) <= bound, (x, error)


def test_ln_of_one_is_zero_and_outside_its_domain_it_refuses() -> None:
    """ln(1) is exactly 0; 0, negative numbers and 2**62 are programming errors, not guesses."""
    assert ln(1) == 0
    for x in (0, -1, 1 << 62):
        with pytest.raises(AssertionError, match="ln is defined"):
            ln(x)


def test_ln_rises_strictly_over_every_latency() -> None:
    """From 1 us to 600 s a longer latency has a larger logarithm, on both sides of every cell and in dense runs."""
    starts = [((128 + j) << exponent >> 7) for exponent in range(7, 30) for j in range(128)]
    rng = Random("latencies")
    starts += [rng.randrange(1, 600_000_000) for _ in range(3_000)]
    for start in starts:
        values = [ln(x) for x in range(max(1, start - 4), start + 5)]
        assert all(before < after for before, after in pairwise(values)), start


@given(st.integers(1, LN_MAX), st.integers(1, LN_MAX))
def test_ln_never_falls(one: int, other: int) -> None:
    """A larger argument never has a smaller logarithm."""
    low, high = sorted((one, other))
    assert ln(low) <= ln(high)


def test_the_normal_distribution_is_within_its_documented_bound() -> None:
    """scipy's distribution function is at most 2**-29 away, over the whole line."""
    z = cdf_arguments(COLUMN_LENGTH)
    ours = np.array([normal_cdf(one) for one in z]) / Q32
    assert np.abs(ours - special.ndtr(np.array(z) / Q32)).max() <= 2.0**-29


@given(st.integers(-40 * Q32, 40 * Q32))
def test_the_two_tails_of_the_normal_distribution_are_one(z: int) -> None:
    """Phi(-z) = 1 - Phi(z) exactly, so a trait and its opposite are judged alike."""
    assert normal_cdf(-z) == Q32 - normal_cdf(z)
    assert 0 <= normal_cdf(z) <= Q32


def test_a_higher_z_never_has_a_lower_percentile() -> None:
    """Over every z in micro-units from -8.1 to 8.1, Phi in micro-units never falls, and in Q32 by one unit at most."""
    chunk = 100_000
    for start in range(-8_100_000, 8_100_000, chunk):
        z = np.arange(start, start + chunk + 1, dtype=np.int64) * Q32 // MICRO
        probability = cdf_column(z)
        assert np.diff(probability).min() >= -1
        assert np.diff((2 * MICRO * probability + Q32) // (2 * Q32)).min() >= 0


def test_known_points_of_the_normal_distribution() -> None:
    """The median, the familiar 1.959964, and the ends."""
    assert normal_cdf(0) == Q32 // 2
    assert micro(normal_cdf(q32(1_959_964))) == 975_000
    assert normal_cdf(8 * Q32) == Q32
    assert normal_cdf(-8 * Q32) == 0


def test_the_quantile_is_within_its_documented_bound() -> None:
    """scipy's quantile is at most 2**-23 away between -3 and 3, and p and 1 - p lie alike about 0."""
    low, high = normal_cdf(-3 * Q32), normal_cdf(3 * Q32)
    p = [one for one in quantile_arguments(20_000) if low <= one <= high]
    ours = np.array([normal_quantile(one) for one in p])
    assert np.abs(ours / Q32 - special.ndtri(np.array(p) / Q32)).max() <= 2.0**-23
    assert [normal_quantile(Q32 - one) for one in p] == (-ours).tolist()


def test_the_quantile_ends_at_five_and_refuses_what_is_no_probability() -> None:
    """The median is 0, certainty is 5 either way, and -1 and 2**32 + 1 are programming errors."""
    assert [normal_quantile(p) for p in (0, Q32 // 2, Q32)] == [-5 * Q32, 0, 5 * Q32]
    assert normal_quantile(normal_cdf(5 * Q32)) == 5 * Q32
    for p in (-1, Q32 + 1):
        with pytest.raises(AssertionError, match=f"a probability lies .* at {p}$"):
            normal_quantile(p)


# ---------------------------------------------------------------------------------------------------- rounding, once


def half_up(value: Fraction) -> int:
    """Round half up, by the definition."""
    return (value + Fraction(1, 2)).__floor__()


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**12))
def test_a_ratio_is_rounded_half_up_once(numerator: int, denominator: int) -> None:
    """micro_ratio equals the exact fraction, rounded half up."""
    assert micro_ratio(numerator, denominator) == half_up(Fraction(numerator * MICRO, denominator))


@given(st.integers(0, 10**20), st.integers(1, 10**12))
def test_a_root_is_rounded_half_up_once(numerator: int, denominator: int) -> None:
    """micro_root r satisfies (r - 1/2)^2 <= x < (r + 1/2)^2, which is rounding half up without a float."""
    root = micro_root(numerator, denominator)
    x = Fraction(numerator * MICRO * MICRO, denominator)
    assert x < (root + Fraction(1, 2)) ** 2
    assert root == 0 or (root - Fraction(1, 2)) ** 2 <= x


def test_halves_go_up_on_both_sides_of_zero() -> None:
    """0.5 micro goes to 1, -0.5 micro to 0; a root of exactly half a micro goes up."""
    assert micro_ratio(1, 2 * MICRO) == 1
    assert micro_ratio(-1, 2 * MICRO) == 0
    assert micro_root(1, 4 * MICRO * MICRO) == 1
    assert micro(Q32 // (2 * MICRO)) == 0  # just under half a micro
    assert (q32(1), q32(-1)) == (4294, -4295)


def test_what_has_no_ratio_or_root_is_a_programming_error() -> None:
    """A denominator of 0 and the root of a negative number stop the program."""
    for wrong in (lambda: micro_ratio(1, 0), lambda: micro_root(-1, 1), lambda: micro_root(1, 0)):
        with pytest.raises(AssertionError):
            wrong()


# ------------------------------------------------------------------------------------------------------------ moments

INTEGERS = st.lists(st.integers(-(10**12), 10**12), min_size=2, max_size=40)


def is_rounded_root(root: int, square: Fraction) -> bool:
    """Whether ``root`` micro-units is the rounded root of ``square``."""
    x = square * MICRO * MICRO
    return x < (root + Fraction(1, 2)) ** 2 and (root == 0 or (root - Fraction(1, 2)) ** 2 <= x)


@given(INTEGERS, st.sampled_from([1, 1_000, Q32]))
def test_moments_are_the_textbooks(values: list[int], unit: int) -> None:
    """Mean, SD (n - 1) and standard error equal the two-pass formulas on fractions."""
    moments, n = Moments(values), len(values)
    mean = Fraction(sum(values), n)
    variance = sum((value - mean) ** 2 for value in values) / (n - 1) / unit**2
    assert moments.mean_micro(unit) == half_up(mean * MICRO / unit)
    assert is_rounded_root(moments.sd_micro(unit), variance)
    assert is_rounded_root(moments.se_micro(unit), variance / n)


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=40).filter(any))
def test_the_coefficient_of_variation_is_sd_over_mean(values: list[int]) -> None:
    """cv_micro is SD / mean, rounded once and not from two rounded numbers."""
    mean = Fraction(sum(values), len(values))
    variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
    assert is_rounded_root(Moments(values).cv_micro(), variance / mean**2)


@given(INTEGERS, st.randoms(use_true_random=False))
def test_moments_do_not_care_about_order(values: list[int], rng: Random) -> None:
    """Any order of the same values gives the same three integers."""
    shuffled = rng.sample(values, len(values))
    one, other = Moments(values), Moments(shuffled)
    assert (one.count, one.total, one.squares) == (other.count, other.total, other.squares)


@given(st.lists(st.tuples(st.integers(-50, 10_000), st.integers(-(10**9), 10**9)), min_size=2, max_size=40))
def test_a_slope_is_least_squares(points: list[tuple[int, int]]) -> None:
    """The slope equals the textbook's on fractions; points over one x have no spread, hence no slope."""
    line = Line()
    for x, y in points:
        line.add(x, y)
    x_mean = Fraction(sum(x for x, _ in points), len(points))
    y_mean = Fraction(sum(y for _, y in points), len(points))
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    assert line.spread == spread * len(points)
    if spread:
        slope = sum((x - x_mean) * (y - y_mean) for x, y in points) / spread
        assert line.slope_micro() == half_up(slope * MICRO)


def test_values_count_in_ones_unless_told_otherwise() -> None:
    """1 and 3: mean 2, SD sqrt(2), standard error 1."""
    moments = Moments([1, 3])
    assert (moments.mean_micro(), moments.sd_micro(), moments.se_micro()) == (2_000_000, 1_414_214, 1_000_000)


def test_a_line_through_points_is_that_of_the_points_one_by_one() -> None:
    """Its sums can be made at once, and more be taken up after."""
    at_once, one_by_one = Line([2, 5], [7, -1]), Line()
    at_once.add(3, 4)
    for x, y in ((2, 7), (5, -1), (3, 4)):
        one_by_one.add(x, y)
    assert [getattr(at_once, name) for name in Line.__slots__] == [3, 10, 38, 21, 10]
    assert [getattr(one_by_one, name) for name in Line.__slots__] == [3, 10, 38, 21, 10]
