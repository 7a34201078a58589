"""What the tests of the wire share: the published registry, its examples, and any valid record of any schema."""

import base64
import json
from importlib.resources import files
from io import BytesIO

import fastavro
import pytest
from hypothesis import strategies as st

from science.fields import Field
from streams.codec import Codec, Unreadable
from streams.schemas import Registry, Schema

REGISTRY = Registry.load()
CODEC = Codec(REGISTRY)
GAMES = REGISTRY.newest("games")
KINDS = sorted(GAMES)
EXAMPLES = {
    entry.name.removesuffix(".json"): json.loads(entry.read_text(encoding="utf-8"))
    for entry in (files("schemas") / "avro" / "examples").iterdir()
}
if EXAMPLES["session.started"]["subject_cipher"]:  # JSON has no bytes
    EXAMPLES["session.started"]["subject_cipher"] = base64.b64decode(
        EXAMPLES["session.started"]["subject_cipher"]
    )


T_US_MAX = 86_400_000_000  # of the schemas


def agreeing(fields: dict[str, object], kept: str = "t_us") -> dict[str, object]:
    """The fields with their neighbours moved, so that what one event says of itself is true and ``kept`` stays."""
    fields = dict(fields)
    if "latency_us" in fields:
        if kept == "latency_us":
            onset_t_us = max(0, -fields["latency_us"])
            fields |= {"onset_t_us": onset_t_us, "t_us": onset_t_us + fields["latency_us"]}
        elif kept == "onset_t_us":
            fields |= {"latency_us": 0, "t_us": fields["onset_t_us"]}
        else:
            fields["latency_us"] = max(min(fields["latency_us"], fields["t_us"]), fields["t_us"] - T_US_MAX)
            fields["onset_t_us"] = fields["t_us"] - fields["latency_us"]
    if "last_seq" in fields:
        fields |= {"seq": fields["last_seq"]} if kept == "last_seq" else {"last_seq": fields["seq"]}
    return fields


def values_of(field: Field) -> st.SearchStrategy[object]:
    match field:
        case Field(type="long"):
            values = st.integers(field.minimum, field.maximum)
        case Field(type="boolean"):
            values = st.booleans()
        case Field(type="enum"):
            values = st.sampled_from(field.symbols)
        case Field(type="bytes"):
            values = st.binary(max_size=field.max_length)
        case Field(canonical_json=True):
            leaves = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8)
            trees = st.recursive(
                leaves, lambda node: st.lists(node) | st.dictionaries(st.text(max_size=8), node), max_leaves=8
            )
            tops = st.lists(trees, max_size=4) | st.dictionaries(st.text(max_size=8), trees, max_size=4)
            values = tops.map(canonical)
        case Field(pattern=str(pattern)):
            values = st.from_regex(pattern.removeprefix("^").removesuffix("$"), fullmatch=True)
        case _:
            values = st.text(min_size=field.min_length or 0, max_size=field.max_length)
    return st.none() | values if field.nullable else values


def records_of(schema: Schema) -> st.SearchStrategy[dict[str, object]]:
    return st.fixed_dictionaries({field.name: values_of(field) for field in schema.fields})


def canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def raw(kind: str, fields: dict[str, object]) -> bytes:
    """The bytes of another writer, which uses the same schema and checks nothing."""
    schema = GAMES[kind]
    body = BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(json.loads(schema.text)), fields)
    return b"\xc3\x01" + schema.fingerprint + body.getvalue()


def refusal(act, *args) -> tuple[str, str]:
    with pytest.raises(Unreadable) as caught:
        act(*args)
    flaw = caught.value.flaw
    assert flaw.message
    assert flaw.suggestion
    return flaw.code, flaw.pointer
