"""People with known traits who play balloon risk: the simulator C1 of the science, with committed bursts.

A person means to pump exp(mu + ...) times; bursts, drift, after-effects of a loss and noise do the rest. Equal seeds give equal
people. They go through the public door as anyone does.
"""

import json
import math
import random
from collections.abc import Iterator
from hashlib import sha256

import msgspec

_LEAVES_EARLY = 0.06  # share of people who walk away: a real sample has them, and the engine must refuse them


class Person(msgspec.Struct, frozen=True):
    """Latent traits. ``mu`` is the true one: the log of the pumps meant, in the middle of the game."""

    mu: float
    sigma: float
    beta: float
    delta: float
    latency_ln_mean: float
    latency_ln_sd: float
    kappa: float
    balloons_played: int


class Design(msgspec.Struct, frozen=True):
    """The configuration of the game."""

    balloons: int = 30
    max_pumps: int = 12
    value_per_pump_c: int = 5

    def config(self) -> dict[str, object]:
        """As events carry it."""
        return {**msgspec.to_builtins(self), "burst_law": "uniform"}


def person(dice: random.Random, design: Design) -> Person:
    """Draw a person (science C1)."""
    leaves = dice.random() < _LEAVES_EARLY and design.balloons > 1
    return Person(
        mu=dice.gauss(math.log(0.30 * design.max_pumps), 0.35),
        sigma=math.exp(dice.gauss(math.log(0.28), 0.45)),
        beta=dice.gauss(0, 0.25),
        delta=dice.gauss(-0.08, 0.15),
        latency_ln_mean=dice.gauss(6.1, 0.30),
        latency_ln_sd=math.exp(dice.gauss(math.log(0.38), 0.35)),
        kappa=dice.gauss(-0.15, 0.25),
        balloons_played=dice.randrange(1, design.balloons) if leaves else design.balloons,
    )


def play(
    session_id: str, someone: Person, dice: random.Random, design: Design
) -> Iterator[dict[str, object]]:
    """The events of one session, in order, in the form that the door takes."""
    for seq, event in enumerate(_events(someone, dice, design)):
        if event["kind"] in {"session.completed", "session.aborted"}:
            event["last_seq"] = seq
        if event["kind"] == "session.started":
            event["participant_ref"] = f"participant of {session_id}"
        yield {"session_id": session_id, "seq": seq, **event}


def _events(someone: Person, dice: random.Random, design: Design) -> Iterator[dict[str, object]]:
    points = json.dumps(
        [dice.randint(1, design.max_pumps) for _ in range(design.balloons)], separators=(",", ":")
    )
    reveal_seed = f"{dice.getrandbits(128):032x}"
    yield {
        "kind": "session.started",
        "t_us": 0,
        "consent_basis": "declared:simulated",
        "battery": "simulated",
        "protocol": {"games": [{"config": design.config(), "game": "balloon_risk"}]},
        "device_input": "keyboard",
    }
    commit = sha256(f"{reveal_seed}\n{points}".encode()).hexdigest()
    yield {"kind": "balloon_risk.game_started", "t_us": 0, "config": design.config(), "seed_commit": commit}
    now_us, bank_c, lost = 1_000_000, 0, False
    for i in range(1, someone.balloons_played + 1):
        for event in _balloon(i, (someone, lost), (json.loads(points)[i - 1], now_us, bank_c), dice, design):
            yield event
            now_us = max(now_us, int(str(event["t_us"])))
            bank_c = int(str(event.get("bank_c", bank_c)))
            lost = event["kind"] == "balloon_risk.exploded"
        now_us += 1_500_000
    finished = someone.balloons_played == design.balloons
    reveal = {"reveal_seed": reveal_seed, "reveal_burst_points": points} if finished else {}
    reason = "finished" if finished else "aborted"
    yield {"kind": "balloon_risk.game_completed", "t_us": now_us, "reason": reason, **reveal}
    if finished:
        yield {"kind": "session.completed", "t_us": now_us}
    else:
        yield {"kind": "session.aborted", "t_us": now_us, "reason": "left"}


def _balloon(
    i: int, player: tuple[Person, bool], scene: tuple[int, int, int], dice: random.Random, design: Design
) -> Iterator[dict[str, object]]:
    """One balloon: pump until it bursts or the meant number is reached."""
    someone, lost = player
    burst, now_us, bank_c = scene
    x = (i - (design.balloons + 1) / 2) / design.balloons
    meant = math.exp(someone.mu + someone.beta * x + someone.delta * lost + someone.sigma * dice.gauss(0, 1))
    target = max(0, min(design.max_pumps, round(meant)))
    yield {
        "kind": "balloon_risk.shown",
        "t_us": now_us,
        "i": i,
        "color": "blue",
        "max_pumps": design.max_pumps,
        "value_per_pump_c": design.value_per_pump_c,
        "practice": False,
    }
    for k in range(1, target + 1):
        latency_us = _latency_us(someone, dice, after_loss=lost and k == 1)
        times = {"t_us": now_us + latency_us, "onset_t_us": now_us, "latency_us": latency_us}
        yield {"kind": "balloon_risk.pumped", **times, "i": i, "k": k}
        now_us += latency_us
        if k == burst:
            yield {"kind": "balloon_risk.exploded", "t_us": now_us, "i": i, "at_pump": k}
            return
    latency_us = _latency_us(someone, dice, after_loss=False)
    earned_c = target * design.value_per_pump_c
    times = {"t_us": now_us + latency_us, "onset_t_us": now_us, "latency_us": latency_us}
    money = {"pumps": target, "earned_c": earned_c, "bank_c": bank_c + earned_c}
    yield {"kind": "balloon_risk.collected", **times, "i": i, **money}


def _latency_us(someone: Person, dice: random.Random, *, after_loss: bool) -> int:
    """Log-normal, and 80 ms that no hand is faster than."""
    mean = someone.latency_ln_mean + (someone.kappa if after_loss else 0)
    return 80_000 + min(60_000_000, int(1000 * math.exp(dice.gauss(mean, someone.latency_ln_sd))))
