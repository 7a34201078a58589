"""Balloon risk: how far each balloon moves the metrics that a trait may rest on (``science/estimate.py``)."""

from science.estimate import combined, cv_influences, difference
from science.exact import MICRO, Q32, micro_ratio
from science.games.balloon_risk.sample import Gathered
from science.survival import ln_influences


def influences(balloons: Gathered) -> dict[str, list[int]]:
    """One list a metric that has a spread to speak of, one number a balloon, in micro-units."""
    found: dict[str, list[int]] = {}
    if balloons.curve is not None and balloons.curve.has_stops:
        found["balloon.ln_intended_km"] = ln_influences(balloons.curve, balloons.fates)
    kept, latencies = balloons.kept, balloons.latencies
    if kept.count >= 3 and kept.total:
        found["balloon.cv_adj"] = cv_influences(kept, 1)
    if latencies.count >= 10:
        found["balloon.mean_ln_latency"] = latencies.mean_influences(Q32)
        found["balloon.sd_ln_latency"] = latencies.sd_influences(Q32)
    return found | _after_outcomes(balloons)


def _after_outcomes(balloons: Gathered) -> dict[str, list[int]]:
    found = {}
    if balloons.step.count >= 3:
        found["balloon.post_win_escalation"] = balloons.step.mean_influences(Q32)
    late, soon = balloons.first_after_loss, balloons.first_after_win
    if min(late.count, soon.count) >= 2:
        found["balloon.post_loss_latency"] = difference(late.mean_influences(Q32), soon.mean_influences(Q32))
    loss, win, kept = balloons.kept_after_loss, balloons.kept_after_win, balloons.kept
    if min(loss.count, win.count) >= 2 and kept.total:
        aap = micro_ratio(kept.total, kept.count)
        gap = micro_ratio(loss.total * win.count - win.total * loss.count, loss.count * win.count)
        # of gap / aap
        found["balloon.post_loss_rel"] = combined(
            (MICRO, aap, loss.mean_influences()),
            (-MICRO, aap, win.mean_influences()),
            (-gap * MICRO, aap * aap, kept.mean_influences()),
        )
    return found
