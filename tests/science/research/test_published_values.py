"""Research metrics against published values, and against their equations written as plain loops."""

from math import exp, expm1, log
from random import Random

import numpy as np
import pytest

from science.research.bart import ewmv_log_likelihood, fit_ewmv, fit_par4, fit_target, par4_log_likelihood
from science.research.memory import lag_decay, learning_curve
from science.research.reaction import d_prime, ex_gaussian_moments, ez_diffusion, fit_ex_gaussian

PUMPS = [12, 5, 30, 0, 22, 17, 40, 8, 33, 25, 19, 28]
EXPLODED = [0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0]


def logistic(x: float) -> float:
    return 1 / (1 + exp(-x))


def choices(pumps: int, exploded: int) -> list[tuple[int, int]]:
    """(opportunity, +1 for pumping or -1)."""
    return [(place, 1 if place <= pumps else -1) for place in range(1, pumps + 2 - exploded)]


def plain_par4(phi: float, eta: float, gamma: float, tau: float) -> float:
    total, succeeded, pumped = 0.0, 0, 0
    for pumps, exploded in zip(PUMPS, EXPLODED, strict=True):
        burst = 1 - (phi + eta * succeeded) / (1 + eta * pumped)
        omega = -gamma / log(1 - burst)
        total += sum(log(logistic(sign * tau * (omega - place))) for place, sign in choices(pumps, exploded))
        succeeded, pumped = succeeded + pumps - exploded, pumped + pumps
    return total


def plain_ewmv(phi: float, eta: float, rho: float, tau: float, lambda_: float) -> float:
    total, succeeded, pumped, burst = 0.0, 0, 0, phi
    for pumps, exploded in zip(PUMPS, EXPLODED, strict=True):
        for place, sign in choices(pumps, exploded):
            loss = lambda_ * (place - 1)
            utility = (1 - burst) - burst * loss + rho * burst * (1 - burst) * (1 + loss) ** 2
            total += log(logistic(sign * tau * utility))
        succeeded, pumped = succeeded + pumps - exploded, pumped + pumps
        if pumped:
            burst = phi - expm1(-pumped * eta) * ((pumped - succeeded) / pumped - phi)
    return total


@pytest.mark.parametrize("at", [(0.98, 0.02, 1.0, 0.12), (0.9, 0.3, 2.0, 0.4)])
def test_par4_is_its_equations(at: tuple[float, float, float, float]) -> None:
    """At fixed parameters."""
    phi, eta, gamma, tau = at
    found = par4_log_likelihood(PUMPS, EXPLODED, phi=phi, eta=eta, gamma=gamma, tau=tau)
    assert found == pytest.approx(plain_par4(*at), abs=1e-9)


@pytest.mark.parametrize("at", [(0.02, 0.01, 0.0, 8.0, 1.0), (0.05, 0.2, 0.1, 4.0, 0.5)])
def test_ewmv_is_its_equations(at: tuple[float, float, float, float, float]) -> None:
    """At fixed parameters."""
    phi, eta, rho, tau, lambda_ = at
    found = ewmv_log_likelihood(PUMPS, EXPLODED, phi=phi, eta=eta, rho=rho, tau=tau, lambda_=lambda_)
    assert found == pytest.approx(plain_ewmv(*at), abs=1e-9)


def test_the_fits_are_no_worse_than_their_neighbours() -> None:
    """The highest posterior is above the prior's own centre, and the starts agree."""
    par4 = fit_par4(PUMPS, EXPLODED, max_pumps=64)
    assert par4.log_likelihood == pytest.approx(
        plain_par4(par4.phi, par4.eta, par4.gamma, par4.tau), abs=1e-6
    )
    assert par4.starts_agreed == 6
    ewmv = fit_ewmv(PUMPS, EXPLODED, max_pumps=64)
    assert ewmv.log_likelihood == pytest.approx(
        plain_ewmv(ewmv.phi, ewmv.eta, ewmv.rho, ewmv.tau, ewmv.lambda_), abs=1e-6
    )
    assert ewmv.starts_agreed == 6
    target = fit_target(PUMPS, EXPLODED)
    assert 2 < target.mu < 4


def test_too_few_balloons_are_refused() -> None:
    """Ten at least, and a burst after a pump at least."""
    for fit in (fit_par4, fit_ewmv):
        with pytest.raises(ValueError, match="10"):
            fit(PUMPS[:9], EXPLODED[:9], max_pumps=64)
    with pytest.raises(ValueError, match="exploded"):
        par4_log_likelihood([0, 3], [1, 0], phi=0.9, eta=0.1, gamma=1, tau=1)


def test_the_moments_are_those_of_heathcote() -> None:
    """Heathcote 1996, as the documentation of retimes prints them."""
    times = [474.688, 506.445, 524.081, 530.672, 530.869, 566.984, 582.311, 582.940, 603.574, 792.358]
    assert tuple(ex_gaussian_moments(times)) == pytest.approx((487.83351, 31.95942, 81.65869), abs=1e-5)


def test_the_maximum_likelihood_finds_who_made_the_times() -> None:
    """mu, sigma and tau of 2,000 reactions."""
    dice = Random(3)
    fit = fit_ex_gaussian([dice.gauss(300, 25) + dice.expovariate(1 / 80) for _ in range(2_000)])
    assert (fit.mu, fit.sigma, fit.tau) == pytest.approx((300, 25, 80), rel=0.12)


def test_ez_is_that_of_wagenmakers() -> None:
    """Wagenmakers et al. 2007."""
    assert tuple(ez_diffusion(0.802, 0.112, 0.723)) == pytest.approx(
        (0.09993852623, 0.13997020268, 0.3000299723), abs=1e-9
    )


def test_d_prime_is_loglinear() -> None:
    """As statpsych prints it."""
    assert d_prime(82, 100, 46, 100) == pytest.approx(1.0027926877, abs=1e-9)


def test_learning_and_forgetting_are_found_again() -> None:
    """A power curve is told from an exponential one; recall that falls with the lag has a negative slope."""
    power = learning_curve([exp(1.0 - 0.5 * log(r)) for r in range(1, 9)])
    assert power.law == "power"
    dice = np.random.default_rng(5)
    lags = dice.integers(1, 20, 400)
    hits = dice.random(400) < 1 / (1 + np.exp(-(2 - 1.2 * np.log(lags))))
    assert lag_decay(hits.astype(int), lags).slope == pytest.approx(-1.2, abs=0.4)
