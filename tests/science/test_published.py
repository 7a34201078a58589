"""Published is frozen: norms, mappings and metric definitions get a new version, never an edit."""

from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

import science
from science.canonical import digest
from science.games import GAMES
from science.mapping import Mapping, NormSet

LOCK = Path(science.__file__).parent / "published.lock"
Entry = tuple[str, str, str]  # kind, name, version


def living() -> dict[Entry, str]:
    """What the code publishes now, with its hash."""
    entries: dict[Entry, str] = {}
    for game in GAMES.values():
        for definition in game.definitions:
            entries["metric", definition.id, str(definition.version)] = digest(definition)
    for kind in ("mappings", "norms"):
        for file in (files("science") / kind).iterdir():
            if file.name.endswith(".json"):
                name, _, version = file.name.removesuffix(".json").partition(".v")
                entries[kind.removesuffix("s"), name, version] = digest(
                    msgspec.json.decode(file.read_bytes())
                )
    return entries


def locked(text: str) -> dict[Entry, str]:
    """What the lock file holds; one line an entry, and no entry twice."""
    entries: dict[Entry, str] = {}
    for line in text.splitlines():
        kind, name, version, value = line.split()
        assert (kind, name, version) not in entries, f"locked twice: {line}"
        entries[kind, name, version] = value
    return entries


def flaws(lock: dict[Entry, str], alive: dict[Entry, str]) -> list[str]:
    """How the two differ; for what is not locked yet, the line to append."""
    return [
        *(f"gone, but published: {' '.join(entry)}" for entry in lock.keys() - alive.keys()),
        *(
            f"edited, give it a new version: {' '.join(entry)}"
            for entry in lock.keys() & alive.keys()
            if lock[entry] != alive[entry]
        ),
        *(f"append: {' '.join(entry)} {alive[entry]}" for entry in sorted(alive.keys() - lock.keys())),
    ]


def test_what_is_published_is_locked_and_unchanged() -> None:
    """Every entry of the lock still stands with its hash, and everything published is in the lock."""
    found = flaws(locked(LOCK.read_text()), living())
    assert not found, "\n".join(found)


@pytest.mark.parametrize("kind", ["metric", "mapping", "norm"])
def test_the_lock_bites(kind: str) -> None:
    """An edit, a removal and an addition are each found, for every kind of entry."""
    alive = living()
    entry = min(one for one in alive if one[0] == kind)
    lock = dict(alive)
    assert flaws(lock, alive) == []
    assert flaws(lock | {entry: "0" * 64}, alive) == [f"edited, give it a new version: {' '.join(entry)}"]
    assert flaws(lock, {one: alive[one] for one in alive if one != entry}) == [
        f"gone, but published: {' '.join(entry)}"
    ]
    assert flaws({one: lock[one] for one in lock if one != entry}, alive) == [
        f"append: {' '.join(entry)} {alive[entry]}"
    ]


def test_a_published_document_is_what_its_file_is_called() -> None:
    """The name of the file is the id and the version inside."""
    for file in (files("science") / "norms").iterdir():
        if file.name.endswith(".json"):
            norms = msgspec.json.decode(file.read_bytes(), type=NormSet)
            assert file.name == f"{norms.id}.v{norms.version}.json"
    for file in (files("science") / "mappings").iterdir():
        if file.name.endswith(".json"):
            mapping = msgspec.json.decode(file.read_bytes(), type=Mapping)
            assert file.name == f"{mapping.id}.v{mapping.semver}.json"
