"""Where a person stands in a reference sample: each metric as z, their weighted composite, and how sure both are.

Everything is in micro-units: z, its standard error, weights; variances in squared micro-units unless said.

The variance of a composite is moderated, game by game (the empirical-Bayes variance of Smyth 2004): S, what the influences of this
session's units add up to on nu = units - 1 degrees of freedom, is weighed with P, the error variance that the sample's
reliability predicts for a session of this length, on nu_0: V = (nu_0 P + nu S) / (nu_0 + nu). So a session whose few units
happen to agree does not look surer than it can be; one without any spread tells nothing of its error, and has P. The variances
of the games add up; Student's quantile at Welch and Satterthwaite's degrees of freedom makes the interval.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from math import isqrt
from typing import NamedTuple

import msgspec

from science.exact import MICRO, micro, micro_ratio, micro_root, normal_cdf, normal_quantile, q32
from science.game import Metric
from science.mapping import Fold, Interval, MetricRule, Norm, NormSet, Published, TraitRule
from science.measure import Measures, Precision


class Term(msgspec.Struct, frozen=True, gc=False):
    """One metric of a trait. ``z`` and all that follows are None where the metric cannot stand anywhere.

    ``y`` is z, folded where the mapping folds it; ``slope`` is dy/dz; ``se`` the moderated standard error of z; ``coefficient`` is what
    one unit of the metric adds to the sum of w y: w slope d / sigma.
    """

    rule: MetricRule
    metric: Metric
    norm_set: NormSet | None
    norm: Norm | None
    is_counted: bool
    z: int | None = None
    se: int | None = None
    y: int = 0
    slope: int = MICRO
    coefficient: int = 0

    @property
    def reliability(self) -> int:
        """Of y in the reference sample."""
        assert self.norm is not None
        return self.rule.fold.reliability if self.rule.fold is not None else self.norm.reliability


class Standing(msgspec.Struct, frozen=True, gc=False):
    """A composite c = sum of w y / D with D^2 = w'Rw; ``scale`` is D^2, ``df`` the degrees of freedom of ``sem`` (None: normal).

    ``reliability`` is 100 tau^2 / (tau^2 + SEM^2) with tau^2 the composite's reliability in the sample (Mosier 1943).
    """

    terms: tuple[Term, ...]
    winsor: int
    scale: int
    c: int
    sem: int
    df: int | None
    method: str
    reliability: int
    tau2: int
    interval: tuple[int, int]
    trait_interval: tuple[int, int] | None


class Frame(NamedTuple):
    """``scale`` and ``tau2`` of a standing, and what another day would add to its variance, None where nobody knows."""

    scale: int
    tau2: int
    day: int | None


def terms_of(measures: Measures, published: Published, rule: TraitRule) -> list[Term]:
    """Every metric of a trait, as far as it comes."""
    return [_term(measures, published, metric) for metric in rule.metrics]


def stand(
    terms: Sequence[Term], measures: Measures, published: Published, rule: TraitRule
) -> Standing | None:
    """The composite of the terms that can be used; None where a group of required metrics has none that stands anywhere.

    A metric is used only if its game was played enough; where that is so of no metric of a required group, all of the group are, so
    that the refusal can say what they come to.
    """
    counted = {term.rule.metric for term in terms if term.z is not None and term.is_counted}
    lacking = {name for group in rule.required if counted.isdisjoint(group) for name in group}
    used = tuple([term for term in terms if term.z is not None and term.rule.metric in counted | lacking])
    known = {term.rule.metric for term in used}
    if any(known.isdisjoint(group) for group in rule.required):
        return None
    interval = published.mapping.interval
    scale, tau2, day = frame_of(used, rule)
    root = micro_root(scale, MICRO)
    c = micro_ratio(sum([term.rule.weight * term.y for term in used]), root * MICRO)
    if interval.method == "greenwood_delta":
        sem, df, method = _own_error(used[0], interval)
    else:
        sem, df = _moderated_error(used, measures, scale, interval.prior_df)
        method = interval.method
    quantile, norms = student(interval.z, df), norms_variance(used, scale)
    half = _half(sem, quantile, norms, interval.z)
    far = None if day is None else _half(sem, quantile, norms + day, interval.z)
    return Standing(
        terms=used,
        winsor=published.mapping.winsor,
        scale=scale,
        c=c,
        sem=sem,
        df=df,
        method=method,
        reliability=micro_ratio(100 * tau2 * MICRO, tau2 * MICRO + sem * sem),
        tau2=tau2,
        interval=(c - half, c + half),
        trait_interval=None if far is None else (c - far, c + far),
    )


def frame_of(used: Sequence[Term], rule: TraitRule) -> Frame:
    """What does not depend on how the metrics turned out, but only on which of them are used, and by which norms."""
    weights = [term.rule.weight for term in used]
    squares = sum([w * w for w in weights])
    scale = micro_ratio(
        squares * MICRO + rule.correlation * (sum(weights) * sum(weights) - squares), MICRO * MICRO * MICRO
    )
    unreliable = sum([t.rule.weight * t.rule.weight * (MICRO - t.reliability) for t in used])
    return Frame(scale, MICRO - micro_ratio(unreliable, MICRO * MICRO * scale), _day_variance(used, scale))


def composite_of(standing: Standing, values: Mapping[str, Mapping[str, int | None]]) -> int | None:
    """The composite with other values of the same metrics, by game and metric; None where one of them has no value."""
    total = 0
    for term in standing.terms:
        assert term.norm is not None
        value = values[term.rule.game][term.rule.metric]
        if value is None:
            return None
        z = _z(value, term.rule, term.norm, standing.winsor)
        total += term.rule.weight * (z if term.rule.fold is None else folded(z, term.rule.fold))
    return micro_ratio(total, micro_root(standing.scale, MICRO) * MICRO)


def covariance(one: Standing, other: Standing, measures: Measures, prior_df: int) -> int:
    """Of two composites, moderated as their variances are (the prior knows of none but a shared metric's own); micro-units."""
    total = 0
    for game, precision in measures.precisions.items():
        mine, others = ([t for t in s.terms if t.rule.game == game] for s in (one, other))
        if mine and others:
            session, prior = _variances(mine, others, precision)
            total += _moderated(session, prior, precision.units - 1, prior_df)
    return micro_ratio(total, micro_root(one.scale, MICRO) * micro_root(other.scale, MICRO))


def probability(z: int) -> int:
    """Phi of z."""
    return micro(normal_cdf(q32(z)))


def student(z: int, df: int | None) -> int:
    """The quantile of Student's t where the normal's is ``z``; Fisher's expansion (Abramowitz & Stegun 26.7.5), good from 4 df."""
    if df is None:
        return z
    g1, g2, g3 = expansion(z)
    return z + (((g3 * MICRO // df) + g2) * MICRO // df + g1) * MICRO // df


@cache
def expansion(z: int) -> tuple[int, int, int]:
    """What Fisher's expansion adds to ``z`` for the first three powers of 1 / df; micro-units."""
    z2 = z * z // MICRO
    g1 = z * (z2 + MICRO) // (4 * MICRO)
    g2 = z * ((5 * z2 + 16 * MICRO) * z2 // MICRO + 3 * MICRO) // (96 * MICRO)
    g3 = z * (((3 * z2 + 19 * MICRO) * z2 // MICRO + 17 * MICRO) * z2 // MICRO - 15 * MICRO) // (384 * MICRO)
    return g1, g2, g3


def folded(z: int, fold: Fold) -> int:
    """f(z), brought to mean 0 and SD 1 of the reference sample."""
    z = abs(z) * fold.shrink // MICRO
    f = micro(normal_quantile(2 * normal_cdf(-q32(z))))
    return micro_ratio(max(-fold.limit, min(fold.limit, f)) - fold.mean, fold.sd)


# ----------------------------------------------------------------------------------------------------------- one metric

NOT_PLAYED = Metric(None, 0, "", None, "game_not_played")


def _term(measures: Measures, published: Published, rule: MetricRule) -> Term:
    mapping = published.mapping
    metric = measures.metrics.get(rule.metric, NOT_PLAYED)
    norms = norms_of(measures, published, rule)
    norm = None if norms is None else norms.metrics[rule.metric]
    counts = mapping.games[rule.game].counts
    is_counted = all(count_of(measures, count.metric) >= count.minimum for count in counts)
    if norm is None or metric.value is None or metric.se is None:
        return Term(rule, metric, norms, norm, is_counted)
    z = _z(metric.value, rule, norm, mapping.winsor)
    se = micro_ratio(metric.se, norm.sd)
    if mapping.interval.method == "greenwood_delta":
        return Term(rule, metric, norms, norm, is_counted, z, se, z)
    precision = measures.precisions[rule.game]
    if rule.metric not in precision.covariances:
        return Term(rule, metric, norms, norm, is_counted)  # one unit shows no spread
    variance = _moderated(
        se * se, _error_variance(norm, precision.units), precision.units - 1, mapping.interval.prior_df
    )
    se = isqrt(variance)
    y, slope = z, MICRO
    if rule.fold is not None:
        y, slope = folded(z, rule.fold), _fold_slope(z, se, rule.fold)
    coefficient = micro_ratio(rule.weight * slope * rule.direction, norm.sd * MICRO)
    return Term(rule, metric, norms, norm, is_counted, z, se, y, slope, coefficient)


def _z(value: int, rule: MetricRule, norm: Norm, winsor: int) -> int:
    """d (x - mu) / sigma, winsorised."""
    return max(-winsor, min(winsor, micro_ratio(rule.direction * (value - norm.mean), norm.sd)))


def count_of(measures: Measures, metric: str) -> int:
    """A counting metric in whole units; 0 where its game was not played."""
    found = measures.metrics.get(metric)
    return 0 if found is None or found.value is None else found.value // MICRO


def norms_of(measures: Measures, published: Published, rule: MetricRule) -> NormSet | None:
    """The first norm set of the mapping that every play of the metric's game agrees with."""
    plays = [play.match for play in measures.games if play.game == rule.game]
    if not plays:
        return None
    for norms in published.norms.values():
        if (
            rule.metric in norms.metrics
            and norms.game == rule.game
            and all(norms.fits(match) for match in plays)
        ):
            return norms
    return None


def _fold_slope(z: int, se: int, fold: Fold) -> int:
    """How fast the folded value changes about z: its range within one standard error either way, over that width.

    A derivative would be blind where the fold bends: at its top the slope is 0 and the value as unsure as anywhere.
    """
    ends = [folded(z - se, fold), folded(z + se, fold)]
    top = top_of(fold) if abs(z) <= se else max(ends)
    slope = micro_ratio(top - min(ends), 2 * se)
    return -slope if z > 0 else slope


@cache
def top_of(fold: Fold) -> int:
    """The folded value of the mean."""
    return folded(0, fold)


# ------------------------------------------------------------------------------------------------------------- its error


def _own_error(term: Term, interval: Interval) -> tuple[int, None, str]:
    """The metric's own standard error; where it is 0, all units being alike, the sample's reliability stands in."""
    assert term.norm is not None
    assert term.se is not None
    if term.se == 0:
        return micro_root(MICRO - term.norm.reliability, MICRO), None, "sem"
    return term.se, None, interval.method


def _moderated_error(used: Sequence[Term], measures: Measures, scale: int, prior_df: int) -> tuple[int, int]:
    """The standard error of the composite, and its degrees of freedom in micro-units."""
    total = 0
    shares: list[tuple[int, int]] = []  # variance, degrees of freedom
    for game in dict.fromkeys([term.rule.game for term in used]):
        precision = measures.precisions[game]
        mine = [term for term in used if term.rule.game == game]
        session, prior = _variances(mine, mine, precision)
        variance = _moderated(session, prior, precision.units - 1, prior_df)
        shares.append((variance, prior_df + (precision.units - 1 if session else 0)))
        total += variance
    spread = sum([micro_ratio(variance * variance, df) for variance, df in shares])
    df = total * total * MICRO * MICRO // spread if spread else prior_df * MICRO
    return micro_root(total, scale * MICRO), df


def _variances(mine: Sequence[Term], others: Sequence[Term], precision: Precision) -> tuple[int, int]:
    """The covariance of two sums of w y within one game: what the session's units show, and what the sample predicts.

    A correlation between metrics within the game is the session's own to show; the prior has none.
    """
    session = prior = 0
    for term in mine:
        for other in others:
            name, older = term.rule.metric, other.rule.metric
            known = precision.covariances
            covaried = known[name][older] if name >= older else known[older][name]
            session += term.coefficient * other.coefficient * covaried
            if name == older:
                assert term.norm is not None
                weight = term.rule.weight * term.slope * other.rule.weight * other.slope
                weight *= term.rule.direction * other.rule.direction
                prior += weight * _error_variance(term.norm, precision.units)
    return session // (MICRO * MICRO), prior // (MICRO * MICRO * MICRO * MICRO)


def _error_variance(norm: Norm, units: int) -> int:
    """(1 - rho) sigma^2 for a session of ``units`` where rho holds for ``length``, in squared micro-units of sigma."""
    return (MICRO - norm.reliability) * norm.length * MICRO // units


def _moderated(session: int, prior: int, df: int, prior_df: int) -> int:
    """Where all units are alike, and show no spread, the sample's error variance stands in."""
    return (df * session + prior_df * prior) // (df + prior_df) if session else prior


# ---------------------------------------------------------------------------------------------------------- its interval


def _half(sem: int, quantile: int, more: int, z: int) -> int:
    """Half the interval: Student's ``quantile`` of the SEM, and the normal's, ``z``, of what ``more`` variance is known exactly."""
    spread = sem * sem + more * MICRO * z * z // (quantile * quantile)
    return micro_ratio(micro_root(spread, MICRO * MICRO) * quantile, MICRO * MICRO)


def norms_variance(used: Sequence[Term], scale: int) -> int:
    """What the size of the norm sets leaves unsure: 1/N + z^2/2N of each mean and SD; micro-units."""
    total = 0
    for term in used:
        assert term.norm is not None
        assert term.z is not None
        own = micro_ratio(2 * MICRO * MICRO + term.z * term.z, 2 * term.norm.n * MICRO * MICRO)
        weight = term.rule.weight * term.slope // MICRO
        total += own * weight * weight // (scale * MICRO)
    return total


def _day_variance(used: Sequence[Term], scale: int) -> int | None:
    """What another day would add: the part of the reliable variance that a retest does not find again."""
    days = 0
    for term in used:
        assert term.norm is not None
        if term.norm.retest is None or term.rule.fold is not None:
            return None
        days += term.rule.weight * term.rule.weight * max(0, term.norm.reliability - term.norm.retest)
    return micro_ratio(days, MICRO * MICRO * scale)
