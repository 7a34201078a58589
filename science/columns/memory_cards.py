"""Memory cards by columns: every play in which all is as it should be, in the steps of ``science/games/memory_cards``.

Rules of this file: every check of ``play.py`` has its counterpart in ``_strays`` or ``_flaws``. It may be stricter, never laxer:
a play that does not pass is walked event by event. Metrics are made by the game's own code.

int64 holds all of it: times stay below 2**37 and logarithms below 2**37, so that the sums of a batch stay below 2**63 up to 2**24
flips (of squares: ``sums_of_squares``); what is sorted by is a round times the texts of the batch, or a play times 2**30.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from science.columns.events import UNITS, Column, Mask, code_of
from science.columns.exact import borders, counts, ln, sums, sums_of_squares
from science.columns.plays import Played, Plays
from science.estimate import Sums, covariances
from science.event import Payload
from science.game import Conduct, Tally
from science.games.memory_cards.optimal import PAIRS_MAX, law_of
from science.games.memory_cards.play import FLOOR_US, NEXT, SLACK_US, SLOW_US, failed, unkept
from science.games.memory_cards.sample import Account, Round, Turn
from science.games.memory_cards.vocabulary import (
    CardFlipped,
    RoundCompleted,
    RoundStarted,
    RoundTimedOut,
    TurnResolved,
)
from science.measure import Precision, with_errors

# What an event is to its round, of which kind it is then, and in which state it leaves the round.
_STARTED, _FIRST, _SECOND, _RESOLVED, _COMPLETED, _TIMED_OUT, _STRANGE = range(7)
_KINDS = (RoundStarted, CardFlipped, CardFlipped, TurnResolved, RoundCompleted, RoundTimedOut, Payload)
_LEAVES = ("dealt", "first", "second", "dealt", "idle", "idle", "strange")
_STEP = np.array([_KINDS.index(kind) if kind in _KINDS else _STRANGE for kind in UNITS], dtype=np.int64)


def _may_follow(before: int, step: int) -> bool:
    """As ``NEXT`` says; but that a round starts while another is open would be noted."""
    is_early = step == _STARTED and before < _COMPLETED
    return not is_early and NEXT.get((_LEAVES[before], _KINDS[step])) == _LEAVES[step]


_FOLLOWS = np.array([[_may_follow(before, step) for step in range(7)] for before in range(7)])

_PLACES_MAX = 2 * PAIRS_MAX
_LATENCY_BITS = 30  # of a latency that is not negative: by the schema at most 600 s


def played(plays: Plays) -> list[Played | None]:
    """What every play amounts to; None of one in which anything is odd."""
    odd = np.zeros(len(plays.begun), dtype=np.bool_)
    step = _steps(plays)
    odd[_strays(plays.owner, step)] = True
    table = _Table(plays, step, ~odd[plays.owner])
    shown = _shown(table, len(plays.events.words))
    for owners in _flaws(plays, table, shown):
        odd[owners] = True
    return _amounts(plays, table, shown, odd)


def _steps(plays: Plays) -> Column:
    """What each row is to its round."""
    step, flip = _STEP[plays.events.unit[plays.rows]], plays.events.field("flip", [CardFlipped])[plays.rows]
    step[flip == _SECOND] = _SECOND
    step[(step == _FIRST) & (flip != _FIRST)] = _STRANGE
    return step


def _strays(owner: Column, step: Column) -> Column:
    """Whose rows do not follow each other, or leave a round open."""
    begins = np.diff(owner, prepend=-1) != 0
    before = np.where(begins, _COMPLETED, np.roll(step, 1))
    found: Column = owner[~_FOLLOWS[before, step] | (np.roll(begins, -1) & (step < _COMPLETED))]
    return found


class _Kind(NamedTuple):
    """The events of one kind: at which rows of the table they are, and their fields."""

    at: Column
    fields: Mapping[str, Column]


class _Table:
    """The rows of plays in which they follow each other as they should, and so the rounds.

    One value a row: ``step``, ``owner``, ``t_us``, ``round`` (0, 1, ... over all plays) and ``turn`` (how many have begun in it). One a
    round: ``ends`` (its last row), ``is_completed`` and ``matches``. ``second`` are the second flips of the turns that were resolved.
    """

    def __init__(self, plays: Plays, step: Column, kept: Mask) -> None:
        """Of the rows that are kept."""
        events, rows = plays.events, plays.rows[kept]
        self.step, self.owner, self.t_us = step[kept], plays.owner[kept], events.t_us[rows]
        self.round = np.cumsum(self.step == _STARTED) - 1
        inside = np.zeros(len(events.unit), dtype=np.bool_)
        inside[rows] = True

        def kind_of(kind: type[Payload]) -> _Kind:
            is_kind = events.unit == code_of(kind)
            none = dict.fromkeys(kind.__struct_fields__, np.zeros(0, dtype=np.int64))
            fields = events.fields.get(kind, none)
            mine = inside[is_kind]
            return _Kind(np.flatnonzero(is_kind[rows]), {name: of[mine] for name, of in fields.items()})

        self.started, self.flipped = kind_of(RoundStarted), kind_of(CardFlipped)
        self.resolved, self.completed = kind_of(TurnResolved), kind_of(RoundCompleted)
        self.timed_out = kind_of(RoundTimedOut)
        begun = np.cumsum(self.step == _FIRST)
        self.turn = begun - begun[self.started.at][self.round]
        self.ends = np.flatnonzero(self.step >= _COMPLETED)
        self.is_completed = self.step[self.ends] == _COMPLETED
        self.matches = sums(self.resolved.fields["matched"], self.round[self.resolved.at], len(self.ends))
        self.second = np.flatnonzero(self.step[self.flipped.at + 1] == _RESOLVED)
        self.place = self.round[self.flipped.at] * _PLACES_MAX + self.flipped.fields["pos"] % _PLACES_MAX


class _Shown(NamedTuple):
    """What the flips showed. One value a flip: whether its place was shown before in the round, and how many flips ago that of the
    same face last was (0: not before). ``faces`` are what lies at the ``places`` shown, in the order of these; ``odd`` are flips
    of a card that is found already, another one than before or a third of its kind.
    """

    is_seen: Mask
    mate_lag: Column
    places: Column
    faces: Column
    odd: Column


def _shown(table: _Table, words: int) -> _Shown:
    """The flips of one face in a round are runs of flips of one place, which go to and fro between two places."""
    face, is_found = table.flipped.fields["face"], np.zeros(len(table.place), dtype=np.bool_)
    is_found[table.second] = table.resolved.fields["matched"]
    card = table.round[table.flipped.at] * words + face
    order = np.argsort(card, kind="stable")
    card, place = card[order], table.place[order]
    begins = (np.diff(card, prepend=-1) != 0) | (np.diff(place, prepend=-1) != 0)
    starts, run = np.flatnonzero(begins), np.cumsum(begins) - 1
    card_of, place_of = card[starts], place[starts]
    is_mate, is_back = np.zeros((2, len(starts)), dtype=np.bool_)  # of the run before, of the one before that
    is_mate[1:], is_back[2:] = card_of[1:] == card_of[:-1], card_of[2:] == card_of[:-2]
    is_third = is_back & (place_of != np.roll(place_of, 2))
    first = starts[~is_back]
    first = first[np.argsort(place[first], kind="stable")]
    is_other = np.diff(place[first], prepend=-1) == 0
    is_gone = (np.diff(card, prepend=-1) == 0) & np.roll(is_found[order], 1)
    is_seen, mate_lag = np.empty_like(is_found), np.empty_like(card)
    is_seen[order] = is_back[run] | ~begins
    mate_lag[order] = np.where(is_mate[run], order - order[starts - 1][run], 0)
    odd = np.concatenate((starts[is_third], first[is_other], np.flatnonzero(is_gone)))
    return _Shown(is_seen, mate_lag, place[first], face[order][first], order[odd])


def _flaws(plays: Plays, table: _Table, shown: _Shown) -> Iterator[Column]:
    """Whose rows break an invariant, or would be noted."""
    yield from _flaws_of_rounds(plays, table)
    yield from _flaws_of_flips(table)
    yield table.owner[table.flipped.at[shown.odd]]  # M2, M4
    yield _unkept(plays, table, shown)  # M9


def _flaws_of_rounds(plays: Plays, table: _Table) -> Iterator[Column]:
    of, owner = table.started.fields, table.owner[table.started.at]
    configs = [begun.play.config for begun in plays.begun]
    plans = [(plan.rounds, plan.rows, plan.cols, plan.lockout_us) for plan in configs]
    rounds, rows, cols, lockout_us = np.array(plans, dtype=np.int64).reshape(-1, 4).T
    real = ~of["practice"].astype(np.bool_)
    yield owner[of["r"] != np.arange(len(owner)) - np.searchsorted(owner, owner) + 1]  # M5
    yield owner[of["rows"] * of["cols"] != 2 * of["n_pairs"]]  # M1
    yield owner[real & ((of["rows"] != rows[owner]) | (of["cols"] != cols[owner]))]  # S3
    yield owner[real & (of["lockout_us"] != lockout_us[owner])]
    yield np.flatnonzero(counts(owner[real], len(rounds)) > rounds)
    yield owner[(table.matches == of["n_pairs"]) != table.is_completed]  # M7
    for at, fields in (table.flipped, table.resolved, table.completed, table.timed_out):  # M5
        yield table.owner[at[fields["r"] != of["r"][table.round[at]]]]
    for at, fields in (table.flipped, table.resolved):
        yield table.owner[at[fields["turn"] != table.turn[at]]]
    at, fields = table.completed
    yield table.owner[at[fields["turns"] != table.turn[at]]]  # M7


def _flaws_of_flips(table: _Table) -> Iterator[Column]:
    at, of = table.flipped
    owner, round_ = table.owner[at], table.round[at]
    faces, matched = of["face"], table.resolved.fields["matched"].astype(np.bool_)
    places = np.minimum(2 * table.started.fields["n_pairs"], _PLACES_MAX)
    yield owner[(of["pos"] < 0) | (of["pos"] >= places[round_])]  # M1
    yield owner[(table.step[at] == _SECOND) & (np.diff(table.place, prepend=-1) == 0)]  # M3
    is_pair = faces[table.second] == faces[table.second - 1]
    yield owner[table.second[is_pair != matched]]  # M6
    locked = np.zeros(len(table.step), dtype=np.bool_)
    locked[table.resolved.at] = ~matched
    possible_us = table.t_us[at - 1] + locked[at - 1] * table.started.fields["lockout_us"][round_]
    yield owner[np.minimum(of["onset_t_us"], table.t_us[at]) + SLACK_US < possible_us]  # M10, M8
    yield owner[of["latency_us"] >> _LATENCY_BITS != 0]  # M10: negative ones too


def _unkept(plays: Plays, table: _Table, shown: _Shown) -> Column:
    texts = [*plays.events.words, None]  # -1 is None
    upto = np.searchsorted(shown.places, np.arange(len(table.ends) + 1) * _PLACES_MAX)
    faces = [texts[face] for face in shown.faces.tolist()]
    done, fields = np.flatnonzero(table.is_completed), table.completed.fields
    told = zip(
        table.started.fields["layout_commit"][done].tolist(),
        fields["layout"].tolist(),
        fields["salt"].tolist(),
        upto[done].tolist(),
        upto[done + 1].tolist(),
        strict=True,
    )
    broken = [
        unkept(texts[commit], texts[layout], texts[salt], faces[begin:end]) is not None
        for commit, layout, salt, begin, end in told
    ]
    return table.owner[table.ends[done]][np.array(broken, dtype=np.bool_)]


class _Turns(NamedTuple):
    """The turns of scored rounds: of which of these each is, and of its two flips the latencies and whether they were seen."""

    round: Column
    latency_us: Column  # two a turn
    is_seen: Mask  # two a turn
    matched: Mask
    mate_lag: Column


def _amounts(plays: Plays, table: _Table, shown: _Shown, odd: Mask) -> list[Played | None]:
    """What the plays amount to that are not odd."""
    of, owner = table.started.fields, table.owner[table.ends]
    real = ~of["practice"].astype(np.bool_)
    scored = table.is_completed & real & ~odd[owner]
    missed = np.where(real, of["n_pairs"] - table.matches, 0)  # none of a completed round
    turns = _turns(table, shown, scored)
    rounds = _rounds(of["r"][scored], of["n_pairs"][scored], turns)
    accounts = _accounts(of["r"][scored], of["n_pairs"][scored], turns)
    upto = borders(owner[scored], len(odd)).tolist()
    conducts = _conducts(turns, owner[scored], sums(missed, owner, len(odd)))
    fates = zip(
        counts(owner[real & ~table.is_completed], len(odd)).tolist(),
        counts(owner[~real], len(odd)).tolist(),
        strict=True,
    )
    found: list[Played | None] = []
    for begun, (begin, end), conduct, (timed_out, practice), is_odd in zip(
        plays.begun, pairwise(upto), conducts, fates, odd.tolist(), strict=True
    ):
        if is_odd:
            found.append(None)
            continue
        game, sample = begun.game, rounds[begin:end]
        tally = Tally(begun.play.config.rounds, len(sample), timed_out, 0, 0, practice)
        gathered = game.gather(accounts[begin:end])
        covered = covariances(game.influences(gathered))
        metrics = with_errors(game.measure(gathered), covered)
        found.append(Played(tally, conduct, sample, metrics, Precision(len(sample), covered)))
    return found


def _turns(table: _Table, shown: _Shown, scored: Mask) -> _Turns:
    of_turn, mine = table.round[table.resolved.at], scored[table.round[table.flipped.at]]
    turns = scored[of_turn]
    return _Turns(
        (np.cumsum(scored) - 1)[of_turn[turns]],
        table.flipped.fields["latency_us"][mine].reshape(-1, 2),
        shown.is_seen[mine].reshape(-1, 2),
        table.resolved.fields["matched"][turns].astype(np.bool_),
        shown.mate_lag[mine][::2],
    )


def _rounds(r: Column, n_pairs: Column, of: _Turns) -> list[Round]:
    """As ``sample`` makes them."""
    (first_us, second_us), (first_seen, second_seen) = of.latency_us.T, of.is_seen.T
    columns = (first_us, second_us, of.matched, first_seen, of.mate_lag, second_seen)
    turns = list(map(Turn, *[column.tolist() for column in columns]))
    upto = borders(of.round, len(r)).tolist()
    return [
        Round(of_round, pairs, tuple(turns[begin:end]))
        for of_round, pairs, (begin, end) in zip(r.tolist(), n_pairs.tolist(), pairwise(upto), strict=True)
    ]


def _accounts(r: Column, n_pairs: Column, of: _Turns) -> list[Account]:
    """As ``account`` makes them."""
    number, laws = counts(of.round, len(r)), [law_of(pairs) for pairs in n_pairs.tolist()]
    known, matched, (first_seen, second_seen) = of.mate_lag > 0, of.matched, of.is_seen.T
    is_timed, logarithms = of.latency_us >= FLOOR_US, ln(np.maximum(of.latency_us, FLOOR_US))
    follows, after_match = np.diff(of.round, prepend=-1) == 0, np.roll(matched, 1)

    def count(which: Mask) -> list[int]:
        found: list[int] = counts(of.round[which], len(r)).tolist()
        return found

    def total(which: Mask, flip: int) -> list[Sums]:
        timed = which & is_timed[:, flip]
        return _sums(logarithms[timed, flip], of.round[timed], len(r))

    columns = (
        r.tolist(),
        n_pairs.tolist(),
        number.tolist(),
        [(turns << 64) - law.mean for turns, law in zip(number.tolist(), laws, strict=True)],
        [law.variance for law in laws],
        [of_turns - law.ln_mean for of_turns, law in zip(ln(number).tolist(), laws, strict=True)],
        count(known & matched),
        count(known & ~matched),
        count(~known & matched),
        count(~known & ~matched),
        count(~known & second_seen),
        count(~known & first_seen),
        sums(of.latency_us.sum(axis=1), of.round, len(r)).tolist(),
        _sums(logarithms[is_timed], np.repeat(of.round, 2)[is_timed.ravel()], len(r)),
        total(known & matched, 1),
        total(~known & ~second_seen, 1),
        total(follows & ~after_match, 0),
        total(follows & after_match, 0),
    )
    return list(map(Account, *columns))


def _sums(values: Column, owner: Column, owners: int) -> list[Sums]:
    """``estimate.sums`` of each owner's rows."""
    totals, squares = sums(values, owner, owners).tolist(), sums_of_squares(values, owner, owners)
    return list(zip(counts(owner, owners).tolist(), totals, squares, strict=True))


def _conducts(of: _Turns, owner: Column, missed: Column) -> list[Conduct]:
    """As ``conduct`` counts; ``owner`` is whose each round is."""
    players, whose = len(missed), owner[of.round]
    both, latencies_us = np.repeat(whose, 2), of.latency_us.ravel()
    key = np.sort((both << _LATENCY_BITS) + latencies_us, kind="stable")
    ordered = (key & (1 << _LATENCY_BITS) - 1).tolist()
    turns = counts(whose, players)
    upto = [0, *np.cumsum(2 * turns).tolist()]
    return [
        Conduct(flips, anticipations, units, units_missed, slow, failed=failed(ordered[begin:end]))
        for flips, anticipations, units, units_missed, slow, (begin, end) in zip(
            (2 * turns).tolist(),
            counts(both[latencies_us < FLOOR_US], players).tolist(),
            (turns + missed).tolist(),
            missed.tolist(),
            counts(whose[of.latency_us.max(axis=1) > SLOW_US], players).tolist(),
            pairwise(upto),
            strict=True,
        )
    ]
