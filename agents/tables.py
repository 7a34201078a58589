"""What a worker remembers of a session: its set of events, and how far the log was applied to it. Bytes in a table.

The bytes are a cache format, free to change: the log is the truth. They are columns, so that a session of the default protocol
stays small: digests side by side, sequence numbers and times as differences, each kind once, and what is not random compressed.
"""

import zlib
from hashlib import sha256

import msgspec

from science.event import Payload, Response
from science.kinds import KINDS
from science.session import DIGEST_BYTES, Entry, Session
from streams.log import Record

# Raised with every change of what ``freeze`` writes: rows of another format are left behind, and made again from the log.
ROW_FORMAT = 1

_KIND = {payload_type: kind for kind, payload_type in KINDS.items()}


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
    digests: bytes
    columns: bytes  # _Columns, compressed


class _Columns(msgspec.Struct, array_like=True):
    kinds: list[tuple[str, bytes]]  # kind and schema, each pair once
    seq_steps: list[int]
    kind_of: list[int]  # -1: a conflict, which has nothing in the columns below
    t_steps: list[int]  # since the event before, less a response's own latency: often 0
    fields: list[list[object]]


_CRC_BYTES = 4
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Frozen)
_COLUMNS_DECODER = msgspec.msgpack.Decoder(_Columns)


def freeze(row: SessionRow) -> bytes:
    """The row as bytes."""
    session = row.session
    columns = _Columns([], [], [], [], [])
    digests: list[bytes] = []
    kind_index: dict[tuple[str, bytes], int] = {}
    seq_before = t_before = 0
    for seq in sorted(session.entries):
        entry = session.entries[seq]
        columns.seq_steps.append(seq - seq_before)
        seq_before = seq
        if entry is None:
            columns.kind_of.append(-1)
            continue
        kind = (_KIND[type(entry.payload)], entry.schema_sha256)
        columns.kind_of.append(kind_index.setdefault(kind, len(kind_index)))
        columns.t_steps.append(entry.t_us - t_before - _latency_us(entry.payload))
        t_before = entry.t_us
        digests.append(entry.digest)
        columns.fields.append(_fields(entry.payload))
    columns.kinds = list(kind_index)
    frozen = _Frozen(
        session_id=session.session_id,
        closed=session.closed,
        last_seq=session.last_seq,
        withdrawn=session.withdrawn,
        first_offset=row.first_offset,
        last_offset=row.last_offset,
        closed_offset=row.closed_offset,
        records=row.records,
        digests=b"".join(digests),
        columns=zlib.compress(_ENCODER.encode(columns), 1),
    )
    data = _ENCODER.encode(frozen)
    return zlib.crc32(data).to_bytes(_CRC_BYTES, "big") + data


def thaw(data: bytes) -> SessionRow:
    """The row of these bytes. Raises ValueError when they are not as they were frozen."""
    if zlib.crc32(data[_CRC_BYTES:]) != int.from_bytes(data[:_CRC_BYTES], "big"):
        raise ValueError("the row's bytes changed after they were kept")
    frozen = _DECODER.decode(data[_CRC_BYTES:])
    columns = _COLUMNS_DECODER.decode(zlib.decompress(frozen.columns))
    session = Session(frozen.session_id)
    session.closed, session.last_seq, session.withdrawn = frozen.closed, frozen.last_seq, frozen.withdrawn
    kinds_here = [(KINDS[kind], schema_sha256) for kind, schema_sha256 in columns.kinds]
    events = zip(columns.t_steps, columns.fields, strict=True)
    seq = t_us = start = 0
    for step, kind in zip(columns.seq_steps, columns.kind_of, strict=True):
        seq += step
        if kind < 0:
            session.entries[seq] = None
            continue
        payload_type, schema_sha256 = kinds_here[kind]
        t_step, fields = next(events)
        t_us, payload = _payload(payload_type, t_us + t_step, fields)
        digest = frozen.digests[start : start + DIGEST_BYTES]
        start += DIGEST_BYTES
        session.entries[seq] = Entry(digest, schema_sha256, t_us, payload)
    session.resume()
    row = SessionRow(session, frozen.first_offset)
    row.last_offset, row.closed_offset, row.records = frozen.last_offset, frozen.closed_offset, frozen.records
    return row


def _latency_us(payload: Payload) -> int:
    return payload.latency_us if isinstance(payload, Response) else 0


def _fields(payload: Payload) -> list[object]:
    """The values in the struct's order; a response's onset is left out, for it follows from the other two times."""
    values = msgspec.structs.asdict(payload)
    if isinstance(payload, Response):
        del values["onset_t_us"]
    return list(values.values())


def _payload(payload_type: type[Payload], since_us: int, fields: list[object]) -> tuple[int, Payload]:
    """The time of an event and the event; ``since_us`` is its time without a response's latency."""
    names = payload_type.__struct_fields__
    if not issubclass(payload_type, Response):
        return since_us, payload_type(**dict(zip(names, fields, strict=True)))
    values = dict(zip([name for name in names if name != "onset_t_us"], fields, strict=True))
    latency_us = values["latency_us"]
    assert isinstance(latency_us, int)
    # ``Response.contradiction`` held when it was decoded, so onset = t - latency.
    return since_us + latency_us, payload_type(onset_t_us=since_us, **values)  # type: ignore[arg-type]
