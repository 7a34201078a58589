"""What a worker remembers of a session: its set of events, and how far the log was applied to it. Bytes in a table.

The bytes are a cache format, free to change: the log is the truth. They are columns, so that a session of the default protocol
stays small: digests side by side, sequence numbers and times as differences, each schema and kind once.
"""

from hashlib import sha256

import msgspec

from science.event import Payload, Response
from science.session import DIGEST_BYTES, Entry, Session
from streams.codec import kinds
from streams.log import Record

_TYPES = kinds()
_KIND = {payload_type: kind for kind, payload_type in _TYPES.items()}


class SessionRow:
    """A session and its place in the log.

    ``records`` is the digest over the raw record bytes as logged, in log order, up to the closing one; ``last_offset`` is the
    last record applied, so a redelivery changes nothing.
    """

    __slots__ = ("closed_offset", "first_offset", "last_offset", "records", "session")

    def __init__(self, session: Session, first_offset: int) -> None:
        """A session whose first record lies at ``first_offset``."""
        self.session = session
        self.first_offset = first_offset
        self.last_offset = -1
        self.closed_offset: int | None = None
        self.records = bytes(32)

    def apply(self, record: Record) -> None:
        """Note that this record is part of the session's history."""
        if self.closed_offset is None:
            self.records = sha256(self.records + record.value).digest()
        self.last_offset = record.offset


class _Frozen(msgspec.Struct, array_like=True):
    session_id: str
    closed: str | None
    last_seq: int | None
    withdrawn: bool
    first_offset: int
    last_offset: int
    closed_offset: int | None
    records: bytes
    schemas: list[bytes]
    kinds: list[str]
    seq_steps: list[int]
    schema_of: list[int]  # -1: a conflict, which has nothing in the columns below
    kind_of: list[int]
    t_steps: list[int]
    digests: bytes
    fields: list[list[object]]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Frozen)


def freeze(row: SessionRow) -> bytes:
    """The row as bytes."""
    session = row.session
    frozen = _Frozen(
        session.session_id,
        session.closed,
        session.last_seq,
        session.withdrawn,
        row.first_offset,
        row.last_offset,
        row.closed_offset,
        row.records,
        *([], [], [], [], [], []),
        digests=b"",
        fields=[],
    )
    digests: list[bytes] = []
    schema_index: dict[bytes, int] = {}
    kind_index: dict[str, int] = {}
    seq_before = t_before = 0
    for seq in sorted(session.entries):
        entry = session.entries[seq]
        frozen.seq_steps.append(seq - seq_before)
        seq_before = seq
        if entry is None:
            frozen.schema_of.append(-1)
            continue
        frozen.schema_of.append(schema_index.setdefault(entry.schema_sha256, len(schema_index)))
        frozen.kind_of.append(kind_index.setdefault(_KIND[type(entry.payload)], len(kind_index)))
        frozen.t_steps.append(entry.t_us - t_before)
        t_before = entry.t_us
        digests.append(entry.digest)
        frozen.fields.append(_fields(entry.payload))
    frozen.schemas, frozen.kinds, frozen.digests = list(schema_index), list(kind_index), b"".join(digests)
    return _ENCODER.encode(frozen)


def thaw(data: bytes) -> SessionRow:
    """The row of these bytes."""
    frozen = _DECODER.decode(data)
    session = Session(frozen.session_id)
    session.closed, session.last_seq, session.withdrawn = frozen.closed, frozen.last_seq, frozen.withdrawn
    types = [_TYPES[kind] for kind in frozen.kinds]
    columns = zip(frozen.kind_of, frozen.t_steps, frozen.fields, strict=True)
    seq = t_us = start = 0
    for step, schema in zip(frozen.seq_steps, frozen.schema_of, strict=True):
        seq += step
        if schema < 0:
            session.entries[seq] = None
            continue
        kind, t_step, fields = next(columns)
        t_us += t_step
        digest = frozen.digests[start : start + DIGEST_BYTES]
        start += DIGEST_BYTES
        session.entries[seq] = Entry(
            digest, frozen.schemas[schema], t_us, _payload(types[kind], t_us, fields)
        )
    session.resume()
    row = SessionRow(session, frozen.first_offset)
    row.last_offset, row.closed_offset, row.records = frozen.last_offset, frozen.closed_offset, frozen.records
    return row


def _fields(payload: Payload) -> list[object]:
    """The values in the struct's order; a response's onset follows from the other two times."""
    values = msgspec.structs.asdict(payload)
    if isinstance(payload, Response):
        del values["onset_t_us"]
    return list(values.values())


def _payload(payload_type: type[Payload], t_us: int, fields: list[object]) -> Payload:
    names = payload_type.__struct_fields__
    if issubclass(payload_type, Response):
        values = dict(zip([name for name in names if name != "onset_t_us"], fields, strict=True))
        latency_us = values["latency_us"]
        assert isinstance(latency_us, int)
        return payload_type(onset_t_us=t_us - latency_us, **values)  # type: ignore[arg-type]  # as they were frozen
    return payload_type(**dict(zip(names, fields, strict=True)))
