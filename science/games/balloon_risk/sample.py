"""Balloon risk: what is left of a play once it is over, balloon by balloon."""

from collections.abc import Sequence

import msgspec

from science.exact import ln
from science.games.balloon_risk.play import FLOOR_US, BalloonPlay


class ScoredBalloon(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A scored balloon and what it followed: all that any metric needs of it.

    ``after_loss`` is None where the balloon before it in the game is not scored; ``before_pumps`` are those of the balloon
    before it if that one was collected. Latencies in us, as they were; ``collect_latency_us`` is None for a burst.
    """

    i: int
    max_pumps: int
    value_c: int
    pumps: int
    exploded: bool
    after_loss: bool | None
    before_pumps: int | None
    pump_latencies_us: tuple[int, ...]
    collect_latency_us: int | None


def sample(plays: Sequence[BalloonPlay]) -> list[ScoredBalloon]:
    """The scored balloons of the plays, in order. Nothing follows across plays, nor across a balloon that was dropped."""
    units = []
    for play in plays:
        before = None
        for balloon in play.scored:
            follows = before if before is not None and balloon.i == before.i + 1 else None
            units.append(
                ScoredBalloon(
                    i=balloon.i,
                    max_pumps=balloon.max_pumps,
                    value_c=balloon.value_c,
                    pumps=balloon.pumps,
                    exploded=balloon.end == "exploded",
                    after_loss=None if follows is None else follows.end == "exploded",
                    before_pumps=follows.pumps
                    if follows is not None and follows.end == "collected"
                    else None,
                    pump_latencies_us=tuple(balloon.pump_latencies_us),
                    collect_latency_us=balloon.collect_latency_us,
                )
            )
            before = balloon
    return units


# ---------------------------------------------------- what the metrics look at, in Q32 where it is a logarithm of us


def ln_pumps(balloon: ScoredBalloon) -> list[int]:
    """The logarithms of the latencies of its pumps, without anticipations."""
    return [ln(latency) for latency in balloon.pump_latencies_us if latency >= FLOOR_US]


def has_first_pump(balloon: ScoredBalloon) -> bool:
    """It was pumped at all, and not in anticipation."""
    return bool(balloon.pump_latencies_us) and balloon.pump_latencies_us[0] >= FLOOR_US


def pumps_after(balloons: Sequence[ScoredBalloon], *, loss: bool) -> list[int]:
    """The pumps of the collected balloons that follow a loss (or a win)."""
    return [b.pumps for b in balloons if b.after_loss is loss and not b.exploded]


def began_after(balloons: Sequence[ScoredBalloon], *, loss: bool) -> list[int]:
    """The logarithms of the first latencies of the balloons that follow a loss (or a win)."""
    return [ln(b.pump_latencies_us[0]) for b in balloons if b.after_loss is loss and has_first_pump(b)]


def steps_up(balloons: Sequence[ScoredBalloon]) -> list[int]:
    """ln(p_j / p_j-1) of the collected balloons that follow a collected one, both pumped."""
    return [
        ln(b.pumps) - ln(b.before_pumps) for b in balloons if not b.exploded and b.pumps and b.before_pumps
    ]
