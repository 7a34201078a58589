"""Balloon risk: how far each balloon moves the metrics that a trait may rest on (``science/estimate.py``)."""

from collections.abc import Sequence

from science.estimate import NONE, Clusters, combined, one
from science.exact import MICRO, Q32, micro_ratio
from science.games.balloon_risk.sample import Account, began_after, pumps_after
from science.survival import ln_influences


def influences(accounts: Sequence[Account]) -> dict[str, list[int]]:
    """One list a metric that has a spread to speak of, one number a balloon, in micro-units."""
    found: dict[str, list[int]] = {}
    balloons = [of.balloon for of in accounts]
    if not all(balloon.exploded for balloon in balloons):
        by_fate = ln_influences([(balloon.pumps, balloon.exploded) for balloon in balloons])
        found["ln_intended_km"] = [by_fate[balloon.pumps, balloon.exploded] for balloon in balloons]
    pumps = Clusters(NONE if balloon.exploded else one(balloon.pumps) for balloon in balloons)
    if pumps.count >= 3 and pumps.total:
        found["cv_adj"] = _of_ratio(pumps)
    latencies = Clusters(of.latencies for of in accounts)
    if latencies.count >= 10:
        found["mean_ln_latency"] = latencies.mean_influences(Q32)
        found["sd_ln_latency"] = latencies.sd_influences(Q32)
    found |= _after_outcomes(accounts, pumps)
    return {f"balloon.{name}": values for name, values in found.items()}


def _of_ratio(pumps: Clusters) -> list[int]:
    """Of SD over mean."""
    sd, mean = pumps.sd_micro(), micro_ratio(pumps.total, pumps.count)
    return combined((MICRO, mean, pumps.sd_influences()), (-sd * MICRO, mean * mean, pumps.mean_influences()))


def _after_outcomes(accounts: Sequence[Account], pumps: Clusters) -> dict[str, list[int]]:
    found = {}
    steps = Clusters(one(of.step) for of in accounts)
    if steps.count >= 3:
        found["post_win_escalation"] = steps.mean_influences(Q32)
    late, soon = (Clusters(began_after(of, loss=loss) for of in accounts) for loss in (True, False))
    if min(late.count, soon.count) >= 2:
        found["post_loss_latency"] = combined(
            (1, 1, late.mean_influences(Q32)), (-1, 1, soon.mean_influences(Q32))
        )
    loss, win = (Clusters(pumps_after(of, loss=loss) for of in accounts) for loss in (True, False))
    if min(loss.count, win.count) >= 2 and pumps.total:
        aap = micro_ratio(pumps.total, pumps.count)
        difference = micro_ratio(loss.total * win.count - win.total * loss.count, loss.count * win.count)
        # of difference / aap
        found["post_loss_rel"] = combined(
            (MICRO, aap, loss.mean_influences()),
            (-MICRO, aap, win.mean_influences()),
            (-difference * MICRO, aap * aap, pumps.mean_influences()),
        )
    return found
