"""Every metric of memory cards against plain formulas in floating point, written from science.md A.3 and H alone."""

import re
from collections.abc import Callable, Sequence
from functools import cache
from math import log, sqrt
from random import Random
from statistics import fmean, pvariance

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from science.estimate import covariances
from science.game import Metric
from science.games.memory_cards.metrics import DEFINITIONS
from science.games.memory_cards.optimal import optimal_turns
from science.games.memory_cards.sample import Round, sample
from science.games.memory_cards.vocabulary import CardFlipped, GameStarted, RoundCompleted, RoundStarted
from tests.science.memory_builders import (
    Player,
    Step,
    a_turn,
    blind,
    config_of,
    dealt,
    forgetful,
    game_steps,
    influences_of,
    metrics_of,
    named,
    perfect,
    played,
    round_steps,
    rounds_of,
)


class Seen(msgspec.Struct):
    """A finished round, as anyone can read it off the events."""

    r: int
    n: int
    flips: list[tuple[int, str, float]] = msgspec.field(default_factory=list)  # place, face, ms
    finished: bool = False

    @property
    def turns(self) -> int:
        return len(self.flips) // 2


def seen(steps: list[Step]) -> list[Seen]:
    """The rounds that count in these (lawful) steps."""
    rounds: list[Seen] = []
    for _, payload in steps:
        match payload:
            case RoundStarted():
                rounds.append(Seen(payload.r, payload.n_pairs))
            case CardFlipped():
                rounds[-1].flips.append((payload.pos, payload.face, payload.latency_us / 1_000))
            case RoundCompleted():
                rounds[-1].finished = True
            case _:
                pass
    return [one for one in rounds if one.finished]


class Kind(msgspec.Struct):
    """What kind a turn is of, and the ln of its latencies where they are no anticipations."""

    name: str
    redundant: bool
    wasted: bool
    before: str | None  # the turn before it in the round
    first: list[float]
    second: list[float]


def kinds(one: Seen) -> list[Kind]:
    """Each turn, by looking through all the flips before it."""
    found: list[Kind] = []
    for at in range(0, len(one.flips), 2):
        (a, face, first), (b, other, second) = one.flips[at : at + 2]
        shown = {pos for pos, _, _ in one.flips[:at]}
        mate_seen = any(f == face and pos != a for pos, f, _ in one.flips[:at])
        matched = face == other
        name = ("hit" if matched else "miss") if mate_seen else ("lucky" if matched else "none")
        before = None if not found else "match" if found[-1].name in {"hit", "lucky"} else "mismatch"
        logs = [[log(ms)] if ms >= 100 else [] for ms in (first, second)]
        redundant, wasted = not mate_seen and b in shown, not mate_seen and a in shown
        found.append(Kind(name, redundant, wasted, before, *logs))
    return found


@cache
def chance(known: int, unseen: int) -> tuple[float, float]:
    """Mean and mean square of the turns of perfect memory, branch by branch."""
    if unseen == 0:
        return 0.0, 0.0
    branches = [(known / unseen, 1, (known - 1, unseen - 1))]
    if unseen > known:
        new = (unseen - known) / unseen / (unseen - 1)
        branches += [
            (new, 1, (known, unseen - 2)),
            (new * known, 2, (known, unseen - 2)),
            (new * (unseen - 2 - known), 1, (known + 2, unseen - 2)),
        ]
    mean = square = 0.0
    for p, cost, state in branches:
        if p:
            to, to_square = chance(*state)
            mean += p * (cost + to)
            square += p * (cost * cost + 2 * cost * to + to_square)
    return mean, square


def expectation(one: Seen) -> float:
    return chance(0, 2 * one.n)[0]


def variance(one: Seen) -> float:
    mean, square = chance(0, 2 * one.n)
    return square - mean * mean


Cell = list[tuple[float, float]]  # value and weight


def cell(rounds: list[Seen], weights: Sequence[float], of: Callable[[Kind], list[float]]) -> Cell:
    return [(x, w) for one, w in zip(rounds, weights, strict=True) for kind in kinds(one) for x in of(kind)]


def mean(values: Cell) -> float:
    return sum(x * w for x, w in values) / sum(w for _, w in values)


def spread_of(values: Cell) -> float:
    """The standard deviation, of n - 1 however the weights lie."""
    centre, n = mean(values), len(values)
    return sqrt(mean([((x - centre) ** 2, w) for x, w in values]) * n / (n - 1))


def slope(points: list[tuple[float, float, float]]) -> float:
    """Weighted least squares."""
    total = sum(w for _, _, w in points)
    x_mean, y_mean = sum(x * w for x, _, w in points) / total, sum(y * w for _, y, w in points) / total
    above = sum(w * (x - x_mean) * (y - y_mean) for x, y, w in points)
    return above / sum(w * (x - x_mean) ** 2 for x, _, w in points)


def weighted(rounds: list[Seen], weights: Sequence[float]) -> dict[str, float | None]:
    """The metrics that a trait may rest on, each round taken with its weight; None where the specification says null."""
    pairs = list(zip(rounds, weights, strict=True))
    excess = sum(w * (one.turns - expectation(one)) for one, w in pairs)
    spread = sum(w * variance(one) for one, w in pairs)
    hits, misses = (
        sum(w * sum(kind.name == name for kind in kinds(one)) for one, w in pairs) for name in ("hit", "miss")
    )
    flips = cell(rounds, weights, lambda kind: kind.first + kind.second)
    cells = {
        "hit": cell(rounds, weights, lambda kind: kind.second if kind.name == "hit" else []),
        "new": cell(
            rounds,
            weights,
            lambda kind: kind.second if kind.name in {"lucky", "none"} and not kind.redundant else [],
        ),
        "mismatch": cell(rounds, weights, lambda kind: kind.first if kind.before == "mismatch" else []),
        "match": cell(rounds, weights, lambda kind: kind.first if kind.before == "match" else []),
    }
    trend = [(one.r, log(one.turns / expectation(one)), w) for one, w in pairs]
    return {
        "excess_turns": excess / sum(weights) if rounds else None,
        "excess_z": excess / sqrt(spread) if spread > 1e-9 else None,
        "recall_logit": log((hits + 0.5) / (misses + 0.5)) if hits + misses else None,
        "mean_ln_latency": mean(flips) if len(flips) >= 10 else None,
        "sd_ln_latency": spread_of(flips) if len(flips) >= 10 else None,
        "hit_cost": mean(cells["hit"]) - mean(cells["new"])
        if min(len(cells["hit"]), len(cells["new"])) >= 3
        else None,
        "post_mismatch_latency": mean(cells["mismatch"]) - mean(cells["match"])
        if min(len(cells["mismatch"]), len(cells["match"])) >= 3
        else None,
        "round_slope": -slope(trend) if len(rounds) >= 3 and len({one.r for one in rounds}) > 1 else None,
    }


def expected(rounds: list[Seen]) -> dict[str, float | None]:
    """Every metric."""
    turns = [kind for one in rounds for kind in kinds(one)]
    n = len(turns)
    counts = {
        name: sum(kind.name == said for kind in turns)
        for name, said in {"hits": "hit", "misses": "miss", "lucky": "lucky", "no_match": "none"}.items()
    }
    return {
        **weighted(rounds, [1] * len(rounds)),
        **counts,
        "n_rounds": len(rounds),
        "n_turns": n,
        "redundant_rate": sum(kind.redundant for kind in turns) / n if n else None,
        "first_flip_waste": sum(kind.wasted for kind in turns) / n if n else None,
        "accuracy": (counts["hits"] + counts["lucky"]) / n if n else None,
        "time_per_pair": sum(max(0, ms) for one in rounds for _, _, ms in one.flips)
        / 1_000
        / sum(one.n for one in rounds)
        if n
        else None,
        **{f"turns_{r}": fmean(one.turns for one in rounds if one.r == r) for r in {one.r for one in rounds}},
    }


def some_game(rng: Random) -> list[Step]:
    """Any lawful game, with timeouts, unfinished rounds and flips under 100 ms."""
    n_pairs, rounds = rng.choice([1, 2, 3, 5, 8]), rng.choice([1, 1, 2, 3, 4, 6])
    lockout_us = rng.choice([0, 1_000_000])
    steps: list[Step] = [
        (0, GameStarted(config_of(n_pairs=n_pairs, rounds=rounds, rows=2, lockout_us=lockout_us)))
    ]
    player = rng.choice([perfect, blind, forgetful])
    odds = rng.choice([[1, 0, 0], [4, 1, 1]])
    for r in range(1, rounds + 1):
        layout = dealt(n_pairs, rng)
        steps += round_steps(
            layout,
            player(layout, rng),
            r=r,
            begin_us=steps[-1][0],
            lockout_us=lockout_us,
            outcome="completed",
            waits=[int(rng.lognormvariate(13, 1)) for _ in range(11)],
        )
        outcome = rng.choices(["completed", "timed_out", "unfinished"], odds)[0]
        if outcome != "completed":
            del steps[-2:]  # the last pair is flipped, and not resolved
        if outcome == "timed_out":
            del steps[-1:]
    return steps


def some_games(rng: Random) -> tuple[list[Seen], list[Round]]:
    """One or two games of a session, maybe of different sizes: as anyone can read them, and their sample."""
    games = [some_game(rng) for _ in range(rng.choice([1, 1, 2]))]
    return [one for steps in games for one in seen(steps)], sample([played(steps) for steps in games])


def test_every_metric_is_its_formula() -> None:
    """500 sessions of every shape: each value within two micro-units of the plain formula, and null where it is null."""
    rng = Random("metrics")
    reached: dict[str, set[bool]] = {}
    for _ in range(500):
        rounds, units = some_games(rng)
        metrics, wanted = named(units), expected(rounds)
        assert metrics.keys() == wanted.keys()
        for name, value in wanted.items():
            metric = metrics[name]
            reached.setdefault(name, set()).add(value is None)
            assert (metric.value is None) == (value is None), (name, metric, value)
            if value is not None and metric.value is not None:
                assert abs(metric.value - 1e6 * value) <= 2 + 1e-8 * abs(1e6 * value), (name, metric, value)
                assert metric.reason is None
            else:
                assert metric.reason is not None
    always = {
        "n_rounds",
        "n_turns",
        "hits",
        "misses",
        "lucky",
        "no_match",
        *(f"turns_{r}" for r in range(1, 7)),
    }
    assert {name for name, ways in reached.items() if ways == {True, False}} == reached.keys() - always


def test_every_metric_is_defined_once_and_has_the_unit_of_its_definition() -> None:
    """What is measured is what is published, name by name; one definition stands for the rounds' numbers."""
    metrics = metrics_of(game_steps(4, 12))
    units = {definition.id: definition.unit for definition in DEFINITIONS}
    assert len(units) == len(DEFINITIONS)
    measured = {
        f"memory.{re.sub(r'^turns_[0-9]+$', 'turns_r', name)}": one.unit for name, one in metrics.items()
    }
    assert measured == units
    assert {f"turns_{r}" for r in range(1, 13)} <= metrics.keys()


# ---------------------------------------------------------------------------------------------- known players and games


def test_worked_by_hand() -> None:
    """Cards a b c c b a; the seven turns of the sample's own test: three hits, one miss, two wasted flips, one redundant."""
    layout = ["a", "b", "c", "c", "b", "a"]
    picks = [(0, 1), (1, 2), (2, 0), (5, 4), (4, 1), (3, 2), (0, 5)]
    steps: list[Step] = [(0, GameStarted(config_of(n_pairs=3)))]
    metrics = metrics_of([*steps, *round_steps(layout, picks, waits=(1_000_000, 2_000_000))])
    values = {name: metric.value for name, metric in metrics.items()}
    assert values == {
        "n_rounds": 1_000_000,
        "n_turns": 7_000_000,
        "turns_1": 7_000_000,
        "excess_turns": 2_666_667,  # 7 - 13/3
        "excess_z": 4_472_136,  # over sqrt(16/45)
        "hits": 3_000_000,
        "misses": 1_000_000,
        "lucky": 0,
        "no_match": 3_000_000,
        "recall_logit": 847_298,  # ln(3.5 / 1.5)
        "redundant_rate": 142_857,
        "first_flip_waste": 285_714,
        "accuracy": 428_571,
        "mean_ln_latency": 7_254_329,  # ln 1000 + ln 2 / 2
        "sd_ln_latency": 359_656,  # sqrt(14 / 13) ln 2 / 2
        "hit_cost": None,  # two explorations
        "post_mismatch_latency": None,
        "round_slope": None,
        "time_per_pair": 7_000_000,
    }


def test_perfect_memory_has_nothing_to_learn() -> None:
    """Over 200 rounds its excess is chance alone, it misses nothing, wastes nothing, and repeats nothing."""
    metrics = metrics_of(game_steps(8, 200, player=perfect))
    assert abs(metrics["excess_z"].value or 0) < 3_000_000
    assert (metrics["misses"].value, metrics["redundant_rate"].value) == (0, 0)
    assert metrics["first_flip_waste"].value == 0
    assert (metrics["recall_logit"].value or 0) > 6_000_000


def test_no_memory_needs_the_square_of_the_pairs() -> None:
    """36 turns where 9.16 are needed: chance cannot explain it."""
    metrics = metrics_of(game_steps(6, 200, player=blind))
    excess = (metrics["excess_turns"].value or 0) / 1e6
    variance_of_blind = sum((2 * j - 1) * (2 * j - 2) for j in range(1, 7))
    assert abs(excess - (36 - float(optimal_turns(6).mean))) < 4 * sqrt(variance_of_blind / 200)
    assert (metrics["excess_z"].value or 0) > 100_000_000
    assert (metrics["recall_logit"].value or 0) < 0


def test_better_memory_scores_better() -> None:
    """Recall of .5, .7 and .9: fewer turns, a higher logit."""

    def with_recall(recall: float) -> Player:
        return lambda layout, rng: forgetful(layout, rng, recall=recall)

    found = [metrics_of(game_steps(8, 60, player=with_recall(recall))) for recall in (0.5, 0.7, 0.9)]
    for name, sign in (("excess_z", -1), ("excess_turns", -1), ("recall_logit", 1), ("accuracy", 1)):
        values = [sign * (metrics[name].value or 0) for metrics in found]
        assert values == sorted(values), name


# ------------------------------------------------------------------------------------------ edge cases, with reasons


def a_round(*turns: dict[str, int | bool], r: int = 1, n_pairs: int = 2) -> Round:
    return Round(r, n_pairs, tuple(a_turn(**turn) for turn in turns))


HIT, MISS, LUCKY, NEW = {"matched": True, "mate_lag": 3}, {"mate_lag": 3}, {"matched": True}, {}
EARLY = {"first_us": 99_999}
EDGES: list[tuple[str, list[Round], str | None, int]] = [
    *((name, [], "no_rounds", 0) for name in ("excess_turns", "excess_z", "recall_logit", "redundant_rate")),
    *((name, [], "no_rounds", 0) for name in ("first_flip_waste", "accuracy", "time_per_pair", "hit_cost")),
    *((name, [], "no_rounds", 0) for name in ("mean_ln_latency", "sd_ln_latency", "round_slope")),
    ("post_mismatch_latency", [], "no_rounds", 0),
    ("excess_z", [a_round(LUCKY, n_pairs=1)] * 5, "one_pair", 5),
    ("excess_z", [a_round(LUCKY, n_pairs=1), a_round(NEW, LUCKY, HIT)], None, 2),
    ("excess_turns", [a_round(LUCKY, n_pairs=1)], None, 1),
    ("recall_logit", [a_round(NEW, LUCKY, LUCKY)], "no_opportunities", 0),
    ("recall_logit", [a_round(MISS, LUCKY, LUCKY)], None, 1),
    ("mean_ln_latency", [a_round(NEW, NEW, NEW, NEW, EARLY)], "too_few_latencies", 9),
    ("mean_ln_latency", [a_round(NEW, NEW, NEW), a_round(NEW, NEW)], None, 10),
    ("sd_ln_latency", [a_round(NEW, NEW, NEW, NEW, EARLY)], "too_few_latencies", 9),
    ("hit_cost", [a_round(HIT, HIT, NEW, NEW, LUCKY)], "too_few_latencies", 2),
    ("hit_cost", [a_round(HIT, HIT, HIT, NEW, LUCKY)], "too_few_latencies", 2),
    ("hit_cost", [a_round(HIT, HIT, HIT, NEW, NEW, {"second_seen": True})], "too_few_latencies", 2),
    ("hit_cost", [a_round(HIT, HIT, HIT, NEW, NEW, {"second_us": 99_999})], "too_few_latencies", 2),
    ("hit_cost", [a_round(HIT, HIT, HIT, NEW, NEW, LUCKY, MISS)], None, 6),
    ("post_mismatch_latency", [a_round(HIT, HIT, HIT, NEW, NEW, NEW)], "too_few_latencies", 2),
    ("post_mismatch_latency", [a_round(HIT, HIT, HIT, NEW, NEW), a_round(NEW)], "too_few_latencies", 1),
    ("post_mismatch_latency", [a_round(HIT, HIT, HIT, NEW, NEW, NEW, HIT)], None, 6),
    ("post_mismatch_latency", [a_round(HIT, HIT, HIT, NEW, NEW, NEW, EARLY)], "too_few_latencies", 2),
    ("round_slope", [a_round(NEW, r=1), a_round(NEW, r=2)], "too_few_rounds", 2),
    ("round_slope", [a_round(NEW, r=1), a_round(NEW, r=2), a_round(NEW, r=5)], None, 3),
    ("round_slope", [a_round(NEW, r=1)] * 3, "too_few_rounds", 3),
]


@pytest.mark.parametrize(("name", "rounds", "reason", "n"), EDGES)
def test_what_is_too_little_says_so(name: str, rounds: list[Round], reason: str | None, n: int) -> None:
    """At its minimum a metric has a value; one below it has a reason instead, and n says how many there were."""
    metric = named(rounds)[name]
    assert (metric.reason, metric.n) == (reason, n)
    assert (metric.value is None) == (reason is not None)
    assert (name in influences_of(rounds)) <= (reason is None)


def test_nothing_played_counts_to_nothing() -> None:
    """Counts are zero, all else is null, and no round has turns."""
    metrics = named([])
    counts = {"n_rounds", "n_turns", "hits", "misses", "lucky", "no_match"}
    assert {name for name, metric in metrics.items() if metric.value is not None} == counts
    assert all(metrics[name].value == 0 for name in counts)
    assert not any(name.startswith("turns_") for name in metrics)
    assert influences_of([]) == {}


def test_the_floor_of_100_ms_holds_for_logarithms_alone() -> None:
    """A flip at 99.999 ms is in no mean of logarithms, but is time like any other; one before its onset is no time."""
    waits = [{"first_us": 99_999, "second_us": 100_000}] * 10
    assert named([a_round(*waits)])["mean_ln_latency"] == Metric(4_605_170, 10, "ln ms")
    assert named([a_round(*waits)])["time_per_pair"].value == 999_995  # 1.99999 s over two pairs
    assert named([a_round({"first_us": -5_000, "second_us": 3_000_000})])["time_per_pair"].value == 1_500_000
    assert named([a_round({"first_us": 3_000_000, "second_us": -1})])["time_per_pair"].value == 1_500_000


def test_rounds_of_different_size_are_pooled() -> None:
    """excess_z: (5 + 3 - 13/3 - 8/3) / sqrt(16/45 + 2/9)."""
    rounds = [a_round(*[NEW] * 5, n_pairs=3), a_round(*[NEW] * 3, r=2, n_pairs=2)]
    assert named(rounds)["excess_z"].value == 1_315_587
    assert named(rounds)["excess_turns"].value == 500_000
    rounds = [a_round(*[NEW] * n, r=r, n_pairs=n) for r, n in enumerate((3, 2, 1), 1)]
    assert (
        named(rounds)["round_slope"].value == -183_862
    )  # the line through ln(9/13), ln(3/4) and ln 1, falling


def test_luck_may_beat_perfect_memory() -> None:
    """Three pairs in three turns: fewer than perfect memory needs."""
    metrics = named([a_round(LUCKY, LUCKY, LUCKY, n_pairs=3)])
    assert (metrics["excess_turns"].value, metrics["excess_z"].value) == (-1_333_333, -2_236_068)


def test_two_games_may_have_a_round_of_one_number() -> None:
    """turns_1 is then the mean of the two."""
    rounds = sample([played(game_steps(3, 2, seed=seed)) for seed in (1, 2)])
    first, second = (len(round_.turns) for round_ in rounds if round_.r == 1)
    assert named(rounds)["turns_1"] == Metric(500_000 * (first + second), 2, "turns")
    assert named(rounds)["n_rounds"].n == 4


# -------------------------------------------------------------------------------------------------------- influences


def moved(rounds: list[Seen], place: int) -> dict[str, float]:
    """How each metric moves when one round's weight grows and the others' shrink, found by trying."""
    step, n = 1e-5, len(rounds)
    up, down = (
        weighted(rounds, [1 - sign * step + (n * sign * step if at == place else 0) for at in range(n)])
        for sign in (1, -1)
    )
    return {
        name: (value - other) / (2 * step * n)
        for name, value in up.items()
        if value is not None and (other := down[name]) is not None
    }


def test_influences_are_the_derivatives() -> None:
    """80 sessions: each round's influence on each metric is what trying finds, within four micro-units."""
    rng, reached = Random("influences"), set()
    for _ in range(80):
        rounds, units = some_games(rng)
        found = influences_of(units)
        for place in range(len(rounds)):
            wanted = moved(rounds, place)
            assert found.keys() == wanted.keys()
            for name, plain in wanted.items():
                reached.add(name)
                assert abs(found[name][place] - 1e6 * plain) <= 4 + abs(plain), (name, place)
    assert len(reached) == 8


def test_latencies_that_are_all_alike_have_no_spread_to_move() -> None:
    """The deviation is 0, and no round has an influence on it; nothing is divided by it."""
    even = rounds_of(game_steps(4, 3, waits=(500_000,)))
    assert named(even)["sd_ln_latency"].value == 0
    assert influences_of(even)["sd_ln_latency"] == [0, 0, 0]


def test_influences_add_up_to_the_variance_of_another_session() -> None:
    """300 sessions of twelve rounds of one person: the mean of the estimated variances is the variance that is seen."""
    rng = Random("sessions")
    values: dict[str, list[float]] = {}
    variances: dict[str, list[float]] = {}
    for seed in range(300):
        waits = [int(rng.lognormvariate(13, 0.5)) + 100_000 for _ in range(509)]
        rounds = rounds_of(game_steps(5, 12, seed=seed, waits=waits))
        metrics, found = named(rounds), covariances(influences_of(rounds))
        for name, row in found.items():
            values.setdefault(name, []).append((metrics[name].value or 0) / 1e6)
            variances.setdefault(name, []).append(row[name] / 1e12)
    assert len(values) == 8
    for name, of in values.items():
        assert fmean(variances[name]) == pytest.approx(pvariance(of), rel=0.3), name


@given(st.integers(0, 10_000), st.permutations(range(5)))
def test_the_order_of_the_rounds_is_only_their_number(seed: int, order: list[int]) -> None:
    """A sample drawn in another order has the same metrics, and each round its own influence."""
    rounds = rounds_of(game_steps(3, 5, seed=seed))
    mixed = [rounds[place] for place in order]
    assert named(mixed) == named(rounds)
    moves = influences_of(rounds)
    assert influences_of(mixed) == {name: [of[place] for place in order] for name, of in moves.items()}
