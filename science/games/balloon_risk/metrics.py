"""Balloon risk: the metrics of docs/games/balloon_risk.md. Everything is exact until one rounding.

Over the scored balloons, in order: p is the number of pumps (the bursting pump counts), latencies below 100 ms are left out
of every latency metric, and a balloon follows a loss or a win only if the one before it in the game is scored.
"""

from math import prod

from science.exact import MICRO, Q32, Moments, ln, micro_ratio
from science.game import Definition, Metric
from science.games.balloon_risk.sample import Told
from science.survival import intended_pumps

_LN_1000 = ln(1_000)  # latencies are kept in us and reported in ln ms

DEFINITIONS = tuple(
    Definition(f"balloon.{name}", 1, unit, formula, source)
    for name, unit, formula, source in (
        ("n", "balloons", "scored balloons", "-"),
        ("n_exploded", "balloons", "scored balloons that burst", "-"),
        ("n_collected", "balloons", "scored balloons that were cashed in", "-"),
        ("n_pumps", "pumps", "sum of p", "-"),
        ("aap", "pumps", "mean p of the collected (adjusted average pumps)", "Lejuez et al. 2002"),
        ("intended_km", "pumps", "area under the Kaplan-Meier curve of p, bursts censored", "De Groot 2020"),
        ("ln_intended_km", "ln pumps", "ln max(intended_km, 1/2)", "ours"),
        ("mean_pumps_all", "pumps", "mean p", "-"),
        ("explosion_rate", "ratio", "share of balloons that burst", "Lejuez et al. 2002; descriptive"),
        (
            "efficiency",
            "ratio",
            "earned / sum of max over q of q (1 - q/P) v",
            "decision theory; may exceed 1",
        ),
        ("sd_adj", "pumps", "SD (n-1) of p of the collected, n >= 3", "ds000030 bart"),
        ("cv_adj", "ratio", "sd_adj / aap", "ds000030 bart_coefvar"),
        ("mean_ln_latency", "ln ms", "mean ln latency of pumps, n >= 10", "ours"),
        ("sd_ln_latency", "ln ms", "SD (n-1) of ln latency of pumps, n >= 10", "ours"),
        ("first_pump_ln", "ln ms", "mean ln latency of first pumps", "Millisecond BART timebefore1stpump"),
        (
            "collect_ln",
            "ln ms",
            "mean ln latency of collecting, n >= 3",
            "Millisecond BART timebtwlastpumpandcollect",
        ),
        (
            "post_loss_rel",
            "ratio",
            "(mean p of collected after a burst - after a collect) / aap, 2 each",
            "ds000030",
        ),
        (
            "post_loss_latency",
            "ln ratio",
            "mean ln first-pump latency after a burst - after a collect, 2 each",
            "ours",
        ),
        (
            "post_win_escalation",
            "ln ratio",
            "mean ln(p_j / p_j-1) of adjacent collected with p > 0, n >= 3",
            "ours",
        ),
        (
            "slope",
            "pumps/balloon",
            "OLS slope of p on i over the collected, n >= 3",
            "Lejuez et al. 2002; descriptive",
        ),
        (
            "late_minus_early",
            "pumps",
            "mean p of the collected, second half - first half",
            "Lejuez 2002; descriptive",
        ),
        ("payoff_slope", "c/balloon", "OLS slope of the earned value on i, n >= 3", "descriptive"),
    )
)
_ID = {definition.id.removeprefix("balloon."): definition.id for definition in DEFINITIONS}
_UNIT = {name: definition.unit for name, definition in zip(_ID, DEFINITIONS, strict=True)}

_Found = tuple[int | None, int, int | None, str | None]  # value, n, standard error, reason


def measure(balloons: Told) -> dict[str, Metric]:
    """Every metric of balloon risk over scored balloons, by id."""
    found = {
        **_counts(balloons),
        **_pumping(balloons),
        **_latency(balloons),
        **_after_outcomes(balloons),
        **_trends(balloons),
    }
    if not balloons.n:
        found = {
            name: entry if entry[0] is not None else _absent(0, "no_balloons")
            for name, entry in found.items()
        }
    return {
        _ID[name]: Metric(value, n, _UNIT[name], se, reason) for name, (value, n, se, reason) in found.items()
    }


def _absent(n: int, reason: str) -> _Found:
    return None, n, None, reason


def _counts(balloons: Told) -> dict[str, _Found]:
    n, pumps, kinds = balloons.n, balloons.pumps, balloons.kinds
    exploded = n - balloons.kept.count
    found: dict[str, _Found] = {
        "n": (n * MICRO, n, None, None),
        "n_exploded": (exploded * MICRO, n, None, None),
        "n_collected": ((n - exploded) * MICRO, n, None, None),
        "n_pumps": (pumps * MICRO, n, None, None),
    }
    if n == 0:
        return found | dict.fromkeys(
            ("mean_pumps_all", "explosion_rate", "efficiency"), _absent(0, "no_balloons")
        )
    denominator = prod({max_pumps for max_pumps, _ in kinds})
    optimum = sum(
        [
            count * _best_numerator(max_pumps) * value_c * denominator // max_pumps
            for (max_pumps, value_c), count in kinds.items()
        ]
    )
    return found | {
        "mean_pumps_all": (micro_ratio(pumps, n), n, None, None),
        "explosion_rate": (micro_ratio(exploded, n), n, None, None),
        "efficiency": (micro_ratio(balloons.earned_c * denominator, optimum), n, None, None),
    }


def _best_numerator(max_pumps: int) -> int:
    """P times the best expected count q (1 - q/P) over whole q: that of q = P/2, rounded either way."""
    q = max_pumps // 2
    return q * (max_pumps - q)


def _pumping(balloons: Told) -> dict[str, _Found]:
    """How far they go: the mean of the collected, and the mean with bursts as censored."""
    if balloons.curve is None:
        return dict.fromkeys(
            ("aap", "intended_km", "ln_intended_km", "sd_adj", "cv_adj"), _absent(0, "no_balloons")
        )
    n = balloons.n
    intended = intended_pumps(balloons.curve)
    reason = "censored" if intended.censored else None
    collected = balloons.kept
    m = collected.count
    found: dict[str, _Found] = {
        "intended_km": (intended.mean, n, intended.mean_se, reason),
        "ln_intended_km": (intended.ln_mean, n, intended.ln_mean_se, reason),
        "aap": _absent(0, "all_exploded"),
        "sd_adj": _absent(m, "too_few_collected"),
        "cv_adj": _absent(m, "too_few_collected"),
    }
    if m > 0:
        found["aap"] = collected.mean_micro(), m, collected.se_micro() if m > 1 else None, None
    if m >= 3:
        if collected.total == 0:
            return found | dict.fromkeys(("sd_adj", "cv_adj"), _absent(m, "never_pumped"))
        found["sd_adj"] = collected.sd_micro(), m, None, None
        found["cv_adj"] = collected.cv_micro(), m, None, None
    return found


def _latency(balloons: Told) -> dict[str, _Found]:
    pumps, first, collect = balloons.latencies, balloons.first, balloons.collect
    few = _absent(pumps.count, "too_few_latencies")
    return {
        "mean_ln_latency": _mean_ln(pumps, se=None) if pumps.count >= 10 else few,
        "sd_ln_latency": (pumps.sd_micro(Q32), pumps.count, None, None) if pumps.count >= 10 else few,
        "first_pump_ln": _mean_ln(first, se=_se(first)) if first.count else _absent(0, "too_few_latencies"),
        "collect_ln": _mean_ln(collect, se=_se(collect))
        if collect.count >= 3
        else _absent(collect.count, "too_few_latencies"),
    }


def _mean_ln(moments: Moments, se: int | None) -> _Found:
    """Of logarithms of us, in ln ms."""
    count = moments.count
    return micro_ratio(moments.total - count * _LN_1000, count * Q32), count, se, None


def _se(moments: Moments) -> int | None:
    return moments.se_micro(Q32) if moments.count > 1 else None


def _after_outcomes(balloons: Told) -> dict[str, _Found]:
    """What a loss or a win does to the balloon after it."""
    loss, win, kept = balloons.kept_after_loss, balloons.kept_after_win, balloons.kept
    late, soon, step = balloons.first_after_loss, balloons.first_after_win, balloons.step
    found = {
        "post_loss_rel": _absent(min(loss.count, win.count), "too_few_pairs"),
        "post_loss_latency": _absent(min(late.count, soon.count), "too_few_pairs"),
        "post_win_escalation": (step.mean_micro(Q32), step.count, None, None)
        if step.count >= 3
        else _absent(step.count, "too_few_pairs"),
    }
    if min(loss.count, win.count) >= 2:
        if kept.total == 0:
            found["post_loss_rel"] = _absent(min(loss.count, win.count), "never_pumped")
        else:
            gap = loss.total * win.count - win.total * loss.count
            value = micro_ratio(gap * kept.count, loss.count * win.count * kept.total)
            found["post_loss_rel"] = value, loss.count + win.count, None, None
    if min(late.count, soon.count) >= 2:
        gap = late.total * soon.count - soon.total * late.count
        value = micro_ratio(gap, late.count * soon.count * Q32)
        found["post_loss_latency"] = value, late.count + soon.count, None, None
    return found


def _trends(balloons: Told) -> dict[str, _Found]:
    """Descriptive only: the parallel form of these has a reliability of .04 and below."""
    pumps, payoff, early, late = balloons.trend, balloons.payoff, balloons.early, balloons.late
    found: dict[str, _Found] = {
        "slope": _absent(pumps.count, "too_few_collected"),
        "payoff_slope": _absent(payoff.count, "too_few_balloons"),
        "late_minus_early": _absent(min(early.count, late.count), "too_few_collected"),
    }
    if pumps.count >= 3 and pumps.spread:
        found["slope"] = pumps.slope_micro(), pumps.count, None, None
    if payoff.count >= 3 and payoff.spread:
        found["payoff_slope"] = payoff.slope_micro(), payoff.count, None, None
    if early.count and late.count:
        gap = late.total * early.count - early.total * late.count
        found["late_minus_early"] = (
            micro_ratio(gap, late.count * early.count),
            early.count + late.count,
            None,
            None,
        )
    return found
