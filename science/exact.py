"""Exact arithmetic: fixed-point integers in, fixed-point integers out, the same bits on every machine.

libm's ``log`` and ``exp`` differ between machines (glibc's FMA variants, numpy's AVX-512 paths), so none of them is used.
``ln`` and ``normal_cdf`` work on 64-bit integers alone (no intermediate reaches 2**63), so that a column of numpy int64 can
take the very same steps. The tables below are made once, from integer series with 96 guard bits.

Units: ``Q32`` counts 2**-32, ``MICRO`` counts 10**-6. Shifts and ``//`` round towards minus infinity, in Python and in
numpy alike; ``micro_*`` round half up, once, at the end.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from math import isqrt
from operator import mul

Q32 = 1 << 32
MICRO = 1_000_000

_GUARD = 96
_WIDE = Q32 << _GUARD  # one, with guard bits, for the tables alone


def _unguard(value: int) -> int:
    return (value + (1 << (_GUARD - 1))) >> _GUARD


# ---------------------------------------------------------------------------------------------------------------- ln

_LN_CELLS = 128  # |r| < 2**-8 inside a cell, so the fourth term of log1p is below 2**-34: nothing in Q32


def _ln_wide(numerator: int, denominator: int) -> int:
    """ln(numerator / denominator) in _WIDE units by 2 artanh((n - d) / (n + d)); exact to the guard bits."""
    z = (numerator - denominator) * _WIDE // (numerator + denominator)
    square = z * z // _WIDE
    total, term, k = 0, z, 1
    while term:
        total += term // k
        term = term * square // _WIDE
        k += 2
    return 2 * total


LN2 = _unguard(_ln_wide(2, 1))
LN_INVERSE = tuple((2 * _LN_CELLS << 31) // (2 * (_LN_CELLS + j) + 1) for j in range(_LN_CELLS))
LN_CELL = tuple(  # of the centre, and of what the inverse is off by
    _unguard(_ln_wide(2 * (_LN_CELLS + j) + 1, 2 * _LN_CELLS))
    + _unguard(_ln_wide(2 * _LN_CELLS << 31, (2 * (_LN_CELLS + j) + 1) * LN_INVERSE[j]))
    for j in range(_LN_CELLS)
)


def ln(x: int) -> int:
    """Natural logarithm of a positive integer below 2**62, in Q32; within 2**-28 of the true value.

    ln x = e ln 2 + ln c + ln(1 + r), with c the centre of one of 128 cells of [1, 2) and r small.
    """
    assert 0 < x < 1 << 62, f"ln is defined on 1 .. 2**62 - 1, not {x}"
    exponent = x.bit_length() - 1
    mantissa = x << (31 - exponent) if exponent <= 31 else x >> (exponent - 31)  # [1, 2) in 2**-31
    cell = (mantissa >> 24) - _LN_CELLS
    r = (mantissa * LN_INVERSE[cell] >> 30) - Q32  # Q32
    r2 = r * r >> 32
    r3 = r2 * r >> 32
    return exponent * LN2 + LN_CELL[cell] + r - (r2 >> 1) + r3 // 3


# ------------------------------------------------------------------------------------------------- normal distribution

_CDF_CELLS_PER_UNIT = 32
_CDF_LIMIT = 8  # Phi(-8) is 6e-16: nothing in Q32


def _sqrt_two_pi_wide() -> int:
    """sqrt(2 pi) in _WIDE units; pi by Machin's formula."""

    def arctan_inverse(n: int) -> int:
        total, term, k = 0, _WIDE // n, 1
        while term:
            total += term // k if k % 4 == 1 else -(term // k)
            term //= n * n
            k += 2
        return total

    pi = 4 * (4 * arctan_inverse(5) - arctan_inverse(239))
    return isqrt(2 * pi * _WIDE)


def _normal_tables() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Phi and its density at 0, 1/32, ..., 8 in Q32, by the series Phi(z) = 1/2 + phi(z) (z + z^3/3 + z^5/15 + ...)."""
    root = _sqrt_two_pi_wide()
    cumulative, density = [], []
    for j in range(_CDF_LIMIT * _CDF_CELLS_PER_UNIT + 1):
        z = _WIDE * j // _CDF_CELLS_PER_UNIT
        square = z * z // _WIDE
        # exp(-z^2/2) = 1 / sum (z^2/2)^k / k!: all terms positive, so nothing cancels
        exponential, term, k = 0, _WIDE, 1
        while term:
            exponential += term
            term = term * square // (2 * k * _WIDE)
            k += 1
        phi = _WIDE * _WIDE // exponential * _WIDE // root
        total, term, k = 0, z, 1
        while term:
            total += term
            k += 2
            term = term * square // (k * _WIDE)
        cumulative.append(_unguard(_WIDE // 2 + phi * total // _WIDE))
        density.append(_unguard(phi))
    return tuple(cumulative), tuple(density)


CDF, DENSITY = _normal_tables()


def normal_cdf(z: int) -> int:
    """The standard normal distribution function Phi of z (Q32), in Q32; within 2**-29 of the true value.

    Taylor's expansion to the fourth power about the nearest of the points j/32, where the derivatives are Hermite polynomials
    times the density; Phi(-z) = 1 - Phi(z) holds exactly. It rises, but for steps down of one unit at the borders of cells in
    the tails; in micro-units it never falls.
    """
    if z < 0:
        return Q32 - normal_cdf(-z)
    if z >= _CDF_LIMIT * Q32:
        return Q32
    cell = (z + (Q32 >> 6)) >> 27
    a = cell << 27  # the point, Q32
    h = z - a
    h2 = h * h >> 32
    h3 = h2 * h >> 32
    h4 = h3 * h >> 32
    a2 = (cell * cell) << 22  # a squared, Q32: (cell / 32) ** 2
    square_term = a * h2 >> 33
    cubic_term = ((a2 - Q32) * h3 >> 32) // 6
    a3 = ((a >> 8) * (a2 - 3 * Q32 >> 8)) >> 16  # a (a^2 - 3); the shifts keep the product below 2**63
    bracket = h - square_term + cubic_term - (a3 * h4 >> 32) // 24
    return CDF[cell] + (DENSITY[cell] * bracket >> 32)


QUANTILE_LIMIT = 5  # beyond it the density is below 2**-19, and Q32 probabilities no longer tell points apart
QUANTILE_STEPS = (
    5  # Newton from the nearest table point: the error is squared by each, and starts below 2**-6
)


def normal_quantile(p: int) -> int:
    """The z (Q32) at which Phi is p (Q32, 0 .. 1), between -5 and 5; within 2**-23 of the true value up to |z| = 3.

    Newton's steps from the nearest table point; quantile(1 - p) = -quantile(p) holds exactly.
    """
    assert 0 <= p <= Q32, f"a probability lies between 0 and 2**32, not at {p}"
    if 2 * p < Q32:
        return -normal_quantile(Q32 - p)
    limit = QUANTILE_LIMIT * _CDF_CELLS_PER_UNIT
    if p >= CDF[limit]:
        return QUANTILE_LIMIT * Q32
    cell = bisect_right(CDF, p, 0, limit) - 1
    z = cell << 27
    for _ in range(QUANTILE_STEPS):
        nearest = (z + (Q32 >> 6)) >> 27
        step = ((p - normal_cdf(z)) << 32) // DENSITY[nearest]
        if not step:
            break
        z += step
    return z


# --------------------------------------------------------------------------------------------------- rounding, once


def micro_ratio(numerator: int, denominator: int) -> int:
    """numerator / denominator in micro-units, half up. The denominator is positive."""
    assert denominator > 0
    return (2 * MICRO * numerator + denominator) // (2 * denominator)


def micro_root(numerator: int, denominator: int) -> int:
    """sqrt(numerator / denominator) in micro-units, half up. Neither is negative, the denominator not 0."""
    assert numerator >= 0
    assert denominator > 0
    return (isqrt(4 * MICRO * MICRO * numerator // denominator) + 1) // 2


def micro(q32: int) -> int:
    """A Q32 number in micro-units, half up."""
    return micro_ratio(q32, Q32)


def q32(micro_units: int) -> int:
    """A micro-unit number in Q32, rounded down."""
    return micro_units * Q32 // MICRO


# --------------------------------------------------------------------------------------------------------- moments


class Moments:
    """Count, sum and sum of squares of integers. Exact, so order and grouping cannot matter."""

    __slots__ = ("count", "squares", "total")

    def __init__(self, values: Iterable[int]) -> None:
        """Of these values."""
        taken = list(values)
        self.count = len(taken)
        self.total = sum(taken)
        self.squares: int = sum(map(mul, taken, taken))

    @classmethod
    def of_sums(cls, count: int, total: int, squares: int) -> "Moments":
        """Of integers that were counted and summed elsewhere."""
        self = Moments.__new__(Moments)  # a subclass holds more
        self.count, self.total, self.squares = count, total, squares
        return self

    def mean_micro(self, unit: int = 1) -> int:
        """The mean in micro-units, where the values count in 1 / ``unit``. There is at least one value."""
        return micro_ratio(self.total, self.count * unit)

    def sd_micro(self, unit: int = 1) -> int:
        """The standard deviation (n - 1) in micro-units. There are at least two values."""
        return micro_root(self._spread, self.count * (self.count - 1) * unit * unit)

    def se_micro(self, unit: int = 1) -> int:
        """The standard error of the mean in micro-units. There are at least two values."""
        return micro_root(self._spread, self.count * self.count * (self.count - 1) * unit * unit)

    def cv_micro(self) -> int:
        """SD over mean in micro-units. There are at least two values and their sum is positive."""
        return micro_root(self._spread * self.count, (self.count - 1) * self.total * self.total)

    @property
    def _spread(self) -> int:
        return self.count * self.squares - self.total * self.total


class Line:
    """Least squares of y on x over integer pairs, exactly."""

    __slots__ = ("count", "xs", "xx", "xy", "ys")

    def __init__(self, xs: Sequence[int] = (), ys: Sequence[int] = ()) -> None:
        """Through these points, as many x as y; ``add`` takes up one more."""
        self.count = len(xs)
        self.xs = sum(xs)
        self.ys = sum(ys)
        self.xx: int = sum(map(mul, xs, xs))
        self.xy: int = sum(map(mul, xs, ys))

    @classmethod
    def of_sums(cls, count: int, xs: int, ys: int, xx: int, xy: int) -> "Line":
        """Through points that were summed elsewhere: x, y, x squared, x y."""
        self = cls()
        self.count, self.xs, self.ys, self.xx, self.xy = count, xs, ys, xx, xy
        return self

    def add(self, x: int, y: int) -> None:
        """Take one point up."""
        self.count += 1
        self.xs += x
        self.ys += y
        self.xx += x * x
        self.xy += x * y

    @property
    def spread(self) -> int:
        """n times the squared deviations of x; 0 when all x are one, and then there is no slope."""
        return self.count * self.xx - self.xs * self.xs

    def slope_micro(self) -> int:
        """The slope in micro-units. There are at least two different x."""
        return micro_ratio(self.count * self.xy - self.xs * self.ys, self.spread)
