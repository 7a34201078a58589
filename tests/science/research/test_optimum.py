"""The climb ends, and ends at the top: on a slope without one, at the edge of a domain, and along a wall."""

from math import exp, inf, log, nan

import numpy as np
import pytest

from science.research.checks import Reals
from science.research.optimum import Choices, Curve, bernoulli, climb


def curve(value: float, slope: float, information: float) -> Curve:
    return Curve(value, np.array([slope]), np.array([[information]]))


def test_a_parabola_is_climbed_in_one_step() -> None:
    """From the top itself there is nothing to climb, and nothing is divided by its length."""
    top = np.array([2.0, -1.0])
    information = np.array([[2.0, 0.5], [0.5, 1.0]])

    def parabola(at: Reals) -> Curve:
        away = top - at
        return Curve(-float(away @ information @ away) / 2, information @ away, information)

    for start in (top, np.array([50.0, 50.0])):
        at, there = climb(parabola, start)
        assert at == pytest.approx(top, abs=1e-12)
        assert there.value == pytest.approx(0, abs=1e-20)


def test_no_step_is_longer_than_its_stride() -> None:
    """A longer one would leap over the next peak."""
    seen = [0.0]

    def parabola(at: Reals) -> Curve:
        seen.append(float(at[0]))
        return curve(-((float(at[0]) - 5) ** 2) / 2, 5 - float(at[0]), 1)

    climb(parabola, np.zeros(1), stride_max=0.5)
    assert max(abs(step) for step in np.diff(seen)) <= 0.5 + 1e-12
    assert seen[-1] == pytest.approx(5, abs=1e-12)


@pytest.mark.parametrize("outside", [-inf, nan])
def test_a_step_out_of_the_domain_is_halved(outside: float) -> None:
    """ln x - x has its top at 1; the first step from 3 would land at -3. The steps after it are whole again."""
    tries = []

    def at_home(at: Reals) -> Curve:
        x = float(at[0])
        tries.append(x)
        return curve(log(x) - x, 1 / x - 1, 1 / x**2) if x > 0 else curve(outside, nan, 1)

    at, top = climb(at_home, np.array([3.0]))
    assert at[0] == pytest.approx(1, abs=1e-9)
    assert top.value == pytest.approx(-1, abs=1e-12)
    assert len(tries) < 12


def test_a_slope_without_a_top_is_given_up() -> None:
    """ln x rises for ever, by the same at every step; where it stands after 300 is given back."""
    at, there = climb(lambda at: curve(log(at[0]), 1 / float(at[0]), 1 / float(at[0]) ** 2), np.ones(1))
    assert at[0] == 2.0**300
    assert there.value == pytest.approx(300 * log(2))


def test_a_promise_that_is_never_kept_is_given_up() -> None:
    """Slopes that point the wrong way: no step rises, however short, and the climb stays where it began."""
    tries = []

    def liar(at: Reals) -> Curve:
        tries.append(1)
        return curve(-float(at[0]), 1.0, 1.0)

    at, _ = climb(liar, np.zeros(1))
    assert at[0] == pytest.approx(0, abs=1e-9)
    assert len(tries) == 301


def test_the_top_within_reach_is_found_along_the_wall() -> None:
    """A ridge that rises aslant beyond the wall: its highest point on the wall is not where the climb meets the wall."""
    information = np.array([[1.0, -0.9], [-0.9, 1.0]])
    top = np.array([10.0, 9.0])

    def ridge(at: Reals) -> Curve:
        away = top - at
        return Curve(-float(away @ information @ away) / 2, information @ away, information)

    at, _ = climb(ridge, np.array([0.0, -3.0]), stride_max=1.0, reach=6.0)
    assert at == pytest.approx(
        [6, 9 - 0.9 * 4], abs=1e-6
    )  # at x = 6 the ridge is highest where its slope in y is 0
    from_the_wall, _ = climb(
        ridge, np.array([-6.0, 6.0]), reach=6.0
    )  # and a wall lets go of what turns away from it
    assert from_the_wall == pytest.approx([6, 5.4], abs=1e-6)


def test_answers_are_those_of_a_coin() -> None:
    """ln logistic, its slope and its expected information, also where exp would overflow."""
    logit = np.array([-800.0, -2.0, 0.0, 1.5, 800.0, 800.0])
    sign = np.array([1.0, -1.0, 1.0, 1.0, 1.0, -1.0])
    slopes = np.array([[1.0, 2.0, -1.0, 0.5, 1.0, 1.0], [0.0, 1.0, 3.0, -2.0, 1.0, 2.0]])
    found = bernoulli(sign, Choices(logit, slopes))
    yes = [0.0, 1 / (1 + exp(2)), 0.5, 1 / (1 + exp(-1.5)), 1.0, 1.0]
    assert found.value == pytest.approx(-800 + log(1 - yes[1]) + log(0.5) + log(yes[3]) - 800, rel=1e-14)
    surprise = [(s > 0) - p for s, p in zip(sign, yes, strict=True)]
    assert found.gradient == pytest.approx(slopes @ surprise, rel=1e-14)
    weight = np.diag([p * (1 - p) for p in yes])
    assert found.information == pytest.approx(slopes @ weight @ slopes.T, rel=1e-14)
