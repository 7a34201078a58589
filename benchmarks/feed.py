"""A topic full of sessions in the midst of being played: a hundred simulated people, again and again under new session ids.

Simulating people is slow, so each plays once. A session's id stands in the body of its events as text; another one of the same length
gives bytes as canonical as before (samples are decoded strictly). So many sessions are under way at any time, each sends a burst of one
to three events in turn, and where one ends another begins. They all begin with their first event; that they begin staggered spreads
their stages, as far as the events suffice.
"""

import hashlib
import itertools
import random
import time
import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
from confluent_kafka import Producer

from agents.event_logger import EventLogger
from benchmarks.scoring import PROTOCOLS
from science.windows import WIDTHS_US, Window, index_of
from simulators.people import crowd
from streams.codec import Codec
from streams.kafka import KafkaLog
from streams.memory import MemoryLog
from streams.partitioner import partition_of
from streams.topics import EVENTS, PARTITIONS

PEOPLE, SEED = 100, 20261123
_BURSTS = 1 << 16
_SAMPLE_EVERY = 997  # decoded strictly; a prime, so that no pattern of turns hides a kind
_FLUSH_S_MAX = 120
_ID_LENGTH = len(f"sim.{SEED}.00000")  # what simulators.people.crowd gives

_Moment = tuple[int, int | None]  # t_us, latency_us of a response


class Played(NamedTuple):
    """What a person did: each event's bytes before and after the session's id, and when it was (None: no time of its own)."""

    events: list[tuple[bytes, bytes]]
    moments: list[_Moment | None]


class Part(NamedTuple):
    """So many first events of a person, played under this id."""

    session_id: str
    person: int
    events: int


class Fed(msgspec.Struct, frozen=True):
    """What lies in the topic, and what whoever reads all of it must find."""

    events: int
    sessions: int
    complete: int
    bytes: int
    seconds: float
    windows: int
    windows_digest: str


def people(count: int = PEOPLE) -> list[Played]:
    """So many people's sessions of all three games, without dropouts' empty ones."""
    log = MemoryLog()
    logger = EventLogger(log, control_url="sqlite://")
    for _, _, events in crowd(count, SEED, *PROTOCOLS["all"]):
        logger.record(events)
    values: dict[bytes, list[bytes]] = {}
    for partition in range(PARTITIONS):
        for record in log.read(EVENTS.name, partition, 0):
            values.setdefault(record.key, []).append(record.value)
    codec = Codec()
    return [_played(codec, key, values[key]) for key in sorted(values)]


def feed(
    bootstrap: str,
    *,
    active_sessions: int,
    events: int,
    topic: str = EVENTS.name,
    played: list[Played] | None = None,
    is_completed: bool = True,
) -> Fed:
    """Fill the empty topic: ``events`` events, and then, if ``is_completed``, what the open sessions still lack."""
    log, played = KafkaLog(bootstrap), people() if played is None else played
    assert sum(log.end_offsets(topic).values()) == 0, f"{topic} is not empty"
    # Idempotent, because a repeat or a swap by a retry would be another feed than the one that the oracle knows.
    options = {
        "bootstrap.servers": bootstrap,
        "enable.idempotence": True,
        "linger.ms": 20,
        "batch.size": 1_000_000,
        "queue.buffering.max.kbytes": 131_072,
        "queue.buffering.max.messages": 1_000_000,
        "log_level": 3,  # a coordinator that is still loading is waited for without a word
    }
    producer, codec = Producer(options), Codec()
    parts: list[Part] = []
    began, made, size = time.perf_counter(), 0, 0
    for key, partition, value in records(played, active_sessions, events, parts, is_completed=is_completed):
        while True:
            try:
                producer.produce(topic, value, key, partition)
                break
            except BufferError:
                producer.poll(0.05)
        made += 1
        size += len(value)
        if made % _SAMPLE_EVERY == 0:
            assert codec.decode(value).session_id.encode() == key
    assert producer.flush(_FLUSH_S_MAX) == 0, "the broker did not take the feed"
    seconds = time.perf_counter() - began
    assert sum(log.end_offsets(topic).values()) == made, "the topic holds what was fed, once"
    log.close()
    windows, digest = digest_of_parts(played, parts)
    complete = sum(part.events == len(played[part.person].events) for part in parts)
    return Fed(made, len(parts), complete, size, round(seconds, 2), windows, digest)


def digest_of(lines: Iterable[str]) -> str:
    """SHA-256 over windows, a line each, in the order of their text."""
    digest = hashlib.sha256()
    for line in sorted(lines):
        digest.update(line.encode())
    return digest.hexdigest()


def digest_of_parts(played: list[Played], parts: list[Part]) -> tuple[int, str]:
    """How many windows these sessions have, and their digest; ids of one length sort as their lines do, so one goes after the other."""
    digest, windows = hashlib.sha256(), 0
    known: dict[tuple[int, int], list[str]] = {}
    for part in sorted(parts):
        rows = known.get((part.person, part.events))
        if rows is None:
            rows = sorted(_rows(played[part.person].moments[: part.events]))
            known[part.person, part.events] = rows
        digest.update("".join(f"{part.session_id},{row}" for row in rows).encode())
        windows += len(rows)
    return windows, digest.hexdigest()


def _rows(moments: Iterable[_Moment | None]) -> Iterator[str]:
    """The windows of a session, without its id."""
    windows: dict[tuple[int, int], Window] = {}
    for moment in moments:
        if moment is None:
            continue
        t_us, latency_us = moment
        one = Window(1) if latency_us is None else Window(1, 1, latency_us, max(latency_us, 0))
        for width_us in WIDTHS_US:
            place = width_us, index_of(t_us, width_us)
            windows[place] = windows.get(place, Window()).merged(one)
    for (width_us, index), window in windows.items():
        yield f"{width_us},{index}," + ",".join(map(str, msgspec.structs.astuple(window))) + "\n"


def _played(codec: Codec, key: bytes, values: list[bytes]) -> Played:
    events: list[tuple[bytes, bytes]] = []
    moments: list[_Moment | None] = []
    for number, value in enumerate(values):
        # What the door made up at random or read from the clock is fixed, so that every run feeds the same bytes.
        kind, fields = codec.fields(value)
        fields |= {"event_id": str(uuid.UUID(int=number)), "sent_time_ms": 0, "received_time_ms": 0}
        if kind == "session.started":
            fields |= {"subject_id": f"subject-of-{SEED}", "subject_cipher": None, "key_id": None}
        head, found, tail = codec.encode(kind, fields).partition(key)
        assert found, "every event names its session"
        assert key not in tail, "and names it once"
        events.append((head, tail))
        event = codec.decode(value)
        latency_us = getattr(event.payload, "latency_us", None)
        moments.append(None if event.t_us is None else (event.t_us, latency_us))
    return Played(events, moments)


class _Open:
    """A session under way."""

    __slots__ = ("key", "partition", "person", "sent")

    def __init__(self, number: int, person: int) -> None:
        self.key = f"s{number:0{_ID_LENGTH - 1}d}".encode()
        self.partition = partition_of(self.key, PARTITIONS)
        self.person, self.sent = person, 0

    def part(self) -> Part:
        return Part(self.key.decode(), self.person, self.sent)


def records(
    played: list[Played], active: int, events: int, parts: list[Part], *, is_completed: bool
) -> Iterator[tuple[bytes, int, bytes]]:
    """Key, partition and value of every event, in the order of the feed; ``parts`` is filled with who played what."""
    dice = random.Random(f"{SEED}/{active}")  # a feed is repeated by its seed, not secured by one
    begin = (_Open(number, dice.randrange(len(played))) for number in itertools.count())
    bursts = [dice.randint(1, 3) for _ in range(_BURSTS)]
    # A session sends two events a turn on average: begun over half a life of turns, the sessions are in all stages. At most half of
    # the events goes into it.
    life = sum(len(one.events) for one in played) // len(played)
    turns = min(life // 2, events // (2 * active))
    waiting = deque(sorted(dice.randrange(turns + 1) for _ in range(active)))
    under_way: list[_Open] = []
    made = 0
    for turn in itertools.count():
        while waiting and waiting[0] <= turn:
            waiting.popleft()
            under_way.append(next(begin))
        still = []
        for one in under_way:
            rest = played[one.person].events[one.sent : one.sent + bursts[made % _BURSTS]]
            if not is_completed:
                rest = rest[: events - made]
            for head, tail in rest:
                yield one.key, one.partition, head + one.key + tail
            one.sent += len(rest)
            made += len(rest)
            if one.sent < len(played[one.person].events):
                still.append(one)
                continue
            parts.append(one.part())
            if made < events:
                still.append(next(begin))
        under_way = still
        if made >= events and (not is_completed or not under_way):
            break
    parts += [one.part() for one in under_way if one.sent > 0]
