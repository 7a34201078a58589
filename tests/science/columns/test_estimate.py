"""Influences and covariances by columns against those of one session."""

from random import Random

import numpy as np
import pytest

from science import estimate
from science.columns.estimate import Clusters, covariances

RNG = Random("influences")
Session = list[list[int]]  # the values of each unit


def sessions_of(least: int, most: int, *, units: int = 12, values: int = 6) -> list[Session]:
    """Sessions of units without values, with one, with several; some with a value throughout, or none at all."""
    made = [
        [
            [RNG.randint(least, most) for _ in range(RNG.randrange(values))]
            for _ in range(RNG.randrange(1, units))
        ]
        for _ in range(200)
    ]
    return [*made, [[least], [], [least, least]], [[], []], [[most]], [[least], [most]], [[]]]


def clusters_of(sessions: list[Session], bits: int) -> Clusters:
    """All of them as columns."""
    units = [unit for session in sessions for unit in session]
    return Clusters(
        np.array([value for unit in units for value in unit], dtype=np.int64),
        np.repeat(np.arange(len(units)), [len(unit) for unit in units]),
        np.repeat(np.arange(len(sessions)), [len(session) for session in sessions]),
        len(sessions),
        bits,
    )


def one_by_one(session: Session) -> estimate.Clusters:
    """One of them as it is."""
    return estimate.Clusters([estimate.sums(unit) for unit in session])


def cut(column: np.ndarray, sessions: list[Session]) -> list[list[int]]:
    """The column session by session."""
    parts = np.split(column, np.cumsum([len(session) for session in sessions])[:-1])
    return [part.tolist() for part in parts]


SIZES = [
    pytest.param(0, 12, 0, id="pumps"),
    pytest.param(1, 1_000, 0, id="many pumps"),
    pytest.param(49_000_000_000, 87_000_000_000, 32, id="logarithms"),
    pytest.param(-30_000_000_000, 30_000_000_000, 32, id="ratios"),
]


@pytest.mark.parametrize(("least", "most", "bits"), SIZES)
def test_moments_and_influences_on_the_mean(least: int, most: int, bits: int) -> None:
    """To the last bit, whatever the values are."""
    sessions = sessions_of(least, most)
    clusters = clusters_of(sessions, bits)
    for session, moments, found in zip(
        sessions, clusters.moments, cut(clusters.mean_influences(), sessions), strict=True
    ):
        own = one_by_one(session)
        assert (moments.count, moments.total, moments.squares) == (own.count, own.total, own.squares)
        assert found == (own.mean_influences(1 << bits) if own.count else [0] * len(session))


@pytest.mark.parametrize(("least", "most", "bits"), SIZES)
def test_influences_on_the_standard_deviation(least: int, most: int, bits: int) -> None:
    """To the last bit where they are sure, and most are; none where all values are alike, or there are not two."""
    sessions = sessions_of(least, most)
    column, unsure = clusters_of(sessions, bits).sd_influences()
    for session, found, is_unsure in zip(sessions, cut(column, sessions), unsure.tolist(), strict=True):
        own = one_by_one(session)
        expected = own.sd_influences(1 << bits) if own.count > 1 else [0] * len(session)
        assert is_unsure or found == expected
    assert unsure.mean() < 0.2


def test_a_unit_of_very_many_values_fits() -> None:
    """The largest that is allowed: a thousand of the extremes in a unit, eight thousand in a session."""
    session = [[49_000_000_000] * 1_000, [87_000_000_000] * 1_000, *[[60_000_000_000] * 1_000] * 6]
    clusters, own = clusters_of([session], 32), one_by_one(session)
    assert clusters.mean_influences().tolist() == own.mean_influences(1 << 32)
    found, unsure = clusters.sd_influences()
    assert unsure.any() or found.tolist() == own.sd_influences(1 << 32)


def test_what_takes_itself_away_is_not_sure() -> None:
    """Of two values neither moves the standard deviation; float64 cannot know that it is nothing at all."""
    found, unsure = clusters_of([[[0], [2]], [[1], [2], [4]], [[3], [3]]], 0).sd_influences()
    assert unsure.tolist() == [True, False, False]
    assert found.tolist()[-2:] == [0, 0]


def test_the_least_standard_deviation_moves_too() -> None:
    """One of a micro-unit, in logarithms."""
    session = [[0], [0], [7_439], [2]]
    found, unsure = clusters_of([session], 32).sd_influences()
    assert one_by_one(session).sd_micro(1 << 32) == 1
    assert not unsure.any()
    assert found.tolist() == one_by_one(session).sd_influences(1 << 32) != [0] * 4


def test_covariances_of_those_that_are_there() -> None:
    """Each session's own, under the later of two names; none of a single unit."""
    sizes = [5, 1, 2, 30]
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    lists = {name: [RNG.randint(-9_000_000, 9_000_000) for _ in range(sum(sizes))] for name in "bac"}
    has = {"a": [True] * 4, "b": [True, True, True, False], "c": [False, True, True, False]}
    found, unsure = covariances(
        {name: (np.array(lists[name]), np.array(has[name])) for name in lists}, starts
    )
    assert not unsure.any()
    for n, (start, size) in enumerate(zip(starts.tolist(), sizes, strict=True)):
        mine = {name: lists[name][start : start + size] for name in lists if has[name][n]}
        assert found[n] == estimate.covariances(mine)


@pytest.mark.parametrize(
    ("largest", "has", "is_unsure"),
    [(1 << 25, True, True), ((1 << 25) - 1, True, False), (1 << 25, False, False)],
)
def test_influences_that_are_too_great_are_not_sure(largest: int, has: bool, is_unsure: bool) -> None:
    """Their products could leave int64; what a session does not have does not count."""
    _, unsure = covariances({"a": (np.array([3, -largest, 5]), np.array([True, has]))}, np.array([0, 1]))
    assert unsure.tolist() == [False, is_unsure]
