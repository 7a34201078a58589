"""People who decide pump by pump, as the models par4 and EWMV say (docs/games/balloon_risk.md): other simulators than balloon_risk.py.

A mind is asked at each opportunity for the logit of pumping; what it knows are the pumps and bursts of earlier balloons.
"""

from collections.abc import Callable, Sequence
from math import exp, expm1, log, log1p
from random import Random

PumpLogit = Callable[[int], float]  # of the opportunity 1, 2, ...
Mind = Callable[[int, int], PumpLogit]  # of the pumps and the bursts on earlier balloons


def par4(at: Sequence[float]) -> Mind:
    """The mind with phi, eta, gamma, tau."""
    phi, eta, gamma, tau = at

    def of(pumped: int, burst: int) -> PumpLogit:
        p_burst = (1 - phi + eta * burst) / (1 + eta * pumped)
        # Exact at both ends, where 1 - p_burst would be 1 or 0.
        if p_burst < 0.5:
            log_survival = log1p(-p_burst)
        else:
            log_survival = log(phi + eta * (pumped - burst)) - log1p(eta * pumped)
        return lambda place: tau * (-gamma / log_survival - place)

    return of


def ewmv(at: Sequence[float]) -> Mind:
    """The mind with phi, eta, rho, tau, lambda."""
    phi, eta, rho, tau, lambda_ = at

    def of(pumped: int, burst: int) -> PumpLogit:
        p = phi - expm1(-pumped * eta) * (burst / pumped - phi) if pumped else phi

        def logit(place: int) -> float:
            loss = lambda_ * (place - 1)
            return tau * ((1 - p) - p * loss + rho * p * (1 - p) * (1 + loss) ** 2)

        return logit

    return of


def log_logistic(x: float) -> float:
    """ln(1 / (1 + exp(-x))), without overflow."""
    return -log1p(exp(-x)) if x > 0 else x - log1p(exp(x))


def play(mind: Mind, balloons: int, max_pumps: int, dice: Random) -> tuple[list[int], list[int]]:
    """Pumps and bursts. A balloon bursts at a pump drawn from 1 .. max_pumps; who never stops bursts it."""
    pumps: list[int] = []
    exploded: list[int] = []
    for _ in range(balloons):
        logit, burst_at, count = mind(sum(pumps), sum(exploded)), dice.randint(1, max_pumps), 0
        while count < burst_at and log(1 - dice.random()) < log_logistic(logit(count + 1)):
            count += 1
        pumps.append(count)
        exploded.append(int(count == burst_at))
    return pumps, exploded
