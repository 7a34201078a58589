"""People with known traits who play reaction timer: the simulator, with committed foreperiods.

A reaction is ex-Gaussian: a normal part (mu, sigma) and an exponential one (tau). Both parts are carried over a little from trial
to trial, and time on task makes everyone slower. Some trials lapse, are missed, or are begun too early.

Lapses are not those of C3 (share Beta(1, 60), 500 to 3,000 ms longer): with them the SD of ln rt over 30 trials comes out at
.254 (SD over people .126, halves correlate .41 after Spearman-Brown), where 522 people of SRO show .182 (.090, .76). Shorter
lapses, shared out less evenly, give .209 (.079, .74), and fit at 150 trials too. ``long_lapses`` are those of C3, to see what they do.
"""

import math
import random
from collections.abc import Iterator
from typing import Literal

import msgspec

from simulators.population import Latent, share_of
from simulators.sitting import Fields, SimulatedGame, commitment

Kind = Literal["simple", "choice", "gonogo"]

_PHI = 0.24  # of both latent parts, so that ln rt has the autocorrelation .23 of the science: the exponential one loses some
_MISSED, _FALSE_START = 0.008, 0.003  # share of trials
_STOP = 0.25  # share of go/no-go trials that ask not to press
_LAPSE_MS, _LAPSE_MEAN_MS = 100, 200  # at least, and how much more in the mean, exponentially
_LONG_LAPSE_MS = (500, 3_000)
_ON_TASK_LN = 0.0007  # a trial
_FRAME_US = 16_667  # a stimulus waits for the next frame of the display
_KEYS: dict[Kind, dict[str, str | None]] = {
    "simple": {"circle": "space"},
    "choice": {"left": "f", "right": "j"},
    "gonogo": {"go": "space", "stop": None},
}


class Person(msgspec.Struct, frozen=True):
    """Latent traits: ms of the simple reaction, shares of trials. A choice takes ``choice_cost`` ms longer.

    ``error`` is the share of choices with the wrong key, ``commission`` that of stop stimuli which are answered.
    """

    mu: float
    sigma: float
    tau: float
    lapse: float
    choice_cost: float = 120.0
    error: float = 0.0
    commission: float = 0.0
    long_lapses: bool = False


class Design(msgspec.Struct, frozen=True):
    """The configuration of the game."""

    trials: int = 30
    kind: Kind = "simple"
    foreperiod_min_us: int = 1_000_000
    foreperiod_max_us: int = 4_000_000
    timeout_us: int = 3_000_000

    @property
    def units(self) -> int:
        """Trials."""
        return self.trials

    def config(self) -> Fields:
        """As events carry it."""
        return {**msgspec.to_builtins(self), "keys": _KEYS[self.kind]}


def person(latent: Latent, design: Design) -> Person:
    """Make a person: mu ~ N(284, 38), sigma ~ logN(ln 24, .5), tau ~ logN(ln 60, .55), as C3 has them; lapse ~ Kumaraswamy(1/2, 9), mean 1.8 %.

    What choice and go/no-go add is assumed: cost ~ N(120, 25), error ~ Beta(1, 30), commission ~ Beta(1, 12).
    """
    return Person(
        mu=284 + 38 * latent("mu"),
        sigma=math.exp(math.log(24) + 0.5 * latent("sigma")),
        tau=math.exp(math.log(60) + 0.55 * latent("tau")),
        lapse=_kumaraswamy(0.5, 9, latent("lapse")),
        choice_cost=max(0.0, 120 + 25 * latent("choice_cost")),
        error=_kumaraswamy(1, 30, latent("error")),
        commission=_kumaraswamy(1, 12, latent("commission")),
    )


def reactions_ms(someone: Person, dice: random.Random) -> Iterator[float]:
    """The reaction of trial 1, 2, ... without lapses."""
    normal, tail, trial = dice.gauss(0, 1), dice.gauss(0, 1), 0
    fresh = math.sqrt(1 - _PHI**2)
    while True:
        waited = -math.log(max(1e-12, share_of(-tail)))  # exponential, where tail is normal
        yield max(1.0, someone.mu + someone.sigma * normal + someone.tau * waited) * math.exp(
            _ON_TASK_LN * trial
        )
        normal = _PHI * normal + fresh * dice.gauss(0, 1)
        tail = _PHI * tail + fresh * dice.gauss(0, 1)
        trial += 1


def events(
    someone: Person, dice: random.Random, design: Design, begin_us: int, trials: int
) -> Iterator[Fields]:
    """The game's events. Who plays fewer trials than planned leaves."""
    foreperiods_us = [
        dice.randint(design.foreperiod_min_us, design.foreperiod_max_us) for _ in range(design.trials)
    ]
    seed, text, commit = commitment(dice, foreperiods_us)
    yield {
        "kind": "reaction_timer.game_started",
        "t_us": begin_us,
        "config": design.config(),
        "seed_commit": commit,
    }
    now_us, pace = begin_us + 1_000_000, reactions_ms(someone, dice)
    for i in range(1, trials + 1):
        for event in _trial(i, (now_us, foreperiods_us[i - 1], next(pace)), someone, dice, design):
            yield event
            now_us = event["t_us"]
        now_us += dice.randint(500_000, 1_000_000)
    finished = trials == design.trials
    reveal = {"reveal_seed": seed, "reveal_foreperiods": text} if finished else {}
    reason = "finished" if finished else "aborted"
    yield {"kind": "reaction_timer.game_completed", "t_us": now_us, "reason": reason, **reveal}


def _trial(
    i: int, scene: tuple[int, int, float], someone: Person, dice: random.Random, design: Design
) -> Iterator[Fields]:
    begin_us, foreperiod_us, reaction_ms = scene
    about = {"i": i, "trial_kind": design.kind, "foreperiod_us": foreperiod_us, "practice": False}
    yield {"kind": "reaction_timer.trial_started", "t_us": begin_us, **about}
    if dice.random() < _FALSE_START:
        early_us = begin_us + int(foreperiod_us * dice.random())
        yield {"kind": "reaction_timer.false_start", "t_us": early_us, "i": i}
        return
    onset_us = begin_us + foreperiod_us + dice.randrange(_FRAME_US)
    stim = _stimulus(dice, design)
    yield {
        "kind": "reaction_timer.stimulus_shown",
        "t_us": onset_us,
        "i": i,
        "stim": stim,
        "stim_onset_t_us": onset_us,
    }
    key = _answer(stim, someone, dice, design)
    latency_us = _latency_us(reaction_ms, someone, dice, design)
    if key is None or latency_us > design.timeout_us:
        missed_us = onset_us + design.timeout_us
        yield {"kind": "reaction_timer.missed", "t_us": missed_us, "i": i, "timeout_us": design.timeout_us}
        return
    times = {"t_us": onset_us + latency_us, "onset_t_us": onset_us, "latency_us": latency_us}
    yield {"kind": "reaction_timer.responded", **times, "i": i, "key": key}


def _stimulus(dice: random.Random, design: Design) -> str:
    if design.kind == "gonogo":
        return "stop" if dice.random() < _STOP else "go"
    return dice.choice(list(_KEYS[design.kind]))


def _answer(stim: str, someone: Person, dice: random.Random, design: Design) -> str | None:
    """The key that is pressed, if any."""
    keys = _KEYS[design.kind]
    if keys[stim] is None:
        pressed = next(key for key in keys.values() if key is not None)
        return pressed if dice.random() < someone.commission else None
    if dice.random() < _MISSED:
        return None
    if design.kind == "choice" and dice.random() < someone.error:
        return next(key for key in keys.values() if key != keys[stim])
    return keys[stim]


def _latency_us(reaction_ms: float, someone: Person, dice: random.Random, design: Design) -> int:
    cost_ms = someone.choice_cost if design.kind == "choice" else 0.0
    lapse_ms = 0.0
    if dice.random() < someone.lapse:
        more_ms = dice.expovariate(1 / _LAPSE_MEAN_MS)
        lapse_ms = dice.uniform(*_LONG_LAPSE_MS) if someone.long_lapses else _LAPSE_MS + more_ms
    return int(1000 * (reaction_ms + cost_ms + lapse_ms))


def _kumaraswamy(a: float, b: float, z: float) -> float:
    """The value of Kumaraswamy(a, b) below which as much lies as of a normal variable below z; with a = 1 it is Beta(1, b)."""
    return math.pow(1 - math.pow(share_of(-z), 1 / b), 1 / a)


GAME = SimulatedGame("reaction_timer", Design, person, events)
