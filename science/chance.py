"""Chance that is the same everywhere: words of SHA-256 in counter mode, from a seed that names what is drawn for."""

from collections.abc import Iterator
from hashlib import sha256


def words(seed: bytes) -> Iterator[int]:
    """32-bit words without end. One below n is ``word * n >> 32``: even to 2**-32."""
    counter = 0
    while True:
        block = sha256(seed + counter.to_bytes(8, "big")).digest()
        yield from (int.from_bytes(block[place : place + 4], "big") for place in range(0, 32, 4))
        counter += 1
