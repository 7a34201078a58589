"""The closer: a session that does not end is ended by an event in the log, so that no clock is read where it is scored.

``OpenSessions`` decides: ``session.abandoned`` is due the maximal duration after a session's first record in the log, or some minutes
after a terminal whose gaps did not fill, whichever comes first. ``Closer`` reads the log as far as it was scored, hears from the metrics
which sessions closed, and writes the word. What it keeps is made again from the log: it commits no further than the oldest session that is
open. A kill anywhere loses nothing; at worst a second word is written, which has no effect, as one after a session's own end has none.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import msgspec

from agents.event_logger import EventLogger
from agents.metric_extractor import session_id_of
from science.event import Event
from science.vocabulary import Abandoned, Aborted, Completed, Withdrawn
from streams.codec import Codec, Unreadable
from streams.log import Log, Record
from streams.records import SessionMetrics
from streams.schemas import Registry
from streams.topics import EVENTS, SESSION_METRICS

GROUP = "kymograph-closer"

Reason = Literal["timeout", "gaps"]

_TELLING = {"session.completed", "session.aborted", "session.abandoned", "session.withdrawn"}
_CHUNK_RECORDS = 10_000
_TIMED_BEFORE = 64  # records before the first to be read: the log's time goes on from theirs
_CLOSED_MAX = 8_192  # a partition; of 16 about 20 MB
_MARKS_MAX = 128
_AHEAD_MS_MAX = 24 * 3_600_000  # a clock that is set wrong is seldom wrong by more


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a session may last from its first record on, and how long its gaps may stay open after a terminal."""

    session_ms: int = 7_200_000
    terminal_ms: int = 600_000


class Abandonment(msgspec.Struct, frozen=True):
    """A session that nothing more is waited for, and why."""

    session_id: str
    reason: Reason


class _Open(msgspec.Struct, gc=False):
    first_offset: int
    due_ms: int
    reason: Reason


class OpenSessions:
    """The sessions of one partition that are open, in the order of their first records. Of those that closed only so many names are kept,
    the last ones: what comes late for one does not open it again.
    """

    def __init__(self, limits: Limits, *, closed_max: int = _CLOSED_MAX) -> None:
        """None is known yet."""
        self._limits, self._closed_max = limits, closed_max
        self._open: dict[bytes, _Open] = {}
        self._closed: dict[bytes, None] = {}
        self._least_due_ms: int | None = None  # nothing is due before it
        self._newest_ms = 0

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def is_open(self, key: bytes) -> bool:
        """Whether records of it came, and no end."""
        return key in self._open

    def is_closed(self, key: bytes) -> bool:
        """Whether it is known to have ended."""
        return key in self._closed

    @property
    def newest_ms(self) -> int:
        """The time of the newest record."""
        return self._newest_ms

    def log_time(self, time_ms: int, now_ms: int) -> int:
        """A record's time. Taken no earlier than that of a record before it: a stamp of a clock that went back makes nobody old. One that
        is days ahead of everybody holds back nobody else.
        """
        if time_ms <= now_ms + _AHEAD_MS_MAX:
            self._newest_ms = max(self._newest_ms, time_ms)
        return max(self._newest_ms, time_ms)

    def go_on(self, key: bytes, offset: int, time_ms: int, *, is_terminal: bool) -> None:
        """A session of which something came."""
        if key in self._closed:
            return
        one = self._open.get(key)
        if one is None:
            one = self._open[key] = _Open(offset, time_ms + self._limits.session_ms, "timeout")
        if is_terminal and time_ms + self._limits.terminal_ms < one.due_ms:
            one.due_ms, one.reason = time_ms + self._limits.terminal_ms, "gaps"
        if self._least_due_ms is None or one.due_ms < self._least_due_ms:
            self._least_due_ms = one.due_ms

    def close(self, key: bytes) -> None:
        """It ended, however it did."""
        self._open.pop(key, None)
        self._closed.pop(key, None)
        self._closed[key] = None
        if len(self._closed) > self._closed_max:
            del self._closed[next(iter(self._closed))]

    def due(self, now_ms: int) -> list[tuple[bytes, Reason]]:
        """Those that are to be abandoned now. Each is due until it is closed."""
        if self._least_due_ms is None or now_ms < self._least_due_ms:
            return []
        self._least_due_ms = min((one.due_ms for one in self._open.values()), default=None)
        return [(key, one.reason) for key, one in self._open.items() if one.due_ms <= now_ms]

    def first_offset(self) -> int | None:
        """Of the oldest session that is open."""
        return next((one.first_offset for one in self._open.values()), None)


class _Closing(NamedTuple):
    """What a record of the metrics says: which session closed, by which event. ``offset`` is the record's own."""

    offset: int
    key: bytes
    last_offset: int


class _Place:
    """How far a partition was read, ``next`` of the events and ``told`` of the metrics, and what both amount to."""

    def __init__(self, sessions: OpenSessions, begin: int, told: int) -> None:
        self.sessions, self.next, self.told = sessions, begin, told
        self._below = begin  # the metrics that were read are of sessions that closed below this offset
        self._marks = deque([(begin, told)])

    def hear(self, closing: _Closing) -> None:
        """A session closed."""
        self.sessions.close(closing.key)
        self.told = closing.offset + 1
        self._below = max(self._below, closing.last_offset + 1)

    def mark(self) -> None:
        """Remember how far the two readings go together."""
        if self._marks[-1][1] < self.told:
            self._marks.append((self._below, self.told))
        if len(self._marks) > _MARKS_MAX:  # an older one is as good, but for the way back
            self._marks = deque(list(self._marks)[::2])

    def safe(self) -> tuple[int, int]:
        """Where to read on after a restart, events and metrics: all that is open comes again, and the close of whatever else does."""
        first = self.sessions.first_offset()
        begin = self.next if first is None else first
        while len(self._marks) > 1 and self._marks[1][0] <= begin:
            self._marks.popleft()
        return begin, self._marks[0][1]


class Closer:
    """Writes ``session.abandoned`` where it is due. One a log is enough; of two, the first word counts."""

    def __init__(
        self, log: Log, codec: Codec, door: EventLogger, *, limits: Limits, scored_by: str | None
    ) -> None:
        """``scored_by`` is the group of the worker: what it has not scored is not judged, for it says which sessions closed. None: all is."""
        self._log, self._codec, self._door = log, codec, door
        self._limits, self._scored_by = limits, scored_by
        self._places: dict[int, _Place] = {}
        self._committed: dict[str, dict[int, int]] = {EVENTS.name: {}, SESSION_METRICS.name: {}}
        # How a record begins that says no more than that its session goes on.
        self._plain = {
            b"\xc3\x01" + schema.fingerprint
            for schema in Registry.load().schemas
            if schema.folder == "games" and schema.kind not in _TELLING
        }

    @property
    def open_sessions(self) -> int:
        """How many it waits for."""
        return sum(len(place.sessions) for place in self._places.values())

    def sweep(self, now_ms: int) -> list[Abandonment]:
        """Read what is new and abandon what is due. Raises LogUnavailable, OffsetsLost; the next sweep goes on from there."""
        # In this order: whatever closed in what was scored was told before the metrics' end.
        scored = None if self._scored_by is None else self._log.committed(self._scored_by, EVENTS.name)
        told = self._log.end_offsets(SESSION_METRICS.name)
        ends = self._log.end_offsets(EVENTS.name)
        if any(number not in self._places or self._places[number].next > end for number, end in ends.items()):
            self._begin(ends, told, now_ms)
        abandoned: list[Abandonment] = []
        for number, place in self._places.items():
            to = ends[number] if scored is None else min(ends[number], scored.get(number, 0))
            self._read(number, place, to=to, told_to=told[number], now_ms=now_ms)
            # Where records wait for the worker, it is as late as in what it scored: the rest may hold the end of a session.
            late_ms = now_ms if to >= ends[number] else min(now_ms, place.sessions.newest_ms)
            for key, reason in place.sessions.due(late_ms):
                self._door.close_session(key.decode(), reason)
                place.sessions.close(key)
                abandoned.append(Abandonment(key.decode(), reason))
        self._commit()
        return abandoned

    def _begin(self, ends: Mapping[int, int], told: Mapping[int, int], now_ms: int) -> None:
        """From what was committed; from the beginning where the log ends before it, as one that was restored from an older copy does."""
        self._places = {}
        firsts, first_told = (
            self._log.first_offsets(EVENTS.name),
            self._log.first_offsets(SESSION_METRICS.name),
        )
        begins, hears = self._kept(EVENTS.name, ends), self._kept(SESSION_METRICS.name, told)
        for number, first in firsts.items():
            begin, hear = max(first, begins.get(number, 0)), first_told[number]
            if number in begins:
                hear = max(hear, hears.get(number, 0))
            place = _Place(OpenSessions(self._limits), begin, hear)
            start = max(first, begin - _TIMED_BEFORE)
            for record in self._log.read(EVENTS.name, number, start, begin) if start < begin else ():
                if record.intact:
                    place.sessions.log_time(record.time_ms, now_ms)
            self._places[number] = place

    def _kept(self, topic: str, ends: Mapping[int, int]) -> dict[int, int]:
        """What was committed and is in the log."""
        committed = self._committed[topic] = self._log.committed(GROUP, topic)
        return {number: offset for number, offset in committed.items() if offset <= ends[number]}

    def _read(self, number: int, place: _Place, *, to: int, told_to: int, now_ms: int) -> None:
        """The new events, and beside them which sessions closed: no more are held than are open, however much there is."""
        closings = self._closings(number, place.told, told_to)
        waiting = next(closings, None)
        is_all = False
        while not is_all:
            stop = min(to, place.next + _CHUNK_RECORDS)
            if place.next < stop:
                for record in self._log.read(EVENTS.name, number, place.next, stop):
                    self._take(place.sessions, record, now_ms)
                    place.next = record.offset + 1
                place.next = stop
            is_all = place.next >= to
            while waiting is not None and (is_all or waiting.last_offset < place.next):
                place.hear(waiting)
                waiting = next(closings, None)
            if is_all:
                place.told = told_to
            place.mark()

    def _closings(self, number: int, start: int, end: int) -> Iterator[_Closing]:
        """The sessions that closed, as the metrics tell."""
        if start >= end:
            return
        for record in self._log.read(SESSION_METRICS.name, number, start, end):
            if not record.intact:
                continue
            try:
                told = self._codec.decode_record(record.value)
            except Unreadable:
                continue
            if isinstance(told, SessionMetrics) and told.session_id.encode() == record.key:
                yield _Closing(record.offset, record.key, told.last_offset)

    def _take(self, sessions: OpenSessions, record: Record, now_ms: int) -> None:
        """One event of the log. What cannot be read, or is of no session, counts for nothing here either."""
        if not record.intact:
            return
        time_ms = sessions.log_time(record.time_ms, now_ms)
        key = record.key
        if sessions.is_closed(key) or (sessions.is_open(key) and record.value[:10] in self._plain):
            return
        event = self._event(record)
        if event is None:
            return
        if isinstance(event.payload, Abandoned | Withdrawn):
            sessions.close(key)
        else:
            is_terminal = isinstance(event.payload, Completed | Aborted)
            sessions.go_on(key, record.offset, time_ms, is_terminal=is_terminal)

    def _event(self, record: Record) -> Event | None:
        """The event, where the fold would take it up."""
        if (session_id := session_id_of(record.key, record.partition)) is None:
            return None
        try:
            event = self._codec.decode(record.value)
        except Unreadable:
            return None
        return event if event.session_id == session_id else None

    def _commit(self) -> None:
        """The events first: metrics that are read twice do no harm."""
        safe = {number: place.safe() for number, place in self._places.items()}
        for which, topic in enumerate((EVENTS.name, SESSION_METRICS.name)):
            committed = self._committed[topic]
            moved = {
                number: positions[which]
                for number, positions in safe.items()
                if committed.get(number, 0) != positions[which]
            }
            if moved:
                self._log.commit(GROUP, topic, moved)
                committed.update(moved)
