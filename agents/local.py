"""The embedded driver: the same agents as the Faust worker's, in this process, over any log."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from agents.scoring import Scoring
from agents.tables import ROW_FORMAT, SessionRow, freeze, thaw
from streams.log import Log, Message, Record
from streams.topics import EVENTS

GROUP = "kymograph-scoring"
_RECORDS_A_COMMIT = 10_000
_FORGET = (  # rows of another format are made again from the log
    "DROP TABLE IF EXISTS rows",
    "DROP TABLE IF EXISTS offsets",
    f"PRAGMA user_version={ROW_FORMAT}",
)
_TABLES = (
    "PRAGMA journal_mode=WAL",
    "CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID",
    'CREATE TABLE IF NOT EXISTS offsets ("partition" INTEGER PRIMARY KEY, next INTEGER NOT NULL, mark BLOB NOT NULL)',
)


class DamagedRow(Exception):
    """A row that cannot be read: the cache is to be made again."""


class RowTable:
    """Session rows by key, in a SQLite file, with the offsets they were made up to: a cache that can be thrown away."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises sqlite3.Error."""
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            (row_format,) = self._connection.execute("PRAGMA user_version").fetchone()
            for statement in _TABLES if row_format == ROW_FORMAT else (*_FORGET, *_TABLES):
                self._connection.execute(statement)
        except BaseException:
            self._connection.close()
            raise

    def place(self, partition: int) -> tuple[int, bytes]:
        """The next offset to read, before which the rows hold everything, and the mark of the record before it."""
        found = self._connection.execute(
            'SELECT next, mark FROM offsets WHERE "partition" = ?', (partition,)
        ).fetchone()
        return (0, b"") if found is None else (int(found[0]), bytes(found[1]))

    def get(self, key: bytes) -> SessionRow | None:
        """The row of a key. Raises DamagedRow."""
        found = self._connection.execute("SELECT row FROM rows WHERE key = ?", (key,)).fetchone()
        try:
            return None if found is None else thaw(found[0])
        except ValueError as error:  # the checksum does not fit
            raise DamagedRow(str(error)) from error

    def forget(self) -> None:
        """Hold nothing: all of it is made again from the log."""
        for statement in (*_FORGET, *_TABLES):
            self._connection.execute(statement)

    def put(
        self, rows: Iterable[tuple[bytes, SessionRow]], partition: int, offset: int, *, mark: bytes
    ) -> None:
        """Keep rows and how far their partition was read, all or none."""
        frozen = [(key, freeze(row)) for key, row in rows]
        with self._connection:  # commits, or undoes what it began
            self._connection.execute("BEGIN")
            self._connection.executemany("REPLACE INTO rows VALUES (?, ?)", frozen)
            self._connection.execute("REPLACE INTO offsets VALUES (?, ?, ?)", (partition, offset, mark))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


class LocalWorker:
    """Reads the log from where it left off and scores what is new."""

    def __init__(self, log: Log, rows: RowTable, scoring: Scoring) -> None:
        """Over a log, with the rows of the sessions."""
        self._log = log
        self._rows = rows
        self._scoring = scoring

    def catch_up(self) -> Counter[str]:
        """Score everything up to the end offsets of now; how many records had which outcome (``dead_letter`` is one)."""
        if not self._is_of_this_log():
            self._rows.forget()
        try:
            return self._catch_up()
        except DamagedRow:
            self._rows.forget()
            return self._catch_up()

    def _is_of_this_log(self) -> bool:
        """Whether the log still holds what the rows were made from: it may have been restored from an older copy."""
        ends = self._log.end_offsets(EVENTS.name)
        for partition, end in ends.items():
            offset, mark = self._rows.place(partition)
            if offset > end:
                return False
            if any(
                _mark(record) != mark
                for record in self._log.read(EVENTS.name, partition, max(0, offset - 1), offset)
            ):
                return False
        return True

    def _catch_up(self) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        committed = self._log.committed(GROUP, EVENTS.name)
        for partition, end in self._log.end_offsets(EVENTS.name).items():
            # Whichever of the two was thrown away, what it lacks is made again: a repeat has no effect.
            start = min(committed.get(partition, 0), self._rows.place(partition)[0])
            while start < end:
                stop = min(end, start + _RECORDS_A_COMMIT)
                outcomes += self._score(partition, start, stop)
                self._log.commit(GROUP, EVENTS.name, {partition: stop})
                start = stop
        return outcomes

    def _score(self, partition: int, start: int, stop: int) -> Counter[str]:
        """Sends first, then rows; the caller commits the offsets last, so a crash repeats and never skips."""
        outcomes: Counter[str] = Counter()
        dirty: dict[bytes, SessionRow] = {}
        sends: dict[str, list[Message]] = {}
        mark = b""
        for record in self._log.read(EVENTS.name, partition, start, stop):
            row = dirty.get(record.key)
            scored = self._scoring.advance(row if row is not None else self._rows.get(record.key), record)
            outcomes[scored.outcome or "dead_letter"] += 1
            mark = _mark(record)
            if scored.row is not None:
                dirty[record.key] = scored.row
            for topic, message in scored.sends:
                sends.setdefault(topic, []).append(message)
        for topic, messages in sends.items():
            self._log.append(topic, messages)
        self._rows.put(dirty.items(), partition, stop, mark=mark)
        return outcomes


def _mark(record: Record) -> bytes:
    return sha256(record.key + record.value).digest()
