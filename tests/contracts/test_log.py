"""The promises of ``streams/log.py``, kept by every log."""

import os
import sqlite3
import subprocess
import sys
import uuid
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from kafka import KafkaProducer

from streams.headers import Headers
from streams.kafka import KafkaLog
from streams.log import Log, LogUnavailable, Message, OffsetsLost, Position, Record, UnknownPartition
from streams.memory import MemoryLog
from streams.partitioner import partition_of
from streams.sqlite import PAGE_ROWS, SqliteLog, _crc
from streams.topics import TOPICS, Topic
from tests.brokers import broker_unavailable_reason, free_ports, start_broker, stop_broker

PARTITIONS = 4
# At least one key in each partition, two in two of them.
KEYS = [b"a", b"b", b"c", b"d", b"e", b"f"]
# Opens one of the logs, appends without end, prints each acknowledged position and the value that lies there.
APPENDER = """
import sys
from streams.kafka import KafkaLog
from streams.log import Message
from streams.sqlite import SqliteLog
from streams.topics import Topic

kind, place, topic, partitions, name = sys.argv[1:]
topics = [Topic(name=topic, partitions=int(partitions), retention_ms=None, key="any", meaning="a test")]
log = {"sqlite": SqliteLog, "kafka": KafkaLog}[kind](place, topics)
number = 0
while True:
    values = [f"{name}-{number + i}".encode() for i in range(5)]
    number += len(values)
    for value, position in zip(values, log.append(topic, [Message(value, value) for value in values])):
        print(position.partition, position.offset, value.decode(), flush=True)
"""

# The tables of the first files, as they were made then.
FIRST_VERSION = """
PRAGMA application_id = 0x4B796D6F;
PRAGMA user_version = 1;
CREATE TABLE partitions (
    topic TEXT NOT NULL, "partition" INTEGER NOT NULL, end_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, "partition")
) WITHOUT ROWID;
CREATE TABLE records (
    topic TEXT NOT NULL, "partition" INTEGER NOT NULL, "offset" INTEGER NOT NULL,
    key BLOB NOT NULL, value BLOB NOT NULL, time_ms INTEGER NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (topic, "partition", "offset")
) WITHOUT ROWID;
CREATE TABLE committed (
    "group" TEXT NOT NULL, topic TEXT NOT NULL, "partition" INTEGER NOT NULL, "offset" INTEGER NOT NULL,
    PRIMARY KEY ("group", topic, "partition")
) WITHOUT ROWID;
"""


class Place:
    """Where a log lies: it can be opened more than once. ``topic`` is the test's own."""

    def __init__(self, kind: str, where: str) -> None:
        self.kind = kind
        self.where = where
        self.topic = f"test.{uuid.uuid4()}"
        self.topics = [
            Topic(name=self.topic, partitions=PARTITIONS, retention_ms=None, key="any", meaning="a test")
        ]
        self._memory = MemoryLog(self.topics)
        self._opened: list[Log] = []

    def open(self) -> Log:
        log: Log
        match self.kind:
            case "memory":
                log = self._memory
            case "sqlite":
                log = SqliteLog(self.where, self.topics)
            case _:
                log = KafkaLog(self.where, self.topics)
                log.create_topics()
        self._opened.append(log)
        return log

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()

    def appender(self, name: str) -> subprocess.Popen[str]:
        arguments = [self.kind, self.where, self.topic, str(PARTITIONS), name]
        return subprocess.Popen(
            [sys.executable, "-c", APPENDER, *arguments],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )


@pytest.fixture(params=["memory", "sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where each of the logs lies, in turn."""
    where = {
        "memory": lambda: "",
        "sqlite": lambda: str(tmp_path / "log.sqlite"),
        "kafka": lambda: request.getfixturevalue("kafka_bootstrap"),
    }
    place = Place(request.param, where[request.param]())
    yield place
    place.close()


def messages(count: int) -> list[Message]:
    return [Message(KEYS[i % len(KEYS)], b"value %d" % i) for i in range(count)]


def read_all(log: Log, topic: str) -> list[Record]:
    return [record for partition in range(log.partitions(topic)) for record in log.read(topic, partition, 0)]


def acknowledged(process: subprocess.Popen[str], count: int) -> dict[tuple[int, int], bytes]:
    """The first ``count`` positions that an appender prints, or more; the process is killed in the middle of its work."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(count)]
    process.kill()
    rest, _ = process.communicate()
    lines += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    split = [line.split() for line in lines]
    return {(int(partition), int(offset)): value.encode() for partition, offset, value in split}


def test_order_is_kept_within_a_partition(place: Place) -> None:
    """Records of one partition are read in the order in which they were appended."""
    log = place.open()
    sent = messages(100)
    log.append(place.topic, sent[:30])
    log.append(place.topic, sent[30:])
    for partition in range(PARTITIONS):
        expected = [m for m in sent if partition_of(m.key, PARTITIONS) == partition]
        assert expected == [Message(r.key, r.value) for r in log.read(place.topic, partition, 0)]


def test_offsets_count_from_zero_without_holes(place: Place) -> None:
    """A partition's offsets are 0, 1, 2 and so on, and its end offset is the next."""
    log = place.open()
    log.append(place.topic, messages(50))
    for partition, end in log.end_offsets(place.topic).items():
        assert list(range(end)) == [record.offset for record in log.read(place.topic, partition, 0)]


def test_positions_returned_are_where_the_records_lie(place: Place) -> None:
    """What an append answers is where each message is found, in the order given."""
    log = place.open()
    sent = messages(40)
    positions = log.append(place.topic, sent)
    assert len(sent) == len(positions)
    for message, position in zip(sent, positions, strict=True):
        found = list(log.read(place.topic, position.partition, position.offset, position.offset + 1))
        assert [(message.key, message.value, True)] == [(r.key, r.value, r.intact) for r in found]


def test_the_key_decides_the_partition(place: Place) -> None:
    """A record lies in the partition of its key, the same on every log."""
    log = place.open()
    for message, position in zip(messages(20), log.append(place.topic, messages(20)), strict=True):
        assert partition_of(message.key, PARTITIONS) == position.partition
    assert len({position.partition for position in log.append(place.topic, messages(20))}) > 1


def test_reading_starts_and_ends_where_it_is_told(place: Place) -> None:
    """A read gives the offsets from its start up to but without its end, and no more than are there."""
    log = place.open()
    log.append(place.topic, [Message(b"k", b"%d" % i) for i in range(20)])
    partition = partition_of(b"k", PARTITIONS)

    def offsets(start: int, end: int | None = None) -> list[int]:
        return [record.offset for record in log.read(place.topic, partition, start, end)]

    assert list(range(5, 20)) == offsets(5)
    assert list(range(5, 9)) == offsets(5, 9)
    assert list(range(15, 20)) == offsets(15, 99)
    assert [] == offsets(9, 9) == offsets(20) == offsets(25) == offsets(9, 3)


def test_a_read_ends_where_the_log_ended_when_it_was_called(place: Place) -> None:
    """What is appended after the call is left to the next read, though this one has not begun to give records."""
    log = place.open()
    log.append(place.topic, [Message(b"k", b"before")])
    reading = log.read(place.topic, partition_of(b"k", PARTITIONS), 0)
    log.append(place.topic, [Message(b"k", b"after")])
    assert [record.value for record in reading] == [b"before"]


def test_a_long_partition_is_read_whole(place: Place) -> None:
    """Pages and fetches have no seams."""
    log = place.open()
    sent = [Message(b"k", b"%d" % i) for i in range(3 * PAGE_ROWS + 1)]
    log.append(place.topic, sent)
    read = log.read(place.topic, partition_of(b"k", PARTITIONS), 0)
    assert [message.value for message in sent] == [record.value for record in read]


def test_interleaved_and_abandoned_reads_do_not_disturb_each_other(place: Place) -> None:
    """Each read has its own place, and one that is given up half way leaves nothing to the next."""
    log = place.open()
    log.append(place.topic, messages(60))
    first, second = partition_of(b"a", PARTITIONS), partition_of(b"c", PARTITIONS)
    assert first != second
    abandoned = log.read(place.topic, first, 0)
    assert next(abandoned).offset == 0
    one, two = log.read(place.topic, first, 2), log.read(place.topic, second, 1)
    pairs = [(next(one).offset, next(two).offset) for _ in range(5)]
    assert [(2 + i, 1 + i) for i in range(5)] == pairs
    del abandoned
    ends = log.end_offsets(place.topic)
    assert list(range(ends[first])) == [record.offset for record in log.read(place.topic, first, 0)]
    assert list(range(7, ends[first])) == [record.offset for record in one]


def test_end_offsets_name_every_partition(place: Place) -> None:
    """An empty partition ends at 0; the ends add up to what was appended."""
    log = place.open()
    assert dict.fromkeys(range(PARTITIONS), 0) == log.end_offsets(place.topic)
    log.append(place.topic, messages(33))
    assert sum(log.end_offsets(place.topic).values()) == 33


def test_nothing_appended_is_nothing_written(place: Place) -> None:
    """An empty append answers with no positions and moves no end."""
    log = place.open()
    assert log.append(place.topic, []) == []
    assert sum(log.end_offsets(place.topic).values()) == 0


def test_keys_and_values_may_be_any_bytes(place: Place) -> None:
    """Empty, zero and non-text bytes come back as they went in."""
    log = place.open()
    sent = [Message(b"", b""), Message(b"\x00", b"\x00\xff" * 1000), Message(b"\xff\xfe", b"\n")]
    log.append(place.topic, sent)
    assert set(sent) == {Message(record.key, record.value) for record in read_all(log, place.topic)}


def test_headers_come_back_as_they_were_given(place: Place) -> None:
    """In order, names more than once, values of any bytes; a record without them has none; also for who opens the log next."""
    log = place.open()
    given: list[Headers] = [
        (),
        (("a", b""),),
        (("b", b"\x00\xff"), ("a", b"1"), ("b", b"2")),
        (("kymograph.é", b"x" * 5000),),
    ]
    log.append(place.topic, [Message(b"k", b"%d" % i, headers) for i, headers in enumerate(given)])
    place.close()
    log = place.open()
    read = log.read(place.topic, partition_of(b"k", PARTITIONS), 0)
    assert given == [record.headers for record in read if record.intact]


def test_the_first_offsets_are_those_that_are_kept(place: Place) -> None:
    """Where nothing was let go each partition is kept from its beginning, also an empty one."""
    log = place.open()
    log.append(place.topic, messages(33))
    assert dict.fromkeys(range(PARTITIONS), 0) == log.first_offsets(place.topic)


@pytest.mark.kafka
def test_the_first_offset_is_that_of_the_first_record_that_is_kept(request: pytest.FixtureRequest) -> None:
    """Where a topic's retention let records go, reading begins behind them, and never jumps by itself."""
    place = Place("kafka", request.getfixturevalue("kafka_bootstrap"))
    log = place.open()
    log.append(place.topic, [Message(b"k", b"%d" % i) for i in range(5)])
    partition = partition_of(b"k", PARTITIONS)
    admin = AdminClient({"bootstrap.servers": place.where})
    for gone in admin.delete_records([TopicPartition(place.topic, partition, 3)]).values():
        gone.result()
    first = log.first_offsets(place.topic)
    assert first == {number: 3 if number == partition else 0 for number in range(PARTITIONS)}
    assert [record.value for record in log.read(place.topic, partition, first[partition])] == [b"3", b"4"]
    with pytest.raises(OffsetsLost, match="0 to 2"):
        log.read(place.topic, partition, 0)
    place.close()


def test_progress_survives_reopening(place: Place) -> None:
    """A group's progress is its own, is kept by partition, and outlives the process that committed it."""
    log = place.open()
    group = f"group {uuid.uuid4()}"
    assert log.committed(group, place.topic) == {}
    log.commit(group, place.topic, {0: 3, 1: 7})
    log.commit(group, place.topic, {1: 8})
    place.close()
    log = place.open()
    assert log.committed(group, place.topic) == {0: 3, 1: 8}
    assert log.committed(f"another {group}", place.topic) == {}


def test_records_survive_reopening(place: Place) -> None:
    """What was appended is there for whoever opens the log next, and the numbering goes on."""
    first = place.open().append(place.topic, [Message(b"k", b"1")])
    place.close()
    log = place.open()
    assert [record.value for record in read_all(log, place.topic)] == [b"1"]
    second = log.append(place.topic, [Message(b"k", b"2")])
    assert [Position(place.topic, first[0].partition, 1)] == second


@pytest.mark.parametrize(
    "act",
    [
        lambda log, topic: log.append("no.such.topic", [Message(b"k", b"v")]),
        lambda log, topic: log.partitions("no.such.topic"),
        lambda log, topic: log.first_offsets("no.such.topic"),
        lambda log, topic: log.end_offsets("no.such.topic"),
        lambda log, topic: log.committed("group", "no.such.topic"),
        lambda log, topic: log.commit("group", "no.such.topic", {0: 1}),
        lambda log, topic: log.read("no.such.topic", 0, 0),
        lambda log, topic: log.read(topic, PARTITIONS, 0),
        lambda log, topic: log.read(topic, -1, 0),
        lambda log, topic: log.commit("group", topic, {0: 1, PARTITIONS: 1}),
    ],
)
def test_an_unknown_partition_is_refused_and_changes_nothing(
    place: Place, act: Callable[[Log, str], object]
) -> None:
    """A topic or partition that does not exist raises when the call is made; nothing is half done."""
    log = place.open()
    with pytest.raises(UnknownPartition):
        act(log, place.topic)
    assert log.committed("group", place.topic) == {}


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("kafka", marks=pytest.mark.kafka)])
def test_acknowledged_means_durable(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Whatever an append acknowledged is read back, though its process was killed in the middle of the next one."""
    where = str(tmp_path / "log.sqlite") if kind == "sqlite" else request.getfixturevalue("kafka_bootstrap")
    place = Place(kind, where)
    log = place.open()
    seen = acknowledged(place.appender("one"), 500)
    assert len(seen) >= 500
    read = {(record.partition, record.offset): record.value for record in read_all(log, place.topic)}
    assert seen == {position: read.get(position) for position in seen}
    place.close()


@pytest.mark.kafka
def test_a_broker_may_be_killed(tmp_path: Path) -> None:
    """What a broker acknowledged it still has after a kill -9, and meanwhile every call says where it looked."""
    reason = broker_unavailable_reason()
    if reason is not None:
        pytest.skip(reason)
    where, broker = start_broker(tmp_path)
    place = Place("kafka", where)
    log = KafkaLog(where, place.topics, timeout_s=1)
    try:
        log.create_topics()
        appender = place.appender("one")
        assert appender.stdout is not None
        appender.stdout.readline()
        log.commit("group", place.topic, {2: 1})
        broker.kill()
        broker.wait()
        seen = acknowledged(appender, 0)
        for act in (
            lambda: log.append(place.topic, messages(3)),
            lambda: log.first_offsets(place.topic),
            lambda: log.end_offsets(place.topic),
            lambda: log.read(place.topic, 0, 0),
            lambda: log.committed("group", place.topic),
            lambda: log.commit("group", place.topic, {2: 2}),
            log.create_topics,
        ):
            with pytest.raises(LogUnavailable, match=where):
                act()
        log.close()
        where, broker = start_broker(tmp_path)
        log = KafkaLog(where, place.topics)
        read = {(record.partition, record.offset): record.value for record in read_all(log, place.topic)}
        assert seen
        assert seen == {position: read.get(position) for position in seen}
        assert log.committed("group", place.topic)[2] == 1
    finally:
        log.close()
        stop_broker(broker)


class NoText(str):
    """A header's name as only another program would write it."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        return b"\xff\xfe"


@pytest.mark.kafka
def test_a_header_whose_name_is_no_text_stops_nobody(request: pytest.FixtureRequest) -> None:
    """Any producer may send one: the record is read, without headers, and so are those behind it."""
    place = Place("kafka", request.getfixturevalue("kafka_bootstrap"))
    log = place.open()
    producer = KafkaProducer(bootstrap_servers=place.where)
    partition = partition_of(b"k", PARTITIONS)
    sent = producer.send(place.topic, b"v", key=b"k", headers=[(NoText("x"), b"1")], partition=partition)
    sent.get(30)
    producer.close()
    log.append(place.topic, [Message(b"k", b"w", (("h", b"2"),))])
    read = [(record.value, record.headers) for record in log.read(place.topic, partition, 0)]
    assert read == [(b"v", ()), (b"w", (("h", b"2"),))]
    place.close()


def test_two_processes_append_to_one_file(tmp_path: Path) -> None:
    """Two writers of one SQLite file lose nothing, double nothing and leave no hole, while a third process reads."""
    place = Place("sqlite", str(tmp_path / "log.sqlite"))
    appenders = [place.appender("one"), place.appender("two")]
    seen = [acknowledged(appender, 300) for appender in appenders]
    log = place.open()
    assert not seen[0].keys() & seen[1].keys()
    read = {(record.partition, record.offset): record.value for record in read_all(log, place.topic)}
    assert seen[0] | seen[1] == {position: read[position] for position in [*seen[0], *seen[1]]}
    assert len(read) == sum(log.end_offsets(place.topic).values()) == len(set(read.values()))
    place.close()


@pytest.mark.parametrize(
    "change",
    [
        "value = CAST('changed' AS BLOB)",
        "key = X'00'",
        "value = 'text'",
        "crc = crc + 1",
        "headers = X''",
        "headers = X'00'",
        "headers = 'text'",
    ],
)
def test_a_changed_row_is_not_intact(tmp_path: Path, change: str) -> None:
    """A row that somebody changed in the file is given, marked, and its neighbours are not."""
    place = Place("sqlite", str(tmp_path / "log.sqlite"))
    log = place.open()
    log.append(place.topic, [Message(b"k", b"%d" % i, (("h", b"v"),)) for i in range(3)])
    with sqlite3.connect(place.where) as connection:
        connection.execute(f'UPDATE records SET {change} WHERE "offset" = 1')
    connection.close()
    assert [record.intact for record in read_all(log, place.topic)] == [True, False, True]
    place.close()


def test_headers_that_are_none_of_ours_are_not_intact(tmp_path: Path) -> None:
    """Not even with the checksum that fits: whoever wrote them was not this log."""
    place = Place("sqlite", str(tmp_path / "log.sqlite"))
    log = place.open()
    log.append(place.topic, [Message(b"k", b"v")])
    with sqlite3.connect(place.where) as connection:
        (time_ms,) = connection.execute("SELECT time_ms FROM records").fetchone()
        crc = _crc(b"k", b"v", time_ms, b"\xc1")
        connection.execute("UPDATE records SET headers = X'c1', crc = ?", (crc,))
    connection.close()
    assert [(record.headers, record.intact) for record in read_all(log, place.topic)] == [((), False)]
    place.close()


def test_a_file_of_the_first_version_is_read_and_goes_on(tmp_path: Path) -> None:
    """Written before there were headers: its records are whole, new ones may have headers, and a later version is refused."""
    path = tmp_path / "log.sqlite"
    topic = Topic(name="t", partitions=PARTITIONS, retention_ms=None, key="any", meaning="a test")
    old = sqlite3.connect(path, isolation_level=None)
    old.executescript(FIRST_VERSION)
    old.executemany(
        "INSERT INTO partitions VALUES ('t', ?, ?)", [(p, int(p == 1)) for p in range(PARTITIONS)]
    )
    crc = zlib.crc32(b"v", zlib.crc32(b"k", zlib.crc32(b"5")))
    old.execute("INSERT INTO records VALUES ('t', 1, 0, ?, ?, 5, ?)", (b"k", b"v", crc))
    old.close()
    log = SqliteLog(path, [topic])
    key = next(key for key in KEYS if partition_of(key, PARTITIONS) == 1)
    log.append("t", [Message(key, b"new", (("h", b"1"),))])
    log.close()
    log = SqliteLog(path, [topic])
    read = [(record.value, record.headers, record.intact) for record in log.read("t", 1, 0)]
    assert read == [(b"v", (), True), (b"new", (("h", b"1"),), True)]
    log.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LogUnavailable, match=r"another version of Kymograph \(99"):
        SqliteLog(path, [topic])


@pytest.mark.parametrize(("gone", "lost"), [(0, "0 to 0"), (1, "1 to 1"), (2, "2 to 2")])
def test_a_row_that_is_gone_is_missed(tmp_path: Path, gone: int, lost: str) -> None:
    """A reader never jumps over a deleted row, and its offset is not given again."""
    place = Place("sqlite", str(tmp_path / "log.sqlite"))
    log = place.open()
    log.append(place.topic, [Message(b"k", b"%d" % i) for i in range(3)])
    with sqlite3.connect(place.where) as connection:
        connection.execute('DELETE FROM records WHERE "offset" = ?', (gone,))
    connection.close()
    with pytest.raises(OffsetsLost, match=lost):
        read_all(log, place.topic)
    assert log.append(place.topic, [Message(b"k", b"3")])[0].offset == 3
    place.close()


def a_folder(path: Path) -> None:
    path.mkdir()


def another_file(path: Path) -> None:
    path.write_bytes(b"This is no database. " * 500)


def another_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (title TEXT)")
    connection.close()


def a_file_in_no_folder(path: Path) -> None:
    assert path.parent.exists()
    path.parent.rmdir()


@pytest.mark.parametrize("made", [a_folder, another_file, another_database, a_file_in_no_folder])
def test_a_place_that_cannot_hold_a_log_is_named(tmp_path: Path, made: Callable[[Path], None]) -> None:
    """A folder, another program's file and a place that is not there are refused by name, and left as they were."""
    path = tmp_path / "folder" / "log.sqlite"
    path.parent.mkdir()
    made(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(LogUnavailable, match=str(path)):
        SqliteLog(path)
    assert before == (path.read_bytes() if path.is_file() else None)


def test_a_file_that_is_locked_is_named(tmp_path: Path) -> None:
    """A writer that another process keeps waiting gives up after its timeout; readers are not held up."""
    path = tmp_path / "log.sqlite"
    log = SqliteLog(path, timeout_s=0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LogUnavailable, match=f"{path}.*another process"):
        log.append(TOPICS[0].name, messages(1))
    assert sum(log.end_offsets(TOPICS[0].name).values()) == 0
    other.execute("ROLLBACK")
    other.close()
    assert len(log.append(TOPICS[0].name, messages(1))) == 1
    log.close()


def test_a_topic_keeps_its_partitions(tmp_path: Path) -> None:
    """A file is not opened with another number of partitions: keys would be sought where they do not lie."""
    place = Place("sqlite", str(tmp_path / "log.sqlite"))
    place.open()
    place.close()
    place.topics = [Topic(name=place.topic, partitions=8, retention_ms=None, key="any", meaning="a test")]
    with pytest.raises(LogUnavailable, match="4 partitions"):
        place.open()


def test_a_broker_that_is_not_there_is_named() -> None:
    """Where nothing listens every call ends soon, with the address that was tried."""
    where = f"127.0.0.1:{free_ports(1)[0]}"
    log = KafkaLog(where, timeout_s=0.3)
    topic = TOPICS[0].name
    for act in (
        lambda: log.append(topic, messages(1)),
        lambda: log.read(topic, 0, 0),
        lambda: log.partitions(topic),
        lambda: log.end_offsets(topic),
        lambda: log.committed("group", topic),
        lambda: log.commit("group", topic, {0: 0}),
        log.create_topics,
        log.check_topics,
    ):
        with pytest.raises(LogUnavailable, match=where):
            act()
    log.close()


def test_logs_may_be_shared_by_threads(place: Place) -> None:
    """Threads that append and read through one log lose nothing."""
    log = place.open()

    def work(name: int) -> None:
        for i in range(10):
            log.append(place.topic, [Message(os.urandom(4), b"%d %d %d" % (name, i, j)) for j in range(5)])
            read_all(log, place.topic)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    expected = {b"%d %d %d" % (name, i, j) for name in range(4) for i in range(10) for j in range(5)}
    read = [record.value for record in read_all(log, place.topic)]
    assert len(expected) == len(read)
    assert expected == set(read)
