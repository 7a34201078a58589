"""The integer kernel over columns: what ``science/exact.py`` does to one integer, done to int64 arrays, to the last bit.

What goes beyond 63 bits is divided by guess and correction: float64 guesses the quotient, and the remainder, which int64 holds
exactly because it wraps around, corrects it. So no float decides anything: where a guess could be too far off to be corrected, the
quotient counts as unknown, and its session is worked out with Python's integers.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from science.columns.events import Column, Mask
from science.exact import CDF, DENSITY, MICRO, Q32, QUANTILE_LIMIT, QUANTILE_STEPS

_Near = npt.NDArray[np.float64]

_CUMULATIVE, _SLOPE = np.array(CDF, dtype=np.int64), np.array(DENSITY, dtype=np.int64)
_CELL = 27  # log2 of a cell's width in Q32
_LIMIT = len(CDF) - 1 << _CELL  # from where Phi is 1
_QUANTILE_CELLS = QUANTILE_LIMIT << 32 - _CELL

_SUMMANDS_MAX, _FACTORS_MAX = 64, 6


class Exact:
    """Arithmetic of many sessions that knows of which it can vouch for every bit: ``known``, one a session."""

    def __init__(self, sessions: int) -> None:
        """So far all is known."""
        self.known: Mask = np.ones(sessions, dtype=np.bool_)

    def expect(self, condition: Mask) -> None:
        """A session that breaks a condition in any row is not known any more."""
        self.known &= condition.reshape(-1, len(self.known)).all(axis=0)

    def over(
        self,
        factors: Sequence[Column | int],
        divisor: Column | int,
        *,
        starts: Sequence[int] | None = None,
        plus: Column | int = 0,
    ) -> Column:
        """floor((product + plus) / divisor), the divisor positive and the first factor a column; from one of ``starts`` to the next, the
        products are added up.

        64 products of 6 factors and what is added are off by at most 80 roundings, each of 2**-53 of the sum of their absolute values,
        ``size``: by less than 2**-46 of it. Divisor and quotient are asked to be below 2**60 and ``size`` below 2**106, so the guess
        times the divisor misses the sum by less than 2**60 + 2**(106 - 52) + 2**60 < 2**63: that is the remainder, whatever wrapped on
        the way to it.
        """
        assert len(factors) <= _FACTORS_MAX
        low: Column = np.asarray(factors[0])
        near: _Near = low.astype(np.float64)
        for factor in factors[1:]:
            low = low * factor
            near = near * factor
        size: _Near = np.abs(near)
        if starts is not None:
            assert max(np.diff([*starts, len(low)])) <= _SUMMANDS_MAX
            low = np.add.reduceat(low, starts)
            near = np.add.reduceat(near, starts)
            size = np.add.reduceat(size, starts)
        low = low + plus
        near = near + plus
        size = size + np.abs(plus)
        quotient_max = 1 << 60
        is_fit = (size < np.multiply(divisor, quotient_max, dtype=np.float64)) & (size < np.ldexp(1, 106))
        is_fit &= np.logical_and(np.greater(divisor, 0), np.less(divisor, 1 << 60))
        self.expect(is_fit)
        by: Column = np.where(is_fit, divisor, 1)
        guess: Column = np.divide(np.where(is_fit, near, 0), by).astype(np.int64)
        remainder: Column = low - guess * by
        found: Column = guess + remainder // by
        return found

    def ratio(self, factors: Sequence[Column | int], divisor: Column) -> Column:
        """``micro_ratio`` of a product."""
        return self.over([*factors, 2 * MICRO], 2 * divisor, plus=divisor)


def root(x: Column) -> Column:
    """``isqrt`` of 0 .. 2**62 - 1. The float root, rounded right, is off by less than 2**-20 and never below a whole root n: what n * n
    loses as a float, n * 2**-54 of the root, is less than half the space below n. So its floor is the root, or one more.
    """
    guess = np.sqrt(x.astype(np.float64)).astype(np.int64)
    guess -= guess * guess > x
    return guess


def half_root(x: Column) -> Column:
    """The root of a quarter of 0 .. 2**62 - 1, half up: the last step of ``micro_root``."""
    found: Column = (root(x) + 1) // 2
    return found


def normal_cdf(z: Column) -> Column:
    """``exact.normal_cdf`` by the very same steps; z and the result in Q32."""
    size = np.minimum(np.abs(z), _LIMIT)
    cell = (size + (1 << _CELL - 1)) >> _CELL
    a = cell << _CELL
    h = size - a
    h2 = h * h >> 32
    h3 = h2 * h >> 32
    h4 = h3 * h >> 32
    a2 = (cell * cell) << 22
    square_term = a * h2 >> 33
    cubic_term = ((a2 - Q32) * h3 >> 32) // 6
    a3 = ((a >> 8) * (a2 - 3 * Q32 >> 8)) >> 16
    bracket = h - square_term + cubic_term - (a3 * h4 >> 32) // 24
    upper = _CUMULATIVE[cell] + (_SLOPE[cell] * bracket >> 32)
    found: Column = np.where(z < 0, Q32 - upper, upper)
    return found


def normal_quantile(p: Column) -> Column:
    """``exact.normal_quantile`` by the very same steps, those of whoever is there already being of no effect; p and z in Q32."""
    upper = np.maximum(p, Q32 - p)
    cell = np.searchsorted(_CUMULATIVE[:_QUANTILE_CELLS], upper, side="right") - 1
    z = cell << _CELL
    for _ in range(QUANTILE_STEPS):
        nearest = (z + (1 << _CELL - 1)) >> _CELL
        step = ((upper - normal_cdf(z)) << 32) // _SLOPE[nearest]
        if not step.any():
            break
        z = z + step
    z = np.where(upper >= _CUMULATIVE[_QUANTILE_CELLS], _QUANTILE_CELLS << _CELL, z)
    found: Column = np.where(p < upper, -z, z)
    return found


def micro(q32: Column) -> Column:
    """A Q32 number below 2**40 in micro-units, half up."""
    found: Column = (2 * MICRO * q32 + Q32) >> 33
    return found


def q32(micro_units: Column) -> Column:
    """A micro-unit number below 2**30 in Q32, rounded down."""
    found: Column = micro_units * Q32 // MICRO
    return found


def probability(z: Column) -> Column:
    """Phi of z, in micro-units; beyond sixteen it does not change."""
    far = 16 * MICRO
    return micro(normal_cdf(q32(np.clip(z, -far, far))))
