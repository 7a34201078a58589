"""The events of many sessions as columns: what a decoder hands out, and what sessions taken up one by one can be turned into."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

from science.event import Payload
from science.game import Completion, Start
from science.games import GAMES
from science.measure import KIND_OF
from science.session import DIGEST_BYTES, Entry, Session
from science.vocabulary import KINDS as FRAME_KINDS

Column = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# What the walk reads itself, a few a session: the frame, and where games begin and end. The rest are the games' own.
_FRAME = frozenset(FRAME_KINDS.values()) | {
    payload_type
    for game in GAMES.values()
    for payload_type in game.kinds.values()
    if issubclass(payload_type, Start | Completion)
}
UNITS: tuple[type[Payload], ...] = tuple(
    payload_type
    for game in GAMES.values()
    for payload_type in game.kinds.values()
    if payload_type not in _FRAME
)
_CODE = {payload_type: code for code, payload_type in enumerate(UNITS)}
_NAMES = [payload_type.__struct_fields__ for payload_type in UNITS]
_TYPES = [
    [set(get_args(hint) or (hint,)) for hint in map(get_type_hints(payload_type).__getitem__, names)]
    for payload_type, names in zip(UNITS, _NAMES, strict=True)
]

# The most fields that a kind of unit has, and which of them are texts, by the kind's place in ``UNITS``.
WIDTH = max(map(len, _NAMES))
TEXTS: Mask = np.array([[str in hint for hint in hints] + [False] * (WIDTH - len(hints)) for hints in _TYPES])


class Events(NamedTuple):
    """The whole events of closed sessions: session by session, each in ``seq`` order from 0 without a gap or a conflict.

    ``sessions`` are their ids, each with how it was closed; ``starts`` are the rows at which they begin, and one past the last.

    One value an event: ``session`` (0, 1, ..., ascending), ``t_us``, ``unit`` (what happened, as its place in ``UNITS``; -1 for an event of
    the frame), ``schema`` (its place in ``schemas``, each with the one kind it is of) and ``digest`` (a row of ``DIGEST_BYTES`` bytes).

    ``fields`` are those of each kind of unit event, in the order of its rows: integers, booleans as 0 and 1, text as its place in
    ``words`` (one place a text), None as -1. ``frame`` are the frame's events by row, in order.
    """

    sessions: Sequence[tuple[str, str]]
    session: Column
    starts: Column
    t_us: Column
    unit: Column
    schema: Column
    schemas: Sequence[tuple[bytes, str]]
    digest: npt.NDArray[np.uint8]
    fields: Mapping[type[Payload], Mapping[str, Column]]
    words: Sequence[str]
    frame: Mapping[int, Entry]

    def field(self, name: str, kinds: Sequence[type[Payload]]) -> Column:
        """A field of these kinds, one value an event; 0 where an event is of another kind."""
        found = np.zeros(len(self.unit), dtype=np.int64)
        for kind in kinds:
            if kind in self.fields:
                found[self.unit == _CODE[kind]] = self.fields[kind][name]
        return found


def code_of(kind: type[Payload]) -> int:
    """The place of a kind of unit event in ``UNITS``."""
    return _CODE[kind]


def payload_of(unit: int, values: Sequence[int], words: Sequence[str]) -> Payload:
    """What happened, out of a row of integers: the other way round."""
    told: dict[str, Any] = {}
    for name, types, value in zip(_NAMES[unit], _TYPES[unit], values, strict=False):
        if value < 0 and type(None) in types:
            told[name] = None
        else:
            told[name] = words[value] if str in types else bool(value) if bool in types else value
    return UNITS[unit](**told)


def integers_of(payload: Payload, words: dict[str, int]) -> list[int]:
    """The row of integers of a unit event."""
    return [_integer(getattr(payload, name), words) for name in payload.__struct_fields__]


def is_unit(payload: Payload) -> bool:
    """Whether it happened in a unit of a game, so that columns hold it."""
    return type(payload) in _CODE


def columns_of(sessions: Sequence[Session]) -> Events:
    """The events of closed sessions in which nothing is missing and nothing in conflict."""
    entries: list[Entry] = []
    for session in sessions:
        entries += [session.entries[seq] for seq in range(len(session.entries))]  # type: ignore[misc]  # whole: none is None
    counts = [len(session.entries) for session in sessions]
    codes = [_CODE.get(type(entry.payload), -1) for entry in entries]
    schemas = {entry.schema_sha256: KIND_OF[type(entry.payload)] for entry in entries}
    place = {schema: n for n, schema in enumerate(schemas)}
    by_code: dict[int, list[Payload]] = {}
    for code, entry in zip(codes, entries, strict=True):
        by_code.setdefault(code, []).append(entry.payload)
    words: dict[str, int] = {}
    return Events(
        sessions=[_closed(session) for session in sessions],
        session=np.repeat(np.arange(len(sessions)), counts),
        starts=np.concatenate(([0], np.cumsum(counts, dtype=np.int64))),
        t_us=_column([entry.t_us for entry in entries]),
        unit=_column(codes),
        schema=_column([place[entry.schema_sha256] for entry in entries]),
        schemas=list(schemas.items()),
        digest=np.frombuffer(b"".join([entry.digest for entry in entries]), dtype=np.uint8).reshape(
            -1, DIGEST_BYTES
        ),
        fields={UNITS[code]: _fields(UNITS[code], of, words) for code, of in by_code.items() if code >= 0},
        words=list(words),
        frame={row: entry for row, (code, entry) in enumerate(zip(codes, entries, strict=True)) if code < 0},
    )


def _closed(session: Session) -> tuple[str, str]:
    assert session.closed is not None, "a session is measured once it is closed"
    return session.session_id, session.closed


def _fields(kind: type[Payload], payloads: list[Payload], words: dict[str, int]) -> dict[str, Column]:
    names = kind.__struct_fields__
    rows = (
        map(attrgetter(*names), payloads)
        if len(names) > 1
        else ((getattr(one, names[0]),) for one in payloads)
    )
    return {
        name: _column([_integer(value, words) for value in values])
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }


def _integer(value: Any, words: dict[str, int]) -> int:
    if isinstance(value, str):
        return words.setdefault(value, len(words))
    return -1 if value is None else int(value)


def _column(values: list[int]) -> Column:
    return np.array(values, dtype=np.int64)
