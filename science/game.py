"""What a game module must say of itself, and the words that all games share."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from science.event import Payload


class Start(Payload, frozen=True, gc=False):
    """A game begins. ``config`` is canonical JSON and equals the protocol's."""

    config: str


class Completion(Payload, frozen=True, gc=False):
    """A game ends; ``reason`` is finished, timeout or aborted."""

    reason: str


# What a finding means for the profile. integrity: the sequence is impossible, no trait is scored; quality: lowers the quality
# score; note: worth knowing, and the unit concerned does not count.
Severity = Literal["integrity", "quality", "note"]


class Finding(msgspec.Struct, frozen=True, gc=False):
    """Something the fold noticed at ``seq``; ``code`` is an invariant of the game (B1, ...) or a Q_ flag."""

    code: str
    severity: Severity
    seq: int
    detail: str


class Metric(msgspec.Struct, frozen=True, gc=False):
    """A number with what it takes to trust it. ``value`` and ``se`` (standard error) are in micro-units.

    ``n`` is how many observations it rests on; ``reason`` says why there is no value, or what to mind about it.
    """

    value: int | None
    n: int
    unit: str
    se: int | None = None
    reason: str | None = None


class Definition(msgspec.Struct, frozen=True):
    """A published metric definition: an edit of what it computes needs a new version."""

    id: str
    version: int
    unit: str
    formula: str
    source: str


class Conduct(msgspec.Struct, frozen=True, gc=False):
    """How someone played, as counts for the quality score (``science/quality.py``)."""

    responses: int = 0
    anticipations: int = 0  # responses faster than 100 ms
    units: int = 0  # scored units, and those that timed out
    units_missed: int = 0
    units_slow: int = 0  # with a response slower than 3 s
    patterned: bool = False  # one identical answer in more than 95 % of the units
    failed: tuple[str, ...] = ()  # why nothing of this can be believed: inert, automaton, too_fast, one_key


# Nobody answers like a clock. Within 4 ms of their own median lie at most 12 % of the answers of a real person (262 games of
# ds000030; half of any ten in a row), and 37 % of those of a simulated one (9,900 games). A browser that tells the time in steps of
# 100 ms makes it 96 % of one simulated person's 23 presses, so more than 97 % are asked for: up to 33 answers, all of them.
# 4 ms is what a browser's own timer is late by, so a script that waits is found although it is not exact.
_ALIKE_US = 4_000
_ALIKE_MIN = 10


def is_automaton(latencies_us: Sequence[int]) -> bool:
    """Whether more than 97 % of these latencies, of at least ten, lie within 4 ms of their median."""
    n = len(latencies_us)
    if n < _ALIKE_MIN:
        return False
    ordered = sorted(latencies_us)
    twice_us = ordered[(n - 1) // 2] + ordered[n // 2]  # the median, doubled to stay whole
    beyond = bisect_right(ordered, twice_us // 2 + _ALIKE_US)
    below = bisect_left(ordered, -(-twice_us // 2) - _ALIKE_US)
    return 100 * (beyond - below) > 97 * n


class Tally(msgspec.Struct, frozen=True, gc=False):
    """What became of the units of one play: planned by the protocol, scored, and why others were not."""

    planned: int
    scored: int
    timed_out: int
    unfinished: int
    void: int
    practice: int


class Play(Protocol):
    """One playing of a game: takes its events in ``seq`` order and never raises on them; it notes findings instead.

    Every event of a session comes by ``take``, so the games ask it for its very type, the commonest first.
    """

    findings: list[Finding]

    def take(self, seq: int, t_us: int, payload: Payload) -> None:
        """The next event of the game."""

    def tear(self, seq: int) -> None:
        """An event is missing or does not count here; it may have been any: the unit it belongs to is void."""

    def end(self, seq: int) -> None:
        """Nothing more comes."""

    def tally(self) -> Tally:
        """Units by fate."""

    def conduct(self) -> Conduct:
        """Counts for the quality score."""

    def match(self) -> Mapping[str, int | str]:
        """What a norm set must agree on to be comparable with this play."""


def _itself(value: Any) -> Any:
    return value


class Game(msgspec.Struct, frozen=True):
    """A game. ``begin`` and ``planned`` take the game's configuration (parsed JSON) and raise msgspec.ValidationError if it
    is none; ``planned`` counts its units.

    What was played is boiled down to a sample: ``sample`` gives the resampling units of the plays of a session, in order, as
    values of the Struct ``unit``; ``account`` takes of each, once, all that is dear to work out, and ``gather`` brings together
    what the accounts tell. Every metric is a function of the accounts alone, so that a sample with a unit left out or drawn again
    is measured by the very same code. ``influences`` says how far each unit moves each metric that a trait may rest on: one list
    a metric, one number a unit, in micro-units (``science/estimate.py``).
    """

    name: str
    kinds: Mapping[str, type[Payload]]
    begin: Callable[[Mapping[str, object], Any], Play]
    planned: Callable[[Mapping[str, object]], int]
    unit: type[msgspec.Struct]
    sample: Callable[[Sequence[Any]], Sequence[Any]]
    measure: Callable[[Any], dict[str, Metric]]
    influences: Callable[[Any], dict[str, list[int]]]
    definitions: tuple[Definition, ...]
    account: Callable[[Any], Any] = _itself
    gather: Callable[[Sequence[Any]], Any] = _itself
