"""Memory cards: the metrics of docs/games/memory_cards.md. Everything is exact until one rounding.

Over the scored rounds, in order: T is the number of turns of a round, E and Var are the mean and the variance of the turns of
perfect memory (``optimal.py``), r is the round's number, and latencies below 100 ms are left out of every latency metric but
``time_per_pair``. A turn's mate is that of its first card; "seen" is seen in the same round before the turn.
"""

from collections.abc import Sequence
from math import isqrt

from science.estimate import Clusters
from science.exact import MICRO, Q32, ln, micro_ratio
from science.game import Definition, Metric
from science.games.memory_cards.sample import Account, Gathered

_LN_1000 = ln(1_000)  # latencies are kept in us and reported in ln ms
ROUNDS_MIN, LATENCIES_MIN, CELL_MIN = 3, 10, 3

DEFINITIONS = tuple(
    Definition(f"memory.{name}", 1, unit, formula, source)
    for name, unit, formula, source in (
        ("n_rounds", "rounds", "scored rounds", "-"),
        ("n_turns", "turns", "sum of T", "-"),
        # one entry for the family memory.turns_1, memory.turns_2, ...: what a round's number names is known when it is played
        ("turns_r", "turns", "T of round r; mean of T where several games have one", "LAMP total_moves"),
        ("excess_turns", "turns/round", "(sum of T - sum of E) / rounds", "Velleman & Warrington 2013"),
        ("excess_z", "z", "(sum of T - sum of E) / sqrt(sum of Var)", "Velleman & Warrington 2013"),
        ("hits", "turns", "mate seen, match", "Millisecond HuskerDu"),
        ("misses", "turns", "mate seen, no match", "Millisecond HuskerDu"),
        ("lucky", "turns", "mate not seen, match", "Millisecond HuskerDu"),
        ("no_match", "turns", "mate not seen, no match", "Millisecond HuskerDu"),
        ("recall_logit", "logit", "ln((hits + 1/2) / (misses + 1/2))", "Hautus 1995"),
        ("redundant_rate", "ratio", "mate not seen, second card seen / turns", "ours"),
        (
            "first_flip_waste",
            "ratio",
            "first card seen, mate not seen / turns",
            "Velleman & Warrington 2013",
        ),
        ("accuracy", "ratio", "matches / turns", "-"),
        ("mean_ln_latency", "ln ms", "mean ln latency of flips, n >= 10", "ours"),
        ("sd_ln_latency", "ln ms", "SD (n-1) of ln latency of flips, n >= 10", "ours"),
        (
            "hit_cost",
            "ln ratio",
            "mean ln latency of second flips: hits - mate and second card not seen, 3 each",
            "ours",
        ),
        (
            "post_mismatch_latency",
            "ln ratio",
            "mean ln latency of first flips after a mismatch - after a match of the round, 3 each",
            "expfactory get_post_error_slow",
        ),
        ("round_slope", "ln/round", "- OLS slope of ln(T / E) on r, n >= 3", "power law of practice"),
        ("time_per_pair", "s", "sum of all flip latencies / sum of pairs", "-"),
    )
)
_UNIT = {definition.id: definition.unit for definition in DEFINITIONS}

_Found = tuple[int | None, int, str | None]  # value, n, reason


def measure(of: Gathered) -> dict[str, Metric]:
    """Every metric of memory cards over scored rounds, by id."""
    found = {**_counts(of), **_learning(of), **_latency(of.flips)}
    found |= {name: _difference(*pair) for name, pair in of.cells.items()}
    if not of.rounds:
        found = {
            name: entry if entry[0] is not None else _absent(0, "no_rounds") for name, entry in found.items()
        }
    metrics = {
        f"memory.{name}": Metric(value, n, _UNIT[f"memory.{name}"], None, reason)
        for name, (value, n, reason) in found.items()
    }
    return metrics | _turns_by_round(of.rounds)


def _turns_by_round(accounts: Sequence[Account]) -> dict[str, Metric]:
    turns: dict[int, list[int]] = {}
    for of in accounts:
        turns.setdefault(of.r, []).append(of.turns)
    return {
        f"memory.turns_{r}": Metric(micro_ratio(sum(these), len(these)), len(these), _UNIT["memory.turns_r"])
        for r, these in turns.items()
    }


def _absent(n: int, reason: str) -> _Found:
    return None, n, reason


def _counts(of: Gathered) -> dict[str, _Found]:
    rounds, hits, misses = of.rounds, of.hits, of.misses
    n = sum([one.turns for one in rounds])
    lucky = sum([one.lucky for one in rounds])
    found: dict[str, _Found] = {
        "n_rounds": (len(rounds) * MICRO, len(rounds), None),
        "n_turns": (n * MICRO, n, None),
        "hits": (hits * MICRO, n, None),
        "misses": (misses * MICRO, n, None),
        "lucky": (lucky * MICRO, n, None),
        "no_match": (sum([one.no_match for one in rounds]) * MICRO, n, None),
        "recall_logit": _absent(0, "no_opportunities"),
    }
    if hits + misses:
        value = micro_ratio(ln(2 * hits + 1) - ln(2 * misses + 1), Q32)
        found["recall_logit"] = value, hits + misses, None
    if n == 0:
        shares = ("redundant_rate", "first_flip_waste", "accuracy", "time_per_pair")
        return found | dict.fromkeys(shares, _absent(0, "no_rounds"))
    pairs = sum([one.n_pairs for one in rounds])
    return found | {
        "redundant_rate": (micro_ratio(sum([one.redundant for one in rounds]), n), n, None),
        "first_flip_waste": (micro_ratio(sum([one.wasted for one in rounds]), n), n, None),
        "accuracy": (micro_ratio(hits + lucky, n), n, None),
        "time_per_pair": (micro_ratio(sum([one.active_us for one in rounds]), pairs * MICRO), pairs, None),
    }


def _learning(of: Gathered) -> dict[str, _Found]:
    """How many turns more than perfect memory needs, and whether they become fewer."""
    n, trend = len(of.rounds), of.trend
    found: dict[str, _Found] = dict.fromkeys(("excess_turns", "excess_z"), _absent(0, "no_rounds"))
    found["round_slope"] = _absent(n, "too_few_rounds")
    if n:
        found["excess_turns"] = micro_ratio(of.excess, n << 64), n, None
        found["excess_z"] = _absent(n, "one_pair")  # nothing is left to chance
        if of.variance:
            found["excess_z"] = micro_ratio(of.excess, isqrt(of.variance << 64)), n, None
    if n >= ROUNDS_MIN and trend.spread:
        slope = trend.count * trend.xy - trend.xs * trend.ys
        found["round_slope"] = micro_ratio(-slope, trend.spread * Q32), n, None
    return found


def _latency(flips: Clusters) -> dict[str, _Found]:
    n = flips.count
    if n < LATENCIES_MIN:
        return dict.fromkeys(("mean_ln_latency", "sd_ln_latency"), _absent(n, "too_few_latencies"))
    return {
        "mean_ln_latency": (micro_ratio(flips.total - n * _LN_1000, n * Q32), n, None),
        "sd_ln_latency": (flips.sd_micro(Q32), n, None),
    }


def _difference(one: Clusters, other: Clusters) -> _Found:
    least = min(one.count, other.count)
    if least < CELL_MIN:
        return _absent(least, "too_few_latencies")
    difference = one.total * other.count - other.total * one.count
    return micro_ratio(difference, one.count * other.count * Q32), one.count + other.count, None
