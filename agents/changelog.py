"""What a worker remembers of its partitions, as records of a compacted topic: blocks, and a head that names those that count.

Every owner of a partition writes under a name of its own, so that one which was thought dead and writes on disturbs nobody. A head is
written after its blocks are durable, and what it takes the place of is struck out after it is: at any moment some head is whole, and
the one that knows the log furthest is taken. What a head tells follows from the log up to its offset alone, whoever wrote it.

Nothing here is the truth: a changelog that is lost or lies behind is made again from the log.
"""

import secrets
import zlib
from collections.abc import Sequence

import msgspec

from agents.blocks import LAYOUT
from agents.sessions import Snapshot
from agents.tables import ROW_FORMAT
from streams.log import Log, Message
from streams.partitioner import partition_of

# Of what blocks and heads hold, and of what their numbers mean: those of another format are left behind.
FORMAT = zlib.crc32(repr((5, ROW_FORMAT, LAYOUT)).encode())
_PART_BYTES = 900_000  # a message holds a little more
_NAME_BYTES = 8


class Head(msgspec.Struct, array_like=True, gc=False):
    """A partition is known up to, without, the offset ``to``, by these blocks: of each the keys of its parts."""

    format: int
    to: int
    blocks: list[list[bytes]]


class Known(msgspec.Struct, frozen=True):
    """What was remembered of a partition; ``to`` 0 and no blocks: nothing. ``keys`` are all that stood in the changelog."""

    to: int
    blocks: list[bytes]
    keys: list[bytes]


class Owner:
    """One owner's writing about one partition. Each step's messages must be durable before the next step's are sent."""

    def __init__(self, partition: int, partitions: int, known: Known) -> None:
        """The first snapshot of a new owner is whole: afterwards what others wrote is struck out."""
        self._partition, self._partitions = partition, partitions
        self._name, self._written = secrets.token_bytes(_NAME_BYTES), 0
        self._head = self._key()
        self._blocks: list[list[bytes]] = []
        self._lasting: list[list[bytes]] = []
        self._others = known.keys

    def steps(self, to: int, snapshot: Snapshot) -> list[list[Message]]:
        """What to append of a partition that is known up to this offset, in three steps: blocks, the head, and what it takes the place of
        (an empty value takes a key away).
        """
        gone: list[bytes] = []
        if snapshot.is_whole:
            gone = [*self._others, *(key for block in self._blocks for key in block)]
            self._blocks, self._others = [], []
        if snapshot.is_all:
            gone += [key for block in self._lasting for key in block]
            self._lasting = []
        parts: list[Message] = []
        self._lasting += [self._cut(data, parts) for data in snapshot.lasting]
        self._blocks += [self._cut(data, parts) for data in snapshot.blocks]
        head = _sealed(msgspec.msgpack.encode(Head(FORMAT, to, [*self._lasting, *self._blocks])))
        return [parts, [Message(self._head, head)], [Message(key, b"") for key in gone]]

    def _cut(self, data: bytes, parts: list[Message]) -> list[bytes]:
        """The block in messages, which are added to the others; their keys."""
        cut = [data[at : at + _PART_BYTES] for at in range(0, len(data), _PART_BYTES)]
        messages = [Message(self._key(), part) for part in cut]
        parts += messages
        return [message.key for message in messages]

    def _key(self) -> bytes:
        """A new key that lies in the partition."""
        while True:
            key = self._name + self._written.to_bytes(6, "big")
            self._written += 1
            if partition_of.__wrapped__(key, self._partitions) == self._partition:
                return key


def known(log: Log, topic: str, partition: int) -> Known:
    """What the changelog tells of a partition: the whole head that knows the log furthest."""
    values: dict[bytes, bytes] = {}
    for record in log.read(topic, partition, log.first_offsets(topic)[partition]):
        values[record.key] = record.value
    values = {key: value for key, value in values.items() if value}
    best: tuple[int, list[bytes]] = (0, [])
    for value in values.values():
        head = _head(value)
        if head is not None and head.to > best[0]:
            blocks = _whole(head.blocks, values)
            best = best if blocks is None else (head.to, blocks)
    return Known(*best, list(values))


def _head(value: bytes) -> Head | None:
    if value[:4] != _MARK:
        return None
    if zlib.crc32(value[8:]) != int.from_bytes(value[4:8], "big"):
        return None
    try:
        head = msgspec.msgpack.decode(value[8:], type=Head)
    except msgspec.DecodeError:
        return None
    return head if head.format == FORMAT else None


def _whole(blocks: Sequence[Sequence[bytes]], values: dict[bytes, bytes]) -> list[bytes] | None:
    """The blocks put together; None where a part is gone."""
    if not all(key in values for block in blocks for key in block):
        return None
    return [b"".join([values[key] for key in block]) for block in blocks]


_MARK = b"\0kh\0"


def _sealed(data: bytes) -> bytes:
    return _MARK + zlib.crc32(data).to_bytes(4, "big") + data
