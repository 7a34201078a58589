"""The reliability of a metric among people: exact, the same in any order, and what it is known to be where it is known."""

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import islice, pairwise
from random import Random
from statistics import fmean

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from science.chance import words
from science.exact import MICRO, Moments
from science.game import Game, Metric
from science.games.balloon_risk import GAME
from science.mapping import NormSet, load
from science.measure import GameMeasures, Noticed
from science.reliability import (
    Cohort,
    Pairs,
    Played,
    Retest,
    Sitting,
    SplitHalf,
    _halves,
    cohort,
    retest,
    spearman_brown,
    split_half,
)
from tests.real_people import real_file
from tests.science.builders import TYPICAL, measures_of, session_events
from tests.science.test_real_people import people_in

NORMS = load("pilot@0.1.0").norms["ds000030_controls_p12.v1"]
MATCH = {"burst_law": "uniform", "max_pumps": 12}


class Toss(msgspec.Struct, array_like=True):
    """A unit that is a number, and all that is known of it."""

    value: int


def measure(units: Sequence[Toss]) -> dict[str, Metric]:
    """The mean, the first unit, and the sum where it is odd."""
    values = [unit.value for unit in units]
    total = sum(values)
    return {
        "mean": Metric(Moments(values).mean_micro(), len(values), "-"),
        "first": Metric(values[0], 1, "-"),
        "odd": Metric(total if total % 2 else None, 1, "-"),
        "one": Metric(1, 1, "-"),
    }


TOSSES = msgspec.structs.replace(
    GAME, name="toss", unit=Toss, account=lambda unit: unit, gather=list, measure=measure
)


def played(name: object, values: Sequence[int], game: Game = TOSSES, **changes: object) -> Played:
    """A whole session of these units."""
    units = msgspec.Raw(msgspec.json.encode([[value] for value in values]))
    one = Played(
        closed="completed",
        events_digest=f"digest of {name}",
        games=[GameMeasures(game.name, dict(MATCH), None)],  # type: ignore[arg-type]  # nobody asks for the tally
        findings=[],
        samples={game.name: units},
    )
    return msgspec.structs.replace(one, **changes)


def crowd(people: int, units: int, *, between: int, within: int, seed: int = 1) -> list[Played]:
    """People whose units scatter by ``within`` about a level of their own, which scatters by ``between``."""
    dice = Random(seed)
    found = []
    for name in range(people):
        level = dice.gauss(0, between)
        found.append(played(name, [round(dice.gauss(level, within)) for _ in range(units)]))
    return found


# ---------------------------------------------------------------------------------------------------------- correlation


def pairs_of(*points: tuple[int, int]) -> Pairs:
    pairs = Pairs()
    for x, y in points:
        pairs.add(x, y)
    return pairs


def test_it_is_what_a_hand_computes() -> None:
    """Deviations (-3, -1, 1, 3) / 2 and (-1, -3, 3, 1) / 2: r = 12 / 20; stepped up 1.2 / 1.6; the other way round negative."""
    pairs = pairs_of((1, 2), (2, 1), (3, 4), (4, 3))
    assert pairs.r_micro() == 600_000
    assert spearman_brown(600_000) == 750_000
    assert pairs_of((1, -2), (2, -1), (3, -4), (4, -3)).r_micro() == -600_000
    assert spearman_brown(-600_000) == -750_000
    assert pairs_of((1, 1), (2, 2), (5, 5)).r_micro() == MICRO
    assert pairs_of((0, 1), (0, 2), (1, 1), (1, 2)).r_micro() == 0


def test_what_does_not_vary_does_not_correlate() -> None:
    """On either side."""
    assert pairs_of((1, 5), (2, 5), (3, 5)).r_micro() is None
    assert pairs_of((5, 1), (5, 2), (5, 3)).r_micro() is None
    assert Pairs().r_micro() is None


@given(st.lists(st.tuples(*[st.integers(-(10**9), 10**9)] * 2), min_size=3, max_size=30))
def test_it_is_pearsons(points: list[tuple[int, int]]) -> None:
    """numpy's, wherever floats can tell; and in any order the same bits."""
    found = pairs_of(*points).r_micro()
    assert found == pairs_of(*sorted(points)).r_micro()
    columns = np.array(points, dtype=float).T
    if found is not None and min(columns.std(axis=1)) > 1:
        assert found == pytest.approx(MICRO * np.corrcoef(columns)[0, 1], abs=2)


# --------------------------------------------------------------------------------------------------------------- halves


def test_a_half_is_drawn_without_replacement_and_keeps_the_order() -> None:
    """Every unit is in one half; of an even number as many in either; of an odd one either is the larger half the time."""
    chances = words(b"halves")
    sizes: Counter[tuple[int, int]] = Counter()
    for n in (4, 5):
        for _ in range(1_000):
            one, other = _halves(range(n), chances)
            assert sorted(one + other) == list(range(n))
            assert (one, other) == (sorted(one), sorted(other))
            sizes[len(one), len(other)] += 1
    assert sizes[2, 2] == 1_000
    assert sizes[2, 3] + sizes[3, 2] == 1_000
    assert 400 < sizes[2, 3] < 600


def test_every_half_is_as_likely_as_any_other() -> None:
    """All 20 halves of six units."""
    chances = words(b"even")
    counts = Counter(tuple(_halves(range(6), chances)[0]) for _ in range(4_000))
    assert len(counts) == 20
    assert stats.chisquare(list(counts.values())).pvalue > 0.001


def test_the_halves_are_these_on_every_machine() -> None:
    """Whoever changes the stream or the way of drawing changes every figure that was published."""
    assert list(islice(words(b"kymograph"), 7, 10)) == [1921647377, 3182570704, 584045008]
    assert _halves(range(7), words(b"kymograph")) == ([4, 5, 6], [0, 1, 2, 3])


# ----------------------------------------------------------------------------------------------------------- split half


@pytest.mark.parametrize(("between", "within"), [(1_000, 2_000), (1_000, 5_000)])
def test_a_known_reliability_is_found(between: int, within: int) -> None:
    """Of 20 units with variances b and w it is b / (b + w / 20); the standard error over 400 people is near (1 - r^2) / 20."""
    known = between**2 / (between**2 + within**2 / 20)
    found = split_half(TOSSES, crowd(400, 20, between=between, within=within), ["mean"], 50)["mean"]
    assert found.people == 400
    assert found.value is not None
    assert found.value / MICRO == pytest.approx(known, abs=3 * (1 - known**2) / 20)
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high


def test_half_a_session_is_stepped_up_to_a_whole_one() -> None:
    """Retest of parallel sessions finds what the split half promises, to their standard errors."""
    both = crowd(400, 24, between=1_000, within=3_000)
    units = [
        [unit.value for unit in msgspec.json.decode(one.samples["toss"], type=list[Toss])] for one in both
    ]
    days = [(played(f"{n} a", of[:12]), played(f"{n} b", of[12:])) for n, of in enumerate(units)]
    again = retest(TOSSES, days, ["mean"])["mean"]
    halved = split_half(TOSSES, [first for first, _ in days], ["mean"], 50)["mean"]
    assert again.pairs == 400
    assert again.value is not None
    assert halved.value is not None
    assert again.value == pytest.approx(halved.value, abs=3 * 0.04 * MICRO)


def test_the_figures_are_these_on_every_machine() -> None:
    """And two people who did the same units are halved each in their own way: their sessions differ, and so do two games."""
    figures = SplitHalf(people=30, value=967195, low=956343, high=981645)
    other = msgspec.structs.replace(TOSSES, name="other")
    people = [
        played(name, [20 * name + (name * place * place) % 401 for place in range(3, 12)])
        for name in range(1, 31)
    ]
    assert split_half(TOSSES, people, ["mean"], 40)["mean"] == figures
    renamed = [msgspec.structs.replace(one, events_digest=f"x {one.events_digest}") for one in people]
    elsewhere = [msgspec.structs.replace(one, samples={"other": one.samples["toss"]}) for one in people]
    assert split_half(TOSSES, renamed, ["mean"], 40)["mean"] != figures
    assert split_half(other, elsewhere, ["mean"], 40)["mean"] != figures


def test_neither_the_order_of_people_nor_another_metric_matters() -> None:
    """The same figures to the last digit; and the first permutations stay the first."""
    people = crowd(30, 9, between=1_000, within=2_000)
    found = split_half(TOSSES, people, ["mean", "first"], 40)
    assert split_half(TOSSES, people[::-1], ["first", "mean"], 40) == found
    assert split_half(TOSSES, iter(people), ["mean"], 40) == {"mean": found["mean"]}
    assert split_half(TOSSES, people, ["mean"], 41) != {"mean": found["mean"]}


def test_the_points_are_those_of_the_permutations() -> None:
    """Of 80 permutations 2.5 % are two: the third lowest and the third highest. A single one is its own mean."""
    people = crowd(25, 8, between=1_000, within=2_000)
    alone = [split_half(TOSSES, people, ["mean"], n)["mean"] for n in range(1, 81)]
    values = [alone[0].value]
    assert alone[0] == SplitHalf(25, alone[0].value, alone[0].value, alone[0].value)
    for n, (before, now) in enumerate(pairwise(alone), 1):  # two means tell the newest value
        assert before.value is not None
        assert now.value is not None
        values.append((n + 1) * now.value - n * before.value)
    ordered = sorted(value for value in values if value is not None)
    assert alone[-1].low == pytest.approx(ordered[2], abs=100)
    assert alone[-1].high == pytest.approx(ordered[-3], abs=100)
    assert alone[-1].value == pytest.approx(fmean(ordered), abs=1)


def test_too_few_people_have_no_figure() -> None:
    """Nineteen, or fewer who have the metric on both halves in some permutation: the fewest are told."""
    people = crowd(20, 8, between=1_000, within=2_000)
    assert split_half(TOSSES, people, ["mean"], 3)["mean"].value is not None
    assert split_half(TOSSES, people[1:], ["mean"], 3)["mean"] == SplitHalf(19, reason="too_few_people")
    odd = split_half(TOSSES, crowd(60, 8, between=1_000, within=2_000), ["odd"], 5)["odd"]
    assert odd.reason == "too_few_people"
    assert 0 < odd.people < 20
    assert split_half(TOSSES, [], ["mean"], 2)["mean"] == SplitHalf(0, reason="too_few_people")


def test_who_lacks_the_metric_is_not_counted() -> None:
    """Of 200 a quarter have it on both halves; the more permutations, the fewer there are in that with the fewest."""
    people = crowd(200, 8, between=1_000, within=2_000, seed=3)
    counts = [split_half(TOSSES, people, ["odd"], n)["odd"].people for n in range(1, 12)]
    assert all(20 <= count < 80 for count in counts)
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] < counts[0]
    assert split_half(TOSSES, people, ["odd"], 5)["odd"].value is not None


def test_what_all_people_share_has_no_figure() -> None:
    """Nothing varies."""
    people = crowd(20, 8, between=1_000, within=2_000)
    assert split_half(TOSSES, people, ["one"], 3)["one"] == SplitHalf(20, reason="no_spread")
    assert retest(TOSSES, zip(people, people, strict=True), ["one"])["one"] == Retest(20, reason="no_spread")


def test_a_retest_needs_twenty_who_have_the_metric_twice() -> None:
    """The same session twice agrees with itself; one pair less is too few; who lacks the metric once is no pair."""
    people = crowd(20, 8, between=1_000, within=2_000)
    same = list(zip(people, people, strict=True))
    assert retest(TOSSES, same, ["mean"])["mean"] == Retest(20, MICRO)
    assert retest(TOSSES, same[1:], ["mean"])["mean"] == Retest(19, reason="too_few_pairs")
    some = retest(TOSSES, [*same, (played("even", [2]), played("odd", [1]))], ["odd", "mean"])
    sums = [
        sum(unit.value for unit in msgspec.json.decode(one.samples["toss"], type=list[Toss]))
        for one in people
    ]
    assert some["mean"].pairs == 21
    assert some["odd"].pairs == len([total for total in sums if total % 2])


# ------------------------------------------------------------------------------------------------------------- who counts


def balloons(name: object, count: int = 20, **changes: object) -> Played:
    """A session of balloon risk as it comes from its measures; only ``changes`` are bent."""
    measures = measures_of(session_events((TYPICAL * 2)[:count]))
    one = msgspec.json.decode(msgspec.json.encode(measures), type=Played)
    return msgspec.structs.replace(one, events_digest=f"digest of {name}", **changes)


def sitting(name: str, subject: str | None = None, *, began_ms: int = 0, **changes: object) -> Sitting:
    known = {"withdrawn": False, "played": balloons(name)} | changes
    return Sitting(session_id=name, subject_id=subject or f"of {name}", began_ms=began_ms, **known)  # type: ignore[arg-type]


ELSEWHERE = [GameMeasures("balloon_risk", {**MATCH, "max_pumps": 13}, None)]  # type: ignore[arg-type]
IMPOSSIBLE = [Noticed("Q_CLOCK", "quality", 1, 1), Noticed("B1", "integrity", 1, 1)]
NOTED = [Noticed("Q_NO_PUMP", "note", 1, 1), Noticed("Q_CLOCK", "quality", 1, 1)]
UNFIT: dict[str, Callable[[str], Sitting]] = {
    "withdrawn": lambda name: sitting(name, withdrawn=True),
    "open": lambda name: sitting(name, played=None),
    "not_completed": lambda name: sitting(name, played=balloons(name, closed="aborted")),
    "integrity": lambda name: sitting(name, played=balloons(name, findings=IMPOSSIBLE)),
    "not_played": lambda name: sitting(name, played=balloons(name, games=[])),
    "other_configuration": lambda name: sitting(name, played=balloons(name, games=ELSEWHERE)),
    "no_sample": lambda name: sitting(name, played=balloons(name, samples={})),
    "no_subject": lambda name: msgspec.structs.replace(sitting(name), subject_id=None),
    "too_few_units": lambda name: sitting(name, played=balloons(name, 3)),
}


@pytest.mark.parametrize("reason", UNFIT)
def test_a_session_that_does_not_count_is_counted_under_its_reason(reason: str) -> None:
    """Beside one that does."""
    found = cohort([sitting("fits"), UNFIT[reason]("does not")], NORMS)
    assert found.left_out == {reason: 1}
    assert (found.sessions, len(found.firsts), found.pairs) == (2, 1, ())


def test_four_units_and_notes_are_no_hindrance() -> None:
    """A note is worth knowing, and the units that count are there. The median is that of the first sessions."""
    whole = [
        sitting("a", "anna", played=balloons("a", findings=NOTED)),
        sitting("b", "bert", played=balloons("b", 30)),
        sitting("c", "carl", played=balloons("c", 4)),
        *[sitting(f"{name} again", name, began_ms=1, played=balloons(name, 4)) for name in ("anna", "bert")],
    ]
    found = cohort(whole, NORMS)
    assert (len(found.firsts), found.left_out, found.units) == (3, {}, 20)
    assert cohort([], NORMS) == Cohort("balloon_risk", (), (), {}, 0)


def test_two_plays_of_one_game_must_both_fit() -> None:
    """Their units are one sample."""
    both = [*balloons("x").games, *ELSEWHERE]
    assert cohort([sitting("x", played=balloons("x", games=both))], NORMS).left_out == {
        "other_configuration": 1
    }


def test_who_comes_again_is_one_person() -> None:
    """By when the sessions began, and then by id: the first is halved, the second is the retest, others are left out."""
    comes = [
        sitting("c", "anna", began_ms=3),
        sitting("a", "anna", began_ms=2),
        sitting("b", "anna", began_ms=1),
        sitting("x.2", "bert", began_ms=5),
        sitting("x.1", "bert", began_ms=5),
        sitting("d", "carl", began_ms=1, played=balloons("d", closed="aborted")),
        sitting("e", "carl", began_ms=2),
    ]
    found = cohort(comes, NORMS)
    assert [one.events_digest for one in found.firsts] == ["digest of b", "digest of e", "digest of x.1"]
    assert [(one.events_digest, two.events_digest) for one, two in found.pairs] == [
        ("digest of b", "digest of a"),
        ("digest of x.1", "digest of x.2"),
    ]
    assert found.left_out == {"later_session": 1, "not_completed": 1}
    assert found.sessions == len(comes)


@cache
def kept(reason: str, number: int) -> Sitting:
    one = UNFIT[reason](str(number)) if reason in UNFIT else sitting(str(number))
    return msgspec.structs.replace(one, subject_id=one.subject_id and f"person {number % 5}")


@given(st.lists(st.sampled_from([*UNFIT, "fits"]), max_size=30), st.randoms(use_true_random=False))
def test_every_session_counts_or_is_counted(reasons: list[str], dice: Random) -> None:
    """sessions = firsts + seconds + left out, exactly; and their order does not matter."""
    sittings = [kept(reason, number) for number, reason in enumerate(reasons)]
    found = cohort(sittings, NORMS)
    assert found.sessions == len(sittings)
    assert {reason: reasons.count(reason) for reason in set(reasons) & UNFIT.keys()} == {
        reason: count for reason, count in found.left_out.items() if reason != "later_session"
    }
    dice.shuffle(sittings)
    again = cohort(sittings, NORMS)
    assert again == found
    assert again.digest() == found.digest()


def test_the_digest_names_the_sessions_that_count() -> None:
    """Another person, another second session or another game: another digest; who is left out leaves no trace."""
    anna, again, bert = sitting("a", "anna"), sitting("b", "anna", began_ms=1), sitting("c", "bert")
    cohorts = [cohort(of, NORMS) for of in ([anna], [anna, again], [anna, bert], [again, bert])]
    elsewhere = msgspec.structs.replace(cohorts[0], game="toss")
    assert len({of.digest() for of in [*cohorts, elsewhere]}) == 5
    assert cohort([anna, UNFIT["open"]("x")], NORMS).digest() == cohorts[0].digest()
    earlier = msgspec.structs.replace(bert, began_ms=-1)
    assert cohort([anna, earlier], NORMS).digest() == cohorts[2].digest()


# ----------------------------------------------------------------------------------------------------------- real people


@cache
def real_cohort(norms_of: str = "pilot@0.1.0") -> Cohort:
    norms: NormSet = next(iter(load(norms_of).norms.values()))
    sittings = []
    for person, events in people_in(real_file("ds000030_bart_events.csv.gz")).items():
        bytes_of = msgspec.json.encode(measures_of(events))
        sittings.append(Sitting(person, person, 0, False, msgspec.json.decode(bytes_of, type=Played)))
    return cohort(sittings, norms)


def test_real_people_are_as_reliable_as_was_published() -> None:
    """132 of ds000030, patients among them, against .948 and .899 of 124 of its controls; nobody is left out."""
    people = real_cohort()
    assert (len(people.firsts), people.left_out, people.units) == (132, {}, 19)
    found = split_half(GAME, people.firsts, ["balloon.mean_ln_latency", "balloon.ln_intended_km"], 40)
    assert found["balloon.mean_ln_latency"].value == pytest.approx(948_100, abs=20_000)
    assert found["balloon.ln_intended_km"].value == pytest.approx(899_100, abs=50_000)


def test_other_halves_of_real_people_by_other_means_say_the_same() -> None:
    """Adjusted pumps over halves that numpy draws, correlated by numpy: the same to their chance."""
    people = real_cohort().firsts
    found = split_half(GAME, people, ["balloon.aap"], 40)["balloon.aap"]
    dice = np.random.default_rng(1)
    means: list[float] = []
    for _ in range(40):
        halves: list[list[float]] = [[], []]
        for one in people:
            units = msgspec.json.decode(one.samples["balloon_risk"])
            dice.shuffle(units)
            both = [
                [pumps for _, _, _, pumps, exploded, *_ in units[side::2] if not exploded] for side in (0, 1)
            ]
            if all(both):
                for half, pumps in zip(halves, both, strict=True):
                    half.append(fmean(pumps))
        r = np.corrcoef(halves)[0, 1]
        means.append(2 * r / (1 + r))
    assert found.value == pytest.approx(MICRO * fmean(means), abs=4 * MICRO * np.std(means) / 40**0.5)
