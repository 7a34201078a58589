"""What columns would save: the logarithms, influences and covariances of balloon risk over many sessions at once, against one by one.

A proof for a fold over columns, which does not exist yet: nine lists of influences, by the definitions of
``science/estimate.py`` to the last bit. An influence is a rounded quotient of integers far beyond 64 bits, and itself small. So the
quotient is taken in float64, whose error is below a thousandth while the quotient is below 2**31, and where it lies nearer than that to a whole number,
in Python's integers: about one in three hundred. What comes out is exact whatever the machine's float64 does within that error.

Prints one JSON line; exits with 1 if a list differs.
"""

import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.replicates import Person
from science.estimate import Clusters, Singles, covariances
from science.exact import _LN2, _LN_CELL, _LN_INVERSE, MICRO, Q32, micro_root
from science.games.balloon_risk.play import FLOOR_US
from science.games.balloon_risk.sample import Gathered, ScoredBalloon, account
from simulators import balloon_risk

SESSIONS, ROUNDS = 500, 7

Column = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Units(NamedTuple):
    """The balloons of many sessions one after the other, as a decoder could hand them out. ``wait`` is every pump's latency, and
    ``balloon`` whose it is; ``after`` is 1 for a loss, 2 for a win, 0 for neither.
    """

    session: Column
    pumps: Column
    exploded: Mask
    after: Column
    before: Column
    first: Column
    wait: Column
    balloon: Column


def main() -> int:
    """Measure both ways, compare every list, print."""
    samples = [sample for n in range(SESSIONS) if (sample := _sample(n))]
    units = _units(samples)
    corrected, columns = _all_at_once(units, len(samples))
    starts = np.searchsorted(units.session, np.arange(len(samples) + 1))
    differ = 0
    for n, sample in enumerate(samples):
        for found, column in zip(_lists(sample), columns, strict=True):
            differ += found is not None and found != column[starts[n] : starts[n + 1]].tolist()

    def by_columns() -> None:
        _, found = _all_at_once(units, len(samples))
        _pairs(np.stack(found), starts[:-1])

    def one_by_one() -> None:
        for sample in samples:
            covariances({str(n): found for n, found in enumerate(_lists(sample)) if found is not None})

    one, many = _milliseconds(one_by_one) / len(samples), _milliseconds(by_columns) / len(samples)
    told = {
        "sessions": len(samples),
        "one_by_one_ms_per_session": round(one, 4),
        "columns_ms_per_session": round(many, 4),
        "ratio": round(many / one, 4),
        "corrected_per_million": round(1e6 * corrected / (len(columns) * len(units.pumps))),
        "lists_that_differ": differ,
    }
    print(json.dumps(told))
    return int(differ > 0)


def _sample(number: int) -> list[ScoredBalloon]:
    (measures,) = Person(f"columns/{number}", (balloon_risk.Design(),)).sessions(1)
    return measures.samples.get("balloon_risk", [])


def _milliseconds(step: Callable[[], object]) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        step()
        taken.append(1_000 * (time.perf_counter() - began))
    return median(taken)


# --------------------------------------------------------------------------------------------------------- one by one


def _lists(sample: list[ScoredBalloon]) -> list[list[int] | None]:
    """The influences on the means below, and on two standard deviations; None where there is too little for one."""
    found = Gathered([account(balloon) for balloon in sample])
    moments: list[tuple[Clusters | Singles, int]] = [
        (found.first_after_loss, Q32),
        (found.first_after_win, Q32),
        (found.kept_after_loss, 1),
        (found.kept_after_win, 1),
        (found.kept, 1),
        (found.step, Q32),
        (found.latencies, Q32),
    ]
    means = [one.mean_influences(unit) if one.count else None for one, unit in moments]
    spreads = [one.sd_influences(unit) if one.count > 1 else None for one, unit in (moments[4], moments[6])]
    return means + spreads


# -------------------------------------------------------------------------------------------------------- all at once


def _units(samples: list[list[ScoredBalloon]]) -> Units:
    balloons = [balloon for sample in samples for balloon in sample]
    after = {None: 0, True: 1, False: 2}

    def column(values: list[Any]) -> Column:
        return np.array(values, dtype=np.int64)

    return Units(
        session=np.repeat(np.arange(len(samples)), [len(sample) for sample in samples]),
        pumps=column([balloon.pumps for balloon in balloons]),
        exploded=np.array([balloon.exploded for balloon in balloons]),
        after=column([after[balloon.after_loss] for balloon in balloons]),
        before=column([balloon.before_pumps or 0 for balloon in balloons]),
        first=column([(*balloon.pump_latencies_us, 0)[0] for balloon in balloons]),
        wait=column([wait for balloon in balloons for wait in balloon.pump_latencies_us]),
        balloon=np.repeat(np.arange(len(balloons)), [len(b.pump_latencies_us) for b in balloons]),
    )


def _all_at_once(units: Units, sessions: int) -> tuple[int, list[Column]]:
    """How many quotients were corrected, and the influences, in the order of ``_lists``."""
    slow, began = units.wait >= FLOOR_US, units.first >= FLOOR_US
    waits = np.where(slow, _ln(np.maximum(units.wait, 1)), 0)
    count = _sums(slow.astype(np.int64), units.balloon, len(units.pumps))
    total = _sums(waits, units.balloon, len(units.pumps))
    first = _ln(np.maximum(units.first, 1))
    step = _ln(np.maximum(units.pumps, 1)) - _ln(np.maximum(units.before, 1))
    kept, loss, win = ~units.exploded, units.after == 1, units.after == 2
    grouped = [
        (began & loss, first, Q32),
        (began & win, first, Q32),
        (kept & loss, units.pumps, 1),
        (kept & win, units.pumps, 1),
        (kept, units.pumps, 1),
        (kept & (units.pumps > 0) & (units.before > 0), step, Q32),
    ]
    clusters = [(has.astype(np.int64), np.where(has, values, 0), unit) for has, values, unit in grouped]
    corrected, found = 0, []
    for counts, totals, unit in [*clusters, (count, total, Q32)]:
        more, column = _mean_influences(counts, totals, unit, units.session, sessions)
        corrected += more
        found.append(column)
    ones, places = units.pumps[kept], np.flatnonzero(kept)
    for values, owner, unit in ((ones, places, 1), (waits[slow], units.balloon[slow], Q32)):
        more, column = _sd_influences(values, owner, unit, units.session, sessions)
        corrected += more
        found.append(column)
    return corrected, found


def _mean_influences(
    counts: Column, totals: Column, unit: int, session: Column, sessions: int
) -> tuple[int, Column]:
    """``Clusters.mean_influences`` of every session: floor((2 M (n total - count T) + n^2 unit) / (2 n^2 unit))."""
    n, whole = _sums(counts, session, sessions)[session], _sums(totals, session, sessions)[session]
    places = np.flatnonzero(counts)
    n, deviations = n[places], (totals * n - counts * whole)[places]  # within 63 bits up to 2**13 latencies

    def exact(place: int) -> int:
        scale = int(n[place]) ** 2 * unit
        return (2 * MICRO * int(deviations[place]) + scale) // (2 * scale)

    found = np.zeros(len(counts), dtype=np.int64)
    corrected, found[places] = _floors((2e6 * deviations / unit + 1.0 * n * n) / (2.0 * n * n), exact)
    return corrected, found


def _sd_influences(
    values: Column, owner: Column, unit: int, session: Column, sessions: int
) -> tuple[int, Column]:
    """``Clusters.sd_influences`` of every session. It does not change when all values are moved, so they are moved near 0 first."""
    whose = session[owner]
    n, whole = _sums(np.ones_like(values), whose, sessions), _sums(values, whose, sessions)
    moved = values - (whole // np.maximum(n, 1))[whose]  # below 2**35
    high, low = moved >> 18, moved & (1 << 18) - 1
    squares = [_sums(part, whose, sessions).tolist() for part in (high * high, high * low, low * low)]
    rest = _sums(moved, whose, sessions)
    spreads = np.zeros(sessions, dtype=np.int64)
    for one, (count, total, a, b, c) in enumerate(zip(n.tolist(), rest.tolist(), *squares, strict=True)):
        if count > 1:
            numerator = count * ((a << 36) + (b << 19) + c) - total * total
            spreads[one] = micro_root(numerator, count * (count - 1) * unit * unit)
    far = moved.astype(np.float64) ** 2
    counts, totals = (_sums(part, owner, len(session)) for part in (np.ones_like(moved), moved))
    together = np.bincount(owner, far, len(session))
    all_far = np.bincount(whose, far, sessions)[session]
    places = np.flatnonzero((counts > 0) & (spreads[session] > 0))
    m, own, t = n[session][places], counts[places], rest[session][places]
    top = (
        1.0 * m * m * together[places]
        - 2.0 * m * t * totals[places]
        + own * (2.0 * t * t - m * all_far[places])
    )

    def exact(place: int) -> int:
        mine = _of(places[place], owner, moved)
        every = _of(session[places[place]], whose, moved)
        size, total = len(every), sum(every)
        alike = 2 * total * total - size * sum(one * one for one in every)
        numerator = (
            size * size * sum(one * one for one in mine) - 2 * size * total * sum(mine) + len(mine) * alike
        )
        scale = 2 * size * size * (size - 1) * int(spreads[session[places[place]]]) * unit * unit
        return numerator * MICRO * MICRO // scale

    found = np.zeros(len(session), dtype=np.int64)
    quotients = top / unit / unit * 1e12 / (2.0 * m * m * (m - 1) * spreads[session][places])
    corrected, found[places] = _floors(quotients, exact)
    return corrected, found


def _floors(quotients: npt.NDArray[np.float64], exact: Callable[[int], int]) -> tuple[int, Column]:
    """Rounded down, by ``exact`` where float64 cannot be sure of it; and how many those are."""
    floors = np.floor(quotients)
    assert np.abs(floors).max(initial=0) < 1 << 31
    unsure = np.flatnonzero(np.minimum(quotients - floors, 1 - (quotients - floors)) < 1e-3)
    found = floors.astype(np.int64)
    for place in unsure.tolist():
        found[place] = exact(place)
    return len(unsure), found


def _of(one: int, owner: Column, values: Column) -> list[int]:
    found: list[int] = values[slice(*np.searchsorted(owner, [one, one + 1]))].tolist()
    return found


def _pairs(influences: Column, starts: Column) -> list[Column]:
    """The sum of products of every two, session by session: their covariances but for n / (n - 1)."""
    return [
        np.add.reduceat(one * other, starts)
        for place, one in enumerate(influences)
        for other in influences[: place + 1]
    ]


def _sums(values: Column, owner: Column, owners: int) -> Column:
    """By owner, exactly."""
    upto = np.concatenate(([0], np.cumsum(values)))
    ends = np.searchsorted(owner, np.arange(owners + 1))
    found: Column = upto[ends[1:]] - upto[ends[:-1]]
    return found


_INVERSE, _LOGARITHM = np.array(_LN_INVERSE, dtype=np.int64), np.array(_LN_CELL, dtype=np.int64)


def _ln(x: Column) -> Column:
    """The steps of ``exact.ln``, below 2**31."""
    exponent = np.frexp(x.astype(np.float64))[1].astype(np.int64) - 1
    mantissa = x << (31 - exponent)
    cell = (mantissa >> 24) - 128
    r = (mantissa * _INVERSE[cell] >> 30) - Q32
    r2 = r * r >> 32
    r3 = r2 * r >> 32
    found: Column = exponent * _LN2 + _LOGARITHM[cell] + r - (r2 >> 1) + r3 // 3
    return found


if __name__ == "__main__":
    sys.exit(main())
