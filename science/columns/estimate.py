"""Influences and covariances of many sessions: those of ``science/estimate.py``, to the last bit."""

from collections.abc import Mapping
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt

from science.columns.events import Column, Mask
from science.columns.exact import any_of, counts, floors, sums, sums_of_squares
from science.exact import MICRO, Moments


class Clusters:
    """Integers grouped by unit, the units of many sessions one after the other: those of ``estimate.Clusters``.

    Neither a mean's influences nor a standard deviation's change when all values of a session are moved; moved by their mean, rounded
    down, they leave room for the products.
    """

    def __init__(self, values: Column, unit: Column, session: Column, sessions: int, bits: int) -> None:
        """``unit`` says of each value whose it is, ``session`` of each unit, both ascending; values count in 2**-``bits``.

        A value is below 2**38, and no further than 2**36 from the session's mean; a session has below 2**13 of them, a unit below 2**10.
        """
        self._values, self._unit, self._session, self._bits = values, unit, session, bits
        self._counts, totals = counts(unit, len(session)), sums(values, unit, len(session))
        self.count, self.total = sums(self._counts, session, sessions), sums(totals, session, sessions)
        squares = sums_of_squares(values, session[unit], sessions)
        self.moments = list(map(Moments.of_sums, self.count.tolist(), self.total.tolist(), squares))
        self._centre = self.total // np.maximum(self.count, 1)
        self._moved = totals - self._counts * self._centre[session]
        self._rest = (self.total - self.count * self._centre)[session]  # 0 .. n - 1
        self._n = np.maximum(self.count, 1)[session]

    def mean_influences(self) -> Column:
        """floor((M D + n^2 units / 2) / (n^2 units)), with D the n-fold deviations of a unit's values from the mean of all."""
        shift, square = self._bits + 1, self._n * self._n
        twice = 2 * (self._moved * self._n - self._counts * self._rest)
        low = MICRO * (twice & (1 << shift) - 1) + (square << self._bits)
        found: Column = (MICRO * (twice >> shift) + (low >> shift)) // square
        return found

    def sd_influences(self) -> tuple[Column, Mask]:
        """The influences, and of which sessions they are not certain."""
        unit = 1 << self._bits
        sds = [one.sd_micro(unit) if one.count > 1 else 0 for one in self.moments]
        sd = np.array(sds, dtype=np.int64)[self._session]
        moved = (self._values - self._centre[self._session[self._unit]]).astype(np.float64)
        squares = np.bincount(self._unit, moved * moved, len(sd))  # of up to 2**13 values: within 2**-40
        every = np.bincount(self._session, squares, len(sds))[self._session]
        share = np.divide(self._rest, self._n)
        # those of ``estimate._sd_influences`` over n^2
        terms: tuple[npt.NDArray[Any], ...] = (
            squares,
            -2 * self._moved * share,
            2 * self._counts * share * share,
            -self._counts * np.divide(every, self._n),
        )
        scale = np.ldexp((2 * (self._n - 1) * sd).astype(np.float64), 2 * self._bits)
        there = (sd > 0) & (self._counts > 0)
        found, unsure = floors([MICRO * MICRO * term for term in terms], np.where(there, scale, 1))
        return np.where(there, found, 0), any_of(there & unsure, self._session, len(sds))


def covariances(
    influences: Mapping[str, tuple[Column, Mask]], starts: Column
) -> tuple[list[dict[str, dict[str, int]]], Mask]:
    """Those of every session, whose units begin at ``starts`` (below 2**12, at least one each); and where they are not certain.

    ``influences`` are one list a metric, of all units, with the sessions that have it.
    """
    names = sorted(influences)
    units = np.diff(np.append(starts, len(influences[names[0]][0])))
    unsure = np.zeros(len(units), dtype=np.bool_)
    for values, has in influences.values():
        unsure |= has & (np.maximum.reduceat(np.abs(values), starts) >= 1 << 25)
    pairs = {}
    for place, name in enumerate(names):
        for other in names[: place + 1]:
            total = np.add.reduceat(influences[name][0] * influences[other][0], starts)
            pairs[name, other] = (total + total // np.maximum(units - 1, 1)).tolist()  # times n / (n - 1)
    known = zip(*(influences[name][1].tolist() for name in names), strict=True)
    found: list[dict[str, dict[str, int]]] = []
    for n, (having, size) in enumerate(zip(known, units.tolist(), strict=True)):
        mine = list(compress(names, having)) if size > 1 else []
        found.append(
            {name: {other: pairs[name, other][n] for other in mine[: at + 1]} for at, name in enumerate(mine)}
        )
    return found, unsure
