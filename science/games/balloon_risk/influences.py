"""Balloon risk: how far each balloon moves the metrics that a trait may rest on (``science/estimate.py``)."""

from collections.abc import Sequence

from science.estimate import Clusters, combined
from science.exact import MICRO, Q32, Moments, micro_ratio
from science.games.balloon_risk.sample import (
    ScoredBalloon,
    began_after,
    ln_pumps,
    pumps_after,
    steps_up,
)
from science.survival import ln_influences


def influences(balloons: Sequence[ScoredBalloon]) -> dict[str, list[int]]:
    """One list a metric that has a spread to speak of, one number a balloon, in micro-units."""
    found = {} if all(b.exploded for b in balloons) else _ln_intended(balloons)
    found |= _spread_of_pumps(balloons)
    found |= _latencies(balloons)
    found |= _after_outcomes(balloons)
    return {f"balloon.{name}": values for name, values in found.items()}


def _ln_intended(balloons: Sequence[ScoredBalloon]) -> dict[str, list[int]]:
    by_fate = ln_influences((b.pumps, b.exploded) for b in balloons)
    return {"ln_intended_km": [by_fate[b.pumps, b.exploded] for b in balloons]}


def _spread_of_pumps(balloons: Sequence[ScoredBalloon]) -> dict[str, list[int]]:
    pumps = Clusters([] if b.exploded else [b.pumps] for b in balloons)
    if pumps.count < 3 or pumps.total == 0:
        return {}
    spread = Moments(b.pumps for b in balloons if not b.exploded)
    sd = spread.sd_micro()
    if sd == 0:
        return {}
    of_mean, of_sd = pumps.mean_influences(), pumps.sd_influences(sd)
    mean = micro_ratio(pumps.total, pumps.count)
    # cv = sd / mean
    of_cv = combined((MICRO, mean, of_sd), (-sd * MICRO, mean * mean, of_mean))
    return {"cv_adj": of_cv}


def _latencies(balloons: Sequence[ScoredBalloon]) -> dict[str, list[int]]:
    latencies = Clusters([ln_pumps(b) for b in balloons])
    if latencies.count < 10:
        return {}
    sd = Moments(x for b in balloons for x in ln_pumps(b)).sd_micro(Q32)
    found = {"mean_ln_latency": latencies.mean_influences(Q32)}
    if sd:
        found["sd_ln_latency"] = latencies.sd_influences(sd, Q32)
    return found


def _after_outcomes(balloons: Sequence[ScoredBalloon]) -> dict[str, list[int]]:
    found = {}
    steps = Clusters([steps_up([b]) for b in balloons])
    if steps.count >= 3:
        found["post_win_escalation"] = steps.mean_influences(Q32)
    late, soon = (Clusters([began_after([b], loss=loss) for b in balloons]) for loss in (True, False))
    if min(late.count, soon.count) >= 2:
        found["post_loss_latency"] = combined(
            (1, 1, late.mean_influences(Q32)), (-1, 1, soon.mean_influences(Q32))
        )
    loss, win = (Clusters([pumps_after([b], loss=loss) for b in balloons]) for loss in (True, False))
    collected = Clusters([] if b.exploded else [b.pumps] for b in balloons)
    if min(loss.count, win.count) >= 2 and collected.total:
        aap = micro_ratio(collected.total, collected.count)
        difference = micro_ratio(loss.total * win.count - win.total * loss.count, loss.count * win.count)
        # difference / aap
        found["post_loss_rel"] = combined(
            (MICRO, aap, loss.mean_influences()),
            (-MICRO, aap, win.mean_influences()),
            (-difference * MICRO, aap * aap, collected.mean_influences()),
        )
    return found
