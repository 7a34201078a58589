"""Every metric of reaction timer against plain formulas in floating point, written from science.md A.4 and H alone."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from math import ceil, exp, log, log1p, sqrt
from random import Random

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from science.canonical import canonical
from science.game import Metric
from science.games.reaction_timer import GAME
from science.games.reaction_timer.metrics import DEFINITIONS
from science.games.reaction_timer.sample import Block, ScoredTrial
from science.games.reaction_timer.vocabulary import (
    FalseStart,
    GameStarted,
    Missed,
    Responded,
    StimulusShown,
    TrialStarted,
)
from tests.science.builders import Step, ended, started
from tests.science.reaction_builders import (
    FOREPERIODS_US,
    KEYS,
    TIMEOUT_US,
    TYPICAL,
    Answer,
    Trial,
    config_of,
    game_steps,
    measured,
    protocol_of,
    session_steps,
    simple,
)

Floats = NDArray[np.float64]


def measure_of(blocks: Sequence[Block]) -> dict[str, Metric]:
    """The metrics of a sample."""
    return GAME.measure(GAME.gather([GAME.account(block) for block in blocks]))


def influences_of(blocks: Sequence[Block]) -> dict[str, list[int]]:
    """How far each block of a sample moves them."""
    return GAME.influences(GAME.gather([GAME.account(block) for block in blocks]))


class Seen(msgspec.Struct):
    """A scored trial, as anyone can read it off the events."""

    i: int
    foreperiod_s: float
    end: str = ""
    asked: str | None = None
    pressed: str | None = None
    rt_ms: float = 0.0


def seen(steps: Sequence[Step]) -> list[Seen]:
    """The trials that count in these (lawful) steps."""
    trials: list[Seen] = []
    keys: dict[str, str | None] = {}
    practised = set()
    for _, payload in steps:
        match payload:
            case GameStarted():
                keys = msgspec.json.decode(payload.config)["keys"]
            case TrialStarted():
                trials.append(Seen(payload.i, payload.foreperiod_us / 1e6))
                if payload.practice:
                    practised.add(payload.i)
            case StimulusShown():
                trials[-1].asked = keys[payload.stim]
            case Responded():
                trials[-1].end = "early" if payload.latency_us < 100_000 else "pressed"
                trials[-1].pressed, trials[-1].rt_ms = payload.key, payload.latency_us / 1_000
            case FalseStart():
                trials[-1].end = "before"
            case Missed():
                trials[-1].end = "waited"
            case _:
                pass
    return [trial for trial in trials if trial.end and trial.i not in practised]


def ols(x: Sequence[float], y: Sequence[float]) -> float | None:
    """The slope of least squares; None where x is one number."""
    return float(np.polyfit(np.array(x), np.array(y), 1)[0]) if len(set(x)) > 1 else None


def expected(trials: Sequence[Seen], kind: str) -> dict[str, float | None]:
    """Every metric, None where the specification says null."""
    right = [t for t in trials if t.end == "pressed" and t.pressed == t.asked]
    x: Floats = np.array([t.rt_ms for t in right])
    n = len(x)
    missed = sum(t.end == "waited" and t.asked is not None for t in trials)
    early = sum(t.end == "early" for t in trials)
    false_starts = early + sum(t.end == "before" for t in trials)
    lapses = missed + int((x >= 500).sum())
    pressed = [t for t in trials if t.end == "pressed"]
    no_go = [t for t in trials if t.asked is None and t.end in {"pressed", "waited"}]
    go = [t for t in trials if t.asked is not None and t.end in {"pressed", "waited"}]
    commissions = sum(t.end == "pressed" for t in no_go)
    found: dict[str, float | None] = {
        "n_valid": n,
        "n_missed": missed,
        "n_false_start": false_starts,
        "n_anticipations": early,
        "lapses": lapses,
        "lapse_logit": log((lapses + 0.5) / (n + missed - lapses + 0.5)) if n + missed else None,
        "false_start_rate": false_starts / len(trials) if trials else None,
        "performance_score": 1 - (lapses + false_starts) / len(trials) if trials else None,
        "choice_accuracy": n / len(pressed) if kind == "choice" and pressed else None,
        "commission_rate": commissions / len(no_go) if kind == "gonogo" and no_go else None,
        "d_prime": stats.norm.ppf((n + 0.5) / (len(go) + 1))
        - stats.norm.ppf((commissions + 0.5) / (len(no_go) + 1))
        if kind == "gonogo" and go and no_go
        else None,
    }
    return found | times_of(x) | course_of(right)


def times_of(x: Floats) -> dict[str, float | None]:
    """Location and spread of the valid times."""
    n = len(x)
    enough = n >= 10
    tenth, ordered = ceil(n / 10), np.sort(x)
    return {
        "speed_mean_inv": float((1_000 / x).mean()) if n else None,
        "median": float(np.median(x)) if n else None,
        "mean": float(x.mean()) if n else None,
        "mean_ln": float(np.log(x).mean()) if n else None,
        "sd_ln": float(np.log(x).std(ddof=1)) if enough else None,
        "sd": float(x.std(ddof=1)) if enough else None,
        "cv": float(stats.variation(x, ddof=1)) if enough else None,
        "mad_ratio": float(stats.median_abs_deviation(x) / np.median(x)) if enough else None,
        "slow10_speed": float((1_000 / ordered[-tenth:]).mean()) if enough else None,
        "fast10": float(ordered[:tenth].mean()) if enough else None,
    }


def course_of(right: Sequence[Seen]) -> dict[str, float | None]:
    """What follows the order of the trials, or their foreperiods."""
    logs = [log(t.rt_ms) for t in right]
    n = len(logs)
    threshold = sorted(t.rt_ms for t in right)[ceil(0.9 * (n - 1))] if n else 0
    by_i = {t.i: log(t.rt_ms) for t in right}
    steps = [
        by_i[t.i + 1] - float(np.median(logs)) for t in right if t.rt_ms >= threshold and t.i + 1 in by_i
    ]
    on_task = ols([t.i for t in right], logs) if n >= 20 else None
    return {
        "time_on_task": None if on_task is None else 10 * on_task,
        "foreperiod_slope": ols([t.foreperiod_s for t in right], logs) if n >= 20 else None,
        "post_slow_recovery": float(np.mean(steps)) if len(steps) >= 3 else None,
    }


def some_trials(rng: Random, kind: str) -> list[Trial]:
    """Any lawful game of this kind, with everything that may become of a trial, and with ties between times."""
    step_us = rng.choice([1, 1, 25_000])
    calm = rng.random() < 0.4
    share = {
        "missed": rng.choice([0, 0.1, 0.5, 1]),
        "false_start": rng.choice([0, 0.1]),
        "unfinished": rng.choice([0, 0.05]),
        "early": rng.choice([0, 0.1, 1]),
        "other": rng.choice([0, 0.2, 1]),
    }
    if calm:
        share = dict.fromkeys(share, 0.02)
    trials: list[Trial] = []
    for _ in range(rng.choice([0, 1, 2, 5, 9, 10, 11, 19, 20, 23, 60])):
        stim = rng.choice(list(KEYS[kind]))
        answer: Answer = rng.choice([key for key in KEYS[kind].values() if key]), 0
        if (key := KEYS[kind][stim]) is not None:
            answer = key, 0
        for end in ("missed", "false_start", "unfinished"):
            if rng.random() < share[end]:
                answer = end
        if isinstance(answer, tuple):
            if rng.random() < share["other"]:
                answer = rng.choice(["f", "j", "space"]), 0
            early = rng.random() < share["early"]
            rt_us = rng.randrange(100_000) if early else int(rng.lognormvariate(12.8, 0.35))
            answer = answer[0], min(TIMEOUT_US, max(rt_us // step_us, 1) * step_us)
        trials.append((stim, answer))
    return trials


def test_every_metric_is_its_formula() -> None:
    """1,200 games of every kind: each value within two micro-units of the plain formula, and null where it is null."""
    rng = Random("reactions")
    reached: dict[str, set[bool]] = {}
    for game, kind in zip(range(1_200), cycle(KEYS), strict=False):
        trials = some_trials(rng, kind)
        foreperiods = rng.choice([FOREPERIODS_US, (2_000_000,)])
        steps = session_steps(trials, kind=kind, practice=rng.choice([0, 0, 2]), foreperiods_us=foreperiods)
        metrics = measured(steps).metrics
        wanted = expected(seen(steps), kind)
        assert metrics.keys() == {f"rt.{name}" for name in wanted}
        for name, value in wanted.items():
            metric = metrics[f"rt.{name}"]
            reached.setdefault(name, set()).add(value is None)
            assert (metric.value is None) == (value is None), (name, game, metric)
            if value is not None and metric.value is not None:
                off = abs(metric.value - 1e6 * value)
                assert off <= 2 + 1e-9 * abs(1e6 * value), (name, game, metric, value)
                assert metric.reason is None
            else:
                assert metric.reason is not None, name
    always = {"n_valid", "n_missed", "n_false_start", "n_anticipations", "lapses"}
    assert {name for name, kinds in reached.items() if kinds == {True, False}} == reached.keys() - always


def test_every_metric_is_defined_once_and_has_the_unit_of_its_definition() -> None:
    """What is measured is what is published, name by name."""
    metrics = measured(session_steps()).metrics
    units = {definition.id: definition.unit for definition in DEFINITIONS}
    assert len(units) == len(DEFINITIONS) == 24
    assert {name: metric.unit for name, metric in metrics.items()} == units


# ------------------------------------------------------------------------------------------ edge cases, with reasons


def metric_of(trials: Sequence[Trial], name: str, **options: object) -> Metric:
    """One metric of a session of these trials, by its name without the game."""
    return measured(session_steps(trials, **options)).metrics[f"rt.{name}"]


def reactions(n: int) -> list[Trial]:
    """So many reactions, no two alike."""
    return simple([300_001 + 7_919 * (k * k % 31) + k for k in range(n)])


COUNTS = ("n_valid", "n_missed", "n_false_start", "n_anticipations", "lapses")
F: list[Trial] = [("left", ("f", 300_001)), ("right", ("f", 320_005))]
GO: Trial = ("go", ("space", 300_001))
STOP: Trial = ("stop", "missed")
EDGES: list[tuple[str, str, list[Trial], str | None, int]] = [
    *[("simple", name, [], None, 0) for name in COUNTS],
    *[
        ("simple", definition.id.removeprefix("rt."), [], "no_trials", 0)
        for definition in DEFINITIONS
        if definition.id.removeprefix("rt.") not in COUNTS
    ],
    *[
        ("simple", name, simple([99_999, "false_start"]), "no_valid_responses", 0)
        for name in (
            *(
                "speed_mean_inv",
                "median",
                "mean",
                "mean_ln",
                "sd_ln",
                "sd",
                "cv",
                "mad_ratio",
                "slow10_speed",
            ),
            *("fast10", "time_on_task", "foreperiod_slope", "post_slow_recovery", "lapse_logit"),
        )
    ],
    ("simple", "false_start_rate", simple([99_999, "false_start"]), None, 2),
    ("simple", "performance_score", simple([99_999, "false_start"]), None, 2),
    ("simple", "lapse_logit", simple(["missed"]), None, 1),
    ("simple", "speed_mean_inv", reactions(1), None, 1),
    ("simple", "mean_ln", reactions(1), None, 1),
    *[
        ("simple", name, reactions(n), None if n == 10 else "too_few_responses", n)
        for name in ("sd_ln", "sd", "cv", "mad_ratio", "slow10_speed", "fast10")
        for n in (9, 10)
    ],
    *[
        ("simple", name, reactions(n), None if n == 20 else "too_few_responses", n)
        for name in ("time_on_task", "foreperiod_slope")
        for n in (19, 20)
    ],
    ("simple", "choice_accuracy", reactions(3), "no_choice_trials", 0),
    ("choice", "choice_accuracy", [("left", "missed")], "no_responses", 0),
    ("choice", "choice_accuracy", [("left", ("f", 99_999))], "no_responses", 0),
    ("choice", "choice_accuracy", F, None, 2),
    ("choice", "commission_rate", F, "no_no_go_trials", 0),
    ("choice", "d_prime", F, "no_no_go_trials", 0),
    ("gonogo", "choice_accuracy", [GO, STOP], "no_choice_trials", 0),
    ("gonogo", "commission_rate", [GO], "no_no_go_trials", 0),
    ("gonogo", "commission_rate", [("stop", ("space", 99_999))], "no_no_go_trials", 0),
    ("gonogo", "commission_rate", [STOP], None, 1),
    ("gonogo", "d_prime", [GO], "no_no_go_trials", 1),
    ("gonogo", "d_prime", [STOP], "no_go_trials", 1),
    ("gonogo", "d_prime", [GO, STOP], None, 2),
]


@pytest.mark.parametrize(("kind", "name", "trials", "reason", "n"), EDGES)
def test_what_is_too_little_says_so(
    kind: str, name: str, trials: list[Trial], reason: str | None, n: int
) -> None:
    """At its minimum a metric has a value; one below it has a reason instead, and n says how many there were."""
    metric = metric_of(trials, name, kind=kind)
    assert (metric.reason, metric.n) == (reason, n)
    assert (metric.value is None) == (reason is not None)


def test_what_does_not_vary_has_no_slope() -> None:
    """A constant foreperiod, and twenty games of one trial each."""
    constant = metric_of(reactions(20), "foreperiod_slope", foreperiods_us=(2_000_000,))
    assert (constant.value, constant.n, constant.reason) == (None, 20, "constant_foreperiod")
    config = config_of(1)
    steps: list[Step] = [(0, started(protocol_of([config] * 20)))]
    for n in range(20):
        steps += game_steps(reactions(20)[n : n + 1], config, begin_us=steps[-1][0])
    metric = measured(ended(steps)).metrics["rt.time_on_task"]
    assert (metric.value, metric.n, metric.reason) == (None, 20, "constant_index")


def test_lapses_begin_at_500_ms_and_hold_the_missed() -> None:
    """499.999 ms is none; a wrong or an anticipated response never is."""
    trials: list[Trial] = [("left", ("f", rt_us)) for rt_us in (499_999, 500_000, 500_001, 50_000)]
    trials += [("left", ("j", 700_000)), ("right", "missed"), ("right", "false_start")]
    metrics = measured(session_steps(trials, kind="choice")).metrics
    assert (metrics["rt.lapses"].value, metrics["rt.lapses"].n) == (3_000_000, 4)
    assert metrics["rt.lapse_logit"].value == round(1e6 * log(3.5 / 1.5))
    assert metrics["rt.false_start_rate"].value == round(1e6 * 2 / 7)
    assert metrics["rt.performance_score"].value == round(1e6 * (1 - 5 / 7))


def test_d_prime_is_that_of_the_handbook() -> None:
    """82 hits of 100 signals, 46 false alarms of 100 (statpsych's example): 1.0027927."""
    trials = [GO] * 82 + [("go", "missed")] * 18 + [("stop", ("space", 400_001))] * 46 + [STOP] * 54
    value = metric_of(trials, "d_prime", kind="gonogo").value
    assert value is not None
    assert abs(value - 1_002_793) <= 1


def test_perfect_inhibition_is_finite() -> None:
    """The loglinear correction: 10 of 10 and 0 of 10 are 2 Phi^-1(10.5 / 11)."""
    value = metric_of([GO] * 10 + [STOP] * 10, "d_prime", kind="gonogo").value
    assert value is not None
    assert abs(value - 2e6 * stats.norm.ppf(10.5 / 11)) <= 1


def test_rejections_count_among_the_trials_of_a_rate() -> None:
    """One false start in a go/no-go game of four trials."""
    trials: list[Trial] = [GO, STOP, ("stop", ("space", 400_001)), ("go", "false_start")]
    assert metric_of(trials, "false_start_rate", kind="gonogo").value == 250_000
    assert metric_of(trials, "performance_score", kind="gonogo").value == 750_000


# ten trials, one of them slow and followed by 330 ms
SLOW_PACE = [310_000, 301_000, 290_000, 303_000, 291_000, 800_000, 330_000, 305_000, 295_000, 302_000]


def test_recovery_is_the_trial_after_a_slow_one_against_the_median() -> None:
    """Thirty trials, three of them slow and each followed by 330 ms; the median is between 302 and 303 ms, on the ln scale."""
    times = [*SLOW_PACE, *SLOW_PACE, *[time + 500 for time in SLOW_PACE]]
    metric = metric_of(simple(times), "post_slow_recovery")
    assert metric.n == 3
    middle = [log(time / 1_000) for time in sorted(times)[14:16]]
    assert middle[0] != middle[1]
    wanted = (2 * log(330) + log(330.5)) / 3 - sum(middle) / 2
    assert metric.value is not None
    assert abs(metric.value - 1e6 * wanted) <= 1
    assert metric.se is not None


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({6: "missed"}, id="missed"),
        pytest.param({6: 99_999}, id="anticipated"),
        pytest.param({6: "unfinished"}, id="dropped"),
    ],
)
def test_recovery_needs_a_valid_next_trial(broken: Mapping[int, int | str]) -> None:
    """What follows a slow trial is trial i + 1, or nothing: two pairs are too few."""
    times: list[int | str] = [*SLOW_PACE, *SLOW_PACE, *SLOW_PACE]
    metric = metric_of(simple([broken.get(k, time) for k, time in enumerate(times)]), "post_slow_recovery")
    assert (metric.value, metric.n, metric.reason, metric.se) == (None, 2, "too_few_pairs", None)


def test_a_threshold_shared_by_many_counts_them_all() -> None:
    """Slow is at the threshold and above it: of thirty equal times each is slow, and each but the last has a next."""
    metric = metric_of(simple([300_000] * 30), "post_slow_recovery")
    assert (metric.value, metric.n) == (0, 29)


# ------------------------------------------------------------------------------------------------ games in one session


def two_games(first: list[Trial], second: list[Trial], kinds: tuple[str, str]) -> list[Step]:
    """A session of two games."""
    configs = [config_of(len(trials), kind=kind) for trials, kind in zip((first, second), kinds, strict=True)]
    steps: list[Step] = [(0, started(protocol_of(configs))), *game_steps(first, configs[0])]
    steps += game_steps(second, configs[1], begin_us=steps[-1][0])
    return ended(steps)


def test_two_games_of_a_kind_are_counted_together_and_joined_by_nothing() -> None:
    """Blocks are cut game by game, and the last trial of one has no next in the other."""
    slow = simple([300_000, 300_001, 300_002, 800_000])
    measures = measured(two_games(slow, slow, ("simple", "simple")))
    blocks = measures.samples["reaction_timer"]
    assert [len(block.trials) for block in blocks] == [4, 4]
    assert [block.trials[-1].next_rt_us for block in blocks] == [None, None]
    assert measures.metrics["rt.n_valid"].n == 8
    assert measures.metrics["rt.post_slow_recovery"].n == 0


def test_times_of_two_kinds_are_not_mixed() -> None:
    """A choice takes longer than a reaction, so their mean says nothing; what each kind tells by itself stays."""
    choice: list[Trial] = [("left", ("f", 420_001)), ("right", ("f", 430_001))] * 5
    measures = measured(two_games(TYPICAL, choice, ("simple", "choice")))
    kept = {name for name, metric in measures.metrics.items() if metric.reason != "kinds_mixed"}
    names = (*COUNTS, "choice_accuracy", "commission_rate", "d_prime")
    assert kept == {f"rt.{name}" for name in names}
    assert all(measures.metrics[name].value is None for name in measures.metrics.keys() - kept)
    assert {measures.metrics[f"rt.{name}"].n for name in ("mean", "sd_ln", "fast10", "lapse_logit")} == {35}
    assert measures.metrics["rt.choice_accuracy"].value == 500_000
    assert measures.metrics["rt.n_valid"].value == 35_000_000
    assert measures.precisions["reaction_timer"].covariances == {}


# ---------------------------------------------------------------------------------------------------------- the sample


def sample_of(trials: Sequence[Trial], **options: object) -> list[Block]:
    """The blocks of a session of these trials."""
    return list(measured(session_steps(trials, **options)).samples["reaction_timer"])


@pytest.mark.parametrize(("n", "lengths"), [(0, []), (1, [1]), (5, [5]), (6, [5, 1]), (12, [5, 5, 2])])
def test_blocks_are_of_five_and_the_last_may_be_short(n: int, lengths: list[int]) -> None:
    """In the order of play."""
    blocks = sample_of(reactions(n), planned=30)
    assert [len(block.trials) for block in blocks] == lengths
    assert [trial.i for block in blocks for trial in block.trials] == list(range(1, n + 1))


def test_a_block_holds_all_that_is_to_know_of_its_trials() -> None:
    """Every outcome with its time, its foreperiod, and the valid time after it."""
    trials: list[Trial] = [
        ("go", ("space", 300_001)),
        ("go", ("space", 310_001)),
        ("go", ("enter", 320_001)),
        ("stop", ("space", 330_001)),
        ("stop", "missed"),
        ("go", "missed"),
        ("go", ("space", 90_001)),
        ("go", "false_start"),
        ("go", ("space", 340_001)),
        ("go", "unfinished"),
        ("go", ("space", 350_001)),
    ]
    first, second = sample_of(trials, kind="gonogo", foreperiods_us=(1_000_000, 2_000_000))
    assert first == Block(
        "gonogo",
        (
            ScoredTrial(1, "right", 300_001, 1_000_000, 310_001),
            ScoredTrial(2, "right", 310_001, 2_000_000, None),
            ScoredTrial(3, "wrong", 320_001, 1_000_000, None),
            ScoredTrial(4, "commission", 330_001, 2_000_000, None),
            ScoredTrial(5, "rejected", None, 1_000_000, None),
        ),
    )
    assert second.trials == (
        ScoredTrial(6, "missed", None, 2_000_000, None),
        ScoredTrial(7, "anticipation", 90_001, 1_000_000, None),
        ScoredTrial(8, "false_start", None, 2_000_000, 340_001),
        ScoredTrial(9, "right", 340_001, 1_000_000, None),
        ScoredTrial(11, "right", 350_001, 1_000_000, None),
    )


def test_a_sample_comes_back_from_its_bytes() -> None:
    """It is kept beside the measures, and measured again from there."""
    blocks = sample_of(TYPICAL)
    again = msgspec.json.decode(canonical(blocks), type=list[Block])
    assert again == blocks
    assert measure_of(again) == measure_of(blocks)


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_blocks_does_not_matter(rng: Random) -> None:
    """Each block knows what followed it, so a sample may be drawn in any order."""
    blocks = sample_of(TYPICAL)
    shuffled = rng.sample(blocks, len(blocks))
    assert measure_of(shuffled) == measure_of(blocks)
    places = [blocks.index(block) for block in shuffled]
    found, plain = influences_of(shuffled), influences_of(blocks)
    assert found == {name: [values[place] for place in places] for name, values in plain.items()}


# ------------------------------------------------------------------------------------------------------ the influences

WEIGHED = ("speed_mean_inv", "mean_ln", "sd_ln", "cv", "lapse_logit", "post_slow_recovery")


def weighed(blocks: Sequence[Block], threshold_us: int) -> dict[str, Callable[[Floats], float]]:
    """Each statistic as a function of one weight a block, with what is slow fixed."""
    pairs = [
        (place, trial.rt_us)
        for place, block in enumerate(blocks)
        for trial in block.trials
        if trial.outcome == "right" and trial.rt_us is not None
    ]
    owner, x = np.array([place for place, _ in pairs]), np.array([rt / 1_000 for _, rt in pairs])
    after = [
        (place, trial.next_rt_us)
        for place, block in enumerate(blocks)
        for trial in block.trials
        if trial.outcome == "right" and (trial.rt_us or 0) >= threshold_us and trial.next_rt_us is not None
    ]
    next_owner, next_x = np.array([place for place, _ in after]), np.array([rt for _, rt in after])
    missed = np.array([sum(trial.outcome == "missed" for trial in block.trials) for block in blocks])
    bessel = sqrt(len(x) / (len(x) - 1))

    def mean(w: Floats, values: Floats) -> float:
        return float(np.average(values, weights=w[owner]))

    def sd(w: Floats, values: Floats) -> float:
        return bessel * sqrt(mean(w, (values - mean(w, values)) ** 2))

    def lapse_logit(w: Floats) -> float:
        slow = float((w[owner] * (x >= 500)).sum() + (w * missed).sum())
        return log((slow + 0.5) / (float((w[owner] * (x < 500)).sum()) + 0.5))

    return {
        "speed_mean_inv": lambda w: mean(w, 1_000 / x),
        "mean_ln": lambda w: mean(w, np.log(x)),
        "sd_ln": lambda w: sd(w, np.log(x)),
        "cv": lambda w: sd(w, x) / mean(w, x),
        "lapse_logit": lapse_logit,
        "post_slow_recovery": lambda w: float(np.average(np.log(next_x), weights=w[next_owner])),
    }


def slopes(statistic: Callable[[Floats], float], units: int) -> Floats:
    """How the statistic moves with the weight of each unit, the sum of the weights kept."""
    step, even = 1e-5, np.ones(units)
    moved = np.array(
        [
            (statistic(even + step * unit) - statistic(even - step * unit)) / (2 * step)
            for unit in np.eye(units)
        ]
    )
    return moved - moved.mean()


def uneven(n: int, seed: str) -> list[Trial]:
    """Reactions of someone with lapses, misses and false starts, so that blocks differ in what they hold."""
    rng = Random(seed)
    ends: list[int | str] = []
    for _ in range(n):
        rt_us = int(250_000 + rng.lognormvariate(11.3, 0.9))
        ends.append(rng.choices([rt_us, "missed", "false_start"], [90, 5, 5])[0])
    return simple([min(end, TIMEOUT_US) if isinstance(end, int) else end for end in ends])


@pytest.mark.parametrize("n", [62, 128])
@pytest.mark.parametrize("name", WEIGHED)
def test_an_influence_is_the_slope_in_the_weight_of_a_block(name: str, n: int) -> None:
    """To 3 micro-units; together they move nothing."""
    blocks = sample_of(uneven(n, f"weights {n}"))
    right = sorted(
        t.rt_us for block in blocks for t in block.trials if t.outcome == "right" and t.rt_us is not None
    )
    threshold_us = right[ceil(0.9 * (len(right) - 1))]
    wanted = 1e6 * slopes(weighed(blocks, threshold_us)[name], len(blocks))
    found = np.array(influences_of(blocks)[f"rt.{name}"])
    assert np.abs(found - wanted).max() <= 3
    assert abs(int(found.sum())) <= 2 * len(blocks)


def test_the_standard_error_is_that_of_the_block_means() -> None:
    """Blocks of five, all whole and valid: the error of the mean of their means."""
    measures = measured(session_steps())
    speeds = np.array([1e6 / answer[1] for _, answer in TYPICAL if isinstance(answer, tuple)])
    means = speeds.reshape(6, 5).mean(axis=1)
    wanted = 1e6 * means.std(ddof=1) / sqrt(6)
    error = measures.metrics["rt.speed_mean_inv"].se
    assert error is not None
    assert abs(error - wanted) <= 2


@pytest.mark.parametrize("name", WEIGHED)
def test_what_a_trait_may_rest_on_has_a_standard_error(name: str) -> None:
    """Each of the six says how sure it is."""
    error = metric_of(uneven(100, "errors"), name).se
    assert error is not None
    assert error > 0


def test_what_has_no_spread_has_no_influence() -> None:
    """Equal times move nothing; nor do blocks without a lapse, or of lapses alone; and nothing comes of nothing."""
    equal = influences_of(sample_of(simple([300_000] * 30)))
    assert equal.keys() == {f"rt.{name}" for name in WEIGHED}
    assert all(set(values) == {0} for values in equal.values())
    assert influences_of(sample_of(simple(["missed"] * 30))) == {"rt.lapse_logit": [0] * 6}
    assert influences_of([]) == {}


@pytest.mark.parametrize("n", [1, 9, 10, 30])
def test_an_influence_has_a_value_to_move(n: int) -> None:
    """What is null has none."""
    measures = measured(session_steps(reactions(n)))
    moved = influences_of(measures.samples["reaction_timer"])
    assert all(measures.metrics[name].value is not None for name in moved)
    assert ("rt.sd_ln" in moved) == ("rt.cv" in moved) == (n >= 10)


def test_errors_by_influence_are_the_spread_over_sessions() -> None:
    """300 sessions of one simulated person: the error that a session states is the SD between sessions, within 10 %."""
    rng = Random("one person")
    values: dict[str, list[int]] = {name: [] for name in WEIGHED}
    errors: dict[str, list[int]] = {name: [] for name in WEIGHED}
    for _ in range(300):
        times, drift = [], 0.0
        for _ in range(150):
            drift = 0.23 * drift + rng.gauss(0, 0.2)
            times.append(min(TIMEOUT_US, int(120_000 + 250_000 * exp(drift + 0.3 * log1p(rng.random())))))
        metrics = measured(session_steps(simple(times))).metrics
        for name in WEIGHED:
            metric = metrics[f"rt.{name}"]
            assert metric.value is not None
            assert metric.se is not None
            values[name].append(metric.value)
            errors[name].append(metric.se)
    for name in WEIGHED:
        ratio = float(np.sqrt(np.mean(np.square(errors[name]))) / np.std(values[name]))
        assert 0.9 < ratio < 1.1, (name, ratio)
