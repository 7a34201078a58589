"""Balloon risk by columns: what the balloons of many plays amount to."""

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise, starmap
from typing import Any

import numpy as np
import numpy.typing as npt

from science.columns.balloons import Balloons, scored
from science.columns.estimate import Clusters, covariances
from science.columns.events import Column, Mask
from science.columns.exact import borders, counts, ln, micro_floor, micro_ratios, sums
from science.columns.plays import Played, Plays
from science.commitment import revealed_integers
from science.exact import Line, Moments
from science.game import Conduct, Tally, is_automaton
from science.games.balloon_risk import GAME
from science.games.balloon_risk.metrics import measure
from science.games.balloon_risk.play import FLOOR_US, SLOW_US, is_unkept
from science.games.balloon_risk.sample import ScoredBalloon, Told
from science.measure import Precision, measured, with_errors
from science.survival import Curve, curve_of, ln_influences
from science.walk import Begun

_SQUARED_MAX = 94_000_000  # below 2**26.5: a mean of more pumps, in micro-units, is left to Python's integers


def played(plays: Plays) -> list[Played | None]:
    """What became of each play; None of one in which anything is odd, or no balloon is scored."""
    found: list[Played | None] = [None] * len(plays.begun)
    balloons = scored(plays)
    if balloons is None:
        return found
    begun = [plays.begun[n] for n in balloons.plays.tolist()]
    for n, one in zip(balloons.plays.tolist(), _amounts(balloons, begun), strict=True):
        found[n] = one
    return found


def _is_kept(of: Begun, real: int, numbers: Sequence[int], fates: Sequence[tuple[int, bool]]) -> bool:
    """B7: nothing was committed to, or what was is revealed and happened, or the game did not come to that."""
    play, completed = of.play, of.completed
    if play.seed_commit is None:
        return True
    if completed is None or completed.reveal_seed is None or completed.reveal_burst_points is None:
        planned: int = play.config.balloons
        return real < planned
    points = revealed_integers(
        play.seed_commit, completed.reveal_seed, completed.reveal_burst_points, "burst points"
    )
    if isinstance(points, str) or numbers[-1] > len(points):
        return False
    of_these = zip(numbers, fates, strict=True)
    return True not in [is_unkept(points[i - 1], pumps, burst) for i, (pumps, burst) in of_these]


# ---------------------------------------------------------------------------------------------------------- what it amounts to


def _amounts(balloons: Balloons, begun: Sequence[Begun]) -> list[Played | None]:
    starts = borders(balloons.play, len(begun))
    cut = list(starmap(slice, pairwise(starts.tolist())))
    samples = _samples(balloons, begun, cut)
    fates = list(zip(balloons.pumps.tolist(), balloons.exploded.tolist(), strict=True))
    numbers = balloons.i.tolist()
    curves = [curve_of(fates[own]) for own in cut]
    groups = _groups(balloons, len(begun))
    found, unsure = _covariances(balloons.play, groups, curves, [fates[own] for own in cut], starts[:-1])
    value_c = np.array([of.play.config.value_per_pump_c for of in begun])[balloons.play]
    told_of: dict[str, list[Any]] = {
        **_lines(balloons, value_c, starts),
        **{name: of.moments for name, of in groups.items()},
    }
    pumped = np.add.reduceat(balloons.pumps, starts[:-1]).tolist()
    conducts = _conducts(balloons, starts)
    practice = (balloons.shown - balloons.real).tolist()
    amounts: list[Played | None] = []
    for n, (of, sample, real) in enumerate(zip(begun, samples, balloons.real.tolist(), strict=True)):
        if not _is_kept(of, real, numbers[cut[n]], fates[cut[n]]):
            amounts.append(None)
            continue
        config = of.play.config
        if unsure[n]:
            metrics, precision = measured(GAME, sample)
        else:
            told = Told(
                n=len(sample),
                pumps=pumped[n],
                earned_c=told_of["payoff"][n].ys,
                kinds={(config.max_pumps, config.value_per_pump_c): len(sample)},
                curve=curves[n],
                **{name: every[n] for name, every in told_of.items()},
            )
            metrics, precision = with_errors(measure(told), found[n]), Precision(len(sample), found[n])
        conduct = conducts[n]
        tally = Tally(config.balloons, len(sample), conduct.units_missed, 0, 0, practice[n])
        amounts.append(Played(tally, conduct, sample, metrics, precision))
    return amounts


def _samples(balloons: Balloons, begun: Sequence[Begun], cut: Sequence[slice]) -> list[list[ScoredBalloon]]:
    """As of the game's ``sample``."""
    configs = [begun[n].play.config for n in balloons.play.tolist()]
    ends = borders(balloons.balloon, len(configs)).tolist()
    waits = balloons.wait_us.tolist()
    every = list(
        map(
            ScoredBalloon,
            balloons.i.tolist(),
            [config.max_pumps for config in configs],
            [config.value_per_pump_c for config in configs],
            balloons.pumps.tolist(),
            balloons.exploded.tolist(),
            _where(balloons.after_loss | balloons.after_win, balloons.after_loss),
            _where(balloons.after_win, np.roll(balloons.pumps, 1)),
            [tuple(waits[low:high]) for low, high in pairwise(ends)],
            _where(~balloons.exploded, balloons.collect_us),
        )
    )
    return [every[own] for own in cut]


def _where(has: Mask, values: npt.NDArray[Any]) -> list[Any]:
    """The values, None elsewhere."""
    return [value if there else None for there, value in zip(has.tolist(), values.tolist(), strict=True)]


def _conducts(balloons: Balloons, starts: Column) -> list[Conduct]:
    """As of the play's ``conduct``. A clean balloon is pumped, so nobody is inert."""
    play, plays, timed_out = balloons.play, len(starts) - 1, balloons.timed_out
    answers_us = np.append(balloons.wait_us, balloons.collect_us)
    of = np.append(balloons.balloon, np.arange(len(play)))[answers_us >= 0]
    answers_us = answers_us[answers_us >= 0]
    whose, sizes = play[of], np.diff(starts)
    ordered = (np.sort(whose << 30 | answers_us) & (1 << 30) - 1).tolist()
    ends = np.cumsum(counts(whose, plays)).tolist()
    slow = np.zeros(len(play), dtype=np.int64)
    slow[of[answers_us > SLOW_US]] = 1
    same, times = np.unique(play << 10 | balloons.pumps, return_counts=True)
    commonest = np.maximum.reduceat(times, borders(same >> 10, plays)[:-1])
    columns = (
        np.diff(ends, prepend=0),
        counts(whose[answers_us < FLOOR_US], plays),
        sizes + timed_out,
        timed_out,
        sums(slow, play, plays),
        (sizes > 1) & (100 * commonest > 95 * sizes),
    )
    failed = [("automaton",) if is_automaton(ordered[low:high]) else () for low, high in pairwise([0, *ends])]
    return list(map(Conduct, *[column.tolist() for column in columns], failed))


def _lines(balloons: Balloons, value_c: Column, starts: Column) -> dict[str, list[Any]]:
    """By the names of ``Told``: the lines over the number of the balloon, and the collected of either half."""
    play, i, kept = balloons.play, balloons.i, np.where(balloons.exploded, 0, balloons.pumps)
    has, sizes = (~balloons.exploded).astype(np.int64), np.diff(starts)
    place, half = np.arange(len(play)) - starts[play], sizes[play] // 2

    def of(*values: Column) -> list[list[int]]:
        return [np.add.reduceat(one, starts[:-1]).tolist() for one in values]

    def line(weights: Column, y: Column) -> list[Line]:
        return list(map(Line.of_sums, *of(weights, weights * i, y, weights * i * i, i * y)))

    def moments(which: Mask) -> list[Moments]:
        return list(map(Moments.of_sums, *of(has * which, kept * which, kept * kept * which)))

    return {
        "trend": line(has, kept),
        "payoff": line(np.ones_like(i), kept * value_c),
        "early": moments(place < half),
        "late": moments(place >= sizes[play] - half),
    }


def _groups(balloons: Balloons, plays: int) -> dict[str, Clusters]:
    """Pumps and logarithms, by the names of ``Told``."""
    play, kept, ones = balloons.play, ~balloons.exploded, np.arange(len(balloons.play))
    first_us = balloons.wait_us[borders(balloons.balloon, len(play))[:-1]]
    is_first, is_late = first_us >= FLOOR_US, balloons.wait_us >= FLOOR_US
    first, pumps = ln(np.maximum(first_us, 1)), balloons.pumps
    step = np.diff(ln(pumps), prepend=0)

    def group(has: Mask, values: Column, bits: int = 32) -> Clusters:
        return Clusters(values[has], ones[has], play, plays, bits)

    return {
        "latencies": Clusters(ln(balloons.wait_us[is_late]), balloons.balloon[is_late], play, plays, 32),
        "kept": group(kept, pumps, 0),
        "kept_after_loss": group(kept & balloons.after_loss, pumps, 0),
        "kept_after_win": group(kept & balloons.after_win, pumps, 0),
        "first": group(is_first, first),
        "first_after_loss": group(is_first & balloons.after_loss, first),
        "first_after_win": group(is_first & balloons.after_win, first),
        "collect": group(balloons.collect_us >= FLOOR_US, ln(np.maximum(balloons.collect_us, 1))),
        "step": group(kept & balloons.after_win, step),
    }


# ------------------------------------------------------------------------------------------------------------ how sure it is


def _covariances(
    play: Column,
    groups: Mapping[str, Clusters],
    curves: Sequence[Curve],
    fates: Sequence[list[tuple[int, bool]]],
    starts: Column,
) -> tuple[list[dict[str, dict[str, int]]], Mask]:
    """Of the game's influences, under its conditions; and where they are not certain."""
    kept, latencies, step = groups["kept"], groups["latencies"], groups["step"]
    loss, win = groups["kept_after_loss"], groups["kept_after_win"]
    late, soon = groups["first_after_loss"], groups["first_after_win"]
    of_intended = [
        ln_influences(curve, own) if curve.has_stops else [0] * len(own)
        for curve, own in zip(curves, fates, strict=True)
    ]
    of_sd_pumps, unsure_pumps = kept.sd_influences()
    of_sd_latencies, unsure_latencies = latencies.sd_influences()
    of_aap = kept.mean_influences()
    aap = micro_ratios(kept.total, np.maximum(kept.count, 1))
    is_large = aap >= _SQUARED_MAX
    aap = np.clip(aap, 1, _SQUARED_MAX - 1)
    gap = micro_ratios(loss.total * win.count - win.total * loss.count, np.maximum(loss.count * win.count, 1))
    sd = np.array([one.sd_micro() if one.count > 1 else 0 for one in kept.moments], dtype=np.int64)
    by, by_square = aap[play], (aap * aap)[play]
    found, unsure = covariances(
        {
            "balloon.ln_intended_km": (
                np.array(list(chain.from_iterable(of_intended)), dtype=np.int64),
                np.array([curve.has_stops for curve in curves]),
            ),
            "balloon.cv_adj": (
                micro_floor(of_sd_pumps, by) + micro_floor(-sd[play] * of_aap, by_square),
                (kept.count >= 3) & (kept.total > 0),
            ),
            "balloon.mean_ln_latency": (latencies.mean_influences(), latencies.count >= 10),
            "balloon.sd_ln_latency": (of_sd_latencies, latencies.count >= 10),
            "balloon.post_win_escalation": (step.mean_influences(), step.count >= 3),
            "balloon.post_loss_latency": (
                late.mean_influences() - soon.mean_influences(),
                np.minimum(late.count, soon.count) >= 2,
            ),
            "balloon.post_loss_rel": (
                micro_floor(loss.mean_influences(), by)
                + micro_floor(-win.mean_influences(), by)
                + micro_floor(-gap[play] * of_aap, by_square),
                (np.minimum(loss.count, win.count) >= 2) & (kept.total > 0),
            ),
        },
        starts,
    )
    return found, unsure | unsure_pumps | unsure_latencies | is_large
