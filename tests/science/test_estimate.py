"""Influences and the variances they add up to, against plain statistics in floats and against derivatives taken by hand."""

from math import isclose, sqrt
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from science.estimate import Clusters, Singles, combined, covariances, cv_influences, difference, sums
from science.exact import MICRO, Q32
from science.survival import curve_of, intended_pumps, ln_influences

VALUES = st.lists(st.integers(-(10**9), 10**9), max_size=6)
GROUPS = st.lists(VALUES, min_size=2, max_size=12).filter(lambda groups: sum(map(len, groups)) >= 2)


def clusters(groups: list[list[int]]) -> Clusters:
    """The same values, by their sums."""
    return Clusters(map(sums, groups))


def test_sums_are_counts_sums_and_squares() -> None:
    """Of many, of one, of none."""
    assert sums([3, -4, 5]) == (3, 4, 50)
    assert sums([-7]) == (1, -7, 49)
    assert sums([]) == (0, 0, 0)


SINGLES = st.lists(st.none() | st.integers(-(10**12), 10**12), min_size=2, max_size=30).filter(
    lambda values: len(values) - values.count(None) >= 2
)


@given(SINGLES, st.sampled_from([1, 1_000, Q32]))
def test_single_values_are_clusters_of_at_most_one(values: list[int | None], unit: int) -> None:
    """To the last bit, whatever they count in."""
    short = Singles(values)
    long = clusters([[] if value is None else [value] for value in values])
    assert (short.count, short.total, short.squares) == (long.count, long.total, long.squares)
    assert short.mean_influences(unit) == long.mean_influences(unit)
    assert short.sd_influences(unit) == long.sd_influences(unit)


@given(GROUPS)
def test_clusters_are_the_moments_of_all(groups: list[list[int]]) -> None:
    """Grouping changes no moment."""
    together = clusters([[value for group in groups for value in group]])
    assert (together.count, together.total, together.squares) == (
        clusters(groups).count,
        clusters(groups).total,
        clusters(groups).squares,
    )


def derivative(groups: list[list[int]], statistic, unit: int) -> float:  # type: ignore[no-untyped-def]  # of weights
    """How fast a statistic of weighted values moves with one unit's weight, at equal weights."""
    values = np.array([value for group in groups for value in group], dtype=float)
    owner = np.array([place for place, group in enumerate(groups) for _ in group])
    step = 1e-5
    ends = []
    for sign in (1, -1):
        weights = np.ones(len(groups))
        weights[unit] += sign * step
        ends.append(statistic(values, weights[owner]))
    return (ends[0] - ends[1]) / (2 * step)


def weighted_mean(values, weights):  # type: ignore[no-untyped-def]  # of arrays
    return (values * weights).sum() / weights.sum()


def weighted_sd(values, weights):  # type: ignore[no-untyped-def]  # of arrays
    mean = weighted_mean(values, weights)
    n = len(values)
    return sqrt((weights * (values - mean) ** 2).sum() / weights.sum() * n / (n - 1))


def some_groups(seed: int) -> list[list[int]]:
    """Ten units of up to five values, one of them empty."""
    dice = Random(seed)
    return [[], *([round(dice.gauss(6, 0.4) * Q32) for _ in range(dice.randrange(1, 6))] for _ in range(9))]


@pytest.mark.parametrize("seed", range(5))
def test_influences_are_derivatives(seed: int) -> None:
    """Of the mean and of the standard deviation, by each unit's weight."""
    groups = some_groups(seed)
    found = clusters(groups)
    for unit in range(len(groups)):
        mean = derivative(groups, weighted_mean, unit) / Q32 * MICRO
        assert found.mean_influences(Q32)[unit] == pytest.approx(mean, abs=2)
        sd = derivative(groups, weighted_sd, unit) / Q32 * MICRO
        assert found.sd_influences(Q32)[unit] == pytest.approx(sd, abs=2)
    assert found.mean_influences(Q32)[0] == found.sd_influences(Q32)[0] == 0


def weighted_cv(values, weights):  # type: ignore[no-untyped-def]  # of arrays
    return weighted_sd(values, weights) / weighted_mean(values, weights)


@pytest.mark.parametrize("unit_of", [1, 1_000])
def test_the_influences_of_sd_over_mean_are_its_derivatives(unit_of: int) -> None:
    """Whatever the values count in."""
    groups = [[9], [4, 7], [5], [8, 8, 1], [6]]
    found = cv_influences(clusters([[unit_of * x for x in group] for group in groups]), unit_of)
    for unit, influence in enumerate(found):
        assert influence == pytest.approx(derivative(groups, weighted_cv, unit) * MICRO, abs=2)


@given(GROUPS)
def test_influences_on_the_mean_add_up_to_nothing(groups: list[list[int]]) -> None:
    """But for rounding, half a micro-unit each."""
    assert abs(sum(clusters(groups).mean_influences())) <= len(groups)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=2, max_size=40))
def test_units_of_one_value_give_the_standard_error_of_the_mean(values: list[int]) -> None:
    """sum I^2 n / (n - 1) is then s^2 / n."""
    found = Singles(values)
    variance = covariances({"mean": found.mean_influences()})["mean"]["mean"]
    assert isclose(sqrt(variance), found.se_micro(), abs_tol=2, rel_tol=1e-5)


def test_values_all_alike_have_no_influence_on_their_spread() -> None:
    """A spread of 0 moves nowhere, and nothing divides by it."""
    assert clusters([[5], [5, 5], []]).sd_influences() == [0, 0, 0]


def test_values_count_in_ones_unless_told_otherwise() -> None:
    """0, 0 and 3: V = 2 and s = sqrt(3), so (Q - V) / (2 (n - 1) s) is -1 and 2 over 4 sqrt(3); the mean is 1, and (x - 1) / 3."""
    for found in (clusters([[0], [0], [3]]), Singles([0, 0, 3])):
        assert found.sd_influences() == pytest.approx([-144_338, -144_338, 288_675], abs=1)
        assert found.mean_influences() == pytest.approx([-333_333, -333_333, 666_667], abs=1)


def test_a_function_of_statistics_moves_by_its_derivatives() -> None:
    """2/3 of the one and -1/4 of the other."""
    assert combined((2, 3, [30, -60]), (-1, 4, [40, 8])) == [10, -42]


def test_statistics_of_different_units_have_no_function() -> None:
    """Influences are of the same units in the same order; others are a programming error."""
    with pytest.raises(ValueError, match="shorter"):
        combined((1, 1, [3, -3]), (1, 1, [3]))
    with pytest.raises(ValueError, match="shorter"):
        difference([3, -3], [3])


def test_a_difference_moves_by_both() -> None:
    """As much as the one, and against the other."""
    assert difference([30, -60], [40, 8]) == [-10, -68]


def test_covariances_are_those_of_the_influences() -> None:
    """Against numpy; each pair once, the later name first; and nothing at all from a single unit."""
    dice = Random(4)
    influences = {name: [dice.randrange(-999, 999) for _ in range(30)] for name in ("b", "a", "c")}
    found = covariances(influences)
    assert [sorted(row) for _, row in sorted(found.items())] == [["a"], ["a", "b"], ["a", "b", "c"]]
    for name, row in found.items():
        for other, covariance in row.items():
            expected = np.dot(influences[name], influences[other]) * 30 / 29
            assert abs(covariance - expected) <= 1
    assert covariances({"a": [3]}) == covariances({}) == {}


BALLOONS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 12), st.just(False)),
        st.tuples(st.integers(1, 12), st.just(True)),
    ),
    min_size=2,
    max_size=60,
).filter(lambda balloons: not all(exploded for _, exploded in balloons))


@given(BALLOONS)
def test_the_kaplan_meier_influences_add_up_to_greenwood(balloons: list[tuple[int, bool]]) -> None:
    """The cross terms of the levels vanish, so the variance is the formula's, to the rounding of the influences."""
    curve = curve_of(balloons)
    moved = ln_influences(curve, balloons)
    assert abs(sum(moved)) <= len(moved)
    variance = covariances({"km": moved})["km"]["km"]
    se = intended_pumps(curve).ln_mean_se
    assert se is not None
    assert abs(sqrt(variance) - se) <= 2 + sqrt(len(balloons))
