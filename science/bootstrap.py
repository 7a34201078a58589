"""The bias-corrected and accelerated bootstrap (Efron 1987), seeded from the session's own digest: the same bits everywhere.

Each replicate draws, game by game, as many units as were played, measures them by the very code that measured the session, and
works every composite out again; so the replicates of the traits belong together. The acceleration comes from leaving out one unit
after the other. Half-widths grow by sqrt(n / (n - 1)), n being the fewest units of a game concerned, and by the uncertainty of
the norms.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from math import isqrt
from typing import Any

import msgspec

from science.chance import words
from science.exact import MICRO, Q32, micro, micro_ratio, micro_root, normal_cdf, normal_quantile, q32
from science.games import GAMES
from science.mapping import Published
from science.measure import Measures
from science.standing import Standing, composite_of, norms_variance

_UNDEFINED_SHARE_MAX = (
    20  # more than one replicate in twenty without a value: the jackknife's interval stands
)


def bootstrap(
    standings: Mapping[str, Standing], measures: Measures, published: Published
) -> dict[str, Standing]:
    """The standings with intervals by BCa; where it has none to give, the jackknife's, said in ``method``."""
    if not measures.samples:
        return {trait: _by_jackknife(standing) for trait, standing in standings.items()}
    samples = {game: _accounts(game, units) for game, units in measures.samples.items()}
    own = {game: _values(game, units) for game, units in samples.items()}
    chances = words(_seed(measures, published))
    replicates: list[dict[str, dict[str, int | None]]] = []
    for _ in range(published.mapping.interval.replicates):
        drawn = {game: _values(game, _draw(units, chances)) for game, units in samples.items()}
        replicates.append({**own, **drawn})
    left_out = [
        (game, {**own, game: _values(game, [*units[:place], *units[place + 1 :]])})
        for game, units in samples.items()
        for place in range(len(units))
    ]
    found = {}
    for trait, standing in standings.items():
        games = {term.rule.game for term in standing.terms}
        values = [composite_of(standing, values) for values in replicates]
        without = [composite_of(standing, values) for game, values in left_out if game in games]
        units = min(len(samples[game]) for game in sorted(games))
        z = published.mapping.interval.z
        interval = _bca(standing.c, values, without, units, z)
        if interval is None:
            found[trait] = _by_jackknife(standing)
        else:
            interval = _with_norms(standing, interval, z)
            found[trait] = msgspec.structs.replace(standing, interval=interval)
    return found


def _by_jackknife(standing: Standing) -> Standing:
    return msgspec.structs.replace(standing, method="moderated_jackknife")


def _accounts(game: str, units: Sequence[Any]) -> list[Any]:
    unit_type: Any = GAMES[game].unit
    return [GAMES[game].account(unit) for unit in msgspec.convert(units, list[unit_type])]


def _values(game: str, units: Sequence[Any]) -> dict[str, int | None]:
    return {name: metric.value for name, metric in GAMES[game].measure(GAMES[game].gather(units)).items()}


def _seed(measures: Measures, published: Published) -> bytes:
    hashes = [measures.events_digest, published.mapping_hash, *sorted(published.norm_hashes.values()), "bca"]
    return sha256("\n".join(hashes).encode()).digest()


def _draw(units: Sequence[Any], chances: Iterator[int]) -> list[Any]:
    """As many units as there are, with replacement."""
    return [units[next(chances) * len(units) >> 32] for _ in units]


def _bca(
    value: int, replicates: Sequence[int | None], without: Sequence[int | None], units: int, z: int
) -> tuple[int, int] | None:
    """The interval in micro-units; None where too many replicates, or one left out, have no value, or all are alike."""
    drawn = sorted(found for found in replicates if found is not None)
    if _UNDEFINED_SHARE_MAX * (len(replicates) - len(drawn)) > len(replicates) or None in without:
        return None
    if drawn[0] == drawn[-1]:
        return None
    below = sum(2 * (found < value) + (found == value) for found in drawn)  # twice: ties count half
    bias = micro(normal_quantile(below * Q32 // (2 * len(drawn))))
    acceleration = _acceleration([found for found in without if found is not None])
    ends = []
    for sign in (-1, 1):
        shifted = bias + sign * z
        turned = MICRO * MICRO - acceleration * shifted  # micro^2
        if turned <= 0:
            return None
        probability = normal_cdf(q32(bias + shifted * MICRO * MICRO // turned))
        ends.append(drawn[min(len(drawn) - 1, probability * len(drawn) >> 32)])
    wider = micro_root(units, units - 1)
    return tuple(value + (end - value) * wider // MICRO for end in ends)  # type: ignore[return-value]  # two ends


def _with_norms(standing: Standing, interval: tuple[int, int], z: int) -> tuple[int, int]:
    """The interval with each side lengthened, in squares, by what the size of the norm sets leaves unsure."""
    low, high = (standing.c - interval[0], interval[1] - standing.c)
    norms = norms_variance(standing.terms, standing.scale) * z * z // MICRO
    return standing.c - _longer(low, norms), standing.c + _longer(high, norms)


def _longer(side: int, variance: int) -> int:
    """A side may lie beyond the value itself: then it is moved by as much."""
    return side + isqrt(side * side + variance) - abs(side)


def _acceleration(without: Sequence[int]) -> int:
    """Sum d^3 / (6 (sum d^2)^(3/2)) with d the mean less each value, in micro-units; 0 where nothing moves."""
    n, total = len(without), sum(without)
    deviations = [total - n * found for found in without]
    squares = sum(d * d for d in deviations)
    cubes = sum(d * d * d for d in deviations)
    power = squares * isqrt(squares)
    return micro_ratio(cubes, 6 * power) if power else 0
