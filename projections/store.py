"""The store as a port. ``projections/clickhouse.py`` keeps these promises, embedded and on a server.

Terms
-----
The store holds *rows* (``projections/rows.py``), each in the table of its type. A row has a *key* and a *version*, which is a
position in the log and never a clock. Of the rows with one key the store shows one: of events and dead letters the one
that came *first* in the log, of metrics and profiles the one whose closing event came *last*, of reliabilities the one that
saw most of the log. The *source* of a write is the range of the log that its rows were made from. The store is a view: it can
be thrown away and rebuilt from the log.

Promises
--------
- ``write`` returns when every row is durable. If it raises, some may be written: writing the same again is safe, and so is
  writing what was written long ago, because neither changes what is shown.
- What is read equals what was written, field by field.
- What cannot be reached, or has no tables yet, raises ``StoreUnavailable`` within a bounded time. A folder that another
  process holds raises ``StoreInUse``, which names that process.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol, TypeVar

import msgspec

from projections.rows import DeadLetterRow, EventRow, ReliabilityRow, Row, SessionMetricRow, TraitProfileRow

RowT = TypeVar("RowT", EventRow, SessionMetricRow, TraitProfileRow, DeadLetterRow, ReliabilityRow)

Status = Literal["open", "measured", "insufficient", "scored", "withdrawn"]


class SessionSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the store knows of a session, in counts.

    ``open``: events only. ``measured``: metrics, but no profile. ``insufficient``: a profile without any scored trait.
    ``scored``: at least one trait is scored. ``withdrawn``: erased, whatever else there was.
    """

    session_id: str
    status: Status
    events: int
    metrics: int
    traits: int
    traits_scored: int


class StoreUnavailable(Exception):
    """The store cannot be used now. The message says where it was looked for and what to do."""


class StoreInUse(StoreUnavailable):
    """Another process holds the embedded store's folder; ``pid`` is that process (0: not known)."""

    def __init__(self, folder: str, pid: int) -> None:
        self.folder = folder
        self.pid = pid
        holder = f"process {pid}" if pid else "another process"
        super().__init__(
            f"the store in {folder} is in use by {holder}: the embedded store serves one process at a time. Stop that "
            "process, or run the development server (infra/clickhouse/server) on the folder and name its address"
        )


class Store(Protocol):
    """The tables of the projection."""

    def write(self, rows: Sequence[Row], *, source: str) -> None:
        """Write rows of any types; ``source`` is such as ``topic:partition:first-last``. Raises StoreUnavailable."""

    def profile(self, session_id: str, mapping: str) -> tuple[TraitProfileRow, ...] | None:
        """The session's profile under a mapping, by trait; None where there is none."""

    def metrics(self, session_id: str) -> tuple[SessionMetricRow, ...] | None:
        """The session's own row and then its metrics, by name; None where it was not measured."""

    def sessions(self, mapping: str | None = None) -> tuple[SessionSummary, ...]:
        """Every session that has left a row, by id. Traits and status are of the profiles by ``mapping``; None: by all of them."""

    def every(self, kind: type[RowT]) -> Iterator[RowT]:
        """Every row of one table, in the order of its key, not all in memory at once."""

    def events_of(self, kind: str) -> tuple[EventRow, ...]:
        """Every event of one kind, by session and then by place in it."""

    def position(self) -> int:
        """How far the events reach into the log: its places up to the last of them, added up over the partitions."""

    def close(self) -> None:
        """Let go of files and connections; afterwards the store must not be used."""
