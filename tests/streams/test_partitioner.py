"""The partition of a key is what Kafka's Java clients compute."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner import murmur2 as kafka_python_murmur2

from streams.partitioner import murmur2, partition_of

# Kafka's own UtilsTest.testMurmur2; Java's ints are signed.
JAVA_VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "signed"), JAVA_VECTORS.items())
def test_the_hash_is_the_java_clients(key: bytes, signed: int) -> None:
    """Kafka's published vectors hold, so every Java client finds a session where we put it."""
    assert signed % 2**32 == murmur2(key)


@given(st.binary(max_size=80))
def test_the_hash_is_kafka_pythons(key: bytes) -> None:
    """An independent implementation agrees on any key, of any length modulo four."""
    assert kafka_python_murmur2(key) == murmur2(key)


@given(st.binary(max_size=80), st.integers(min_value=1, max_value=1000))
def test_a_partition_exists(key: bytes, partitions: int) -> None:
    """The partition is the positive hash modulo the number of partitions, as the Java producer takes it."""
    assert (kafka_python_murmur2(key) & 0x7FFFFFFF) % partitions == partition_of(key, partitions)


def test_a_negative_hash_is_masked() -> None:
    """Known places of two session ids among 16 partitions; both hashes are negative in Java."""
    assert (-973932308 & 0x7FFFFFFF) % 16 == partition_of(b"21", 16) == 12
    assert (-790332482 & 0x7FFFFFFF) % 16 == partition_of(b"foobar", 16) == 14


def test_no_partitions_is_a_bug_of_ours() -> None:
    """A topic without partitions is stopped at, not divided by."""
    with pytest.raises(AssertionError):
        partition_of(b"key", 0)
