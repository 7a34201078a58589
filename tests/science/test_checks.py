"""What one field must be: every bound, type and form, at its edge and one beyond."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from science.checks import check_of, nearest, shape_of
from science.fields import Field
from streams.codec import Unreadable
from streams.records import RECORDS
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


def is_canonical(text: str) -> bool:
    """As Python's own reader and writer of JSON see it."""

    def integer(digits: str) -> int:
        if abs(number := int(digits)) >= 2**53:
            raise ValueError(digits)
        return number

    def no_number(digits: str) -> None:
        raise ValueError(digits)

    try:
        parsed = json.loads(text, parse_float=no_number, parse_constant=no_number, parse_int=integer)
    except ValueError:
        return False
    return isinstance(parsed, dict | list) and text == canonical(parsed)


LEAVES = st.none() | st.booleans() | st.integers(-(2**54), 2**54) | st.floats() | st.text(max_size=8)
TREES = st.recursive(
    LEAVES, lambda node: st.lists(node) | st.dictionaries(st.text(max_size=4), node), max_leaves=6
)


@settings(deadline=None, max_examples=400)
@given(
    tree=TREES,
    style=st.fixed_dictionaries(
        {
            "sort_keys": st.booleans(),
            "separators": st.sampled_from([(",", ":"), (", ", ": ")]),
            "ensure_ascii": st.booleans(),
        }
    ),
    cut=st.integers(0, 30),
    put=st.sampled_from(
        ["", "", "", " ", "-0", ",", "\\ud800", "1", '"', "\x00", "\x7f", "e3", "[]", "9" * 25]
    ),
)
def test_canonical_is_what_an_independent_reader_calls_canonical(tree, style, cut, put):
    """Two readers of JSON that share no line agree about every text, however it was bent."""
    text = json.dumps(tree, **style)
    bent = text[:cut] + put + text[cut:]
    check = check_of(Field(name="x", type="string", doc="d", max_length=1_000_000, canonical_json=True))
    assert (check(bent) is None) == is_canonical(bent)


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


def test_the_first_wrong_name_is_told_before_any_value():
    """A value under a misspelt name is not missing and not out of range: it is misspelt."""
    shape = shape_of("x", GAMES["balloon_risk.exploded"].fields, required=("at_pump",))
    assert shape.flaw({"at_pump": 1}) is None
    assert shape.flaw({"at_pump": 1, "seq": 3}) is None
    codes = [
        shape.flaw(record).code for record in ({"at_pumps": 0, "i": 0}, {"i": 0}, {"at_pump": 0, "i": 0})
    ]
    assert codes == ["unknown_field", "missing_field", "out_of_range"]
    assert shape.flaw({"at_pumps": 0}).suggestion.startswith("did you mean at_pump? it has: at_pump, ")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("latency_ms", "latency_us"),
        ("latency", "latency_us"),
        ("ltency_us", "latency_us"),
        ("at_pumps", "at_pump"),
        ("i", "i"),
        ("j", None),
        ("pump", "pumps"),
        ("reaction_time", None),
        ("", None),
        ("x" * 100_000, None),
    ],
)
def test_a_misspelt_name_is_guessed_only_where_it_is_near(name, meant):
    """A far-fetched guess sends its reader the wrong way."""
    assert nearest(name, ["i", "k", "at_pump", "pumps", "onset_t_us", "latency_us"]) == meant
    assert nearest(name, []) is None


def test_a_type_that_has_no_check_is_no_field():
    """A schema that the lint would refuse must not slip past the codec unchecked."""
    with pytest.raises(TypeError, match="double has no check"):
        check_of(Field(name="x", type="double", doc="d"))
