"""Where many people stand: ``science/standing.py`` over columns, to the last bit.

What a session does not use has weight and coefficient 0, so that it adds nothing. A session is no longer ``known`` where a figure is
beyond what is expected of it here: with that, and with what ``is_fit`` asks of the mapping, no int64 wraps but within ``Exact.over``.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import count, product
from typing import NamedTuple

import numpy as np

from science.columns.events import Column, Mask
from science.columns.kernel import (
    Exact,
    half_root,
    micro,
    normal_cdf,
    normal_quantile,
    q32,
    root,
)
from science.columns.rows import Rows
from science.exact import MICRO, micro_root
from science.mapping import Fold, Norm, Published, TraitRule
from science.standing import NOT_PLAYED, Frame, Term, expansion, frame_of, top_of

_NO_FRAME = Frame(scale=MICRO, tau2=MICRO, day=None)  # of a trait that a session has no standing of
_SQUARE = MICRO * MICRO


class Terms(NamedTuple):
    """The columns of ``Term``; ``lean`` is direction times weight times slope, ``error`` the sample's error variance."""

    z: Column
    se: Column
    y: Column
    slope: Column
    coefficient: Column
    lean: Column
    error: Column


class Stands(NamedTuple):
    """The columns of ``Standing``, one row a trait: whether there is any, and ``half`` its interval's width, ``far`` that of the other
    one where ``has_day``; ``used`` and ``part``, what each term adds to the composite, have one row a metric, and ``correlations`` one
    for every two traits, in the order of ``pairs``.
    """

    stands: Mask
    used: Mask
    has_day: Mask
    scale: Column
    c: Column
    sem: Column
    df: Column
    reliability: Column
    tau2: Column
    half: Column
    far: Column
    shrunk: Column
    part: Column
    correlations: Column


@lru_cache(maxsize=64)
def is_fit(published: Published) -> bool:
    """Whether sessions can be scored by this mapping in columns: its method, and bounds that leave every figure room."""
    mapping = published.mapping
    interval = mapping.interval
    rules = [rule for trait in mapping.traits.values() for rule in trait.metrics]
    return (
        interval.method == "moderated_jackknife"
        and 4 <= interval.prior_df < 1 << 10
        and 0 < interval.z < 1 << 22
        and 0 < mapping.winsor < 1 << 24
        and len(mapping.traits) > 0
        and all(trait.required and 0 < len(trait.metrics) <= 8 for trait in mapping.traits.values())
        and all(abs(trait.correlation) <= MICRO for trait in mapping.traits.values())
        and all(0 <= rule.weight < 1 << 20 and rule.direction in {1, -1} for rule in rules)
        and all(rule.fold is None or _is_fit_fold(rule.fold) for rule in rules)
        and all(_is_fit_norm(norm) for norms in published.norms.values() for norm in norms.metrics.values())
    )


def _is_fit_fold(fold: Fold) -> bool:
    return (
        0 <= fold.shrink <= 1 << 21
        and 0 <= fold.limit < 1 << 24
        and abs(fold.mean) < 1 << 24
        and 1 << 10 <= fold.sd < 1 << 40
    )


def _is_fit_norm(norm: Norm) -> bool:
    return (
        abs(norm.mean) < 1 << 40
        and 0 < norm.sd < 1 << 40
        and 0 < norm.n < 1 << 40
        and 0 <= norm.reliability <= MICRO
        and 0 <= norm.length < 1 << 10
    )


# ----------------------------------------------------------------------------------------------------------- one metric


def terms_of(rows: Rows, published: Published, exact: Exact) -> Terms:
    """Every row, whether its trait uses it or not; a row that cannot stand anywhere is one of zeros."""
    mapping, norm = published.mapping, rows.norm
    weight, direction = _of_rules(rows, "weight"), _of_rules(rows, "direction")
    value: Column = np.where(rows.has, rows.value, norm["mean"])
    own: Column = np.where(rows.has, rows.se, 0)
    units: Column = np.where(rows.has, [rows.units[rule.game] for rule in rows.rules], 2)
    exact.expect((value > -1 << 40) & (value < 1 << 40) & (own < 1 << 40) & (units > 1) & (units <= 1 << 10))
    units = np.clip(units, 2, 1 << 10)
    sd = norm["sd"]
    z: Column = (2 * MICRO * direction * (value - norm["mean"]) + sd) // (2 * sd)
    z = np.clip(z, -mapping.winsor, mapping.winsor)
    own = (2 * MICRO * own + sd) // (2 * sd)
    exact.expect(own < 1 << 26)
    own = np.clip(own, 0, 1 << 26)
    error = (MICRO - norm["reliability"]) * norm["length"] * MICRO // units
    se = root(_moderated(own * own, error, units - 1, mapping.interval.prior_df))
    y, slope = z.copy(), np.full_like(z, MICRO)
    bent = [place for place, rule in enumerate(rows.rules) if rule.fold is not None]
    if bent:
        exact.expect((se[bent] > 0) | ~rows.has[bent])
        folds = [rule.fold for rule in rows.rules if rule.fold is not None]
        y[bent], slope[bent] = _folded(z[bent], np.maximum(se[bent], 1), folds)
        exact.expect((np.abs(slope) < 1 << 24) | ~rows.has)
        slope = np.clip(slope, -1 << 24, 1 << 24)
    y[~rows.has], slope[~rows.has] = 0, MICRO
    lean = direction * weight * slope
    coefficient = (2 * lean + sd) // (2 * sd)
    coefficient[~rows.has] = 0
    return Terms(z, se, y, slope, coefficient, lean, error)


def _of_rules(rows: Rows, field: str) -> Column:
    return np.array([[getattr(rule, field)] for rule in rows.rules])


def _moderated(session: Column, prior: Column, df: Column, prior_df: int) -> Column:
    """``standing._moderated``; both variances stay below 2**52, and df and prior_df below 2**10."""
    return np.where(session != 0, (df * session + prior_df * prior) // (df + prior_df), prior)


def _folded(z: Column, se: Column, folds: Sequence[Fold]) -> tuple[Column, Column]:
    """The folded values and their slopes; |z| and se stay below 2**27, what is taken of them below 2**29."""
    shrink, limit, mean, sd = (
        np.array([[getattr(fold, field)] for fold in folds]) for field in ("shrink", "limit", "mean", "sd")
    )
    points = np.abs(np.array([z, z - se, z + se])) * shrink // MICRO
    f = micro(normal_quantile(2 * normal_cdf(-q32(points))))
    y, below, above = (2 * MICRO * (np.clip(f, -limit, limit) - mean) + sd) // (2 * sd)
    tops = np.array([[top_of(fold)] for fold in folds])
    top = np.where(np.abs(z) <= se, tops, np.maximum(below, above))
    slope = (2 * MICRO * (top - np.minimum(below, above)) + 2 * se) // (4 * se)
    return y, np.where(z > 0, -slope, slope)


# ------------------------------------------------------------------------------------------------------------ the traits


def stands_of(rows: Rows, terms: Terms, published: Published, exact: Exact) -> Stands:
    """The standing of every session in every trait."""
    interval, traits = published.mapping.interval, list(published.mapping.traits.values())
    starts = np.cumsum([0, *[len(rule.metrics) for rule in traits[:-1]]])
    trait_of = np.repeat(np.arange(len(traits)), [len(rule.metrics) for rule in traits])
    stands, used = _used(traits, starts, rows)
    scale, tau2, day, has_day, divisor = _frames(traits, starts, rows, used)
    weighted = np.where(used, _of_rules(rows, "weight") * terms.y, 0)
    c = (2 * np.add.reduceat(weighted, starts) + divisor) // (2 * divisor)
    shares = _shares(published)
    variances, share_df = _variances(shares, rows, terms, used, prior_df=interval.prior_df, exact=exact)
    totals = np.array([variances[first:last].sum(axis=0) for first, last in shares.spans])
    total, own = totals[: len(traits)], shares.spans[len(traits) - 1][1]
    df = _welch(
        variances[:own],
        share_df[:own],
        total,
        [first for first, _ in shares.spans[: len(traits)]],
        interval.prior_df,
    )
    exact.expect((total >= 0) & (df >= 3 * MICRO) & (np.abs(tau2) < 1 << 40) & (scale < 1 << 40))
    sem = half_root(np.maximum(exact.over([total, 4 * MICRO], scale), 0))
    exact.expect(sem < 1 << 29)
    sem = np.minimum(sem, 1 << 29)
    reliability = exact.ratio([tau2, 100 * MICRO], tau2 * MICRO + sem * sem)
    g1, g2, g3 = expansion(interval.z)
    df = np.maximum(df, 3 * MICRO)
    quantile = interval.z + (((g3 * MICRO // df) + g2) * MICRO // df + g1) * MICRO // df
    norms = np.add.reduceat(_norms_variances(rows, terms, used, scale[trait_of], exact), starts)
    return Stands(
        stands=stands,
        used=used,
        has_day=has_day,
        scale=scale,
        c=c,
        sem=sem,
        df=df,
        reliability=reliability,
        tau2=tau2,
        half=_half(sem, quantile, norms, interval.z, exact),
        far=_half(sem, quantile, norms + day, interval.z, exact),
        shrunk=exact.over([c, reliability], 100 * MICRO),
        part=(2 * weighted + divisor[trait_of]) // (2 * divisor[trait_of]),
        correlations=_correlations(shares, totals, divisor, sem, stands, exact=exact),
    )


def _used(traits: Sequence[TraitRule], starts: Column, rows: Rows) -> tuple[Mask, Mask]:
    """Where the traits stand anywhere, and which metrics they use there."""
    used = rows.has & rows.is_counted
    counted, stands = used.copy(), np.ones((len(traits), used.shape[1]), dtype=np.bool_)
    for trait, (rule, start) in enumerate(zip(traits, starts.tolist(), strict=True)):
        groups = [
            [place for place, metric in enumerate(rule.metrics, start) if metric.metric in group]
            for group in rule.required
        ]
        for members in groups:
            used[members] |= rows.has[members] & ~counted[members].any(axis=0)
        for members in groups:
            stands[trait] &= used[members].any(axis=0)
        used[start : start + len(rule.metrics)] &= stands[trait]
    return stands, used


def _frames(
    traits: Sequence[TraitRule], starts: Column, rows: Rows, used: Mask
) -> tuple[Column, Column, Column, Mask, Column]:
    """The scale, tau2, day variance (0 without) and root of the scale of every session's frame: there are few different ones."""
    found = []
    for rule, start in zip(traits, starts.tolist(), strict=True):
        places = slice(start, start + len(rule.metrics))
        bits = (used[places] << np.arange(len(rule.metrics))[:, None]).sum(axis=0)
        _, firsts, which = np.unique(
            rows.norming << len(rule.metrics) | bits, return_index=True, return_inverse=True
        )
        figures = []
        for session in firsts.tolist():
            sets = rows.norms[rows.norming[session]][places]
            chosen = [
                Term(metric, NOT_PLAYED, norms, norms.metrics[metric.metric], True)
                for metric, norms, is_used in zip(rule.metrics, sets, used[places, session], strict=True)
                if is_used and norms is not None
            ]
            scale, tau2, day = frame_of(chosen, rule) if chosen else _NO_FRAME
            figures.append((scale, tau2, day or 0, day is not None, micro_root(scale, MICRO)))
        found.append(np.array(figures).T[:, which])
    scale, tau2, day, has_day, divisor = np.array(found).transpose(1, 0, 2)
    return scale, tau2, day, has_day.astype(np.bool_), divisor


# ------------------------------------------------------------------------------------------------------------ their errors


class Shares(NamedTuple):
    """What composites share of the error of each game, share by share: first each trait with itself, then each of ``pairs``, whose
    shares are from one of ``spans`` to the other. A share adds up products of coefficients, ``mine`` and ``others``, and the covariance
    of ``metrics``, from one of ``starts`` on; those of ``alike`` are of one metric, and belong to ``alike_shares``.
    """

    pairs: list[tuple[int, int]]
    spans: list[tuple[int, int]]
    games: list[str]
    mine: list[int]
    others: list[int]
    metrics: list[tuple[str, str]]
    starts: list[int]
    alike: list[int]
    alike_starts: list[int]
    alike_shares: list[int]


@lru_cache(maxsize=64)
def pairs_of(published: Published) -> list[tuple[str, str]]:
    """Every two traits by name, in the order in which a profile correlates them; the first form told of no correlations."""
    names = sorted(published.mapping.traits) if published.mapping.form > 1 else []
    return [(other, name) for place, name in enumerate(names) for other in names[:place]]


@lru_cache(maxsize=64)
def _shares(published: Published) -> Shares:
    """Those of a mapping's traits."""
    mapping, places = published.mapping, count()
    rows = {
        trait: [(next(places), metric) for metric in rule.metrics] for trait, rule in mapping.traits.items()
    }
    order, later = list(mapping.traits), pairs_of(published)
    shares = Shares(
        [(order.index(one), order.index(other)) for one, other in later], [], [], [], [], [], [], [], [], []
    )
    for one, other in [*zip(order, order, strict=True), *later]:
        first = len(shares.games)
        for game in dict.fromkeys([metric.game for _, metric in rows[one]]):
            found = [
                (mine, others, (metric.metric, older.metric))
                for (mine, metric), (others, older) in product(rows[one], rows[other])
                if metric.game == older.game == game
            ]
            if not found:
                continue
            shares.starts.append(len(shares.mine))
            alike = [
                place for place, (_, _, (name, older)) in enumerate(found, len(shares.mine)) if name == older
            ]
            if alike:
                shares.alike_starts.append(len(shares.alike))
                shares.alike_shares.append(len(shares.games))
                shares.alike.extend(alike)
            shares.games.append(game)
            for mine, others, metrics in found:
                shares.mine.append(mine)
                shares.others.append(others)
                shares.metrics.append(metrics)
        shares.spans.append((first, len(shares.games)))
    return shares


def _variances(
    shares: Shares, rows: Rows, terms: Terms, used: Mask, *, prior_df: int, exact: Exact
) -> tuple[Column, Column]:
    """The moderated variance or covariance of each share, and its degrees of freedom."""
    coefficient, lean = np.where(used, terms.coefficient, 0), np.where(used, terms.lean, 0)
    covariances = rows.covariances[[rows.pairs[metrics] for metrics in shares.metrics]]
    session = exact.over(
        [coefficient[shares.mine], coefficient[shares.others], covariances], _SQUARE, starts=shares.starts
    )
    mine, others = ([side[place] for place in shares.alike] for side in (shares.mine, shares.others))
    # the sum of a b error / MICRO**4, in two steps: a b = high MICRO**2 + low
    high, error = exact.over([lean[mine], lean[others]], _SQUARE), terms.error[mine]
    low = lean[mine] * lean[others] - high * _SQUARE
    rest = exact.over([low, error], _SQUARE, starts=shares.alike_starts)
    prior = np.zeros_like(session)
    prior[shares.alike_shares] = exact.over([high, error], _SQUARE, starts=shares.alike_starts, plus=rest)
    exact.expect((np.abs(session) < 1 << 52) & (np.abs(prior) < 1 << 52))
    df = np.clip([rows.units[game] for game in shares.games], 2, 1 << 10) - 1
    return _moderated(session, prior, df, prior_df), prior_df + np.where(session != 0, df, 0)


def _welch(variances: Column, df: Column, total: Column, starts: Sequence[int], prior_df: int) -> Column:
    """Degrees of freedom in micro-units. The squares are too wide for a divisor of int64: these few are Python's integers."""
    wide, wide_df = variances.astype(object), df.astype(object)
    spread = np.add.reduceat((2 * MICRO * wide * wide + wide_df) // (2 * wide_df), starts)
    whole = total.astype(object)
    whole = whole * whole * _SQUARE
    found: Column = np.where(spread > 0, whole // np.maximum(spread, 1), prior_df * MICRO).astype(np.int64)
    return found


def _correlations(
    shares: Shares, totals: Column, divisor: Column, sem: Column, stands: Mask, *, exact: Exact
) -> Column:
    """Of the errors of every two composites, in micro-units; 0 where not both stand."""
    one, other = [name for name, _ in shares.pairs], [name for _, name in shares.pairs]
    covariance = exact.ratio([totals[len(stands) :]], divisor[one] * divisor[other])
    sems, is_both = sem[one] * sem[other] // MICRO, stands[one] & stands[other]
    return exact.ratio([covariance], np.where(is_both, sems, MICRO))


# ---------------------------------------------------------------------------------------------------------- their intervals


def _norms_variances(rows: Rows, terms: Terms, used: Mask, scale: Column, exact: Exact) -> Column:
    n = rows.norm["n"]
    own = (2 * _SQUARE + terms.z * terms.z + n * MICRO) // (2 * n * MICRO)
    lean = np.where(used, _of_rules(rows, "weight") * terms.slope // MICRO, 0)
    return exact.over([own, lean, lean], scale * MICRO)


def _half(sem: Column, quantile: Column, more: Column, z: int, exact: Exact) -> Column:
    beside = exact.over([more, MICRO, z * z], quantile * quantile)
    exact.expect((beside >= 0) & (beside < 1 << 58))
    wide = half_root(4 * (sem * sem + np.clip(beside, 0, 1 << 58)))
    found: Column = (wide * quantile + MICRO // 2) // MICRO
    return found
