"""How far people meant to go when a burst cut some of them short: the Kaplan-Meier estimator on integers.

A collected balloon shows the intended number of pumps, a burst one only that it was at least the bursting pump: right-censored
data. The mean of the collected ones alone is biased low (De Groot 2020); the area under the survival curve is not.
"""

from collections import Counter
from collections.abc import Iterable

import msgspec

from science.exact import ln, micro, micro_root

_Q40 = 1 << 40


class Intended(msgspec.Struct, frozen=True):
    """The restricted mean of the intended pumps and of its logarithm, with standard errors; micro-units."""

    mean: int
    mean_se: int | None  # None: every balloon burst, and nothing shows the spread
    ln_mean: int
    ln_mean_se: int | None
    censored: bool  # the longest balloon burst, so the mean is a lower bound


def intended_pumps(balloons: Iterable[tuple[int, bool]]) -> Intended:
    """Estimate from (pumps, exploded) pairs, at least one; ``exploded`` counts the bursting pump among the pumps.

    The mean is the area under the survival curve S up to the largest count (science A.2). Its variance is Greenwood's,
    sum over l of (area right of l)^2 s_l / (n_l (n_l - s_l)), times n / (n - 1) for small samples; the logarithm's follows
    by the delta method. The logarithm is taken of max(mean, 1/2), so that never pumping has a value too.
    """
    stops: Counter[int] = Counter()
    bursts: Counter[int] = Counter()
    for pumps, exploded in balloons:
        (bursts if exploded else stops)[pumps] += 1
    count = stops.total() + bursts.total()
    longest = max(stops | bursts)
    at_risk, survival = count, _Q40
    curve: list[int] = []  # S_1 .. S_longest, Q40
    steps: list[tuple[int, int]] = []  # (n_l, s_l) for l = 0 .. longest - 1
    for level in range(longest):
        at_risk -= bursts[level]
        steps.append((at_risk, stops[level]))
        survival = survival * (at_risk - stops[level]) // at_risk
        curve.append(survival)
        at_risk -= stops[level]
    mean = sum(curve)
    variance = _greenwood(curve, steps)
    if count > 1:
        variance = variance * count // (count - 1)
    floored = max(mean, _Q40 // 2)
    return Intended(
        mean=micro(mean >> 8),
        mean_se=micro_root(variance, _Q40 * _Q40) if stops else None,
        ln_mean=micro(ln(floored) - ln(_Q40)),
        ln_mean_se=micro_root(variance, floored * floored) if stops else None,
        censored=bursts[longest] > 0,
    )


def _greenwood(curve: list[int], steps: list[tuple[int, int]]) -> int:
    """The variance of the area, in Q80. ``area`` right of level l is what S_{l+1} .. S_longest add up to.

    Below the longest count somebody always goes on, so at_risk > stopped.
    """
    variance, area = 0, 0
    for (at_risk, stopped), height in zip(reversed(steps), reversed(curve), strict=True):
        area += height
        variance += area * area * stopped // (at_risk * (at_risk - stopped))
    return variance
