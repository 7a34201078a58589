"""The bootstrap: its interval is Efron's, its chances are the session's own, and where it has none to give it says so."""

from itertools import islice, pairwise
from math import sqrt
from random import Random

import msgspec
import numpy as np
import pytest
from scipy import stats

from science.bootstrap import _acceleration, _bca, _draw, _longer, _seed, bootstrap
from science.chance import words
from science.exact import MICRO
from science.mapping import Published, load
from science.measure import Measures
from science.profile import infer
from science.standing import Standing, stand, terms_of
from tests.science.builders import TYPICAL, measures_of, session_events

Z95 = 1_959_964


def fewer(replicates: int = 400) -> Published:
    """core_bca with fewer replicates, for speed."""
    core = load("core_bca@1.0.0")
    interval = msgspec.structs.replace(core.mapping.interval, replicates=replicates)
    return msgspec.structs.replace(core, mapping=msgspec.structs.replace(core.mapping, interval=interval))


def standing_of(measures: Measures, published: Published) -> Standing:
    rule = published.mapping.traits["risk_tolerance"]
    standing = stand(terms_of(measures, published, rule), measures, published, rule)
    assert standing is not None
    return standing


def plain_bca(value: float, replicates: list[float], without: list[float], units: int) -> tuple[float, float]:
    """Efron 1987 in floats, with the half-widths grown by sqrt(n / (n - 1))."""
    drawn = np.sort(np.array(replicates))
    bias = stats.norm.ppf(((drawn < value).sum() + (drawn == value).sum() / 2) / len(drawn))
    away = np.mean(without) - np.array(without)
    acceleration = (away**3).sum() / (6 * (away**2).sum() ** 1.5)
    ends = []
    for z in (-1.959964, 1.959964):
        at = stats.norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
        ends.append(drawn[min(len(drawn) - 1, int(at * len(drawn)))])
    wider = sqrt(units / (units - 1))
    return tuple(value + (end - value) * wider for end in ends)  # type: ignore[return-value]  # two ends


@pytest.mark.parametrize("seed", range(6))
def test_it_is_the_interval_of_efron(seed: int) -> None:
    """On skewed replicates, against the formula in floats."""
    dice = Random(seed)
    without = [round(MICRO * dice.expovariate(1)) for _ in range(25)]
    value = sum(without) // len(without)
    replicates = [
        value + round(MICRO * (dice.gammavariate(4, 0.1) - 0.4 + 0.02 * seed)) for _ in range(2_000)
    ]
    found = _bca(value, replicates, without, 25, Z95)
    assert found is not None
    low, high = plain_bca(value, replicates, without, 25)
    ordered = sorted(replicates)
    step = max(b - a for a, b in pairwise(ordered[20:-20]))
    assert found[0] == pytest.approx(low, abs=2 * step + 2)
    assert found[1] == pytest.approx(high, abs=2 * step + 2)


def test_scipy_gives_the_same_interval_from_chances_of_its_own() -> None:
    """scipy.stats.bootstrap of a mean of log-normal values agrees within a tenth of the width."""
    dice = Random(11)
    values = [round(MICRO * dice.lognormvariate(0, 0.6)) for _ in range(40)]
    chances = words(b"seed")
    replicates: list[int | None] = [sum(_draw(values, chances)) // 40 for _ in range(4_000)]
    without: list[int | None] = [(sum(values) - value) // 39 for value in values]
    found = _bca(sum(values) // 40, replicates, without, 40, Z95)
    assert found is not None
    theirs = stats.bootstrap(
        (np.array(values, dtype=float),),
        np.mean,
        n_resamples=4_000,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    width = theirs.high - theirs.low
    assert found[0] == pytest.approx(theirs.low, abs=0.1 * width)
    assert found[1] == pytest.approx(theirs.high, abs=0.1 * width)


def test_the_chances_are_even() -> None:
    """Every unit is drawn alike often, from every block of the stream."""
    chances = words(b"x")
    counts = np.bincount(
        [place for _ in range(2_000) for place in _draw(list(range(7)), chances)], minlength=7
    )
    assert stats.chisquare(counts).pvalue > 0.001
    stream = list(islice(words(b"y"), 64))
    assert len(set(stream)) == 64
    assert all(0 <= word < 1 << 32 for word in stream)


def test_the_seed_is_the_sessions_and_the_mappings() -> None:
    """Another session, mapping or norm set draws other chances; the same ones draw the same."""
    one, other = measures_of(session_events()), measures_of(session_events(TYPICAL[::-1]))
    core, bca = load("core@1.0.0"), load("core_bca@1.0.0")
    seeds = {_seed(one, core), _seed(other, core), _seed(one, bca), _seed(other, bca)}
    seeds.add(_seed(one, msgspec.structs.replace(core, norm_hashes={"x": "y"})))
    assert len(seeds) == 5
    assert _seed(one, core) == _seed(measures_of(session_events()), core)


def test_a_profile_by_bca_has_the_scores_of_core_and_intervals_of_its_own() -> None:
    """Everything but the interval and its method is the same, and a second run gives the same bytes."""
    measures = measures_of(session_events())
    profile = infer(measures, fewer())
    assert profile.canonical() == infer(measures, fewer()).canonical()
    risk, plain = (
        profile.traits["risk_tolerance"],
        infer(measures, load("core@1.0.0")).traits["risk_tolerance"],
    )
    assert risk.ci_method == "bca"
    assert risk.ci is not None
    assert plain.ci is not None
    assert risk.ci != plain.ci
    assert risk.ci[0] < (risk.score or 0) < risk.ci[1]
    assert abs(risk.ci[0] - plain.ci[0]) < 150_000
    assert abs(risk.ci[1] - plain.ci[1]) < 150_000
    assert msgspec.structs.replace(risk, ci=plain.ci, ci_method=plain.ci_method) == plain


def test_the_smaller_the_sample_of_the_norms_the_wider_the_interval() -> None:
    """Each side is lengthened in squares, by z^2 (1/N + z^2/2N) of each metric; the value itself stays."""
    measures, bca = measures_of(session_events()), fewer()

    def side(n: int) -> tuple[float, float, Standing]:
        norms = {
            name: msgspec.structs.replace(
                one, metrics={key: msgspec.structs.replace(norm, n=n) for key, norm in one.metrics.items()}
            )
            for name, one in bca.norms.items()
        }
        published = msgspec.structs.replace(bca, norms=norms)
        found = bootstrap({"risk_tolerance": standing_of(measures, published)}, measures, published)
        standing = found["risk_tolerance"]
        assert standing.method == "bca"
        return standing.c - standing.interval[0], standing.interval[1] - standing.c, standing

    exact, few = side(10**9), side(20)
    assert exact[2].c == few[2].c
    terms, scale = few[2].terms, few[2].scale / MICRO
    norms = (
        sum((t.rule.weight / MICRO) ** 2 * (1 + (t.z or 0) ** 2 / MICRO**2 / 2) / 20 for t in terms) / scale
    )
    for before, after in zip(exact[:2], few[:2], strict=True):
        assert after == pytest.approx(sqrt(before**2 + 1.959964**2 * norms * MICRO**2), rel=1e-3)


@pytest.mark.parametrize(("side", "longer"), [(3, 5), (0, 4), (-3, -1)])
def test_a_side_beyond_the_value_is_moved_by_as_much(side: int, longer: int) -> None:
    """An interval of BCa may leave its value out; then what is unsure moves that end outwards too."""
    assert _longer(side, 16) == longer


def test_measures_read_back_from_their_bytes_give_the_same() -> None:
    """Units come back from JSON as lists, and count as the units that they are."""
    measures = measures_of(session_events())
    again = msgspec.json.decode(msgspec.json.encode(measures), type=Measures)
    assert infer(again, fewer()).canonical() == infer(measures, fewer()).canonical()


def test_without_a_sample_the_jackknife_stands() -> None:
    """A session too long to carry its units is told by which method it was judged."""
    measures = msgspec.structs.replace(measures_of(session_events()), samples={})
    published = fewer()
    standing = standing_of(measures, published)
    found = bootstrap({"risk_tolerance": standing}, measures, published)["risk_tolerance"]
    assert found.method == "moderated_jackknife"
    assert found.interval == standing.interval


@pytest.mark.parametrize(
    ("replicates", "without"),
    [
        ([1, 2, 3, None], [1, 2]),  # a quarter undefined
        ([1, 2, 3, 4], [1, None]),  # one left out, and there is no value
        ([5, 5, 5, 5], [5, 5]),  # nothing varies
    ],
)
def test_where_there_is_no_bootstrap_there_is_no_interval(
    replicates: list[int | None], without: list[int | None]
) -> None:
    """Undefined or all alike: none is made up."""
    assert _bca(3, replicates, without, 2, Z95) is None


def test_a_twentieth_of_the_replicates_may_be_undefined() -> None:
    """And no more."""
    values: list[int | None] = list(range(95))
    assert _bca(50, [*values, *[None] * 5], [40, 50, 60], 3, Z95) is not None
    assert _bca(50, [*values, *[None] * 6], [40, 50, 60], 3, Z95) is None


def test_an_acceleration_that_turns_the_interval_round_gives_none() -> None:
    """1 - a (z0 + z) at or below 0: Efron's formula has no answer there."""
    without: list[int | None] = [0] * 400 + [-(10**9)]
    values: list[int | None] = list(range(1_000))
    assert (
        _bca(2_000, values, without, 401, Z95) is None
    )  # every replicate below: a bias of 5, an acceleration of 1/6
    assert _bca(500, values, without, 401, Z95) is not None


def test_what_does_not_move_has_no_acceleration() -> None:
    """All alike."""
    assert _acceleration([7, 7, 7]) == 0
