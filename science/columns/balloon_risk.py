"""Balloon risk by columns: one row an event, one place a balloon, one a play."""

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise, starmap
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from science.columns.estimate import Clusters, covariances
from science.columns.events import UNITS, Column, Mask, code_of
from science.columns.exact import borders, counts, ln, micro_floor, micro_ratios, sums
from science.columns.plays import Played, Plays
from science.commitment import revealed_integers
from science.event import Payload
from science.exact import Line, Moments
from science.game import Conduct, Tally, is_automaton
from science.games.balloon_risk import GAME
from science.games.balloon_risk.metrics import measure
from science.games.balloon_risk.play import FLOOR_US, NEXT, SLACK_US, SLOW_US, is_unkept
from science.games.balloon_risk.sample import ScoredBalloon, Told
from science.games.balloon_risk.vocabulary import Collected, Exploded, Pumped, Shown, TimedOut
from science.measure import Precision, measured, with_errors
from science.survival import Curve, curve_of, ln_influences
from science.walk import Begun

_KINDS: tuple[type[Payload], ...] = (Shown, Pumped, Collected, Exploded, TimedOut)
_SHOWN, _PUMPED, _COLLECTED, _EXPLODED, _TIMED_OUT = map(code_of, _KINDS)
_SQUARED_MAX = 94_000_000  # below 2**26.5: a mean of more pumps, in micro-units, is left to Python's integers
_LATENCY_MAX_US = 600_000_000  # by schema; a logarithm below 2**37


def _grammar() -> Mask:
    """Which kind may follow which, and (last) which may be the first, so that no balloon is left without an end."""
    after = {kind: state for (_, kind), state in NEXT.items()}
    allowed = np.zeros((len(UNITS) + 1, len(UNITS)), dtype=np.bool_)
    for before in (None, *_KINDS):
        state = "idle" if before is None else after[before]
        for kind in _KINDS:
            is_dropped = kind is Shown and state != "idle"
            row = len(UNITS) if before is None else code_of(before)
            allowed[row, code_of(kind)] = (state, kind) in NEXT and not is_dropped
    return allowed


_FOLLOWS = _grammar()


class _Balloons(NamedTuple):
    """The scored balloons of the clean plays, in order. ``play`` says whose each is: its place among ``plays``, the clean ones' places
    among all, each of which has a balloon. ``wait_us`` are the latencies of all pumps, ``balloon`` whose each is; ``collect_us`` is that of
    the cashing in, -1 for a burst. ``real`` and ``timed_out`` count the balloons of each of ``plays``, practice apart.
    """

    plays: Column
    shown: Column
    real: Column
    timed_out: Column
    play: Column
    i: Column
    after_loss: Mask
    after_win: Mask
    pumps: Column
    exploded: Mask
    collect_us: Column
    wait_us: Column
    balloon: Column


def played(plays: Plays) -> list[Played | None]:
    """What became of each play; None of one in which anything is odd, or no balloon is scored."""
    found: list[Played | None] = [None] * len(plays.begun)
    balloons = _scored(plays)
    if balloons is None:
        return found
    begun = [plays.begun[n] for n in balloons.plays.tolist()]
    for n, one in zip(balloons.plays.tolist(), _amounts(balloons, begun), strict=True):
        found[n] = one
    return found


# ------------------------------------------------------------------------------------------------------------ what happened


class _Rows(NamedTuple):
    """One value an event of a balloon: what it is, whose play, which balloon of all, how many pumps that has by then, and what it says.

    ``shown`` are the rows at which the balloons begin, at least one.
    """

    unit: Column
    owner: Column
    shown: Column
    of: Column
    pumps: Column
    i: Column
    latency_us: Column


def _rows(plays: Plays) -> _Rows | None:
    unit = plays.events.unit[plays.rows]
    shown = np.flatnonzero(unit == _SHOWN)
    if not len(shown):
        return None
    of = np.maximum(np.cumsum(unit == _SHOWN) - 1, 0)
    step = np.arange(len(unit)) - shown[of]  # 0 where the balloon is shown
    return _Rows(
        unit=unit,
        owner=plays.owner,
        shown=shown,
        of=of,
        pumps=np.where(unit == _PUMPED, step, step - 1),
        i=plays.field("i", *_KINDS),
        latency_us=plays.field("latency_us", Pumped, Collected),
    )


def _is_fine(plays: Plays, rows: _Rows) -> Mask:
    """Of each row whether it may follow the one before it and says what it should (B1-B6, B8, S3), so that nothing is to be noted."""
    unit, owner, pumps, field = rows.unit, rows.owner, rows.pumps, plays.field
    configs = [of.play.config for of in plays.begun]
    max_pumps = np.array([config.max_pumps for config in configs])[owner]
    value_c = np.array([config.value_per_pump_c for config in configs])[owner]
    is_uniform = np.array([config.burst_law == "uniform" for config in configs])[owner]
    is_first = np.diff(owner, prepend=-1) > 0
    is_last = np.append(is_first[1:], True)
    before_us = np.where(is_first, 0, np.roll(plays.events.t_us[plays.rows], 1))
    shown, pumped, collected = unit == _SHOWN, unit == _PUMPED, unit == _COLLECTED
    counting, answer = pumped | collected | (unit == _EXPLODED), pumped | collected
    told = field("k", Pumped) + field("at_pump", Exploded) + field("pumps", Collected)
    first_of_play = np.searchsorted(owner[rows.shown], owner[rows.shown])
    ordinal = np.arange(len(rows.shown)) - first_of_play + 1
    earned_c = np.where(collected, pumps * value_c, 0)
    bank_c = np.cumsum(earned_c)
    bank_c -= bank_c[is_first][np.cumsum(is_first) - 1]  # a play begins with a balloon that is shown
    fine = _FOLLOWS[np.where(is_first, len(UNITS), np.roll(unit, 1)), unit]
    fine &= ~(is_last & (shown | pumped))
    fine &= rows.i == ordinal[rows.of]
    fine &= (told == pumps) | ~counting
    fine &= (pumps <= max_pumps) | ~pumped
    fine &= (field("max_pumps", Shown) == max_pumps) | ~shown
    fine &= (field("value_per_pump_c", Shown) == value_c) | ~shown
    fine &= (field("earned_c", Collected) == earned_c) | ~collected
    fine &= (field("bank_c", Collected) == bank_c) | ~collected
    fine &= (pumps > 0) & ((pumps < max_pumps) | ~is_uniform) | ~collected
    fine &= (rows.latency_us >= 0) & (rows.latency_us <= _LATENCY_MAX_US)
    fine &= (field("onset_t_us", Pumped, Collected) + SLACK_US >= before_us) | ~answer
    return fine


def _scored(plays: Plays) -> _Balloons | None:
    """The balloons of the plays to which no invariant (B1-B9) nor a note applies; None where there is none at all."""
    rows, plays_of_all = _rows(plays), len(plays.begun)
    if rows is None:
        return None
    shown, owner = rows.shown, rows.owner[rows.shown]
    last = np.append(shown[1:], len(rows.unit)) - 1
    end = rows.unit[last]
    is_real = plays.field("practice", Shown)[shown] == 0
    is_scored = is_real & ((end == _EXPLODED) | (end == _COLLECTED))
    real, scored, timed_out = (
        sums(one.astype(np.int64), owner, plays_of_all)
        for one in (is_real, is_scored, is_real & (end == _TIMED_OUT))
    )
    clean = (scored > 0) & (real <= np.array([of.play.config.balloons for of in plays.begun]))
    clean[rows.owner[~_is_fine(plays, rows)]] = False
    is_scored &= clean[owner]
    if not is_scored.any():
        return None
    kept, places = np.flatnonzero(clean), np.flatnonzero(is_scored)
    play, i, exploded = owner[places], rows.i[shown[places]], end[places] == _EXPLODED
    follows = (np.diff(play, prepend=-1) == 0) & (np.diff(i, prepend=0) == 1)
    is_wait = (rows.unit == _PUMPED) & is_scored[rows.of]
    return _Balloons(
        plays=kept,
        shown=counts(owner, plays_of_all)[kept],
        real=real[kept],
        timed_out=timed_out[kept],
        play=np.searchsorted(kept, play),
        i=i,
        after_loss=follows & np.roll(exploded, 1),
        after_win=follows & ~np.roll(exploded, 1),
        pumps=rows.pumps[last[places]],
        exploded=exploded,
        collect_us=np.where(exploded, -1, rows.latency_us[last[places]]),
        wait_us=rows.latency_us[is_wait],
        balloon=np.searchsorted(places, rows.of[is_wait]),
    )


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


def _amounts(balloons: _Balloons, begun: Sequence[Begun]) -> list[Played | None]:
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


def _samples(balloons: _Balloons, begun: Sequence[Begun], cut: Sequence[slice]) -> list[list[ScoredBalloon]]:
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


def _conducts(balloons: _Balloons, starts: Column) -> list[Conduct]:
    """As of the play's ``conduct``. A clean balloon is pumped, so nobody is inert."""
    play, plays, timed_out = balloons.play, len(starts) - 1, balloons.timed_out
    answers_us = np.append(balloons.wait_us, balloons.collect_us)
    of = np.append(balloons.balloon, np.arange(len(play)))[answers_us >= 0]
    answers_us = answers_us[answers_us >= 0]
    whose, scored = play[of], np.diff(starts)
    ordered = (np.sort(whose << 30 | answers_us) & (1 << 30) - 1).tolist()
    ends = np.cumsum(counts(whose, plays)).tolist()
    slow = np.zeros(len(play), dtype=np.int64)
    slow[of[answers_us > SLOW_US]] = 1
    same, times = np.unique(play << 10 | balloons.pumps, return_counts=True)
    commonest = np.maximum.reduceat(times, borders(same >> 10, plays)[:-1])
    columns = (
        np.diff(ends, prepend=0),
        counts(whose[answers_us < FLOOR_US], plays),
        scored + timed_out,
        timed_out,
        sums(slow, play, plays),
        (scored > 1) & (100 * commonest > 95 * scored),
    )
    failed = [("automaton",) if is_automaton(ordered[low:high]) else () for low, high in pairwise([0, *ends])]
    return list(map(Conduct, *[column.tolist() for column in columns], failed))


def _lines(balloons: _Balloons, value_c: Column, starts: Column) -> dict[str, list[Any]]:
    """By the names of ``Told``: the lines over the number of the balloon, and the collected of either half."""
    play, i, kept = balloons.play, balloons.i, np.where(balloons.exploded, 0, balloons.pumps)
    has, scored = (~balloons.exploded).astype(np.int64), np.diff(starts)
    place, half = np.arange(len(play)) - starts[play], scored[play] // 2

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
        "late": moments(place >= scored[play] - half),
    }


def _groups(balloons: _Balloons, plays: int) -> dict[str, Clusters]:
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
