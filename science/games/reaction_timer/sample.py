"""Reaction timer: what is left of a play once it is over, in blocks of trials.

Neighbouring reaction times resemble each other (lag-1 autocorrelation of ln-speeds .23), so that single trials would
promise too narrow an interval: the unit that is drawn anew is a block of five.
"""

from collections.abc import Sequence
from operator import mul

import msgspec

from science.estimate import Sums, sums
from science.exact import MICRO, Q32, ln
from science.games.reaction_timer.play import ReactionPlay

BLOCK_TRIALS = 5


class ScoredTrial(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A scored trial and what came after it. ``outcome`` is right, wrong, missed, false_start, anticipation, rejected or
    commission; ``rt_us`` is None where nobody pressed after the stimulus; ``next_rt_us`` is that of trial i + 1 of the same play
    if it was right.
    """

    i: int
    outcome: str
    rt_us: int | None
    foreperiod_us: int
    next_rt_us: int | None


class Block(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Up to five scored trials of one play of this kind, in order: all that any metric needs of them."""

    kind: str
    trials: tuple[ScoredTrial, ...]


def sample(plays: Sequence[ReactionPlay]) -> list[Block]:
    """The scored trials of the plays in blocks, cut play by play; the last of a play may be short."""
    blocks = []
    for play in plays:
        scored = play.scored
        trials = []
        for trial, after in zip(scored, [*scored[1:], None], strict=False):
            assert trial.outcome is not None  # or it would not be scored
            next_rt_us = None
            if after is not None and after.i == trial.i + 1 and after.outcome == "right":
                next_rt_us = after.rt_us
            trials.append(ScoredTrial(trial.i, trial.outcome, trial.rt_us, trial.foreperiod_us, next_rt_us))
        blocks += [
            Block(play.config.kind, tuple(trials[first : first + BLOCK_TRIALS]))
            for first in range(0, len(trials), BLOCK_TRIALS)
        ]
    return blocks


# --------------------------------------------------------------------------------------------- what the metrics look at

Products = tuple[int, int, int]  # of x with a logarithm y: sum of x, of x squared, of x y


class Account(msgspec.Struct, frozen=True, gc=False):
    """A block with all worked out that is dear, once. X are its valid reaction times in us: of right responses (those faster
    than 100 ms are anticipations); logarithms are in Q32 of us, speeds (1 / X) in Q32 of 1/s.

    ``followed`` has, of each X, the logarithm of the valid reaction time right after it, if there is one; the products are those of
    ln X with the number of the trial and with its foreperiod in us.
    """

    kind: str
    outcomes: tuple[str, ...]
    times: tuple[int, ...]
    logarithms: tuple[int, ...]
    speeds: tuple[int, ...]
    time_sums: Sums
    logarithm_sums: Sums
    speed_sums: Sums
    followed: tuple[tuple[int, int], ...]
    index_products: Products
    foreperiod_products: Products


def account(block: Block) -> Account:
    """Take the logarithms of one block."""
    right = [(trial, trial.rt_us) for trial in block.trials if trial.outcome == "right" and trial.rt_us]
    times = tuple([rt_us for _, rt_us in right])
    logarithms = tuple([ln(rt_us) for rt_us in times])
    known = dict(zip(times, logarithms, strict=True))  # what follows a trial is mostly of its own block
    followers = [(rt_us, trial.next_rt_us) for trial, rt_us in right if trial.next_rt_us]
    speeds = tuple([(2 * MICRO * Q32 + rt_us) // (2 * rt_us) for rt_us in times])
    return Account(
        kind=block.kind,
        outcomes=tuple([trial.outcome for trial in block.trials]),
        times=times,
        logarithms=logarithms,
        speeds=speeds,
        time_sums=sums(times),
        logarithm_sums=sums(logarithms),
        speed_sums=sums(speeds),
        followed=tuple([(rt_us, known.get(after_us) or ln(after_us)) for rt_us, after_us in followers]),
        index_products=_products([trial.i for trial, _ in right], logarithms),
        foreperiod_products=_products([trial.foreperiod_us for trial, _ in right], logarithms),
    )


def _products(xs: Sequence[int], ys: Sequence[int]) -> Products:
    return sum(xs), sum(map(mul, xs, xs)), sum(map(mul, xs, ys))


def after_slow(accounts: Sequence[Account]) -> list[list[int]]:
    """Block by block, the logarithms of the valid reaction times right after a valid slow one: one at or above the sorted X at
    ceil(.9 (n - 1)), from 0. There is at least one X.
    """
    ordered = sorted([rt_us for of in accounts for rt_us in of.times])
    slow_us = ordered[-(-9 * (len(ordered) - 1) // 10)]
    return [[following for rt_us, following in of.followed if rt_us >= slow_us] for of in accounts]
