"""The codec: bytes in, a valid event or a reason out, and nothing else."""

import hashlib
import json
import random
from io import BytesIO

import avro.schema
import fastavro
import pytest
from fastavro.schema import to_parsing_canonical_form
from hypothesis import given, settings
from hypothesis import strategies as st

from science.fields import Field
from streams.codec import Unreadable
from streams.records import RECORDS
from tests.streams.examples import (
    CODEC,
    EXAMPLES,
    GAMES,
    KINDS,
    REGISTRY,
    agreeing,
    canonical,
    raw,
    records_of,
    refusal,
)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_every_event_returns_from_its_bytes(kind, data):
    """The log is the truth, so what goes in comes out, in every kind and at every size."""
    fields = agreeing(data.draw(records_of(GAMES[kind])))
    value = CODEC.encode(kind, fields)
    event = CODEC.decode(value)
    assert CODEC.fields(value) == (kind, fields)
    assert event.kind == kind
    assert event.schema_sha256.hex() == GAMES[kind].sha256
    for name, sent in fields.items():
        if name != "subject_cipher":
            assert getattr(event, name, None) == sent or getattr(event.payload, name) == sent
    assert raw(kind, fields) == value, "another Avro writer writes the same bytes"


@pytest.mark.parametrize("name", sorted(RECORDS))
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_every_record_returns_from_its_bytes(name, data):
    """What the house derives must be read again by the next agent."""
    record = RECORDS[name](**data.draw(records_of(REGISTRY.newest("records")[name])))
    assert CODEC.decode_record(CODEC.encode_record(record)) == record


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_is_an_event(kind):
    """The examples are what people copy first."""
    value = CODEC.encode(kind, EXAMPLES[kind])
    assert CODEC.fields(value) == (kind, EXAMPLES[kind])
    assert CODEC.decode(value).session_id == EXAMPLES[kind]["session_id"]


def test_bytes_that_are_no_event_say_what_they_are():
    """A dead letter is worth keeping only if its reader learns why it died."""
    value = CODEC.encode("balloon_risk.pumped", EXAMPLES["balloon_risk.pumped"])
    record = CODEC.encode_record(
        RECORDS["dead_letter"](
            **dict.fromkeys(("source_partition", "source_offset"), 0),
            **dict.fromkeys(("key", "value"), b""),
            **dict.fromkeys(
                ("source_topic", "code", "pointer", "message", "suggestion", "stage", "engine_version"), ""
            ),
        )
    )
    long_zero = value.replace(
        b"\x02\x02", b"\x02\x82\x00"
    )  # i = 1, k = 1 at the end: the 1 written in two bytes
    assert long_zero != value
    assert refusal(CODEC.decode, b"") == ("malformed", "")
    assert refusal(CODEC.decode, b"\xc3\x01abc") == ("malformed", "")
    assert refusal(CODEC.decode, b'{"event_type": "pump"}') == ("malformed", "")
    assert refusal(CODEC.decode, value[:-1]) == ("malformed", "")
    assert refusal(CODEC.decode, value[:10]) == ("malformed", "")
    assert refusal(CODEC.decode, value + b"\x00") == ("trailing_bytes", "")
    assert refusal(CODEC.decode, long_zero) == ("not_canonical", "")
    assert refusal(CODEC.decode, b"\xc3\x01" + bytes(8) + value[10:]) == ("unknown_schema", "")
    assert refusal(CODEC.decode, b"\x00" + bytes(4) + value[10:]) == ("unknown_schema", "")
    assert refusal(CODEC.decode, value + bytes(65_537)) == ("oversize", "")
    assert refusal(CODEC.decode, record) == ("unknown_kind", "")
    assert refusal(CODEC.decode_record, value) == ("unknown_kind", "")
    assert refusal(CODEC.decode_record, record[:-1]) == ("malformed", "")
    for act in (CODEC.decode, CODEC.fields, CODEC.decode_record):
        assert refusal(act, None) == ("decoder_unexpected", "")
    assert refusal(
        CODEC.decode, raw("balloon_risk.pumped", {**EXAMPLES["balloon_risk.pumped"], "latency_us": 7})
    ) == (
        "inconsistent",
        "/latency_us",
    )


def test_the_size_limit_is_exact_and_the_same_in_both_frames():
    """64 KiB are in, one byte more is out, and the frame that someone chose decides nothing."""
    example = EXAMPLES["session.started"]
    fields = {**example, "protocol": canonical(["\U0001f388" * 16_000])}
    room = 65_536 - len(CODEC.encode("session.started", fields))
    fields["protocol"] = canonical(["\U0001f388" * 16_000 + "x" * room])
    value = CODEC.encode("session.started", fields)
    assert len(value) == 65_536
    confluent = b"\x00" + GAMES["session.started"].number.to_bytes(4, "big") + value[10:]
    assert CODEC.decode(value) == CODEC.decode(confluent)
    fields["protocol"] = canonical(["\U0001f388" * 16_000 + "x" * (room + 1)])
    assert refusal(CODEC.encode, "session.started", fields) == ("oversize", "")
    assert refusal(CODEC.decode, raw("session.started", fields)) == ("oversize", "")
    confluent = (
        b"\x00" + GAMES["session.started"].number.to_bytes(4, "big") + raw("session.started", fields)[10:]
    )
    assert refusal(CODEC.decode, confluent) == ("oversize", "")


@pytest.mark.parametrize("kind", KINDS)
def test_a_confluent_frame_carries_the_same_event(kind):
    """Fleets that already speak to a schema registry need not change their frame."""
    value = CODEC.encode(kind, EXAMPLES[kind])
    framed = b"\x00" + GAMES[kind].number.to_bytes(4, "big") + value[10:]
    assert CODEC.decode(framed) == CODEC.decode(value)


@pytest.mark.parametrize("schema", REGISTRY.schemas, ids=lambda schema: schema.kind)
def test_fingerprints_are_those_of_the_avro_package(schema):
    """Anyone with any Avro library must find our schemas by their CRC-64.

    The package is given the parsing canonical form, because by itself it leaves {"type": "string"} of a logical type
    unsimplified, against the specification's rule [PRIMITIVES].
    """
    form = to_parsing_canonical_form(json.loads(schema.text))
    assert avro.schema.parse(form).fingerprint("CRC-64-AVRO") == schema.fingerprint
    if schema.folder == "games":
        assert CODEC.encode(schema.kind, EXAMPLES[schema.kind])[:10] == b"\xc3\x01" + schema.fingerprint


def other(field: Field, value: object) -> object:
    """Another valid value of the field."""
    match field:
        case Field(type="long"):
            return value - 1 if value == field.maximum else (value or 0) + 1
        case Field(type="boolean"):
            return not value
        case Field(type="enum"):
            return next(symbol for symbol in field.symbols if symbol != value)
        case Field(type="bytes"):
            return (value or b"") + b"x"
        case Field(canonical_json=True):
            return "[]" if value != "[]" else "{}"
        case Field(pattern=str(pattern)) if "|" in pattern:
            return next(word for word in pattern.strip("^()$").split("|") if word != value)
        case _:
            value = value or "x"
            return ("0" if value[0] != "0" else "1") + value[1:]


@pytest.mark.parametrize("kind", KINDS)
def test_the_digest_is_of_what_happened_and_not_of_how_it_travelled(kind):
    """A retry with new transport facts is the same event; any other difference is another event."""
    digest = CODEC.decode(CODEC.encode(kind, EXAMPLES[kind])).digest
    for field in GAMES[kind].fields:
        values = [other(field, EXAMPLES[kind][field.name])]
        if field.nullable and EXAMPLES[kind][field.name] is not None:
            values.append(None)
        for value in values:
            fields = agreeing({**EXAMPLES[kind], field.name: value}, field.name)
            changed = CODEC.decode(CODEC.encode(kind, fields)).digest
            travels = field.name in ("event_id", "sent_time_ms", "received_time_ms", "subject_cipher")
            assert (changed == digest) == travels, field.name
            assert field.transport == travels


@pytest.mark.parametrize("kind", KINDS)
def test_the_digest_can_be_computed_by_anyone(kind):
    """SHA-256 of the schema's SHA-256 and of the body of what did not travel: an auditor needs no code of ours."""
    schema = json.loads(GAMES[kind].text)
    schema["fields"] = [field for field in schema["fields"] if not field.get("transport")]
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), EXAMPLES[kind])
    expected = hashlib.sha256(hashlib.sha256(GAMES[kind].text.encode()).digest() + body.getvalue()).digest()
    assert CODEC.decode(CODEC.encode(kind, EXAMPLES[kind])).digest == expected


def test_equal_bodies_of_two_kinds_have_two_digests():
    """A pause and its end have the same fields, and are not the same event."""
    fields = EXAMPLES["session.paused"]
    paused, resumed = (
        CODEC.decode(CODEC.encode(f"session.{name}", fields)) for name in ("paused", "resumed")
    )
    assert paused.digest != resumed.digest


def test_no_damaged_bytes_do_more_than_be_refused():
    """Whatever a broken disk, a broken client or an attacker sends, the worker lives and the log stays canonical."""
    chance = random.Random(20_251_015)
    values = [CODEC.encode(kind, EXAMPLES[kind]) for kind in KINDS]
    accepted = 0
    for _ in range(5_000):
        mutant = bytearray(chance.choice(values))
        match chance.randrange(5):
            case 0:
                for _ in range(chance.randint(1, 4)):
                    mutant[chance.randrange(len(mutant))] ^= 1 << chance.randrange(8)
            case 1:
                del mutant[chance.randrange(len(mutant)) :]
            case 2:
                mutant += chance.randbytes(chance.randint(1, 40))
            case 3:
                mutant[10:] = chance.randbytes(chance.randint(0, 200))
            case _:
                at = chance.randrange(10, len(mutant))
                mutant[at : at + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        try:
            CODEC.decode(bytes(mutant))
        except Unreadable as unreadable:
            assert unreadable.flaw.code != "decoder_unexpected", unreadable  # noqa: PT017 -- a raise is one of two good ends
        else:
            assert CODEC.encode(*CODEC.fields(bytes(mutant))) == mutant
            accepted += 1
    assert 0 < accepted < 2_500, "the mutants reach both ends"
