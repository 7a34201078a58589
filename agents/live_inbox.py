"""EventLogger over the partitions of the inbox that a process owns, as a ``Work`` (``agents/rounds.py``)."""

from collections.abc import Collection, Iterator

from agents.fetched import Records, with_left_out
from agents.inbox import Inbox, Taken
from agents.rounds import Round
from streams.log import Log, Record
from streams.topics import DEAD_LETTERS, EVENTS, INBOX


class LiveInbox:
    """What was taken since the last round. Nothing but the committed offset is remembered of a partition."""

    topic = INBOX.name

    def __init__(self, log: Log, inbox: Inbox) -> None:
        """No partition is owned yet."""
        self._log, self._inbox = log, inbox
        self._next: dict[int, int] = {}
        self._told: dict[int, int] = {}
        self._taken = Taken()
        self.generation = 0

    def remember(self, partition: int, committed: int) -> int:
        """Where to go on. What left the inbox before it was read is gone: the first chunk names it."""
        return committed or self._log.first_offsets(INBOX.name)[partition]

    def own(self, partition: int, memory: int) -> int:
        """Take a partition over; the offset to read on from."""
        self._next[partition] = self._told[partition] = memory
        return memory

    def position(self, partition: int) -> int:
        """The offset that is to be taken next of an owned partition."""
        return self._next[partition]

    def disown(self) -> None:
        """Let go of everything: what was not committed is for the next owner."""
        self._next.clear()
        self._told.clear()
        self._taken = Taken()
        self.generation += 1

    def owned(self) -> Collection[int]:
        """The partitions that are ours."""
        return self._next.keys()

    def take(self, partition: int, records: Records) -> None:
        """Check and seal; what a driver left out is read first. Nothing more once the breaker stopped.

        Raises ControlUnavailable, LogUnavailable, OffsetsLost.
        """
        for part in with_left_out(self._log, INBOX.name, partition, self._next[partition], records):
            for record in _of(partition, part, self._next[partition]):
                if self._taken.stopped is not None:
                    return
                before = self._taken.records
                self._inbox.take([record], self._taken)
                if self._taken.records > before:
                    self._next[partition] = record.offset + 1

    def prepare(self) -> Round[Taken] | None:
        """Events before letters before offsets. Raises TooManyDeadLetters when all before it is durable."""
        offsets = {
            partition: place for partition, place in self._next.items() if place != self._told[partition]
        }
        if not offsets:
            if self._taken.stopped is not None:
                raise self._taken.stopped
            return None
        taken, self._taken = self._taken, Taken(stopped=self._taken.stopped)
        self._told.update(offsets)
        return Round([{EVENTS.name: taken.events}, {DEAD_LETTERS.name: taken.letters}], offsets, taken)


def _of(partition: int, records: Records, since: int) -> Iterator[Record]:
    for offset, time_ms, key, value in zip(*records[:4], strict=True):
        if offset >= since:
            yield Record(
                topic=INBOX.name, partition=partition, offset=offset, key=key, value=value, time_ms=time_ms
            )
