"""What profiles are inferred from, as columns: each metric of each trait, by which norms it stands, and how the units covaried.

A row is a metric of a trait and has one value a session. What int64 does not hold leaves its session not ``known``.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from science.columns.events import Column, Mask
from science.columns.kernel import Exact
from science.exact import MICRO
from science.game import Metric
from science.mapping import MetricRule, Norm, NormSet, Published
from science.measure import Measures, Precision
from science.standing import NOT_PLAYED, norms_of

_NO_NORM = Norm(n=1, mean=0, sd=1, reliability=0)
_NO_PRECISION = Precision(2, {})
_ABSENT = -1 << 63  # a value that is None; a standard error and a variance are -1 then


class Rows(NamedTuple):
    """Of all ``rules``: by session and row the ``metrics``; by norming and row the ``norms``, ``norming`` being which of them is a
    session's; and by row and session whether its game was played enough, whether it can stand anywhere, and columns: ``value``, ``se``
    and, by field, ``norm``. ``covariances`` has a column for every pair of a game's metrics, at its place in ``pairs``, ``units`` one a game.
    """

    rules: Sequence[MetricRule]
    metrics: Sequence[Sequence[Metric]]
    norms: Sequence[Sequence[NormSet | None]]
    norming: Column
    is_counted: Mask
    has: Mask
    value: Column
    se: Column
    norm: Mapping[str, Column]
    pairs: Mapping[tuple[str, str], int]
    covariances: Column
    units: Mapping[str, Column]


def rows_of(measures: Sequence[Measures], published: Published, exact: Exact) -> Rows:
    """The rows of these sessions, of which there is at least one."""
    mapping = published.mapping
    rules = [rule for trait in mapping.traits.values() for rule in trait.metrics]
    counts = {game: rule.counts for game, rule in mapping.games.items()}
    counting = [count.metric for of_game in counts.values() for count in of_game]
    names = [*[rule.metric for rule in rules], *counting]
    norms, norming = _normings(measures, published, rules)
    metrics = [[one.metrics.get(name, NOT_PLAYED) for name in names] for one in measures]
    values = [[metric.value for metric in row] for row in metrics]
    exact.expect(np.array([_ABSENT not in row for row in values]))
    value = _columns([[_ABSENT if one is None else one for one in row] for row in values], _ABSENT, exact)
    ses = [[-1 if metric.se is None else metric.se for metric in row] for row in metrics]
    se = _columns(ses, -1, exact)[: len(rules)]
    counted = value[len(rules) :]
    count = dict(zip(counting, np.where(counted == _ABSENT, 0, counted) // MICRO, strict=True))
    played = {
        game: np.all([norming >= 0, *[count[need.metric] >= need.minimum for need in of_game]], axis=0)
        for game, of_game in counts.items()
    }
    sets = [
        [_NO_NORM if one is None else one.metrics[rule.metric] for one, rule in zip(row, rules, strict=True)]
        for row in norms
    ]
    units, pairs, covariances = _precisions(measures, rules, exact)
    has_norm = np.array([[one is not None for one in row] for row in norms])[norming].T
    varied = covariances[[pairs[rule.metric, rule.metric] for rule in rules]] >= 0
    value = value[: len(rules)]
    return Rows(
        rules=rules,
        metrics=metrics,
        norms=norms,
        norming=norming,
        is_counted=np.array([played[rule.game] for rule in rules]),
        has=(value != _ABSENT) & (se >= 0) & has_norm & varied,
        value=value,
        se=se,
        norm={
            field: np.array([[getattr(norm, field) for norm in row] for row in sets])[norming].T
            for field in ("n", "mean", "sd", "reliability", "length")
        },
        pairs=pairs,
        covariances=covariances,
        units=units,
    )


def _columns(rows: list[list[int]], absent: int, exact: Exact) -> Column:
    """The columns of these rows of sessions; all is absent of a session that holds anything beyond int64."""
    try:
        return np.array(rows, dtype=np.int64).T
    except OverflowError:
        is_fit = [all(-1 << 63 <= value < 1 << 63 for value in row) for row in rows]
        exact.expect(np.array(is_fit))
        none = [absent] * len(rows[0])
        return np.array([row if fits else none for row, fits in zip(rows, is_fit, strict=True)], np.int64).T


def _normings(
    measures: Sequence[Measures], published: Published, rules: Sequence[MetricRule]
) -> tuple[list[list[NormSet | None]], Column]:
    """The different choices of norm sets, one set a rule, and which of them is each session's: plays that are alike choose alike."""
    by_plays: dict[tuple[object, ...], int] = {}
    places: dict[tuple[str, ...], int] = {}
    found: list[list[NormSet | None]] = []
    norming = []
    for one in measures:
        plays = tuple([(play.game, *play.match.items()) for play in one.games])
        place = by_plays.get(plays)
        if place is None:
            norms = [norms_of(one, published, rule) for rule in rules]
            place = places.setdefault(tuple([norm.name if norm else "" for norm in norms]), len(places))
            if place == len(found):
                found.append(norms)
            by_plays[plays] = place
        norming.append(place)
    return found, np.array(norming)


def _precisions(
    measures: Sequence[Measures], rules: Sequence[MetricRule], exact: Exact
) -> tuple[dict[str, Column], dict[tuple[str, str], int], Column]:
    """The units of every game; the place of every two metrics of a game, whichever comes first, and there their covariances."""
    games: dict[str, list[str]] = {}
    for rule in rules:
        games.setdefault(rule.game, []).append(rule.metric)
    triangles = [(game, _triangle(sorted(set(names)))) for game, names in games.items()]
    found: list[list[int]] = []
    for one in measures:
        row: list[int] = []
        for game, triangle in triangles:
            precision = one.precisions.get(game, _NO_PRECISION)
            row.append(precision.units)
            known = precision.covariances
            for name, olders, none in triangle:
                of_name = known.get(name)
                row += none if of_name is None else map(of_name.get, olders, none)
        found.append(row)
    columns = _columns(found, -1, exact)
    units, pairs, place = {}, {}, 0
    for game, triangle in triangles:
        units[game] = columns[place]
        for name, olders, _ in triangle:
            for older in olders:
                place += 1
                pairs[name, older] = pairs[older, name] = place
        place += 1
    return units, pairs, columns


def _triangle(names: Sequence[str]) -> list[tuple[str, Sequence[str], list[int]]]:
    """Each name with those up to itself, and what stands for it where it did not vary."""
    return [(name, names[: place + 1], [0] * place + [-1]) for place, name in enumerate(names)]
