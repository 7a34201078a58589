"""Every metric of balloon risk against plain formulas in floating point, written from science.md A.2 and H alone."""

from itertools import pairwise
from math import log
from random import Random
from statistics import fmean, stdev

import msgspec
import pytest

from science.game import Metric
from science.games.balloon_risk import GAME
from science.games.balloon_risk.metrics import DEFINITIONS
from science.games.balloon_risk.sample import ScoredBalloon, account
from science.games.balloon_risk.vocabulary import Collected, Exploded, Pumped, Shown
from tests.science.builders import (
    TYPICAL,
    Balloon,
    Step,
    ended,
    events_of,
    game_config,
    game_steps,
    measures_of,
    metric_of,
    protocol_of,
    session_events,
    session_steps,
    started,
)


class Seen(msgspec.Struct):
    """A scored balloon, as anyone can read it off the events."""

    i: int
    max_pumps: int
    value_c: int
    pumps: int = 0
    end: str = ""
    pump_ms: list[float] = msgspec.field(default_factory=list)
    collect_ms: float | None = None


def seen(steps: list[Step]) -> list[Seen]:
    """The balloons that count in these (lawful) steps."""
    balloons: list[Seen] = []
    is_practice: set[int] = set()
    for _, payload in steps:
        match payload:
            case Shown():
                balloons.append(Seen(payload.i, payload.max_pumps, payload.value_per_pump_c))
                if payload.practice:
                    is_practice.add(payload.i)
            case Pumped():
                balloons[-1].pumps += 1
                balloons[-1].pump_ms.append(payload.latency_us / 1_000)
            case Exploded():
                balloons[-1].end = "burst"
            case Collected():
                balloons[-1].end = "cash"
                balloons[-1].collect_ms = payload.latency_us / 1_000
            case _:
                pass
    return [b for b in balloons if b.end and b.i not in is_practice]


def slope(points: list[tuple[float, float]]) -> float:
    """Ordinary least squares."""
    x_mean, y_mean = fmean(x for x, _ in points), fmean(y for _, y in points)
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / sum((x - x_mean) ** 2 for x, _ in points)


def km(balloons: list[Seen]) -> float:
    """The area under the Kaplan-Meier curve."""
    area, survival = 0.0, 1.0
    for level in range(max(b.pumps for b in balloons)):
        stopped = sum(b.end == "cash" and b.pumps == level for b in balloons)
        at_risk = stopped + sum(b.pumps > level for b in balloons)
        survival *= 1 - stopped / at_risk
        area += survival
    return area


def expected(balloons: list[Seen]) -> dict[str, float | None]:
    """Every metric, None where the specification says null."""
    cashed = [b for b in balloons if b.end == "cash"]
    n, m = len(balloons), len(cashed)
    aap = fmean(b.pumps for b in cashed) if m else None
    logs = [log(ms) for b in balloons for ms in b.pump_ms if ms >= 100]
    firsts = [log(b.pump_ms[0]) for b in balloons if b.pump_ms and b.pump_ms[0] >= 100]
    cashes = [log(b.collect_ms) for b in cashed if b.collect_ms is not None and b.collect_ms >= 100]
    pairs = [(a, b) for a, b in pairwise(balloons) if b.i == a.i + 1]
    began = {
        end: [log(b.pump_ms[0]) for a, b in pairs if a.end == end and b.pump_ms and b.pump_ms[0] >= 100]
        for end in ("burst", "cash")
    }
    went = {end: [b.pumps for a, b in pairs if a.end == end and b.end == "cash"] for end in ("burst", "cash")}
    steps = [
        log(b.pumps / a.pumps) for a, b in pairs if a.end == b.end == "cash" and a.pumps > 0 and b.pumps > 0
    ]
    best = sum(max(q * (1 - q / b.max_pumps) for q in range(b.max_pumps + 1)) * b.value_c for b in balloons)
    earned = [b.pumps * b.value_c if b.end == "cash" else 0 for b in balloons]
    early = [b.pumps for b in balloons[: n // 2] if b.end == "cash"]
    late = [b.pumps for b in balloons[n - n // 2 :] if b.end == "cash"]
    return {
        "n": n,
        "n_exploded": n - m,
        "n_collected": m,
        "n_pumps": sum(b.pumps for b in balloons),
        "aap": aap,
        "intended_km": km(balloons) if n else None,
        "ln_intended_km": log(max(km(balloons), 0.5)) if n else None,
        "mean_pumps_all": fmean(b.pumps for b in balloons) if n else None,
        "explosion_rate": (n - m) / n if n else None,
        "efficiency": sum(earned) / best if n else None,
        "sd_adj": stdev(b.pumps for b in cashed) if m >= 3 and aap else None,
        "cv_adj": stdev(b.pumps for b in cashed) / aap if m >= 3 and aap else None,
        "mean_ln_latency": fmean(logs) if len(logs) >= 10 else None,
        "sd_ln_latency": stdev(logs) if len(logs) >= 10 else None,
        "first_pump_ln": fmean(firsts) if firsts else None,
        "collect_ln": fmean(cashes) if len(cashes) >= 3 else None,
        "post_loss_rel": (fmean(went["burst"]) - fmean(went["cash"])) / aap
        if aap and min(map(len, went.values())) >= 2
        else None,
        "post_loss_latency": fmean(began["burst"]) - fmean(began["cash"])
        if min(map(len, began.values())) >= 2
        else None,
        "post_win_escalation": fmean(steps) if len(steps) >= 3 else None,
        "slope": slope([(b.i, b.pumps) for b in cashed]) if m >= 3 else None,
        "late_minus_early": fmean(late) - fmean(early) if early and late else None,
        "payoff_slope": slope([(b.i, e) for b, e in zip(balloons, earned, strict=True)]) if n >= 3 else None,
    }


def some_balloons(rng: Random) -> tuple[list[Balloon], dict[str, int]]:
    """Any lawful game, with timeouts, unfinished balloons, practice and responses under 100 ms."""
    max_pumps = rng.choice([2, 3, 7, 12, 128])
    ends = rng.choices(
        ["collected", "exploded", "timed_out", "unfinished"],
        [rng.choice([1, 8]), rng.choice([0, 3]), rng.choice([0, 1]), rng.choice([0, 1])],
        k=rng.choice([0, 1, 2, 3, 5, 12, 31]),
    )
    ceiling = rng.choice([1, 3, max_pumps - 1])
    balloons = [
        (rng.randint(1, max_pumps), end)
        if end == "exploded"
        else (rng.randint(0, min(ceiling, max_pumps - 1)), end)
        for end in ends
    ]
    return balloons, {
        "max_pumps": max_pumps,
        "value_c": rng.choice([1, 5, 99]),
        "practice": rng.choice([0, 0, 2]),
    }


def test_every_metric_is_its_formula() -> None:
    """1,500 games of every shape: each value within two micro-units of the plain formula, and null where it is null."""
    rng = Random("metrics")
    reached: dict[str, set[bool]] = {}
    for _ in range(1_500):
        balloons, options = some_balloons(rng)
        waits = [int(rng.lognormvariate(12.5, 1)) + 1_000 for _ in range(37)]
        steps = session_steps(balloons, planned=max(1, len(balloons)), latencies_us=waits, **options)
        metrics = measures_of(events_of(steps)).metrics
        wanted = expected(seen(steps))
        assert metrics.keys() == {f"balloon.{name}" for name in wanted}
        for name, value in wanted.items():
            metric = metrics[f"balloon.{name}"]
            reached.setdefault(name, set()).add(value is None)
            assert (metric.value is None) == (value is None), (name, balloons, metric)
            if value is not None and metric.value is not None:
                assert abs(metric.value - 1e6 * value) <= 2 + 1e-9 * abs(1e6 * value), (
                    name,
                    balloons,
                    metric,
                )
            else:
                assert metric.reason is not None, name
    always = {"n", "n_exploded", "n_collected", "n_pumps"}
    assert {name for name, kinds in reached.items() if kinds == {True, False}} == reached.keys() - always


def test_every_metric_is_defined_once_and_has_the_unit_of_its_definition() -> None:
    """What is measured is what is published, name by name."""
    metrics = measures_of(session_events()).metrics
    units = {definition.id: definition.unit for definition in DEFINITIONS}
    assert len(units) == len(DEFINITIONS)
    assert {name: metric.unit for name, metric in metrics.items()} == units


# ------------------------------------------------------------------------------------------ edge cases, with reasons

C, B = "collected", "exploded"
EDGES: list[tuple[str, list[Balloon], str | None, int]] = [
    ("aap", [], "no_balloons", 0),
    ("intended_km", [], "no_balloons", 0),
    ("ln_intended_km", [], "no_balloons", 0),
    ("mean_pumps_all", [], "no_balloons", 0),
    ("explosion_rate", [], "no_balloons", 0),
    ("efficiency", [], "no_balloons", 0),
    ("sd_adj", [], "no_balloons", 0),
    ("cv_adj", [], "no_balloons", 0),
    ("aap", [(3, B)] * 4, "all_exploded", 0),
    ("intended_km", [(3, B)] * 4, "censored", 4),
    ("sd_adj", [(3, C), (4, C), (5, B)], "too_few_collected", 2),
    ("sd_adj", [(3, C), (4, C), (5, C)], None, 3),
    ("sd_adj", [(0, C)] * 3, "never_pumped", 3),
    ("cv_adj", [(0, C)] * 3, "never_pumped", 3),
    ("mean_ln_latency", [(9, C)], "too_few_latencies", 9),
    ("mean_ln_latency", [(10, C)], None, 10),
    ("sd_ln_latency", [(9, C)], "too_few_latencies", 9),
    ("first_pump_ln", [(0, C)], "too_few_latencies", 0),
    ("first_pump_ln", [(1, B)], None, 1),
    ("collect_ln", [(1, C), (1, C), (1, B)], "too_few_latencies", 2),
    ("collect_ln", [(1, C)] * 3, None, 3),
    ("post_loss_rel", [(1, B), (1, C), (1, B), (1, C), (2, C)], "too_few_pairs", 1),
    ("post_loss_rel", [(1, B), (1, C), (1, B), (1, C), (2, C), (2, C)], None, 4),
    ("post_loss_rel", [(1, B), (0, C), (1, B), (0, C), (0, C), (0, C)], "never_pumped", 2),
    ("post_loss_latency", [(1, B), (1, B), (1, C), (1, C)], "too_few_pairs", 1),
    ("post_loss_latency", [(1, B), (1, B), (1, C), (1, C), (1, B)], None, 4),
    ("post_win_escalation", [(1, C), (2, C), (3, C)], "too_few_pairs", 2),
    ("post_win_escalation", [(1, C), (2, C), (3, C), (4, C)], None, 3),
    ("post_win_escalation", [(1, C), (2, C), (0, C), (4, C), (1, C)], "too_few_pairs", 2),
    ("slope", [(1, C), (2, C), (3, B)], "too_few_collected", 2),
    ("slope", [(1, C), (2, C), (3, C)], None, 3),
    ("payoff_slope", [(1, C), (2, B)], "too_few_balloons", 2),
    ("payoff_slope", [(1, C), (2, B), (2, B)], None, 3),
    ("late_minus_early", [(1, C)], "too_few_collected", 0),
    ("late_minus_early", [(1, C), (2, C)], None, 2),
    ("late_minus_early", [(1, C), (2, C), (1, B)], "too_few_collected", 0),
]


@pytest.mark.parametrize(("name", "balloons", "reason", "n"), EDGES)
def test_what_is_too_little_says_so(name: str, balloons: list[Balloon], reason: str | None, n: int) -> None:
    """At its minimum a metric has a value; one below it has a reason instead, and n says how many there were."""
    metric = metric_of(balloons, name, planned=max(1, len(balloons)), max_pumps=20)
    assert (metric.reason, metric.n) == (reason, n)
    assert (metric.value is None) == (reason not in {None, "censored"})


@pytest.mark.parametrize(
    ("name", "kind_of_wait"),
    [("mean_ln_latency", "pump"), ("first_pump_ln", "first"), ("collect_ln", "collect")],
)
def test_the_floor_of_100_ms_holds_for_every_latency(name: str, kind_of_wait: str) -> None:
    """A response at 99.999 ms is left out before the minimum is counted; one at exactly 100 ms is in."""
    pace = {"pump": (99_999, 500_000), "first": (99_999, 500_000), "collect": (500_000, 99_999)}[kind_of_wait]
    balloons: list[Balloon] = [(1, C)] * 12
    out = metric_of(balloons, name, latencies_us=pace)
    assert (out.value, out.n, out.reason) == (None, 0, "too_few_latencies")
    at_floor = metric_of(balloons, name, latencies_us=(100_000, 100_000))
    assert (at_floor.n, at_floor.value) == (12, 4_605_170)


def test_efficiency_of_the_best_player_may_exceed_one() -> None:
    """The optimum is an expectation (rulings H): luck may beat it. P = 12: q = 6 gives 3 on average."""
    assert metric_of([(6, C)] * 4, "efficiency").value == 2_000_000
    assert metric_of([(1, C)] * 4, "efficiency", max_pumps=2).value == 2_000_000
    assert metric_of([(3, C)] * 4, "efficiency", max_pumps=7).value == 1_750_000  # q = 3: 12/7


def test_efficiency_weighs_every_balloon_by_what_it_could_earn() -> None:
    """Two of 12 pumps at 5 c, two of 7 at 9 c: (12 x 5 + 4 x 9) / (2 x 3 x 5 + 2 x 12/7 x 9)."""
    accounts = [
        account(ScoredBalloon(i, max_pumps, value_c, pumps, False, None, None, (), None))
        for i, (max_pumps, value_c, pumps) in enumerate([(12, 5, 6), (7, 9, 2), (12, 5, 6), (7, 9, 2)])
    ]
    found = GAME.measure(GAME.gather(accounts))["balloon.efficiency"].value
    assert found == round(1e6 * (12 * 5 + 4 * 9) / (2 * 3 * 5 + 2 * 12 / 7 * 9))


def test_where_every_balloon_burst_nothing_shows_how_sure_the_intention_is() -> None:
    """It has neither an influence nor a standard error."""
    measures = measures_of(session_events([(3, B), (5, B), (4, B)]))
    assert "balloon.ln_intended_km" not in measures.precisions["balloon_risk"].covariances
    assert measures.metrics["balloon.ln_intended_km"].se is None


def test_the_middle_balloon_is_in_neither_half() -> None:
    """Of five balloons the third is dropped."""
    assert metric_of([(1, C), (1, C), (11, C), (3, C), (5, C)], "late_minus_early").value == 3_000_000


def test_the_censored_flag_stands_beside_a_value() -> None:
    """A restricted mean is a lower bound, and says so."""
    assert metric_of([(4, C), (5, B)], "intended_km").reason == "censored"
    assert metric_of([(4, C), (5, B)], "ln_intended_km").reason == "censored"
    assert metric_of([(6, C), (5, B)], "intended_km").reason is None


def two_games(first: list[Balloon], second: list[Balloon]) -> dict[str, Metric]:
    """The metrics of a session of two games of balloon risk."""
    configs = [game_config(len(first)), game_config(len(second), value_c=7)]
    steps = [(0, started(protocol_of(configs))), *game_steps(first, configs[0])]
    steps += game_steps(second, configs[1], begin_us=steps[-1][0])
    return measures_of(events_of(ended(steps))).metrics


def test_two_games_are_counted_together_and_joined_by_no_pair() -> None:
    """Metrics pool the plays; the last balloon of one is no predecessor of the first of the next."""
    metrics = two_games([(2, C), (4, C)], [(2, C), (4, C)])
    assert metrics["balloon.n"].n == 4
    assert metrics["balloon.post_win_escalation"].n == 2
    assert metrics["balloon.aap"].value == 3_000_000


@pytest.mark.parametrize("name", ["slope", "payoff_slope"])
def test_balloons_of_one_index_have_no_trend(name: str) -> None:
    """Three games of one balloon each: x does not vary, so there is no slope and nothing raises."""
    config = game_config(1)
    steps = [(0, started(protocol_of([config] * 3)))]
    for _ in range(3):
        steps += game_steps([(3, C)], config, begin_us=steps[-1][0])
    metric = measures_of(events_of(ended(steps))).metrics[f"balloon.{name}"]
    assert (metric.value, metric.n) == (None, 3)
    assert metric.reason is not None


@pytest.mark.parametrize("name", ["aap", "intended_km", "mean_ln_latency", "first_pump_ln", "collect_ln"])
def test_means_come_with_their_standard_error(name: str) -> None:
    """Every mean says how sure it is."""
    error = metric_of(TYPICAL, name).se
    assert error is not None
    assert error > 0


def test_a_single_observation_has_no_standard_error() -> None:
    """One collected balloon: a mean, and nothing to say about its spread."""
    assert metric_of([(3, C)], "aap").se is None
    assert metric_of([(3, C)], "first_pump_ln").se is None


def test_the_standard_error_of_a_mean_is_the_plain_one() -> None:
    """aap of 2, 4, 9: SD 3.605551, over sqrt(3)."""
    assert metric_of([(2, C), (4, C), (9, C)], "aap").se == 2_081_666


def test_the_order_of_deliveries_is_not_the_order_of_play() -> None:
    """Metrics that follow the order of balloons follow seq, not arrival."""
    rng, events = Random(5), session_events()
    for _ in range(5):
        assert measures_of(rng.sample(events, len(events))).metrics == measures_of(events).metrics
