"""The log as a port. ``streams/memory.py``, ``streams/sqlite.py`` and ``streams/kafka.py`` keep these promises.

Terms
-----
A *topic* has a fixed number of *partitions*; a partition is a sequence of *records*, numbered by *offset* from 0 without
holes in what a reader sees in order. A *position* is a topic, partition and offset. The partition of a record is
``streams.partitioner.partition_of(key, partitions)``, on every implementation. The *end offset* is the offset that the next
record will get. A *group* is a named reader whose progress (the next offset to read, by partition) the log keeps.

Promises
--------
- ``append`` returns when every record is durable (the memory log: when it is in memory), in the order given; records of one
  key keep their order. If it raises, some of the records may have been written: appending the same again is safe, because
  repeats have no effect on a profile.
- ``read`` gives what was appended, in offset order. A record whose bytes changed since is given with ``intact=False``.
- Headers come back as they were given, in order. Nothing that a profile depends on stands in them.
- ``commit`` is durable when it returns.
- What cannot be reached raises ``LogUnavailable``; a topic or partition that does not exist raises ``UnknownPartition``; a
  start below what is kept raises ``OffsetsLost`` and never jumps. Whatever raises changes no state of the reader.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from streams.headers import Headers


class Position(msgspec.Struct, frozen=True, order=True):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


class Message(msgspec.Struct, frozen=True):
    """What is appended: the key decides the partition."""

    key: bytes
    value: bytes
    headers: Headers = ()


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What is read. ``time_ms`` is when the log took it (audit only)."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    time_ms: int
    intact: bool = True
    headers: Headers = ()


class LogUnavailable(Exception):
    """The log cannot be reached now. The message says where it was looked for and what to do."""


class UnknownPartition(Exception):
    """No such topic, or no such partition of it."""


class OffsetsLost(Exception):
    """Records that a reader still needs are gone from the log; the message names the lost range."""


class Log(Protocol):
    """One log: topics, partitions, offsets, and the progress of named groups."""

    def append(self, topic: str, messages: Sequence[Message]) -> list[Position]:
        """Append in order; return when all are durable. Raises LogUnavailable, UnknownPartition."""

    def read(self, topic: str, partition: int, start: int, end: int | None = None) -> Iterator[Record]:
        """Records from offset ``start`` up to but without ``end`` (None: the end offset when the call is made)."""

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has."""

    def first_offsets(self, topic: str) -> dict[int, int]:
        """The first offset that is kept, of every partition; the end offset where none is."""

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The end offset of every partition."""

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """The next offset to read, of every partition that the group has committed."""

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Remember the next offset to read, durably."""

    def close(self) -> None:
        """Let go of files and connections; afterwards the log must not be used."""
