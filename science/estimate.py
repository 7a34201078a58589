"""How sure a metric is: the influence of each resampling unit on it, and the variance that the influences add up to.

A unit is what is drawn anew if the session were played again: a balloon, a block of five reaction trials, a round of cards.
Its influence on a statistic is how far the statistic moves, to first order, when the unit's weight grows from 1/n by a small
step (the infinitesimal jackknife: Jaeckel 1972; Efron & Tibshirani 1993, 21). Influences add up to zero but for rounding; the sum
of their squares, times n / (n - 1), estimates the variance of the statistic, and the sum of products of two statistics' influences
their covariance. For the Kaplan-Meier mean this is Greenwood's formula exactly.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import mul

from science.exact import MICRO, Moments

Sums = tuple[int, int, int]  # count, sum and sum of squares of integers

_NONE: Sums = (0, 0, 0)


def sums(values: Sequence[int]) -> Sums:
    """The sums of many values."""
    return len(values), sum(values), sum(map(mul, values, values))


class Clusters(Moments):
    """Integers grouped by unit: the moments of all, and the sums of each unit. Exact."""

    __slots__ = ("groups",)

    def __init__(self, groups: Iterable[Sums]) -> None:
        """The sums of each unit, in order; a unit without values has no influence."""
        self.groups = list(groups)
        n = whole = all_squares = 0  # one round of this loop takes half the time of three sums
        for count, total, squares in self.groups:
            n += count
            whole += total
            all_squares += squares
        self.count, self.total, self.squares = n, whole, all_squares

    def mean_influences(self, unit: int = 1) -> list[int]:
        """Of the mean, in micro-units, where the values count in 1 / ``unit``. There is at least one value."""
        n, scale = 2 * MICRO * self.count, self.count * self.count * unit
        whole, twice = 2 * MICRO * self.total, 2 * scale
        return [
            (total * n - count * whole + scale) // twice if count else 0 for count, total, _ in self.groups
        ]

    def sd_influences(self, unit: int = 1) -> list[int]:
        """Of the standard deviation (n - 1); none at all where the values are all alike. There are at least two values."""
        return _sd_influences(self, self.groups, unit)


class Singles(Moments):
    """At most one integer a unit: what clusters of one value give, by a shorter way."""

    __slots__ = ("values",)

    def __init__(self, values: Sequence[int | None]) -> None:
        """That of each unit, in order; a unit without one has no influence."""
        self.values = values
        super().__init__([value for value in values if value is not None])

    def mean_influences(self, unit: int = 1) -> list[int]:
        """As of clusters."""
        n, scale = 2 * MICRO * self.count, self.count * self.count * unit
        less, twice = 2 * MICRO * self.total - scale, 2 * scale
        return [0 if value is None else (value * n - less) // twice for value in self.values]

    def sd_influences(self, unit: int = 1) -> list[int]:
        """As of clusters."""
        return _sd_influences(
            self, [_NONE if one is None else (1, one, one * one) for one in self.values], unit
        )


def _sd_influences(moments: Moments, groups: Sequence[Sums], unit: int) -> list[int]:
    """Of s = sqrt(V n / (n - 1)): (Q_u - n_u V) / (2 (n - 1) s), with Q_u the squared deviations of the unit's values from the
    mean of all.
    """
    n, whole, sd_micro = moments.count, moments.total, moments.sd_micro(unit)
    if sd_micro == 0:
        return [0] * len(groups)
    # n^2 (Q_u - n_u V) = n^2 sum of squares - 2 n sum of all * sum of the unit + n_u n^2 (mean^2 - V)
    square = n * n * MICRO * MICRO
    cross = 2 * n * whole * MICRO * MICRO
    alike = (2 * whole * whole - n * moments.squares) * MICRO * MICRO
    scale = 2 * n * n * (n - 1) * sd_micro * unit * unit
    return [
        (squares * square - total * cross + count * alike) // scale if count else 0
        for count, total, squares in groups
    ]


def combined(*terms: tuple[int, int, Sequence[int]]) -> list[int]:
    """The influences of a function of statistics: the sum over (numerator, denominator, influences) of the derivative
    numerator / denominator times the influences. Denominators are positive.
    """
    scaled = [
        [numerator * x // denominator for x in influences] for numerator, denominator, influences in terms
    ]
    return [sum(column) for column in zip(*scaled, strict=True)]


def cv_influences(values: Clusters | Singles, unit: int) -> list[int]:
    """The influences of SD over mean. There are at least two values, and their sum is positive."""
    sd, mean = values.sd_micro(unit), values.mean_micro(unit)
    by_sd, by_mean = values.sd_influences(unit), values.mean_influences(unit)
    return combined((MICRO, mean, by_sd), (-sd * MICRO, mean * mean, by_mean))


def difference(one: Sequence[int], other: Sequence[int]) -> list[int]:
    """The influences of the difference of two statistics."""
    return [x - y for x, y in zip(one, other, strict=True)]


def covariances(influences: Mapping[str, Sequence[int]]) -> dict[str, dict[str, int]]:
    """The covariance of every two statistics, each pair once (the later name first), in squared micro-units.

    Empty with fewer than two units: one unit shows no spread.
    """
    names = sorted(influences)
    units = len(influences[names[0]]) if names else 0
    if units < 2:
        return {}
    return {
        name: {
            other: sum(map(mul, influences[name], influences[other])) * units // (units - 1)
            for other in names[: place + 1]
        }
        for place, name in enumerate(names)
    }
