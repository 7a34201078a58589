"""Reaction times as a sum of two parts, and as a decision that drifts: ex-Gaussian, EZ-diffusion, d'.

An ex-Gaussian time is a normal one (``mu``, ``sigma``) plus an exponential one (mean ``tau``): mean mu + tau, variance
sigma^2 + tau^2, third central moment 2 tau^3. The order of the times does not matter.
"""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize  # type: ignore[import-untyped]
from scipy.special import erfcx, log_ndtr, ndtri  # type: ignore[import-untyped]

from science.research.checks import Reals, positive, positive_reals, whole_number

TIMES_MIN = 40  # for a fit; the tail is not seen in fewer
_MOMENTS_TIMES_MIN = 3
_CLIP_SD = (0.05, 0.95)  # of the tail, so that both parts of the moments' solution are there
_BOUNDS_SD = (0.01, 10.0)  # of sigma and tau in the fit: a part below a hundredth of the SD is not there
_CHANCE = 1e-6  # an accuracy so near 1/2 is 1/2: a finite game shows no less


class ExGaussianMoments(NamedTuple):
    """Mean and SD of the normal part, mean of the exponential one; ms."""

    mu: float
    sigma: float
    tau: float


class ExGaussianFit(msgspec.Struct, frozen=True):
    """Mean and SD of the normal part, mean of the exponential one, in ms. ``objective`` is the maximised log likelihood,
    the sum of ln f(rt) with the density f in 1/ms.
    """

    mu: float
    sigma: float
    tau: float
    objective: float


class EzDiffusion(NamedTuple):
    """Drift rate ``v``, boundary separation ``a`` (in units of s), non-decision time ``ter`` (in the unit of mrt)."""

    v: float
    a: float
    ter: float


def ex_gaussian_moments(rt_ms: ArrayLike) -> ExGaussianMoments:
    """The ex-Gaussian with the moments of at least 3 times: tau = (m3 / 2)^(1/3), m3 and the variance over n - 1.

    tau is kept within .05 .. .95 SD. Without a tail to the right (m3 <= 0) there is a sigma only: tau is 0. Heathcote 1996.
    Raises ValueError.
    """
    return _moments(_times(rt_ms, _MOMENTS_TIMES_MIN))


def fit_ex_gaussian(rt_ms: ArrayLike) -> ExGaussianFit:
    """The ex-Gaussian of at least 40 times at the maximum of the likelihood that is reached from the moments' one.

    sigma and tau are sought within .01 .. 10 SD: times without a tail end at the lower bound of tau, times that begin at
    a wall at the lower bound of sigma. Raises ValueError.
    """
    times = _times(rt_ms, TIMES_MIN)
    mean, sd = float(times.mean()), float(times.std(ddof=1))
    start = _moments(times)
    scaled = (times - mean) / sd  # one scale for the optimiser, whatever the unit
    tail = max(start.tau / sd, _CLIP_SD[0])
    low, high = (float(bound) for bound in np.log(_BOUNDS_SD))
    # A short sample can have a second peak, at the bound of sigma and higher by a little (19 of 300 simulated people at 40 times, 3
    # at 150). It is a worse guess of who made the times, so nothing is started there.
    found = minimize(
        lambda at: _ex_gaussian_loss(scaled, at),
        [(start.mu - mean) / sd, float(np.log(start.sigma / sd)), float(np.log(tail))],
        method="L-BFGS-B",
        jac=True,
        bounds=[(None, None), (low, high), (low, high)],
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500},
    )
    return ExGaussianFit(
        mu=mean + sd * float(found.x[0]),
        sigma=sd * float(np.exp(found.x[1])),
        tau=sd * float(np.exp(found.x[2])),
        objective=-float(found.fun) - len(times) * float(np.log(sd)),
    )


def ez_diffusion(
    pc: float, vrt: float, mrt: float, s: float = 0.1, *, n: int | None = None
) -> EzDiffusion | None:
    """The EZ-diffusion model (Wagenmakers, van der Maas and Grasman 2007) in closed form; None at chance (pc = 1/2).

    ``pc`` is the share of right answers, ``vrt`` and ``mrt`` variance (s^2) and mean (s) of the right answers' times, ``s`` the
    scaling of the noise. Of ``n`` answers, pc = 1 counts as 1 - 1 / (2n) and pc = 0 as 1 / (2n). Raises ValueError.
    """
    if not 0 <= pc <= 1:
        raise ValueError(f"pc must lie in 0 .. 1, not be {pc}: give the share of right answers")
    for name, value in (("vrt", vrt), ("mrt", mrt), ("s", s)):
        positive(name, value)
    if pc in {0, 1}:
        if n is None:
            raise ValueError(f"pc is {pc}: give n, the number of answers, so that it can be corrected")
        half = 1 / (2 * whole_number("n", n, low=1))
        pc = half if pc == 0 else 1 - half
    if abs(pc - 0.5) < _CHANCE:
        return None
    edge = 2 * pc - 1
    # logit pc = 2 artanh(2 pc - 1); near chance ln(pc / (1 - pc)) would lose its digits, and at the ends artanh would.
    logit = float(2 * np.arctanh(edge) if abs(edge) < 0.5 else np.log(pc) - np.log1p(-pc))
    # The parentheses keep the digits of pc - 1/2: near chance the bracket is its third power.
    v = float(np.sign(edge)) * s * (logit * (logit * pc * (pc - 1) + (pc - 0.5)) / vrt) ** 0.25
    a = s * s * logit / v
    # (1 - e^y) / (1 + e^y) with y = -v a / s^2 = -logit pc is 2 pc - 1.
    return EzDiffusion(v=v, a=a, ter=mrt - a / (2 * v) * edge)


def d_prime(hits: int, n_signal: int, false_alarms: int, n_noise: int) -> float:
    """z((hits + 1/2) / (n_signal + 1)) - z((false_alarms + 1/2) / (n_noise + 1)): d' with the loglinear correction (Hautus
    1995), finite for every count. Raises ValueError.
    """
    whole_number("n_signal", n_signal, low=1)
    whole_number("n_noise", n_noise, low=1)
    whole_number("hits", hits, low=0, high=n_signal)
    whole_number("false_alarms", false_alarms, low=0, high=n_noise)
    return float(ndtri((hits + 0.5) / (n_signal + 1)) - ndtri((false_alarms + 0.5) / (n_noise + 1)))


def _times(rt_ms: ArrayLike, count_min: int) -> Reals:
    times = positive_reals("rt_ms", rt_ms, count_min=count_min)
    if times.min() == times.max():
        raise ValueError("rt_ms are all equal: there is no spread to divide into parts")
    return times


def _moments(times: Reals) -> ExGaussianMoments:
    mean, sd = float(times.mean()), float(times.std(ddof=1))
    third = float(((times - mean) ** 3).sum()) / (len(times) - 1)
    if third <= 0:
        return ExGaussianMoments(mu=mean, sigma=sd, tau=0.0)
    low, high = _CLIP_SD
    tau = min(max(float(np.cbrt(third / 2)), low * sd), high * sd)
    return ExGaussianMoments(mu=mean - tau, sigma=float(np.sqrt(sd * sd - tau * tau)), tau=tau)


def _ex_gaussian_loss(times: Reals, at: Reals) -> tuple[float, Reals]:
    """Minus the log likelihood at (mu, ln sigma, ln tau), and its slopes."""
    sigma, tau = np.exp(at[1:])
    u, k = (times - at[0]) / sigma, sigma / tau
    # ln f = -ln tau + k^2 / 2 - k u + ln Phi(z). Left of the mode the squares are large and cancel; erfcx has done so already.
    z = u - k
    scaled_tail = erfcx(-z / np.sqrt(2))
    log_density = (
        np.where(z < 0, np.log(scaled_tail / 2) - u * u / 2, k * k / 2 - k * u + log_ndtr(z)) - at[2]
    )
    mills = np.sqrt(2 / np.pi) / scaled_tail
    slopes = [(k - mills) / sigma, k * k - mills * (u + k), k * (u - k + mills) - 1]
    return -float(log_density.sum()), -np.array(slopes).sum(axis=1)
