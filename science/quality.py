"""How carefully a session was played, 0 to 100: Q = 100 (1 - sum of w_k p_k).

Careless responding shows in two ways, at random and as a pattern (Meade & Craig 2012), so several signs are weighed; each
penalty p is a rate over the rate at which it is taken as complete, and stays between 0 and the mapping's limit (1, or more for a
sign that disqualifies by itself when it never ends).
"""

import msgspec

from science.exact import MICRO
from science.measure import Measures

# Why nothing of a session can be believed: idle, equal to the clock, faster than anyone sees, one answer to all, a clock set back.
FAILS = ("inert", "automaton", "too_fast", "one_key", "clock_set_back")


class Penalty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Weight and full rate of one sign, in micro-units; beyond ``limit`` times the full rate it costs no more."""

    weight: int
    full: int
    limit: int = MICRO


class QualityRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The weights of a mapping. ``blurs`` and ``blurred`` are one sign: the larger counts. ``fails`` are the signs that nothing of a
    session can be believed, by which it has no quality at all.
    """

    missing: Penalty
    anticipations: Penalty
    blurs: Penalty
    blurred: Penalty
    clock: Penalty
    pattern: Penalty
    slow: Penalty
    fails: tuple[str, ...] = ("inert",)  # the first form knew no other

    @property
    def penalties(self) -> dict[str, Penalty]:
        """By sign."""
        return {
            name: rule for name, rule in msgspec.structs.asdict(self).items() if isinstance(rule, Penalty)
        }


class Quality(msgspec.Struct, frozen=True):
    """The score and what it lost by each sign, in micro-units of 0-100; ``failed`` names a hard fail (score 0)."""

    score: int
    lost: dict[str, int]
    failed: str | None


def quality(measures: Measures, rule: QualityRule) -> Quality:
    """Judge a session. A share with nothing under it counts as 0."""
    conduct, attention = measures.conduct, measures.attention
    lost = {
        "missing": _lost(rule.missing, conduct.units_missed, conduct.units),
        "anticipations": _lost(rule.anticipations, conduct.anticipations, conduct.responses),
        "focus": max(
            _lost(rule.blurs, attention.blurs, 1),
            _lost(rule.blurred, attention.blurred_us, measures.duration_us),
        ),
        "clock": _lost(rule.clock, _clock_anomalies(measures), attention.events),
        "pattern": _lost(rule.pattern, int(conduct.patterned), 1),
        "slow": _lost(rule.slow, conduct.units_slow, conduct.units),
    }
    failed = next((why for why in conduct.failed if why in rule.fails), None)
    if failed is not None:
        return Quality(0, lost, failed)
    return Quality(max(0, 100 * MICRO - sum(lost.values())), lost, None)


def _lost(penalty: Penalty, count: int, of: int) -> int:
    """100 w min(limit, (count / of) / full), in micro-units, rounded down."""
    if count == 0 or of <= 0:
        return 0
    return min(
        100 * penalty.weight * penalty.limit // MICRO,
        100 * penalty.weight * count * MICRO // (of * penalty.full),
    )


def _clock_anomalies(measures: Measures) -> int:
    return sum(noticed.count for noticed in measures.findings if noticed.code == "Q_CLOCK")
