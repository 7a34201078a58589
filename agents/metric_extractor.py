"""MetricExtractor: a record of the log and a session's row in, the next row out, and the metrics when the session closes."""

import re

import msgspec

from agents.letters import letter_of
from agents.tables import SessionRow
from science.canonical import canonical
from science.checks import Flaw
from science.event import Event
from science.measure import measure
from science.session import Outcome, Session
from streams.codec import Codec, Unreadable
from streams.log import Record
from streams.partitioner import partition_of
from streams.records import DeadLetter, SessionMetrics
from streams.topics import PARTITIONS
from telemetry.version import ENGINE_VERSION

_SESSION_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")  # as every schema of events has it
STAGE = "metric_extractor"


class Advance(msgspec.Struct, frozen=True):
    """What one record did. ``row`` is None when it belongs to no session; ``outcome`` None when it could not be read."""

    row: SessionRow | None
    outcome: Outcome | None
    letter: DeadLetter | None = None
    metrics: SessionMetrics | None = None


class MetricExtractor:
    """The fold over the log. Decides nothing that the science does not decide."""

    def __init__(self, codec: Codec) -> None:
        """With the codec of the log."""
        self._codec = codec

    def advance(self, row: SessionRow | None, record: Record) -> Advance:
        """Apply one record to the row of its key. A record applied before changes nothing and says again what it said."""
        session_id = session_id_of(record.key, record.partition)
        if session_id is None:
            message = "the record's key is no session id, or not one of this partition"
            flaw = Flaw(
                "key_mismatch", "", message, "key by session id, partitioned as Kafka's Java clients do"
            )
            return Advance(None, None, letter_of(record, flaw, STAGE))
        row = row if row is not None else SessionRow(Session(session_id), record.offset)
        was_applied = record.offset <= row.last_offset
        if not was_applied:
            row.apply(record)
        try:
            event = _of_session(session_id, self._codec.decode(_intact(record)))
        except Unreadable as error:
            return Advance(row, None, letter_of(record, error.flaw, STAGE))
        outcome: Outcome = "duplicate" if was_applied else row.session.step(event)
        if row.session.closed is not None and row.closed_offset is None:
            row.closed_offset = record.offset
        closes = row.closed_offset == record.offset and not row.session.withdrawn
        return Advance(row, outcome, metrics=metrics_of(row, record.partition) if closes else None)


def metrics_of(row: SessionRow, partition: int) -> SessionMetrics:
    """The metrics of a closed session, with the range of the log that they were made from."""
    assert row.closed_offset is not None
    return SessionMetrics(
        session_id=row.session.session_id,
        measures=canonical(measure(row.session)),
        records_digest=row.records.hex(),
        partition=partition,
        first_offset=row.first_offset,
        last_offset=row.closed_offset,
        engine_version=ENGINE_VERSION,
    )


def session_id_of(key: bytes, partition: int) -> str | None:
    """The session of a record's key; None where no session has such a key, or not in this partition."""
    if _SESSION_ID.fullmatch(key) is None or partition_of(key, PARTITIONS) != partition:
        return None
    return key.decode()


def _intact(record: Record) -> bytes:
    if not record.intact:
        message = "the record's bytes changed after they were appended"
        raise Unreadable(Flaw("record_corrupt", "", message, "restore the log from its archive"))
    return record.value


def _of_session(session_id: str, event: Event) -> Event:
    if event.session_id != session_id:
        message = f"an event of {event.session_id} under the key {session_id}"
        raise Unreadable(
            Flaw("key_mismatch", "/session_id", message, "use the event's session id as the key")
        )
    return event
