"""How far people meant to go when a burst cut some of them short: the Kaplan-Meier estimator on integers.

A collected balloon shows the intended number of pumps, a burst one only that it was at least the bursting pump: right-censored
data. The mean of the collected ones alone is biased low (De Groot 2020); the area under the survival curve is not.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import accumulate

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


class Curve(msgspec.Struct, frozen=True):
    """S_1 .. S_longest and the areas right of the levels 0 .. longest - 1, in Q40; (n_l, s_l) of those levels."""

    count: int
    has_stops: bool
    censored: bool
    survival: list[int]
    areas: list[int]
    steps: list[tuple[int, int]]


def curve_of(balloons: Iterable[tuple[int, bool]]) -> Curve:
    """From (pumps, exploded) pairs, at least one; ``exploded`` counts the bursting pump among the pumps."""
    fates = Counter(balloons)
    count, longest = fates.total(), max([pumps for pumps, _ in fates])
    at_risk, height = count, _Q40
    survival: list[int] = []
    steps: list[tuple[int, int]] = []
    for level in range(longest):  # below the longest count somebody always goes on, so at_risk > stopped
        at_risk -= fates.get((level, True), 0)
        stopped = fates.get((level, False), 0)
        steps.append((at_risk, stopped))
        at_risk, height = at_risk - stopped, height * (at_risk - stopped) // at_risk
        survival.append(height)
    areas = list(accumulate(reversed(survival)))[::-1]
    has_stops = not all(exploded for _, exploded in fates)
    return Curve(count, has_stops, (longest, True) in fates, survival, areas, steps)


def intended_pumps(curve: Curve) -> Intended:
    """The estimates of a curve.

    The mean is the area under the survival curve S up to the largest count. Its variance is Greenwood's,
    sum over l of (area right of l)^2 s_l / (n_l (n_l - s_l)), times n / (n - 1) for small samples; the logarithm's follows
    by the delta method. The logarithm is taken of max(mean, 1/2), so that never pumping has a value too.
    """
    mean = sum(curve.survival)
    variance = sum(
        area * area * stopped // (at_risk * (at_risk - stopped))
        for area, (at_risk, stopped) in zip(curve.areas, curve.steps, strict=True)
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
    floored = max(sum(curve.survival), _Q40 // 2)
    passed = [0]  # what passing the levels 0 .. l - 1 gives, Q40
    stops = []
    for area, (at_risk, stopped) in zip(curve.areas, curve.steps, strict=True):
        stops.append(area // (at_risk - stopped))
        passed.append(passed[-1] + area * stopped // (at_risk * (at_risk - stopped)))
    longest = len(stops)
    found = {}
    for pumps, exploded in dict.fromkeys(balloons):
        moved = passed[pumps]
        if not exploded and pumps < longest:
            moved = passed[pumps + 1] - stops[pumps]
        found[pumps, exploded] = micro_ratio(moved, floored)
    return [found[balloon] for balloon in balloons]
