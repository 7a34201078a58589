"""The registry of schemas is the folder ``schemas/avro``; ``published.lock`` remembers what was published.

A published schema never changes: the lock holds the number, name, version, CRC-64-AVRO and SHA-256 of each, and only grows.
The CRC-64 is the wire's address of a schema, yet not its identity: parsing canonical form drops logical types, defaults and
our bounds, so two schemas that mean different things can share it. Therefore two schemas with one CRC-64 are refused, and
digests use the SHA-256 of the whole schema.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib.abc import Traversable
from importlib.resources import files
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.errors import AvroException
from avro.schema import parse
from fastavro.schema import fingerprint, to_parsing_canonical_form

from science.fields import Field, field_of, inner_type
from streams.lint import lint, name_of

_SUBFOLDERS = ("games", "records")
_LOCK = "published.lock"
_LOCK_HEADER = "# number name version crc64 sha256 -- append-only, written by: kymograph schemas lock"


class SchemaRefused(Exception):
    """The folder and its lock do not agree, or two schemas cannot be told apart. The message says what to do."""


class Schema(msgspec.Struct, frozen=True, kw_only=True):
    """One published version of one kind. ``text`` is the canonical full JSON; ``sha256`` is of that text, in hex."""

    kind: str
    version: int
    folder: str
    number: int
    text: str
    sha256: str
    fingerprint: bytes
    fields: tuple[Field, ...]


class Registry(msgspec.Struct, frozen=True):
    """All published schemas, in the order of their numbers."""

    schemas: tuple[Schema, ...]

    @staticmethod
    def load(folder: Traversable | None = None) -> "Registry":
        """Read the folder and refuse it unless it is exactly what the lock says was published."""
        root = folder if folder is not None else _default()
        locked, found = _locked(root), _found(root)
        if missing := sorted(found.keys() - {entry[:2] for entry in locked.values()}):
            raise SchemaRefused(f"not in {_LOCK}: {_names(missing)}. Run `kymograph lock` to publish.")
        schemas = _published(locked, found)
        _refuse_twins(schemas)
        return Registry(tuple(schemas))

    def newest(self, folder: str) -> dict[str, Schema]:
        """The highest version of each kind of ``games`` or ``records``."""
        ordered = sorted(self.schemas, key=lambda schema: schema.version)
        return {schema.kind: schema for schema in ordered if schema.folder == folder}


def lock(folder: Path | None = None) -> list[str]:
    """Publish what is new in the folder: append it to the lock. Returns the lines added; raises SchemaRefused."""
    root = folder if folder is not None else Path(str(_default()))
    lines = unpublished(root)
    path = root / _LOCK
    old = path.read_text(encoding="utf-8") if path.is_file() else _LOCK_HEADER + "\n"
    path.write_text(old + "".join(line + "\n" for line in lines), encoding="utf-8")
    return lines


def unpublished(folder: Traversable | None = None) -> list[str]:
    """The lines that ``lock`` would append. Raises SchemaRefused, also where what is published is not as it was."""
    root = folder if folder is not None else _default()
    locked, found = _locked(root) if (root / _LOCK).is_file() else {}, _found(root)
    published = _published(locked, found)
    known = {(schema.kind, schema.version) for schema in published}
    new = [
        _schema(sub, kind, version, text, 0)
        for (kind, version), (sub, text) in found.items()
        if (kind, version) not in known
    ]
    _refuse_twins([*published, *new])
    new.sort(key=lambda schema: (schema.folder, schema.kind, schema.version))
    return [
        f"{number} {schema.kind} {schema.version} {schema.fingerprint.hex()} {schema.sha256}"
        for number, schema in enumerate(new, len(locked) + 1)
    ]


def check(folder: Traversable | None = None) -> list[str]:
    """Everything that is wrong with the folder, a line each: lock, style, compatibility of all versions of a kind."""
    root = folder if folder is not None else _default()
    found = breaches(root)
    try:
        Registry.load(root)
    except SchemaRefused as refused:
        if str(refused) not in found:
            found.append(str(refused))
    return found


def breaches(folder: Traversable | None = None) -> list[str]:
    """Everything that is wrong with the schemas themselves, whatever the lock says: style and compatibility."""
    root = folder if folder is not None else _default()
    breaches = []
    versions: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    try:
        texts = list(_texts(root))
    except SchemaRefused as refused:
        return [str(refused)]
    for sub, kind, version, text in texts:
        parsed = json.loads(text)
        breaches += [f"{kind} v{version}: {breach}" for breach in lint(parsed)]
        if name_of(parsed) != f"{'records.' if sub == 'records' else ''}{kind}":
            breaches.append(f"{kind} v{version}: the record inside is {name_of(parsed)}")
        versions.setdefault(kind, []).append((version, parsed))
    for kind, known in versions.items():
        known.sort(key=lambda pair: pair[0])
        if [version for version, _ in known] != list(range(1, len(known) + 1)):
            breaches.append(f"{kind}: versions are {[version for version, _ in known]}, not 1..{len(known)}")
        for index, (_, old) in enumerate(known):
            for version, new in known[index + 1 :]:
                breaches += [f"{kind} v{version}: {breach}" for breach in incompatibilities(old, new)]
    return breaches


def incompatibilities(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Why the two versions cannot read each other, in either direction (FULL); [] where they can.

    The ``avro`` package judges resolution. It calls millis and micros compatible and knows no bounds, so changes of meaning
    of a field that both versions have are found here.
    """

    breaches = []
    try:
        sides = {"old": parse(json.dumps(dict(old))), "new": parse(json.dumps(dict(new)))}
    except AvroException as error:
        return [f"is no Avro schema: {error}"]
    for reader, writer in permutations(sides):
        checker: Any = ReaderWriterCompatibilityChecker  # untyped in avro
        verdict = checker().get_compatibility(sides[reader], sides[writer])
        if verdict.compatibility is not SchemaCompatibilityType.compatible:
            breaches.append(f"{reader} cannot read {writer}: {'; '.join(sorted(map(str, verdict.messages)))}")
    befores = {field["name"]: field for field in old["fields"]}
    for field in new["fields"]:
        before = befores.get(field["name"])
        if before is None:
            continue
        a, b = _meaning(before), _meaning(field)
        breaches += [
            f"{field['name']}: {name} was {a.get(name, 'absent')!r} and is {b.get(name, 'absent')!r}"
            for name in sorted(a.keys() | b.keys())
            if a.get(name, ...) != b.get(name, ...)
        ]
    return breaches


def _meaning(field: Mapping[str, Any]) -> dict[str, Any]:
    """What a field means beside its wire type: default, logical type, bounds, and our own marks."""
    meaning = {name: value for name, value in field.items() if name not in ("name", "type", "doc")}
    inner = inner_type(field["type"])
    if isinstance(inner, dict):
        meaning["logicalType"] = inner.get("logicalType")
        meaning["enum default"] = inner.get("default")
    return {name: value for name, value in meaning.items() if value is not None or name == "default"}


def _default() -> Traversable:
    return files("schemas") / "avro"


def _texts(root: Traversable) -> Iterator[tuple[str, str, int, str]]:
    """Folder, kind, version and canonical full JSON of every schema file, sorted."""
    for sub in _SUBFOLDERS:
        for entry in sorted((root / sub).iterdir(), key=lambda entry: entry.name):
            kind, _, version = entry.name.removesuffix(".avsc").rpartition(".v")
            if not entry.name.endswith(".avsc") or not kind or not version.isdecimal():
                raise SchemaRefused(f"{sub}/{entry.name} is no schema. Name it <kind>.v<N>.avsc.")
            try:
                parsed = json.loads(entry.read_text(encoding="utf-8"))
            except ValueError as error:
                raise SchemaRefused(f"{sub}/{entry.name} is no JSON: {error}") from None
            yield (
                sub,
                kind,
                int(version),
                json.dumps(parsed, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
            )


_Found = Mapping[tuple[str, int], tuple[str, str]]  # (kind, version) -> folder, text


def _found(root: Traversable) -> _Found:
    return {(kind, version): (sub, text) for sub, kind, version, text in _texts(root)}


def _published(locked: Mapping[int, tuple[str, int, str, str]], found: _Found) -> list[Schema]:
    """What the lock holds, as it lies in the folder. Raises SchemaRefused where that is not as it was published."""
    schemas = []
    for number, (kind, version, crc, sha256) in locked.items():
        if (kind, version) not in found:
            raise SchemaRefused(f"{kind} v{version} was published, but its file is gone. Put it back.")
        sub, text = found[kind, version]
        schema = _schema(sub, kind, version, text, number)
        if (schema.fingerprint.hex(), schema.sha256) != (crc, sha256):
            raise SchemaRefused(
                f"{kind} v{version} changed after it was published. Put it back, add v{version + 1}."
            )
        schemas.append(schema)
    return schemas


def _locked(root: Traversable) -> dict[int, tuple[str, int, str, str]]:
    """Number -> kind, version, CRC-64, SHA-256, in order; numbers run from 1 without holes."""
    entries: dict[int, tuple[str, int, str, str]] = {}
    try:
        text = (root / _LOCK).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SchemaRefused(f"{_LOCK} is missing. Run `kymograph schemas lock`, or put it back.") from None
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        try:
            number, kind, version, crc, sha256 = line.split(" ")
            entry = (kind, int(version), crc, sha256)
            expected = int(number) == len(entries) + 1 and entry[:2] not in {
                known[:2] for known in entries.values()
            }
        except ValueError:
            expected = False
        if not expected:
            raise SchemaRefused(f"{_LOCK} is damaged at {line!r}. Put it back: it only grows.")
        entries[int(number)] = entry
    return entries


def _schema(folder: str, kind: str, version: int, text: str, number: int) -> Schema:
    parsed = json.loads(text)
    return Schema(
        kind=kind,
        version=version,
        folder=folder,
        number=number,
        text=text,
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        fingerprint=bytes.fromhex(fingerprint(to_parsing_canonical_form(parsed), "CRC-64-AVRO")),
        fields=tuple(field_of(field) for field in parsed["fields"]),
    )


def _refuse_twins(schemas: Iterable[Schema]) -> None:
    seen: dict[bytes, Schema] = {}
    for schema in schemas:
        twin = seen.setdefault(schema.fingerprint, schema)
        if twin is not schema:
            raise SchemaRefused(
                f"{schema.kind} v{schema.version} and {twin.kind} v{twin.version} share the CRC-64 "
                f"{schema.fingerprint.hex()}: a reader cannot tell them apart. Change a name, type or symbol as well."
            )


def _names(pairs: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{kind} v{version}" for kind, version in pairs)
