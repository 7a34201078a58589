"""EventLogger over owned partitions of the inbox: ``agents/live_inbox.py``."""

import random
from collections import Counter
from pathlib import Path

import pytest

from agents.breaker import Breaker, Limits, TooManyDeadLetters
from agents.event_logger import EventLogger
from agents.fetched import records_of
from agents.inbox import Inbox
from agents.live_inbox import LiveInbox
from agents.watch import DoorWatch
from streams.log import Message, OffsetsLost, Record
from streams.memory import MemoryLog
from streams.topics import DEAD_LETTERS, EVENTS, INBOX, PARTITIONS
from telemetry.clock import SystemClock
from telemetry.health import Health
from telemetry.metrics import DLQ_RECORDS, INGEST_EVENTS, Metrics
from tests.agents.doors import CODEC, HandClock, door, paused, size
from tests.agents.malformed import FAMILIES, flat


def read(log: MemoryLog, partition: int, start: int = 0, end: int | None = None) -> list[Record]:
    return list(log.read(INBOX.name, partition, start, end))


def own(work: LiveInbox, partition: int, committed: int = 0) -> int:
    return work.own(partition, work.remember(partition, committed))


def inbox(folder: Path, log: MemoryLog, breaker: Breaker | None = None) -> Inbox:
    return Inbox(door(folder, log), CODEC, breaker)


def test_whatever_is_dropped_repeated_or_not_committed_each_record_has_one_outcome(tmp_path: Path) -> None:
    """Owners who come and go, chunks that a driver drops or gives twice: events and letters name every record that was sent."""
    log, dice = MemoryLog(), random.Random(3)
    good = [Message(b"s-%d" % (seq % 9), flat(paused(f"s-{seq % 9}", seq=seq))[1]) for seq in range(300)]
    bad = [Message(*FAMILIES[n % len(FAMILIES)](dice)[:2]) for n in range(200)]
    log.append(INBOX.name, dice.sample([*good, *bad], 500))
    committed, ends = dict.fromkeys(range(PARTITIONS), 0), log.end_offsets(INBOX.name)
    while committed != ends:
        work = LiveInbox(log, inbox(tmp_path, log))
        for partition, place in committed.items():
            assert own(work, partition, place) == place
        for _ in range(dice.randint(1, 20)):
            partition = dice.randrange(PARTITIONS)
            begin = max(0, work.position(partition) + dice.randint(-3, 6))
            chunk = read(log, partition, begin, begin + dice.randint(1, 15))
            if chunk:
                work.take(partition, records_of(chunk))
            if dice.random() < 0.4 and (made := work.prepare()) is not None:
                made.write(log)
                if dice.random() < 0.6:
                    committed |= made.offsets
        work.disown()
        assert not work.owned()
    keys = Counter((one.key, one.value) for one in good)
    found = Counter(
        (record.key, CODEC.decode(record.value).seq)
        for partition in range(PARTITIONS)
        for record in log.read(EVENTS.name, partition, 0)
    )
    assert len(found) == len(keys) == 300
    sources = {
        (letter.source_partition, letter.source_offset)
        for partition in range(PARTITIONS)
        for record in log.read(DEAD_LETTERS.name, partition, 0)
        for letter in [CODEC.decode_record(record.value)]
    }
    assert len(sources) == 200


def test_the_breaker_lets_what_is_before_it_become_durable(tmp_path: Path) -> None:
    """And then stops; nothing from there on is diverted or committed."""
    log = MemoryLog()
    log.append(INBOX.name, [Message(*flat(paused(seq=seq))) for seq in range(4)])
    (partition,) = [number for number, end in log.end_offsets(INBOX.name).items() if end]
    log.append(INBOX.name, [Message(b"s-1", b"no event")] * 9)
    log.append(INBOX.name, [Message(*flat(paused(seq=4)))])
    work = LiveInbox(log, inbox(tmp_path, log, Breaker(Limits(consecutive=3))))
    own(work, partition)
    work.take(partition, records_of(read(log, partition)))
    work.take(partition, records_of(read(log, partition)))
    made = work.prepare()
    assert made is not None
    made.write(log)
    assert made.offsets == {partition: 7}
    assert (size(log, EVENTS.name), size(log, DEAD_LETTERS.name)) == (4, 3)
    with pytest.raises(TooManyDeadLetters, match="4 records in a row"):
        work.prepare()


def test_what_is_durable_is_counted(tmp_path: Path) -> None:
    """Accepted, duplicate and refused, and letters by their code; nothing before it is durable."""
    log, metrics, clock = MemoryLog(), Metrics(), HandClock()
    control = f"sqlite:///{tmp_path / 'control.sqlite'}"
    decides = Inbox(EventLogger(log, control_url=control, codec=CODEC, clock=clock, metrics=metrics), CODEC)
    watch = DoorWatch(metrics, Health(SystemClock()), clock, inbox=decides)
    log.append(INBOX.name, [Message(*flat(paused(seq=seq))) for seq in (0, 1, 1)])
    (partition,) = [number for number, end in log.end_offsets(INBOX.name).items() if end]
    log.append(INBOX.name, [Message(b"s-1", b"no event")])
    work = LiveInbox(log, decides)
    own(work, partition)
    work.take(partition, records_of(read(log, partition)))
    made = work.prepare()
    assert made is not None
    assert not metrics.read(INGEST_EVENTS)
    watch.durable(made.done)
    told = {
        outcome: metrics.read(INGEST_EVENTS, outcome=outcome)
        for outcome in ("accepted", "duplicate", "rejected")
    }
    assert told == {"accepted": 2, "duplicate": 1, "rejected": 1}
    assert metrics.read(DLQ_RECORDS, code="malformed") == 1


class Moved(MemoryLog):
    """An inbox that keeps what lies from ``first`` on, and ends at ``end``."""

    first, end = 0, 0

    def first_offsets(self, topic: str) -> dict[int, int]:
        return super().first_offsets(topic) | {3: self.first}

    def end_offsets(self, topic: str) -> dict[int, int]:
        return super().end_offsets(topic) | {3: self.end}


@pytest.mark.parametrize(
    ("committed", "first", "end", "message"),
    [
        (10, 30, 40, "offsets 10 to 29 left it"),
        (0, 30, 40, "offsets 0 to 29 left it"),
        (50, 0, 40, "ends at 40, but up to 50 it was read"),
    ],
)
def test_what_is_gone_from_the_inbox_is_named_and_passed_over_on_a_word(
    committed: int, first: int, end: int, message: str, tmp_path: Path
) -> None:
    """A day's pause, or an inbox that was made again: never in silence, and with a way on."""
    log = Moved()
    log.first, log.end = first, end
    with pytest.raises(OffsetsLost, match=message) as told:
        LiveInbox(log, inbox(tmp_path, log)).remember(3, committed)
    assert "--skip-lost" in str(told.value)
    assert LiveInbox(log, inbox(tmp_path, log), skips_lost=True).remember(3, committed) == first
