"""EventLogger over the partitions of the inbox that a process owns, as a ``Work`` (``agents/rounds.py``)."""

import logging
from bisect import bisect_left
from collections.abc import Collection

from agents.fetched import Records, with_left_out
from agents.inbox import Inbox, Taken
from agents.rounds import Round
from streams.log import Log, OffsetsLost
from streams.topics import DEAD_LETTERS, EVENTS, INBOX

_log = logging.getLogger(__name__)


class LiveInbox:
    """What was taken since the last round. Nothing but the committed offset is remembered of a partition."""

    topic = INBOX.name

    def __init__(self, log: Log, inbox: Inbox, *, skips_lost: bool = False) -> None:
        """No partition is owned yet. ``skips_lost``: what is gone from the inbox is told, and passed over."""
        self._log, self._inbox, self._skips_lost = log, inbox, skips_lost
        self._next: dict[int, int] = {}
        self._told: dict[int, int] = {}
        self._taken = Taken()
        self.generation = 0

    def remember(self, partition: int, committed: int) -> int:
        """Where to go on. Raises OffsetsLost where records left the inbox before they were read, unless it was said to go on without."""
        first, end = (ask(INBOX.name)[partition] for ask in (self._log.first_offsets, self._log.end_offsets))
        place = f"{INBOX.name}/{partition}"
        if committed > end:
            message = f"{place} ends at {end}, but up to {committed} it was read: it was made again, or restored from an older copy"
        elif committed < first:
            message = (
                f"{place} begins at {first}: offsets {committed} to {first - 1} left it before they were read"
            )
        else:
            return committed
        if not self._skips_lost:
            raise OffsetsLost(f"{message}; to go on with what is there: kymograph inbox --skip-lost")
        _log.warning("%s; going on at %d", message, first)
        return first

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
            for row in range(bisect_left(part.offsets, self._next[partition]), len(part.offsets)):
                if self._taken.stopped is not None:
                    return
                before = self._taken.records
                self._inbox.take([part.record(row, INBOX.name, partition)], self._taken)
                if self._taken.records > before:
                    self._next[partition] = part.offsets[row] + 1

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
