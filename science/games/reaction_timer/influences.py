"""Reaction timer: how far each block of trials moves the metrics that a trait may rest on (``science/estimate.py``)."""

from collections.abc import Sequence

from science.estimate import cv_influences
from science.exact import Q32, micro_ratio
from science.games.reaction_timer.sample import Gathered


def influences(of: Gathered) -> dict[str, list[int]]:
    """One list a metric that has a spread to speak of, one number a block, in micro-units."""
    if of.is_mixed:
        return {}
    found = _of_lapses(of.lapses)
    if of.logarithms.count:
        found["rt.speed_mean_inv"] = of.speeds.mean_influences(Q32)
        found["rt.mean_ln"] = of.logarithms.mean_influences(Q32)
        # What is slow and what is usual (the median) are taken as fixed: they hardly move with one block.
        if of.after_slow.count >= 3:
            found["rt.post_slow_recovery"] = of.after_slow.mean_influences(Q32)
    if of.logarithms.count >= 10:
        found["rt.sd_ln"] = of.logarithms.sd_influences(Q32)
        found["rt.cv"] = cv_influences(of.times, 1_000)
    return found


def _of_lapses(lapses: Sequence[tuple[int, int]]) -> dict[str, list[int]]:
    """Of ln((L + 1/2) / (R + 1/2)), with R the trials due that are no lapses: l / (L + 1/2) - r / (R + 1/2) for the l and r of a
    block, less the mean of that over the blocks. Where all or none are lapses the blocks are alike: none moves anything.
    """
    units, lapsed, others = (
        len(lapses),
        sum([lapse for lapse, _ in lapses]),
        sum([other for _, other in lapses]),
    )
    if not lapsed + others:
        return {}
    if not lapsed or not others:
        return {"rt.lapse_logit": [0] * units}
    less, more = 2 * (2 * lapsed + 1), 2 * (2 * others + 1)
    moved = [lapse * more - other * less for lapse, other in lapses]
    total = sum(moved)
    denominator = (2 * lapsed + 1) * (2 * others + 1) * units
    return {"rt.lapse_logit": [micro_ratio(one * units - total, denominator) for one in moved]}
