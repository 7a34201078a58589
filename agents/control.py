"""The control plane's database: what must not stand in the log. SQLite by default, PostgreSQL by URL."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    create_engine,
    event,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from streams.sqlite import turn_to_wal

_PATIENCE_S = 30

_TABLES = MetaData()

SECRETS = Table(
    "secrets", _TABLES, Column("name", String, primary_key=True), Column("value", LargeBinary, nullable=False)
)

SUBJECTS = Table(
    "subjects",
    _TABLES,
    Column("lookup", LargeBinary, primary_key=True),
    Column("subject_id", String, nullable=False, unique=True),
    Column("key_id", String, nullable=False, unique=True),
    Column("key", LargeBinary, nullable=False),
)

SEED_SESSIONS = Table(
    "seed_sessions",
    _TABLES,
    Column("session_id", String, primary_key=True),
    Column("state", LargeBinary, nullable=False),
)

SEED_EVENTS = Table(
    "seed_events",
    _TABLES,
    Column("session_id", String, primary_key=True),
    Column("body_sha256", LargeBinary, primary_key=True),
    Column("events", LargeBinary, nullable=False),
)

PLACES = Table(
    "places",
    _TABLES,
    Column("log", String, primary_key=True),
    Column("reader", String, primary_key=True),
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("next_offset", BigInteger, nullable=False),
    Column("note", String, nullable=False),
)


class ControlUnavailable(Exception):
    """The control database cannot be reached; the message says where it was looked for and what to do."""


def open_control(url: str) -> Engine:
    """Connect and create what is missing. Raises ControlUnavailable."""
    try:
        engine = create_engine(url)
    except (ImportError, SQLAlchemyError) as error:
        message = f"the control database cannot be opened ({error}): give a URL such as sqlite:///control.sqlite, and install its driver"
        raise ControlUnavailable(message) from error
    if engine.dialect.name == "sqlite":
        if engine.url.database:
            with suppress(OSError):  # SQLite says better what is wrong with the place
                Path(engine.url.database).touch(mode=0o600, exist_ok=True)
        event.listen(engine, "connect", _harden)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        _TABLES.create_all(engine)
    except SQLAlchemyError as error:
        place = engine.url.render_as_string()
        message = f"the control database {place} cannot be used ({error.__cause__ or error}): check that it is writable"
        raise ControlUnavailable(message) from error
    return engine


def _harden(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """Durable when committed, and a deleted key leaves no bytes behind."""
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None  # SQLAlchemy begins, not the driver
    connection.execute(f"PRAGMA busy_timeout={1000 * _PATIENCE_S}")
    turn_to_wal(connection, _PATIENCE_S)  # two doors may open a new folder at once
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=ON")
