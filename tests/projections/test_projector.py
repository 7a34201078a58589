"""The projector: the store equals the log up to what was committed, whatever happens in between."""

import threading
from collections.abc import Sequence

import pytest

from projections.clickhouse import ClickHouseStore
from projections.projector import GROUP, Projected, Projector
from projections.rows import ROWS, EventRow, Row, metric_rows, profile_rows
from projections.store import StoreUnavailable
from streams.codec import Codec
from streams.log import Message, Record
from streams.memory import MemoryLog
from streams.topics import DEAD_LETTERS, EVENTS, SESSION_METRICS, TRAIT_PROFILES
from telemetry.health import Health
from telemetry.metrics import PROJECTION_LAST_OFFSET, PROJECTION_RECORDS, PROJECTION_ROWS, Metrics
from tests.agents.doors import HandClock
from tests.projections.samples import MAPPING, a_dead_letter, a_profile, some_metrics

pytestmark = pytest.mark.clickhouse

CODEC = Codec()


class LostAfterWrite:
    """A log whose commit fails, as a crash between the write and the commit would."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self.read, self.end_offsets, self.committed = log.read, log.end_offsets, log.committed
        self.append, self.partitions, self.close = log.append, log.partitions, log.close

    def commit(self, group: str, topic: str, offsets: object) -> None:
        """Never gets there."""
        raise ConnectionAbortedError


class Damaged(MemoryLog):
    """A log in which the bytes of every tenth event changed since."""

    def read(self, topic: str, partition: int, start: int, end: int | None = None) -> list[Record]:
        """The records, some marked."""
        return [
            Record(
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                key=record.key,
                value=b"\xff" + record.value,
                time_ms=record.time_ms,
                intact=False,
            )
            if topic == EVENTS.name and record.offset % 10 == 0
            else record
            for record in super().read(topic, partition, start, end)
        ]


class Away:
    """A store that is away for its first writes, and counts what reaches the real one."""

    def __init__(self, store: ClickHouseStore, failures: int = 0) -> None:
        self._store = store
        self.failures = failures
        self.writes: list[int] = []

    def write(self, rows: Sequence[Row], *, source: str) -> None:
        """Fail, or pass on."""
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("the store at 127.0.0.1:8123 cannot be used: switched off")
        self._store.write(rows, source=source)
        self.writes.append(len(rows))

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)


def an_event(session_id: str, seq: int) -> Message:
    """A pause, in canonical bytes."""
    fields = {
        "event_id": "01890000-0000-7000-8000-000000000000",
        "session_id": session_id,
        "seq": seq,
        "t_us": seq * 1_000,
        "device_time_ms": 1_700_000_000_000 + seq,
        "sent_time_ms": 1_700_000_000_001 + seq,
        "received_time_ms": 1_700_000_000_002 + seq,
    }
    return Message(session_id.encode(), CODEC.encode("session.paused", fields))


def fill(log: MemoryLog, *, sessions: int = 40, events: int = 25) -> MemoryLog:
    """Sessions with events, metrics and profiles; and three dead letters."""
    for number in range(sessions):
        session_id = f"s{number:03}"
        log.append(EVENTS.name, [an_event(session_id, seq) for seq in range(events)])
        metrics = Message(session_id.encode(), CODEC.encode_record(some_metrics(session_id)))
        log.append(SESSION_METRICS.name, [metrics])
        log.append(
            TRAIT_PROFILES.name, [Message(session_id.encode(), CODEC.encode_record(a_profile(session_id)))]
        )
    for offset in range(3):
        log.append(DEAD_LETTERS.name, [Message(b"k", CODEC.encode_record(a_dead_letter(offset)))])
    return log


def reached(log: MemoryLog) -> dict[int, int]:
    """The end of every partition of the events that holds any."""
    return {partition: end for partition, end in log.end_offsets(EVENTS.name).items() if end}


def shown(store: ClickHouseStore) -> list[Row]:
    """Every row of every table."""
    return [row for kind in ROWS for row in store.every(kind)]


@pytest.mark.parametrize("rows_max", [10_000, 40])
def test_every_record_of_the_log_becomes_its_rows_and_none_other(
    store: ClickHouseStore, rows_max: int
) -> None:
    """In = out, counted exactly, however the batches are cut; and what is stored equals what can be rebuilt."""
    log = fill(MemoryLog(), sessions=20)
    assert {
        EVENTS.name: Projected(records=500, projected=500, rows=500),
        SESSION_METRICS.name: Projected(records=20, projected=20, rows=60),
        TRAIT_PROFILES.name: Projected(records=20, projected=20, rows=40),
        DEAD_LETTERS.name: Projected(records=3, projected=3, rows=3),
    } == Projector(log, store, CODEC, rows_max=rows_max).catch_up()
    assert [len(list(store.every(kind))) for kind in ROWS] == [
        500,
        60,
        40,
        3,
        0,
    ]  # reliabilities are asked for, not projected
    places = {(row.partition, row.offset): row for row in store.every(EventRow)}
    for partition, end in log.end_offsets(EVENTS.name).items():
        for record in log.read(EVENTS.name, partition, 0, end):
            assert CODEC.decode(record.value).digest.hex() == places[partition, record.offset].event_digest
    assert metric_rows(some_metrics("s007")) == store.metrics("s007")
    assert profile_rows(a_profile("s007")) == store.profile("s007", MAPPING)
    assert reached(log) == log.committed(GROUP, EVENTS.name)


def test_a_second_look_finds_only_what_is_new(store: ClickHouseStore) -> None:
    """The group's committed offsets are the projector's memory."""
    log = fill(MemoryLog(), sessions=2)
    projector = Projector(log, store, CODEC)
    projector.catch_up()
    log.append(EVENTS.name, [an_event("new", 0)])
    assert Projected(records=1, projected=1, rows=1) == projector.catch_up()[EVENTS.name]
    assert {Projected()} == set(projector.catch_up().values())


def test_projecting_the_log_again_from_its_beginning_changes_nothing(store: ClickHouseStore) -> None:
    """The view equals the fold, exactly once, even if every offset was forgotten and the batches are cut otherwise."""
    log = fill(MemoryLog(), sessions=10)
    Projector(log, store, CODEC).catch_up()
    once = shown(store)
    Projector(log, store, CODEC, group="forgetful").catch_up()
    Projector(log, store, CODEC, group="other", rows_max=7).catch_up()
    assert once == shown(store)


def test_a_crash_between_the_write_and_the_commit_changes_nothing(store: ClickHouseStore) -> None:
    """The offsets are committed after the write, so the rows are written again and not twice."""
    log = fill(MemoryLog(), sessions=10)
    with pytest.raises(ConnectionAbortedError):
        Projector(LostAfterWrite(log), store, CODEC, rows_max=100).catch_up()
    assert log.committed(GROUP, EVENTS.name) == {}
    assert len(list(store.every(EventRow))) == 100
    log.append(EVENTS.name, [an_event("later", 0)])
    Projector(log, store, CODEC, rows_max=30).catch_up()
    assert len(list(store.every(EventRow))) == 251
    assert store.select("SELECT uniqExact(session_id, seq) FROM events") == [(251,)]


def test_what_cannot_be_read_is_counted_and_passed_by(store: ClickHouseStore) -> None:
    """One bad record must not stop the view; the worker has put it into the dead letters."""
    log = fill(Damaged(), sessions=3)
    log.append(EVENTS.name, [Message(b"s", value) for value in (b"", b"\xc3\x01garbage", b"{}")])
    metrics_bytes = CODEC.encode_record(some_metrics("s000"))
    log.append(TRAIT_PROFILES.name, [Message(b"s", b"nothing"), Message(b"s", metrics_bytes[:-1])])
    damaged = sum((end + 9) // 10 for end in log.end_offsets(EVENTS.name).values())
    counted = Projector(log, store, CODEC).catch_up()
    events = counted[EVENTS.name]
    assert (78, damaged) == (events.records, events.damaged)
    assert events.records == events.projected + events.unreadable + events.damaged
    assert events.projected == events.rows == len(list(store.every(EventRow)))
    assert Projected(records=5, projected=3, unreadable=2, rows=6) == counted[TRAIT_PROFILES.name]
    assert reached(log) == log.committed(GROUP, EVENTS.name)


def test_what_it_does_is_told(store: ClickHouseStore) -> None:
    """By topic and outcome, by table, by partition; damage from the first on, so that an alarm sees it."""
    log, metrics, clock = fill(Damaged(), sessions=3), Metrics(), HandClock()
    health = Health(clock)
    projector = Projector(log, store, CODEC, metrics=metrics, health=health, clock=clock)
    assert metrics.read(PROJECTION_RECORDS, topic=EVENTS.name, outcome="damaged") == 0
    counted = projector.catch_up()
    for topic, one in counted.items():
        for outcome, count in one.outcomes().items():
            assert metrics.read(PROJECTION_RECORDS, topic=topic, outcome=outcome) == count
    assert metrics.read(PROJECTION_RECORDS) == sum(one.records for one in counted.values())
    assert counted[EVENTS.name].damaged > 0
    assert metrics.read(PROJECTION_ROWS, table="events") == counted[EVENTS.name].rows
    assert metrics.read(PROJECTION_ROWS) == sum(one.rows for one in counted.values())
    for partition, end in reached(log).items():
        assert metrics.read(PROJECTION_LAST_OFFSET, topic=EVENTS.name, partition=partition) == end
    assert b"kymograph_projection_flush_duration_seconds_count 4.0" in metrics.render()[0]
    assert (health.ready().status, health.startup().status) == ("ok", "ok")


def test_a_projector_that_cannot_write_is_not_ready(store: ClickHouseStore) -> None:
    """The log answers and records wait: it is found after its time, and is well when the store is back."""
    log, clock = fill(MemoryLog(), sessions=2), HandClock()
    away, health = Away(store, failures=6), Health(clock)
    projector = Projector(log, away, CODEC, health=health, clock=clock)
    for _ in range(6):
        with pytest.raises(StoreUnavailable):
            projector.catch_up()
        clock.s += 13
    assert health.live().status == "ok"
    assert [name for name, check in health.ready().checks.items() if check.status != "ok"] == ["progress"]
    projector.catch_up()
    assert health.ready().status == "ok"


def test_a_catch_up_is_a_handful_of_writes(store: ClickHouseStore) -> None:
    """Rows of all partitions are gathered: many small inserts would be many small parts."""
    log = fill(MemoryLog(), sessions=100, events=25)
    gathering = Away(store)
    Projector(log, gathering, CODEC, rows_max=1_000).catch_up()
    assert gathering.writes == [1_000, 1_000, 500, 300, 200, 3]


def test_a_store_that_is_away_costs_time_and_nothing_else(store: ClickHouseStore) -> None:
    """Nothing is committed that was not written, and the reason is said while it waits."""
    log = fill(MemoryLog(), sessions=4)
    away = Away(store, failures=1)
    with pytest.raises(StoreUnavailable, match="switched off"):
        Projector(log, away, CODEC).catch_up()
    assert log.committed(GROUP, EVENTS.name) == {}

    away.failures = 3
    projector = Projector(log, away, CODEC)
    stop = threading.Event()
    troubles: set[str | None] = set()
    follower = threading.Thread(target=projector.run, args=(stop, 0.01))
    follower.start()
    while sum(away.writes) < 100 + 12 + 8 + 3:
        troubles.add(projector.trouble)
        stop.wait(0.005)
    log.append(EVENTS.name, [an_event("live", 0)])
    while sum(away.writes) < 124:
        stop.wait(0.005)
    stop.set()
    follower.join(10)
    assert not follower.is_alive()
    assert any("switched off" in trouble for trouble in troubles if trouble)
    assert projector.trouble is None
    assert reached(log) == log.committed(GROUP, EVENTS.name)
    assert len(list(store.every(EventRow))) == 101
