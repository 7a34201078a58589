"""Reaction timer: the metrics of docs/games/reaction_timer.md. Everything is exact until one rounding.

Over the scored trials of one kind of game: X are the reaction times of right responses of at least 100 ms, n is their number; F
are the presses before the stimulus and those less than 100 ms after it; L are the X of at least 500 ms and the missed trials; N are
all scored trials.
"""

from collections.abc import Mapping
from functools import cache

from science.exact import MICRO, Q32, Moments, ln, micro, micro_ratio, normal_quantile
from science.game import Definition, Metric
from science.games.reaction_timer.sample import Gathered, Products, speed

_LN_1000 = ln(1_000)  # reaction times are kept in us and reported in ln ms
_PVT = "Basner & Dinges 2011"

DEFINITIONS = tuple(
    Definition(f"rt.{name}", 1, unit, formula, source)
    for name, unit, formula, source in (
        ("n_valid", "responses", "n: right responses of at least 100 ms", _PVT),
        ("n_missed", "trials", "trials without the response that was due", _PVT),
        ("n_false_start", "trials", "F: presses before the stimulus or less than 100 ms after it", _PVT),
        ("n_anticipations", "trials", "presses less than 100 ms after the stimulus", _PVT),
        ("lapses", "trials", "L: X of at least 500 ms, and missed trials", _PVT),
        ("speed_mean_inv", "1/s", "mean 1/X", _PVT),
        ("median", "ms", "median X", "SRO avg_rt"),
        ("mean", "ms", "mean X", "-"),
        ("mean_ln", "ln ms", "mean ln X", "-"),
        ("sd_ln", "ln ms", "SD (n-1) of ln X, n >= 10", "-"),
        ("sd", "ms", "SD (n-1) of X, n >= 10", "SRO std_rt"),
        ("cv", "ratio", "sd / mean, n >= 10", "intra-individual variability"),
        ("mad_ratio", "ratio", "median |X - median| / median, n >= 10", "robust cv"),
        ("slow10_speed", "1/s", "mean 1/X of the slowest ceil(n/10), n >= 10", _PVT),
        ("fast10", "ms", "mean X of the fastest ceil(n/10), n >= 10", _PVT),
        ("lapse_logit", "logit", "ln((L + 1/2) / (n + missed - L + 1/2))", "PVT; Hautus 1995"),
        ("false_start_rate", "ratio", "F / N", _PVT),
        ("performance_score", "ratio", "1 - (L + F) / N", "PVT performance score"),
        ("time_on_task", "ln per 10 trials", "10 x OLS slope of ln X on i, n >= 20", "descriptive"),
        ("foreperiod_slope", "ln/s", "OLS slope of ln X on the nominal foreperiod, n >= 20", "preparation"),
        (
            "post_slow_recovery",
            "ln ratio",
            "mean ln X_(i+1) - median ln X, over i with X_i >= the sorted X at ceil(.9 (n-1)), 3 pairs",
            "ours",
        ),
        ("choice_accuracy", "ratio", "right of all responses of at least 100 ms; choice games", "-"),
        ("commission_rate", "ratio", "no-go trials with a response of at least 100 ms; go/no-go games", "-"),
        (
            "d_prime",
            "z",
            "Phi^-1((right go + 1/2) / (go + 1)) - Phi^-1((commissions + 1/2) / (no-go + 1))",
            "loglinear: Hautus 1995",
        ),
    )
)
_ID = {definition.id.removeprefix("rt."): definition.id for definition in DEFINITIONS}
_UNIT = {definition.id.removeprefix("rt."): definition.unit for definition in DEFINITIONS}

# What means something over trials of several kinds: counts, and what looks at one kind only.
_OF_ANY_KIND = {
    *("n_valid", "n_missed", "n_false_start", "n_anticipations", "lapses"),
    *("choice_accuracy", "commission_rate", "d_prime"),
}

_Found = tuple[int | None, int, str | None]  # value, n, reason


def measure(of: Gathered) -> dict[str, Metric]:
    """Every metric of reaction timer over blocks of trials, by id. Their standard errors come from the influences."""
    found = {**_counts(of), **_times(of), **_logarithms(of), **_decisions(of.of_choice, of.of_gonogo)}
    if not of.lapses:
        found = {
            name: entry if entry[0] is not None else (None, 0, "no_trials") for name, entry in found.items()
        }
    elif of.is_mixed:
        found = {
            name: entry if name in _OF_ANY_KIND else (None, entry[1], "kinds_mixed")
            for name, entry in found.items()
        }
    return {
        _ID[name]: Metric(value, n, _UNIT[name], None, reason) for name, (value, n, reason) in found.items()
    }


def _counts(of: Gathered) -> dict[str, _Found]:
    outcomes = of.outcomes
    scored, anticipated = sum(outcomes.values()), outcomes["anticipation"]
    early = outcomes["false_start"] + anticipated
    lapses, others = sum([lapse for lapse, _ in of.lapses]), sum([other for _, other in of.lapses])
    due = lapses + others
    found: dict[str, _Found] = {
        "n_valid": (outcomes["right"] * MICRO, scored, None),
        "n_missed": (outcomes["missed"] * MICRO, scored, None),
        "n_false_start": (early * MICRO, scored, None),
        "n_anticipations": (anticipated * MICRO, scored, None),
        "lapses": (lapses * MICRO, due, None),
        "lapse_logit": (None, 0, "no_valid_responses"),
        "false_start_rate": (None, 0, "no_trials"),
        "performance_score": (None, 0, "no_trials"),
    }
    if due:
        found["lapse_logit"] = micro(_ln_odd(lapses) - _ln_odd(others)), due, None
    if scored:
        found["false_start_rate"] = micro_ratio(early, scored), scored, None
        found["performance_score"] = micro_ratio(scored - lapses - early, scored), scored, None
    return found


@cache
def _ln_odd(count: int) -> int:
    return ln(2 * count + 1)  # of some thousand counts at most


def _times(of: Gathered) -> dict[str, _Found]:
    """Location and spread of X itself."""
    ordered, n, spread = of.ordered, len(of.ordered), ("sd", "cv", "mad_ratio", "slow10_speed", "fast10")
    if n == 0:
        return dict.fromkeys(("speed_mean_inv", "median", "mean", *spread), (None, 0, "no_valid_responses"))
    twice_median = ordered[(n - 1) // 2] + ordered[n // 2]
    found: dict[str, _Found] = {
        "speed_mean_inv": (of.speeds.mean_micro(Q32), n, None),
        "median": (micro_ratio(twice_median, 2_000), n, None),
        "mean": (of.times.mean_micro(1_000), n, None),
    }
    if n < 10:
        return found | dict.fromkeys(spread, (None, n, "too_few_responses"))
    tenth = -(-n // 10)
    far = sorted([abs(2 * rt_us - twice_median) for rt_us in ordered])
    return found | {
        "sd": (of.times.sd_micro(1_000), n, None),
        "cv": (of.times.cv_micro(), n, None),
        "mad_ratio": (micro_ratio(far[(n - 1) // 2] + far[n // 2], 2 * twice_median), n, None),
        "slow10_speed": (micro_ratio(sum(map(speed, ordered[-tenth:])), tenth * Q32), n, None),
        "fast10": (micro_ratio(sum(ordered[:tenth]), tenth * 1_000), n, None),
    }


def _logarithms(of: Gathered) -> dict[str, _Found]:
    """Location, spread and course of ln X."""
    moments, after = of.logarithms, of.after_slow
    n, pairs = moments.count, after.count
    if n == 0:
        names = ("mean_ln", "sd_ln", "time_on_task", "foreperiod_slope", "post_slow_recovery")
        return dict.fromkeys(names, (None, 0, "no_valid_responses"))
    found: dict[str, _Found] = {
        "mean_ln": (micro_ratio(moments.total - n * _LN_1000, n * Q32), n, None),
        "sd_ln": (moments.sd_micro(Q32), n, None) if n >= 10 else (None, n, "too_few_responses"),
    }
    difference = 2 * after.total - pairs * of.median_logarithm
    found["post_slow_recovery"] = (
        (micro_ratio(difference, 2 * pairs * Q32), pairs, None)
        if pairs >= 3
        else (None, pairs, "too_few_pairs")
    )
    if n < 20:
        return found | dict.fromkeys(("time_on_task", "foreperiod_slope"), (None, n, "too_few_responses"))
    return found | {
        "time_on_task": _slope(of.index_products, moments, 10, "constant_index"),
        "foreperiod_slope": _slope(of.foreperiod_products, moments, MICRO, "constant_foreperiod"),
    }


def _slope(products: Products, logarithms: Moments, per: int, constant: str) -> _Found:
    """The least-squares slope of the logarithms on x, per so many x."""
    n, (xs, xx, xy) = logarithms.count, products
    spread = n * xx - xs * xs
    if spread == 0:
        return None, n, constant
    return micro_ratio((n * xy - xs * logarithms.total) * per, spread * Q32), n, None


def _decisions(choice: Mapping[str, int], gonogo: Mapping[str, int]) -> dict[str, _Found]:
    """What only a game with several answers can tell: of choice and of go/no-go trials, each by themselves."""
    answers = choice["right"] + choice["wrong"]
    hits, go = gonogo["right"], gonogo["right"] + gonogo["wrong"] + gonogo["missed"]
    commissions, no_go = gonogo["commission"], gonogo["commission"] + gonogo["rejected"]
    found: dict[str, _Found] = {
        "choice_accuracy": (None, 0, "no_responses" if choice else "no_choice_trials"),
        "commission_rate": (None, 0, "no_no_go_trials"),
        "d_prime": (None, go + no_go, "no_go_trials" if no_go else "no_no_go_trials"),
    }
    if answers:
        found["choice_accuracy"] = micro_ratio(choice["right"], answers), answers, None
    if no_go:
        found["commission_rate"] = micro_ratio(commissions, no_go), no_go, None
    if go and no_go:
        found["d_prime"] = micro(_z(hits, go) - _z(commissions, no_go)), go + no_go, None
    return found


def _z(count: int, of: int) -> int:
    """Phi^-1((count + 1/2) / (of + 1)), Q32: never infinite (Hautus 1995)."""
    return normal_quantile(((2 * count + 1) * Q32 + of + 1) // (2 * (of + 1)))
