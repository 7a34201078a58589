"""Concentration played with perfect memory: the exact law of the turns that chance alone makes necessary.

A perfect player takes every pair whose two places are known, and otherwise turns up a card that was never seen (Velleman &
Warrington 2013). With u cards unseen, and k cards seen whose mates are among them, it goes on in one of four ways:

    the first card is a known one's mate    k/u                        1 turn,  then (k - 1, u - 1)
    else the second is the first's mate     (u-k)/u * 1/(u-1)          1 turn,  then (k,     u - 2)
    else the second is a known one's mate   (u-k)/u * k/(u-1)          2 turns, then (k,     u - 2)
    else both are new                       (u-k)/u * (u-2-k)/(u-1)    1 turn,  then (k + 2, u - 2)

The pair of the third way is taken in a turn of its own. Times u!, the mean and the mean square of the turns from (k, u) on are
whole numbers, so nothing is rounded before the end, however many pairs there are.
"""

from fractions import Fraction
from functools import cache
from math import isqrt
from typing import NamedTuple

import msgspec

from science.exact import ln

PAIRS_MAX = 500  # of the schemas; they take about half a second, once

_SD_DIGITS = 1_000_000_000_000_000_000  # the standard deviation is a root: rounded down at 18 decimals
_LN_Q40 = ln(1 << 40)


class OptimalTurns(NamedTuple):
    """Mean and standard deviation of the turns. The mean is exact, the deviation true to 18 decimals."""

    mean: Fraction
    sd: Fraction


class Law(msgspec.Struct, frozen=True, gc=False):
    """The same in fixed point, for the metrics: ``mean`` and ``variance`` count 2**-64, ``ln_mean`` is in Q32."""

    mean: int
    variance: int
    ln_mean: int


@cache
def optimal_turns(n_pairs: int) -> OptimalTurns:
    """How many turns perfect memory needs for ``n_pairs`` pairs (1 to 500)."""
    first, second, scale = _moments(n_pairs)
    deviation = isqrt((second * scale - first * first) * _SD_DIGITS * _SD_DIGITS // (scale * scale))
    return OptimalTurns(Fraction(first, scale), Fraction(deviation, _SD_DIGITS))


@cache
def law_of(n_pairs: int) -> Law:
    """The law of ``n_pairs`` pairs (1 to 500), rounded down."""
    first, second, scale = _moments(n_pairs)
    mean = (first << 64) // scale
    variance = ((second * scale - first * first) << 64) // (scale * scale)
    return Law(mean, variance, ln(mean >> 24) - _LN_Q40)


@cache
def _moments(n_pairs: int) -> tuple[int, int, int]:
    """Mean and mean square of the turns of ``n_pairs`` pairs, as numerators over the third number, (2 n_pairs)!."""
    assert 1 <= n_pairs <= PAIRS_MAX, f"a round has 1 to {PAIRS_MAX} pairs, not {n_pairs}"
    factorial = [1]
    for u in range(1, 2 * n_pairs + 1):
        factorial.append(factorial[-1] * u)
    # By pairs left, then by k from the most known down to none: u = 2 * left - k. Two zeros stand for what k + 2 cannot reach.
    firsts, seconds = [0, 0, 0], [0, 0, 0]
    for left in range(1, n_pairs + 1):
        fewer_firsts, fewer_seconds = firsts, seconds
        firsts, seconds = [0] * (left + 3), [0] * (left + 3)
        for k in range(left, -1, -1):
            u = 2 * left - k
            first = second = 0
            if k > 0:
                to, to_square = fewer_firsts[k - 1], fewer_seconds[k - 1]
                first += k * (factorial[u - 1] + to)
                second += k * (factorial[u - 1] + 2 * to + to_square)
            if u > k:
                new, unit = u - 2 - k, factorial[u - 2]
                down, down_square = fewer_firsts[k], fewer_seconds[k]
                up, up_square = firsts[k + 2], seconds[k + 2]
                first += (u - k) * ((1 + 2 * k + new) * unit + (1 + k) * down + new * up)
                second += (u - k) * (
                    (1 + 4 * k + new) * unit
                    + 2 * ((1 + 2 * k) * down + new * up)
                    + (1 + k) * down_square
                    + new * up_square
                )
            firsts[k], seconds[k] = first, second
    return firsts[0], seconds[0], factorial[2 * n_pairs]
