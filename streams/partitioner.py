"""Which partition a key belongs to: murmur2, as Kafka's Java clients compute it.

Clients disagree by default (murmur2 in some, CRC-32 in librdkafka), so this one function is given to every producer,
and to the logs that are not Kafka: a session lies in the same partition wherever it is written.
"""

from functools import lru_cache

MULTIPLIER = 0x5BD1E995
SEED = 0x9747B28C
WORD = 0xFFFFFFFF
POSITIVE = 0x7FFFFFFF


def murmur2(key: bytes) -> int:
    """The 32-bit hash of ``key``, unsigned (org.apache.kafka.common.utils.Utils.murmur2, seed 0x9747b28c)."""
    length = len(key)
    whole = length & ~3
    digest = SEED ^ length
    for at in range(0, whole, 4):
        block = int.from_bytes(key[at : at + 4], "little") * MULTIPLIER & WORD
        block = (block ^ block >> 24) * MULTIPLIER & WORD
        digest = digest * MULTIPLIER & WORD ^ block
    if whole < length:
        digest = (digest ^ int.from_bytes(key[whole:], "little")) * MULTIPLIER & WORD
    digest = (digest ^ digest >> 13) * MULTIPLIER & WORD
    return digest ^ digest >> 15


@lru_cache(maxsize=16_384)  # a session sends many events under one key
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of ``key`` among ``partitions`` (at least one): from 0 to ``partitions - 1``."""
    assert partitions > 0, "a topic has at least one partition"
    # The sign bit is masked, not negated: so the Java clients do it, and -2**31 has no positive twin.
    return (murmur2(key) & POSITIVE) % partitions
