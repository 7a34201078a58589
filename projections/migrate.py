"""The tables, made step by step: numbered SQL files, applied in order, each once, never edited afterwards.

``schema_migrations`` records the number, name and SHA-256 of what was applied. If a file that was applied has changed or is
gone, nothing is done and ``MigrationRefused`` says which. Every statement may be repeated (``IF NOT EXISTS``), so a crash
between a step and its record does no harm.
"""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Literal, Protocol

import msgspec

FOLDER: Traversable = files("projections").joinpath("migrations")

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_RECORDS = """
CREATE TABLE IF NOT EXISTS schema_migrations
(
    number     UInt32,
    name       String,
    checksum   FixedString(64),
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplacingMergeTree
ORDER BY number
"""


class Migration(msgspec.Struct, frozen=True, order=True):
    """One numbered file. ``checksum`` is the SHA-256 of its bytes."""

    number: int
    name: str
    checksum: str
    text: str


class MigrationStatus(msgspec.Struct, frozen=True):
    """Where one migration stands."""

    number: int
    name: str
    state: Literal["applied", "pending"]


class MigrationRefused(Exception):
    """The folder contradicts itself or what was applied. Nothing was changed."""


class Engine(Protocol):
    """What migrations need of a database engine."""

    def has_table(self, table: str) -> bool:
        """Whether the database and this table of it are there."""

    def create_database(self) -> None:
        """Make the database unless it is there."""

    def execute(self, statement: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run a statement that gives no rows."""

    def select(
        self, statement: str, parameters: Mapping[str, object] | None = None
    ) -> Sequence[Sequence[object]]:
        """Run a statement that gives rows."""


def migrations(folder: Traversable = FOLDER) -> tuple[Migration, ...]:
    """The files of the folder, in order. Raises MigrationRefused unless they are numbered 1, 2, 3 and so on."""
    found = []
    for file in folder.iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            content = file.read_bytes()
            found.append(Migration(int(match[1]), file.name, sha256(content).hexdigest(), content.decode()))
        elif file.name.endswith(".sql"):
            raise MigrationRefused(f"{file.name} is not named like 0001_events.sql")
    found.sort()
    for place, migration in enumerate(found, start=1):
        if migration.number != place:
            raise MigrationRefused(f"{migration.name} stands where number {place:04} was expected")
    return tuple(found)


def status(engine: Engine, folder: Traversable = FOLDER) -> tuple[MigrationStatus, ...]:
    """Every migration and whether it was applied; changes nothing. Raises MigrationRefused."""
    known = migrations(folder)
    applied = _applied(engine)
    by_number = {migration.number: migration for migration in known}
    for number, (name, checksum) in sorted(applied.items()):
        migration = by_number.get(number)
        if migration is None:
            raise MigrationRefused(
                f"{name} was applied to this database but its file is gone. Use the version of kymograph that has it"
            )
        if (migration.name, migration.checksum) != (name, checksum):
            raise MigrationRefused(
                f"{migration.name} has changed since it was applied as {name} ({checksum[:12]}, now "
                f"{migration.checksum[:12]}). Restore the file; put the change into a new migration"
            )
    pending = [migration for migration in known if migration.number not in applied]
    if pending and applied and pending[0].number < max(applied):
        raise MigrationRefused(
            f"{pending[0].name} was never applied, but {max(applied):04} was: order is lost"
        )
    return tuple(
        MigrationStatus(
            migration.number, migration.name, "applied" if migration.number in applied else "pending"
        )
        for migration in known
    )


def up(engine: Engine, folder: Traversable = FOLDER, *, dry_run: bool = False) -> tuple[Migration, ...]:
    """Apply what is pending, in order, and return it; with ``dry_run`` only return it. Raises MigrationRefused."""
    states = {state.number: state.state for state in status(engine, folder)}
    pending = tuple(migration for migration in migrations(folder) if states[migration.number] == "pending")
    if dry_run:
        return pending
    engine.create_database()
    engine.execute(_RECORDS)
    for migration in pending:
        for statement in statements(migration.text):
            engine.execute(statement)
        engine.execute(
            "INSERT INTO schema_migrations (number, name, checksum) VALUES ({number:UInt32}, {name:String}, {checksum:String})",
            {"number": migration.number, "name": migration.name, "checksum": migration.checksum},
        )
    return pending


def identity(engine: Engine) -> str:
    """What tells these tables from others made before or after: when the first of them was made."""
    first = "SELECT toUnixTimestamp64Milli(min(applied_at)) FROM schema_migrations FINAL WHERE number = 1"
    return str(engine.select(first)[0][0])


def statements(text: str) -> list[str]:
    """The statements of a file: each ends with a semicolon at the end of a line."""
    parts = (part.strip() for part in re.split(r";[ \t]*(?:\n|$)", text))
    return [part for part in parts if part]


def _applied(engine: Engine) -> dict[int, tuple[str, str]]:
    if not engine.has_table("schema_migrations"):
        return {}
    rows = engine.select(
        "SELECT number, name, toString(checksum) FROM schema_migrations FINAL ORDER BY number"
    )
    applied: dict[int, tuple[str, str]] = {}
    for number, name, checksum in rows:
        assert isinstance(number, int)
        applied[number] = (str(name), str(checksum))
    return applied
