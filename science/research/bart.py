"""What goes on in people who pump balloons: three models of single choices and their fits.

Balloons come in the order of play. ``pumps`` has shape (n,), whole numbers, the bursting pump included; ``exploded`` has shape
(n,), booleans or 0 and 1. Before a balloon burst or was kept there were p + 1 - e opportunities l = 1, 2, ...: at l <= p the
answer was to pump, at the last one of a kept balloon it was to stop.

par4: van Ravenzwaaij, Dutilh and Wagenmakers 2011. EWMV: Park, Yang, Vassileva and Ahn 2021. Their parameters are maxima of the
posterior, not of the likelihood, which is often highest at infinity; the priors are weak and scale with ``max_pumps``.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypedDict

import msgspec
import numpy as np
from numpy.typing import ArrayLike
from scipy.special import erfcx, log_expit, log_ndtr, ndtr, ndtri  # type: ignore[import-untyped]

from science.research.checks import Reals, Wholes, between, outcomes, positive, whole_number, whole_numbers
from science.research.optimum import Choices, Curve, Peak, Prior, climb, highest_posterior

BALLOONS_MIN = 10  # fewer balloons fit anything
KEPT_MIN = 5
PUMPS_MAX = 10_000
_CELL_MIN = 2  # kept balloons after a burst, and after none: fewer cannot tell an after-effect from noise
_SPREAD_MIN = 1e-9  # ln pumps; below it is rounding
_HALF_LN_TWO_PI = 0.5 * float(np.log(2 * np.pi))
_ROOT_TWO = float(np.sqrt(2))
_ROOT_TWO_OVER_PI = float(np.sqrt(2 / np.pi))


class Par4Fit(msgspec.Struct, frozen=True):
    """The highest posterior of par4.

    ``phi`` (0-1) is the first belief that a pump does not burst, ``eta`` (> 0) how fast it follows experience, ``gamma`` (> 0)
    the appetite for risk, ``tau`` (> 0) how consistently choices follow the intended number. ``objective`` is the log posterior
    less its constants, log_likelihood - 1/2 sum of ((z - m) / s)^2 with z = (probit phi, ln eta, ln gamma, ln tau);
    ``starts_agreed`` of the ``starts`` of the search ended within 1e-3 of it: fewer than all means that there are other peaks.
    """

    phi: float
    eta: float
    gamma: float
    tau: float
    objective: float
    log_likelihood: float
    starts: int
    starts_agreed: int


class EwmvFit(msgspec.Struct, frozen=True):
    """The highest posterior of EWMV.

    ``phi`` (0-1) is the first belief that a pump bursts, ``eta`` (0-1) how fast experience replaces it (hardly recoverable: never
    score it), ``rho`` (-.5 to .5) the liking of variance, ``tau`` (> 0) consistency, ``lambda_`` (> 0) loss aversion.
    The other fields are as in Par4Fit, with z = (probit phi, probit eta, probit(1/2 - rho), ln tau, ln lambda).
    """

    phi: float
    eta: float
    rho: float
    tau: float
    lambda_: float
    objective: float
    log_likelihood: float
    starts: int
    starts_agreed: int


class TargetFit(msgspec.Struct, frozen=True):
    """The maximum likelihood of the censored target model, with standard errors from the observed information.

    ``mu`` is the intended pumps in the middle of the game after a kept balloon, in ln pumps; ``beta`` the drift of ln pumps over
    the whole game; ``delta`` the change of ln pumps after a burst (None: too few balloons of either kind to tell); ``sigma`` the
    standard deviation of ln pumps from balloon to balloon. ``objective`` is the maximised log likelihood.
    """

    mu: float
    beta: float
    delta: float | None
    sigma: float
    mu_se: float
    beta_se: float
    delta_se: float | None
    sigma_se: float
    objective: float


class _Play(NamedTuple):
    """Every opportunity, shape (m,), and what was known before each balloon, shape (n,)."""

    balloon: Wholes  # (m,) index of the balloon
    level: Reals  # (m,) l = 1, 2, ...
    sign: Reals  # (m,) +1 pumped, -1 stopped
    pumped: Reals  # (n,) pumps on earlier balloons
    burst: Reals  # (n,) earlier balloons that burst


_Model = Callable[[_Play, Sequence[float]], Choices]  # the slopes are in the parameters
_Link = Callable[[float], tuple[float, float]]  # from z to a parameter and its slope


def par4_log_likelihood(
    pumps: ArrayLike, exploded: ArrayLike, *, phi: float, eta: float, gamma: float, tau: float
) -> float:
    """The log likelihood of every choice under par4, natural logarithm, no constant left out.

    p_burst = 1 - (phi + eta n_succ) / (1 + eta n_pump) from the earlier balloons, omega = -gamma / ln(1 - p_burst),
    P(pump at l) = logistic(tau (omega - l)). Raises ValueError for data or parameters out of range.
    """
    between("phi", phi, 0, 1)
    for name, value in (("eta", eta), ("gamma", gamma), ("tau", tau)):
        positive(name, value)
    return _value(_par4, _lay_out(*_balloons(pumps, exploded)), (phi, eta, gamma, tau))


def ewmv_log_likelihood(
    pumps: ArrayLike, exploded: ArrayLike, *, phi: float, eta: float, rho: float, tau: float, lambda_: float
) -> float:
    """The log likelihood of every choice under EWMV, natural logarithm, no constant left out.

    p_burst = phi + (1 - exp(-eta n_pump)) ((n_pump - n_succ) / n_pump - phi) from the earlier balloons,
    U = (1 - p) - lambda p (l - 1) + rho p (1 - p) (1 + lambda (l - 1))^2, P(pump at l) = logistic(tau U).
    Raises ValueError for data or parameters out of range.
    """
    between("phi", phi, 0, 1)
    between("eta", eta, 0, 1)
    between("rho", rho, -0.5, 0.5)
    positive("tau", tau)
    positive("lambda_", lambda_)
    return _value(_ewmv, _lay_out(*_balloons(pumps, exploded)), (phi, eta, rho, tau, lambda_))


def fit_par4(pumps: ArrayLike, exploded: ArrayLike, *, max_pumps: int) -> Par4Fit:
    """The highest posterior of par4 for one person, at least 10 balloons of at most ``max_pumps`` (3 or more) pumps.

    Priors on z: means (probit(1 - 2 / P), -4, 0, ln(16 / P)), standard deviations (.5, 2, .7, .7). Raises ValueError.
    """
    play = _to_fit(pumps, exploded, max_pumps)
    prior = Prior(
        mean=(-float(ndtri(2 / max_pumps)), -4.0, 0.0, float(np.log(16 / max_pumps))), sd=(0.5, 2.0, 0.7, 0.7)
    )
    links = (_probit, _log, _log, _log)
    peak = highest_posterior(lambda z: _in_z(_par4, play, links, z), play.sign, prior)
    phi, eta, gamma, tau = _linked(links, peak.z)[0]
    return Par4Fit(phi=phi, eta=eta, gamma=gamma, tau=tau, **_found(peak))


def fit_ewmv(pumps: ArrayLike, exploded: ArrayLike, *, max_pumps: int) -> EwmvFit:
    """The highest posterior of EWMV for one person, at least 10 balloons of at most ``max_pumps`` (3 or more) pumps.

    Priors on z: means (probit(2 / P), -2.3, 0, 1.5, 0), standard deviations (.5, 1, .1, 1, .7). Raises ValueError.
    """
    play = _to_fit(pumps, exploded, max_pumps)
    prior = Prior(mean=(float(ndtri(2 / max_pumps)), -2.3, 0.0, 1.5, 0.0), sd=(0.5, 1.0, 0.1, 1.0, 0.7))
    links = (_probit, _probit, _half_less_probit, _log, _log)
    peak = highest_posterior(lambda z: _in_z(_ewmv, play, links, z), play.sign, prior)
    phi, eta, rho, tau, lambda_ = _linked(links, peak.z)[0]
    return EwmvFit(phi=phi, eta=eta, rho=rho, tau=tau, lambda_=lambda_, **_found(peak))


def fit_target(pumps: ArrayLike, exploded: ArrayLike) -> TargetFit:
    """The censored target model of one person, at least 10 balloons, 5 of them kept after a pump or more.

    ln N_j ~ Normal(mu + beta x_j + delta e_{j-1}, sigma) is the intended number of balloon j = 1 .. n; x_j = (j - (n + 1) / 2) / n
    is the place in the game, e_0 = 0. A kept balloon shows ln p (a density), a burst one N >= p (right-censored at ln(p - 1/2)),
    one kept at 0 pumps N < 1/2 (left-censored). Raises ValueError for too little data, or where sigma would be 0.
    """
    counts, burst = _balloons(pumps, exploded)
    _enough(counts)
    n, kept = len(counts), (burst == 0) & (counts > 0)
    if kept.sum() < KEPT_MIN:
        raise ValueError(f"{kept.sum()} balloons kept after a pump or more, {KEPT_MIN} needed: play on")
    after = np.concatenate([[0], burst[:-1]])
    is_told = min((after[kept] == 1).sum(), (after[kept] == 0).sum()) >= _CELL_MIN
    columns = [np.ones(n), (np.arange(1, n + 1) - (n + 1) / 2) / n, after]
    design = np.column_stack(columns if is_told else columns[:2])
    seen = np.log(np.where(kept, counts, np.maximum(counts - 0.5, 0.5)))
    line = np.linalg.lstsq(design[kept], seen[kept])[0]
    spread = float(np.std(seen[kept] - design[kept] @ line))
    if spread < _SPREAD_MIN:
        raise ValueError("the kept balloons have no scatter: sigma would be 0, and nothing can be fitted")
    side = np.where(kept, 0, np.where(burst == 1, 1, -1))
    # In terms of coefficient / sigma and 1 / sigma the log likelihood is concave (Olsen 1978): one maximum, surely found.
    at, top = climb(lambda at: _target(design, seen, side, at), np.append(line, 1) / spread)
    sigma = 1 / float(at[-1])
    # The slopes of (coefficients, sigma) in what was fitted carry the covariance over.
    back = sigma * np.column_stack([np.eye(len(at), len(line)), -sigma * np.append(at[:-1], 1)])
    errors = np.sqrt(np.diag(back @ np.linalg.inv(top.information) @ back.T)).tolist()
    mu, beta, *delta = (sigma * at[:-1]).tolist()
    return TargetFit(
        mu=mu,
        beta=beta,
        delta=delta[0] if is_told else None,
        sigma=sigma,
        mu_se=errors[0],
        beta_se=errors[1],
        delta_se=errors[2] if is_told else None,
        sigma_se=errors[-1],
        objective=top.value,
    )


class _Found(TypedDict):
    objective: float
    log_likelihood: float
    starts: int
    starts_agreed: int


def _found(peak: Peak) -> _Found:
    """The fields that both posteriors' fits have."""
    return _Found(
        objective=peak.objective,
        log_likelihood=peak.log_likelihood,
        starts=peak.starts,
        starts_agreed=peak.starts_agreed,
    )


def _balloons(pumps: ArrayLike, exploded: ArrayLike) -> tuple[Wholes, Wholes]:
    """The checked data. Raises ValueError."""
    counts = whole_numbers("pumps", pumps, low=0, high=PUMPS_MAX)
    burst = outcomes("exploded", exploded, like=counts)
    if ((burst == 1) & (counts == 0)).any():
        raise ValueError("a balloon exploded at 0 pumps: the bursting pump counts among the pumps")
    return counts, burst


def _enough(counts: Wholes) -> None:
    if len(counts) < BALLOONS_MIN:
        raise ValueError(
            f"{len(counts)} balloons, {BALLOONS_MIN} needed: play {BALLOONS_MIN - len(counts)} more"
        )


def _to_fit(pumps: ArrayLike, exploded: ArrayLike, max_pumps: int) -> _Play:
    counts, burst = _balloons(pumps, exploded)
    _enough(counts)
    # At P = 2 the prior belief of bursting, 2 / P, would be 1, and its probit infinite.
    whole_number("max_pumps", max_pumps, low=3, high=PUMPS_MAX)
    if counts.max() > max_pumps:
        raise ValueError(f"a balloon of {counts.max()} pumps where max_pumps is {max_pumps}")
    return _lay_out(counts, burst)


def _lay_out(counts: Wholes, burst: Wholes) -> _Play:
    """Lay the balloons out, opportunity by opportunity."""
    opportunities = counts + 1 - burst
    balloon = np.repeat(np.arange(len(counts)), opportunities)
    first = np.cumsum(opportunities) - opportunities
    level = np.arange(len(balloon)) - first[balloon] + 1
    return _Play(
        balloon=balloon,
        level=level.astype(np.float64),
        sign=np.where(level <= counts[balloon], 1.0, -1.0),
        pumped=(np.cumsum(counts) - counts).astype(np.float64),
        burst=(np.cumsum(burst) - burst).astype(np.float64),
    )


def _probit(z: float) -> tuple[float, float]:
    """A parameter in (0, 1), and its slope in z."""
    return float(ndtr(z)), float(np.exp(-z * z / 2 - _HALF_LN_TWO_PI))


def _half_less_probit(z: float) -> tuple[float, float]:
    value, slope = _probit(z)
    return 0.5 - value, -slope


def _log(z: float) -> tuple[float, float]:
    value = float(np.exp(z))
    return value, value


def _linked(links: Sequence[_Link], z: Reals) -> tuple[list[float], list[float]]:
    """The parameters at z, and their slopes."""
    pairs = [link(float(one)) for link, one in zip(links, z, strict=True)]
    return [value for value, _ in pairs], [slope for _, slope in pairs]


def _in_z(model: _Model, play: _Play, links: Sequence[_Link], z: Reals) -> Choices:
    """A model's choices as a function of z."""
    parameters, slopes = _linked(links, z)
    choices = model(play, parameters)
    return Choices(choices.logit, choices.slopes * np.array(slopes)[:, np.newaxis])


def _value(model: _Model, play: _Play, parameters: Sequence[float]) -> float:
    """The log likelihood alone. At parameters that nobody has the slopes may overflow, and are not asked for."""
    with np.errstate(over="ignore"):
        return float(log_expit(play.sign * model(play, parameters).logit).sum())


def _par4(play: _Play, parameters: Sequence[float]) -> Choices:
    phi, eta, gamma, tau = parameters
    p_burst = (1 - phi + eta * play.burst) / (1 + eta * play.pumped)
    survived = play.pumped - play.burst
    trust = phi + eta * survived
    # ln(1 - p_burst), precise at both ends: near 1 the first form would end at ln 0, near 0 the second at -0.
    log_survival = np.where(
        p_burst < 0.5, np.log1p(-np.minimum(p_burst, 0.5)), np.log(trust) - np.log1p(eta * play.pumped)
    )
    omega = -gamma / log_survival
    of_log_survival = gamma / log_survival**2
    of_omega = [
        of_log_survival / trust,
        of_log_survival * (survived / trust - play.pumped / (1 + eta * play.pumped)),
        -1 / log_survival,
    ]
    left = omega[play.balloon] - play.level
    return Choices(
        logit=tau * left,
        slopes=np.array([*(tau * slope[play.balloon] for slope in of_omega), left]),
    )


def _ewmv(play: _Play, parameters: Sequence[float]) -> Choices:
    phi, eta, rho, tau, lambda_ = parameters
    rate = play.burst / np.maximum(play.pumped, 1)  # before the first pump its weight is 0
    p = (phi - np.expm1(-eta * play.pumped) * (rate - phi))[play.balloon]
    # With w = 1 + lambda (l - 1), U = 1 + p w (rho (1 - p) w - 1): no difference of large numbers is left.
    stake = 1 + lambda_ * (play.level - 1)
    appeal = rho * (1 - p) * stake - 1
    utility = 1 + p * stake * appeal
    doubt = np.exp(-eta * play.pumped)  # what is left of the first belief
    of_p = stake * (appeal - rho * p * stake)
    slopes = [
        tau * of_p * doubt[play.balloon],
        tau * of_p * (doubt * play.pumped * (rate - phi))[play.balloon],
        tau * p * (1 - p) * stake**2,
        utility,
        tau * p * (play.level - 1) * (2 * appeal + 1),
    ]
    return Choices(logit=tau * utility, slopes=np.array(slopes))


def _target(design: Reals, seen: Reals, side: Wholes, at: Reals) -> Curve:
    """The censored log likelihood at (coefficients / sigma, 1 / sigma); concave, as r is linear in both.

    ``side``: 1 means that N is above, -1 below, 0 at what was seen.
    """
    precision, size = float(at[-1]), len(at)
    if precision <= 0:
        return Curve(-np.inf, np.zeros(size), np.eye(size))
    is_seen = side == 0
    linear = np.column_stack([-design, seen])
    r = linear @ at
    # A censored balloon counts ln Phi(-side r), whose slope in r is -side times the inverse Mills ratio.
    s = side * r
    mills = _ROOT_TWO_OVER_PI / erfcx(s / _ROOT_TWO)  # no difference of large numbers
    value = np.where(is_seen, np.log(precision) - r * r / 2 - _HALF_LN_TWO_PI, log_ndtr(-s))
    gradient = linear.T @ np.where(is_seen, -r, -side * mills)
    gradient[-1] += is_seen.sum() / precision
    information = (linear.T * np.where(is_seen, 1.0, mills * (mills - s))) @ linear
    information[-1, -1] += is_seen.sum() / precision**2
    return Curve(float(value.sum()), gradient, information)
