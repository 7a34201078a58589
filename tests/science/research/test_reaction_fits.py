"""Ex-Gaussian, EZ-diffusion and d' against their equations."""

from math import exp, log, sqrt
from random import Random
from statistics import NormalDist, fmean, stdev

import numpy as np
import pytest
from scipy.stats import exponnorm

from science.research.reaction import d_prime, ex_gaussian_moments, ez_diffusion, fit_ex_gaussian


def reactions(seed: int, count: int, tau: float = 80.0) -> list[float]:
    dice = Random(seed)
    return [dice.gauss(300, 25) + dice.expovariate(1 / tau) for _ in range(count)]


def log_likelihood(times: list[float], mu: float, sigma: float, tau: float) -> float:
    return float(exponnorm.logpdf(times, tau / sigma, loc=mu, scale=sigma).sum())


@pytest.mark.parametrize(
    ("seed", "count", "tau"), [(1, 40, 80.0), (2, 150, 30.0), (3, 150, 200.0), (4, 900, 80.0)]
)
def test_the_likelihood_is_scipy_s_and_level_at_its_maximum(seed: int, count: int, tau: float) -> None:
    """The objective is the sum of ln f; a step to any side lowers it, by as much on one as on the other."""
    times = reactions(seed, count, tau)
    fit = fit_ex_gaussian(times)
    best = (fit.mu, fit.sigma, fit.tau)
    assert fit.objective == pytest.approx(log_likelihood(times, *best), abs=1e-7)
    for axis in range(3):
        sides = [
            log_likelihood(times, *(part + nudge * (at == axis) for at, part in enumerate(best)))
            for nudge in (-0.05, 0.05)
        ]
        assert max(sides) < fit.objective
        assert abs(sides[1] - sides[0]) < 0.02 * (fit.objective - min(sides))


def test_the_unit_and_the_order_of_times_do_not_matter() -> None:
    """In microseconds every part is a thousand times as long, and the density a thousandth."""
    times = reactions(5, 60)
    fit = fit_ex_gaussian(times)
    other = fit_ex_gaussian([1000 * time for time in reversed(times)])
    assert (other.mu, other.sigma, other.tau) == pytest.approx(
        (1000 * fit.mu, 1000 * fit.sigma, 1000 * fit.tau)
    )
    assert other.objective == pytest.approx(fit.objective - 60 * log(1000), abs=1e-6)


def test_times_without_a_tail_end_at_the_lower_bound_of_tau() -> None:
    """Skewed to the left: tau is a hundredth of the SD, and the rest is normal."""
    times = [2000 - time for time in reactions(6, 200)]
    fit = fit_ex_gaussian(times)
    assert fit.tau == pytest.approx(0.01 * stdev(times), rel=1e-9)
    assert fit.mu + fit.tau == pytest.approx(fmean(times), rel=1e-4)


def test_times_that_begin_at_a_wall_end_at_the_lower_bound_of_sigma() -> None:
    """Exponential from 250 ms on: sigma is a hundredth of the SD."""
    times = [250 - 100 * log((place - 0.5) / 200) for place in range(1, 201)]
    fit = fit_ex_gaussian(times)
    assert fit.sigma == pytest.approx(0.01 * stdev(times), rel=1e-9)
    assert fit.mu == pytest.approx(250, abs=3)
    assert fit.tau == pytest.approx(100, abs=3)


def test_one_wild_time_overflows_nothing() -> None:
    """A minute among reactions of a third of a second, or a millisecond among minutes."""
    for times in ([*reactions(7, 80), 60_000.0], [60_000.0 + time for time in range(80)] + [1.0]):
        fit = fit_ex_gaussian(times)
        assert fit.objective == pytest.approx(log_likelihood(times, fit.mu, fit.sigma, fit.tau), rel=1e-6)


def test_moments_without_a_tail_have_a_sigma_only() -> None:
    """Symmetric times: the third moment is 0, and tau with it."""
    assert tuple(ex_gaussian_moments([300, 310, 320])) == (310, 10, 0)


@pytest.mark.parametrize(("times", "share"), [([300] * 99 + [900], 0.95), ([300, 310, 320.00001], 0.05)])
def test_the_tail_of_the_moments_is_clipped(times: list[float], share: float) -> None:
    """So that both parts are there: mean, variance and the bound of tau hold."""
    mu, sigma, tau = ex_gaussian_moments(times)
    assert tau == pytest.approx(share * stdev(times))
    assert mu + tau == pytest.approx(fmean(times))
    assert sigma**2 + tau**2 == pytest.approx(stdev(times) ** 2)


@pytest.mark.parametrize("v", [-0.3, -0.001, 0.0005, 0.1, 0.4])
@pytest.mark.parametrize("s", [0.1, 1.0])
def test_ez_finds_the_diffusion_that_made_the_three_numbers(v: float, s: float) -> None:
    """Accuracy, variance and mean of a diffusion by equations 2, 6 and 9 of Wagenmakers et al. 2007, and back."""
    v, a, ter = v * s / 0.1, 0.12 * s / 0.1, 0.3
    y = -v * a / s**2
    pc = 1 / (1 + exp(y))
    mrt = ter + a / (2 * v) * (1 - exp(y)) / (1 + exp(y))
    vrt = a * s**2 / (2 * v**3) * (2 * y * exp(y) - exp(2 * y) + 1) / (exp(y) + 1) ** 2
    found = ez_diffusion(pc, vrt, mrt, s)
    assert found is not None
    assert tuple(found) == pytest.approx((v, a, ter), rel=1e-6 if abs(y) > 0.05 else 1e-3)


def test_ez_says_nothing_at_chance() -> None:
    """No drift can be told from a coin."""
    assert ez_diffusion(0.5, 0.1, 0.7) is None
    assert ez_diffusion(0.5 + 5e-7, 0.1, 0.7) is None
    assert ez_diffusion(0.5 + 5e-6, 0.1, 0.7) is not None


def test_ez_of_all_right_and_all_wrong_is_corrected() -> None:
    """All of 20 count as 19.5, none as half an answer; wrong answers mean a drift the other way."""
    right = ez_diffusion(1, 0.1, 0.7, n=20)
    assert right is not None
    assert right == ez_diffusion(0.975, 0.1, 0.7)
    wrong = ez_diffusion(0, 0.1, 0.7, n=20)
    assert wrong is not None
    assert tuple(wrong) == pytest.approx((-right.v, right.a, right.ter))
    assert ez_diffusion(0.8, 0.1, 0.7, n=20) == ez_diffusion(0.8, 0.1, 0.7)


@pytest.mark.parametrize("pc", [1e-12, 1 - 1e-12, 0.26, 0.74, 0.76])
def test_ez_keeps_its_digits_at_every_accuracy(pc: float) -> None:
    """The drift is the fourth root of what stands in the paper, with the logit taken by log1p or by a difference of logs."""
    found = ez_diffusion(pc, 0.1, 0.7)
    logit = log(pc) - np.log1p(-pc)
    v = np.sign(pc - 0.5) * 0.1 * (logit * (logit * pc**2 - logit * pc + pc - 0.5) / 0.1) ** 0.25
    assert found is not None
    assert found.v == pytest.approx(v, rel=1e-9)
    assert found.a == pytest.approx(0.01 * logit / v, rel=1e-9)


def test_d_prime_is_a_difference_of_quantiles() -> None:
    """0 for guessing, its sign turned by exchanging signal and noise, finite for the perfect."""
    assert d_prime(7, 20, 7, 20) == 0
    assert d_prime(12, 20, 3, 30) == pytest.approx(-d_prime(3, 30, 12, 20))
    quantile = NormalDist().inv_cdf
    assert d_prime(20, 20, 0, 30) == pytest.approx(quantile(20.5 / 21) - quantile(0.5 / 31), rel=1e-9)
    assert d_prime(0, 1, 1, 1) == pytest.approx(quantile(0.25) - quantile(0.75), rel=1e-9)
    assert d_prime(69, 100, 31, 100) == pytest.approx(2 * quantile(69.5 / 101), rel=1e-9)
    assert sqrt(2) > d_prime(69, 100, 31, 100) > 0.9
