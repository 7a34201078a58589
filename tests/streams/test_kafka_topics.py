"""The topics on a broker are those of the table, and differences are found."""

import uuid

import msgspec
import pytest
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from streams.kafka import KafkaLog
from streams.topics import TOPICS, Topic

pytestmark = pytest.mark.kafka


def topics_of_the_test() -> list[Topic]:
    """The whole table under names of the test's own."""
    name = f"test.{uuid.uuid4()}"
    return [msgspec.structs.replace(topic, name=f"{name}.{topic.name}", partitions=2) for topic in TOPICS]


def test_creating_twice_changes_nothing(kafka_bootstrap: str) -> None:
    """The first creation makes every topic as the table says, the second makes none."""
    topics = topics_of_the_test()
    log = KafkaLog(kafka_bootstrap, topics)
    assert log.check_topics() == [f"{topic.name} is missing" for topic in topics]
    assert log.create_topics() == [topic.name for topic in topics]
    assert log.check_topics() == []
    assert log.create_topics() == []
    assert log.check_topics() == []
    log.close()


def test_only_what_is_missing_is_created(kafka_bootstrap: str) -> None:
    """A topic that is there stays as it is, its records with it."""
    topics = topics_of_the_test()
    before = KafkaLog(kafka_bootstrap, topics[:2])
    before.create_topics()
    log = KafkaLog(kafka_bootstrap, topics)
    assert log.create_topics() == [topic.name for topic in topics[2:]]
    before.close()
    log.close()


def test_a_planted_difference_is_found(kafka_bootstrap: str) -> None:
    """Another retention, another number of partitions, fewer replicas: each is said in a sentence."""
    topics = topics_of_the_test()
    log = KafkaLog(kafka_bootstrap, topics)
    log.create_topics()
    first, second = topics[0].name, topics[1].name
    shorter = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, first, incremental_configs=[shorter])
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    admin.incremental_alter_configs([resource])[resource].result()
    assert log.check_topics() == [f"{first} has retention.ms=1000, not {topics[0].retention_ms}"]
    log.close()
    wanted = [topics[2], msgspec.structs.replace(topics[1], partitions=3)]
    log = KafkaLog(kafka_bootstrap, wanted)
    assert log.check_topics() == [f"{second} has 2 partitions, not 3"]
    assert len(log.check_topics(replication_factor=3)) == 5
    log.close()
