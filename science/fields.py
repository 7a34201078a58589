"""The fields of a flat record, as its Avro schema declares them: one source of truth for what may stand in an event."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a flat record. ``type`` is long, string, bytes, boolean or enum; bounds are None where none is given."""

    name: str
    type: str
    doc: str
    nullable: bool = False
    transport: bool = False
    logical: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    symbols: tuple[str, ...] = ()
    canonical_json: bool = False


def field_of(declared: Mapping[str, Any]) -> Field:
    """The field that one entry of an Avro record's ``fields`` declares."""
    inner = inner_type(declared["type"])
    inner = inner if isinstance(inner, dict) else {"type": inner}
    return Field(
        name=declared["name"],
        type=inner["type"],
        doc=declared.get("doc", ""),
        nullable=isinstance(declared["type"], list),
        transport=declared.get("transport", False),
        logical=inner.get("logicalType"),
        minimum=declared.get("minimum"),
        maximum=declared.get("maximum"),
        min_length=declared.get("minLength"),
        max_length=declared.get("maxLength"),
        pattern=declared.get("pattern"),
        symbols=tuple(inner.get("symbols", ())),
        canonical_json=declared.get("json") == "canonical",
    )


def inner_type(avro_type: Any) -> Any:
    """The type, out of its ["null", T]."""
    return avro_type[1] if isinstance(avro_type, list) else avro_type


@cache
def newest() -> Mapping[str, tuple[Field, ...]]:
    """The fields of each kind of event in its newest version, as the folder ``schemas/avro/games`` declares them."""
    folder = files("schemas") / "avro" / "games"
    versions: dict[str, int] = {}
    for entry in folder.iterdir():
        kind, _, version = entry.name.removesuffix(".avsc").rpartition(".v")
        versions[kind] = max(int(version), versions.get(kind, 0))
    return {
        kind: _fields(folder.joinpath(f"{kind}.v{versions[kind]}.avsc").read_bytes())
        for kind in sorted(versions)
    }


def _fields(schema: bytes) -> tuple[Field, ...]:
    return tuple(field_of(declared) for declared in msgspec.json.decode(schema)["fields"])
