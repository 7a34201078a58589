"""Whether simulated people's known traits come back out of what they do: the acceptance lines of the simulators."""

import random
from collections.abc import Sequence
from functools import partial
from math import exp, log
from statistics import NormalDist, fmean
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks.replicates import Person, in_parallel, measures_of
from science.exact import MICRO
from science.games.memory_cards.optimal import optimal_turns
from science.measure import Measures
from science.research.bart import fit_par4
from science.research.reaction import fit_ex_gaussian
from simulators import balloon_choices, balloon_risk, memory_cards, reaction_timer
from simulators.people import crowd
from simulators.sitting import Design

SEED = 20261123
_NORMAL = NormalDist()


class Line(NamedTuple):
    """What was asked, what was found, and whether that will do."""

    what: str
    accepted: str
    found: str
    holds: bool


def recovery(people: int) -> list[Line]:
    """Every line, over so many people; the chance-only ones over as many games as the science names."""
    return [
        *_balloons(people),
        *_cards(people),
        *_reactions(people),
        *_days(people),
    ]


def _at_least(what: str, least: float, value: float) -> Line:
    return Line(what, f"at least {least}", f"{value:.3f}", value >= least)


def _within(what: str, target: float, margin: float, value: float) -> Line:
    return Line(what, f"{target} ± {margin}", f"{value:.3f}", abs(value - target) <= margin)


def _r(pairs: Sequence[tuple[float, float]]) -> float:
    return float(np.corrcoef(np.array(pairs, dtype=np.float64).T)[0, 1])


def _value(measures: Measures, metric: str) -> float:
    value = measures.metrics[metric].value
    assert value is not None, f"{metric} has no value"
    return value / MICRO


# ------------------------------------------------------------------------------------------------------------- C1


class _Pumper(NamedTuple):
    mu: float
    ln_km: float
    km: float  # of all sessions
    adjusted: float
    meant: float
    burst: float


def _balloons(people: int) -> list[Line]:
    lines = []
    for balloons in (30, 15, 60):
        found = list(in_parallel(partial(_pumper, balloons), range(people)))
        r = _r([(one.mu, one.ln_km) for one in found])
        if balloons == 30:
            lines.append(_at_least("balloons: true mu and ln_intended_km, 30 balloons: r", 0.9, r))
            cautious = [one for one in found if one.burst < 0.45]
            bias = fmean(one.km - one.meant for one in cautious)
            lines.append(
                _within(
                    f"bias of intended_km, pumps, {len(cautious)} people who burst less than 45 %",
                    0.0,
                    0.3,
                    bias,
                )
            )
            low = fmean(one.adjusted - one.meant for one in found)
            lines.append(
                Line(
                    "bias of aap, the mean of collected balloons alone, pumps",
                    "below 0",
                    f"{low:.3f}",
                    low < 0,
                )
            )
        else:
            lines.append(
                Line(
                    f"balloons: true mu and ln_intended_km, {balloons} balloons: r",
                    "reported",
                    f"{r:.3f}",
                    True,
                )
            )
    for spread, told in (
        (0.5, "gamma even over .2 to 2, the others at half the prior's spread"),
        (1.0, "the same, the others from the whole prior"),
    ):
        r = _r(list(in_parallel(partial(_gambler, spread), range(people))))
        what = f"par4: true and fitted gamma, 30 balloons of 64 pumps, {told}: r"
        lines.append(_at_least(what, 0.9, r) if spread < 1 else Line(what, "reported", f"{r:.3f}", True))
    return lines


def _gambler(spread: float, number: int) -> tuple[float, float]:
    """The true gamma of someone who plays as par4 says, and the fitted one."""
    dice, max_pumps = random.Random(f"{SEED}/{number}/par4"), 64
    middle = (-_NORMAL.inv_cdf(2 / max_pumps), -4.0, log(16 / max_pumps))
    z = [mean + spread * sd * dice.gauss(0, 1) for mean, sd in zip(middle, (0.5, 2.0, 0.7), strict=True)]
    gamma = dice.uniform(0.2, 2)
    mind = balloon_choices.par4((_NORMAL.cdf(z[0]), exp(z[1]), gamma, exp(z[2])))
    fit = fit_par4(*balloon_choices.play(mind, 30, max_pumps, dice), max_pumps=max_pumps)
    return gamma, fit.gamma


def _pumper(balloons: int, number: int) -> _Pumper:
    design = balloon_risk.Design(balloons=balloons)
    someone = Person(f"{SEED}/{number}", (design,))
    sessions = someone.sessions(10)
    traits = someone.traits["balloon_risk"]
    return _Pumper(
        mu=traits.mu,
        ln_km=_value(sessions[0], "balloon.ln_intended_km"),
        km=fmean(_value(session, "balloon.intended_km") for session in sessions),
        adjusted=fmean(_value(session, "balloon.aap") for session in sessions),
        meant=_meant(traits, design, random.Random(f"{SEED}/{number}/meant")),
        burst=fmean(_value(session, "balloon.explosion_rate") for session in sessions),
    )


def _meant(someone: balloon_risk.Person, design: balloon_risk.Design, dice: random.Random) -> float:
    """The mean number of pumps meant, over 200 games."""
    meant, lost = [], False
    for _ in range(200):
        for i in range(1, design.balloons + 1):
            target = balloon_risk.target(someone, i, dice, design, lost=lost and i > 1)
            lost = target >= dice.randint(1, design.max_pumps)
            meant.append(target)
    return fmean(meant)


# ------------------------------------------------------------------------------------------------------------- C2


def _cards(people: int) -> list[Line]:
    twice = list(in_parallel(partial(_twice, (memory_cards.Design(),), "memory.excess_z"), range(people)))
    perfect, blank = (fmean(in_parallel(partial(_turns, encode), range(20))) for encode in (1.0, 0.0))
    mean = float(optimal_turns(8).mean)
    return [
        _within("cards: turns of perfect memory, 8 pairs, 20,000 games", round(mean, 4), 0.02, perfect),
        _within("turns of no memory, 8 pairs, 20,000 games", 64, 0.5, blank),
        _at_least("excess_z over two sessions of 6 rounds of 12 pairs: r", 0.8, _r(twice)),
    ]


def _turns(encode: float, number: int) -> float:
    someone = memory_cards.PERFECT if encode else msgspec.structs.replace(memory_cards.PERFECT, encode=0.0)
    dice, faces, games = random.Random(number), [place // 2 for place in range(16)], 1_000
    turns = 0
    for _ in range(games):
        dice.shuffle(faces)
        turns += len(memory_cards.play_round(someone, dice, faces))
    return turns / games


def _twice(designs: Sequence[Design], metric: str, number: int) -> tuple[float, float]:
    one, other = Person(f"{SEED}/{number}", designs).sessions(2)
    return _value(one, metric), _value(other, metric)


# ------------------------------------------------------------------------------------------------------------- C3


def _reactions(people: int) -> list[Line]:
    steady, lapsing = (
        list(in_parallel(partial(_fitted, lapses=lapses), range(people))) for lapses in (False, True)
    )
    lines = [
        _at_least(
            f"reactions: ex-Gaussian {name}, true and fitted, 150 trials without lapses: r",
            least,
            _r([pair[i] for pair in steady]),
        )
        for i, (name, least) in enumerate((("mu", 0.9), ("tau", 0.9), ("sigma", 0.5)))
    ]
    told = ", ".join(
        f"{name} {_r([pair[i] for pair in lapsing]):.3f}" for i, name in enumerate(("mu", "tau", "sigma"))
    )
    lines.append(Line("the same with lapses, which a fit takes for tau", "reported", told, True))
    halves = _r(list(in_parallel(_halves, range(people))))
    lines.append(
        _within(
            "speed, odd and even trials of 30, stepped up by Spearman-Brown",
            0.95,
            0.02,
            2 * halves / (1 + halves),
        )
    )
    sessions = _r(
        list(in_parallel(partial(_twice, (reaction_timer.Design(),), "rt.speed_mean_inv"), range(people)))
    )
    told = "speed over two sessions of 30 trials: r; halves share what trials carry over to the next"
    lines.append(Line(told, "reported", f"{sessions:.3f}", True))
    ratio = fmean(in_parallel(_width_of_blocks, range(people)))
    lines.append(
        Line(
            "SE of mean_ln by blocks of 5 trials over SE by single trials, mean",
            "above 1",
            f"{ratio:.3f}",
            ratio > 1,
        )
    )
    return lines


def _fitted(number: int, *, lapses: bool) -> list[tuple[float, float]]:
    design = reaction_timer.Design(trials=150)
    someone = Person(f"{SEED}/{number}", (design,)).traits["reaction_timer"]
    if not lapses:
        someone = msgspec.structs.replace(someone, lapse=0.0)
    events = reaction_timer.events(someone, random.Random(f"{SEED}/{number}/150"), design, 0, 150)
    times = [event["latency_us"] / 1000 for event in events if event["kind"] == "reaction_timer.responded"]
    fit = fit_ex_gaussian([time for time in times if time >= 100])
    return [(getattr(someone, name), getattr(fit, name)) for name in ("mu", "tau", "sigma")]


def _halves(number: int) -> tuple[float, float]:
    """Mean speed of the odd and of the even trials of one session."""
    (session,) = Person(f"{SEED}/{number}", (reaction_timer.Design(),)).sessions(1)
    trials = [trial for block in session.samples["reaction_timer"] for trial in block.trials]
    odd, even = (
        fmean(1 / trial.rt_us for trial in trials if trial.outcome == "right" and trial.i % 2 == rest)
        for rest in (1, 0)
    )
    return odd, even


def _width_of_blocks(number: int) -> float:
    (session,) = Person(f"{SEED}/{number}", (reaction_timer.Design(trials=150),)).sessions(1)
    of = session.metrics["rt.mean_ln"]
    assert of.se is not None
    return of.se / MICRO / (_value(session, "rt.sd_ln") / of.n**0.5)


# ------------------------------------------------------------------------------------------------------------- C4


def _days(people: int) -> list[Line]:
    return [
        _within(f"another day: {metric}, r", target, 0.12, _other_day(design, metric, people))
        for design, metric, target in (
            (balloon_risk.Design(), "balloon.aap", 0.35),
            (reaction_timer.Design(), "rt.speed_mean_inv", 0.56),
        )
    ]


def _other_day(design: Design, metric: str, people: int) -> float:
    played: dict[str, list[float]] = {}
    for _, sitting, events in crowd(people, SEED, design, occasions=2):
        if sitting.is_finished:
            (measures,) = measures_of(events)
            played.setdefault(sitting.participant_ref, []).append(_value(measures, metric))
    return _r([(days[0], days[1]) for days in played.values() if len(days) == 2])
