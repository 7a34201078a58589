"""The house's style of schemas, so that a machine can refuse what would hurt years later.

Flat records, because a recursive schema lets a short message exhaust the C stack of a decoder, where no ``try`` helps; no
floats, because the fold is exact; an enum with a default, because an old reader must survive a new symbol; bounds on every
number and text, because everything has a limit.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

HOUSE_KINDS = frozenset({"session.abandoned", "session.withdrawn"})
"""What the house itself writes into a session's stream: no device saw it, so it has no seq and no device clock."""

_TRANSPORT = ("event_id", "sent_time_ms", "received_time_ms")
_HEADER = ("session_id", "seq", "t_us", "device_time_ms")
_SCALARS = frozenset({"long", "string", "bytes", "boolean"})


def name_of(schema: Mapping[str, Any]) -> str:
    """``session.check_answered`` of namespace ``kymograph.session`` and name ``CheckAnswered``."""
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", str(schema.get("name"))).lower()
    return f"{schema.get('namespace')}.{snake}".removeprefix("kymograph.")


def lint(schema: Mapping[str, Any]) -> list[str]:
    """Every breach of the house's style in one schema, a sentence each."""
    if schema.get("type") != "record" or not isinstance(schema.get("fields"), list):
        return ["the top is not a record"]
    breaches = [] if schema.get("doc") else ["the record has no doc"]
    if not str(schema.get("namespace")).startswith("kymograph."):
        breaches.append("the namespace does not begin with kymograph.")
    names = [field["name"] for field in schema["fields"]]
    breaches += [f"{name} stands twice" for name in sorted({name for name in names if names.count(name) > 1})]
    for field in schema["fields"]:
        breaches += [f"{field['name']}: {breach}" for breach in _field_breaches(field)]
    if schema.get("namespace") != "kymograph.records":
        breaches += _header_breaches(name_of(schema), schema["fields"])
    return breaches


def _field_breaches(field: Mapping[str, Any]) -> Iterator[str]:
    avro_type = field["type"]
    if not field.get("doc"):
        yield "has no doc"
    if isinstance(avro_type, list):
        if len(avro_type) != 2 or avro_type[0] != "null" or isinstance(avro_type[1], list):
            yield 'is a union; only ["null", T] is allowed'
            return
        if field.get("default", ...) is not None:
            yield "may be null, so its default must be null"
        avro_type = avro_type[1]
    inner = avro_type if isinstance(avro_type, dict) else {"type": avro_type}
    match inner["type"]:
        case "long":
            if not _is_int(field.get("minimum")) or not _is_int(field.get("maximum")):
                yield "is a long without minimum and maximum"
        case "string" | "bytes":
            if not _is_int(field.get("maxLength")):
                yield f"is {inner['type']} without maxLength"
        case "boolean":
            pass
        case "enum":
            if inner.get("default") not in inner["symbols"]:
                yield "is an enum without a default symbol"
        case "float" | "double":
            yield "is a float; the fold is exact, use a long in a smaller unit"
        case "record" | "array" | "map":
            yield f"nests a {inner['type']}; records are flat, use canonical JSON in a string"
        case "int":
            yield "is an int; the house writes long"
        case other:
            # Every type is written out in its place, so a bare name can only point back: recursion, or a second use.
            yield f"refers to the type {other}; only {', '.join(sorted(_SCALARS))} and enum are allowed"


def _header_breaches(kind: str, fields: list[dict[str, Any]]) -> Iterator[str]:
    names = tuple(field["name"] for field in fields)
    transport = (*_TRANSPORT, "subject_cipher") if kind == "session.started" else _TRANSPORT
    header = ("session_id",) if kind in HOUSE_KINDS else _HEADER
    if names[: len(transport) + len(header)] != transport + header:
        yield f"the header is not {', '.join(transport + header)}"
    marked = tuple(field["name"] for field in fields if field.get("transport") is True)
    if marked != transport:
        yield f"marked as transport are {', '.join(marked) or 'none'}, not {', '.join(transport)}"


def _is_int(value: object) -> bool:
    return type(value) is int
