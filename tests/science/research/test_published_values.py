"""Research metrics against published values, and against their equations written as plain loops."""

from math import exp, log
from random import Random

import numpy as np
import pytest

from science.research.bart import ewmv_log_likelihood, par4_log_likelihood
from science.research.memory import lag_decay, learning_curve
from science.research.reaction import d_prime, ex_gaussian_moments, ez_diffusion, fit_ex_gaussian
from simulators.balloon_choices import ewmv, par4
from tests.science.research.balloon_players import plain_log_likelihood

PUMPS = [12, 5, 30, 0, 22, 17, 40, 8, 33, 25, 19, 28]
EXPLODED = [0, 1, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("at", [(0.98, 0.02, 1.0, 0.12), (0.9, 0.3, 2.0, 0.4)])
def test_par4_is_its_equations(at: tuple[float, float, float, float]) -> None:
    """At fixed parameters."""
    phi, eta, gamma, tau = at
    found = par4_log_likelihood(PUMPS, EXPLODED, phi=phi, eta=eta, gamma=gamma, tau=tau)
    assert found == pytest.approx(plain_log_likelihood(par4(at), PUMPS, EXPLODED), abs=1e-9)


@pytest.mark.parametrize("at", [(0.02, 0.01, 0.0, 8.0, 1.0), (0.05, 0.2, 0.1, 4.0, 0.5)])
def test_ewmv_is_its_equations(at: tuple[float, float, float, float, float]) -> None:
    """At fixed parameters."""
    phi, eta, rho, tau, lambda_ = at
    found = ewmv_log_likelihood(PUMPS, EXPLODED, phi=phi, eta=eta, rho=rho, tau=tau, lambda_=lambda_)
    assert found == pytest.approx(plain_log_likelihood(ewmv(at), PUMPS, EXPLODED), abs=1e-9)


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
