"""Events and records as bytes, strictly: what is decoded is canonical, within bounds, and encodes to the same bytes again.

The wire is Avro's single-object encoding, ``C3 01`` + CRC-64-AVRO (little-endian) + body; Confluent's frame, ``00`` + the
schema's number in the lock (4 bytes, big-endian) + body, is read too. Schemas come from the reviewed registry only, never
from the network. Whatever bytes come, the answer is a value or ``Unreadable``, which says what is wrong, where, and what to do.
"""

import hashlib
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, NoReturn

import msgspec
from fastavro import parse_schema, schemaless_reader, schemaless_writer

from science.checks import Flaw, Shape, flaw_between, shape_of, shown
from science.event import Event, Payload
from science.fields import Field
from science.kinds import KINDS
from streams.records import RECORDS, DeadLetter, LiveWindows, SessionMetrics, TraitProfile
from streams.schemas import Registry, Schema

EVENT_BYTES_MAX = 65_536
RECORD_BYTES_MAX = 2_097_152  # a dead letter holds a whole message, which the brokers cap at 1 MiB

_SINGLE_OBJECT = b"\xc3\x01"
_CONFLUENT = b"\x00"
# What fastavro raises on bytes that are no such record. Anything else is a surprise and is reported as one.
_MALFORMED = (EOFError, IndexError, KeyError, OverflowError, StopIteration, TypeError, ValueError)

HouseRecord = SessionMetrics | TraitProfile | LiveWindows | DeadLetter


class Unreadable(Exception):
    """The bytes or fields are not a valid record. ``flaw`` says why."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(f"{flaw.code} at {flaw.pointer or '/'}: {flaw.message}")
        self.flaw = flaw


class _Form(msgspec.Struct, frozen=True):
    """A schema made ready: what fastavro needs, and one check a field."""

    schema: Schema
    frame: bytes
    sha256: bytes
    wire: Any  # as fastavro's parse_schema gives it
    transport: Any
    shape: Shape
    value: Callable[..., Any]
    value_names: tuple[str, ...]

    @property
    def is_event(self) -> bool:
        return self.schema.folder == "games"


class Codec:
    """Encodes and decodes every kind of the registry. Immutable after construction, so threads may share it."""

    def __init__(self, registry: Registry | None = None) -> None:
        registry = registry if registry is not None else Registry.load()
        values: dict[str, type[Payload | HouseRecord]] = {**KINDS, **RECORDS}
        forms = {schema.number: _form(schema, values[schema.kind]) for schema in registry.schemas}
        self._by_number = forms
        self._by_fingerprint = {form.schema.fingerprint: form for form in forms.values()}
        self._newest = {
            kind: forms[schema.number]
            for folder in ("games", "records")
            for kind, schema in registry.newest(folder).items()
        }

        self._by_value = {RECORDS[kind]: form for kind, form in self._newest.items() if kind in RECORDS}

    def encode(self, kind: str, fields: Mapping[str, object]) -> bytes:
        """The bytes of one event in the newest version of its kind. A nullable field may be missing. Raises Unreadable."""
        form = self._newest.get(kind)
        if form is None or not form.is_event:
            known = ", ".join(sorted(name for name, form in self._newest.items() if form.is_event))
            _refuse("unknown_kind", "", f"there is no event kind {shown(kind)}", f"use one of: {known}")
        _accept(form.shape.flaw(fields))
        record = {name: fields.get(name) for name in form.shape.checks}
        _accept(flaw_between(_value(form, record), record))
        return _framed(form, record, EVENT_BYTES_MAX)

    def decode(self, value: bytes) -> Event:
        """The event of these bytes. Raises Unreadable, and nothing else, whatever the bytes."""
        try:
            form, record, payload, body = self._read_event(value)
            stream = BytesIO(body)
            schemaless_reader(stream, form.transport, None)
            return Event(
                session_id=record["session_id"],
                seq=record.get("seq"),
                t_us=record.get("t_us"),
                kind=form.schema.kind,
                payload=payload,
                digest=hashlib.sha256(form.sha256 + body[stream.tell() :]).digest(),
                schema_sha256=form.sha256,
                event_id=record["event_id"],
                device_time_ms=record.get("device_time_ms"),
                sent_time_ms=record["sent_time_ms"],
                received_time_ms=record["received_time_ms"],
            )
        except (Unreadable, MemoryError):
            raise
        except Exception as error:  # a decoder's surprise is a dead letter, not a crash
            raise _surprise(error) from error

    def fields(self, value: bytes) -> tuple[str, dict[str, object]]:
        """The kind and all fields of an event, as ``encode`` takes them, checked as strictly as ``decode`` checks."""
        try:
            form, record, _, _ = self._read_event(value)
        except (Unreadable, MemoryError):
            raise
        except Exception as error:
            raise _surprise(error) from error
        return form.schema.kind, record

    def encode_record(self, record: HouseRecord) -> bytes:
        """The bytes of what the house writes. Raises Unreadable if a field is out of its bounds."""
        form = self._by_value[type(record)]
        values = msgspec.structs.asdict(record)
        _accept(form.shape.flaw_of_values(values))
        return _framed(form, values, RECORD_BYTES_MAX)

    def decode_record(self, value: bytes) -> HouseRecord:
        """The record of these bytes. Raises Unreadable, and nothing else, whatever the bytes."""
        try:
            form, body = self._opened(value, RECORD_BYTES_MAX)
            if form.is_event:
                _refuse(
                    "unknown_kind", "", f"{form.schema.kind} is an event, not a record", "read it with decode"
                )
            record = _read(form, body)
            _accept(form.shape.flaw_of_values(record))
            _check_canonical(form, record, body)
        except (Unreadable, MemoryError):
            raise
        except Exception as error:
            raise _surprise(error) from error
        record_value: HouseRecord = _value(form, record)
        return record_value

    def _read_event(self, value: bytes) -> tuple[_Form, dict[str, Any], Payload, bytes]:
        form, body = self._opened(value, EVENT_BYTES_MAX)
        if not form.is_event:
            _refuse(
                "unknown_kind",
                "",
                f"{form.schema.kind} is a record, not an event",
                "read it with decode_record",
            )
        record = _read(form, body)
        _accept(form.shape.flaw_of_values(record))
        payload: Payload = _value(form, record)
        _accept(flaw_between(payload, record))
        _check_canonical(form, record, body)
        return form, record, payload, body

    def _opened(self, value: bytes, bytes_max: int) -> tuple[_Form, bytes]:
        """The form that the frame names, and the body."""
        # Measured as in our own frame, which is five bytes longer than Confluent's: both carry the same events.
        size = len(value) + 5 if value[:1] == _CONFLUENT else len(value)
        if size > bytes_max:
            _refuse("oversize", "", f"{size} bytes, at most {bytes_max} are allowed", "send smaller records")
        if value[:2] == _SINGLE_OBJECT and len(value) >= 10:
            form, name, body = (
                self._by_fingerprint.get(value[2:10]),
                f"CRC-64 {value[2:10].hex()}",
                value[10:],
            )
        elif value[:1] == _CONFLUENT and len(value) >= 5:
            number = int.from_bytes(value[1:5], "big")
            form, name, body = self._by_number.get(number), f"number {number}", value[5:]
        else:
            seen = value[:10].hex() or "nothing"
            _refuse(
                "malformed",
                "",
                f"the frame begins with {seen}, not with c301 or 00",
                "use Avro single-object encoding",
            )
        if form is None:
            _refuse(
                "unknown_schema",
                "",
                f"no published schema has {name}",
                "send with a schema of schemas/avro, or publish this one: kymograph schemas lock",
            )
        return form, body


def _form(schema: Schema, value: type[Payload | HouseRecord]) -> _Form:
    wire, transport = (
        parse_schema(_wire(schema, fields))
        for fields in (schema.fields, tuple(field for field in schema.fields if field.transport))
    )
    shape = shape_of(schema.kind, schema.fields)
    return _Form(
        schema=schema,
        frame=_SINGLE_OBJECT + schema.fingerprint,
        sha256=bytes.fromhex(schema.sha256),
        wire=wire,
        transport=transport,
        shape=shape,
        value=value,
        # An older version may lack fields of today's value; their defaults in the value stand in.
        value_names=tuple(name for name in value.__struct_fields__ if name in shape.checks),
    )


def _wire(schema: Schema, fields: tuple[Field, ...]) -> dict[str, Any]:
    """The schema without logical types: fastavro would build UUIDs and datetimes, in the host's zone, from what are bytes."""

    def avro_type(field: Field) -> object:
        inner: object = field.type
        if field.type == "enum":
            inner = {"type": "enum", "name": f"{field.name}_symbol", "symbols": list(field.symbols)}
        return ["null", inner] if field.nullable else inner

    listed = [{"name": field.name, "type": avro_type(field)} for field in fields]
    return {"type": "record", "name": schema.kind.replace(".", "_"), "fields": listed}


# ---- reading and writing, shared by events and records


def _read(form: _Form, body: bytes) -> dict[str, Any]:
    stream = BytesIO(body)
    try:
        record = schemaless_reader(stream, form.wire, None)
    except _MALFORMED as error:
        _refuse(
            "malformed",
            "",
            # What fastavro says besides holds addresses: the same bytes must always give the same letter.
            f"the body is no {form.schema.kind} v{form.schema.version}: {type(error).__name__}",
            "send the bytes as they were encoded, with the schema they were encoded with",
        )
    if stream.tell() != len(body):
        extra = len(body) - stream.tell()
        _refuse(
            "trailing_bytes",
            "",
            f"{extra} bytes follow the record",
            "send one record a message, without padding",
        )
    assert isinstance(record, dict), "the schema is a record's"
    return record


def _body(form: _Form, record: Mapping[str, object]) -> bytes:
    stream = BytesIO()
    schemaless_writer(stream, form.wire, record)
    return stream.getvalue()


def _framed(form: _Form, record: Mapping[str, object], bytes_max: int) -> bytes:
    framed = form.frame + _body(form, record)
    if len(framed) > bytes_max:
        _refuse("oversize", "", f"{len(framed)} bytes, at most {bytes_max} are allowed", "shorten the texts")
    return framed


def _accept(flaw: Flaw | None) -> None:
    if flaw is not None:
        raise Unreadable(flaw)


def _check_canonical(form: _Form, record: Mapping[str, object], body: bytes) -> None:
    """Two byte strings for one event would be two digests, so only the shortest form of each number counts."""
    if _body(form, record) != body:
        _refuse(
            "not_canonical",
            "",
            "the body is not the canonical encoding of its own fields",
            "encode numbers minimally",
        )


def _value(form: _Form, record: Mapping[str, object]) -> Any:
    """The struct of the form's kind: a Payload of an event, a HouseRecord of a record."""
    return form.value(**{name: record[name] for name in form.value_names})


def _refuse(code: str, pointer: str, message: str, suggestion: str) -> NoReturn:
    raise Unreadable(Flaw(code, pointer, message, suggestion))


def _surprise(error: Exception) -> Unreadable:
    message = f"{type(error).__name__}: {error}"
    return Unreadable(
        Flaw("decoder_unexpected", "", message[:1000], "report this with the bytes: it is our fault")
    )
