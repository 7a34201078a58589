"""How reliable a metric is among people: by halves of a session, and by a second session.

*Split half.* Everybody's resampling units (balloons, blocks of five trials, rounds) are cut into two halves at random, many times
over; each time the metric is measured on either half by the very code that measures a session, correlated over people (Pearson),
and stepped up to the whole length by Spearman and Brown, 2r / (1 + |r|). Of an odd number of units either half may be the
larger, by chance. Units keep their order within a half. A person's halves are drawn from what the person did alone, so neither
the order of the people nor who else is there changes them, and 5,000 permutations begin with the first 1,000.

The mean over N permutations is off by their SD / sqrt(N): with 1,000 and 200 people by .0002 for a metric of .95 (SD .005), by .001
for one of .75 (SD .03) and by .003 for one of .35 (SD .09). The points 2.5 % and 97.5 % are off by 2.7 times as much. They tell how
much the way of halving matters and are no confidence interval over people. A metric that drifts in the course of a session is
flattered by any halves, which share the drift, and one of steps between neighbours (post_win_escalation) is wronged, for the steps
of the two halves add up to a way that has two ends only: ask the retest of those.

*Retest.* The correlation of the metric in the first and in the second session of the same people. Published retests may be of another
kind (ICC, which a shift of the mean lowers), so the two are not interchangeable.

Everything is exact: integers, and one rounding to micro-units at the end.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from science.canonical import digest
from science.chance import words
from science.exact import MICRO, Line, micro_ratio, micro_root
from science.game import Game
from science.mapping import NormSet
from science.measure import GameMeasures, Noticed

PERMUTATIONS = 1_000  # 200 people who played all three games: a minute
PEOPLE_MIN = 20  # a correlation over fewer has a standard error of .2 and more
UNITS_MIN = 4  # two in either half; sdparsons/splithalf asks for four as well


class Played(msgspec.Struct, frozen=True):
    """Of a session's measures, what matters here. Samples stay bytes until they are looked at, for people are many."""

    closed: str
    events_digest: str
    games: list[GameMeasures]
    findings: list[Noticed]
    samples: dict[str, msgspec.Raw]


class Sitting(msgspec.Struct, frozen=True):
    """A session of the population. ``subject_id`` is None where it is not known who played, ``played`` while it is open.

    ``began_ms`` is when it began: it decides which of somebody's sessions is the first.
    """

    session_id: str
    subject_id: str | None
    began_ms: int
    withdrawn: bool
    played: Played | None


class Cohort(msgspec.Struct, frozen=True):
    """Who counts for a norm set: the first session of everybody, and of those who came again the first with the second.

    ``left_out`` counts the others by reason, so that sessions = firsts + pairs + left out. ``units`` is the median of the firsts.
    """

    game: str
    firsts: tuple[Played, ...]
    pairs: tuple[tuple[Played, Played], ...]
    left_out: dict[str, int]
    units: int

    @property
    def sessions(self) -> int:
        """All that were looked at."""
        return len(self.firsts) + len(self.pairs) + sum(self.left_out.values())

    def digest(self) -> str:
        """Of what the figures are made of."""
        pairs = sorted([one.events_digest, other.events_digest] for one, other in self.pairs)
        return digest([self.game, sorted(one.events_digest for one in self.firsts), pairs])


class SplitHalf(msgspec.Struct, frozen=True):
    """Mean and 2.5 % and 97.5 % points over the permutations, in micro-units; ``reason`` says why there are none.

    ``people`` have the metric on both halves, in the permutation that has the fewest of them.
    """

    people: int
    value: int | None = None
    low: int | None = None
    high: int | None = None
    reason: str | None = None


class Retest(msgspec.Struct, frozen=True):
    """Pearson's r over the people who have the metric in both sessions, in micro-units; ``reason`` says why there is none."""

    pairs: int
    value: int | None = None
    reason: str | None = None


class Pairs(Line):
    """Pairs of integers, and how they correlate. Exact, so their order cannot matter."""

    __slots__ = ("yy",)

    def __init__(self) -> None:
        """No pairs yet."""
        super().__init__()
        self.yy = 0

    def add(self, x: int, y: int) -> None:
        """Take one pair up."""
        super().add(x, y)
        self.yy += y * y

    def r_micro(self) -> int | None:
        """Pearson's r in micro-units; None where either side does not vary."""
        both = self.spread * (self.count * self.yy - self.ys * self.ys)
        if both == 0:
            return None
        shared = self.count * self.xy - self.xs * self.ys
        size = micro_root(shared * shared, both)
        return size if shared > 0 else -size


def cohort(sittings: Iterable[Sitting], norms: NormSet) -> Cohort:
    """Who of these may be compared with the norm set, and why the others may not; of several reasons the first of ``_unfit``."""
    left_out: Counter[str] = Counter()
    by_subject: dict[str, list[Played]] = {}
    lengths: list[int] = []
    for sitting in sorted(sittings, key=lambda one: (one.began_ms, one.session_id)):
        units = _units(sitting, norms)
        if isinstance(units, str):
            left_out[units] += 1
            continue
        assert sitting.played is not None
        assert sitting.subject_id is not None
        mine = by_subject.setdefault(sitting.subject_id, [])
        if len(mine) == 2:
            left_out["later_session"] += 1
            continue
        if not mine:
            lengths.append(units)
        mine.append(sitting.played)
    firsts = tuple(mine[0] for mine in by_subject.values())
    return Cohort(
        game=norms.game,
        firsts=firsts,
        pairs=tuple((mine[0], mine[1]) for mine in by_subject.values() if len(mine) == 2),
        left_out=dict(sorted(left_out.items())),
        units=sorted(lengths)[len(lengths) // 2] if lengths else 0,
    )


def split_half(
    game: Game, people: Iterable[Played], metrics: Sequence[str], permutations: int = PERMUTATIONS
) -> dict[str, SplitHalf]:
    """The reliability of each metric in one session."""
    found = {metric: [Pairs() for _ in range(permutations)] for metric in metrics}
    for one in people:
        accounts = _accounts(game, one)
        chances = words(_seed(game, one))
        for place in range(permutations):
            first, second = (game.measure(game.gather(half)) for half in _halves(accounts, chances))
            for metric in metrics:
                x, y = first[metric].value, second[metric].value
                if x is not None and y is not None:
                    found[metric][place].add(x, y)
    return {metric: _summary(of) for metric, of in found.items()}


def retest(game: Game, pairs: Iterable[tuple[Played, Played]], metrics: Sequence[str]) -> dict[str, Retest]:
    """The reliability of each metric over two sessions."""
    found = {metric: Pairs() for metric in metrics}
    for pair in pairs:
        first, second = (game.measure(game.gather(_accounts(game, one))) for one in pair)
        for metric in metrics:
            x, y = first[metric].value, second[metric].value
            if x is not None and y is not None:
                found[metric].add(x, y)
    return {metric: _retest(of) for metric, of in found.items()}


def spearman_brown(r_micro: int) -> int:
    """What a correlation of halves says of the whole, in micro-units."""
    return micro_ratio(2 * r_micro, MICRO + abs(r_micro))


def _units(sitting: Sitting, norms: NormSet) -> int | str:
    """How many units it has for the norm set's game; or why it does not count."""
    played, game = sitting.played, norms.game
    if sitting.withdrawn:
        return "withdrawn"
    if played is None:
        return "open"
    if played.closed != "completed":
        return "not_completed"
    if any(noticed.severity == "integrity" for noticed in played.findings):
        return "integrity"
    plays = [play for play in played.games if play.game == game]
    if not plays:
        return "not_played"
    if not all(norms.fits(play.match) for play in plays):
        return "other_configuration"
    if game not in played.samples:
        return "no_sample"  # of more than 8,000 events
    if sitting.subject_id is None:
        return "no_subject"
    units = len(msgspec.json.decode(played.samples[game], type=list[msgspec.Raw]))
    return units if units >= UNITS_MIN else "too_few_units"


def _accounts(game: Game, one: Played) -> list[Any]:
    unit_type: Any = game.unit
    return [game.account(unit) for unit in msgspec.json.decode(one.samples[game.name], type=list[unit_type])]


def _seed(game: Game, one: Played) -> bytes:
    return sha256(f"{one.events_digest}\n{game.name}\nsplit half".encode()).digest()


def _halves(units: Sequence[Any], chances: Iterator[int]) -> tuple[list[Any], list[Any]]:
    """Two halves drawn without replacement, in the order of the units."""
    cut = (len(units) + (next(chances) >> 31)) >> 1
    places = list(range(len(units)))
    for place in range(cut):
        other = place + (next(chances) * (len(units) - place) >> 32)
        places[place], places[other] = places[other], places[place]
    return [units[at] for at in sorted(places[:cut])], [units[at] for at in sorted(places[cut:])]


def _summary(permuted: Sequence[Pairs]) -> SplitHalf:
    people = min(pairs.count for pairs in permuted)
    if people < PEOPLE_MIN:
        return SplitHalf(people, reason="too_few_people")
    found = [pairs.r_micro() for pairs in permuted]
    stepped = sorted(spearman_brown(r) for r in found if r is not None)
    if len(stepped) < len(found):
        return SplitHalf(people, reason="no_spread")
    tail = len(stepped) // 40
    return SplitHalf(
        people, micro_ratio(sum(stepped), len(stepped) * MICRO), stepped[tail], stepped[-1 - tail]
    )


def _retest(pairs: Pairs) -> Retest:
    if pairs.count < PEOPLE_MIN:
        return Retest(pairs.count, reason="too_few_pairs")
    r = pairs.r_micro()
    return Retest(pairs.count, r, "no_spread" if r is None else None)
