"""Learning curves and the decay of places seen, against their equations."""

from math import exp, log, pi, sqrt
from random import Random

import numpy as np
import pytest

from science.research.memory import lag_decay, learning_curve


@pytest.mark.parametrize(("law", "x"), [("power", log), ("exponential", float)])
def test_the_law_that_made_the_turns_is_chosen(law: str, x: type) -> None:
    """With its coefficients, and the smaller AIC."""
    curve = learning_curve([exp(0.8 - 0.3 * x(r)) for r in range(1, 8)])
    assert curve.law == law
    assert (curve.a, curve.b) == pytest.approx((0.8, 0.3))
    chosen, other = curve.aic_power, curve.aic_exponential
    assert chosen < other if law == "power" else chosen > other


def test_the_aic_is_that_of_a_normal_scatter() -> None:
    """R (ln(2 pi RSS / R) + 1) + 6, for either law."""
    ratios = [1.9, 1.6, 1.75, 1.3, 1.45, 1.35]
    curve, y = learning_curve(ratios), np.log(ratios)
    for x, aic in ((np.log(np.arange(1, 7)), curve.aic_power), (np.arange(1, 7), curve.aic_exponential)):
        slope, intercept = np.polyfit(x, y, 1)
        rss = float(((y - intercept - slope * x) ** 2).sum())
        assert aic == pytest.approx(6 * (log(2 * pi * rss / 6) + 1) + 6)
        if aic == min(curve.aic_power, curve.aic_exponential):
            assert (curve.a, curve.b) == pytest.approx((intercept, -slope))


def test_a_tie_goes_to_the_power_law() -> None:
    """Turns that never change fit both laws to the last digit."""
    curve = learning_curve([1.5] * 6)
    assert curve.law == "power"
    assert curve.aic_power == curve.aic_exponential
    assert (curve.a, curve.b) == pytest.approx((log(1.5), 0))


def sitting(seed: int, lags: range, count: int) -> tuple[list[int], list[int]]:
    dice = Random(seed)
    seen = [dice.choice(lags) for _ in range(count)]
    return [int(dice.random() < 1 / (1 + exp(-(1.5 - 0.8 * log(lag))))) for lag in seen], seen


@pytest.mark.parametrize(
    ("hits", "lags"),
    [
        sitting(1, range(1, 20), 12),
        sitting(2, range(1, 40), 300),
        ([1, 0, 1, 1, 0, 0, 1, 0], [10, 10, 10, 10, 11, 11, 11, 11]),
        ([1, 0, 1, 1, 0, 0, 1, 0], [999_999] * 4 + [1_000_000] * 4),
    ],
    ids=["short", "long", "two lags", "far and close lags"],
)
def test_the_decay_is_the_maximum_with_its_own_curvature(hits: list[int], lags: list[int]) -> None:
    """What is missing from every hit adds up to nothing, also weighted by ln lag; the errors are those of the information."""
    fit = lag_decay(hits, lags)
    x = np.log(lags)
    logit = fit.intercept + fit.slope * x
    p = 1 / (1 + np.exp(-logit))
    middle = x - x.mean()
    assert (np.array(hits) - p).sum() == pytest.approx(0, abs=1e-6)
    assert ((np.array(hits) - p) * middle).sum() / np.abs(middle).max() == pytest.approx(0, abs=1e-6)
    assert fit.objective == pytest.approx(np.log(np.where(hits, p, 1 - p)).sum(), abs=1e-8)
    weight, total = p * (1 - p), (p * (1 - p)).sum()
    centre = (weight * x).sum() / total
    spread = (weight * (x - centre) ** 2).sum()
    assert fit.slope_se == pytest.approx(1 / sqrt(spread), rel=1e-5)
    assert fit.intercept_se == pytest.approx(sqrt(1 / total + centre**2 / spread), rel=1e-5)


def test_lags_that_say_nothing_have_no_slope() -> None:
    """Hits as often at one lag as at the other."""
    fit = lag_decay([1, 0] * 4, [3] * 4 + [9] * 4)
    assert (fit.intercept, fit.slope) == pytest.approx((0, 0), abs=1e-12)
    assert fit.objective == pytest.approx(8 * log(0.5))
