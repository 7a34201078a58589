"""What is known of a partition's sessions: those that go by columns, those that go one by one, and that others are closed.

``snapshot`` tells what changed, and ``restore`` puts together what snapshots told.
"""

import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agents.blocks import Block, OpenSession, pack, unpack
from agents.closed import ClosedSessions
from agents.row_store import Rows, RowStore
from agents.tables import SessionRow, freeze, thaw
from science.columns.events import Mask, payload_of
from science.event import Event
from science.session import DIGEST_BYTES, Entry, Session
from streams.codec import Codec
from streams.columns import ColumnDecoder
from streams.digests import Digests

_BLOCK_ROWS = 8_000
_DEAD_ROWS, _DEAD_ROWS_STEP = 65_536, 4_096
_SNAPSHOTS_MAX = 256  # between two whole ones, so that a head stays short
_LASTING_MAX = 256  # likewise


class Snapshot(NamedTuple):
    """What changed since the last one. ``is_whole``: no block older than this counts, but for those of closed sessions, which are ``lasting``;
    ``is_all``: not even these.
    """

    is_whole: bool
    blocks: list[bytes]
    lasting: list[bytes] = []  # noqa: RUF012  # never changed
    is_all: bool = False


class Going:
    """A session that goes by columns. ``number`` is that of its rows, ``records`` the digest over its raw record bytes; ``frame`` are its
    frame's events as they were read and as they were logged.
    """

    __slots__ = ("count", "first_offset", "frame", "number", "records")

    def __init__(self, number: int, first_offset: int) -> None:
        """Without events."""
        self.number, self.first_offset, self.count = number, first_offset, 0
        self.records = bytes(32)
        self.frame: dict[int, tuple[Entry, bytes]] = {}


class Sessions:
    """By key. A session is in one of ``open``, ``single`` and ``closed``. ``decoder`` is the one that reads its rows."""

    def __init__(self, partition: int, decoder: ColumnDecoder) -> None:
        """None is known yet."""
        self.rows = RowStore()
        self.open: dict[bytes, Going] = {}
        self.single: dict[bytes, SessionRow] = {}
        self.closed = ClosedSessions()
        self._hashes, self._digests = decoder.hashes, Digests(decoder)
        self._numbers = 0  # how many were given
        self._live = 0  # rows of open sessions
        self._told = 0  # rows that a snapshot told of
        self._changed: set[bytes] = set()  # since the last snapshot
        self._changed_closed: set[bytes] = set()  # names, since then
        self._closed_since: set[bytes] = set()  # names, since the last whole one
        self._lasting = 0  # blocks of closed sessions that were told
        self._frame: list[tuple[bytes, int]] = []  # events of their frames since then
        self._is_whole = True
        # The partitions of a worker are whole, and smaller again, at different times.
        self._snapshots, self._dead_max = 16 * partition, _DEAD_ROWS + _DEAD_ROWS_STEP * partition

    def begin(self, key: bytes, first_offset: int) -> Going:
        """A session by columns."""
        going = self.open[key] = Going(self._numbers, first_offset)
        self._numbers += 1
        return going

    def go_on(self, key: bytes, going: Going, events: int, frame: Sequence[tuple[Event, bytes]]) -> None:
        """So many events more, those of the frame among them. Their rows are for the caller to append."""
        for event, value in frame:
            assert event.seq is not None
            going.frame[event.seq] = entry_of(event), value
            self._frame.append((key, event.seq))
        going.count += events
        self._live += events
        self._changed.add(key)

    def go_single(self, key: bytes, row: SessionRow) -> None:
        """A session as one record more left it."""
        self.single[key] = row
        self._changed.add(key)

    def close(self, key: bytes, offset: int, *, is_withdrawn: bool = False) -> None:
        """Nothing of the session counts any more but that it closed at this offset."""
        self._let_go(key)
        self._note_closed(self.closed.add(key, offset, is_withdrawn=is_withdrawn))

    def withdraw(self, key: bytes) -> None:
        """A session that closed was withdrawn."""
        self._note_closed(self.closed.withdraw(key))

    def _note_closed(self, name: bytes) -> None:
        self._changed_closed.add(name)
        self._closed_since.add(name)

    def _let_go(self, key: bytes) -> None:
        going = self.open.pop(key, None)
        if going is not None:
            self._live -= going.count
        self.single.pop(key, None)
        self._changed.add(key)

    def out_of_columns(self, key: bytes, last_offset: int) -> SessionRow:
        """An open session as an object; its rows are left behind."""
        going = self.open.pop(key)
        rows = self.rows.of(self._alive([going]))
        session = session_of(key, going, rows, words=self.rows.words, hashes=self._hashes)
        row = SessionRow(session, going.first_offset)
        row.session.resume()
        row.last_offset, row.records = last_offset, going.records
        self._live -= going.count
        return row

    def rows_of(self, going: Sequence[Going]) -> Rows:
        """The rows of these sessions, in the order of their numbers."""
        return self.rows.of(self._alive(going))

    def digests_of(self, going: Sequence[Going]) -> dict[int, npt.NDArray[np.uint8]]:
        """The digests of these sessions' events, a row each in ``seq`` order, by the session's number."""
        if not going:
            return {}
        going = sorted(going, key=lambda one: one.number)
        cuts = np.cumsum([one.count for one in going])[:-1]
        parts = np.split(self.rows_of(going)["digest"], cuts)
        return {one.number: part for one, part in zip(going, parts, strict=True)}

    def snapshot(self) -> Snapshot:
        """What changed since the last snapshot; now and then all there is."""
        self._snapshots += 1
        if len(self.rows) > 2 * self._live + self._dead_max or self._snapshots > _SNAPSHOTS_MAX:
            self._tidy()
        rows = self.rows.rows[self._told :]
        rows = rows[self._alive(list(self.open.values()))[rows["owner"]]]
        words = self.rows.words if len(rows) else []
        blocks = [Block(rows[at : at + _BLOCK_ROWS], words) for at in range(0, len(rows), _BLOCK_ROWS)]
        # The sessions first: whose the rows are is known then.
        packed = [pack(block) for block in (self._states(rows[:0]), *blocks)]
        snapshot = Snapshot(self._is_whole, packed, *self._lasting_of(rows[:0]))
        self._told, self._is_whole = len(self.rows), False
        self._changed.clear()
        self._changed_closed.clear()
        self._frame.clear()
        return snapshot

    def _lasting_of(self, none: Rows) -> tuple[list[bytes], bool]:
        """With a whole snapshot: what closed since the one before as a block that lasts; all of it where there are too many of those."""
        if not self._is_whole:
            return [], False
        is_all = self._lasting == 0 or self._lasting >= _LASTING_MAX
        told = self.closed.told(None if is_all else self._closed_since)
        self._closed_since.clear()
        self._lasting = 1 if is_all else self._lasting + 1
        return [pack(Block(none, [], closed=told))], is_all

    def _states(self, none: Rows) -> Block:
        """What changed beside the rows."""
        keys = {*self.open, *self.single} if self._is_whole else self._changed
        going = {key: self.open[key] for key in keys if key in self.open}
        frame = (
            [(key, seq) for key, one in going.items() for seq in one.frame] if self._is_whole else self._frame
        )
        return Block(
            rows=none,
            words=[],
            open={
                key: OpenSession(one.number, one.first_offset, one.count, one.records)
                for key, one in going.items()
            },
            frame=[(key, seq, going[key].frame[seq][1]) for key, seq in frame if key in going],
            single={key: freeze(self.single[key]) for key in keys if key in self.single},
            gone=[key for key in keys if key not in self.open and key not in self.single],
            closed=self.closed.told(set() if self._is_whole else self._changed_closed),
        )

    def restore(self, blocks: Sequence[bytes], codec: Codec) -> None:
        """What snapshots told, in their order, of sessions of which nothing was known. Raises ValueError if their bytes changed."""
        keys: dict[int, bytes] = {}
        for data in blocks:
            block = unpack(data)
            for key in block.gone:
                self._let_go(key)
            self.closed.hear(block.closed)
            for key, told in block.open.items():
                going = self.open.setdefault(key, Going(told.number, told.first_offset))
                going.count, going.records = told.count, told.records
                keys[told.number] = key
            for key, seq, value in block.frame:
                self.open[key].frame[seq] = entry_of(codec.decode(value)), value
            for key, frozen in block.single.items():
                self.open.pop(key, None)
                self.single[key] = thaw(frozen)
            self._write_digests(block, keys)
            self.rows.extend(block.rows, block.words)
        numbers = self.rows.rows["owner"]
        self._numbers = int(numbers.max()) + 1 if len(numbers) else 0
        self._live = sum(going.count for going in self.open.values())
        self._tidy()

    def _write_digests(self, block: Block, keys: Mapping[int, bytes]) -> None:
        """Work out the digests of the block's rows. Raises ValueError if they are not what they were."""
        rows = block.rows
        of = [keys[number] for number in rows["owner"].tolist()]
        frame = {name: rows[name].astype(np.int64) for name in ("seq", "t_us", "device_time_ms")}
        schema = np.where(rows["unit"] >= 0, rows["schema"].astype(np.int64), -1)
        digests = self._digests.of(of, schema, frame, rows["fields"], block.words)
        for row in np.flatnonzero(schema < 0).tolist():
            entry, _ = self.open[of[row]].frame[int(frame["seq"][row])]
            digests[row] = np.frombuffer(entry.digest, dtype=np.uint8)
        if zlib.crc32(digests.tobytes()) != block.digests:
            raise ValueError("the digests of a block's events are not what they were")
        rows["digest"] = digests

    def _tidy(self) -> None:
        """Leave the rows of closed sessions out, and give the open ones new numbers."""
        going = sorted(self.open.values(), key=lambda one: one.number)
        self.rows.keep(self._alive(going))
        self.rows.rows["owner"] = np.repeat(np.arange(len(going)), [one.count for one in going])
        for number, one in enumerate(going):
            one.number = number
        self._numbers = len(going)
        self._told, self._is_whole, self._snapshots = 0, True, 0

    def _alive(self, going: Sequence[Going]) -> Mask:
        alive = np.zeros(self._numbers, dtype=np.bool_)
        alive[[one.number for one in going]] = True
        return alive


def session_of(
    key: bytes, going: Going, rows: Rows, *, words: Sequence[str], hashes: Sequence[tuple[bytes, str]]
) -> Session:
    """A session out of its rows."""
    session = Session(key.decode())
    columns = [rows[name].tolist() for name in ("seq", "t_us", "unit", "schema", "fields")]
    for seq, t_us, unit, schema, fields, digest in zip(*columns, rows["digest"], strict=True):
        session.entries[seq] = (
            going.frame[seq][0]
            if unit < 0
            else Entry(digest.tobytes(), hashes[schema][0], t_us, payload_of(unit, fields, words))
        )
    return session


def entry_of(event: Event) -> Entry:
    """The event as it stands in the set."""
    assert event.t_us is not None
    return Entry(event.digest[:DIGEST_BYTES], event.schema_sha256, event.t_us, event.payload)
