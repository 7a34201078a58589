"""How sure a metric is: the influence of each resampling unit on it, and the variance that the influences add up to.

A unit is what is drawn anew if the session were played again: a balloon, a block of five reaction trials, a round of cards.
Its influence on a statistic is how far the statistic moves, to first order, when the unit's weight grows from 1/n by a small
step (the infinitesimal jackknife: Jaeckel 1972; Efron & Tibshirani 1993, 21). Influences add up to zero but for rounding; the sum
of their squares, times n / (n - 1), estimates the variance of the statistic, and the sum of products of two statistics' influences
their covariance. For the Kaplan-Meier mean this is Greenwood's formula exactly.
"""

from collections.abc import Iterable, Mapping, Sequence

from science.exact import MICRO, micro_ratio


class Clusters:
    """Integers grouped by unit: count, sum and sum of squares of each unit and of all. Exact."""

    __slots__ = ("count", "groups", "squares", "total")

    def __init__(self, groups: Iterable[Sequence[int]]) -> None:
        """One sequence of values a unit; it may be empty, and then the unit has no influence."""
        self.groups = [(len(values), sum(values), sum([x * x for x in values])) for values in groups]
        self.count = sum(count for count, _, _ in self.groups)
        self.total = sum(total for _, total, _ in self.groups)
        self.squares = sum(squares for _, _, squares in self.groups)

    def mean_influences(self, unit: int = 1) -> list[int]:
        """Of the mean, in micro-units, where the values count in 1 / ``unit``. There is at least one value."""
        denominator = self.count * self.count * unit
        return [
            micro_ratio(total * self.count - count * self.total, denominator)
            for count, total, _ in self.groups
        ]

    def sd_influences(self, sd_micro: int, unit: int = 1) -> list[int]:
        """Of the standard deviation, whose value in micro-units is given and not 0: (Q_u - n_u s^2) / (2 s N), with Q_u the
        squared deviations of the unit's values from the mean of all.
        """
        n, mean_n = self.count, self.total
        scale = n * n * unit * unit
        variance = sd_micro * sd_micro
        return [
            micro_ratio(
                (n * n * squares - 2 * n * mean_n * total + count * mean_n * mean_n) * MICRO * MICRO // scale
                - count * variance,
                2 * sd_micro * n * MICRO,
            )
            for count, total, squares in self.groups
        ]


def combined(*terms: tuple[int, int, Sequence[int]]) -> list[int]:
    """The influences of a function of statistics: the sum over (numerator, denominator, influences) of the derivative
    numerator / denominator times the influences. Denominators are positive.
    """
    scaled = [
        [_ratio(numerator * x, denominator) for x in influences]
        for numerator, denominator, influences in terms
    ]
    return [sum(column) for column in zip(*scaled, strict=True)]


def _ratio(numerator: int, denominator: int) -> int:
    """To the nearest integer, half up."""
    return (2 * numerator + denominator) // (2 * denominator)


def covariances(influences: Mapping[str, Sequence[int]]) -> dict[str, dict[str, int]]:
    """The covariance of every two statistics, each pair once (the later name first), in squared micro-units.

    Empty with fewer than two units: one unit shows no spread.
    """
    names = sorted(influences)
    units = len(influences[names[0]]) if names else 0
    if units < 2:
        return {}
    found: dict[str, dict[str, int]] = {}
    for place, name in enumerate(names):
        mine = influences[name]
        found[name] = {
            other: sum([x * y for x, y in zip(mine, influences[other], strict=True)]) * units // (units - 1)
            for other in names[: place + 1]
        }
    return found
