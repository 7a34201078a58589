"""What stands in the tables, as values: one frozen Struct a table, and the pure functions that make them from the log.

A Struct's fields are the table's columns, in order, without those that the table fills in itself (``version``,
``ingested_at``, the floats for people). Rows that are read back equal the rows that were written, so a verifier compares
whole rows. Numbers are integers in micro-units (a millionth); times are integers in milliseconds since 1970.
"""

from typing import ClassVar

import msgspec

from science.canonical import canonical
from science.event import Event
from streams.records import DeadLetter, SessionMetrics, TraitProfile

# The metric of the row that stands for the session itself. It sorts before every metric.
SESSION = ""

# What the house writes into a session's stream has no seq. Each kind gets a place of its own below 0, so that an erasure
# does not vanish behind an abandonment; of one kind the first in the log counts.
_HOUSE_SEQ = {"session.abandoned": -1, "session.withdrawn": -2}


class EventRow(msgspec.Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """One accepted event with its place in the log."""

    TABLE: ClassVar[str] = "events"
    KEY: ClassVar[tuple[str, ...]] = ("session_id", "seq")

    session_id: str
    seq: int
    kind: str
    game: str
    event_id: str
    event_digest: str
    schema_sha256: str
    t_us: int | None
    device_time: int | None
    sent_time: int
    received_time: int
    payload: bytes
    partition: int
    offset: int


class SessionMetricRow(msgspec.Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """One metric of a session; the row whose metric is ``SESSION`` holds the canonical measures, the others hold none."""

    TABLE: ClassVar[str] = "session_metrics"
    KEY: ClassVar[tuple[str, ...]] = ("session_id", "metric")

    session_id: str
    metric: str
    value_micro: int | None
    n: int
    se_micro: int | None
    unit: str
    reason: str | None
    measures: bytes
    events_digest: str
    definitions: str
    records_digest: str
    partition: int
    first_offset: int
    last_offset: int
    engine_version: str


class TraitProfileRow(msgspec.Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """One trait of a session under one mapping, with the whole canonical profile it was taken from."""

    TABLE: ClassVar[str] = "trait_profiles"
    KEY: ClassVar[tuple[str, ...]] = ("session_id", "trait", "mapping")

    session_id: str
    trait: str
    mapping: str
    status: str
    score_micro: int | None
    ci_low_micro: int | None
    ci_high_micro: int | None
    t_micro: int | None
    reliability_micro: int | None
    quality_micro: int | None
    completeness_micro: int | None
    provisional: bool
    reasons: tuple[str, ...]
    profile: bytes
    profile_digest: str
    records_digest: str
    mapping_hash: str
    partition: int
    last_offset: int
    engine_version: str


class DeadLetterRow(msgspec.Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """One record that could not be taken, whole; ``partition`` and ``offset`` say where the dead letter itself lies."""

    TABLE: ClassVar[str] = "dead_letters"
    KEY: ClassVar[tuple[str, ...]] = ("source_topic", "source_partition", "source_offset")

    source_topic: str
    source_partition: int
    source_offset: int
    key: bytes
    value: bytes
    code: str
    pointer: str
    message: str
    suggestion: str
    stage: str
    engine_version: str
    partition: int
    offset: int


class ReliabilityRow(msgspec.Struct, frozen=True, gc=False, kw_only=True, array_like=True):
    """How reliable one metric of a norm set is among the people of the log (``science/reliability.py``), beside what is published.

    ``sessions == first_sessions + second_sessions + sum of left_out``; ``position`` says how much of the log was looked at.
    """

    TABLE: ClassVar[str] = "reliability"
    KEY: ClassVar[tuple[str, ...]] = ("norm_set", "metric", "permutations")

    norm_set: str
    metric: str
    permutations: int
    game: str
    people: int
    units: int
    split_half_micro: int | None
    split_half_low_micro: int | None
    split_half_high_micro: int | None
    split_half_reason: str | None
    pairs: int
    retest_micro: int | None
    retest_reason: str | None
    published_micro: int
    published_units: int
    published_retest_micro: int | None
    sessions: int
    first_sessions: int
    second_sessions: int
    left_out: dict[str, int]
    input_digest: str
    position: int
    engine_version: str


Row = EventRow | SessionMetricRow | TraitProfileRow | DeadLetterRow | ReliabilityRow
ROWS: tuple[type[Row], ...] = (EventRow, SessionMetricRow, TraitProfileRow, DeadLetterRow, ReliabilityRow)


class _Measure(msgspec.Struct, frozen=True):
    value: int | None = None
    n: int = 0
    se: int | None = None
    unit: str = ""
    reason: str | None = None


class _Measures(msgspec.Struct, frozen=True):
    events_digest: str
    definitions: str
    metrics: dict[str, _Measure]


class _Reason(msgspec.Struct, frozen=True):
    code: str


class _Trait(msgspec.Struct, frozen=True):
    status: str
    score: int | None = None
    ci: tuple[int, int] | None = None
    t: int | None = None
    reliability: int | None = None
    quality: int | None = None
    completeness: int | None = None
    reasons: tuple[_Reason, ...] = ()
    provisional: bool = False


class _Mapping(msgspec.Struct, frozen=True):
    hash: str


class _Profile(msgspec.Struct, frozen=True):
    mapping: _Mapping
    traits: dict[str, _Trait]


_MEASURES = msgspec.json.Decoder(_Measures)
_PROFILE = msgspec.json.Decoder(_Profile)


def event_row(event: Event, *, partition: int, offset: int) -> EventRow:
    """The row of an event that lies at ``partition`` and ``offset`` of the log."""
    return EventRow(
        session_id=event.session_id,
        seq=_HOUSE_SEQ.get(event.kind, -1) if event.seq is None else event.seq,
        kind=event.kind,
        game=event.kind.partition(".")[0],
        event_id=event.event_id,
        event_digest=event.digest.hex(),
        schema_sha256=event.schema_sha256.hex(),
        t_us=event.t_us,
        device_time=event.device_time_ms,
        sent_time=event.sent_time_ms,
        received_time=event.received_time_ms,
        payload=canonical(event.payload),
        partition=partition,
        offset=offset,
    )


def metric_rows(record: SessionMetrics) -> tuple[SessionMetricRow, ...]:
    """The session's own row, which is there even where nothing was measured, and a row a metric. Raises DecodeError."""
    measured = _MEASURES.decode(record.measures)

    def row(metric: str, measure: _Measure, measures: bytes) -> SessionMetricRow:
        return SessionMetricRow(
            session_id=record.session_id,
            metric=metric,
            value_micro=measure.value,
            n=measure.n,
            se_micro=measure.se,
            unit=measure.unit,
            reason=measure.reason,
            measures=measures,
            events_digest=measured.events_digest,
            definitions=measured.definitions,
            records_digest=record.records_digest,
            partition=record.partition,
            first_offset=record.first_offset,
            last_offset=record.last_offset,
            engine_version=record.engine_version,
        )

    session = row(SESSION, _Measure(n=len(measured.metrics)), record.measures)
    return (session, *(row(metric, measure, b"") for metric, measure in sorted(measured.metrics.items())))


def profile_rows(record: TraitProfile) -> tuple[TraitProfileRow, ...]:
    """A row a trait, in the order of their names. Raises DecodeError."""
    inferred = _PROFILE.decode(record.profile)

    def row(name: str, trait: _Trait) -> TraitProfileRow:
        low, high = trait.ci if trait.ci is not None else (None, None)
        return TraitProfileRow(
            session_id=record.session_id,
            trait=name,
            mapping=record.mapping,
            status=trait.status,
            score_micro=trait.score,
            ci_low_micro=low,
            ci_high_micro=high,
            t_micro=trait.t,
            reliability_micro=trait.reliability,
            quality_micro=trait.quality,
            completeness_micro=trait.completeness,
            provisional=trait.provisional,
            reasons=tuple(reason.code for reason in trait.reasons),
            profile=record.profile,
            profile_digest=record.profile_digest,
            records_digest=record.records_digest,
            mapping_hash=inferred.mapping.hash,
            partition=record.partition,
            last_offset=record.last_offset,
            engine_version=record.engine_version,
        )

    return tuple(row(name, trait) for name, trait in sorted(inferred.traits.items()))


def dead_letter_row(letter: DeadLetter, *, partition: int, offset: int) -> DeadLetterRow:
    """The row of a dead letter that lies at ``partition`` and ``offset`` of the dead letters."""
    return DeadLetterRow(**msgspec.structs.asdict(letter), partition=partition, offset=offset)
