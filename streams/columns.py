"""Events from bytes by columns: many records at once, as strictly as ``streams/codec.py`` reads one.

A row is taken only where everything about it is certain: frame and schema known, every number in its shortest form and within its
bounds, every text one that its field allows, no byte left over, and the session that the key says. What is not certain is not judged
here: its ``unit`` is -1, and the codec reads it alone, so that no flaw is ever worded twice. The same holds for the few events of a
session's frame, which the walk reads as objects.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from science.checks import check_of
from science.columns.events import UNITS, WIDTH, Column, Mask, code_of
from science.event import Event, Payload, Response
from science.fields import Field
from science.kinds import KINDS
from science.session import DIGEST_BYTES
from streams.schemas import Registry, Schema

_FRAME = np.frombuffer(b"\xc3\x01", dtype="<u2")[0]
_FRAME_BYTES = 10
_UUID_BYTES = 36
# A uuid's text as five words of eight characters, the last overlapping; in each the places of its dashes.
_UUID_WORDS = (
    (0, b"........"),
    (8, b"-....-.."),
    (16, b"..-....-"),
    (24, b"........"),
    (28, b"........"),
)
_EACH, _HIGH = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)
_UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_TEXT_BYTES_MAX = 1 << 16
_FRAME_FIELDS = {"seq", "t_us", "device_time_ms"}  # of every event


class Decoded(NamedTuple):
    """One value a record: ``unit`` (its place in ``UNITS``; -1 where it is for the codec to read), ``seq``, ``t_us``, ``device_time_ms``
    (-1: none), ``schema`` (its number in the registry), ``digest`` (a row of bytes) and ``fields`` (a row of the kind's fields in their order, as
    ``science/columns/events.py`` has them). Texts are places in ``words``, which are of these records alone.
    """

    unit: Column
    seq: Column
    t_us: Column
    device_time_ms: Column
    schema: Column
    digest: npt.NDArray[np.uint8]
    fields: Column
    words: list[str]


class Plan(NamedTuple):
    """How a schema's records are read: its fields in order, and where the values go (None: only checked)."""

    number: int
    unit: int
    sha256: bytes
    fields: Sequence[tuple[Field, int | str | None]]
    is_response: bool
    transport: int  # how many fields come before those that the digest covers


class ColumnDecoder:
    """Reads the kinds of units that hold numbers, booleans, enums and texts; another kind is left to the codec."""

    def __init__(self, registry: Registry | None = None) -> None:
        """With the schemas that were published."""
        self.registry = registry = registry if registry is not None else Registry.load()
        plans = {
            int.from_bytes(schema.fingerprint, "little"): plan
            for schema in registry.schemas
            if (plan := _plan(schema)) is not None
        }
        self._prints = np.array(sorted(plans), dtype=np.uint64)
        self._plans = [plans[one] for one in sorted(plans)]
        self._numbers = {bytes.fromhex(schema.sha256): schema.number for schema in registry.schemas}
        # By a schema's number its SHA-256 and the kind it is of.
        self.hashes = [(b"", "")] * (1 + max(schema.number for schema in registry.schemas))
        for schema in registry.schemas:
            self.hashes[schema.number] = bytes.fromhex(schema.sha256), schema.kind

    @property
    def plans(self) -> Sequence[Plan]:
        """How each schema that it takes is read."""
        return self._plans

    def number_of(self, event: Event) -> int:
        """The number of the schema that an event was read by."""
        return self._numbers[event.schema_sha256]

    def decode(self, keys: Sequence[bytes], values: Sequence[bytes]) -> Decoded:
        """The records with these keys and values."""
        sizes = np.fromiter(map(len, values), dtype=np.int64, count=len(values))
        ends = np.cumsum(sizes)
        starts = ends - sizes
        data = b"".join([*values, bytes(64)])  # so that the last bytes too are read eight at a time
        whole = np.frombuffer(data, dtype=np.uint8)
        eights: npt.NDArray[np.uint64] = np.ndarray(len(data) - 7, dtype="<u8", buffer=data, strides=(1,))
        twos: npt.NDArray[np.uint16] = np.ndarray(len(data) - 1, dtype="<u2", buffer=data, strides=(1,))
        framed = sizes > _FRAME_BYTES
        places = np.where(framed, starts, 0)
        framed &= twos[places] == _FRAME
        prints = np.where(framed, eights[places + 2], 0)
        n = len(values)
        found = Decoded(
            unit=np.full(n, -1, dtype=np.int64),
            seq=np.zeros(n, dtype=np.int64),
            t_us=np.zeros(n, dtype=np.int64),
            device_time_ms=np.full(n, -1, dtype=np.int64),
            schema=np.full(n, -1, dtype=np.int64),
            digest=np.zeros((n, DIGEST_BYTES), dtype=np.uint8),
            fields=np.zeros((n, WIDTH), dtype=np.int64),
            words=[],
        )
        words: dict[str, int] = {}
        # Sixteen bits, which are sorted by radix: a known fingerprint's place, or one past the last.
        nearest = np.minimum(np.searchsorted(self._prints, prints), len(self._prints) - 1)
        plan_of = np.where(self._prints[nearest] == prints, nearest, len(self._prints)).astype(np.int16)
        order = np.argsort(plan_of, kind="stable")
        borders = np.searchsorted(plan_of[order], np.arange(len(self._plans) + 1))
        for plan, begin, end in zip(self._plans, borders[:-1].tolist(), borders[1:].tolist(), strict=True):
            rows = order[begin:end]
            if len(rows):
                group = _Group(whole, eights, data, starts[rows] + _FRAME_BYTES, ends[rows])
                _read(plan, group, [keys[row] for row in rows.tolist()], words)
                _keep(plan, group, rows, found)
        found.words.extend(words)
        return found


class _Group:
    """A cursor in every record of one schema, and what was read so far. A record that is not ``fine`` any more is read on as if."""

    def __init__(
        self,
        whole: npt.NDArray[np.uint8],
        eights: npt.NDArray[np.uint64],
        data: bytes,
        at: Column,
        ends: Column,
    ) -> None:
        self._whole, self._eights, self._data = whole, eights, data
        self._last = len(eights) - 1
        self.at, self.ends = at, ends
        self.digested = at
        self.fine: Mask = np.ones(len(at), dtype=np.bool_)
        self.values: dict[int | str, Column] = {}

    def long(self) -> Column:
        """A number of up to eight bytes, zigzag; beyond that nothing is within its bounds."""
        word = self._eights[np.minimum(self.at, self._last)]
        if not (word & np.uint64(0x80)).any():  # as most are: of one byte
            raw, size = (word & np.uint64(0x7F)).astype(np.int64), np.ones_like(self.at)
        else:
            raw, size = self._many_bytes(word)
        self.at = self.at + size
        value: Column = (raw >> 1) ^ -(raw & 1)
        return value

    def _many_bytes(self, word: npt.NDArray[np.uint64]) -> tuple[Column, Column]:
        """The numbers as written, and how many bytes each has."""
        stops = ~word & np.uint64(0x8080808080808080)
        stop = stops & (~stops + np.uint64(1))  # the lowest set bit: the number's last byte
        word = word & (stop - np.uint64(1)) & np.uint64(0x7F7F7F7F7F7F7F7F)
        size = (np.bitwise_count(stop - np.uint64(1)).astype(np.int64) + 1) >> 3
        word = (word & np.uint64(0x007F007F007F007F)) | (word & np.uint64(0x7F007F007F007F00)) >> np.uint64(1)
        word = (word & np.uint64(0x00003FFF00003FFF)) | (word & np.uint64(0x3FFF00003FFF0000)) >> np.uint64(2)
        word = (word & np.uint64(0x000000000FFFFFFF)) | (word & np.uint64(0x0FFFFFFF00000000)) >> np.uint64(4)
        raw = word.astype(np.int64)
        shortest = (size == 1) | (raw >> (7 * (size - 1)) != 0)
        self.fine &= (stops != 0) & shortest
        return raw, size

    def byte(self, most: int) -> Column:
        """A byte that is no larger than this."""
        value = self._whole[np.minimum(self.at, self._last)].astype(np.int64)
        self.fine &= value <= most
        self.at = self.at + 1
        return value

    def text(self) -> tuple[Column, Column]:
        """Where a text begins and how many bytes it has."""
        size = self.long()
        self.fine &= (size >= 0) & (size <= np.minimum(self.ends - self.at, _TEXT_BYTES_MAX))
        size = np.where(self.fine, size, 0)
        begin = self.at
        self.at = begin + size
        return begin, size

    def uuid(self) -> None:
        """A text of 36 characters, checked."""
        begin, size = self.text()
        self.fine &= size == _UUID_BYTES
        begin = np.minimum(begin, self._last - _UUID_BYTES)
        for place, dashes in _UUID_WORDS:
            self.fine &= _is_hex(self._eights[begin + place], dashes)

    def slices(self, begin: Column, size: Column) -> list[bytes]:
        """The bytes there."""
        data = self._data
        return [data[a:b] for a, b in zip(begin.tolist(), (begin + size).tolist(), strict=True)]


def _is_hex(word: npt.NDArray[np.uint64], dashes: bytes) -> Mask:
    """Whether eight characters are dashes where they must be and 0-9a-f elsewhere."""
    mask = np.uint64(int.from_bytes(dashes.replace(b".", b"\0").replace(b"-", b"\xff"), "little"))
    zeros = word & ~mask | _EACH * np.uint64(ord("0")) & mask
    # Of characters below 128, so that no sum carries: the high bit of (character + 128 - least) says that it is at least that.
    is_digit = (zeros + _EACH * np.uint64(128 - ord("0"))) & ~(zeros + _EACH * np.uint64(127 - ord("9")))
    is_letter = (zeros + _EACH * np.uint64(128 - ord("a"))) & ~(zeros + _EACH * np.uint64(127 - ord("f")))
    found: Mask = (is_digit | is_letter) & ~word & _HIGH == _HIGH
    found &= word & mask == _EACH * np.uint64(ord("-")) & mask
    return found


def _plan(schema: Schema) -> Plan | None:
    """None where the kind is not of columns: of the frame, with bytes, of an older version, or with a rule that columns do not know."""
    kind = KINDS.get(schema.kind)
    if kind is None or kind not in UNITS or not _is_known_rule(kind):
        return None
    names = kind.__struct_fields__
    places = {name: place for place, name in enumerate(names)}
    fields: list[tuple[Field, int | str | None]] = []
    for field in schema.fields:
        if field.type == "bytes":
            return None
        fields.append((field, places.get(field.name, field.name if field.name in _FRAME_FIELDS else None)))
    if not places.keys() <= {field.name for field in schema.fields}:
        return None
    transport = [field.transport for field in schema.fields]
    before = transport.index(False)
    if True in transport[before:]:
        return None
    if any(place is None and field.name != "session_id" for field, place in fields[before:]):
        return None  # what the digest covers is kept
    return Plan(
        schema.number,
        code_of(kind),
        bytes.fromhex(schema.sha256),
        fields,
        issubclass(kind, Response),
        before,
    )


def _is_known_rule(kind: type[Payload]) -> bool:
    return kind.contradiction in {Payload.contradiction, Response.contradiction}


def _read(plan: Plan, group: _Group, keys: list[bytes], words: dict[str, int]) -> None:
    """Read every field of the schema's records, and check what each says."""
    for number, (field, place) in enumerate(plan.fields):
        if number == plan.transport:
            group.digested = group.at
        value = _session(group, keys) if field.name == "session_id" else _field(group, field, words)
        if place is not None:
            group.values[place] = value
    group.fine &= group.at == group.ends
    if plan.is_response:
        names = [field.name for field, _ in plan.fields]
        latency, onset = (
            group.values[plan.fields[names.index(name)][1]]  # type: ignore[index]  # a response's fields have places
            for name in ("latency_us", "onset_t_us")
        )
        group.fine &= latency == group.values["t_us"] - onset


def _session(group: _Group, keys: list[bytes]) -> Column:
    """The session must be the key's."""
    group.fine &= np.fromiter(
        map(bytes.__eq__, group.slices(*group.text()), keys), dtype=np.bool_, count=len(keys)
    )
    return np.zeros(0, dtype=np.int64)


def _field(group: _Group, field: Field, words: dict[str, int]) -> Column:
    """One field of every record; None is -1."""
    if not field.nullable:
        return _value(group, field, words)
    branch = group.byte(2)  # zigzag: 0 is null, 2 the second of the union
    group.fine &= branch != 1
    absent = branch == 0
    if absent.all():
        return np.full(len(absent), -1, dtype=np.int64)
    before, fine = group.at.copy(), group.fine.copy()
    value = _value(group, field, words, absent)
    group.at = np.where(absent, before, group.at)
    group.fine = np.where(absent, fine, group.fine)
    return np.where(absent, -1, value)


def _value(group: _Group, field: Field, words: dict[str, int], absent: Mask | None = None) -> Column:
    match field.type:
        case "long":
            assert field.minimum is not None
            assert field.maximum is not None
            value = group.long()
            group.fine &= (value >= field.minimum) & (value <= field.maximum)
            return value
        case "boolean":
            return group.byte(1)
        case "enum":
            value = group.long()
            group.fine &= (value >= 0) & (value < len(field.symbols))
            symbols = np.array([words.setdefault(symbol, len(words)) for symbol in field.symbols])
            return symbols[np.where(group.fine, value, 0)]
        case _ if field.pattern == _UUID_PATTERN:
            assert field.transport, "a uuid's text is not kept"
            group.uuid()
            return group.at
        case _:
            return _texts(group, field, words, absent)


def _texts(group: _Group, field: Field, words: dict[str, int], absent: Mask | None) -> Column:
    """The texts of a field as words; those that it does not allow are not fine."""
    check = check_of(field)
    known: dict[bytes, int] = {}
    begin, size = group.text()
    wanted = group.fine if absent is None else group.fine & ~absent
    found = []
    for is_wanted, text in zip(wanted.tolist(), group.slices(begin, size), strict=True):
        if not is_wanted:
            found.append(-1)
            continue
        place = known.get(text)
        if place is None:
            place = known[text] = _word(text, check, words)
        found.append(place)
    value = np.array(found, dtype=np.int64)
    group.fine &= value >= 0
    return value


def _word(text: bytes, check: Any, words: dict[str, int]) -> int:
    try:
        word = text.decode()
    except UnicodeDecodeError:
        return -1
    return -1 if check(word) is not None else words.setdefault(word, len(words))


def _keep(plan: Plan, group: _Group, rows: Column, found: Decoded) -> None:
    """The fine ones of the group in their rows."""
    fine = group.fine
    if not fine.all():
        rows = rows[fine]
    found.unit[rows], found.schema[rows] = plan.unit, plan.number
    for place, value in group.values.items():
        if isinstance(place, int):
            found.fields[rows, place] = value[fine]
        else:
            getattr(found, place)[rows] = value[fine]
    head, bodies = plan.sha256, group.slices(group.digested[fine], (group.ends - group.digested)[fine])
    digests = b"".join([sha256(head + body).digest() for body in bodies])
    found.digest[rows] = np.frombuffer(digests, dtype=np.uint8).reshape(-1, 32)[:, :DIGEST_BYTES]
