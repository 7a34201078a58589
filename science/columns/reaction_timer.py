"""Reaction timer over columns: of plays in which nothing is odd, what ``science/games/reaction_timer`` makes of them one by one.

The checks of its ``play`` stand here once more (``_trials``, ``_is_lawful``, ``_is_kept``). Bounds: a session has fewer than 2**12
trials; of its trials reaction times and foreperiods are below 2**30 us, logarithms and speeds below 2**37 in Q32. So sums over a
session of their products with one another do not fit into int64 (``_products`` does), those over a block of five of two times do.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, starmap
from typing import Any, NamedTuple, TypeVar

import numpy as np

from science.columns.events import Column, Mask, code_of
from science.columns.exact import any_of, borders, counts, ln
from science.columns.plays import Played, Plays, grammar
from science.commitment import revealed_integers
from science.estimate import Clusters, covariances
from science.event import Payload
from science.game import Conduct, Tally
from science.games.reaction_timer.influences import influences
from science.games.reaction_timer.metrics import measure
from science.games.reaction_timer.play import (
    ANSWERED,
    COARSE_US,
    FLOOR_US,
    JUDGED,
    NEXT,
    SLACK_US,
    Config,
    conduct_of,
)
from science.games.reaction_timer.sample import (
    BLOCK_TRIALS,
    LAPSE_US,
    Block,
    Gathered,
    Products,
    ScoredTrial,
    slow_place,
    speed,
)
from science.games.reaction_timer.vocabulary import (
    FalseStart,
    Missed,
    Responded,
    StimulusShown,
    TrialStarted,
)
from science.measure import Precision, with_errors
from science.walk import Begun

_KINDS = (TrialStarted, StimulusShown, FalseStart, Responded, Missed)
_TRIAL, _SHOWN, _EARLY, _RESPONDED, _MISSED = [code_of(kind) for kind in _KINDS]
_FOLLOWS = grammar(NEXT, TrialStarted)

_OUTCOMES = ("right", "wrong", "missed", "false_start", "anticipation", "rejected", "commission")
_OUTCOME = {outcome: place for place, outcome in enumerate(_OUTCOMES)}
_RIGHT = _OUTCOME["right"]
_IS_ANSWERED = {kind: [one in outcomes for one in _OUTCOMES] for kind, outcomes in ANSWERED.items()}
_NO_TRIALS: Mapping[str, int] = Counter()

T = TypeVar("T")
_NONE, _UNHEARD = -1, -2  # in place of a key: not to press; one that occurs nowhere


class _Trials(NamedTuple):
    """Trials, play by play, a value each. ``rt_us`` is -1 where nobody pressed after the stimulus; keys are places of words."""

    owner: Column
    practice: Mask
    i: Column
    foreperiod_us: Column
    outcome: Column
    rt_us: Column
    given: Column
    asked: Column

    def only(self, mask: Mask) -> "_Trials":
        """Those of them."""
        columns: list[Any] = [column[mask] for column in self]
        return _Trials(*columns)


def played(plays: Plays) -> list[Played | None]:
    """What each play amounts to; None where anything about it is odd, or nothing in it is scored."""
    found: list[Played | None] = [None] * len(plays.begun)
    trials = _trials(plays)
    practised = counts(trials.owner[trials.practice], len(plays.begun))
    trials = trials.only(~trials.practice)
    owners, owner = np.unique(trials.owner, return_inverse=True)
    if not len(owners):
        return found
    cut = _Cut(trials._replace(owner=owner), [plays.begun[place] for place in owners.tolist()])
    places, parts = owners.tolist(), (_is_lawful(cut), _conducts(cut), _blocks(cut), _gathered(cut))
    for place, is_lawful, conduct, blocks, gathered in zip(places, *parts, strict=True):
        if is_lawful:
            planned, practice = plays.begun[place].play.config.trials, int(practised[place])
            tally = Tally(planned, conduct.units, 0, 0, 0, practice)
            moved = covariances(influences(gathered))
            metrics = with_errors(measure(gathered), moved)
            found[place] = Played(tally, conduct, blocks, metrics, Precision(len(blocks), moved))
    return found


# ------------------------------------------------------------------------------------------------------------- checks


def _trials(plays: Plays) -> _Trials:
    """The trials of the plays no event of which is odd."""
    plays = plays.lawful(_FOLLOWS)
    # From here on every trial is whole: it starts, and then it is a false start, or it is shown and then responded to or missed.
    events, rows, owner = plays.events, plays.rows, plays.owner
    configs, unit = [of.play.config for of in plays.begun], events.unit[rows]
    start = np.flatnonzero(unit == _TRIAL)
    shown = unit[start + 1] == _SHOWN
    end = start + 1 + shown
    began, early = np.ones(len(start), dtype=np.bool_), ~shown
    responded, missed = unit[end] == _RESPONDED, unit[end] == _MISSED
    row_of: dict[type[Payload], tuple[Mask, Column]] = {
        TrialStarted: (began, rows[start]),
        StimulusShown: (shown, rows[start + 1]),
        FalseStart: (early, rows[end]),
        Responded: (responded, rows[end]),
        Missed: (missed, rows[end]),
    }
    nth: dict[type[Payload], Column] = {kind: np.cumsum(events.unit == code_of(kind)) - 1 for kind in _KINDS}

    def field(kind: type[Payload], name: str) -> Column:
        """That of each trial's event of this kind, 0 where it has none."""
        has, row = row_of[kind]
        found = np.zeros(len(start), dtype=np.int64)
        if has.any():
            found[has] = events.fields[kind][name][nth[kind][row[has]]]
        return found

    owner = owner[start]
    number = np.arange(len(start)) - np.searchsorted(owner, owner) + 1
    place = {word: n for n, word in enumerate(events.words)}
    kind, low_us, high_us, timeout_us = _limits(configs, place)[owner].T
    foreperiod_us, onset_us = field(TrialStarted, "foreperiod_us"), field(StimulusShown, "stim_onset_t_us")
    rt_us, key = field(Responded, "latency_us"), field(Responded, "key")
    asked, is_known = _asked(configs, place, owner, field(StimulusShown, "stim"))
    off_us = onset_us - events.t_us[rows[start]] - foreperiod_us
    is_odd = (
        (field(TrialStarted, "trial_kind") != kind)
        | (foreperiod_us < low_us)
        | (foreperiod_us > high_us)
        | (shown & (~is_known | (np.abs(off_us) > SLACK_US)))
        | (responded & ((field(Responded, "onset_t_us") != onset_us) | (rt_us < 0) | (rt_us > timeout_us)))
        | (missed & (field(Missed, "timeout_us") != timeout_us))
    )
    for of_kind, (has, _) in row_of.items():
        is_odd |= has & (field(of_kind, "i") != number)
    odd = any_of(is_odd, owner, len(configs))
    pressed = np.select(
        [rt_us < FLOOR_US, asked == _NONE, key == asked],
        [_OUTCOME["anticipation"], _OUTCOME["commission"], _RIGHT],
        _OUTCOME["wrong"],
    )
    passed = np.where(asked == _NONE, _OUTCOME["rejected"], _OUTCOME["missed"])
    return _Trials(
        owner=owner,
        practice=field(TrialStarted, "practice") != 0,
        i=number,
        foreperiod_us=foreperiod_us,
        outcome=np.where(responded, pressed, np.where(shown, passed, _OUTCOME["false_start"])),
        rt_us=np.where(responded, rt_us, -1),
        given=np.where(responded, key, _NONE),
        asked=asked,
    ).only(~odd[owner])


def _limits(configs: Sequence[Config], place: Mapping[str, int]) -> Column:
    """What is configured, a row a play: the kind as the place of its word, the foreperiods from and to, the timeout."""
    rows = [
        (place.get(of.kind, _UNHEARD), of.foreperiod_min_us, of.foreperiod_max_us, of.timeout_us)
        for of in configs
    ]
    return np.array(rows, dtype=np.int64)


def _asked(
    configs: Sequence[Config], place: Mapping[str, int], owner: Column, stim: Column
) -> tuple[Column, Mask]:
    """The right key for each trial's stimulus, and whether the stimulus is configured."""
    pairs = [(-1, _NONE)]  # below all others
    for n, of in enumerate(configs):
        for shown, key in of.keys.items():
            if shown in place:
                right = _NONE if key is None else place.get(key, _UNHEARD)
                pairs.append((n * len(place) + place[shown], right))
    known, keys = np.array(sorted(pairs), dtype=np.int64).T
    sought = owner * len(place) + stim
    found = np.searchsorted(known, sought, side="right") - 1
    return keys[found], known[found] == sought


def _is_lawful(cut: "_Cut") -> list[bool]:
    """R9 (a note, and so not for columns), R10 and R11 of each play."""
    trials = cut.trials
    pressed = counts(trials.owner[cut.pressed], len(cut.begun))
    step_us = np.gcd.reduceat(np.maximum(trials.rt_us, 0), cut.plays[:-1])  # gcd(0, x) is x
    fine = (pressed < JUDGED) | (step_us < COARSE_US)
    places = _parts((trials.i - 1).tolist(), cut.plays)
    foreperiods_us = _parts(trials.foreperiod_us.tolist(), cut.plays)
    parts = zip(fine.tolist(), cut.begun, places, foreperiods_us, strict=True)
    return [
        is_fine and len(i) <= of.play.config.trials and _is_kept(of, i, waits_us)
        for is_fine, of, i, waits_us in parts
    ]


def _is_kept(of: Begun, places: Sequence[int], foreperiods_us: Sequence[int]) -> bool:
    """Whether the foreperiods of the trials at these places, ascending, are those that were committed to, if any were."""
    commit: str | None = of.play.seed_commit
    done, planned = of.completed, int(of.play.config.trials)
    if commit is None:
        return True
    if done is None or done.reveal_seed is None or done.reveal_foreperiods is None:
        return len(places) < planned
    revealed = revealed_integers(commit, done.reveal_seed, done.reveal_foreperiods, "foreperiods")
    return (
        not isinstance(revealed, str)
        and places[-1] < len(revealed)
        and list(map(revealed.__getitem__, places)) == foreperiods_us
    )


# ------------------------------------------------------------------------------------------------------------ figures


class _Cut:
    """Scored trials of plays, at least one of each; where the plays and the blocks begin, and one past the last."""

    def __init__(self, trials: _Trials, begun: Sequence[Begun]) -> None:
        """Of these plays."""
        self.trials = trials
        self.begun = begun
        self.kinds = [of.play.config.kind for of in begun]
        self.plays = borders(trials.owner, len(begun))
        self.firsts = np.flatnonzero(
            (np.arange(len(trials.owner)) - self.plays[trials.owner]) % BLOCK_TRIALS == 0
        )
        self.blocks = np.searchsorted(self.firsts, self.plays)  # of each play
        self.right = trials.outcome == _RIGHT
        is_next = (np.diff(trials.owner, append=-1) == 0) & (np.diff(trials.i, append=0) == 1)
        self.followed = is_next & np.roll(self.right, -1)  # by a right one
        tallied = counts(trials.owner * len(_OUTCOMES) + trials.outcome, len(begun) * len(_OUTCOMES))
        rows = tallied.reshape(-1, len(_OUTCOMES)).tolist()
        self.outcomes = [dict(zip(_OUTCOMES, row, strict=True)) for row in rows]
        self.pressed = trials.rt_us >= 0
        keyed = np.sort((trials.owner << 32 | trials.rt_us << 1 | self.right)[self.pressed])
        self.times_us = keyed >> 1 & (1 << 31) - 1  # of all that were pressed, in order in each play
        self.ordered = self.times_us[keyed & 1 == 1]  # of the right ones

    def bounds(self, mask: Mask) -> Column:
        """Where in the trials of a mask each play begins, and one past the last."""
        found: Column = np.concatenate(([0], np.cumsum(mask)))[self.plays]
        return found


def _parts(values: list[T], bounds: Column) -> list[list[T]]:
    return [values[first:last] for first, last in pairwise(bounds.tolist())]


def _products(xs: Column, ys: Column, starts: Column) -> list[int]:
    """The sums of x y from each start to the next, y in two parts: no sum reaches 2**63, though their own may."""
    high, low = np.add.reduceat(xs * (ys >> 19), starts), np.add.reduceat(xs * (ys & (1 << 19) - 1), starts)
    return [(one << 19) + other for one, other in zip(high.tolist(), low.tolist(), strict=True)]


def _conducts(cut: _Cut) -> Iterator[Conduct]:
    """How each was played."""
    owner = cut.trials.owner[cut.right]
    alike = np.flatnonzero((np.diff(cut.ordered, prepend=-1) != 0) | (np.diff(owner, prepend=-1) != 0))
    commonest = np.zeros(len(cut.begun), dtype=np.int64)
    np.maximum.at(commonest, owner[alike], np.diff(alike, append=len(owner)))  # runs of equal times
    answered = np.array([_IS_ANSWERED[kind] for kind in cut.kinds])[cut.trials.owner, cut.trials.outcome]
    given, asked = cut.trials.given[answered].tolist(), cut.trials.asked[answered].tolist()
    parts = zip(
        cut.outcomes,
        _parts(cut.times_us.tolist(), cut.bounds(cut.pressed)),
        commonest.tolist(),
        _parts(list(zip(given, asked, strict=True)), cut.bounds(answered)),
        strict=True,
    )
    return starmap(conduct_of, parts)


def _blocks(cut: _Cut) -> list[list[Block]]:
    """The sample of each play."""
    trials = cut.trials
    after_us = np.where(cut.followed, np.roll(trials.rt_us, -1), -1)
    scored = list(
        map(
            ScoredTrial,
            trials.i.tolist(),
            [_OUTCOMES[one] for one in trials.outcome.tolist()],
            [None if one < 0 else one for one in trials.rt_us.tolist()],
            trials.foreperiod_us.tolist(),
            [None if one < 0 else one for one in after_us.tolist()],
        )
    )
    kinds = [cut.kinds[owner] for owner in trials.owner[cut.firsts].tolist()]
    ends = pairwise([*cut.firsts.tolist(), len(scored)])
    blocks = [Block(kind, tuple(scored[first:last])) for kind, (first, last) in zip(kinds, ends, strict=True)]
    return _parts(blocks, cut.blocks)


def _gathered(cut: _Cut) -> Iterator[Gathered]:
    """What the sample of each play tells."""
    trials, right, bounds = cut.trials, cut.right, cut.bounds(cut.right)
    x_us, n = trials.rt_us[right], np.diff(bounds)
    times, logarithms, speeds = np.zeros((3, len(right)), dtype=np.int64)
    times[right], logarithms[right], speeds[right] = x_us, ln(x_us), speed(x_us)

    def at(places: Column) -> Column:
        """The X there in each play, in order; any or 1 where a play has none."""
        found: Column = np.append(cut.ordered, 1)[bounds[:-1] + places]
        return found

    def counted(mask: Mask) -> list[int]:
        found: list[int] = np.add.reduceat(mask.astype(np.int64), cut.firsts).tolist()
        return found

    def clusters(mask: Mask, values: Column) -> Iterator[Clusters]:
        totals, squares = np.add.reduceat(values, cut.firsts).tolist(), _products(values, values, cut.firsts)
        groups = list(zip(counted(mask), totals, squares, strict=True))
        return map(Clusters, _parts(groups, cut.blocks))

    def products(column: Column) -> list[Products]:
        xs, starts = np.where(right, column, 0), cut.plays[:-1]
        totals = np.add.reduceat(xs, starts).tolist()
        return list(zip(totals, _products(xs, xs, starts), _products(xs, logarithms, starts), strict=True))

    lapse = (times >= LAPSE_US) | (trials.outcome == _OUTCOME["missed"])
    lapses = list(zip(counted(lapse), counted(right & ~lapse), strict=True))
    after_slow = cut.followed & (
        times >= at(slow_place(n))[trials.owner]
    )  # a time is 0 where it is not right
    columns = (
        _parts(lapses, cut.blocks),
        _parts(cut.ordered.tolist(), bounds),
        clusters(right, times),
        clusters(right, logarithms),
        clusters(right, speeds),
        clusters(after_slow, np.where(after_slow, np.roll(logarithms, -1), 0)),
        (ln(at((n - 1) // 2)) + ln(at(n // 2))).tolist(),
        products(trials.i),
        products(trials.foreperiod_us),
    )
    return (
        Gathered(
            False,  # a play is of one kind
            outcomes,
            outcomes if kind == "choice" else _NO_TRIALS,
            outcomes if kind == "gonogo" else _NO_TRIALS,
            *of_play,
        )
        for outcomes, kind, *of_play in zip(cut.outcomes, cut.kinds, *columns, strict=True)
    )
