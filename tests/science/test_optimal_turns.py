"""The exact law of perfect memory: published values, the recurrence taken plainly, the asymptote, and people who play so."""

from fractions import Fraction
from functools import cache
from math import log, sqrt
from random import Random
from statistics import fmean

import pytest

from science.exact import Q32
from science.games.memory_cards.optimal import PAIRS_MAX, law_of, optimal_turns
from tests.science.memory_builders import blind, dealt, perfect

# n: mean and SD of the turns, computed beforehand by other code and in part confirmed by simulation
GOLDEN = {
    2: (2.6666666666666665, 0.4714045207910318),
    3: (4.333333333333334, 0.5962847939999428),
    4: (5.923809523809523, 0.5967409599169812),
    5: (7.552380952380952, 0.6338403508179444),
    6: (9.162481962481962, 0.667428710597232),
    8: (12.392984792984794, 0.7196492651387958),
    9: (14.00756759580289, 0.743326612934873),
    10: (15.621650038987498, 0.7680595888851752),
    12: (18.84979054089298, 0.8136498001773321),
    13: (20.463769550919906, 0.8354451649776065),
    15: (23.69160691896086, 0.877398763264426),
    16: (25.305484783593876, 0.8975950233553095),
    17: (26.91934209493315, 0.9173215013948585),
    18: (28.533182059291814, 0.9366168042742663),
    20: (31.760820843903016, 0.974020737930455),
    21: (33.37462364176789, 0.9921783516791834),
    22: (34.98841742770249, 1.0100012069127968),
    24: (38.21598255578446, 1.0447148787228604),
    25: (39.82975572463409, 1.0616377980143836),
    26: (41.443523609925535, 1.0782905323169758),
    27: (43.05728680831992, 1.0946859246036462),
    28: (44.67104582988654, 1.1108358024226697),
    29: (46.28480111329038, 1.1267510896196398),
    30: (47.89855303785224, 1.1424419035172475),
    32: (51.12604808741808, 1.1731870365628922),
}


@pytest.mark.parametrize("n_pairs", GOLDEN)
def test_the_law_is_the_published_one(n_pairs: int) -> None:
    """Mean and standard deviation within 1e-9."""
    mean, sd = GOLDEN[n_pairs]
    optimal = optimal_turns(n_pairs)
    assert abs(optimal.mean - mean) < 1e-9
    assert abs(optimal.sd - sd) < 1e-9


def test_it_unpacks_to_mean_and_sd() -> None:
    """Two numbers that compare with floats, exact where they can be."""
    mean, sd = optimal_turns(2)
    assert mean == Fraction(8, 3)
    assert float(sd) == pytest.approx(sqrt(2) / 3, abs=1e-15)
    assert optimal_turns(8).mean == pytest.approx(12.392984792984794, abs=1e-12)


def test_one_pair_leaves_nothing_to_chance() -> None:
    """The two cards are the pair."""
    assert optimal_turns(1) == (1, 0)
    assert (law_of(1).mean, law_of(1).variance, law_of(1).ln_mean) == (1 << 64, 0, 0)


@cache
def turns_from(known: int, unseen: int) -> dict[int, Fraction]:
    """The distribution of the turns still needed, from the same branches taken one by one."""
    if unseen == 0:
        return {0: Fraction(1)}
    branches = [(Fraction(known, unseen), 1, (known - 1, unseen - 1))]
    if unseen > known:
        new = Fraction(unseen - known, unseen) / (unseen - 1)
        branches += [
            (new, 1, (known, unseen - 2)),
            (new * known, 2, (known, unseen - 2)),
            (new * (unseen - 2 - known), 1, (known + 2, unseen - 2)),
        ]
    chances: dict[int, Fraction] = {}
    for chance, cost, state in branches:
        if chance:
            for turns, then in turns_from(*state).items():
                chances[cost + turns] = chances.get(cost + turns, Fraction(0)) + chance * then
    return chances


@pytest.mark.parametrize("n_pairs", range(1, 13))
def test_the_law_is_that_of_the_whole_distribution(n_pairs: int) -> None:
    """Not the two moments alone: every number of turns with its chance, in fractions."""
    chances = turns_from(0, 2 * n_pairs)
    assert sum(chances.values()) == 1
    mean = sum(turns * chance for turns, chance in chances.items())
    variance = sum((turns - mean) ** 2 * chance for turns, chance in chances.items())
    optimal = optimal_turns(n_pairs)
    assert optimal.mean == mean
    assert 0 <= variance - optimal.sd**2 <= Fraction(4, 10**18)
    law = law_of(n_pairs)
    assert 0 <= mean - Fraction(law.mean, 1 << 64) < Fraction(1, 1 << 64)
    assert 0 <= variance - Fraction(law.variance, 1 << 64) < Fraction(1, 1 << 64)
    assert law.ln_mean / Q32 == pytest.approx(log(mean), abs=1e-8)


@pytest.mark.parametrize("n_pairs", [50, 200, PAIRS_MAX])
def test_it_holds_for_the_largest_rounds(n_pairs: int) -> None:
    """Velleman & Warrington's asymptote: (3 - 2 ln 2) n + 7/8 - 2 ln 2, and what is left vanishes."""
    asymptote = (3 - 2 * log(2)) * n_pairs + 7 / 8 - 2 * log(2)
    assert abs(optimal_turns(n_pairs).mean - asymptote) < 1 / n_pairs
    assert law_of(n_pairs).ln_mean / Q32 == pytest.approx(log(optimal_turns(n_pairs).mean), abs=1e-8)


@pytest.mark.parametrize("n_pairs", [0, -1, PAIRS_MAX + 1])
def test_it_ends_where_the_schemas_do(n_pairs: int) -> None:
    """No round has such a number of pairs."""
    with pytest.raises(AssertionError, match="1 to 500 pairs"):
        optimal_turns(n_pairs)


@pytest.mark.parametrize("n_pairs", [2, 5, 8, 12])
def test_who_plays_with_perfect_memory_plays_by_the_law(n_pairs: int) -> None:
    """4,000 games: the mean within four standard errors, the spread within six percent."""
    rng, games = Random(n_pairs), 4_000
    turns = [len(perfect(dealt(n_pairs, rng), rng)) for _ in range(games)]
    mean, sd = map(float, optimal_turns(n_pairs))
    assert abs(fmean(turns) - mean) < 4 * sd / sqrt(games)
    assert sqrt(fmean((t - mean) ** 2 for t in turns)) == pytest.approx(sd, rel=0.06)


@pytest.mark.parametrize("n_pairs", [2, 4, 8])
def test_who_remembers_nothing_needs_the_square(n_pairs: int) -> None:
    """With j pairs left a random turn finds one of 2j - 1: n squared turns on average."""
    rng, games = Random(n_pairs), 2_000
    turns = [len(blind(dealt(n_pairs, rng), rng)) for _ in range(games)]
    variance = sum((2 * j - 1) * (2 * j - 2) for j in range(1, n_pairs + 1))
    assert abs(fmean(turns) - n_pairs**2) < 4 * sqrt(variance / games)
