"""Reaction timer: how far each block of trials moves the metrics that a trait may rest on (``science/estimate.py``)."""

from collections.abc import Sequence

from science.estimate import Clusters, combined, sums
from science.exact import MICRO, Q32, micro_ratio
from science.games.reaction_timer.metrics import lapses_of
from science.games.reaction_timer.sample import Account, after_slow


def influences(accounts: Sequence[Account]) -> dict[str, list[int]]:
    """One list a metric that has a spread to speak of, one number a block, in micro-units."""
    if len({of.kind for of in accounts}) > 1:
        return {}
    found = _of_lapses(accounts)
    logarithms = Clusters(of.logarithm_sums for of in accounts)
    if logarithms.count:
        found["speed_mean_inv"] = Clusters(of.speed_sums for of in accounts).mean_influences(Q32)
        found["mean_ln"] = logarithms.mean_influences(Q32)
        # What is slow and what is usual (the median) are taken as fixed: they hardly move with one block.
        after = Clusters(sums(of_block) for of_block in after_slow(accounts))
        if after.count >= 3:
            found["post_slow_recovery"] = after.mean_influences(Q32)
    if logarithms.count >= 10:
        found["sd_ln"] = logarithms.sd_influences(Q32)
        found["cv"] = _of_ratio(Clusters(of.time_sums for of in accounts))
    return {f"rt.{name}": values for name, values in found.items()}


def _of_ratio(times: Clusters) -> list[int]:
    """Of SD over mean."""
    sd, mean = times.sd_micro(1_000), times.mean_micro(1_000)
    return combined(
        (MICRO, mean, times.sd_influences(1_000)), (-sd * MICRO, mean * mean, times.mean_influences(1_000))
    )


def _of_lapses(accounts: Sequence[Account]) -> dict[str, list[int]]:
    """Of ln((L + 1/2) / (R + 1/2)), with R the trials due that are no lapses: l / (L + 1/2) - r / (R + 1/2) for the l and r of a
    block, less the mean of that over the blocks. Where all or none are lapses the blocks are alike: none moves anything.
    """
    counts = [(lapses, due - lapses) for lapses, due in map(lapses_of, accounts)]
    lapses, others = sum([lapse for lapse, _ in counts]), sum([other for _, other in counts])
    if not lapses + others:
        return {}
    if not lapses or not others:
        return {"lapse_logit": [0] * len(accounts)}
    moved = [2 * lapse * (2 * others + 1) - 2 * other * (2 * lapses + 1) for lapse, other in counts]
    denominator = (2 * lapses + 1) * (2 * others + 1) * len(accounts)
    total = sum(moved)
    return {"lapse_logit": [micro_ratio(one * len(accounts) - total, denominator) for one in moved]}
