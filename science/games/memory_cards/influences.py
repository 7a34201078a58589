"""Memory cards: how far each round moves the metrics that a trait may rest on (``science/estimate.py``)."""

from collections.abc import Sequence
from math import isqrt

from science.estimate import Clusters, difference
from science.exact import Q32, micro_ratio
from science.games.memory_cards.metrics import CELL_MIN, LATENCIES_MIN, ROUNDS_MIN, cells_of, trend_of
from science.games.memory_cards.sample import Account


def influences(accounts: Sequence[Account]) -> dict[str, list[int]]:
    """One list a metric that has a spread to speak of, one number a round, in micro-units."""
    if not accounts:
        return {}
    found = _excess(accounts) | _recall(accounts) | _trend(accounts)
    flips = Clusters([of.flips for of in accounts])
    if flips.count >= LATENCIES_MIN:
        found["mean_ln_latency"] = flips.mean_influences(Q32)
        found["sd_ln_latency"] = flips.sd_influences(Q32)
    for name, (one, other) in cells_of(accounts).items():
        if min(one.count, other.count) >= CELL_MIN:
            found[name] = difference(one.mean_influences(Q32), other.mean_influences(Q32))
    return {f"memory.{name}": values for name, values in found.items()}


def _excess(accounts: Sequence[Account]) -> dict[str, list[int]]:
    """Of the mean excess D/n, and of z = D/sqrt(V): (D_u - D V_u / 2V - D / 2n) / sqrt(V).

    A round drawn once more pushes the others out in equal parts, so that n stays; that is the last term.
    """
    n = len(accounts)
    excess, variance = sum([of.excess for of in accounts]), sum([of.variance for of in accounts])
    found = {"excess_turns": [micro_ratio(n * of.excess - excess, n * n << 64) for of in accounts]}
    if variance:
        scale = 2 * n * variance * isqrt(variance << 64)
        found["excess_z"] = [
            micro_ratio(2 * n * variance * of.excess - n * excess * of.variance - excess * variance, scale)
            for of in accounts
        ]
    return found


def _recall(accounts: Sequence[Account]) -> dict[str, list[int]]:
    """Of ln(2h + 1) - ln(2m + 1), h and m the sums over the rounds: 2 (h_u - h/n) / (2h + 1) less the same of m."""
    n = len(accounts)
    hits, misses = sum([of.hits for of in accounts]), sum([of.misses for of in accounts])
    if not hits + misses:
        return {}
    of_hits, of_misses = 2 * hits + 1, 2 * misses + 1
    return {
        "recall_logit": [
            micro_ratio(
                2 * (n * of.hits - hits) * of_misses - 2 * (n * of.misses - misses) * of_hits,
                n * of_hits * of_misses,
            )
            for of in accounts
        ]
    }


def _trend(accounts: Sequence[Account]) -> dict[str, list[int]]:
    """Of the slope, with the other sign: (x_u - mean x) times the residual, over the squared deviations of all x."""
    line = trend_of(accounts)
    n, spread = line.count, line.spread
    if n < ROUNDS_MIN or not spread:
        return {}
    slope = n * line.xy - line.xs * line.ys  # over spread
    moves = []
    for of in accounts:
        deviation = n * of.r - line.xs
        residual = (n * of.ln_ratio - line.ys) * spread - slope * deviation  # over n spread
        moves.append(micro_ratio(-deviation * residual, n * spread * spread * Q32))
    return {"round_slope": moves}
