"""How far people meant to go when a burst cut some of them short: the Kaplan-Meier estimator on integers.

A collected balloon shows the intended number of pumps, a burst one only that it was at least the bursting pump: right-censored
data. The mean of the collected ones alone is biased low (De Groot 2020); the area under the survival curve is not.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from science.exact import ln, micro, micro_ratio, micro_root

_Q40 = 1 << 40


class Intended(msgspec.Struct, frozen=True):
    """The restricted mean of the intended pumps and of its logarithm, with standard errors; micro-units."""

    mean: int
    mean_se: int | None  # None: every balloon burst, and nothing shows the spread
    ln_mean: int
    ln_mean_se: int | None
    censored: bool  # the longest balloon burst, so the mean is a lower bound


class Curve(msgspec.Struct, frozen=True, gc=False):
    """The levels below the longest count at which somebody stopped, in order: (level, at risk there, stopped there), and the area right
    of each in Q40. Between them the curve S is level; ``area`` is all of it.
    """

    count: int
    has_stops: bool
    censored: bool
    area: int
    stops: list[tuple[int, int, int]]
    areas: list[int]


def curve_of(balloons: Iterable[tuple[int, bool]]) -> Curve:
    """From (pumps, exploded) pairs, at least one; ``exploded`` counts the bursting pump among the pumps."""
    fates = Counter(balloons)
    count, levels = fates.total(), sorted({pumps for pumps, _ in fates})
    at_risk, longest, height = count, levels[-1], _Q40
    stops: list[tuple[int, int, int]] = []
    heights: list[int] = []  # beyond each stop
    for level in levels[:-1]:  # below the longest count somebody always goes on, so at_risk > stopped
        at_risk -= fates.get((level, True), 0)
        stopped = fates.get((level, False), 0)
        if stopped:
            stops.append((level, at_risk, stopped))
            height = height * (at_risk - stopped) // at_risk
            heights.append(height)
            at_risk -= stopped
    area, areas, end = 0, [], longest
    for (level, _, _), height in zip(reversed(stops), reversed(heights), strict=True):
        area += height * (end - level)
        areas.append(area)
        end = level
    has_stops = not all(exploded for _, exploded in fates)
    return Curve(count, has_stops, (longest, True) in fates, area + _Q40 * end, stops, areas[::-1])


def intended_pumps(curve: Curve) -> Intended:
    """The estimates of a curve.

    The mean is the area under the survival curve S up to the largest count. Its variance is Greenwood's,
    sum over l of (area right of l)^2 s_l / (n_l (n_l - s_l)), times n / (n - 1) for small samples; the logarithm's follows
    by the delta method. The logarithm is taken of max(mean, 1/2), so that never pumping has a value too.
    """
    mean = curve.area
    variance = sum(
        [
            area * area * stopped // (at_risk * (at_risk - stopped))
            for area, (_, at_risk, stopped) in zip(curve.areas, curve.stops, strict=True)
        ]
    )
    if curve.count > 1:
        variance = variance * curve.count // (curve.count - 1)
    floored = max(mean, _Q40 // 2)
    return Intended(
        mean=micro(mean >> 8),
        mean_se=micro_root(variance, _Q40 * _Q40) if curve.has_stops else None,
        ln_mean=micro(ln(floored) - ln(_Q40)),
        ln_mean_se=micro_root(variance, floored * floored) if curve.has_stops else None,
        censored=curve.censored,
    )


def ln_influences(curve: Curve, balloons: Sequence[tuple[int, bool]]) -> list[int]:
    """The influence of each of the curve's balloons on ``ln_mean``, in micro-units; their squares add up to Greenwood's variance.

    At every level l where a balloon is at risk it moves the hazard by (d_l - h_l) / n_l, with d_l = 1 where it stops, and the
    mean by -area_l / (1 - h_l) times that.
    """
    floored = max(curve.area, _Q40 // 2)
    passed, upto = {}, 0  # what passing the levels up to this one gives, Q40, less what stopping there takes
    levels, gains = [], [0]
    for area, (level, at_risk, stopped) in zip(curve.areas, curve.stops, strict=True):
        upto += area * stopped // (at_risk * (at_risk - stopped))
        passed[level] = upto - area // (at_risk - stopped)
        levels.append(level)
        gains.append(upto)
    found = {}
    for pumps, exploded in dict.fromkeys(balloons):
        moved = None if exploded else passed.get(pumps)
        if moved is None:  # a burst, or one of the longest: it passed what lies below
            moved = gains[bisect_left(levels, pumps)]
        found[pumps, exploded] = micro_ratio(moved, floored)
    return [found[balloon] for balloon in balloons]
