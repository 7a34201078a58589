"""Memory cards: how turns fall over the rounds, and how a place seen is lost with the flips since."""

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from science.research.checks import Reals, outcomes, positive_reals, whole_numbers
from science.research.optimum import Choices, bernoulli, climb

ROUNDS_MIN = 5
OPPORTUNITIES_MIN = 8
LAG_MAX = 1_000_000  # flips
_PARAMETERS = 3  # a, b and the scatter
_SCATTER_MIN = 1e-12  # of ln ratios; a closer fit is rounding, and no evidence


class LearningCurve(msgspec.Struct, frozen=True):
    """ln(T_r / E) = a - b ln r (power) or a - b r (exponential), r = 1 .. R, whichever has the smaller AIC.

    ``a`` and ``b`` are of the chosen ``law``, least squares; b > 0 is learning. A tie goes to the power law.
    """

    law: Literal["power", "exponential"]
    a: float
    b: float
    aic_power: float
    aic_exponential: float


class LagDecay(msgspec.Struct, frozen=True):
    """P(hit) = logistic(intercept + slope ln lag); ``slope`` < 0 is forgetting. ``objective`` is the maximised log likelihood."""

    intercept: float
    slope: float
    intercept_se: float
    slope_se: float
    objective: float


def learning_curve(turn_ratios: ArrayLike) -> LearningCurve:
    """The law of practice that fits the turns of at least 5 rounds, in order, each over the turns of perfect play.

    AIC = R (ln(2 pi RSS / R) + 1) + 2 * 3 of a normal scatter of ln ratios. Raises ValueError.
    """
    ratios = np.log(positive_reals("turn_ratios", turn_ratios, count_min=ROUNDS_MIN))
    rounds = np.arange(1, len(ratios) + 1, dtype=np.float64)
    power, exponential = _line(np.log(rounds), ratios), _line(rounds, ratios)
    aic_power, aic_exponential = power[2], exponential[2]
    if aic_power <= aic_exponential:
        return LearningCurve("power", power[0], power[1], aic_power, aic_exponential)
    return LearningCurve("exponential", exponential[0], exponential[1], aic_power, aic_exponential)


def lag_decay(hits: ArrayLike, lags: ArrayLike) -> LagDecay:
    """The logistic regression of at least 8 opportunities (mate seen: hit or miss) on ln of the flips since it was last seen.

    ``hits`` are booleans or 0 and 1, ``lags`` whole numbers from 1. Raises ValueError, also where no finite slope is the most
    likely one: all hits, all misses, one lag only, or a lag that divides hits from misses.
    """
    flips = whole_numbers("lags", lags, low=1, high=LAG_MAX)
    hit = outcomes("hits", hits, like=flips)
    if len(flips) < OPPORTUNITIES_MIN:
        raise ValueError(f"{len(flips)} opportunities, {OPPORTUNITIES_MIN} needed: play more rounds")
    if hit.min() == hit.max():
        raise ValueError(f"all are {'hits' if hit[0] else 'misses'}: the slope has no most likely value")
    hit_lags, miss_lags = flips[hit == 1], flips[hit == 0]
    if hit_lags.max() <= miss_lags.min() or miss_lags.max() <= hit_lags.min():
        raise ValueError("one lag divides hits from misses: the slope has no finite most likely value")
    logs = np.log(flips)
    middle = float(logs.mean())  # from here the two coefficients can be told apart, however close the lags
    design = np.array([np.ones(len(logs)), logs - middle])
    sign = np.where(hit == 1, 1.0, -1.0)
    at, top = climb(lambda at: bernoulli(sign, Choices(at @ design, design)), np.zeros(2))
    back = np.array([[1, -middle], [0, 1]])  # to the lag of 1, whose ln is 0
    intercept, slope = (back @ at).tolist()
    intercept_se, slope_se = np.sqrt(np.diag(back @ np.linalg.inv(top.information) @ back.T)).tolist()
    return LagDecay(intercept, slope, intercept_se, slope_se, top.value)


def _line(x: Reals, y: Reals) -> tuple[float, float, float]:
    """a, b of y = a - b x by least squares, and the AIC."""
    x_mean, y_mean, n = x.mean(), y.mean(), len(y)
    b = -float((x - x_mean) @ y / ((x - x_mean) @ (x - x_mean)))
    a = float(y_mean + b * x_mean)
    rss = max(float(((y - a + b * x) ** 2).sum()), n * _SCATTER_MIN**2)
    return a, b, n * (float(np.log(2 * np.pi * rss / n)) + 1) + 2 * _PARAMETERS
