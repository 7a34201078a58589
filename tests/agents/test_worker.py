"""What the Faust shell makes of fetched bytes: ``agents/worker.py``, without a broker."""

from collections.abc import Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c_py

from agents.worker import _AsStored, _chunks, _Unread

READ_COMMITTED = 1
ODD = b"\xff\xfe"
COMMIT, ABORT = (b"\0\0\0\1", b"\0\0\0\0")  # version 0, and the type


def batch(
    offset: int, *values: bytes, producer: int = -1, is_control: bool = False, header: bytes = b""
) -> bytes:
    """A batch of the log, at this offset; in a transaction where it is of a producer."""
    builder = DefaultRecordBatchBuilder(2, 0, int(producer >= 0), producer, 0, 0, 1 << 20)
    for n, value in enumerate(values):
        key = value if is_control else b"key"
        builder.append(n, 1, key, value, [("xy", b"")] if header else [])
    data = bytearray(builder.build())
    data[:8] = offset.to_bytes(8, "big")
    if is_control:
        data[22] |= 0x20
    if header:
        data = bytearray(bytes(data).replace(b"xy", header))
    # Its checksum covers what was changed by hand.
    return bytes(data[:17]) + calc_crc32c_py(bytes(data[21:])).to_bytes(4, "big") + bytes(data[21:])


def read(data: bytes, aborted: Sequence[tuple[int, int]] = ()) -> list[object]:
    place = TopicPartition("topic", 0)
    return list(_AsStored(place, MemoryRecords(data), list(aborted), 0, None, None, True, READ_COMMITTED))


def test_what_a_transaction_aborted_is_no_record_and_its_markers_are_none() -> None:
    """As every other reader of the log has it; aiokafka's own class says the same."""
    data = b"".join(
        [
            batch(0, b"a", producer=7),
            batch(1, COMMIT, producer=7, is_control=True),
            batch(2, b"b"),
            batch(3, b"never", producer=8),
            batch(4, ABORT, producer=8, is_control=True),
            batch(5, b"c"),
        ]
    )
    found = read(data, [(8, 3)])
    assert [one.offset for one in found] == [0, 2, 5]  # type: ignore[attr-defined]
    place = TopicPartition("topic", 0)
    own = fetcher.PartitionRecords(place, MemoryRecords(data), [(8, 3)], 0, None, None, True, READ_COMMITTED)
    assert [one.offset for one in own] == [0, 2, 5]


def test_a_batch_that_cannot_be_read_stands_as_its_end() -> None:
    """The chunks are cut behind it, and the next one says from where it is to be read in another way."""
    data = b"".join(
        [batch(0, b"a", b"b"), batch(2, b"x", b"y", header=ODD), batch(4, b"c"), batch(5, b"z", header=ODD)]
    )
    found = read(data)
    assert [type(one) is _Unread for one in found] == [False, False, True, False, True]
    chunks = [(list(one.offsets), list(one.values), one.unread_to) for one in _chunks(found)]
    assert chunks == [([0, 1], [b"a", b"b"], 4), ([4], [b"c"], 6)]
    alone = [(list(one.offsets), one.unread_to) for one in _chunks(found[2:3])]
    assert alone == [([], 4)]


@pytest.mark.parametrize("size", [1, 19_999, 20_000, 20_001, 45_000])
def test_chunks_hold_everything_once(size: int) -> None:
    """And none more than its limit."""
    found = read(b"".join(batch(at, *[b"v"] * min(500, size - at)) for at in range(0, size, 500)))
    chunks = list(_chunks(found))
    assert [offset for one in chunks for offset in one.offsets] == list(range(size))
    assert all(0 < len(one.offsets) <= 20_000 for one in chunks)
