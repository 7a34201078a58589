"""Who the people are: traits that go together, days on which one is not quite oneself, and two groups.

A game asks for the standard normal value of each of its latent traits by name (``Latent``) and makes its own distribution of it.
What one person gives as such values is decided here.
"""

import math
import random
from collections.abc import Callable

import msgspec

Latent = Callable[[str], float]  # by trait: "game.trait" here, "trait" inside a game

# Correlations of latent traits across games, the lower triangle; a trait that is not named correlates with none. An assumption,
# made where data allow: risk and balloon latency against reaction are those of ln intended pumps (-.31) and mean ln latency (.31)
# with mean ln choice reaction in 125 people of ds000030, rounded; the three latencies are then taken to go together alike, and
# memory to go a little with speed, as ability does (Sheppard & Vernon 2008). Within balloon risk C1 draws its traits independently.
CORRELATED = (
    "balloon_risk.mu",
    "balloon_risk.latency_ln_mean",
    "memory_cards.encode",
    "memory_cards.latency_ln_mean",
    "reaction_timer.mu",
)
CORRELATIONS = (
    (1.0,),
    (0.0, 1.0),
    (0.0, -0.10, 1.0),
    (0.0, 0.35, -0.15, 1.0),
    (-0.30, 0.30, -0.20, 0.35, 1.0),
)

# How far a trait is the same on another day: the correlation of its values on two occasions. A published retest correlation holds
# the error of both sessions too, so it is divided by the reliability within a session (Eisenberg et al. 2019, and the pages of the
# games): .35 / .97 for pumps, .36 / .85 for their scatter, .57 / .91 for lapses; those of mu, sigma and tau together make speed over
# 30 trials come out at .56 and the scatter of ln times at .24. The parallel form says 0 of the drift over balloons. The others have no
# retest study and are assumed, latencies like speed.
STABLE = {
    "balloon_risk.mu": 0.36,
    "balloon_risk.sigma": 0.42,
    "balloon_risk.beta": 0.0,
    "balloon_risk.delta": 0.5,
    "balloon_risk.latency_ln_mean": 0.59,
    "balloon_risk.latency_ln_sd": 0.6,
    "balloon_risk.kappa": 0.5,
    "memory_cards.encode": 0.8,
    "memory_cards.decay": 0.8,
    "memory_cards.slip": 0.8,
    "memory_cards.learning": 0.5,
    "memory_cards.latency_ln_mean": 0.59,
    "memory_cards.latency_ln_sd": 0.6,
    "reaction_timer.mu": 0.66,
    "reaction_timer.sigma": 0.5,
    "reaction_timer.tau": 0.57,
    "reaction_timer.lapse": 0.63,
    "reaction_timer.choice_cost": 0.59,
    "reaction_timer.error": 0.5,
    "reaction_timer.commission": 0.5,
}


class Population(msgspec.Struct, frozen=True):
    """Two groups, the second a ``share`` of all. It differs by ``d`` standard deviations (of one group) in the traits ``differing``."""

    d: float = 0.0
    share: float = 0.5
    differing: tuple[str, ...] = ("balloon_risk.mu",)


class Mind:
    """One person's latent traits, on every occasion. Equal keys give equal people."""

    def __init__(self, key: str, dice: random.Random, population: Population) -> None:
        """``dice`` are those of the first occasion: its values are drawn from them as they are asked for."""
        self.group = int(random.Random(f"{key}/group").random() < population.share)
        self._key = key
        self._shift = dict.fromkeys(population.differing, population.d * self.group)
        self._first = _Draws(dice)
        self._lasting = _Draws(random.Random(f"{key}/lasting"))

    def on(self, occasion: int) -> Latent:
        """The values of an occasion, from 1. Of each trait any two occasions correlate as STABLE says."""
        if occasion == 1:
            return lambda trait: self._first(trait) + self._shift.get(trait, 0.0)
        today = _Draws(random.Random(f"{self._key}/t{occasion}/state"))

        def latent(trait: str) -> float:
            same, other = math.sqrt(STABLE[trait]), math.sqrt(1 - STABLE[trait])
            lasting = same * self._first(trait) + other * self._lasting(trait)
            return same * lasting + other * today(trait) + self._shift.get(trait, 0.0)

        return latent


class _Draws:
    """Standard normal values by trait, correlated as CORRELATIONS says. Each is drawn when it is first asked for."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._independent: list[float] = []
        self._values: dict[str, float] = {}

    def __call__(self, trait: str) -> float:
        if trait not in self._values:
            self._values[trait] = self._draw(trait)
        return self._values[trait]

    def _draw(self, trait: str) -> float:
        if trait not in CORRELATED:
            return self._dice.gauss(0, 1)
        row = _ROOT[CORRELATED.index(trait)]
        while len(self._independent) < len(row):
            self._independent.append(self._dice.gauss(0, 1))
        return sum(weight * value for weight, value in zip(row, self._independent, strict=False))


def share_of(z: float) -> float:
    """The share of a normal population below z: what makes any distribution of a standard normal value."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def _root(correlations: tuple[tuple[float, ...], ...]) -> list[list[float]]:
    """The lower triangle L with L L' = correlations (Cholesky)."""
    root: list[list[float]] = []
    for row in correlations:
        new: list[float] = []
        for other, value in zip(root, row, strict=False):
            new.append((value - sum(a * b for a, b in zip(new, other, strict=False))) / other[-1])
        left = row[-1] - sum(a * a for a in new)
        assert left > 0, "no people can have these correlations"
        root.append([*new, math.sqrt(left)])
    return root


_ROOT = _root(CORRELATIONS)
