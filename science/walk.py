"""Reading the events of a closed session in ``seq`` order, once.

The walk knows the frame of a session (S1-S6) and hands every game its own events. A place whose event is
missing, conflicting or voided is torn: it may have been any event, so the unit in hand does not count.
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec

from science.event import Payload
from science.game import Completion, Finding, Game, Play, Severity, Start
from science.games import GAMES
from science.session import Entry
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

# A monotonic clock never goes back. A small step costs quality, event by event; after one of more than a second (it happened in the
# SRO study, by 11.344 s) another clock is read, and in a long session the few events behind it would hardly cost anything.
_SET_BACK_US = 1_000_000


_GAME_OF: dict[type[Payload], Game] = {
    payload_type: game for game in GAMES.values() for payload_type in game.kinds.values()
}
# Every event is asked whether it is one of these: its type is found in a set at once, where isinstance asks the bases.
_STARTS = {payload_type for payload_type in _GAME_OF if issubclass(payload_type, Start)}
_COMPLETIONS = {payload_type for payload_type in _GAME_OF if issubclass(payload_type, Completion)}


class Attention(msgspec.Struct, frozen=True, gc=False):
    """What the frame of the session says about how it was played."""

    events: int
    blurs: int
    blurred_us: int
    checks: int
    checks_failed: int


class Begun(NamedTuple):
    """A play whose events lie between two places, both exclusive; ``completed`` ended it, or nothing did."""

    game: Game
    play: Any
    start: int
    end: int
    completed: Any


class Walk:
    """Reads the events of a session in ``seq`` order.

    Public are ``findings``, ``plays`` in order, the ``started`` event, ``voided`` (by which event each), ``is_set_back``.
    """

    def __init__(self, entries: Mapping[int, Entry | None], last_seq: int) -> None:
        """Of these events, up to that place."""
        self.entries = entries
        self.last_seq = last_seq
        self.findings: list[Finding] = []
        self.plays: list[tuple[Game, Play]] = []
        self.started: Started | None = None
        self.is_set_back = False
        voids = [
            (seq, entry.payload.target_seq)
            for seq, entry in entries.items()
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
        self._end()

    def skim(self, last_t_us: int) -> list[Begun]:
        """Read the frame of a session alone, its games being read elsewhere; the last event of all was at ``last_t_us``.

        The plays take no event and are not ended. What ``run`` finds in the frame is found here too, but for clocks, gaps, pauses
        and events of games that are not open.
        """
        begun: list[Begun] = []
        for seq, entry in self.entries.items():
            assert entry is not None
            payload, self._t_us = entry.payload, entry.t_us
            game = _GAME_OF.get(type(payload))
            if game is None:
                self._take_frame(seq, payload)
            elif isinstance(payload, Start):
                self._begin_play(seq, game, payload)
                if self._open is not None:
                    begun.append(Begun(game, self._open[1], seq, self.last_seq + 1, None))
            elif self._open is None or self._open[0] is not game:
                self._object("S2", seq, f"an event of {game.name} while that game is not open")
            else:
                begun[-1] = begun[-1]._replace(end=seq, completed=payload)
                self._open = None
        self._t_us = last_t_us
        self._end()
        return begun

    def _end(self) -> None:
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
        config_hash, planned = _planned_of(started.protocol)
        if config_hash != started.config_hash:
            self._object("S3", seq, "config_hash is not the SHA-256 of the protocol")
        if planned is None:
            self._object("S3", seq, "the protocol does not say what is played")
        else:
            self._planned = list(planned)

    def _begin_play(self, seq: int, game: Game, start: Start) -> None:
        if self._open is not None:
            self._object("S2", seq, f"{game.name} starts while {self._open[0].name} is open")
            self._end_play(seq)
        try:
            config = _config_of(start.config)
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


# A fleet plays few protocols, so their texts are read once.


@lru_cache(maxsize=256)
def _planned_of(protocol: str) -> tuple[str, tuple[_Planned, ...] | None]:
    """The SHA-256 of a protocol, and what it plans; None where it does not say."""
    config_hash = sha256(protocol.encode()).hexdigest()
    try:
        return config_hash, tuple(msgspec.json.decode(protocol, type=_Protocol).games)
    except msgspec.DecodeError:
        return config_hash, None


@lru_cache(maxsize=256)
def _config_of(text: str) -> Mapping[str, object]:
    """A configuration; whoever gets it leaves it as it is. Raises msgspec.DecodeError."""
    return msgspec.json.decode(text, type=dict[str, object])
