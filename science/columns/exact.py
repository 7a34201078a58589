"""Sums by owner, logarithms and rounded quotients over columns: what boils events down, by the very steps of ``science/exact.py``.

Rows belong to owners: ``owner`` says of each row, ascending, whose it is, 0 .. owners - 1.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from science.columns.events import Column, Mask
from science.exact import LN2, LN_CELL, LN_INVERSE, MICRO, Q32

Real = npt.NDArray[np.float64]  # never a result: it may only say which integer is meant, and where it cannot

_INVERSE, _LOGARITHM = np.array(LN_INVERSE, dtype=np.int64), np.array(LN_CELL, dtype=np.int64)


def ln(x: Column) -> Column:
    """``exact.ln`` of integers of 1 .. 2**31 - 1, in Q32."""
    assert ((x > 0) & (x < 1 << 31)).all(), "columns of logarithms are defined on 1 .. 2**31 - 1"
    exponent = np.frexp(x.astype(np.float64))[1].astype(np.int64) - 1  # float64 holds x itself
    mantissa = x << (31 - exponent)
    cell = (mantissa >> 24) - len(_INVERSE)
    r = (mantissa * _INVERSE[cell] >> 30) - Q32
    r2 = r * r >> 32
    r3 = r2 * r >> 32
    found: Column = exponent * LN2 + _LOGARITHM[cell] + r - (r2 >> 1) + r3 // 3
    return found


def sums(values: Column, owner: Column, owners: int) -> Column:
    """The sum of each owner's rows; 0 without any. The sum of all stays below 2**63."""
    upto = np.concatenate(([0], np.cumsum(values)))
    found: Column = np.diff(upto[borders(owner, owners)])
    return found


def counts(owner: Column, owners: int) -> Column:
    """How many rows each owner has."""
    return np.bincount(owner, minlength=owners)


def borders(owner: Column, owners: int) -> Column:
    """The row at which each owner's begin, and one past the last row."""
    return np.concatenate(([0], np.cumsum(counts(owner, owners))))


def any_of(flags: Mask, owner: Column, owners: int) -> Mask:
    """Whether any of each owner's rows is flagged."""
    found = np.zeros(owners, dtype=np.bool_)
    found[owner[flags]] = True
    return found


def sums_of_squares(values: Column, owner: Column, owners: int) -> list[int]:
    """The sum of squares of each owner's rows, values of -2**38 .. 2**38 - 1; below 2**24 rows."""
    high, low = values >> 19, values & (1 << 19) - 1
    parts = [sums(part, owner, owners).tolist() for part in (high * high, high * low, low * low)]
    return [(a << 38) + (b << 20) + c for a, b, c in zip(*parts, strict=True)]


def micro_ratios(numerator: Column, denominator: Column) -> Column:
    """``exact.micro_ratio``, of numerators and denominators below 2**40."""
    found: Column = (2 * MICRO * numerator + denominator) // (2 * denominator)
    return found


def micro_floor(numerator: Column, denominator: Column) -> Column:
    """numerator / denominator in micro-units, rounded down. The denominator is 1 .. 2**53 - 1; what comes out fits.

    Three decimal places at a time, as on paper: a remainder times a thousand stays below 2**63.
    """
    found, rest = np.divmod(numerator, denominator)
    for _ in range(2):
        more, rest = np.divmod(rest * 1_000, denominator)
        found = found * 1_000 + more
    return found


def floors(terms: Sequence[Real], denominator: Real) -> tuple[Column, Mask]:
    """The sum of the terms over the denominator, rounded down, and where that is not certain.

    Each term and the denominator are within 2**-38 of the truth, relatively: what they may be off by together decides whether the floor
    is sure, so that a sure one is the same on every machine. What reaches 2**25 is not sure either.
    """
    total, size = sum(terms), sum(map(np.abs, terms))
    quotient, error = np.divide(total, denominator), np.ldexp(np.divide(size, denominator), -36)
    low, high = np.floor(quotient - error), np.floor(quotient + error)
    unsure = (low != high) | (np.abs(low) >= 1 << 25)
    return np.where(unsure, 0, low).astype(np.int64), unsure
