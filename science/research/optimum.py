"""The top of a smooth curve: of a concave one, which has one, and of a log posterior, which may have several peaks."""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np

from science.research.checks import Reals

_TRIES_MAX = 300  # an ordinary climb takes 10 to 60
# Of the height, from 1: what is still to rise where a climb ends. A hundred times the rounding; to tell peaks apart needs less.
_RISE_MIN = 1e-13
_RISE_MIN_SEARCH = 1e-6
# Corners of the prior from which peaks are looked for, in standard deviations. The posterior of EWMV has more than one in a
# person out of seven; on 136 samples, simulated and extreme, no random start ended higher than these corners.
_CORNER = 1.5
_STRIDE = 1.0  # standard deviations; a longer step would leap from one peak's foot to another's
# Standard deviations from the prior's mean, where the prior alone takes 18 from the log posterior. No step goes farther: nothing
# overflows.
_REACH = 6.0
_AGREED = 1e-3


class Curve(NamedTuple):
    """A function at one point x, and its gradient, shape (k,). Outside its domain the value is -inf.

    ``information``, shape (k, k), is minus the Hessian or its expectation, positive definite.
    """

    value: float
    gradient: Reals
    information: Reals


class Choices(NamedTuple):
    """Bernoulli answers as functions of parameters: the logit of yes, shape (m,), and its slopes, shape (k, m)."""

    logit: Reals
    slopes: Reals


class Prior(NamedTuple):
    """Independent normal priors of the transformed parameters z: means and standard deviations."""

    mean: tuple[float, ...]
    sd: tuple[float, ...]


class Peak(NamedTuple):
    """Where the log posterior is highest.

    ``objective`` is log_likelihood - 1/2 sum of ((z - mean) / sd)^2; ``starts_agreed`` of the ``starts`` came within 1e-3 of it.
    Fewer than all: the posterior has several peaks, and this is the highest one seen.
    """

    z: Reals
    objective: float
    log_likelihood: float
    starts: int
    starts_agreed: int


def climb(
    curve: Callable[[Reals], Curve],
    start: Reals,
    *,
    rise_min: float = _RISE_MIN,
    stride_max: float = np.inf,
    reach: float = np.inf,
) -> tuple[Reals, Curve]:
    """The top reached from ``start``, a point of the domain, by Newton's steps, each halved until it rises; and all there.

    A concave curve has one top, if any. Sought within ``reach`` of 0 in every direction; gives up after 300 tries where it stands.
    """
    at, here, share = start, curve(start), 1.0
    for _ in range(_TRIES_MAX):
        # What a wall holds back does not move, and the others step as if it were not there.
        is_held = (np.abs(at) >= reach) & (at * here.gradient > 0)
        gradient = np.where(is_held, 0.0, here.gradient)
        information = np.where(is_held | is_held[:, np.newaxis], np.eye(len(at)), here.information)
        step = np.linalg.solve(information, gradient)
        is_last = gradient @ step / 2 < rise_min * (1 + abs(here.value))  # what a parabola would still rise
        if not is_last:
            step *= share * min(1.0, stride_max / float(np.sqrt(step @ step)))
        there_at = np.clip(at + step, -reach, reach)
        there = curve(there_at)
        if is_last:
            return there_at, there
        if there.value >= here.value + max(0.0, float(gradient @ (there_at - at)) / 4):
            at, here, share = there_at, there, 1.0
        else:
            share /= 2
    return at, here


def bernoulli(sign: Reals, choices: Choices) -> Curve:
    """The log likelihood of answers, ``sign`` +1 for yes and -1 for no, shape (m,), with their expected information."""
    logit, slopes = choices
    lead = sign * logit  # how far the answer given is ahead
    tail = np.exp(-np.abs(lead))
    near = 1 / (1 + tail)  # the chance of the likelier answer: nothing here overflows or loses digits
    missed = np.where(lead < 0, near, tail * near)  # the chance of the answer not given
    return Curve(
        value=float((np.minimum(lead, 0) - np.log1p(tail)).sum()),
        gradient=slopes @ (sign * missed),
        information=(slopes * (tail * near * near)) @ slopes.T,
    )


def highest_posterior(model: Callable[[Reals], Choices], sign: Reals, prior: Prior) -> Peak:
    """The highest peak seen from the prior's mean and from its corners. Deterministic on one machine.

    ``model`` gives the choices at z, with their slopes in z; ``sign`` are the answers.
    """
    mean, sd = np.array(prior.mean), np.array(prior.sd)

    def posterior(u: Reals) -> Curve:  # u is z in prior standard deviations: one scale for every direction
        choices = model(mean + sd * u)
        likelihood = bernoulli(sign, Choices(choices.logit, choices.slopes * sd[:, np.newaxis]))
        return Curve(
            value=likelihood.value - float(u @ u) / 2,
            gradient=likelihood.gradient - u,
            information=likelihood.information + np.eye(len(u)),
        )

    starts = [np.zeros(len(mean)), *(np.array(at) for at in product((-_CORNER, _CORNER), repeat=len(mean)))]
    within = {"stride_max": _STRIDE, "reach": _REACH}
    tops = [climb(posterior, start, rise_min=_RISE_MIN_SEARCH, **within) for start in starts]
    u, best = climb(posterior, max(tops, key=lambda top: top[1].value)[0], **within)
    return Peak(
        z=mean + sd * u,
        objective=best.value,
        log_likelihood=best.value + float(u @ u) / 2,
        starts=len(starts),
        starts_agreed=sum(top.value >= best.value - _AGREED for _, top in tops),
    )
