"""Data that cannot be fitted are refused in words that say what to do."""

import re
from collections.abc import Callable
from math import inf, nan

import pytest

from science.research.bart import (
    ewmv_log_likelihood,
    fit_ewmv,
    fit_par4,
    fit_target,
    par4_log_likelihood,
)
from science.research.memory import lag_decay, learning_curve
from science.research.reaction import d_prime, ex_gaussian_moments, ez_diffusion, fit_ex_gaussian

TEN = [3, 4, 5, 6, 3, 4, 5, 6, 3, 4]
KEPT = [0] * 10


def par4(pumps: object = TEN, exploded: object = KEPT, **other: float) -> float:
    return par4_log_likelihood(pumps, exploded, **{"phi": 0.9, "eta": 0.1, "gamma": 1.0, "tau": 1.0, **other})


def ewmv(**other: float) -> float:
    at = {"phi": 0.1, "eta": 0.1, "rho": 0.0, "tau": 1.0, "lambda_": 1.0, **other}
    return ewmv_log_likelihood(TEN, KEPT, **at)


REFUSED: list[tuple[Callable[[], object], str]] = [
    (lambda: par4([]), "pumps is empty: there is nothing to fit"),
    (lambda: par4([[3, 4]]), "pumps must be one list of numbers, not of shape (1, 2)"),
    (lambda: par4(7), "pumps must be one list of numbers, not of shape ()"),
    (lambda: par4([3.0, 4.5]), "pumps must be whole numbers, not float64: count them, and leave gaps out"),
    (lambda: par4([True, False]), "pumps must be whole numbers, not bool: count them, and leave gaps out"),
    (lambda: par4([3, -1]), "pumps must lie in 0 .. 10000, not -1 .. 3"),
    (lambda: par4([3, 10_001]), "pumps must lie in 0 .. 10000, not 3 .. 10001"),
    (lambda: par4(exploded=[0]), "exploded must be as many as what they belong to: 1 for 10"),
    (lambda: par4([3, 4], [0, 2]), "exploded must lie in 0 .. 1, not 0 .. 2"),
    (lambda: par4([0, 3], [1, 0]), "a balloon exploded at 0 pumps: the bursting pump counts among the pumps"),
    (lambda: par4(phi=0), "phi must lie strictly between 0 and 1, not be 0"),
    (lambda: par4(phi=1), "phi must lie strictly between 0 and 1, not be 1"),
    (lambda: par4(phi=nan), "phi must lie strictly between 0 and 1, not be nan"),
    (lambda: par4(eta=0), "eta must be above 0 and at most 1e+50, not 0"),
    (lambda: par4(gamma=-1), "gamma must be above 0 and at most 1e+50, not -1"),
    (lambda: par4(tau=inf), "tau must be above 0 and at most 1e+50, not inf"),
    (lambda: ewmv(phi=1), "phi must lie strictly between 0 and 1, not be 1"),
    (lambda: ewmv(eta=1), "eta must lie strictly between 0 and 1, not be 1"),
    (lambda: ewmv(rho=0.5), "rho must lie strictly between -0.5 and 0.5, not be 0.5"),
    (lambda: ewmv(tau=0), "tau must be above 0 and at most 1e+50, not 0"),
    (lambda: ewmv(lambda_=nan), "lambda_ must be above 0 and at most 1e+50, not nan"),
    (lambda: fit_par4(TEN[:8], KEPT[:8], max_pumps=12), "8 balloons, 10 needed: play 2 more"),
    (lambda: fit_ewmv(TEN[:9], KEPT[:9], max_pumps=12), "9 balloons, 10 needed: play 1 more"),
    (lambda: fit_par4(TEN, KEPT, max_pumps=2), "max_pumps must be 3 or more, up to 10000, not 2"),
    (lambda: fit_par4(TEN, KEPT, max_pumps=10_001), "max_pumps must be 3 or more, up to 10000, not 10001"),
    (lambda: fit_ewmv(TEN, KEPT, max_pumps=12.0), "max_pumps must be a whole number, not 12.0"),  # type: ignore[arg-type]
    (lambda: fit_ewmv(TEN, KEPT, max_pumps=True), "max_pumps must be a whole number, not True"),
    (lambda: fit_ewmv(TEN, KEPT, max_pumps=5), "a balloon of 6 pumps where max_pumps is 5"),
    (lambda: fit_target(TEN[:9], KEPT[:9]), "9 balloons, 10 needed: play 1 more"),
    (
        lambda: fit_target([0, 0, *TEN[:8]], [0, 0, 0, 0, 0, 0, 1, 1, 1, 1]),
        "4 balloons kept after a pump or more, 5 needed: play on",
    ),
    (
        lambda: fit_target([4] * 10, KEPT),
        "the kept balloons have no scatter: sigma would be 0, and nothing can be fitted",
    ),
    (lambda: learning_curve([2.0, 1.5, 1.2, 1.1]), "4 turn_ratios, 5 needed: collect 1 more"),
    (lambda: learning_curve([True] * 5), "turn_ratios must be numbers, not bool"),
    (lambda: learning_curve(["2"] * 5), "turn_ratios must be numbers, not <U1"),
    (
        lambda: learning_curve([2.0, 1.5, nan, 1.1, 1]),
        "turn_ratios must be finite and above 0: leave out what is missing",
    ),
    (
        lambda: learning_curve([2.0, 1.5, 0, 1.1, 1]),
        "turn_ratios must be finite and above 0: leave out what is missing",
    ),
    (lambda: lag_decay([1, 0] * 4, [0] * 8), "lags must lie in 1 .. 1000000, not 0 .. 0"),
    (lambda: lag_decay([1, 0] * 3, [1, 2] * 3), "6 opportunities, 8 needed: play more rounds"),
    (lambda: lag_decay([1] * 8, range(1, 9)), "all are hits: the slope has no most likely value"),
    (lambda: lag_decay([0] * 8, range(1, 9)), "all are misses: the slope has no most likely value"),
    *(
        (
            lambda hits=hits: lag_decay(hits, [1, 2, 3, 4, 4, 5, 6, 7]),
            "one lag divides hits from misses: the slope has no finite most likely value",
        )
        for hits in ([1, 1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1, 1, 1])
    ),
    (lambda: ex_gaussian_moments([300, 320]), "2 rt_ms, 3 needed: collect 1 more"),
    (lambda: fit_ex_gaussian([300.0] * 39), "39 rt_ms, 40 needed: collect 1 more"),
    (lambda: fit_ex_gaussian([300.0] * 40), "rt_ms are all equal: there is no spread to divide into parts"),
    (
        lambda: fit_ex_gaussian([300.0, inf] * 20),
        "rt_ms must be finite and above 0: leave out what is missing",
    ),
    (
        lambda: ez_diffusion(1.1, 0.1, 0.7),
        "pc must lie in 0 .. 1, not be 1.1: give the share of right answers",
    ),
    (
        lambda: ez_diffusion(nan, 0.1, 0.7),
        "pc must lie in 0 .. 1, not be nan: give the share of right answers",
    ),
    (lambda: ez_diffusion(0.8, 0, 0.7), "vrt must be above 0 and at most 1e+50, not 0"),
    (lambda: ez_diffusion(0.8, 0.1, -1), "mrt must be above 0 and at most 1e+50, not -1"),
    (lambda: ez_diffusion(0.8, 0.1, 0.7, s=0), "s must be above 0 and at most 1e+50, not 0"),
    (
        lambda: ez_diffusion(1, 0.1, 0.7),
        "pc is 1: give n, the number of answers, so that it can be corrected",
    ),
    (lambda: ez_diffusion(0, 0.1, 0.7, n=0), "n must be 1 or more, not 0"),
    (lambda: d_prime(0, 0, 0, 1), "n_signal must be 1 or more, not 0"),
    (lambda: d_prime(0, 1, 0, 0), "n_noise must be 1 or more, not 0"),
    (lambda: d_prime(11, 10, 0, 10), "hits must be 0 or more, up to 10, not 11"),
    (lambda: d_prime(5, 10, -1, 10), "false_alarms must be 0 or more, up to 10, not -1"),
    (lambda: d_prime(0.5, 10, 0, 10), "hits must be a whole number, not 0.5"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_it_is_refused(call: Callable[[], object], message: str) -> None:
    """The whole message, as a caller reads it."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call()


def test_the_least_that_is_asked_is_enough() -> None:
    """Ten balloons, five rounds, eight opportunities, forty times; booleans as well as 0 and 1."""
    assert fit_par4(TEN, [False] * 10, max_pumps=6) == fit_par4(TEN, KEPT, max_pumps=6)
    assert fit_target([0] * 5 + TEN[:5], KEPT).sigma > 0
    assert learning_curve([2.0, 1.5, 1.2, 1.1, 1.0]).b > 0
    assert lag_decay([True, False] * 4, [1, 2, 3, 4, 5, 6, 7, 8]).objective < 0
    assert fit_ex_gaussian(range(300, 340)).sigma > 0
    assert ex_gaussian_moments([300, 320, 310]).mu > 0
