"""The embedded driver: the same agents as the Faust worker's, in this process, over any log."""

import sqlite3
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from agents.scoring import Scoring
from agents.tables import ROW_FORMAT, SessionRow, freeze, thaw
from streams.log import Log, Message
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
    'CREATE TABLE IF NOT EXISTS offsets ("partition" INTEGER PRIMARY KEY, next INTEGER NOT NULL)',
)


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

    def offset(self, partition: int) -> int:
        """The next offset to read: the rows hold what lies before it."""
        found = self._connection.execute('SELECT next FROM offsets WHERE "partition" = ?', (partition,))
        row = found.fetchone()
        return 0 if row is None else int(row[0])

    def get(self, key: bytes) -> SessionRow | None:
        """The row of a key."""
        found = self._connection.execute("SELECT row FROM rows WHERE key = ?", (key,)).fetchone()
        return None if found is None else thaw(found[0])

    def put(self, rows: Iterable[tuple[bytes, SessionRow]], partition: int, offset: int) -> None:
        """Keep rows and how far their partition was read, all or none."""
        frozen = [(key, freeze(row)) for key, row in rows]
        with self._connection:  # commits, or undoes what it began
            self._connection.execute("BEGIN")
            self._connection.executemany("REPLACE INTO rows VALUES (?, ?)", frozen)
            self._connection.execute("REPLACE INTO offsets VALUES (?, ?)", (partition, offset))

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
        outcomes: Counter[str] = Counter()
        committed = self._log.committed(GROUP, EVENTS.name)
        for partition, end in self._log.end_offsets(EVENTS.name).items():
            # Whichever of the two was thrown away, what it lacks is made again: a repeat has no effect.
            start = min(committed.get(partition, 0), self._rows.offset(partition))
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
        for record in self._log.read(EVENTS.name, partition, start, stop):
            row = dirty.get(record.key)
            scored = self._scoring.advance(row if row is not None else self._rows.get(record.key), record)
            outcomes[scored.outcome or "dead_letter"] += 1
            if scored.row is not None:
                dirty[record.key] = scored.row
            for topic, message in scored.sends:
                sends.setdefault(topic, []).append(message)
        for topic, messages in sends.items():
            self._log.append(topic, messages)
        self._rows.put(dirty.items(), partition, stop)
        return outcomes
