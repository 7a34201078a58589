"""The log in memory, for simulation and tests: the port's promises, for as long as the process lives."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from streams.log import Message, Position, Record, UnknownPartition
from streams.partitioner import partition_of
from streams.topics import TOPICS, Topic


class MemoryLog:
    """Topics as lists of records. Any number of threads of one process may share it."""

    def __init__(self, topics: Sequence[Topic] = TOPICS) -> None:
        self._records: dict[str, list[list[Record]]] = {
            topic.name: [[] for _ in range(topic.partitions)] for topic in topics
        }
        self._committed: dict[tuple[str, str], dict[int, int]] = {}
        self._lock = threading.Lock()

    def append(self, topic: str, messages: Sequence[Message]) -> list[Position]:
        """Append in order. Raises UnknownPartition."""
        kept = self._topic(topic)
        time_ms = time.time_ns() // 1_000_000
        positions = []
        with self._lock:
            for message in messages:
                partition = partition_of(message.key, len(kept))
                offset = len(kept[partition])
                kept[partition].append(
                    Record(
                        topic=topic,
                        partition=partition,
                        offset=offset,
                        key=message.key,
                        value=message.value,
                        time_ms=time_ms,
                        headers=message.headers,
                    )
                )
                positions.append(Position(topic, partition, offset))
        return positions

    def read(self, topic: str, partition: int, start: int, end: int | None = None) -> Iterator[Record]:
        """Records ``start <= offset < end`` that are there when the call is made; it never waits for more."""
        assert start >= 0, "offsets count from 0"
        records = self._partition(topic, partition)
        length = len(records)
        # A list only grows, so what lies below its length stays as it is while others append.
        return (records[offset] for offset in range(start, length if end is None else min(end, length)))

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has. Raises UnknownPartition."""
        return len(self._topic(topic))

    def first_offsets(self, topic: str) -> dict[int, int]:
        """0 of every partition: nothing is let go. Raises UnknownPartition."""
        return dict.fromkeys(range(self.partitions(topic)), 0)

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The end offset of every partition. Raises UnknownPartition."""
        return {partition: len(records) for partition, records in enumerate(self._topic(topic))}

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """The next offset to read, of every partition that the group has committed. Raises UnknownPartition."""
        self._topic(topic)
        with self._lock:
            return dict(self._committed.get((group, topic), {}))

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Remember the next offset to read. Raises UnknownPartition, and then remembers nothing."""
        for partition, offset in offsets.items():
            assert offset >= 0, "offsets count from 0"
            self._partition(topic, partition)
        with self._lock:
            self._committed.setdefault((group, topic), {}).update(offsets)

    def close(self) -> None:
        """Nothing is held but memory."""

    def _topic(self, topic: str) -> list[list[Record]]:
        try:
            return self._records[topic]
        except KeyError:
            raise UnknownPartition(f"no topic {topic}; there are {', '.join(self._records)}") from None

    def _partition(self, topic: str, partition: int) -> list[Record]:
        records = self._topic(topic)
        if not 0 <= partition < len(records):
            raise UnknownPartition(f"no partition {partition} of {topic}: it has {len(records)}")
        return records[partition]
