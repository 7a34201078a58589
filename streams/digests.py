"""The digests of events from their columns: the bytes follow from what they say, so that they need not be kept.

An event that ``streams/columns.py`` took is canonical: it can be written in one way alone. What is written again here is all that its
digest covers, in the order of its schema.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from science.columns.events import Column
from science.fields import Field
from science.session import DIGEST_BYTES
from streams.columns import ColumnDecoder

_SMALL_MAX = 1 << 13


class Digests:
    """Of the kinds that the decoder of columns takes."""

    def __init__(self, decoder: ColumnDecoder) -> None:
        """By its plans."""
        self._plans = {plan.number: plan for plan in decoder.plans}

    def of(
        self,
        keys: Sequence[bytes],
        schema: Column,
        frame: dict[str, Column],
        fields: Column,
        words: Sequence[str],
    ) -> npt.NDArray[np.uint8]:
        """A row of bytes each of these events: their sessions' keys, the numbers of their schemas, what every event has (``seq``, ``t_us``,
        ``device_time_ms``) and the fields of their kinds. Zeros where a schema is none of columns.
        """
        found = np.zeros((len(keys), DIGEST_BYTES), dtype=np.uint8)
        texts = [_long(len(word.encode())) + word.encode() for word in words]
        for number in np.unique(schema).tolist():
            plan = self._plans.get(number)
            if plan is None:
                continue
            rows = np.flatnonzero(schema == number)
            parts: list[Iterable[bytes]] = []
            for field, place in plan.fields[plan.transport :]:
                if place is None:  # the session's id
                    parts.append([_long(len(key)) + key for key in (keys[row] for row in rows.tolist())])
                    continue
                column = fields[rows, place] if isinstance(place, int) else frame[place][rows]
                parts.append(_written(field, column.tolist(), words, texts))
            head = plan.sha256
            digests = b"".join([sha256(head + b"".join(body)).digest() for body in zip(*parts, strict=True)])
            found[rows] = np.frombuffer(digests, dtype=np.uint8).reshape(-1, 32)[:, :DIGEST_BYTES]
        return found


def _written(field: Field, column: list[int], words: Sequence[str], texts: Sequence[bytes]) -> list[bytes]:
    """The values of a field as its schema writes them; -1 is None where the field may be none."""
    if field.nullable:
        kept = _plain(field, [value for value in column if value >= 0], words, texts)
        values = iter(kept)
        return [b"\0" if value < 0 else b"\2" + next(values) for value in column]
    return _plain(field, column, words, texts)


def _plain(field: Field, column: list[int], words: Sequence[str], texts: Sequence[bytes]) -> list[bytes]:
    match field.type:
        case "boolean":
            return [b"\1" if value else b"\0" for value in column]
        case "enum":
            place = {symbol: _long(number) for number, symbol in enumerate(field.symbols)}
            return [place[words[value]] for value in column]
        case "string":
            return [texts[value] for value in column]
        case _:
            return [_SMALL[value] if 0 <= value < _SMALL_MAX else _long(value) for value in column]


def _long(value: int) -> bytes:
    """Zigzag, seven bits a byte, the least first."""
    rest = value << 1 if value >= 0 else ~(value << 1)
    found = bytearray()
    while rest > 0x7F:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    found.append(rest)
    return bytes(found)


_SMALL = [_long(value) for value in range(_SMALL_MAX)]
