"""Rows of open sessions as the bytes of a changelog record: a block.

The bytes are a cache format, free to change: the log is the truth. Every column is as wide as its largest value needs, and compressed. Times are
steps within a session less a response's own latency. Digests are random and follow from the rest (``streams/digests.py``): what is kept is
whether they came out as they were.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from agents.row_store import ROW, Rows
from science.columns.events import TEXTS, UNITS, Column
from science.event import Response
from science.kinds import KINDS

_LEVEL = 4  # of zlib: most of what 6 saves beyond 1, for a quarter of what that costs
_WIDTHS = ("<u1", "<u2", "<u4", "<u8")
# By a unit's place, the last being that of the frame; and the first two fields of a response.
IS_RESPONSE = np.array([issubclass(kind, Response) for kind in UNITS] + [False])
_ONSET, LATENCY_FIELD = 0, 1
# What the numbers of a row mean. A kind more, or another order of fields, and the rows that were kept say something else.
LAYOUT = (
    ROW.descr,
    [(kind.__module__, kind.__name__, kind.__struct_fields__) for kind in UNITS],
    [(name, kind.__struct_fields__) for name, kind in sorted(KINDS.items())],
)
assert all(
    kind.__struct_fields__[:2] == ("onset_t_us", "latency_us") for kind in UNITS if issubclass(kind, Response)
)


class OpenSession(msgspec.Struct, array_like=True, gc=False):
    """What is known of an open session beside its rows. ``number`` names it among the rows of its store; ``records`` is the digest over
    the raw record bytes as logged.
    """

    number: int
    first_offset: int
    count: int
    records: bytes


class Block(NamedTuple):
    """What changed: sessions that went on, with their new rows and the raw events of their frames (key, ``seq``, value); sessions that go
    one by one (frozen); those that are open no more; and those that closed, as ``agents/closed.py`` tells them.
    """

    rows: Rows
    words: Sequence[str]
    open: Mapping[bytes, OpenSession] = {}
    frame: Sequence[tuple[bytes, int, bytes]] = ()
    single: Mapping[bytes, bytes] = {}
    gone: Sequence[bytes] = ()
    closed: tuple[bytes, bytes] = (b"", b"")
    digests: int = 0  # CRC-32 of the rows' digests


class _Packed(msgspec.Struct, array_like=True):
    open: Mapping[bytes, OpenSession]
    single: Mapping[bytes, bytes]
    gone: Sequence[bytes]
    closed: tuple[bytes, bytes]
    count: int
    digests: int
    rest: bytes  # _Rest, compressed


class _Rest(msgspec.Struct, array_like=True):
    frame: Sequence[tuple[bytes, int, bytes]]
    words: list[str]
    columns: list[tuple[int, int, bytes]]


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Packed)
_REST = msgspec.msgpack.Decoder(_Rest)


def pack(block: Block) -> bytes:
    """The block as bytes. Its rows are in order: each session's by ``seq``, without a gap."""
    rows, is_text = block.rows, TEXTS
    named = np.unique(rows["fields"][_texts_of(rows["unit"])])
    named = named[named >= 0]
    place = np.full(len(block.words) + 1, -1)
    place[named] = np.arange(len(named))
    unit, fields = rows["unit"].astype(np.int64), rows["fields"]
    latency = np.where(IS_RESPONSE[unit], fields[:, LATENCY_FIELD], 0)
    owner, run = _runs(rows["owner"])
    kinds, kind = np.unique(unit << 16 | rows["schema"].astype(np.int64), return_inverse=True)
    has_time = (rows["device_time_ms"] >= 0).astype(np.int64)
    columns = [
        owner,
        np.diff(np.append(run, len(rows))),
        rows["seq"][run].astype(np.int64),
        kinds >> 16,
        kinds & 0xFFFF,
        kind,
        _steps(rows["t_us"], run) - latency,
        has_time,
        (rows["device_time_ms"] - rows["t_us"] // 1_000)[has_time == 1],
    ]
    for code, place_of in _cells(unit):
        column = fields[unit == code, place_of]
        columns.append(place[column] if is_text[code, place_of] else column)
    rest = _Rest(
        frame=block.frame,
        words=[block.words[n] for n in named.tolist()],
        columns=[_narrow(column) for column in columns],
    )
    packed = _Packed(
        open=block.open,
        single=block.single,
        gone=block.gone,
        closed=block.closed,
        count=len(rows),
        digests=zlib.crc32(rows["digest"].tobytes()),
        rest=zlib.compress(_ENCODER.encode(rest), _LEVEL),
    )
    data = _ENCODER.encode(packed)
    return zlib.crc32(data).to_bytes(4, "big") + data


def unpack(data: bytes) -> Block:
    """The block of these bytes, without its rows' digests. Raises ValueError when they are not as they were packed."""
    if zlib.crc32(data[4:]) != int.from_bytes(data[:4], "big"):
        raise ValueError("the block's bytes changed after they were kept")
    packed = _DECODER.decode(data[4:])
    rest = _REST.decode(zlib.decompress(packed.rest))
    columns = map(_wide, rest.columns)
    rows: Rows = np.zeros(packed.count, dtype=ROW)
    owner, size, start, units, schemas, kind, steps, has_time, since_began_ms = (
        next(columns) for _ in range(9)
    )
    run = np.concatenate(([0], np.cumsum(size)))[:-1]
    rows["owner"] = np.repeat(owner, size)
    rows["seq"] = np.arange(packed.count) + np.repeat(start - run, size)
    unit = units[kind]
    rows["unit"], rows["schema"] = unit, schemas[kind]
    fields = np.zeros_like(rows["fields"])
    for code, place in _cells(unit):
        fields[unit == code, place] = next(columns)
    answers = IS_RESPONSE[unit]
    since = steps + np.where(answers, fields[:, LATENCY_FIELD], 0)
    rows["t_us"] = _upto(since, run, size)
    rows["device_time_ms"] = -1
    timed = has_time == 1
    rows["device_time_ms"][timed] = since_began_ms + rows["t_us"][timed] // 1_000
    fields[answers, _ONSET] = rows["t_us"][answers] - fields[answers, LATENCY_FIELD]
    rows["fields"] = fields
    return Block(
        rows,
        rest.words,
        packed.open,
        rest.frame,
        packed.single,
        packed.gone,
        packed.closed,
        packed.digests,
    )


def _texts_of(unit: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = TEXTS[unit]
    found[unit < 0] = False
    return found


def _runs(owner: npt.NDArray[Any]) -> tuple[Column, Column]:
    """The owner of each run of rows, and the row at which it begins."""
    begins = np.flatnonzero(np.diff(owner, prepend=-1))
    return owner[begins].astype(np.int64), begins


def _steps(t_us: npt.NDArray[Any], run: Column) -> Column:
    """Since the row before; the first of a run since 0."""
    steps = np.diff(t_us, prepend=0)
    steps[run] = t_us[run]
    return steps


def _upto(steps: Column, run: Column, size: Column) -> Column:
    """The sums of the steps, run by run."""
    upto = np.cumsum(steps)
    found: Column = upto - np.repeat(upto[run] - steps[run], size)
    return found


def _cells(unit: Column) -> list[tuple[int, int]]:
    """The kinds that occur, each with the places of its fields; a response's onset follows from its latency."""
    return [
        (code, place)
        for code in np.unique(unit[unit >= 0]).tolist()
        for place in range(len(UNITS[code].__struct_fields__))
        if not (IS_RESPONSE[code] and place == _ONSET)
    ]


def _narrow(column: Column) -> tuple[int, int, bytes]:
    """The least of it, how wide what is above takes, and that: all lowest bytes first, because the higher ones are alike."""
    if not len(column):
        return 0, 0, b""
    least = int(column.min())
    above = column - least
    width = next(n for n, kind in enumerate(_WIDTHS) if n == 3 or int(above.max()) <= np.iinfo(kind).max)
    planes = above.astype(_WIDTHS[width]).view(np.uint8).reshape(-1, 1 << width).T
    return least, width, planes.tobytes()


def _wide(narrow: tuple[int, int, bytes]) -> Column:
    least, width, data = narrow
    planes = np.frombuffer(data, dtype=np.uint8).reshape(1 << width, -1)
    return np.ascontiguousarray(planes.T).view(_WIDTHS[width]).ravel().astype(np.int64) + least
