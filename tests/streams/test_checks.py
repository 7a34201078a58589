"""What one field must be: every bound, type and form, at its edge and one beyond."""

import pytest

from streams.checks import check_of
from streams.codec import Unreadable
from streams.records import RECORDS
from streams.schemas import Field
from tests.streams.examples import (
    CODEC,
    EXAMPLES,
    GAMES,
    KINDS,
    agreeing,
    canonical,
    raw,
    refusal,
)

BOUNDED = [
    (kind, field)
    for kind in KINDS
    for field in GAMES[kind].fields
    if field.type in ("long", "string", "bytes")
]


@pytest.mark.parametrize(("kind", "field"), BOUNDED, ids=lambda part: getattr(part, "name", part))
def test_a_bound_holds_and_one_beyond_is_refused_with_its_pointer(kind, field):
    """The limits keep int64 from wrapping in the fold, so they must be exact, for senders and for bytes in the log."""
    example = EXAMPLES[kind]
    if field.type == "long":
        inside, outside = (field.minimum, field.maximum), (field.minimum - 1, field.maximum + 1)
    else:
        unit = b"x" if field.type == "bytes" else "0"
        inside, outside = (unit * field.max_length,), (unit * (field.max_length + 1),)
        if field.pattern is not None:
            inside = ()  # the pattern has its own test
        if field.canonical_json:
            inside = ('["' + "0" * (field.max_length - 4) + '"]',)
        if field.min_length:
            outside += (unit * (field.min_length - 1),)
    for value in inside:
        fields = agreeing({**example, field.name: value}, field.name)
        assert CODEC.fields(CODEC.encode(kind, fields)) == (kind, fields)
    for value in outside:
        fields = {**example, field.name: value}
        assert refusal(CODEC.encode, kind, fields) == ("out_of_range", f"/{field.name}")
        if field.type != "long" or -(2**63) <= value < 2**63:
            assert refusal(CODEC.decode, raw(kind, fields)) == ("out_of_range", f"/{field.name}")


WRONG = {
    "long": (True, 1.0, "1", [], 2**70),
    "string": (1, b"x", ["x"], True),
    "boolean": (1, 0, "true", 1.0),
    "enum": (0, b"x"),
    "bytes": ("x", 1, bytearray(b"x")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_of_another_type_is_refused_and_never_converted(kind):
    """Avro's writer would store True as 1 and 1.9 as 1, and nobody would ever know."""
    for field in GAMES[kind].fields:
        for value in WRONG[field.type]:
            code = "out_of_range" if value == 2**70 else "wrong_type"
            assert refusal(CODEC.encode, kind, {**EXAMPLES[kind], field.name: value}) == (
                code,
                f"/{field.name}",
            )
        if not field.nullable:
            assert refusal(CODEC.encode, kind, {**EXAMPLES[kind], field.name: None}) == (
                "wrong_type",
                f"/{field.name}",
            )


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_field_is_named_unless_it_may_be_null(kind):
    """Absence is not zero: only what may be null may be left out."""
    for field in GAMES[kind].fields:
        fields = {name: value for name, value in EXAMPLES[kind].items() if name != field.name}
        if field.nullable:
            assert CODEC.fields(CODEC.encode(kind, fields))[1][field.name] is None
        else:
            assert refusal(CODEC.encode, kind, fields) == ("missing_field", f"/{field.name}")


@pytest.mark.parametrize(
    ("kind", "change", "expected"),
    [
        ("balloon_risk.pumped", {"baloon": 1}, ("unknown_field", "/baloon")),
        ("balloon_risk.pumped", {"a/b~c": 1}, ("unknown_field", "/a~1b~0c")),
        (
            "balloon_risk.pumped",
            {"event_id": "0199E7A1-8694-7000-8000-000000000000"},
            ("bad_pattern", "/event_id"),
        ),
        ("balloon_risk.pumped", {"session_id": ""}, ("bad_pattern", "/session_id")),
        ("balloon_risk.pumped", {"session_id": "-a"}, ("bad_pattern", "/session_id")),
        ("balloon_risk.pumped", {"session_id": "a\n"}, ("bad_pattern", "/session_id")),
        ("balloon_risk.pumped", {"latency_us": 1}, ("inconsistent", "/latency_us")),
        ("session.completed", {"last_seq": 3}, ("inconsistent", "/last_seq")),
        ("session.started", {"subject_id": "jo smith"}, ("bad_pattern", "/subject_id")),
        ("session.started", {"config_hash": "A" * 64}, ("bad_pattern", "/config_hash")),
        ("session.started", {"device_input": "nose"}, ("out_of_range", "/device_input")),
        ("session.started", {"battery": "\ud800"}, ("bad_pattern", "/battery")),
        ("session.started", {"protocol": canonical(["\U0001f388" * 32_000])}, ("oversize", "")),
        ("session.dreamt", {}, ("unknown_kind", "")),
        ("dead_letter", {}, ("unknown_kind", "")),
    ],
)
def test_what_a_sender_gets_wrong_is_named_with_its_place(kind, change, expected):
    """A refusal that says where and why costs its reader a minute; one that does not costs a day."""
    assert refusal(CODEC.encode, kind, {**EXAMPLES.get(kind, {}), **change}) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"b":1,"a":2}',
        '{"a": 1}',
        '{"a":1.0}',
        '{"a":1e3}',
        '{"a":NaN}',
        '{"a":-0}',
        '{"a":1,"a":1}',
        '{"a":9007199254740992}',
        '["\\u0041"]',
        '["\\ud800"]',
        "1",
        '"a"',
        "",
        "{",
        "[" * 65 + "]" * 65,
        "[" * 16_000 + "]" * 16_000,
        "[" + "9" * 30_000 + "]",
    ],
)
def test_json_inside_an_event_is_canonical_or_refused(text):
    """The configuration is hashed, so one configuration must have one text; and a text may not exhaust a stack."""
    fields = {**EXAMPLES["balloon_risk.game_started"], "config": text}
    assert refusal(CODEC.encode, "balloon_risk.game_started", fields) == ("not_canonical", "/config")
    assert refusal(CODEC.decode, raw("balloon_risk.game_started", fields)) == ("not_canonical", "/config")


def test_json_may_nest_up_to_its_limit():
    """The limit is a promise too."""
    fields = {**EXAMPLES["balloon_risk.game_started"], "config": "[" * 64 + "]" * 64}
    assert CODEC.fields(CODEC.encode("balloon_risk.game_started", fields))[1] == fields


def test_a_refusal_can_always_be_written_down():
    """A dead letter about a hostile value must not itself be refused, however long or strange the value."""
    example = EXAMPLES["session.started"]
    hostile = [
        {"\ud800" * 500: 1},
        {"battery": "\ud800"},
        {"seq": 10**6_000},
        {"device_input": "\ud800" * 9_999},
        {"protocol": '["\\ud800"]'},
        {"protocol": '{"' + "x" * 30_000 + '": 1.5}'},
        {"session_id": "\udfff"},
    ]
    for change in hostile:
        with pytest.raises(Unreadable) as caught:
            CODEC.encode("session.started", {**example, **change})
        flaw = caught.value.flaw
        letter = RECORDS["dead_letter"](
            source_topic="kymograph.inbox.v1",
            source_partition=0,
            source_offset=0,
            key=b"",
            value=b"",
            code=flaw.code,
            pointer=flaw.pointer,
            message=flaw.message,
            suggestion=flaw.suggestion,
            stage="event_logger",
            engine_version="0",
        )
        assert CODEC.decode_record(CODEC.encode_record(letter)) == letter


def test_the_house_keeps_to_its_own_bounds():
    """What an agent derives is checked like what a stranger sends, for the next agent trusts it more."""
    fields = {
        "session_id": "s",
        "measures": b"{}",
        "records_digest": "0" * 64,
        "partition": 0,
        "first_offset": 0,
        "last_offset": 3,
        "engine_version": "0",
    }
    for change, expected in (
        ({"last_offset": -1}, ("out_of_range", "/last_offset")),
        ({"measures": "{}"}, ("wrong_type", "/measures")),
        ({"measures": bytes(262_145)}, ("out_of_range", "/measures")),
        ({"records_digest": "0"}, ("bad_pattern", "/records_digest")),
    ):
        assert refusal(CODEC.encode_record, RECORDS["session_metrics"](**{**fields, **change})) == expected


def test_a_type_that_has_no_check_is_no_field():
    """A schema that the lint would refuse must not slip past the codec unchecked."""
    with pytest.raises(TypeError, match="double has no check"):
        check_of(Field(name="x", type="double", doc="d"))
