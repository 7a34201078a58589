"""Memory cards: how far each round moves the metrics that a trait may rest on (``science/estimate.py``)."""

from math import isqrt

from science.estimate import difference
from science.exact import Q32, micro_ratio
from science.games.memory_cards.metrics import CELL_MIN, LATENCIES_MIN, ROUNDS_MIN
from science.games.memory_cards.sample import Gathered


def influences(of: Gathered) -> dict[str, list[int]]:
    """One list a metric that has a spread to speak of, one number a round, in micro-units."""
    if not of.rounds:
        return {}
    found = _excess(of) | _recall(of) | _trend(of)
    if of.flips.count >= LATENCIES_MIN:
        found["mean_ln_latency"] = of.flips.mean_influences(Q32)
        found["sd_ln_latency"] = of.flips.sd_influences(Q32)
    for name, (one, other) in of.cells.items():
        if min(one.count, other.count) >= CELL_MIN:
            found[name] = difference(one.mean_influences(Q32), other.mean_influences(Q32))
    return {f"memory.{name}": values for name, values in found.items()}


def _excess(of: Gathered) -> dict[str, list[int]]:
    """Of the mean excess D/n, and of z = D/sqrt(V): (D_u - D V_u / 2V - D / 2n) / sqrt(V).

    A round drawn once more pushes the others out in equal parts, so that n stays; that is the last term.
    """
    n, excess, variance = len(of.rounds), of.excess, of.variance
    found = {"excess_turns": [micro_ratio(n * one.excess - excess, n * n << 64) for one in of.rounds]}
    if variance:
        twice, less = 2 * n * variance, excess * variance
        scale = twice * isqrt(variance << 64)
        found["excess_z"] = [
            micro_ratio(twice * one.excess - n * excess * one.variance - less, scale) for one in of.rounds
        ]
    return found


def _recall(of: Gathered) -> dict[str, list[int]]:
    """Of ln(2h + 1) - ln(2m + 1), h and m the sums over the rounds: 2 (h_u - h/n) / (2h + 1) less the same of m."""
    n, hits, misses = len(of.rounds), of.hits, of.misses
    if not hits + misses:
        return {}
    of_hits, of_misses = 2 * hits + 1, 2 * misses + 1
    return {
        "recall_logit": [
            micro_ratio(
                2 * (n * one.hits - hits) * of_misses - 2 * (n * one.misses - misses) * of_hits,
                n * of_hits * of_misses,
            )
            for one in of.rounds
        ]
    }


def _trend(of: Gathered) -> dict[str, list[int]]:
    """Of the slope, with the other sign: (x_u - mean x) times the residual, over the squared deviations of all x."""
    line = of.trend
    n, spread = line.count, line.spread
    if n < ROUNDS_MIN or not spread:
        return {}
    slope = n * line.xy - line.xs * line.ys  # over spread
    moves = []
    for one in of.rounds:
        deviation = n * one.r - line.xs
        residual = (n * one.ln_ratio - line.ys) * spread - slope * deviation  # over n spread
        moves.append(micro_ratio(-deviation * residual, n * spread * spread * Q32))
    return {"round_slope": moves}
