"""The balloons of many plays of balloon risk: one row an event, one place a balloon, one a play.

Only clean plays are told of: those in which ``science/games/balloon_risk/play.py`` finds nothing, not even a note.
"""

from typing import NamedTuple

import numpy as np

from science.columns.events import Column, Mask, code_of
from science.columns.exact import counts, sums
from science.columns.plays import Plays, grammar
from science.event import Payload
from science.games.balloon_risk.play import NEXT, SLACK_US
from science.games.balloon_risk.vocabulary import Collected, Exploded, Pumped, Shown, TimedOut

_KINDS: tuple[type[Payload], ...] = (Shown, Pumped, Collected, Exploded, TimedOut)
_SHOWN, _PUMPED, _COLLECTED, _EXPLODED, _TIMED_OUT = map(code_of, _KINDS)
_LATENCY_MAX_US = 600_000_000  # by schema; a logarithm below 2**37


_FOLLOWS = grammar(NEXT, Shown)


class Balloons(NamedTuple):
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
    of = np.cumsum(unit == _SHOWN) - 1
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
    """Of each row whether it says what it should (B1, B2, B5, B6, B8, S3), so that nothing is to be noted."""
    unit, owner, pumps, field = rows.unit, rows.owner, rows.pumps, plays.field
    configs = [of.play.config for of in plays.begun]
    max_pumps = np.array([config.max_pumps for config in configs])[owner]
    value_c = np.array([config.value_per_pump_c for config in configs])[owner]
    is_uniform = np.array([config.burst_law == "uniform" for config in configs])[owner]
    is_first = np.diff(owner, prepend=-1) > 0
    before_us = np.where(is_first, 0, np.roll(plays.events.t_us[plays.rows], 1))
    shown, pumped, collected = unit == _SHOWN, unit == _PUMPED, unit == _COLLECTED
    counting, answer = pumped | collected | (unit == _EXPLODED), pumped | collected
    told = field("k", Pumped) + field("at_pump", Exploded) + field("pumps", Collected)
    first_of_play = np.searchsorted(owner[rows.shown], owner[rows.shown])
    ordinal = np.arange(len(rows.shown)) - first_of_play + 1
    earned_c = np.where(collected, pumps * value_c, 0)
    bank_c = np.cumsum(earned_c)
    bank_c -= bank_c[is_first][np.cumsum(is_first) - 1]  # a play begins with a balloon that is shown
    fine: Mask = rows.i == ordinal[rows.of]
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


def scored(plays: Plays) -> Balloons | None:
    """The balloons of the plays to which no invariant (B1-B9) nor a note applies; None where there is none at all."""
    plays = plays.lawful(_FOLLOWS)
    rows, plays_of_all = _rows(plays), len(plays.begun)
    if rows is None:
        return None
    shown, owner = rows.shown, rows.owner[rows.shown]
    last = np.append(shown[1:], len(rows.unit)) - 1
    end = rows.unit[last]
    is_real = plays.field("practice", Shown)[shown] == 0
    is_scored = is_real & ((end == _EXPLODED) | (end == _COLLECTED))
    real, n_scored, timed_out = (
        sums(one.astype(np.int64), owner, plays_of_all)
        for one in (is_real, is_scored, is_real & (end == _TIMED_OUT))
    )
    clean = (n_scored > 0) & (real <= np.array([of.play.config.balloons for of in plays.begun]))
    clean[rows.owner[~_is_fine(plays, rows)]] = False
    is_scored &= clean[owner]
    if not is_scored.any():
        return None
    kept, places = np.flatnonzero(clean), np.flatnonzero(is_scored)
    play, i, exploded = owner[places], rows.i[shown[places]], end[places] == _EXPLODED
    follows = (np.diff(play, prepend=-1) == 0) & (np.diff(i, prepend=0) == 1)
    is_wait = (rows.unit == _PUMPED) & is_scored[rows.of]
    return Balloons(
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
