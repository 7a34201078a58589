"""The store in ClickHouse: the same engine in this process (chDB, a folder) or as a server (HTTP).

The only doorway to clickhouse-connect and chDB. Both are imported when a store is opened, because the engine takes seconds
and 280 MB. Inserts are columns in ClickHouse's Native format, synchronous, and on disk when they return; each carries a
token of its source and content, so that a repeat leaves no new part. That is an economy: what a reader sees is decided by
``ReplacingMergeTree`` and ``FINAL`` alone, in whatever order and however often rows come. Statements name opaque ids only.
"""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

import msgspec

from projections.folder import hold, release
from projections.rows import SESSION, EventRow, Row, SessionMetricRow, TraitProfileRow
from projections.store import RowT, SessionSummary, Status, StoreUnavailable

if TYPE_CHECKING:
    from clickhouse_connect.datatypes.base import ClickHouseType
    from clickhouse_connect.driver.client import Client

DATABASE = "kymograph"

# The engine's defaults differ by version (26.9 inserts asynchronously), so what matters is said with every insert. A batch may
# hold events of any months; one that touches more than the default 100 partitions must not stop the projector for good.
_INSERT_SETTINGS = {"async_insert": 0, "insert_deduplicate": 1, "max_partitions_per_insert_block": 0}
# Repeats of one identity may claim different device months; FINAL must then still see them together.
_CLIENT_SETTINGS = {"do_not_merge_across_partitions_select_final": 0}
_READ_FORMATS = {"DateTime64": "int", "FixedString": "string"}

# ClickHouse's error codes that say "not now" or "not yet" and not "this statement is wrong" (src/Common/ErrorCodes.cpp).
_NO_TABLES = {60, 81}  # UNKNOWN_TABLE, UNKNOWN_DATABASE
_NOT_NOW = {159, 164, 202, 209, 210, 236, 241, 242, 243, 252, 425, 439, 516}

logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())  # what it warns of, we raise

_SESSIONS = """
SELECT session_id, sum(withdrawn), sum(events), sum(measured), sum(metrics), sum(traits), sum(traits_scored) FROM
(
    SELECT session_id, countIf(kind = 'session.withdrawn') AS withdrawn, count() AS events,
           0 AS measured, 0 AS metrics, 0 AS traits, 0 AS traits_scored
    FROM events FINAL GROUP BY session_id
    UNION ALL
    SELECT session_id, 0, 0, 1, countIf(value_micro IS NOT NULL), 0, 0 FROM session_metrics FINAL GROUP BY session_id
    UNION ALL
    SELECT session_id, 0, 0, 0, 0, count(), countIf(status = 'scored') FROM trait_profiles FINAL
    WHERE {mapping:String} IN ('', mapping) GROUP BY session_id
)
GROUP BY session_id ORDER BY session_id
"""


class ClickHouseStore:
    """Satisfies ``projections.store.Store`` and ``projections.migrate.Engine``. Threads may share it."""

    def __init__(
        self, connect: Callable[[], "Client"], let_go: Callable[[], None], *, place: str, database: str
    ) -> None:
        """For ``embedded`` and ``server``, which say how to connect and what to let go of at the end."""
        assert re.fullmatch(r"[a-z_][a-z0-9_]*", database), f"{database!r} is no name for a database"
        self.database = database
        self._place = place
        self._connect = connect
        self._let_go = let_go
        self._types: dict[str, list[ClickHouseType]] = {}
        with self._reaching():
            self._client = self._connected()

    @classmethod
    def embedded(cls, path: Path | str, *, database: str = DATABASE) -> Self:
        """The engine in this process over a folder, for one process at a time. Raises StoreInUse, StoreUnavailable."""
        folder = hold(Path(path))

        def connect() -> "Client":
            from clickhouse_connect import get_client  # noqa: PLC0415  (0.2 s, and then the engine's seconds)

            return get_client(interface="chdb", path=str(folder), settings=_CLIENT_SETTINGS)

        try:
            return cls(connect, lambda: release(folder), place=f"the folder {folder}", database=database)
        except BaseException:
            release(folder)
            raise

    @classmethod
    def server(cls, dsn: str, *, database: str = DATABASE, timeout_s: int = 30) -> Self:
        """A server, ``http[s]://[user[:password]@]host[:port][/database]``; no call waits longer than ``timeout_s``."""
        address = urlsplit(dsn)
        if address.scheme not in ("http", "https", "clickhouse") or not address.hostname:
            raise StoreUnavailable("the store's address is not of the form http://host:8123/database")
        secure = address.scheme == "https"
        host, port = address.hostname, address.port or (8443 if secure else 8123)

        def connect() -> "Client":
            from clickhouse_connect import get_client  # noqa: PLC0415  (0.2 s)

            return get_client(
                interface="https" if secure else "http",
                host=host,
                port=port,
                username=unquote(address.username or "default"),
                password=unquote(address.password or ""),
                settings=_CLIENT_SETTINGS,
                connect_timeout=min(5, timeout_s),
                send_receive_timeout=timeout_s,
                autogenerate_session_id=False,
                dedicated_pool=True,
            )

        name = unquote(address.path.strip("/")) or database
        return cls(connect, lambda: None, place=f"{host}:{port}", database=name)

    def write(self, rows: Sequence[Row], *, source: str) -> None:
        """See the port."""
        tables: defaultdict[type[Row], list[Row]] = defaultdict(list)
        for row in rows:
            tables[type(row)].append(row)
        with self._reaching():
            for kind, group in tables.items():
                self._insert(kind, group, source)

    def profile(self, session_id: str, mapping: str) -> tuple[TraitProfileRow, ...] | None:
        """See the port."""
        where = "WHERE session_id = {session:String} AND mapping = {mapping:String}"
        found = self._read(TraitProfileRow, where, {"session": session_id, "mapping": mapping})
        # A newer closing may score fewer traits; rows that it did not replace are not of it.
        last = max((row.last_offset for row in found), default=0)
        return tuple(row for row in found if row.last_offset == last) or None

    def metrics(self, session_id: str) -> tuple[SessionMetricRow, ...] | None:
        """See the port."""
        found = self._read(SessionMetricRow, "WHERE session_id = {session:String}", {"session": session_id})
        last = max((row.last_offset for row in found), default=0)
        assert not found or found[0].metric == SESSION, "every measured session has a row of its own"
        return tuple(row for row in found if row.last_offset == last) or None

    def sessions(self, mapping: str | None = None) -> tuple[SessionSummary, ...]:
        """See the port."""
        return tuple(_summary(*row) for row in self.select(_SESSIONS, {"mapping": mapping or ""}))

    def every(self, kind: type[RowT]) -> Iterator[RowT]:
        """See the port. Each call reads over a connection of its own, so others may use the store meanwhile."""
        with self._reaching():
            client = self._connected()
            try:
                with client.query_rows_stream(_statement(kind, ""), **_formats(kind)) as stream:
                    for row in stream:
                        yield msgspec.convert(row, kind)
            finally:
                client.close()

    def events_of(self, kind: str) -> tuple[EventRow, ...]:
        """See the port."""
        return tuple(self._read(EventRow, "WHERE kind = {kind:String}", {"kind": kind}))

    def position(self) -> int:
        """See the port."""
        ends = "SELECT max(offset) + 1 AS end FROM events FINAL GROUP BY partition"
        return int(self.select(f"SELECT sum(end) FROM ({ends})")[0][0])  # noqa: S608  # a text of our own

    def close(self) -> None:
        """See the port."""
        self._client.close()
        let_go, self._let_go = self._let_go, lambda: None  # closing again does no harm
        let_go()

    def has_table(self, table: str) -> bool:
        """Whether the database and this table of it are there."""
        statement = (
            "SELECT count() FROM system.tables WHERE database = {database:String} AND name = {name:String}"
        )
        with self._reaching():
            parameters = {"database": self.database, "name": table}
            return bool(self._client.command(statement, parameters, use_database=False))

    def create_database(self) -> None:
        """Make the database unless it is there."""
        with self._reaching():
            self._client.command(f"CREATE DATABASE IF NOT EXISTS {self.database}", use_database=False)

    def execute(self, statement: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run a statement that gives no rows."""
        with self._reaching():
            self._client.command(statement, dict(parameters or {}))

    def select(
        self, statement: str, parameters: Mapping[str, object] | None = None
    ) -> Sequence[Sequence[Any]]:
        """Run a statement that gives rows."""
        with self._reaching():
            return self._client.query(statement, dict(parameters or {})).result_rows

    def _connected(self) -> "Client":
        client = self._connect()
        client.database = self.database
        return client

    def _read(self, kind: type[RowT], where: str, parameters: Mapping[str, object]) -> list[RowT]:
        with self._reaching():
            found = self._client.query(_statement(kind, where), dict(parameters), **_formats(kind))
            return [msgspec.convert(row, kind) for row in found.result_rows]

    def _insert(self, kind: type[Row], rows: Sequence[Row], source: str) -> None:
        content = sha256(msgspec.msgpack.encode(rows)).hexdigest()[:32]
        self._client.insert(
            kind.TABLE,
            list(zip(*map(msgspec.structs.astuple, rows), strict=True)),
            column_names=kind.__struct_fields__,
            column_types=self._column_types(kind),
            column_oriented=True,
            settings={**_INSERT_SETTINGS, "insert_deduplication_token": f"{source}:{kind.TABLE}:{content}"},
        )

    def _column_types(self, kind: type[Row]) -> list["ClickHouseType"]:
        if kind.TABLE not in self._types:
            context = self._client.create_insert_context(kind.TABLE, kind.__struct_fields__)
            self._types[kind.TABLE] = list(context.column_types)
        return self._types[kind.TABLE]

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        from clickhouse_connect.driver.exceptions import ClickHouseError, DataError  # noqa: PLC0415  (see the module's head)

        try:
            yield
        except ClickHouseError as error:
            code = getattr(error, "code", None)
            if code in _NO_TABLES:
                raise StoreUnavailable(
                    f"the store at {self._place} has no tables of this version in its database {self.database}: "
                    "run `kymograph migrate up`"
                ) from error
            if code in _NOT_NOW or (code is None and not isinstance(error, DataError)):
                raise StoreUnavailable(
                    f"the store at {self._place} cannot be used: {error}. Check the address, that the server runs, and "
                    "the disk; nothing is lost, what is missing is written once it is back"
                ) from error
            raise


def _statement(kind: type[RowT], where: str) -> str:
    # Only names of our own Structs are put into the text; what a caller gives is bound.
    columns = ", ".join(f"`{name}`" for name in kind.__struct_fields__)
    return f"SELECT {columns} FROM {kind.TABLE} FINAL {where} ORDER BY {', '.join(kind.KEY)}"  # noqa: S608


def _formats(kind: type[RowT]) -> dict[str, Any]:
    raw = {field.name: "bytes" for field in msgspec.structs.fields(kind) if field.type is bytes}
    return {"query_formats": _READ_FORMATS, "column_formats": raw}


def _summary(session_id: str, withdrawn: int, *counts: int) -> SessionSummary:
    events, measured, metrics, traits, traits_scored = counts
    status: Status = "open"
    if withdrawn:
        status = "withdrawn"
    elif traits_scored:
        status = "scored"
    elif traits:
        status = "insufficient"
    elif measured:
        status = "measured"
    return SessionSummary(
        session_id=session_id,
        status=status,
        events=events,
        metrics=metrics,
        traits=traits,
        traits_scored=traits_scored,
    )
