"""The top of a smooth curve: of a log posterior that may have several peaks, and of a concave log likelihood that has one."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]

from science.research.checks import Reals

# The prior's mean, and five of its corners one standard deviation away: spread wide, because the posterior of EWMV can have
# two peaks. Models with fewer parameters take the first columns.
_STARTS = np.array(
    [
        [0, 0, 0, 0, 0],
        [1, 1, -1, 1, 1],
        [1, -1, -1, -1, 1],
        [-1, 1, -1, 1, -1],
        [-1, -1, -1, -1, -1],
        [1, 1, -1, -1, -1],
    ],
    dtype=np.float64,
)
STARTS = len(_STARTS)
# So many standard deviations from its mean the prior alone takes 18 from the log posterior. Farther out the likelihood is
# held at its value there: a long stride of the optimiser overflows nothing.
_REACH = 6.0
_AGREED = 1e-3

_STEPS_MAX = 200
_RISE_MIN = 1e-9  # of the log likelihood; the last step, taken below it, leaves no more than rounding


class Prior(NamedTuple):
    """Independent normal priors of the transformed parameters z, at most five: means and standard deviations."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]


class Peak(NamedTuple):
    """Where the log posterior is highest.

    ``objective`` is log_likelihood(z) - 1/2 sum of ((z - mean) / sd)^2; ``starts_agreed`` counts the starts (of STARTS) that
    came within 1e-3 of it. Fewer than all: the posterior has several peaks, and this is the highest one seen.
    """

    z: Reals
    objective: float
    log_likelihood: float
    starts_agreed: int


class Slope(NamedTuple):
    """A function at one point, and its gradient, shape (k,)."""

    value: float
    gradient: Reals


class Curve(NamedTuple):
    """A function at one point, its gradient, shape (k,), and its Hessian, shape (k, k). Outside its domain the value is -inf."""

    value: float
    gradient: Reals
    hessian: Reals


def highest_posterior(log_likelihood: Callable[[Reals], Slope], prior: Prior) -> Peak:
    """Maximise over z. Deterministic on one machine."""
    mean, sd = np.array(prior.mean), np.array(prior.sd)

    def loss(
        u: Reals,
    ) -> tuple[float, Reals]:  # u is z in prior standard deviations: one scale for every direction
        held = np.clip(u, -_REACH, _REACH)
        value, gradient = log_likelihood(mean + sd * held)
        return float(u @ u / 2 - value), u - sd * gradient * (held == u)

    found = [minimize(loss, start[: len(mean)], method="BFGS", jac=True) for start in _STARTS]
    best = min(found, key=lambda result: float(result.fun))
    z = mean + sd * best.x
    return Peak(
        z=z,
        objective=-float(best.fun),
        log_likelihood=log_likelihood(z).value,
        starts_agreed=sum(float(result.fun) <= best.fun + _AGREED for result in found),
    )


def summit(curve: Callable[[Reals], Curve], start: Reals) -> tuple[Reals, Curve]:
    """Climb a strictly concave curve that has a maximum, by Newton's steps, halved until they rise; the maximum, and all there.

    ``start`` lies in the domain.
    """
    at, here = start, curve(start)
    for _ in range(_STEPS_MAX):
        step = np.linalg.solve(-here.hessian, here.gradient)
        rise = float(here.gradient @ step) / 2  # what a parabola would still rise
        if rise < _RISE_MIN:
            return at + step, curve(at + step)
        while (there := curve(at + step)).value < here.value + rise / 2:
            step, rise = step / 2, rise / 2
        at, here = at + step, there
    raise AssertionError("the curve is not concave, or has no maximum")
