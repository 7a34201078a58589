"""Lag, measured from the log alone."""

import math
import re
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.lag import Lag, measure_lag, note, publish, watch
from streams.log import Log, LogUnavailable, Message, OffsetsLost, Record, UnknownPartition
from streams.memory import MemoryLog
from streams.partitioner import partition_of
from streams.sqlite import SqliteLog
from streams.topics import DEAD_LETTERS, EVENTS, PARTITIONS, Topic
from telemetry.health import Health, Limits
from telemetry.metrics import CONSUMER_LAG, CONSUMER_LAG_MEASURED, CONSUMER_LAG_RECORDS, Metrics
from tests.agents.doors import NOW_MS, HandClock

GROUP = "somebody"
KEY = b"s-1"
MINE = partition_of(KEY, PARTITIONS)


@pytest.fixture(params=["memory", "sqlite"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    """A log of each kind that lives in this process."""
    one: Log = MemoryLog() if request.param == "memory" else SqliteLog(tmp_path / "log.sqlite")
    yield one
    one.close()


def append(log: Log, count: int, topic: str = EVENTS.name) -> None:
    """So many records into one partition."""
    log.append(topic, [Message(KEY, b"%d" % number) for number in range(count)])


def time_of(log: Log, offset: int) -> int:
    """When the log took it."""
    (record,) = log.read(EVENTS.name, MINE, offset, offset + 1)
    return record.time_ms


def mine(log: Log, now_ms: int = NOW_MS, group: str = GROUP) -> Lag:
    """The lag of the partition that is written into."""
    return measure_lag(log, group, [EVENTS.name], now_ms=now_ms)[MINE]


def test_a_group_that_reads_nothing_falls_behind_by_itself(log: Log) -> None:
    """Nobody runs, and the lag is there: in records, and in seconds since the log took the first of them."""
    append(log, 5)
    first_ms = time_of(log, 0)
    assert mine(log, first_ms + 90_500) == Lag(
        group=GROUP, topic=EVENTS.name, partition=MINE, committed=None, end=5, records=5, seconds=90.5
    )
    assert mine(log, first_ms + 180_500).seconds == 180.5


def test_what_is_committed_is_not_behind(log: Log) -> None:
    """The age is that of the first record which is not; at the end there is none."""
    append(log, 5)
    log.commit(GROUP, EVENTS.name, {MINE: 3})
    told = mine(log, time_of(log, 3) + 2_000)
    assert (told.committed, told.end, told.records, told.seconds) == (3, 5, 2, 2.0)
    log.commit(GROUP, EVENTS.name, {MINE: 5})
    told = mine(log, time_of(log, 3) + 2_000)
    assert (told.committed, told.end, told.records, told.seconds) == (5, 5, 0, 0.0)
    assert mine(log, time_of(log, 0), group="other").records == 5


def test_the_age_is_of_the_first_and_not_of_the_newest() -> None:
    """Records of different times, as a log has them."""

    class Timed(MemoryLog):
        def read(self, topic: str, partition: int, start: int, end: int | None = None) -> Iterator[Record]:
            for one in super().read(topic, partition, start, end):
                yield Record(
                    topic=topic,
                    partition=partition,
                    offset=one.offset,
                    key=one.key,
                    value=one.value,
                    time_ms=NOW_MS + 1_000 * one.offset,
                )

    log = Timed()
    append(log, 10)
    log.commit(GROUP, EVENTS.name, {MINE: 4})
    assert mine(log, NOW_MS + 9_000).seconds == 5.0
    assert mine(log, NOW_MS).seconds == 0.0  # a log whose clock is ahead of ours


def test_every_partition_of_every_topic_is_told(log: Log) -> None:
    """Those at the end too; and measuring changes nothing."""
    append(log, 2, DEAD_LETTERS.name)
    lags = measure_lag(log, GROUP, [EVENTS.name, DEAD_LETTERS.name], now_ms=NOW_MS)
    assert [(lag.topic, lag.partition) for lag in lags] == [
        (topic.name, partition) for topic in (EVENTS, DEAD_LETTERS) for partition in range(PARTITIONS)
    ]
    assert [lag.records for lag in lags if lag.records] == [2]
    assert log.committed(GROUP, DEAD_LETTERS.name) == {}
    with pytest.raises(UnknownPartition):
        measure_lag(log, GROUP, ["nothing"], now_ms=NOW_MS)


class Cut(MemoryLog):
    """Its first three records are no longer kept."""

    def first_offsets(self, topic: str) -> dict[int, int]:
        return {partition: min(3, end) for partition, end in self.end_offsets(topic).items()}

    def read(self, topic: str, partition: int, start: int, end: int | None = None) -> Iterator[Record]:
        if start < self.first_offsets(topic)[partition]:
            raise OffsetsLost("offsets 0 to 2 are gone")
        return super().read(topic, partition, start, end)


def test_records_that_are_no_longer_kept_have_no_age() -> None:
    """The group has missed them: worse than any number of seconds."""
    log, metrics = Cut(), Metrics()
    append(log, 5)
    log.commit(GROUP, EVENTS.name, {MINE: 1})
    assert (mine(log).records, mine(log).seconds) == (4, None)
    publish([mine(log)], metrics, now_ms=NOW_MS)
    assert metrics.read(CONSUMER_LAG, partition=MINE) == math.inf
    log.commit(GROUP, EVENTS.name, {MINE: 3})
    assert (mine(log).records, mine(log).seconds is None) == (2, False)


def test_who_committed_nothing_is_behind_by_what_is_kept() -> None:
    """A group of today has not missed what was let go before it came."""
    log, health = Cut(), Health(HandClock())
    append(log, 5)
    told = mine(log, time_of(log, 3) + 1_500)
    assert (told.committed, told.end, told.records, told.seconds) == (None, 5, 2, 1.5)
    note([told], health)
    assert health.ready().checks["progress"].observed == 2


def test_where_nothing_is_left_to_read_nothing_is_behind() -> None:
    """Behind are only the markers of a transaction: no record would ever make the lag 0 again."""

    class Marked(MemoryLog):
        def end_offsets(self, topic: str) -> dict[int, int]:
            return {partition: end + bool(end) for partition, end in super().end_offsets(topic).items()}

    log, clock = Marked(), HandClock()
    append(log, 2)
    assert (mine(log).end, mine(log).records) == (3, 3)
    log.commit(GROUP, EVENTS.name, {MINE: 2})
    assert (mine(log).end, mine(log).records, mine(log).seconds) == (3, 0, 0.0)
    health = Health(clock, Limits(beat_s_max=1e9))
    health.note_assigned([MINE])
    health.note_recovered()
    for _ in range(6):
        note([mine(log)], health)
        clock.s += 15
    assert health.ready().status == "ok"


def test_a_group_ahead_of_the_log_is_not_behind() -> None:
    """The log was set back: no negative lag."""
    log = MemoryLog()
    log.commit(GROUP, EVENTS.name, {MINE: 7})
    assert (mine(log).records, mine(log).seconds) == (0, 0.0)


def test_what_was_measured_is_published(log: Log) -> None:
    """By group, topic and partition, with the time of the measurement."""
    metrics = Metrics()
    append(log, 5)
    now_ms = time_of(log, 0) + 1_500
    publish(measure_lag(log, GROUP, [EVENTS.name], now_ms=now_ms), metrics, now_ms=now_ms)
    assert metrics.read(CONSUMER_LAG_RECORDS, group=GROUP, topic=EVENTS.name, partition=MINE) == 5
    assert metrics.read(CONSUMER_LAG_RECORDS, group=GROUP) == 5
    assert metrics.read(CONSUMER_LAG, group=GROUP, partition=MINE) == 1.5
    assert metrics.read(CONSUMER_LAG, partition=(MINE + 1) % PARTITIONS) == 0
    assert metrics.read(CONSUMER_LAG_MEASURED, group=GROUP) == now_ms / 1_000


def test_a_worker_that_stalls_becomes_unhealthy_by_what_it_committed() -> None:
    """The measurement tells its health: it moves, it is healthy; it stands while records wait, it is not."""
    log, clock = MemoryLog(), HandClock()
    health = Health(clock, Limits(beat_s_max=1e9))
    health.note_assigned([MINE])
    health.note_recovered()
    append(log, 100)
    note(measure_lag(log, GROUP, [EVENTS.name], now_ms=clock.ms), health)
    assert health.ready().checks["progress"].observed == 100
    for committed in range(5):
        log.commit(GROUP, EVENTS.name, {MINE: committed})
        note(measure_lag(log, GROUP, [EVENTS.name], now_ms=clock.ms), health)
        assert health.ready().status == "ok"
        clock.s += 25
    for _ in range(6):
        note(measure_lag(log, GROUP, [EVENTS.name], now_ms=clock.ms), health)
        clock.s += 15
    report = health.ready()
    assert (report.checks["progress"].status, report.checks["contact"].status) == ("unhealthy", "ok")


@pytest.mark.parametrize(
    "reason",
    [LogUnavailable("no broker"), UnknownPartition("no broker"), ValueError("no broker")],
    ids=lambda reason: type(reason).__name__,
)
def test_watching_goes_on_until_it_is_stopped_and_outlives_whatever_goes_wrong(
    reason: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """While it is away nothing is published, None is told, and it is logged once; then it goes on."""
    waits: list[float | None] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return self.is_set()

    stop, clock, metrics = Stop(), HandClock(), Metrics()
    turns: list[int | None] = []
    measured: list[float | None] = []

    class Away(MemoryLog):
        def end_offsets(self, topic: str) -> dict[int, int]:
            clock.ms += 1_000
            if len(turns) in {1, 2, 3}:
                raise reason
            return super().end_offsets(topic)

    def told(lags: list[Lag] | None) -> None:
        turns.append(None if lags is None else sum(lag.records for lag in lags))
        measured.append(metrics.read(CONSUMER_LAG_MEASURED, group=GROUP))
        if len(turns) == 5:
            stop.set()

    log = Away()
    append(log, 3)
    groups = {GROUP: [EVENTS.name]}
    watch(log, groups, metrics, clock=clock, stop=stop, every_s=7.0, told=told)
    assert turns == [3, None, None, None, 3]
    assert waits == [7.0] * 5
    began_s = NOW_MS / 1_000
    assert measured == [began_s, began_s, began_s, began_s, began_s + 4]
    assert len(re.findall("the lag cannot be measured: .*no broker", caplog.text)) == 1
    watch(log, groups, metrics, clock=clock, stop=stop, told=told)
    assert len(turns) == 5


@pytest.mark.kafka
def test_on_kafka_it_is_the_same(kafka_bootstrap: str) -> None:
    """The broker's ends, the group's commits, and the broker's own time of the records."""
    from streams.kafka import KafkaLog  # noqa: PLC0415  # librdkafka is loaded where it is used

    topic = Topic(name=f"test.{uuid.uuid4()}", partitions=2, retention_ms=None, key="any", meaning="a test")
    log, other = KafkaLog(kafka_bootstrap, [topic]), KafkaLog(kafka_bootstrap, [topic])
    log.create_topics()
    group, partition = f"test.{uuid.uuid4()}", partition_of(KEY, 2)
    for value in (b"one", b"two", b"three"):
        log.append(topic.name, [Message(KEY, value)])
        time.sleep(0.01)
    first, second, _ = log.read(topic.name, partition, 0)
    assert first.time_ms < second.time_ms
    log.commit(group, topic.name, {partition: 1})
    lags = measure_lag(other, group, [topic.name], now_ms=second.time_ms + 7_000)
    assert [lag.records for lag in lags] == [2 * (one == partition) for one in range(2)]
    told = lags[partition]
    assert (told.committed, told.end, told.seconds) == (1, 3, 7.0)
    assert lags[1 - partition].committed is None
    log.close()
    other.close()


@pytest.mark.kafka
def test_on_kafka_the_end_of_a_transaction_is_no_record(kafka_bootstrap: str) -> None:
    """Its marker takes an offset that nobody can read or commit beyond."""
    from confluent_kafka import Producer  # noqa: PLC0415  # librdkafka is loaded where it is used

    from streams.kafka import KafkaLog  # noqa: PLC0415

    topic = Topic(name=f"test.{uuid.uuid4()}", partitions=1, retention_ms=None, key="any", meaning="a test")
    log, group = KafkaLog(kafka_bootstrap, [topic]), f"test.{uuid.uuid4()}"
    log.create_topics()
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "transactional.id": topic.name})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic.name, b"one", KEY)
    producer.commit_transaction(30)
    for _ in range(300):  # the marker comes a little after the answer
        if log.end_offsets(topic.name) == {0: 2}:
            break
        time.sleep(0.1)
    (record,) = log.read(topic.name, 0, 0)
    log.commit(group, topic.name, {0: record.offset + 1})
    (told,) = measure_lag(log, group, [topic.name], now_ms=record.time_ms + 7_000)
    assert (told.committed, told.end, told.records, told.seconds) == (1, 2, 0, 0.0)
    log.close()
