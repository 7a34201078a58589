"""Records of one partition as a driver fetched them: side by side."""

from collections.abc import Sequence
from typing import NamedTuple

from streams.log import Log, LogUnavailable, Record


class Records(NamedTuple):
    """Records of one partition in the order of the log, as a driver fetched them: offsets, when the log took each, keys and values."""

    offsets: Sequence[int]
    times_ms: Sequence[int]
    keys: Sequence[bytes]
    values: Sequence[bytes]
    unread_to: int = 0  # a driver that could not make sense of what follows got as far as this

    def since(self, place: int) -> "Records":
        """Without those before this place."""
        return self._replace(
            offsets=self.offsets[place:],
            times_ms=self.times_ms[place:],
            keys=self.keys[place:],
            values=self.values[place:],
        )

    def record(self, row: int, topic: str, partition: int) -> Record:
        """One of them, by itself."""
        return Record(
            topic=topic,
            partition=partition,
            offset=self.offsets[row],
            key=self.keys[row],
            value=self.values[row],
            time_ms=self.times_ms[row],
        )


def records_of(records: Sequence[Record]) -> Records:
    """Records that were read one by one."""
    return Records(
        [one.offset for one in records],
        [one.time_ms for one in records],
        [one.key for one in records],
        [one.value for one in records],
    )


def with_left_out(log: Log, topic: str, partition: int, applied: int, records: Records) -> list[Records]:
    """The records that are new from ``applied`` on, with those that a driver left out before or behind them read from the log.

    Raises LogUnavailable, also where the log does not show them yet, and OffsetsLost.
    """
    found: list[Records] = []
    first = records.offsets[0] if records.offsets else records.unread_to
    if first > applied:
        found.append(_read(log, topic, partition, start=applied, end=first))
    if records.offsets:
        found.append(records)
        applied = max(applied, records.offsets[-1] + 1)
        if records.unread_to > applied:
            found.append(_read(log, topic, partition, start=applied, end=records.unread_to))
    return [one for one in found if one.offsets]


def _read(log: Log, topic: str, partition: int, *, start: int, end: int) -> Records:
    left_out = list(log.read(topic, partition, start, end))
    shown = log.end_offsets(topic)[partition]
    if shown < end:
        raise LogUnavailable(
            f"{topic}/{partition} shows records up to {shown} and gave one at {end}: its broker has just taken over; start again"
        )
    return records_of(left_out)
