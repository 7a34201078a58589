"""When too much is refused, stop: a wrong schema or a broken fleet must not empty the inbox into the dead letters.

Told of each record in order, the breaker says whether one more dead letter may be written. It stops at more than ``consecutive`` dead
letters in a row, and when of the last ``window`` records more than ``ratio`` are dead letters. A record that comes again, after a
crash or a rebalance, is not counted again.

Once it has stopped it stays stopped, in this process and in those that are started after it: it marks the record in the control
database, and whoever meets the mark diverts nothing more. The mark is gone when a record of its partition, there or behind it, is taken
(its schema was published), or when somebody says ``kymograph dlq resume``; then counting begins anew. So however often a supervisor
starts it, no more than the limits allow is diverted. What a process had counted that was killed before it stopped is forgotten: such
a death allows as much once more.
"""

from collections import deque

import msgspec

from agents.places import Place, Places
from streams.log import Position, Record


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much may be refused. A ratio of 1 is never exceeded."""

    consecutive: int = 1_000
    ratio: float = 0.5
    window: int = 2_000


class TooManyDeadLetters(Exception):
    """Reading stops before the record that the message names; nothing after it was diverted or committed."""


class Breaker:
    """Counts the outcomes of one inbox."""

    def __init__(self, limits: Limits | None = None, marks: Places | None = None) -> None:
        """With nothing counted yet. Without ``marks`` it stays stopped as long as it lives."""
        self._limits = limits if limits is not None else Limits()
        self._marks = marks
        self._stopped: dict[int, Place] = {}  # by partition
        self._row = 0
        self._last: deque[bool] = deque()
        self._refused = 0
        self._counted: dict[int, int] = {}  # by partition, up to which offset

    def stop(self, record: Record, code: str | None) -> TooManyDeadLetters | None:
        """What to raise instead of diverting the record that was refused with this code (None: it was taken), or None.

        Raises ControlUnavailable.
        """
        counted = self._counted.get(record.partition)
        if counted is not None and record.offset < counted:
            return None
        is_letter = code is not None
        # What comes before the record may be another process's, and another may have stopped or been told to go on.
        if self._marks is not None and (is_letter or record.offset != counted):
            self._stopped = self._marks.all()
        if is_letter and self._stopped:
            return TooManyDeadLetters(next(iter(self._stopped.values())).note)
        self._release(record)
        row = self._row + 1 if is_letter else 0
        leaves = len(self._last) == self._limits.window and self._last[0]
        refused = self._refused + is_letter - leaves
        if is_letter and (reason := self._reason(row, refused)) is not None:
            return self._mark(record, _message(reason, record, code))
        if len(self._last) == self._limits.window:
            self._last.popleft()
        self._last.append(is_letter)
        self._row, self._refused = row, refused
        self._counted[record.partition] = record.offset + 1
        return None

    def _mark(self, record: Record, note: str) -> TooManyDeadLetters:
        """Stay stopped."""
        self._stopped[record.partition] = Place(record.offset, note)
        if self._marks is not None:
            self._marks.put(Position(record.topic, record.partition, record.offset), note)
        return TooManyDeadLetters(note)

    def _release(self, record: Record) -> None:
        """Go on, if what stopped it is taken now."""
        mark = self._stopped.get(record.partition)
        if mark is None or record.offset < mark.offset:
            return
        if self._marks is not None:
            self._marks.drop(record.partition)
        del self._stopped[record.partition]

    def _reason(self, row: int, refused: int) -> str | None:
        limits = self._limits
        if row > limits.consecutive:
            return f"{row} records in a row are refused, {limits.consecutive} are allowed"
        if len(self._last) + 1 >= limits.window and refused > limits.ratio * limits.window:
            return (
                f"{refused} of the last {limits.window} records are refused, {limits.ratio:.0%} are allowed"
            )
        return None


def _message(reason: str, record: Record, code: str | None) -> str:
    place = f"{record.topic}/{record.partition} at offset {record.offset}"
    return (
        f"{reason}; the last would be {place} with {code}. Nothing from there on was diverted or committed: see "
        "`kymograph dlq list`, mend the senders or publish their schema, then start again; or let so many more be diverted: "
        "`kymograph dlq resume`, where need be with a larger "
        "KYMOGRAPH__INBOX_DEAD_LETTERS_MAX_CONSECUTIVE, _MAX_RATIO or _WINDOW"
    )
