"""Registries that must agree, agree: kinds, schemas, structs and examples."""

from importlib.resources import files
from types import NoneType, UnionType
from typing import get_args, get_type_hints

import msgspec
import pytest

from science import vocabulary
from science.fields import Field
from science.games import GAMES
from science.kinds import KINDS
from streams.lint import HOUSE_KINDS
from streams.records import RECORDS
from streams.schemas import Registry, Schema

REGISTRY = Registry.load()
NEWEST = REGISTRY.newest("games")
WIRE_TYPES = {"long": int, "string": str, "enum": str, "boolean": bool, "bytes": bytes}
ENVELOPE = ("session_id", "seq", "t_us", "device_time_ms")


def wire_type(field: Field) -> type | UnionType:
    """The Python type that mirrors a field."""
    return WIRE_TYPES[field.type] | None if field.nullable else WIRE_TYPES[field.type]


def fields_of(value: type[msgspec.Struct]) -> list[tuple[str, object]]:
    hints = get_type_hints(value)
    return [(name, hints[name]) for name in value.__struct_fields__]


def payload_of(schema: Schema) -> list[Field]:
    return [field for field in schema.fields if not field.transport and field.name not in ENVELOPE]


def test_every_kind_has_a_schema_and_every_schema_a_kind():
    """A kind without a schema cannot be sent; a schema without a kind cannot be scored."""
    assert sorted(KINDS) == sorted(NEWEST)
    assert sorted(RECORDS) == sorted(REGISTRY.newest("records"))
    assert set(KINDS) >= HOUSE_KINDS


def test_no_game_takes_the_kinds_of_another():
    """Each kind is of the game whose name it begins with, so that no module can shadow another's vocabulary."""
    for name, game in GAMES.items():
        assert all(kind.startswith(f"{name}.") for kind in game.kinds)
    assert all(kind.startswith("session.") for kind in vocabulary.KINDS)


@pytest.mark.parametrize("kind", sorted(NEWEST))
def test_payload_structs_mirror_their_schemas(kind):
    """The science sees exactly what the wire holds: the same fields, in the same order, of the same types."""
    assert fields_of(KINDS[kind]) == [(field.name, wire_type(field)) for field in payload_of(NEWEST[kind])]


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_record_structs_mirror_their_schemas(name):
    """What one agent writes the next one reads."""
    schema = REGISTRY.newest("records")[name]
    assert fields_of(RECORDS[name]) == [(field.name, wire_type(field)) for field in schema.fields]


@pytest.mark.parametrize("schema", REGISTRY.schemas, ids=lambda schema: f"{schema.kind} v{schema.version}")
def test_every_published_version_can_still_be_given_to_the_science(schema):
    """An event of years ago lacks the fields of today; each of them has a default, or replay would stop there."""
    value = {**KINDS, **RECORDS}[schema.kind]
    known = {field.name for field in schema.fields}
    required = {field.name for field in msgspec.structs.fields(value) if field.required}
    assert required <= known


def test_every_kind_has_an_example():
    """The examples are the first thing that people read."""
    names = {entry.name for entry in (files("schemas") / "avro" / "examples").iterdir()}
    assert names == {f"{kind}.json" for kind in KINDS}


def test_null_is_said_with_none():
    """The comparison above would pass for nothing if a nullable field looked like a plain one."""
    field = Field(name="x", type="long", doc="d", nullable=True)
    assert set(get_args(wire_type(field))) == {int, NoneType}
