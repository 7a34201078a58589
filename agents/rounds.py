"""What a driver on Kafka works with: a ``Work`` folds the records of the partitions that it owns, and a ``Round`` says what of it is to be
made durable, in which order, before what may be committed.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from agents.fetched import Records
from streams.log import Log, Message

Done = TypeVar("Done")
Memory = TypeVar("Memory")


class Round(NamedTuple, Generic[Done]):
    """What one round makes durable, step after step; then ``offsets`` (the next of each partition) may be committed. ``done`` is what the
    records came to.
    """

    steps: Sequence[Mapping[str, Sequence[Message]]]
    offsets: Mapping[int, int]
    done: Done

    def write(self, log: Log) -> None:
        """Make it durable. Raises LogUnavailable: then nothing may be committed."""
        for step in self.steps:
            for topic, messages in step.items():
                if messages:
                    log.append(topic, messages)


class Work(Protocol[Memory]):
    """An agent over the partitions of one topic. ``generation`` counts how often everything was let go of."""

    topic: str
    generation: int

    def remember(self, partition: int, committed: int) -> Memory:
        """What is known of a partition of which this was committed. Changes nothing, takes its time, and may be asked from any thread.

        Raises LogUnavailable, and OffsetsLost where records are gone that were never taken.
        """

    def own(self, partition: int, memory: Memory) -> int:
        """Take a partition over; the offset to read on from."""

    def position(self, partition: int) -> int:
        """The offset that is to be taken next of an owned partition."""

    def disown(self) -> None:
        """Let go of everything: what was not committed is for the next owner."""

    def owned(self) -> Collection[int]:
        """The partitions that are ours."""

    def take(self, partition: int, records: Records) -> None:
        """Fold records of an owned partition; what a driver left out of them is read first. Raises LogUnavailable, OffsetsLost."""

    def prepare(self) -> Round[Any] | None:
        """What is to be made durable of all that was taken since the last round; None where nothing was."""
