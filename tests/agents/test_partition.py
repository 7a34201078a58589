"""A partition folded by columns is the partition folded one record at a time, whatever the log holds: ``agents/partition.py``."""

import random
from collections import Counter
from collections.abc import Sequence
from functools import cache

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from agents.event_logger import EventLogger
from agents.fetched import records_of
from agents.metric_extractor import MetricExtractor
from agents.partition import Partition, Scorer, score_all
from agents.scoring import Scoring
from agents.tables import SessionRow
from agents.trait_inferencer import TraitInferencer
from science.event import Response
from science.mapping import load
from science.windows import WIDTHS_US, Window
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.people import crowd
from streams.codec import Unreadable
from streams.columns import ColumnDecoder
from streams.log import Message, Record
from streams.memory import MemoryLog
from streams.partitioner import partition_of
from streams.records import LiveWindows
from streams.topics import EVENTS, LIVE_WINDOWS, PARTITIONS
from tests.agents.doors import CODEC, the_log
from tests.agents.test_event_logger import TIMES

INFERENCERS = [TraitInferencer(load("core@1.0.0"))]
SCORER = Scorer(CODEC, ColumnDecoder(), MetricExtractor(CODEC), INFERENCERS)
PARTITION = 3
DESIGNS = (
    balloon_risk.Design(balloons=3),
    reaction_timer.Design(trials=4),
    memory_cards.Design(rounds=1, n_pairs=4, rows=2, cols=4),
)
PLAYED = (DESIGNS, *[(one,) for one in DESIGNS], DESIGNS)
KEYS = [key for n in range(200) if partition_of(key := b"s-%d" % n, PARTITIONS) == PARTITION][: len(PLAYED)]
Sends = list[tuple[str, Message]]
Totals = dict[tuple[str, int, int], Window]


@cache
def sessions() -> tuple[tuple[Message, ...], ...]:
    """A whole session under each key."""
    log = MemoryLog()
    logger = EventLogger(log, control_url="sqlite://", codec=CODEC)
    for seed, (key, designs) in enumerate(zip(KEYS, PLAYED, strict=True)):
        ((_, _, events),) = crowd(1, seed, *designs)
        logger.record([{**one, "session_id": key.decode()} for one in events])
    found: dict[bytes, list[Message]] = {key: [] for key in KEYS}
    for record in the_log(log):
        found[record.key].append(Message(record.key, record.value))
    return tuple(map(tuple, found.values()))


def house_event(key: bytes, kind: str, **fields: object) -> Message:
    return Message(key, CODEC.encode(kind, {**TIMES, "session_id": key.decode(), **fields}))


def other(message: Message) -> Message:
    """The same happening at another time of the sender's clock: another digest."""
    try:
        kind, fields = CODEC.fields(message.value)
        before = fields["device_time_ms"]
    except (Unreadable, KeyError):  # disturbed before, or the house's
        return message
    return Message(
        message.key, CODEC.encode(kind, fields | {"device_time_ms": 77 if before is None else None})
    )


def confluent(message: Message) -> Message:
    """The same event in the other frame."""
    number = next(
        schema.number
        for schema in SCORER.decoder.registry.schemas
        if schema.fingerprint == message.value[2:10]
    )
    return Message(message.key, b"\0" + number.to_bytes(4, "big") + message.value[10:])


def disturbed(seed: int, disturbances: int) -> list[Record]:
    """What a partition may hold: sessions side by side, and so many things that went wrong."""
    rng = random.Random(seed)
    lines = [list(one) for one in rng.sample(sessions(), rng.randint(1, len(PLAYED)))]
    messages = []
    while lines:
        line = rng.choice(lines)
        messages += line[: (burst := rng.randint(1, 9))]
        del line[:burst]
        lines = [line for line in lines if line]
    for _ in range(disturbances):
        at, to = rng.randrange(len(messages)), rng.randrange(len(messages) + 1)
        one = messages[at]
        match rng.randrange(9):
            case 0:
                messages.insert(to, one)
            case 1:
                messages.insert(to - (to > at), messages.pop(at))
            case 2 if len(messages) > 1:
                del messages[at]
            case 3:
                messages.insert(to, Message(one.key, bytes(rng.choices(one.value, k=rng.randint(0, 90)))))
            case 4:
                messages.insert(to, other(one))
            case 5:
                messages.insert(to, house_event(rng.choice(KEYS), "session.abandoned", reason="timeout"))
            case 6:
                messages.insert(to, house_event(rng.choice(KEYS), "session.withdrawn", receipt_id="r"))
            case 7:
                messages.insert(to, Message(rng.choice([b"?", b"s-1", rng.choice(KEYS)]), one.value))
            case _:
                messages[at] = confluent(one) if one.value[:1] == b"\xc3" else one
    return [
        Record(
            topic=EVENTS.name, partition=PARTITION, offset=3 * n + 5, key=one.key, value=one.value, time_ms=n
        )
        for n, one in enumerate(messages)
    ]


def one_by_one(records: Sequence[Record]) -> tuple[Sends, Counter[str], Totals]:
    scoring, rows, outcomes = Scoring(CODEC, INFERENCERS), {}, Counter[str]()
    sends: Sends = []
    ended: set[bytes] = set()
    for record in records:
        row: SessionRow | None = rows.get(record.key)
        scored = scoring.advance(row, record)
        sends += scored.sends
        outcome = scored.outcome or "dead_letter"
        if record.key in ended and outcome == "duplicate":  # by columns no digest outlives its session
            outcome = "late"
        outcomes[outcome] += 1
        if scored.row is not None:
            rows[record.key] = scored.row
            if scored.row.closed_offset is not None:
                ended.add(record.key)
    return sends, outcomes, windows_in(rows)


def windows_in(rows: dict[bytes, SessionRow]) -> Totals:
    """Every window of every session, from the set of its events."""
    found: Totals = {}
    for row in rows.values():
        for entry in row.session.entries.values():
            for width in WIDTHS_US if entry is not None else ():
                assert entry is not None
                latency = entry.payload.latency_us if isinstance(entry.payload, Response) else None
                place = (row.session.session_id, width, entry.t_us // width)
                one = Window(1) if latency is None else Window(1, 1, latency, max(0, latency))
                found[place] = found.get(place, Window()).merged(one)
    return found


def windows_told(sends: Sends) -> Totals:
    """The last that was told of each window, but those that became empty."""
    found: Totals = {}
    for topic, message in sends:
        if topic == LIVE_WINDOWS.name:
            told = CODEC.decode_record(message.value)
            assert isinstance(told, LiveWindows)
            for session_id, width, index, *vector in msgspec.json.decode(told.windows):
                found[session_id, width, index] = Window(*vector)
    return {place: window for place, window in found.items() if window.events}


def by_columns(
    records: Sequence[Record], cuts: Sequence[int], rests: Sequence[bool]
) -> tuple[Sends, Counter[str]]:
    """In chunks that end at ``cuts``; after some of them a worker takes over that knows what the snapshots told alone."""
    partition = Partition(EVENTS.name, PARTITION, SCORER)
    sends: Sends = []
    outcomes: Counter[str] = Counter()
    blocks: list[bytes] = []
    lasting: list[bytes] = []
    for begin, end, rests_here in zip([0, *cuts], [*cuts, len(records)], [*rests, False], strict=True):
        partition.take(records_of(records[max(0, begin - 2) : end]))  # the last two come again
        score_all([partition], SCORER)
        sends += partition.sends()
        snapshot = partition.snapshot()
        blocks = snapshot.blocks if snapshot.is_whole else blocks + snapshot.blocks
        lasting = snapshot.lasting if snapshot.is_all else lasting + snapshot.lasting
        if rests_here:
            outcomes += partition.counts.outcomes
            partition = Partition.restore(
                EVENTS.name, PARTITION, SCORER, to=partition.applied, blocks=lasting + blocks
            )
    return sends, outcomes + partition.counts.outcomes


def told(sends: Sends) -> list[tuple[str, bytes, bytes]]:
    return sorted((topic, one.key, one.value) for topic, one in sends if topic != LIVE_WINDOWS.name)


@given(st.integers(0, 1 << 32), st.integers(0, 12), st.data())
def test_by_columns_is_one_by_one(seed: int, disturbances: int, data: st.DataObject) -> None:
    """The same metrics, profiles and dead letters to the byte, and the same outcomes, however the log is cut and whoever goes on."""
    records = disturbed(seed, disturbances)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=4)))
    rests = data.draw(st.lists(st.booleans(), min_size=len(cuts), max_size=len(cuts)))
    sends, outcomes, windows = one_by_one(records)
    found, counted = by_columns(records, cuts, rests)
    assert told(found) == told(sends)
    assert windows_told(found) == windows
    assert counted == outcomes
    assert sum(counted.values()) == len(records)


def test_what_is_not_disturbed_goes_by_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole sessions in order never touch the agent that takes one record at a time."""
    records = disturbed(1, 0)
    sends, _, _ = one_by_one(records)
    monkeypatch.setattr(MetricExtractor, "advance", None)
    found, counted = by_columns(records, [len(records) // 2], [True])
    assert told(found) == told(sends)
    assert set(counted) == {"counted"}


def test_what_only_came_again_goes_by_columns_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A door that crashed, or a sender that missed an answer, repeats events: that costs no session its speed."""
    dice, records = random.Random(2), disturbed(1, 0)
    for _ in range(60):
        at = dice.randrange(len(records) - 1)
        records.insert(dice.randrange(at + 1, len(records)), records[at])
    ends = {one.key: n for n, one in enumerate(records) if CODEC.fields(one.value)[0] == "session.completed"}
    records = [
        structs.replace(one, offset=n)
        for n, one in enumerate(records)
        if n <= ends.get(one.key, len(records))
    ]
    sends, outcomes, windows = one_by_one(records)
    monkeypatch.setattr(MetricExtractor, "advance", None)
    cuts = sorted(dice.sample(range(len(records)), 5))
    found, counted = by_columns(records, cuts, [True, False, True, False, True])
    assert told(found) == told(sends)
    assert windows_told(found) == windows
    assert counted == outcomes
    assert counted["duplicate"] > 20
