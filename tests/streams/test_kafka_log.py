"""What only Kafka has: transactions, retention, damaged segments, a leader that goes away while we read."""

import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from streams import kafka
from streams.kafka import KafkaLog
from streams.log import LogUnavailable, Message, OffsetsLost
from streams.topics import Topic

pytestmark = pytest.mark.kafka


@pytest.fixture
def topic() -> Topic:
    """A topic of one partition, of the test's own."""
    return Topic(name=f"test.{uuid.uuid4()}", partitions=1, retention_ms=None, key="any", meaning="a test")


def test_a_read_is_not_held_up_by_transaction_markers(kafka_bootstrap: str, topic: Topic) -> None:
    """Another program's transactions leave offsets without records, at the end too; aborted records are not given."""
    log = KafkaLog(kafka_bootstrap, [topic], timeout_s=5)
    log.create_topics()
    producer = Producer({"bootstrap.servers": kafka_bootstrap, "transactional.id": topic.name})
    producer.init_transactions(30)
    for value, end in (
        (b"one", producer.commit_transaction),
        (b"never", producer.abort_transaction),
        (b"two", producer.commit_transaction),
    ):
        producer.begin_transaction()
        producer.produce(topic.name, value, b"k", partition=0)
        producer.flush(10)
        end(10)
    # Each record is followed by its marker: offsets 0, 2 and 4 hold records, 1, 3 and 5 markers.
    assert log.end_offsets(topic.name) == {0: 6}
    assert [(r.offset, r.value) for r in log.read(topic.name, 0, 0)] == [(0, b"one"), (4, b"two")]
    assert [r.offset for r in log.read(topic.name, 0, 0, 4)] == [0]
    assert list(log.read(topic.name, 0, 5)) == []
    log.close()


def test_what_retention_took_is_named(kafka_bootstrap: str, topic: Topic) -> None:
    """A start below what is kept raises with the lost range, when the call is made and in the middle of a read."""
    log = KafkaLog(kafka_bootstrap, [topic])
    log.create_topics()
    log.append(topic.name, [Message(b"k", b"%d" % i) for i in range(10)])
    late = log.read(topic.name, 0, 2)
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for future in admin.delete_records([TopicPartition(topic.name, 0, 7)]).values():
        future.result()
    with pytest.raises(OffsetsLost, match=f"offsets 3 to 6 of {topic.name}/0"):
        log.read(topic.name, 0, 3)
    with pytest.raises(OffsetsLost, match=f"offsets 2 to 6 of {topic.name}/0"):
        next(late)
    assert [record.offset for record in log.read(topic.name, 0, 7)] == [7, 8, 9]
    log.close()


def test_a_changed_byte_in_a_segment_is_never_given(
    kafka_bootstrap: str, topic: Topic, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The broker sends what its disk holds; the client's checksum finds the change and reading stops there."""
    log = KafkaLog(kafka_bootstrap, [topic])
    log.create_topics()
    for value in (b"first", b"second", b"third"):
        log.append(topic.name, [Message(b"k", value)])
    segment = next(Path(tmp_path_factory.getbasetemp()).glob(f"kafka*/data/{topic.name}-0/*.log"))
    content = segment.read_bytes()
    with segment.open("r+b") as file:
        file.seek(content.index(b"second"))
        file.write(b"S")
    read = []
    with pytest.raises(LogUnavailable, match="_BAD_MSG"):
        read.extend(record.value for record in log.read(topic.name, 0, 0))
    assert read in ([], [b"first"])
    log.close()


def test_a_record_whose_place_is_not_told_is_appended_again(
    kafka_bootstrap: str, topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that was stalled may know a record already when the client repeats it, and then does not say where it lies."""
    silent = [True, False]

    class Silent(Producer):
        def produce(self, *what: Any, on_delivery: Any, **more: Any) -> None:
            def told(error: Any, report: Any) -> None:
                on_delivery(error, SimpleNamespace(offset=lambda: None if silent.pop(0) else report.offset()))

            super().produce(*what, on_delivery=told, **more)

    monkeypatch.setattr(kafka, "Producer", Silent)
    log = KafkaLog(kafka_bootstrap, [topic])
    log.create_topics()
    message = Message(b"k", b"v")
    with pytest.raises(LogUnavailable, match="has the record, and does not say where"):
        log.append(topic.name, [message])
    (position,) = log.append(topic.name, [message])
    assert position.offset == 1
    assert [one.value for one in log.read(topic.name, position.partition, 0)] == [b"v", b"v"]
    log.close()
