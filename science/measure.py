"""What a closed session amounts to: its events read in ``seq`` order, once, into metrics, findings and counts.

The walk knows the frame of a session (S1-S6) and hands every game its own events. A place whose event is
missing, conflicting or voided is torn: it may have been any event, so the unit in hand does not count.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from hashlib import sha256
from math import isqrt
from operator import itemgetter
from typing import Any

import msgspec

from science.canonical import digest
from science.estimate import covariances
from science.event import Payload
from science.game import Completion, Conduct, Finding, Game, Metric, Play, Severity, Start, Tally
from science.games import GAMES
from science.session import Entry, Session
from science.vocabulary import KINDS as FRAME_KINDS
from science.vocabulary import (
    Aborted,
    CheckAnswered,
    Completed,
    EventVoided,
    Interaction,
    Paused,
    Resumed,
    Started,
)


class GameMeasures(msgspec.Struct, frozen=True, gc=False):
    """One play: what it may be compared with, and the fate of its units."""

    game: str
    match: dict[str, int | str]
    tally: Tally


class Attention(msgspec.Struct, frozen=True, gc=False):
    """What the frame of the session says about how it was played."""

    events: int
    blurs: int
    blurred_us: int
    checks: int
    checks_failed: int


class Noticed(msgspec.Struct, frozen=True, gc=False):
    """A finding with how often it came up, and at which event first. Its words stay out: they may be bettered."""

    code: str
    severity: Severity
    count: int
    seq: int


class Precision(msgspec.Struct, frozen=True, gc=False):
    """How well a game's metrics are known: from how many resampling units, and each pair's covariance in squared micro-units.

    A pair stands once, under the later of its names.
    """

    units: int
    covariances: dict[str, dict[str, int]]


class Measures(msgspec.Struct, frozen=True, gc=False):
    """All that a profile may be inferred from. Integers and strings only; metrics in micro-units.

    ``unplayed`` counts the units of games that the protocol plans and that were never begun. ``samples`` are the resampling units
    of each game, from which all its metrics follow, and can be worked out again for units drawn anew; a session of more than 8,000
    events does not carry them, so that measures always fit into a record.
    ``definitions`` is the hash of the definitions of the metrics, ``schemas`` names the SHA-256 of each schema that counted.
    """

    session_id: str
    closed: str
    events_digest: str
    definitions: str
    schemas: dict[str, str]
    device_input: str
    duration_us: int
    counted: int
    missing: int
    conflicting: int
    voided: int
    games: list[GameMeasures]
    unplayed: dict[str, int]
    attention: Attention
    conduct: Conduct
    findings: list[Noticed]
    metrics: dict[str, Metric]
    precisions: dict[str, Precision]
    samples: dict[str, list[Any]]


# A unit takes at most 25 bytes of canonical JSON an event, and a record of measures holds 262,144.
_SAMPLED_EVENTS_MAX = 8_000

# A monotonic clock never goes back. A small step costs quality, event by event; after one of more than a second (it happened in the
# SRO study, by 11.344 s) another clock is read, and in a long session the few events behind it would hardly cost anything.
_SET_BACK_US = 1_000_000


def measure(session: Session) -> Measures:
    """Measure a closed session. Pure: equal sets of events give equal measures."""
    assert session.closed is not None, "a session is measured once it is closed"
    walk = _Walk(session)
    walk.run()
    by_game: dict[str, list[Play]] = {}
    for game, play in walk.plays:
        by_game.setdefault(game.name, []).append(play)
    metrics: dict[str, Metric] = {}
    precisions: dict[str, Precision] = {}
    samples: dict[str, list[Any]] = {}
    for name, plays in by_game.items():
        samples[name] = list(GAMES[name].sample(plays))
        found, precisions[name] = measured(GAMES[name], samples[name])
        metrics.update(found)
    entries = [entry for _, entry in sorted(session.entries.items(), key=itemgetter(0)) if entry is not None]
    times = [entry.t_us for entry in entries]
    by_schema = {entry.schema_sha256: entry for entry in entries}  # a schema is of one kind
    return Measures(
        session_id=session.session_id,
        closed=session.closed,
        events_digest=session.events_digest(),
        definitions=_definitions(tuple(sorted(by_game))),
        schemas={schema.hex(): _KIND[type(entry.payload)] for schema, entry in by_schema.items()},
        device_input=walk.started.device_input if walk.started else "unknown",
        duration_us=max(times) - min(times) if times else 0,
        counted=len(entries),
        missing=len(session.missing()),
        conflicting=len(session.entries) - len(entries),
        voided=len(walk.voided),
        games=[GameMeasures(game.name, dict(play.match()), play.tally()) for game, play in walk.plays],
        unplayed=walk.unplayed(),
        attention=walk.attention(len(entries)),
        conduct=_together([play.conduct() for _, play in walk.plays], is_set_back=walk.is_set_back),
        findings=_grouped(walk.findings + [found for _, play in walk.plays for found in play.findings]),
        metrics=metrics,
        precisions=precisions,
        samples=samples if len(entries) <= _SAMPLED_EVENTS_MAX else {},
    )


@cache
def _definitions(games: tuple[str, ...]) -> str:
    return digest([GAMES[name].definitions for name in games])


def measured(game: Game, sample: Sequence[Any]) -> tuple[dict[str, Metric], Precision]:
    """The metrics of a sample, each with its standard error where the influences of the units give one."""
    gathered = game.gather([game.account(unit) for unit in sample])
    metrics, found = game.measure(gathered), covariances(game.influences(gathered))
    for name, row in found.items():
        own = metrics[name]
        if own.se is None:
            metrics[name] = Metric(own.value, own.n, own.unit, isqrt(row[name]), own.reason)
    return metrics, Precision(len(sample), found)


_GAME_OF: dict[type[Payload], Game] = {
    payload_type: game for game in GAMES.values() for payload_type in game.kinds.values()
}
# Every event is asked whether it is one of these: its type is found in a set at once, where isinstance asks the bases.
_STARTS = {payload_type for payload_type in _GAME_OF if issubclass(payload_type, Start)}
_COMPLETIONS = {payload_type for payload_type in _GAME_OF if issubclass(payload_type, Completion)}
_KIND: dict[type[Payload], str] = {
    payload_type: kind
    for kinds in (FRAME_KINDS, *(game.kinds for game in GAMES.values()))
    for kind, payload_type in kinds.items()
}


def _together(conducts: list[Conduct], *, is_set_back: bool) -> Conduct:
    """Counts add up over the plays; a pattern in one play is a pattern."""
    failed = [why for conduct in conducts for why in conduct.failed] + ["clock_set_back"] * is_set_back
    return Conduct(
        responses=sum(conduct.responses for conduct in conducts),
        anticipations=sum(conduct.anticipations for conduct in conducts),
        units=sum(conduct.units for conduct in conducts),
        units_missed=sum(conduct.units_missed for conduct in conducts),
        units_slow=sum(conduct.units_slow for conduct in conducts),
        patterned=any(conduct.patterned for conduct in conducts),
        failed=tuple(dict.fromkeys(failed)),
    )


def _grouped(findings: list[Finding]) -> list[Noticed]:
    """One line a code, so that a stream of oddities cannot make the record grow without end."""
    groups: dict[tuple[str, Severity], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.code, finding.severity), []).append(finding)
    grouped = []
    for (code, severity), members in sorted(groups.items()):
        grouped.append(Noticed(code, severity, len(members), min(finding.seq for finding in members)))
    return grouped


class _Walk:
    """Reads the events of a session in ``seq`` order."""

    def __init__(self, session: Session) -> None:
        self.entries = session.entries
        self.last_seq = max(session.entries, default=-1)
        self.findings: list[Finding] = []
        self.plays: list[tuple[Game, Play]] = []
        self.started: Started | None = None
        self.is_set_back = False
        voids = [
            (seq, entry.payload.target_seq)
            for seq, entry in session.entries.items()
            if entry is not None and type(entry.payload) is EventVoided
        ]
        self.voided = {target_seq: seq for seq, target_seq in sorted(voids)}
        self._planned: list[_Planned] = []
        self._open: tuple[Game, Play] | None = None
        self._paused = False
        self._blurred_since: int | None = None
        self._blurs = self._blurred_us = self._checks = self._checks_failed = 0
        self._t_us = 0

    def run(self) -> None:
        """Walk over every place up to the last."""
        for seq in range(self.last_seq + 1):
            entry = self.entries.get(seq)
            if seq not in self.entries:
                self._tear(seq, "sequence_gap", "integrity", "an event is missing")
            elif entry is None:
                self._tear(seq, "identity_conflict", "note", "two different events claim this place")
            elif seq in self.voided:
                self._tear(seq, "event_voided", "note", f"voided by event {self.voided[seq]}")
            else:
                self._take(seq, entry)
        self._end_play(self.last_seq)
        if self._blurred_since is not None:
            self._blurred_us += self._t_us - self._blurred_since
        if self.started is None:
            self._object("S1", 0, "the session has no session.started")

    def unplayed(self) -> dict[str, int]:
        """Planned units of the games that were never begun; a plan that is none of its game's plans nothing."""
        units: dict[str, int] = {}
        for planned in self._planned:
            game = GAMES.get(planned.game)
            with suppress(msgspec.ValidationError):
                if game is not None:
                    units[game.name] = units.get(game.name, 0) + game.planned(planned.config)
        return units

    def attention(self, events: int) -> Attention:
        """Counts of the frame."""
        return Attention(
            events=events,
            blurs=self._blurs,
            blurred_us=self._blurred_us,
            checks=self._checks,
            checks_failed=self._checks_failed,
        )

    def _tear(self, seq: int, code: str, severity: Severity, detail: str) -> None:
        self.findings.append(Finding(code, severity, seq, detail))
        if self._open is not None:
            self._open[1].tear(seq)

    def _take(self, seq: int, entry: Entry) -> None:
        payload, t_us = entry.payload, entry.t_us
        if t_us < self._t_us:
            detail = f"t_us went back from {self._t_us} to {t_us}"
            self.findings.append(Finding("Q_CLOCK", "quality", seq, detail))
            self.is_set_back |= self._t_us - t_us > _SET_BACK_US
        else:
            self._t_us = t_us
        game = _GAME_OF.get(type(payload))
        if game is None:
            self._take_frame(seq, payload)
            return
        if self._paused:
            self._object("S6", seq, "a game event while the session is paused")
        if type(payload) in _STARTS:
            assert isinstance(payload, Start)
            self._begin_play(seq, game, payload)
        elif self._open is None or self._open[0] is not game:
            self._object("S2", seq, f"an event of {game.name} while that game is not open")
        else:
            self._open[1].take(seq, t_us, payload)
            if type(payload) in _COMPLETIONS:
                self._end_play(seq)

    def _take_frame(self, seq: int, payload: Payload) -> None:
        match payload:
            case Started():
                if seq != 0:
                    self._object("S1", seq, "session.started is not the first event")
                self.started = payload
                self._plan(seq, payload)
            case Completed() | Aborted():
                if seq != self.last_seq:
                    self._object("S1", seq, "an event follows the end of the session")
            case Paused() | Resumed():
                if self._paused == isinstance(payload, Paused):
                    self._object("S6", seq, "paused and resumed do not alternate")
                self._paused = isinstance(payload, Paused)
            case Interaction(action="blur"):
                if self._blurred_since is not None:
                    self.findings.append(Finding("S4", "note", seq, "blur follows blur"))
                else:
                    self._blurs += 1
                    self._blurred_since = self._t_us
            case Interaction(action="focus"):
                if self._blurred_since is None:
                    self.findings.append(Finding("S4", "note", seq, "focus without a blur"))
                else:
                    self._blurred_us += self._t_us - self._blurred_since
                    self._blurred_since = None
            case CheckAnswered(passed=passed):
                self._checks += 1
                self._checks_failed += not passed
            case _:  # what is voided is known before the walk; fullscreen changes are kept in the log alone
                pass

    def _plan(self, seq: int, started: Started) -> None:
        if sha256(started.protocol.encode()).hexdigest() != started.config_hash:
            self._object("S3", seq, "config_hash is not the SHA-256 of the protocol")
        try:
            self._planned = msgspec.json.decode(started.protocol, type=_Protocol).games
        except msgspec.DecodeError:
            self._object("S3", seq, "the protocol does not say what is played")

    def _begin_play(self, seq: int, game: Game, start: Start) -> None:
        if self._open is not None:
            self._object("S2", seq, f"{game.name} starts while {self._open[0].name} is open")
            self._end_play(seq)
        try:
            config = msgspec.json.decode(start.config, type=dict[str, object])
            play = game.begin(config, start)
        except msgspec.DecodeError:
            # without the error's own wording: it is the library's, and a profile would change with its version
            self._object("S3", seq, f"the configuration is none of {game.name}")
            return
        planned = _Planned(game.name, config)
        if planned in self._planned:
            self._planned.remove(planned)  # once: a game played again is not of the protocol
        else:
            self._object("S3", seq, f"the protocol plans no {game.name} of this configuration")
        self._open = (game, play)
        self.plays.append(self._open)

    def _end_play(self, seq: int) -> None:
        if self._open is not None:
            self._open[1].end(seq)
            self._open = None

    def _object(self, code: str, seq: int, detail: str) -> None:
        self.findings.append(Finding(code, "integrity", seq, detail))


class _Planned(msgspec.Struct, frozen=True):
    game: str
    config: Mapping[str, object]


class _Protocol(msgspec.Struct, frozen=True):
    games: list[_Planned]
