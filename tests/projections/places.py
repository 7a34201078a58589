"""Where a store can be in a test: the engine in this process, or the development server as a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from projections import migrate
from projections.clickhouse import ClickHouseStore

ROOT = Path(__file__).parents[2]


class Place(Protocol):
    """Something that opens a database of its own for each test."""

    def open(self, database: str) -> ClickHouseStore:
        """A store on this database, without tables."""


class Embedded:
    """The engine in this process. It stays open while this lives, for opening it takes seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._keeper = ClickHouseStore.embedded(folder, database="keeper")

    def open(self, database: str) -> ClickHouseStore:
        """See Place."""
        return ClickHouseStore.embedded(self.folder, database=database)

    def close(self) -> None:
        """Let the engine go, so that the next module may open it elsewhere."""
        self._keeper.close()


class Served:
    """The development server over a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "infra/clickhouse/server"), "--path", str(folder), "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        assert "listens on" in ready, f"the server did not start: {ready!r}"
        self.url = ready.split(" listens on ")[1].split()[0]

    def open(self, database: str) -> ClickHouseStore:
        """See Place."""
        return ClickHouseStore.server(f"{self.url}/{database}", timeout_s=10)

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self._ended()

    def close(self) -> None:
        """Ask it to stop; it ends cleanly."""
        self.process.terminate()
        assert self._ended() == 0

    def _ended(self) -> int:
        code = self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def migrated(place: Place, database: str) -> Iterator[ClickHouseStore]:
    """A store with its tables."""
    store = place.open(database)
    try:
        migrate.up(store)
        yield store
    finally:
        store.close()


def database_of(node_name: str) -> str:
    """A database's name of a test's name."""
    return "t_" + "".join(letter if letter.isalnum() else "_" for letter in node_name.lower())[:60]
