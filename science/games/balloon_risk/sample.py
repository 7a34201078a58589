"""Balloon risk: what is left of a play once it is over, balloon by balloon."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache

import msgspec

from science.estimate import Clusters, Singles, Sums, sums
from science.exact import Line, Moments, ln
from science.games.balloon_risk.play import FLOOR_US, Balloon, BalloonPlay
from science.survival import Curve, curve_of


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
        before: Balloon | None = None
        for balloon in play.scored:
            follows = before if before is not None and balloon.i == before.i + 1 else None
            won = follows is not None and follows.end == "collected"
            units.append(
                ScoredBalloon(
                    i=balloon.i,
                    max_pumps=balloon.max_pumps,
                    value_c=balloon.value_c,
                    pumps=balloon.pumps,
                    exploded=balloon.end == "exploded",
                    after_loss=None if follows is None else not won,
                    before_pumps=follows.pumps if follows is not None and won else None,
                    pump_latencies_us=tuple(balloon.pump_latencies_us),
                    collect_latency_us=balloon.collect_latency_us,
                )
            )
            before = balloon
    return units


class Account(msgspec.Struct, frozen=True, gc=False):
    """A balloon with its logarithms taken, once: Q32, of us where of a latency, without anticipations.

    ``latencies`` are of all pumps, ``first`` of the first, ``collect`` of the cashing in, each None where there is none; ``kept`` are
    the pumps of a collected balloon; ``step`` is ln(p_j / p_j-1) where both were collected and pumped. What follows a loss stands
    apart from what follows a win.
    """

    i: int
    max_pumps: int
    value_c: int
    pumps: int
    exploded: bool
    latencies: Sums
    kept: int | None
    kept_after_loss: int | None
    kept_after_win: int | None
    first: int | None
    first_after_loss: int | None
    first_after_win: int | None
    collect: int | None
    step: int | None


def account(balloon: ScoredBalloon) -> Account:
    """Take the logarithms of one balloon."""
    waits, money = balloon.pump_latencies_us, balloon.collect_latency_us
    pumps, before, after_loss = balloon.pumps, balloon.before_pumps, balloon.after_loss
    logarithms = [ln(latency) for latency in waits if latency >= FLOOR_US]
    first = logarithms[0] if waits and waits[0] >= FLOOR_US else None
    kept = None if balloon.exploded else pumps
    return Account(
        i=balloon.i,
        max_pumps=balloon.max_pumps,
        value_c=balloon.value_c,
        pumps=pumps,
        exploded=balloon.exploded,
        latencies=sums(logarithms),
        kept=kept,
        kept_after_loss=kept if after_loss is True else None,
        kept_after_win=kept if after_loss is False else None,
        first=first,
        first_after_loss=first if after_loss is True else None,
        first_after_win=first if after_loss is False else None,
        collect=ln(money) if money is not None and money >= FLOOR_US else None,
        step=_ln_pumps(pumps) - _ln_pumps(before) if kept and before else None,
    )


@cache
def _ln_pumps(pumps: int) -> int:
    return ln(pumps)  # of a thousand counts at most


class Told(msgspec.Struct):
    """What the balloons of a sample tell: all that the metrics look at.

    ``pumps`` and ``earned_c`` are sums, ``kinds`` counts the balloons by (max_pumps, value_c). The lines go through the pumps of the
    collected, and through what every balloon earned, over the number of the balloon; ``early`` and ``late`` are the pumps of the collected
    in the first and in the second half.
    """

    n: int
    pumps: int
    earned_c: int
    kinds: Mapping[tuple[int, int], int]
    curve: Curve | None
    trend: Line
    payoff: Line
    early: Moments
    late: Moments
    latencies: Moments
    kept: Moments
    kept_after_loss: Moments
    kept_after_win: Moments
    first: Moments
    first_after_loss: Moments
    first_after_win: Moments
    collect: Moments
    step: Moments


class Gathered(Told):
    """The same with what each balloon adds, for its influence; ``fates`` are (pumps, exploded) of each."""

    fates: list[tuple[int, bool]]
    latencies: Clusters
    kept: Singles
    kept_after_loss: Singles
    kept_after_win: Singles
    first_after_loss: Singles
    first_after_win: Singles
    step: Singles


def gather(accounts: Sequence[Account]) -> Gathered:
    """The accounts of a sample by what they tell."""
    fates = [(of.pumps, of.exploded) for of in accounts]
    kept = [of.kept for of in accounts]
    earned_c = [(of.kept or 0) * of.value_c for of in accounts]
    collected = [of for of in accounts if of.kept is not None]
    half = len(accounts) // 2
    return Gathered(
        n=len(accounts),
        pumps=sum([of.pumps for of in accounts]),
        earned_c=sum(earned_c),
        kinds=Counter([(of.max_pumps, of.value_c) for of in accounts]),
        curve=curve_of(fates) if fates else None,
        trend=Line([of.i for of in collected], [of.pumps for of in collected]),
        payoff=Line([of.i for of in accounts], earned_c),
        early=Singles(kept[:half]),
        late=Singles(kept[len(kept) - half :]),
        fates=fates,
        latencies=Clusters([of.latencies for of in accounts]),
        kept=Singles(kept),
        kept_after_loss=Singles([of.kept_after_loss for of in accounts]),
        kept_after_win=Singles([of.kept_after_win for of in accounts]),
        first=Singles([of.first for of in accounts]),
        first_after_loss=Singles([of.first_after_loss for of in accounts]),
        first_after_win=Singles([of.first_after_win for of in accounts]),
        collect=Singles([of.collect for of in accounts]),
        step=Singles([of.step for of in accounts]),
    )
