"""The projector: reads the log, makes rows, writes them into the store, and only then commits how far it came.

A crash between the write and the commit makes it write again, which changes nothing (``projections/store.py``). So the store
always equals the log up to the committed offsets, and a store that is away costs time and nothing else. What cannot be
read is counted and passed by: the worker has put it into the dead letters, and one bad record must not stop the view.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from projections.rows import Row, dead_letter_row, event_row, metric_rows, profile_rows
from projections.store import Store, StoreUnavailable
from science.event import Event
from streams.codec import Unreadable
from streams.log import Log, LogUnavailable, Record
from streams.records import DeadLetter, LiveWindows, SessionMetrics, TraitProfile
from streams.topics import DEAD_LETTERS, EVENTS, SESSION_METRICS, TRAIT_PROFILES
from telemetry.clock import Clock, SystemClock
from telemetry.health import Health
from telemetry.metrics import (
    PROJECTION_FLUSH_DURATION,
    PROJECTION_LAST_OFFSET,
    PROJECTION_RECORDS,
    PROJECTION_ROWS,
    Metrics,
)

GROUP = "kymograph-projector"
ROWS_MAX = 10_000  # 0.04 s an insert, 270,000 rows a second: larger batches were not faster (chDB 26.9)
BYTES_MAX = 32 * 1_048_576  # a dead letter may hold 1 MiB, so rows alone do not bound the memory
RETRY_S_MAX = 30.0

_log = logging.getLogger(__name__)


class Reader(Protocol):
    """What the projector needs of a codec; ``streams.codec.Codec`` satisfies it."""

    def decode(self, value: bytes) -> Event:
        """The event. Raises Unreadable."""

    def decode_record(self, value: bytes) -> SessionMetrics | TraitProfile | LiveWindows | DeadLetter:
        """The house's own record. Raises Unreadable."""


class Projected(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the records of one topic: ``records == projected + unreadable + damaged``, exactly."""

    records: int = 0
    projected: int = 0
    unreadable: int = 0
    damaged: int = 0
    rows: int = 0

    def outcomes(self) -> dict[str, int]:
        """What became of the records, by name."""
        return {"projected": self.projected, "unreadable": self.unreadable, "damaged": self.damaged}

    def __add__(self, other: "Projected") -> "Projected":
        ours, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Projected(
            **dict(zip(self.__struct_fields__, map(sum, zip(ours, theirs, strict=True)), strict=True))
        )


class Projector:
    """One reader of the log, for one store. ``trouble`` says why it is waiting, or is None."""

    def __init__(
        self,
        log: Log,
        store: Store,
        codec: Reader,
        *,
        group: str = GROUP,
        rows_max: int = ROWS_MAX,
        metrics: Metrics | None = None,
        health: Health | None = None,
        clock: Clock | None = None,
    ) -> None:
        """The group's committed offsets in the log are the projector's only memory. It tells ``metrics`` and ``health`` how it gets on."""
        self._log = log
        self._store = store
        self._codec = codec
        self._group = group
        self._rows_max = rows_max
        self._metrics = metrics if metrics is not None else Metrics()
        self._clock = clock if clock is not None else SystemClock()
        self._health = health if health is not None else Health(self._clock)
        self._makers: dict[str, Callable[[Record], Sequence[Row]]] = {
            EVENTS.name: self._event_rows,
            SESSION_METRICS.name: self._record_rows,
            TRAIT_PROFILES.name: self._record_rows,
            DEAD_LETTERS.name: self._record_rows,
        }
        for topic in self._makers:  # from 0 on, or an alarm would not see the first damaged one
            self._metrics.add_each(PROJECTION_RECORDS, Projected().outcomes(), topic=topic)
        self._places: set[tuple[str, int]] = set()  # no group deals them out: it reads them all
        self.trouble: str | None = None

    def catch_up(self) -> dict[str, Projected]:
        """Project everything up to where the topics end now, and count it by topic.

        Raises StoreUnavailable, LogUnavailable, OffsetsLost; what was not committed comes again at the next call.
        """
        return {topic: self._catch_up_topic(topic, make) for topic, make in self._makers.items()}

    def run(self, stop: threading.Event, poll_s: float = 1.0) -> None:
        """Follow the log until ``stop`` is set. While the log or the store is away, wait and try again."""
        wait_s = poll_s
        while not stop.is_set():
            self._health.beat()
            try:
                self.catch_up()
            except (StoreUnavailable, LogUnavailable) as reason:
                wait_s = min(2 * wait_s, max(RETRY_S_MAX, poll_s))
                if self.trouble is None:
                    _log.warning("the projector waits: %s", reason)
                self.trouble = str(reason)
            else:
                wait_s = poll_s
                self.trouble = None
            stop.wait(wait_s)

    def _catch_up_topic(self, topic: str, make: Callable[[Record], Sequence[Row]]) -> Projected:
        ends = self._log.end_offsets(topic)
        committed = self._log.committed(self._group, topic)
        starts = {partition: committed.get(partition, 0) for partition in ends}
        total = Projected()
        self._note(topic, starts, ends)
        while any(starts[partition] < ends[partition] for partition in ends):
            rows, reached, counted = self._gather(topic, make, starts=starts, ends=ends)
            if rows:
                self._write(rows, source=_source(topic, starts, reached))
            self._log.commit(self._group, topic, reached)  # only after the write: see the module's head
            self._tell(topic, counted, reached)
            starts.update(reached)
            self._note(topic, starts, ends)
            total += counted
        return total

    def _write(self, rows: Sequence[Row], *, source: str) -> None:
        began_s = self._clock.monotonic_s()
        self._store.write(rows, source=source)
        self._metrics.observe(PROJECTION_FLUSH_DURATION, self._clock.monotonic_s() - began_s)
        self._metrics.add_each(PROJECTION_ROWS, Counter(row.TABLE for row in rows))

    def _tell(self, topic: str, counted: Projected, reached: Mapping[int, int]) -> None:
        self._metrics.add_each(PROJECTION_RECORDS, counted.outcomes(), topic=topic)
        for partition, offset in reached.items():
            self._metrics.set(PROJECTION_LAST_OFFSET, offset, topic=topic, partition=partition)

    def _note(self, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]) -> None:
        """The log answered, and this far the topic is projected."""
        positions = {(topic, partition): start for partition, start in starts.items()}
        self._places |= positions.keys()
        self._health.beat()
        self._health.note_contact()
        self._health.note_assigned(self._places)
        self._health.note_recovered()  # there is nothing to recover: the store has it
        self._health.note_position(positions, {(topic, partition): end for partition, end in ends.items()})

    def _gather(
        self,
        topic: str,
        make: Callable[[Record], Sequence[Row]],
        *,
        starts: dict[int, int],
        ends: dict[int, int],
    ) -> tuple[list[Row], dict[int, int], Projected]:
        """Rows for one write, from as many partitions as it takes, and the next offset of each partition that was read."""
        rows: list[Row] = []
        reached: dict[int, int] = {}
        records, unreadable, damaged, size = 0, 0, 0, 0
        for partition in sorted(ends):
            room = self._rows_max - len(rows)
            if room <= 0 or size >= BYTES_MAX:
                break
            start = starts[partition]
            end = min(ends[partition], start + room)
            if start >= end:
                continue
            reached[partition] = end
            for record in self._log.read(topic, partition, start, end):
                records += 1
                size += len(record.value)
                if not record.intact:
                    damaged += 1
                else:
                    try:
                        rows.extend(make(record))
                    except (Unreadable, msgspec.DecodeError):
                        unreadable += 1
                if len(rows) >= self._rows_max or size >= BYTES_MAX:
                    reached[partition] = record.offset + 1
                    break
        counted = Projected(
            records=records,
            projected=records - unreadable - damaged,
            unreadable=unreadable,
            damaged=damaged,
            rows=len(rows),
        )
        return rows, reached, counted

    def _event_rows(self, record: Record) -> Sequence[Row]:
        event = self._codec.decode(record.value)
        return (event_row(event, partition=record.partition, offset=record.offset),)

    def _record_rows(self, record: Record) -> Sequence[Row]:
        match self._codec.decode_record(record.value):
            case SessionMetrics() as metrics:
                return metric_rows(metrics)
            case TraitProfile() as profile:
                return profile_rows(profile)
            case DeadLetter() as letter:
                return (dead_letter_row(letter, partition=record.partition, offset=record.offset),)
            case LiveWindows():
                return ()  # no table holds them yet, and none of the topics that are read


def _source(topic: str, starts: dict[int, int], reached: dict[int, int]) -> str:
    return topic + ":" + ",".join(f"{part}:{starts[part]}-{end - 1}" for part, end in sorted(reached.items()))
