"""What a partition holds in a simulated schedule: a few tiny sessions side by side, and what whoever folds them must say.

The judge is the agents over one record after the other (``agents/scoring.py``), without columns, changelog or crash.
"""

import random
from functools import cache
from typing import NamedTuple

import msgspec

from agents.scoring import Scoring
from agents.tables import SessionRow
from science.event import Response
from science.windows import WIDTHS_US, Window
from streams.codec import Codec
from streams.log import Message, Record
from streams.memory import MemoryLog
from streams.partitioner import partition_of
from streams.records import DeadLetter, LiveWindows
from streams.topics import DEAD_LETTERS, EVENTS, LIVE_WINDOWS, PARTITIONS, SESSION_METRICS, TOPICS
from tests.agents.doors import NOW_MS, sealed

PLAYS = 256
CODEC = Codec()
_KEYS = [key for n in range(400) if partition_of(key := b"s-%d" % n, PARTITIONS) == 0]
_TIMES = {"event_id": f"{0:08x}-0000-7000-8000-{0:012x}", "sent_time_ms": NOW_MS, "received_time_ms": NOW_MS}

Letter = tuple[int, str, bytes]
Totals = dict[tuple[str, int, int], Window]


class Told(NamedTuple):
    """What the topics tell: every value of a session's metrics, what the dead letters hold of which record, the last of each window."""

    metrics: dict[bytes, set[bytes]]
    letters: set[Letter]
    windows: Totals


class Play(NamedTuple):
    """The events of a partition, and what must be told of them."""

    records: list[Record]
    told: Told


@cache
def play(number: int) -> Play:
    """One of ``PLAYS``."""
    messages = _messages(random.Random(f"play {number}"))
    records = [
        Record(topic=EVENTS.name, partition=0, offset=offset, key=one.key, value=one.value, time_ms=offset)
        for offset, one in enumerate(messages)
    ]
    return Play(records, _one_by_one(records))


class OnePartition(MemoryLog):
    """Topics of one partition each; the events are there from the beginning."""

    def __init__(self, records: list[Record]) -> None:
        """The records of the events; they are shared, and never appended to."""
        super().__init__([msgspec.structs.replace(topic, partitions=1) for topic in TOPICS])
        self._records[EVENTS.name] = [records]

    def lose(self, topic: str) -> None:
        """Everything of this topic is gone."""
        self._records[topic] = [[]]

    def told(self) -> Told:
        """What the other topics tell."""
        metrics: dict[bytes, set[bytes]] = {}
        for record in self.read(SESSION_METRICS.name, 0, 0):
            metrics.setdefault(record.key, set()).add(record.value)
        letters = {_letter(record.value) for record in self.read(DEAD_LETTERS.name, 0, 0)}
        # A window counts as the one told it who had seen most of the partition.
        latest: dict[tuple[str, int, int], tuple[int, Window]] = {}
        for record in self.read(LIVE_WINDOWS.name, 0, 0):
            told = CODEC.decode_record(record.value)
            assert isinstance(told, LiveWindows)
            for session_id, width, index, *vector in msgspec.json.decode(told.windows):
                place = session_id, width, index
                if place not in latest or latest[place][0] <= told.last_offset:
                    latest[place] = told.last_offset, Window(*vector)
        return Told(metrics, letters, {place: one for place, (_, one) in latest.items() if one.events})


def _letter(value: bytes) -> Letter:
    letter = CODEC.decode_record(value)
    assert isinstance(letter, DeadLetter)
    return letter.source_offset, letter.code, letter.value


# ------------------------------------------------------------------------------------------------------------ what happens


def _messages(dice: random.Random) -> list[Message]:
    """Two to four sessions side by side, most of them whole, and up to three things that went wrong."""
    keys = dice.sample(_KEYS, dice.randint(2, 4))
    lines = [list(_session(key, dice)) for key in keys]
    messages: list[Message] = []
    while lines:
        line = dice.choice(lines)
        burst = dice.randint(1, 4)
        messages += line[:burst]
        del line[:burst]
        lines = [one for one in lines if one]
    for _ in range(max(0, dice.randint(-3, 3))):
        _disturb(messages, keys, dice)
    return messages


def _session(key: bytes, dice: random.Random) -> list[Message]:
    """A session of one balloon, or of a pause alone; at times it is left before its end."""
    if dice.random() < 0.2:
        messages = list(sealed(key.decode(), balloons=1, seed=dice.randint(1, 9)))
    else:
        first = sealed(key.decode(), balloons=1)[0]
        messages = [
            first,
            *(
                _event(key, kind, seq=seq, t_us=400_000 * seq * seq, **more)
                for seq, (kind, more) in enumerate(_PAUSES, start=1)
            ),
        ]
    return messages[: dice.randint(1, len(messages) - 1)] if dice.random() < 0.2 else messages


_PAUSES: list[tuple[str, dict[str, object]]] = [
    ("session.paused", {}),
    ("session.resumed", {}),
    ("session.completed", {"last_seq": 3}),
]


def _event(key: bytes, kind: str, **fields: object) -> Message:
    own = {"device_time_ms": None} if "seq" in fields else {}
    return Message(key, CODEC.encode(kind, {**_TIMES, "session_id": key.decode(), **own, **fields}))


def _disturb(messages: list[Message], keys: list[bytes], dice: random.Random) -> None:
    """One thing that goes wrong before the log: a repeat, a swap, a loss, what cannot be read, or a word of the house."""
    at, to = dice.randrange(len(messages)), dice.randrange(len(messages) + 1)
    match dice.randrange(6):
        case 0:
            messages.insert(to, messages[at])
        case 1:
            messages.insert(to - (to > at), messages.pop(at))
        case 2 if len(messages) > 1:
            del messages[at]
        case 3:
            messages.insert(to, Message(messages[at].key, messages[at].value[:-1]))
        case 4:
            messages.insert(to, _event(dice.choice(keys), "session.abandoned", reason="timeout"))
        case _:
            messages.insert(to, _event(dice.choice(keys), "session.withdrawn", receipt_id="r"))


# ------------------------------------------------------------------------------------------------------------ what it means


def _one_by_one(records: list[Record]) -> Told:
    """What the agents say, one record after the other."""
    scoring = Scoring(CODEC, [])
    rows: dict[bytes, SessionRow] = {}
    told = Told({}, set(), {})
    for record in records:
        scored = scoring.advance(rows.get(record.key), record)
        for topic, message in scored.sends:
            if topic == SESSION_METRICS.name:
                told.metrics.setdefault(message.key, set()).add(message.value)
            else:
                told.letters.add(_letter(message.value))
        if scored.row is not None:
            rows[record.key] = scored.row
    for row in rows.values():
        _count(row, told.windows)
    return told


def _count(row: SessionRow, windows: Totals) -> None:
    """Add the windows of a session, from the set of its events."""
    for entry in row.session.entries.values():
        if entry is None:
            continue
        latency = entry.payload.latency_us if isinstance(entry.payload, Response) else None
        one = Window(1) if latency is None else Window(1, 1, latency, max(0, latency))
        for width in WIDTHS_US:
            place = row.session.session_id, width, entry.t_us // width
            windows[place] = windows.get(place, Window()).merged(one)
