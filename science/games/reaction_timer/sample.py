"""Reaction timer: what is left of a play once it is over, in blocks of trials.

Neighbouring reaction times resemble each other (lag-1 autocorrelation of ln-speeds .23), so that single trials would
promise too narrow an interval: the unit that is drawn anew is a block of five.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import mul
from typing import Any

import msgspec

from science.estimate import Clusters, Sums, sums
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

LAPSE_US = 500_000  # the threshold of the 10-minute PVT (Basner & Dinges 2011)

Products = tuple[int, int, int]  # of x with a logarithm y: sum of x, of x squared, of x y


class Account(msgspec.Struct, frozen=True, gc=False):
    """A block with all worked out that is dear, once. X are its valid reaction times in us: of right responses (those faster
    than 100 ms are anticipations); logarithms are in Q32 of us, speeds (1 / X) in Q32 of 1/s.

    ``lapses`` are the X of at least 500 ms with the missed trials, and of the others how many X there are; ``followed`` has, of each
    X, the logarithm of the valid reaction time right after it, if there is one; the products are those of ln X with the number of
    the trial and with its foreperiod in us.
    """

    kind: str
    outcomes: tuple[str, ...]
    times: tuple[int, ...]
    lapses: tuple[int, int]
    time_sums: Sums
    logarithm_sums: Sums
    speed_sums: Sums
    followed: tuple[tuple[int, int], ...]
    index_products: Products
    foreperiod_products: Products


def account(block: Block) -> Account:
    """Take the logarithms of one block."""
    right = [(trial, trial.rt_us) for trial in block.trials if trial.outcome == "right" and trial.rt_us]
    outcomes = tuple([trial.outcome for trial in block.trials])
    times = tuple([rt_us for _, rt_us in right])
    logarithms = tuple([ln(rt_us) for rt_us in times])
    known = dict(zip(times, logarithms, strict=True))  # what follows a trial is mostly of its own block
    followers = [(rt_us, trial.next_rt_us) for trial, rt_us in right if trial.next_rt_us]
    slow = len([rt_us for rt_us in times if rt_us >= LAPSE_US])
    return Account(
        kind=block.kind,
        outcomes=outcomes,
        times=times,
        lapses=(slow + outcomes.count("missed"), len(times) - slow),
        time_sums=sums(times),
        logarithm_sums=sums(logarithms),
        speed_sums=sums([speed(rt_us) for rt_us in times]),
        followed=tuple([(rt_us, known.get(after_us) or ln(after_us)) for rt_us, after_us in followers]),
        index_products=_products([trial.i for trial, _ in right], logarithms),
        foreperiod_products=_products([trial.foreperiod_us for trial, _ in right], logarithms),
    )


# These two take columns of integers too.


def speed(rt_us: Any) -> Any:
    """1 / X, in Q32 of 1/s; a longer X is never faster by it."""
    return (2 * MICRO * Q32 + rt_us) // (2 * rt_us)


def slow_place(n: Any) -> Any:
    """From which place on the X, sorted, are slow: ceil(.9 (n - 1)), from 0. There is at least one."""
    return -(-9 * (n - 1) // 10)


def _products(xs: Sequence[int], ys: Sequence[int]) -> Products:
    return sum(xs), sum(map(mul, xs, xs)), sum(map(mul, xs, ys))


class Gathered(msgspec.Struct, frozen=True, gc=False):
    """The accounts of a sample by what they tell: all that the metrics and their influences both look at.

    Outcomes are counted: of all trials, and of those of two kinds by themselves. ``lapses`` are those of each block, ``ordered`` all
    X; ``after_slow`` are the logarithms of the valid reaction times right after a valid slow one: one at or above that at
    ``slow_place``. ``median_logarithm`` is that of ln X, doubled to stay whole; 0 without any X.
    """

    is_mixed: bool  # of kinds that are played differently
    outcomes: Mapping[str, int]
    of_choice: Mapping[str, int]
    of_gonogo: Mapping[str, int]
    lapses: Sequence[tuple[int, int]]
    ordered: Sequence[int]
    times: Clusters
    logarithms: Clusters
    speeds: Clusters
    after_slow: Clusters
    median_logarithm: int
    index_products: Products
    foreperiod_products: Products


def gather(accounts: Sequence[Account]) -> Gathered:
    """Bring together what these blocks tell."""
    ordered = sorted(chain.from_iterable([of.times for of in accounts]))
    n = len(ordered)
    slow_us = ordered[slow_place(n)] if n else 0
    middle = (
        (ordered[(n - 1) // 2], ordered[n // 2]) if n else ()
    )  # ln never falls, so theirs are in the middle too
    return Gathered(
        is_mixed=len({of.kind for of in accounts}) > 1,
        outcomes=Counter(chain.from_iterable([of.outcomes for of in accounts])),
        of_choice=Counter(chain.from_iterable([of.outcomes for of in accounts if of.kind == "choice"])),
        of_gonogo=Counter(chain.from_iterable([of.outcomes for of in accounts if of.kind == "gonogo"])),
        lapses=[of.lapses for of in accounts],
        ordered=ordered,
        times=Clusters([of.time_sums for of in accounts]),
        logarithms=Clusters([of.logarithm_sums for of in accounts]),
        speeds=Clusters([of.speed_sums for of in accounts]),
        after_slow=Clusters(
            [sums([after for rt_us, after in of.followed if rt_us >= slow_us]) for of in accounts]
        ),
        median_logarithm=sum(map(ln, middle)),
        index_products=_total([of.index_products for of in accounts]),
        foreperiod_products=_total([of.foreperiod_products for of in accounts]),
    )


def _total(products: Sequence[Products]) -> Products:
    return (
        sum([xs for xs, _, _ in products]),
        sum([xx for _, xx, _ in products]),
        sum([xy for _, _, xy in products]),
    )
