"""People with known traits who play balloon risk: the simulator, with committed bursts.

A person means to pump exp(mu + ...) times; bursts, drift, after-effects of a loss and noise do the rest.
"""

import math
import random
from collections.abc import Iterator

import msgspec

from simulators.population import Latent
from simulators.sitting import Fields, SimulatedGame, commitment


class Person(msgspec.Struct, frozen=True):
    """Latent traits. ``mu`` is the true one: the log of the pumps meant, in the middle of the game."""

    mu: float
    sigma: float
    beta: float
    delta: float
    latency_ln_mean: float
    latency_ln_sd: float
    kappa: float


class Design(msgspec.Struct, frozen=True):
    """The configuration of the game."""

    balloons: int = 30
    max_pumps: int = 12
    value_per_pump_c: int = 5

    @property
    def units(self) -> int:
        """Balloons."""
        return self.balloons

    def config(self) -> Fields:
        """As events carry it."""
        return {**msgspec.to_builtins(self), "burst_law": "uniform"}


def person(latent: Latent, design: Design) -> Person:
    """Make a person."""
    return Person(
        mu=math.log(0.30 * design.max_pumps) + 0.35 * latent("mu"),
        sigma=math.exp(math.log(0.28) + 0.45 * latent("sigma")),
        beta=0.25 * latent("beta"),
        delta=-0.08 + 0.15 * latent("delta"),
        latency_ln_mean=6.1 + 0.30 * latent("latency_ln_mean"),
        latency_ln_sd=math.exp(math.log(0.38) + 0.35 * latent("latency_ln_sd")),
        kappa=-0.15 + 0.25 * latent("kappa"),
    )


def target(someone: Person, i: int, dice: random.Random, design: Design, *, lost: bool) -> int:
    """How many pumps are meant on balloon ``i`` (from 1), after a loss or not."""
    x = (i - (design.balloons + 1) / 2) / design.balloons
    meant = math.exp(someone.mu + someone.beta * x + someone.delta * lost + someone.sigma * dice.gauss(0, 1))
    return max(0, min(design.max_pumps, round(meant)))


def events(
    someone: Person, dice: random.Random, design: Design, begin_us: int, balloons: int
) -> Iterator[Fields]:
    """The game's events. Who plays fewer balloons than planned leaves."""
    points = [dice.randint(1, design.max_pumps) for _ in range(design.balloons)]
    seed, text, commit = commitment(dice, points)
    yield {
        "kind": "balloon_risk.game_started",
        "t_us": begin_us,
        "config": design.config(),
        "seed_commit": commit,
    }
    now_us, bank_c, lost = begin_us + 1_000_000, 0, False
    for i in range(1, balloons + 1):
        for event in _balloon(i, (someone, lost), (points[i - 1], now_us, bank_c), dice, design):
            yield event
            now_us = event["t_us"]
            bank_c = event.get("bank_c", bank_c)
            lost = event["kind"] == "balloon_risk.exploded"
        now_us += 1_500_000
    finished = balloons == design.balloons
    reveal = {"reveal_seed": seed, "reveal_burst_points": text} if finished else {}
    reason = "finished" if finished else "aborted"
    yield {"kind": "balloon_risk.game_completed", "t_us": now_us, "reason": reason, **reveal}


def _balloon(
    i: int, player: tuple[Person, bool], scene: tuple[int, int, int], dice: random.Random, design: Design
) -> Iterator[Fields]:
    """One balloon: pump until it bursts or the meant number is reached."""
    someone, lost = player
    burst, now_us, bank_c = scene
    aim = target(someone, i, dice, design, lost=lost)
    yield {
        "kind": "balloon_risk.shown",
        "t_us": now_us,
        "i": i,
        "color": "blue",
        "max_pumps": design.max_pumps,
        "value_per_pump_c": design.value_per_pump_c,
        "practice": False,
    }
    for k in range(1, aim + 1):
        latency_us = _latency_us(someone, dice, after_loss=lost and k == 1)
        times = {"t_us": now_us + latency_us, "onset_t_us": now_us, "latency_us": latency_us}
        yield {"kind": "balloon_risk.pumped", **times, "i": i, "k": k}
        now_us += latency_us
        if k == burst:
            yield {"kind": "balloon_risk.exploded", "t_us": now_us, "i": i, "at_pump": k}
            return
    latency_us = _latency_us(someone, dice, after_loss=False)
    earned_c = aim * design.value_per_pump_c
    times = {"t_us": now_us + latency_us, "onset_t_us": now_us, "latency_us": latency_us}
    money = {"pumps": aim, "earned_c": earned_c, "bank_c": bank_c + earned_c}
    yield {"kind": "balloon_risk.collected", **times, "i": i, **money}


def _latency_us(someone: Person, dice: random.Random, *, after_loss: bool) -> int:
    """Log-normal, and 80 ms that no hand is faster than."""
    mean = someone.latency_ln_mean + (someone.kappa if after_loss else 0)
    return 80_000 + min(60_000_000, int(1000 * math.exp(dice.gauss(mean, someone.latency_ln_sd))))


GAME = SimulatedGame("balloon_risk", Design, person, events)
