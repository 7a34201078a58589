"""The Kaplan-Meier estimator against a plain one on fractions, written from science.md A.2 alone."""

from collections.abc import Iterable
from fractions import Fraction
from math import log  # an oracle; the engine has none
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from science.exact import MICRO
from science.survival import Intended, curve_of, intended_pumps, ln_influences

Balloons = list[tuple[int, bool]]
BALLOONS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 12), st.just(False)),
        st.tuples(st.integers(1, 12), st.just(True)),
    ),
    min_size=1,
    max_size=60,
)


def estimated(balloons: Iterable[tuple[int, bool]]) -> Intended:
    """The estimates of these balloons."""
    return intended_pumps(curve_of(balloons))


def plain_kaplan_meier(balloons: Balloons) -> tuple[Fraction, Fraction]:
    """The restricted mean and its inflated Greenwood variance, straight from the formula, every level counted anew."""
    longest = max(pumps for pumps, _ in balloons)
    survival, curve, hazards = Fraction(1), [], []
    for level in range(longest):
        at_risk = len([1 for p, e in balloons if (not e and p >= level) or (e and p > level)])
        stopped = len([1 for p, e in balloons if not e and p == level])
        survival *= 1 - Fraction(stopped, at_risk)
        curve.append(survival)
        hazards.append((at_risk, stopped))
    variance = Fraction(0)
    for level, (at_risk, stopped) in enumerate(hazards):
        if stopped:
            variance += sum(curve[level:], Fraction(0)) ** 2 * Fraction(
                stopped, at_risk * (at_risk - stopped)
            )
    n = len(balloons)
    return sum(curve, Fraction(0)), variance * Fraction(n, n - 1) if n > 1 else variance


def is_near(micro_units: int | None, value: float, tolerance: float = 1.0) -> bool:
    """Within ``tolerance`` micro-units."""
    assert micro_units is not None
    return abs(micro_units - value * MICRO) <= tolerance


@settings(max_examples=1_000, deadline=None)
@given(BALLOONS)
def test_it_is_the_formula_of_the_specification(balloons: Balloons) -> None:
    """Mean and standard error agree with the plain implementation to a micro-unit, whatever was played."""
    mean, variance = plain_kaplan_meier(balloons)
    found = estimated(balloons)
    assert is_near(found.mean, float(mean))
    if all(exploded for _, exploded in balloons):
        assert found.mean_se is None
    else:
        assert is_near(found.mean_se, float(variance) ** 0.5, 1.5)


@settings(max_examples=500, deadline=None)
@given(BALLOONS)
def test_the_logarithm_is_of_at_least_half_a_pump(balloons: Balloons) -> None:
    """ln max(km, 1/2), with the delta method's standard error."""
    mean, variance = plain_kaplan_meier(balloons)
    floored = max(mean, Fraction(1, 2))
    found = estimated(balloons)
    assert is_near(found.ln_mean, log(floored))
    if all(exploded for _, exploded in balloons):
        assert found.ln_mean_se is None
    else:
        assert is_near(found.ln_mean_se, float(variance) ** 0.5 / float(floored), 3)


@given(BALLOONS, st.randoms(use_true_random=False))
def test_the_order_of_the_balloons_does_not_matter(balloons: Balloons, rng: Random) -> None:
    """The estimate is of the multiset."""
    assert estimated(rng.sample(balloons, len(balloons))) == estimated(balloons)


@given(st.lists(st.integers(0, 12), min_size=2, max_size=40))
def test_without_bursts_it_is_the_plain_mean_and_its_standard_error(pumps: list[int]) -> None:
    """Nothing censored: the mean, and SD / sqrt(n), which is why the variance is inflated by n / (n - 1)."""
    n, mean = len(pumps), Fraction(sum(pumps), len(pumps))
    variance = sum((p - mean) ** 2 for p in pumps) / (n - 1) / n
    found = estimated((p, False) for p in pumps)
    assert is_near(found.mean, float(mean))
    assert is_near(found.mean_se, float(variance) ** 0.5, 1.5)
    assert not found.censored


@given(BALLOONS, st.integers(1, 12))
def test_a_burst_says_at_least(balloons: Balloons, pumps: int) -> None:
    """Replacing a burst by a collect at the same count never raises the mean: the burst meant to go on."""
    burst, collected = [*balloons, (pumps, True)], [*balloons, (pumps, False)]
    assert estimated(burst).mean >= estimated(collected).mean


def test_all_burst_is_a_lower_bound() -> None:
    """With nothing collected the curve never falls: the mean is the longest count, censored, and has no standard error."""
    found = estimated([(3, True), (5, True), (1, True)])
    assert (found.mean, found.mean_se, found.censored) == (5 * MICRO, None, True)


def test_it_is_censored_exactly_when_the_longest_burst() -> None:
    """Also when a collect of the same length stands beside the burst (rulings H: the largest count exploded)."""
    assert estimated([(5, True), (5, False)]).censored
    assert not estimated([(4, True), (5, False)]).censored
    assert estimated([(6, True), (5, False)]).censored


@pytest.mark.parametrize("pumps", [0, 1, 12])
def test_one_balloon_has_a_mean_and_no_spread(pumps: int) -> None:
    """n = 1 gives its count, and no standard error to speak of."""
    found = estimated([(pumps, False)])
    assert (found.mean, found.mean_se) == (pumps * MICRO, 0)


def test_never_pumping_has_a_logarithm() -> None:
    """Ten cash-outs at 0 pumps: mean 0, ln 1/2."""
    found = estimated([(0, False)] * 10)
    assert (found.mean, found.ln_mean, found.ln_mean_se) == (0, -693_147, 0)


def test_a_thousand_levels_stay_within_a_micro_unit() -> None:
    """The longest game the configuration allows loses nothing by rounding: 1,000 pumps, 200 balloons."""
    rng = Random(7)
    balloons = [(rng.randrange(1, 1_001), rng.random() < 0.4) for _ in range(200)]
    mean, variance = plain_kaplan_meier(balloons)
    found = estimated(balloons)
    assert is_near(found.mean, float(mean))
    assert is_near(found.mean_se, float(variance) ** 0.5)
    assert is_near(found.ln_mean_se, float(variance) ** 0.5 / float(mean), 1.5)


def test_below_half_a_pump_a_balloon_moves_the_logarithm_of_a_half() -> None:
    """A mean of 1/4 from four balloons: each moves it by (x - 1/4) / 4, and its logarithm by that over 1/2, not over 1/4."""
    balloons = [(0, False), (0, False), (0, False), (1, False)]
    assert ln_influences(curve_of(balloons), balloons) == [-125_000, -125_000, -125_000, 375_000]
