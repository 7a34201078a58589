"""Records of one partition as a driver fetched them: side by side."""

from collections.abc import Sequence
from typing import NamedTuple

from streams.log import Record


class Records(NamedTuple):
    """Records of one partition in the order of the log, as a driver fetched them: offsets, when the log took each, keys and values."""

    offsets: Sequence[int]
    times_ms: Sequence[int]
    keys: Sequence[bytes]
    values: Sequence[bytes]

    def since(self, place: int) -> "Records":
        """Without those before this place."""
        return Records(self.offsets[place:], self.times_ms[place:], self.keys[place:], self.values[place:])


def records_of(records: Sequence[Record]) -> Records:
    """Records that were read one by one."""
    return Records(
        [one.offset for one in records],
        [one.time_ms for one in records],
        [one.key for one in records],
        [one.value for one in records],
    )
