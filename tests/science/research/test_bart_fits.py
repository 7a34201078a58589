"""par4, EWMV and the censored target: what is found is the highest there is, and what is said of it is so."""

from collections.abc import Sequence
from math import erfc, exp, log, pi, sqrt
from random import Random
from statistics import NormalDist

import numpy as np
import pytest
from scipy.optimize import minimize

from science.research import bart
from science.research.bart import (
    EwmvFit,
    Par4Fit,
    TargetFit,
    ewmv_log_likelihood,
    fit_ewmv,
    fit_par4,
    fit_target,
    par4_log_likelihood,
)
from simulators.balloon_choices import ewmv, par4, play
from tests.science.research.balloon_players import plain_log_likelihood

NORMAL = NormalDist()
Balloons = tuple[list[int], list[int]]


def prior_of(fit: Par4Fit | EwmvFit, max_pumps: int) -> tuple[list[float], list[float]]:
    """Means and standard deviations of z."""
    probit = NORMAL.inv_cdf(2 / max_pumps)
    if isinstance(fit, Par4Fit):
        return [-probit, -4, 0, log(16 / max_pumps)], [0.5, 2, 0.7, 0.7]
    return [probit, -2.3, 0, 1.5, 0], [0.5, 1, 0.1, 1, 0.7]


def z_of(fit: Par4Fit | EwmvFit) -> list[float]:
    if isinstance(fit, Par4Fit):
        return [NORMAL.inv_cdf(fit.phi), log(fit.eta), log(fit.gamma), log(fit.tau)]
    probits = [NORMAL.inv_cdf(share) for share in (fit.phi, fit.eta, 0.5 - fit.rho)]
    return [*probits, log(fit.tau), log(fit.lambda_)]


def height(fit: Par4Fit | EwmvFit, z: Sequence[float], balloons: Balloons, max_pumps: int) -> float:
    """The log posterior at z, by the public likelihood and the published priors."""
    if isinstance(fit, Par4Fit):
        phi, eta, gamma, tau = NORMAL.cdf(z[0]), *(exp(one) for one in z[1:])
        value = par4_log_likelihood(*balloons, phi=phi, eta=eta, gamma=gamma, tau=tau)
    else:
        phi, eta, rho = NORMAL.cdf(z[0]), NORMAL.cdf(z[1]), 0.5 - NORMAL.cdf(z[2])
        value = ewmv_log_likelihood(*balloons, phi=phi, eta=eta, rho=rho, tau=exp(z[3]), lambda_=exp(z[4]))
    mean, sd = prior_of(fit, max_pumps)
    return value - sum(((one - m) / s) ** 2 for one, m, s in zip(z, mean, sd, strict=True)) / 2


def rival_height(
    fit: Par4Fit | EwmvFit, balloons: Balloons, max_pumps: int, dice: np.random.Generator
) -> float:
    """Where scipy ends from a random place of the prior, without our slopes."""
    mean, sd = (np.array(part) for part in prior_of(fit, max_pumps))
    rival = minimize(
        lambda u: -height(fit, (mean + sd * np.clip(u, -5, 5)).tolist(), balloons, max_pumps),
        dice.normal(size=len(mean)),
        method="L-BFGS-B",
    )
    return -float(rival.fun)


def people(balloons: int, max_pumps: int) -> list[Balloons]:
    """Three of par4 and three of EWMV, careful to bold."""
    dice, scale = Random(f"{balloons}/{max_pumps}"), 16 / max_pumps
    minds = [par4((1 - 2 / max_pumps, 0.02, gamma, scale)) for gamma in (0.3, 0.7, 1.4)]
    minds += [ewmv((2 / max_pumps, 0.1, rho, 4.0, 1.0)) for rho in (-0.03, 0.0, 0.03)]
    return [play(mind, balloons, max_pumps, dice) for mind in minds]


SITTINGS = [(one, max_pumps) for max_pumps in (12, 64) for one in people(30, max_pumps)]


@pytest.mark.parametrize(
    ("phi", "first"),
    [(1e-300, 690.7755278982137), (1 - 2.0**-40, 2.0**-40 + 2.0**-81)],
    ids=["never", "surely"],
)
def test_par4_is_precise_at_both_ends_of_belief(phi: float, first: float) -> None:
    """-ln phi is what is lost by a pump; neither ln 0 nor -0 comes of it."""
    for meant in (0.4, 3.6):
        at = (phi, 1e-6, meant * first, 2.0)
        found = par4_log_likelihood([3, 2], [0, 1], phi=phi, eta=at[1], gamma=at[2], tau=at[3])
        assert found == pytest.approx(plain_log_likelihood(par4(at), [3, 2], [0, 1]), rel=1e-9)
        alone = par4_log_likelihood([0], [0], phi=phi, eta=at[1], gamma=at[2], tau=at[3])
        assert alone == pytest.approx(-log(1 + exp(2.0 * (meant - 1))), rel=1e-9)


def test_parameters_that_nobody_has_still_have_a_likelihood() -> None:
    """However improbable the choices, a number and no overflow."""
    pumps, exploded = [10_000, 0, 9_999], [1, 0, 0]
    for phi in (1e-300, 1 - 1e-16):
        for size in (1e-50, 1e50):
            of_par4 = par4_log_likelihood(pumps, exploded, phi=phi, eta=size, gamma=size, tau=size)
            of_ewmv = ewmv_log_likelihood(pumps, exploded, phi=phi, eta=0.5, rho=0.4, tau=size, lambda_=size)
            assert -1e250 < of_par4 < 0
            assert -1e250 < of_ewmv < 0


@pytest.mark.parametrize("fitted", [fit_par4, fit_ewmv])
def test_the_objective_is_the_posterior_and_level_there(fitted: type) -> None:
    """log_likelihood less the prior's half squares, as the equations give it; flat in every direction, and lower on all sides."""
    for balloons, max_pumps in SITTINGS:
        fit = fitted(*balloons, max_pumps=max_pumps)
        z, (_, sd) = z_of(fit), prior_of(fit, max_pumps)
        mind = (
            par4((fit.phi, fit.eta, fit.gamma, fit.tau))
            if isinstance(fit, Par4Fit)
            else ewmv((fit.phi, fit.eta, fit.rho, fit.tau, fit.lambda_))
        )
        assert fit.log_likelihood == pytest.approx(plain_log_likelihood(mind, *balloons), abs=1e-8)
        assert fit.objective == pytest.approx(height(fit, z, balloons, max_pumps), abs=1e-8)
        for axis, unit in enumerate(sd):
            sides = [
                height(fit, [*z[:axis], z[axis] + nudge * unit, *z[axis + 1 :]], balloons, max_pumps)
                for nudge in (-1e-3, 1e-3)
            ]
            assert max(sides) < fit.objective
            assert abs(sides[1] - sides[0]) < 0.05 * (fit.objective - min(sides))


@pytest.mark.parametrize("fitted", [fit_par4, fit_ewmv])
def test_no_search_of_another_kind_ends_higher(fitted: type) -> None:
    """scipy's BFGS without our slopes, from random places of the prior."""
    dice = np.random.default_rng(1)
    for balloons, max_pumps in SITTINGS[::4]:
        fit = fitted(*balloons, max_pumps=max_pumps)
        for _ in range(4):
            assert rival_height(fit, balloons, max_pumps, dice) <= fit.objective + 1e-9


def test_of_two_peaks_the_higher_one_is_taken() -> None:
    """Thirty of the 33 starts end on a lower peak, and the fit says that few agree."""
    pumps, exploded = [2, 1, 2, 2, 2, 2, 2, 2, 5, 1], [1, 1, 0, 0, 0, 1, 0, 0, 0, 1]
    fit = fit_ewmv(pumps, exploded, max_pumps=12)
    assert fit.objective == pytest.approx(-8.013684905, abs=1e-8)
    assert (fit.starts, fit.starts_agreed) == (33, 3)
    par4_fit = fit_par4(pumps, exploded, max_pumps=12)
    assert (par4_fit.starts, par4_fit.starts_agreed) == (17, 17)


def test_play_that_no_model_fits_ends_at_the_wall() -> None:
    """Never a pump, then always all 64, and no burst: loss aversion is held six standard deviations from its prior's mean."""
    balloons = ([0] * 45 + [64] * 45, [0] * 90)
    fit = fit_ewmv(*balloons, max_pumps=64)
    assert fit.lambda_ == pytest.approx(exp(-6 * 0.7), rel=1e-12)
    z = z_of(fit)
    assert fit.objective == pytest.approx(height(fit, z, balloons, 64), abs=1e-7)
    for axis, unit in enumerate([0.5, 1, 0.1, 1]):
        for nudge in (-1e-2, 1e-2):
            assert (
                height(fit, [*z[:axis], z[axis] + nudge * unit, *z[axis + 1 :]], balloons, 64) < fit.objective
            )


TARGETS: list[Balloons] = [
    ([12, 5, 30, 0, 22, 17, 40, 8, 33, 25, 19, 28], [0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0]),
    ([6, 4, 7, 3, 9, 5, 6, 2, 8, 11, 1, 5, 0, 6], [0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 1, 0, 0, 0]),
    ([4, 6, 5, 7, 5, 4, 6, 9, 5, 6], [0] * 10),
    ([50, 51, 50, 51, 50, 51, 52, 10_000, 50, 51], [0, 0, 0, 0, 0, 0, 0, 1, 0, 0]),
]


def target_height(fit: TargetFit, at: dict[str, float], balloons: Balloons) -> float:
    """The censored log likelihood of the equations, balloon by balloon."""
    total, after, n = 0.0, 0, len(balloons[0])
    for j, (pumps, burst) in enumerate(zip(*balloons, strict=True), start=1):
        meant = at["mu"] + at["beta"] * (j - (n + 1) / 2) / n
        meant += 0.0 if fit.delta is None else at["delta"] * after
        if burst:
            total += log_above((log(pumps - 0.5) - meant) / at["sigma"])
        elif pumps == 0:
            total += log_above(-(log(0.5) - meant) / at["sigma"])
        else:
            r = (log(pumps) - meant) / at["sigma"]
            total -= r * r / 2 + log(at["sigma"]) + log(2 * pi) / 2
        after = burst
    return total


def log_above(r: float) -> float:
    """ln P(a standard normal is above r); far out by the first terms of its series."""
    if r < 30:
        return log(erfc(r / sqrt(2)) / 2)
    return -r * r / 2 - log(r * sqrt(2 * pi)) + np.log1p(-1 / r**2 + 3 / r**4)


@pytest.mark.parametrize("balloons", TARGETS, ids=["plain", "short", "no bursts", "far out"])
def test_the_target_is_the_maximum_with_its_own_curvature(balloons: Balloons) -> None:
    """Level there; and the standard errors are those of the curvature, taken by differences."""
    fit = fit_target(*balloons)
    names = ["mu", "beta", "sigma"] if fit.delta is None else ["mu", "beta", "delta", "sigma"]
    best = {name: getattr(fit, name) for name in names}
    errors = [getattr(fit, f"{name}_se") for name in names]
    assert fit.objective == pytest.approx(target_height(fit, best, balloons), abs=1e-8)

    def at(moves: np.ndarray) -> float:
        moved = {name: best[name] + move * se for name, move, se in zip(names, moves, errors, strict=True)}
        return target_height(fit, moved, balloons)

    unit, step = np.eye(len(names)), 1e-3
    slopes = [(at(step * one) - at(-step * one)) / (2 * step) for one in unit]
    assert slopes == pytest.approx([0] * len(names), abs=1e-4)
    curvature = [
        [
            -(at(step * (a + b)) - at(step * (a - b)) - at(step * (b - a)) + at(-step * (a + b)))
            / (4 * step**2)
            for a in unit
        ]
        for b in unit
    ]
    # In units of the standard errors the inverse has ones on its diagonal.
    assert np.diag(np.linalg.inv(np.array(curvature))) == pytest.approx([1] * len(names), abs=2e-3)


def test_an_after_effect_needs_two_kept_balloons_of_either_kind() -> None:
    """After a burst, and after none: one of a kind cannot be told from its noise."""
    pumps = [5, 4, 6, 7, 5, 6, 4, 5, 8, 6]
    assert fit_target(pumps, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]).delta is None
    one = fit_target(pumps, [1, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    assert one.delta is not None
    assert one.delta_se is not None
    assert one.delta_se > 0
    alternating = [5, 4, 6, 7, 5, 6, 4, 5, 8, 6, 5]
    fit = fit_target(alternating, [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0])
    assert (fit.delta, fit.delta_se) == (None, None)


@pytest.mark.parametrize("precision", [0.0, -1.0])
def test_a_scatter_below_nothing_is_outside(precision: float) -> None:
    """A step there is halved: the likelihood is none, and nothing is divided by it."""
    design, seen, side = np.ones((10, 1)), np.log(np.arange(1, 11)), np.zeros(10, dtype=np.int64)
    assert bart._target(design, seen, side, np.array([1.0, precision])).value == -np.inf
    assert np.isfinite(bart._target(design, seen, side, np.array([1.0, 1e-9])).value)
