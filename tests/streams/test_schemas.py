"""The registry of schemas: what is published stays, and what cannot be told apart or read for ever is refused."""

import copy
import json
import shutil
import zipfile
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest

from streams.lint import lint
from streams.schemas import Registry, SchemaRefused, breaches, check, incompatibilities, lock, unpublished

PUBLISHED = Path(str(files("schemas") / "avro"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the published folder, to be spoiled."""
    return Path(shutil.copytree(PUBLISHED, tmp_path / "avro"))


def schema_of(kind: str, version: int = 1) -> dict:
    return json.loads((PUBLISHED / "games" / f"{kind}.v{version}.avsc").read_text(encoding="utf-8"))


def field_of(schema: dict, name: str) -> dict:
    return next(field for field in schema["fields"] if field["name"] == name)


def write(folder: Path, kind: str, version: int, schema: dict) -> None:
    (folder / "games" / f"{kind}.v{version}.avsc").write_text(json.dumps(schema), encoding="utf-8")


def test_what_is_published_is_in_order():
    """The folder, the lock and the house's style agree; what `kymograph schemas check` says is nothing."""
    assert check() == []
    schemas = Registry.load().schemas
    assert [schema.number for schema in schemas] == list(range(1, len(schemas) + 1))
    assert all(len(schema.fingerprint) == 8 and len(schema.sha256) == 64 for schema in schemas)


def test_the_registry_loads_from_an_archive(tmp_path):
    """A wheel may stay zipped, so the folder is read as a resource and not as a path."""
    archive = tmp_path / "schemas.zip"
    with zipfile.ZipFile(archive, "w") as writing:
        for path in PUBLISHED.rglob("*"):
            if path.is_file():
                writing.write(path, path.relative_to(PUBLISHED.parent))
    with zipfile.ZipFile(archive) as reading:
        assert Registry.load(zipfile.Path(reading, "avro/")) == Registry.load()


def test_a_schema_edited_after_publishing_is_refused(folder):
    """Even a doc is part of the digest of every event, so a published file never changes."""
    schema = schema_of("session.paused")
    schema["doc"] += " "
    write(folder, "session.paused", 1, schema)
    with pytest.raises(SchemaRefused, match=r"session.paused v1 changed after it was published"):
        Registry.load(folder)
    with pytest.raises(SchemaRefused, match="changed after it was published"):
        lock(folder)
    assert any("session.paused v1 changed" in breach for breach in check(folder))


def test_a_reformatted_schema_is_still_the_same(folder):
    """Digests are of the canonical text, so white space and the order of keys are nobody's concern."""
    write(folder, "session.paused", 1, schema_of("session.paused"))
    assert Registry.load(folder) == Registry.load()


def test_a_published_schema_cannot_be_taken_back(folder):
    """The log of years ago still needs it."""
    (folder / "games" / "session.paused.v1.avsc").unlink()
    with pytest.raises(SchemaRefused, match=r"session.paused v1 was published, but its file is gone"):
        Registry.load(folder)


def test_what_is_not_published_is_not_used_until_the_lock_has_grown(folder):
    """Publishing is a deliberate act, and it adds lines without touching those that are there."""
    schema = schema_of("session.aborted")
    schema["fields"].append(
        {"name": "page", "type": ["null", "string"], "default": None, "maxLength": 64, "doc": "Where."}
    )
    write(folder, "session.aborted", 2, schema)
    before = (folder / "published.lock").read_text(encoding="utf-8")
    with pytest.raises(SchemaRefused, match=r"not in published.lock: session.aborted v2"):
        Registry.load(folder)
    added = lock(folder)
    after = (folder / "published.lock").read_text(encoding="utf-8")
    assert after == before + added[0] + "\n"
    assert len(added) == 1
    assert check(folder) == []
    assert Registry.load(folder).newest("games")["session.aborted"].version == 2
    assert lock(folder) == [], "a second lock has nothing to add"


def test_a_lock_that_is_refused_is_not_written(folder):
    """Nothing is published beside an edit, however new it is."""
    longer = schema_of("session.aborted")
    _compatible(longer)
    write(folder, "session.aborted", 2, longer)
    (line,) = unpublished(folder)
    assert line.split(" ")[:3] == [str(len(Registry.load().schemas) + 1), "session.aborted", "2"]
    schema = schema_of("session.paused")
    schema["doc"] += " "
    write(folder, "session.paused", 1, schema)
    before = (folder / "published.lock").read_bytes()
    for refused in (lock, unpublished):
        with pytest.raises(SchemaRefused, match="changed after it was published"):
            refused(folder)
    assert (folder / "published.lock").read_bytes() == before
    assert breaches(folder) == [], "in themselves the schemas are in order"


def test_a_lock_is_made_where_there_is_none(folder):
    """A new house begins with an empty lock; a running one without its lock is told so."""
    (folder / "published.lock").unlink()
    with pytest.raises(SchemaRefused, match=r"published.lock is missing"):
        Registry.load(folder)
    assert any("published.lock is missing" in breach for breach in check(folder))
    lock(folder)
    made, real = (
        {(one.kind, one.version, one.sha256) for one in registry.schemas}
        for registry in (Registry.load(folder), Registry.load())
    )
    assert made == real, "numbered anew, in one order for all"


@pytest.mark.parametrize("damage", ["swap", "repeat", "cut", "word"])
def test_a_damaged_lock_is_refused(folder, damage):
    """The numbers in the lock are on the wire, so a line may neither move nor go."""
    path = folder / "published.lock"
    lines = path.read_text(encoding="utf-8").splitlines()
    match damage:
        case "swap":
            lines[1], lines[2] = lines[2], lines[1]
        case "repeat":
            lines.append(lines[1].replace("1 ", f"{len(lines)} ", 1))
        case "cut":
            lines[3] = lines[3][:20]
        case "word":
            lines[3] = lines[3].replace("3 ", "three ", 1)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(SchemaRefused, match=r"published.lock is damaged"):
        Registry.load(folder)
    with pytest.raises(SchemaRefused, match=r"published.lock is damaged"):
        lock(folder)


def _other_default(schema: dict) -> None:
    field_of(schema, "device_time_ms")["default"] = 0
    field_of(schema, "device_time_ms")["type"].reverse()


def _other_logical_type(schema: dict) -> None:
    field_of(schema, "sent_time_ms")["type"]["logicalType"] = "timestamp-micros"


def _enum_default(schema: dict) -> None:
    field_of(schema, "device_input")["type"]["default"] = "mouse"


def _other_bound(schema: dict) -> None:
    field_of(schema, "seq")["maximum"] = 9


@pytest.mark.parametrize("change", [_other_logical_type, _enum_default, _other_bound])
def test_two_schemas_with_one_crc_are_refused(folder, change):
    """Parsing canonical form drops defaults, logical types and bounds, so one CRC-64 can name two meanings."""
    twin = schema_of("session.started")
    change(twin)
    write(folder, "session.started", 2, twin)
    with pytest.raises(SchemaRefused, match="share the CRC-64"):
        lock(folder)
    path = folder / "published.lock"
    lines = path.read_text(encoding="utf-8").splitlines()
    text = json.dumps(twin, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    crc = Registry.load().newest("games")["session.started"].fingerprint.hex()
    lines.append(f"{len(lines)} session.started 2 {crc} {sha256(text.encode()).hexdigest()}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(SchemaRefused, match="share the CRC-64"):
        Registry.load(folder)


def test_a_file_that_is_no_schema_is_refused(folder):
    """The folder is the registry, so nothing else may lie in it."""
    (folder / "games" / "notes.txt").write_text("x", encoding="utf-8")
    with pytest.raises(SchemaRefused, match=r"notes.txt is no schema"):
        Registry.load(folder)
    assert any("notes.txt is no schema" in breach for breach in check(folder))
    (folder / "games" / "notes.txt").rename(folder / "games" / "session.napped.v1.avsc")
    (breach,) = check(folder)
    assert "session.napped.v1.avsc is no JSON" in breach


def test_what_avro_itself_refuses_is_found():
    """A misspelt type must end as a line of the check, not as a traceback."""
    broken = schema_of("session.paused")
    broken["fields"].append({"name": "x", "type": "lung", "doc": "d"})
    assert any(
        "is no Avro schema" in breach for breach in incompatibilities(schema_of("session.paused"), broken)
    )


def test_a_kind_may_have_ten_versions(folder):
    """Versions are numbers: v10 comes after v9, whatever a folder's listing says."""
    schema = schema_of("session.paused")
    for version in range(2, 11):
        field = {"name": f"x{version}", "type": ["null", "boolean"], "default": None, "doc": "d"}
        schema["fields"].append(field)
        write(folder, "session.paused", version, schema)
    assert [int(line.split(" ")[2]) for line in lock(folder)] == list(range(2, 11))
    assert check(folder) == []
    assert Registry.load(folder).newest("games")["session.paused"].version == 10


NODE = {
    "type": "record",
    "name": "Node",
    "fields": [{"name": "next", "type": ["null", "Node"], "default": None}],
}
BREACHES = {
    "recursion": (
        {"name": "next", "type": ["null", "Shown"], "default": None, "doc": "d"},
        "refers to the type Shown",
    ),
    "nested": ({"name": "x", "type": NODE, "doc": "d"}, "nests a record"),
    "float": ({"name": "x", "type": "float", "doc": "d"}, "is a float"),
    "double": ({"name": "x", "type": ["null", "double"], "default": None, "doc": "d"}, "is a float"),
    "int": ({"name": "x", "type": "int", "minimum": 0, "maximum": 1, "doc": "d"}, "is an int"),
    "enum": (
        {"name": "x", "type": {"type": "enum", "name": "E", "symbols": ["a"]}, "doc": "d"},
        "without a default",
    ),
    "union": ({"name": "x", "type": ["string", "long"], "doc": "d"}, "is a union"),
    "null last": ({"name": "x", "type": ["boolean", "null"], "doc": "d"}, "is a union"),
    "null alone": ({"name": "x", "type": ["null", "boolean"], "doc": "d"}, "default must be null"),
    "array": ({"name": "x", "type": {"type": "array", "items": "long"}, "doc": "d"}, "nests a array"),
    "map": ({"name": "x", "type": {"type": "map", "values": "long"}, "doc": "d"}, "nests a map"),
    "no doc": ({"name": "x", "type": "boolean"}, "has no doc"),
    "unbounded long": (
        {"name": "x", "type": "long", "minimum": 0, "doc": "d"},
        "without minimum and maximum",
    ),
    "unbounded string": ({"name": "x", "type": "string", "doc": "d"}, "without maxLength"),
    "unbounded bytes": ({"name": "x", "type": "bytes", "doc": "d"}, "without maxLength"),
    "twice": ({"name": "seq", "type": "boolean", "doc": "d"}, "stands twice"),
    "transport at the end": (
        {"name": "x", "type": "boolean", "doc": "d", "transport": True},
        "marked as transport",
    ),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_every_breach_of_style_is_found(breach):
    """Each of these hurts years later, when nobody can change the schema any more."""
    field, said = BREACHES[breach]
    schema = schema_of("balloon_risk.shown")
    assert lint(schema) == []
    schema["fields"].append(field)
    found = lint(schema)
    assert len(found) == 1
    assert said in found[0]


def test_a_wrong_head_is_found():
    """The transport prefix is what the digest leaves out, so it must be exactly where it is."""
    schema = schema_of("balloon_risk.shown")
    schema["fields"][0], schema["fields"][1] = schema["fields"][1], schema["fields"][0]
    assert any("the header is not" in breach for breach in lint(schema))
    schema = schema_of("balloon_risk.shown")
    del field_of(schema, "event_id")["transport"]
    assert any("marked as transport" in breach for breach in lint(schema))
    schema = schema_of("session.abandoned")
    schema["name"] = "Ended"
    assert any("the header is not" in breach for breach in lint(schema)), "only the house writes without seq"
    schema = schema_of("balloon_risk.shown") | {"doc": "", "namespace": "elsewhere"}
    assert {"the record has no doc", "the namespace does not begin with kymograph."} <= set(lint(schema))
    assert lint({"type": "enum"}) == ["the top is not a record"]


def test_a_file_says_inside_what_its_name_says(folder):
    """A reader finds the schema by its kind, so the kind must be the same inside and outside."""
    write(folder, "session.paused", 1, schema_of("session.resumed"))
    assert any("the record inside is session.resumed" in breach for breach in check(folder))


def test_a_version_may_not_be_left_out(folder):
    """Between v1 and v3 everybody would look for a v2."""
    schema = schema_of("session.paused")
    schema["fields"].append({"name": "x", "type": ["null", "boolean"], "default": None, "doc": "d"})
    write(folder, "session.paused", 3, schema)
    assert any("versions are [1, 3]" in breach for breach in check(folder))


def _compatible(schema: dict) -> None:
    schema["fields"].append({"name": "x", "type": ["null", "boolean"], "default": None, "doc": "d"})


def _required(schema: dict) -> None:
    schema["fields"].append({"name": "x", "type": "boolean", "doc": "d"})


def _removed(schema: dict) -> None:
    schema["fields"].pop()


def _retyped(schema: dict) -> None:
    field_of(schema, "battery")["type"] = "long"


def _renamed(schema: dict) -> None:
    field_of(schema, "battery")["name"] = "pack"


def _pattern(schema: dict) -> None:
    del field_of(schema, "config_hash")["pattern"]


def _length(schema: dict) -> None:
    field_of(schema, "battery")["maxLength"] = 257


def test_an_added_nullable_field_is_compatible():
    """That is how a vocabulary grows."""
    old, new = schema_of("session.started"), schema_of("session.started")
    _compatible(new)
    assert incompatibilities(old, old) == []
    assert incompatibilities(old, new) == []


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("session.started", _required, "new cannot read old"),
        ("session.completed", _removed, "old cannot read new"),
        ("session.started", _retyped, "cannot read"),
        ("session.started", _renamed, "cannot read"),
        ("session.started", _other_logical_type, "sent_time_ms: logicalType was 'timestamp-millis'"),
        ("session.started", _other_default, "device_time_ms: default was None and is 0"),
        ("session.started", _enum_default, "device_input: enum default was 'unknown' and is 'mouse'"),
        ("session.started", _other_bound, "seq: maximum was 65535 and is 9"),
        ("session.started", _length, "battery: maxLength was 256 and is 257"),
        ("session.started", _pattern, "config_hash: pattern was '^[0-9a-f]{64}$' and is 'absent'"),
    ],
)
def test_an_incompatible_version_is_found(folder, kind, change, said):
    """Years of log must stay readable in both directions, with the same meaning: milliseconds never become microseconds."""
    old, new = schema_of(kind), schema_of(kind)
    change(new)
    assert any(said in breach for breach in incompatibilities(old, new)), incompatibilities(old, new)
    write(folder, kind, 2, new)
    assert any(f"{kind} v2: " in breach and said in breach for breach in check(folder))


def test_compatibility_is_transitive(folder):
    """Each step may look harmless while the first version and the third cannot read each other."""
    first, second = schema_of("session.paused"), schema_of("session.paused")
    third = copy.deepcopy(second)
    bounded = {"default": None, "doc": "d", "maxLength": 9}
    second["fields"].append({"name": "why", "type": ["null", "string"], **bounded})
    third["fields"].append({"name": "x", "type": ["null", "string"], **bounded})
    fourth = copy.deepcopy(first)
    fourth["fields"].append({"name": "why", "type": ["null", "boolean"], "default": None, "doc": "d"})
    for version, schema in ((2, second), (3, third), (4, fourth)):
        write(folder, "session.paused", version, schema)
    assert incompatibilities(first, second) == incompatibilities(second, third) == []
    assert incompatibilities(third, fourth) == []
    assert incompatibilities(second, fourth) != []
    assert any(breach.startswith("session.paused v4: ") for breach in check(folder))
