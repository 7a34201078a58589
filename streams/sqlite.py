"""The embedded log: one SQLite file, durable, for any number of threads and processes of one machine.

Rules of this module
--------------------
- A row is written once and never changed. ``crc`` stands beside it, so a changed row is read as not intact, and the end
  offset of a partition stands in a table of its own, so a row that is gone is missed and never numbered again.
- Offsets are given inside ``BEGIN IMMEDIATE``: of two processes one waits, ``timeout_s`` at most.
- Appending is durable when it returns: write-ahead log, ``synchronous=FULL``.
- Reading takes a page of rows at a time. Between pages nothing is held, so a slow reader holds up nobody.
"""

import sqlite3
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from streams.headers import packed, unpacked
from streams.log import LogUnavailable, Message, OffsetsLost, Position, Record, UnknownPartition
from streams.partitioner import partition_of
from streams.topics import TOPICS, Topic

# Marks the file as ours, so that no other program's database is written into: "Kymo" in ASCII.
APPLICATION_ID = 0x4B796D6F
VERSION = 2  # 1 had no headers
PAGE_ROWS = 500

TABLES = """
CREATE TABLE partitions (
    topic TEXT NOT NULL, "partition" INTEGER NOT NULL, end_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, "partition")
) WITHOUT ROWID;
CREATE TABLE records (
    topic TEXT NOT NULL, "partition" INTEGER NOT NULL, "offset" INTEGER NOT NULL,
    key BLOB NOT NULL, value BLOB NOT NULL, time_ms INTEGER NOT NULL, crc INTEGER NOT NULL,
    headers BLOB NOT NULL DEFAULT X'',
    PRIMARY KEY (topic, "partition", "offset")
) WITHOUT ROWID;
CREATE TABLE committed (
    "group" TEXT NOT NULL, topic TEXT NOT NULL, "partition" INTEGER NOT NULL, "offset" INTEGER NOT NULL,
    PRIMARY KEY ("group", topic, "partition")
) WITHOUT ROWID;
"""
ADD_HEADERS = "ALTER TABLE records ADD COLUMN headers BLOB NOT NULL DEFAULT X''"
# The casts: a row that somebody changed may hold any type.
PAGE = """
SELECT "offset", CAST(key AS BLOB), CAST(value AS BLOB), CAST(time_ms AS INTEGER), crc, CAST(headers AS BLOB)
FROM records
WHERE topic = ? AND "partition" = ? AND "offset" >= ? AND "offset" < ? ORDER BY "offset" LIMIT ?
"""
COMMIT = """
INSERT INTO committed ("group", topic, "partition", "offset") VALUES (?, ?, ?, ?)
ON CONFLICT ("group", topic, "partition") DO UPDATE SET "offset" = excluded."offset"
"""


class SqliteLog:
    """The log in the file ``path``, which is made where it is not there; its folder must be.

    ``timeout_s`` is how long another process's writing is waited for. Threads may share one SqliteLog; a process that
    forks must open its own.
    """

    def __init__(
        self, path: Path | str, topics: Sequence[Topic] = TOPICS, *, timeout_s: float = 10.0
    ) -> None:
        self._path = Path(path)
        self._timeout_s = timeout_s
        self._partitions = {topic.name: topic.partitions for topic in topics}
        # Two connections, so that a reader does not wait for a writer's disk. Each is used by one thread at a time.
        self._write_lock = threading.Lock()
        self._read_lock = threading.Lock()
        with self._failures_named():
            self._writer = self._connection()
            try:
                self._prepare()
                self._reader = self._connection()
            except BaseException:
                self._writer.close()
                raise

    def append(self, topic: str, messages: Sequence[Message]) -> list[Position]:
        """Append in order, in one transaction: all or none. Raises LogUnavailable, UnknownPartition."""
        count = self.partitions(topic)
        parted = [(partition_of(message.key, count), message) for message in messages]
        positions = []
        rows = []
        with self._transaction() as connection:
            time_ms = time.time_ns() // 1_000_000
            ends = self._ends(connection, topic)
            for partition, message in parted:
                offset = ends[partition]
                ends[partition] = offset + 1
                key, value, headers = message.key, message.value, packed(message.headers)
                crc = _crc(key, value, time_ms, headers)
                rows.append((topic, partition, offset, key, value, time_ms, crc, headers))
                positions.append(Position(topic, partition, offset))
            connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            connection.executemany(
                'UPDATE partitions SET end_offset = ? WHERE topic = ? AND "partition" = ?',
                [(ends[partition], topic, partition) for partition in {partition for partition, _ in parted}],
            )
        return positions

    def read(self, topic: str, partition: int, start: int, end: int | None = None) -> Iterator[Record]:
        """Records ``start <= offset < end`` that are there when the call is made; it never waits for more.

        Raises UnknownPartition and LogUnavailable, and OffsetsLost where rows are gone.
        """
        assert start >= 0, "offsets count from 0"
        self._check_partition(topic, partition)
        length = self.end_offsets(topic)[partition]
        return self._pages(topic, partition, start=start, end=length if end is None else min(end, length))

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has. Raises UnknownPartition."""
        try:
            return self._partitions[topic]
        except KeyError:
            raise UnknownPartition(f"no topic {topic}; there are {', '.join(self._partitions)}") from None

    def first_offsets(self, topic: str) -> dict[int, int]:
        """0 of every partition: nothing is let go. Raises UnknownPartition."""
        return dict.fromkeys(range(self.partitions(topic)), 0)

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The end offset of every partition. Raises LogUnavailable, UnknownPartition."""
        self.partitions(topic)
        with self._reading() as connection:
            return self._ends(connection, topic)

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """The next offset to read, of every partition that the group has committed.

        Raises LogUnavailable, UnknownPartition.
        """
        self.partitions(topic)
        query = 'SELECT "partition", "offset" FROM committed WHERE "group" = ? AND topic = ?'
        with self._reading() as connection:
            return dict(connection.execute(query, (group, topic)).fetchall())

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Remember the next offset to read, durably. Raises LogUnavailable, UnknownPartition."""
        for partition, offset in offsets.items():
            assert offset >= 0, "offsets count from 0"
            self._check_partition(topic, partition)
        rows = [(group, topic, partition, offset) for partition, offset in offsets.items()]
        with self._transaction() as connection:
            connection.executemany(COMMIT, rows)

    def close(self) -> None:
        """Let go of the file; afterwards the log must not be used."""
        with self._write_lock, self._read_lock:
            self._reader.close()
            self._writer.close()

    def _pages(self, topic: str, partition: int, *, start: int, end: int) -> Iterator[Record]:
        at = start
        while at < end:
            with self._reading() as connection:
                rows = connection.execute(PAGE, (topic, partition, at, end, PAGE_ROWS)).fetchall()
            for offset, key, value, time_ms, crc, blob in rows:
                if offset != at:
                    raise OffsetsLost(
                        f"{self._path}: offsets {at} to {offset - 1} of {topic}/{partition} are gone"
                    )
                at += 1
                headers = unpacked(blob)
                yield Record(
                    topic=topic,
                    partition=partition,
                    offset=offset,
                    key=key,
                    value=value,
                    time_ms=time_ms,
                    intact=headers is not None and _crc(key, value, time_ms, blob) == crc,
                    headers=headers or (),
                )
            if not rows:
                raise OffsetsLost(f"{self._path}: offsets {at} to {end - 1} of {topic}/{partition} are gone")

    def _check_partition(self, topic: str, partition: int) -> None:
        count = self.partitions(topic)
        if not 0 <= partition < count:
            raise UnknownPartition(f"no partition {partition} of {topic}: it has {count}")

    def _ends(self, connection: sqlite3.Connection, topic: str) -> dict[int, int]:
        query = 'SELECT "partition", end_offset FROM partitions WHERE topic = ? ORDER BY "partition"'
        return dict(connection.execute(query, (topic,)).fetchall())

    def _connection(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._timeout_s, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 1000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        return connection

    def _prepare(self) -> None:
        """Make the tables in a new file; refuse another program's file, and other partitions than were made."""
        if self._writer.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            self._version(self._writer)
            turn_to_wal(self._writer, self._timeout_s)
        with self._transaction() as connection:
            version = self._version(connection)
            if version is None:
                for statement in TABLES.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            elif version == 1:
                connection.execute(ADD_HEADERS)
            if version != VERSION:
                connection.execute(f"PRAGMA user_version = {VERSION}")
            for topic, count in self._partitions.items():
                made = len(self._ends(connection, topic))
                if made not in {0, count}:
                    # Another count would send a key elsewhere than where its records lie.
                    raise LogUnavailable(
                        f"{self._path}: {topic} was made with {made} partitions, asked for {count}: "
                        "open it as it was made, or copy its records to a new file"
                    )
                rows = [(topic, partition) for partition in range(made, count)]
                connection.executemany("INSERT INTO partitions VALUES (?, ?, 0)", rows)

    def _version(self, connection: sqlite3.Connection) -> int | None:
        """Of the log that the file is; None for an empty one. Raises LogUnavailable for any other."""
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if application == APPLICATION_ID and 1 <= version <= VERSION:
            return version
        if application == APPLICATION_ID:
            raise LogUnavailable(
                f"{self._path} was written by another version of Kymograph ({version}, this one reads up to {VERSION}): "
                "use that version"
            )
        if application != 0 or connection.execute("SELECT 1 FROM sqlite_schema").fetchone() is not None:
            raise LogUnavailable(f"{self._path} is another program's database: name another file")
        return None

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._failures_named(), self._read_lock:
            yield self._reader

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing: committed when the block ends, undone when it raises."""
        with self._failures_named(), self._write_lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                # SQLite itself has undone it after some failures, such as a full disk.
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        """SQLite's failures as LogUnavailable, with the place and what to do."""
        try:
            yield
        except sqlite3.ProgrammingError:
            # Ours, such as use after close.
            raise
        except sqlite3.DatabaseError as error:
            raise LogUnavailable(f"{self._path}: {error}: {_remedy(error, self._path)}") from error


def _crc(key: bytes, value: bytes, time_ms: int, headers: bytes = b"") -> int:
    return zlib.crc32(headers, zlib.crc32(value, zlib.crc32(key, zlib.crc32(b"%d" % time_ms))))


def _remedy(error: sqlite3.DatabaseError, path: Path) -> str:
    """What to do about a failure of SQLite."""
    # Errors that Python itself finds carry no code.
    match getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF:
        case sqlite3.SQLITE_CANTOPEN if path.is_dir():
            return "it is a folder; name a file"
        case sqlite3.SQLITE_CANTOPEN if not path.parent.is_dir():
            return "its folder is not there; make it, or name another place"
        case sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return "the file and its folder must be writable by this user"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "another process has been writing for too long; end it, or try again"
        case sqlite3.SQLITE_FULL:
            return "the disk is full; make room and append the same again"
        case sqlite3.SQLITE_NOTADB:
            return "it is no log of ours; name another file"
        case sqlite3.SQLITE_CORRUPT:
            return "the file is damaged; restore it from a copy or an archive"
        case _:
            return "see to the disk, then try again"


def turn_to_wal(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Write ahead in this file from now on. Raises sqlite3.OperationalError after so long.

    SQLite does not wait for others here, whatever the busy timeout: they may be turning the same file.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
