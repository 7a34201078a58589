"""What the house itself writes beside events: one value a record schema, field by field (``schemas/avro/records``)."""

import msgspec


class SessionMetrics(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a closed session measured, and from which part of the log.

    ``measures`` is canonical JSON; ``records_digest`` is over the raw record bytes as logged.
    """

    session_id: str
    measures: bytes
    records_digest: str
    partition: int
    first_offset: int
    last_offset: int
    engine_version: str


class TraitProfile(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The canonical profile bytes, and beside them the envelope: where in the log, by which engine."""

    session_id: str
    mapping: str
    profile: bytes
    profile_digest: str
    records_digest: str
    partition: int
    last_offset: int
    engine_version: str


class LiveWindows(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Windows of a partition's sessions (``science/windows.py``) that changed, as they are at ``last_offset``: canonical JSON, rows of
    session_id, width_us, index and the window's own fields.
    """

    partition: int
    last_offset: int
    windows: bytes
    engine_version: str


class DeadLetter(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A message that could not be taken, whole, with what is wrong and what to do."""

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


RECORDS: dict[str, type[SessionMetrics | TraitProfile | LiveWindows | DeadLetter]] = {
    "session_metrics": SessionMetrics,
    "trait_profile": TraitProfile,
    "live_windows": LiveWindows,
    "dead_letter": DeadLetter,
}
