"""Where the placeholder norm sets come from: simulated people, for metrics of which no data of real people are at hand.

``python -m benchmarks.norms FOLDER`` writes the three documents. A metric's reliability is the correlation of two sessions that the
same person plays on the same day. The sets count as 200 people, so that intervals stay as wide as a small sample makes them.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.replicates import Person, in_parallel
from science.exact import MICRO
from science.measure import Measures
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.sitting import Design

SEED, PEOPLE, COUNTED = 20261123, 600, 200
DESIGNS: tuple[Design, ...] = (balloon_risk.Design(), reaction_timer.Design(), memory_cards.Design())
# id: game, what a play must agree on, resampling units, metrics
SETS: dict[str, tuple[str, dict[str, object], int, tuple[str, ...]]] = {
    "simulated_balloon_p12": (
        "balloon_risk",
        {"burst_law": "uniform", "max_pumps": 12},
        30,
        ("balloon.post_win_escalation",),
    ),
    "simulated_reaction": (
        "reaction_timer",
        {"kind": "simple", "trials": [20, 1000]},
        6,
        ("rt.post_slow_recovery",),
    ),
    "simulated_memory_12": (
        "memory_cards",
        {"n_pairs": 12, "rounds": [4, 12]},
        6,
        (
            "memory.excess_turns",
            "memory.recall_logit",
            "memory.round_slope",
            "memory.mean_ln_latency",
            "memory.sd_ln_latency",
            "memory.post_mismatch_latency",
        ),
    ),
}


def main() -> None:
    """Write the documents."""
    pairs = list(in_parallel(twice, range(PEOPLE)))
    for name, (game, match, length, metrics) in SETS.items():
        document = {
            "id": name,
            "version": 1,
            "status": "placeholder",
            "game": game,
            "match": match,
            "devices": [],
            "sample": f"{PEOPLE} simulated people, two sessions each; counted as {COUNTED}",
            "source": "simulated by benchmarks/norms.py",
            "metrics": {metric: norm(metric, pairs, length) for metric in metrics},
        }
        Path(sys.argv[1], f"{name}.v1.json").write_text(json.dumps(document, indent=2) + "\n")


def twice(number: int) -> list[Measures]:
    """Two sessions of one person."""
    return Person(f"{SEED}/{number}", DESIGNS).sessions(2)


def norm(metric: str, pairs: Sequence[Sequence[Measures]], length: int) -> dict[str, int]:
    """Mean, SD and reliability of a metric, from the people who have it twice."""
    found = [[session.metrics[metric].value for session in pair] for pair in pairs]
    both = np.array([pair for pair in found if None not in pair], dtype=np.float64)
    reliability = max(0.0, float(np.corrcoef(both[:, 0], both[:, 1])[0, 1]))
    return {
        "n": COUNTED,
        "mean": round(float(both.mean())),
        "sd": round(float(both.std(axis=0, ddof=1).mean())),
        "reliability": round(reliability * 1000) * MICRO // 1000,
        "length": length,
    }


if __name__ == "__main__":
    main()
