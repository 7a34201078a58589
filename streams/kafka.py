"""The log on any Kafka cluster: librdkafka for the records, kafka-python for administration.

Rules of this module
--------------------
- It is the only importer of Kafka clients.
- Every option on which a promise rests is spelled out (``streams/kafka_options.py``).
- Every call ends: within about ``timeout_s`` a broker that is away becomes ``LogUnavailable``, which names it.
- A read ends by position, not by the last record seen: transaction markers and compaction leave offsets without records.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import ConsumerGroupTopicPartitions as GroupPlaces
from confluent_kafka import Message as Delivered
from confluent_kafka.admin import AdminClient
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError as AdminError
from kafka.errors import TopicAlreadyExistsError

from streams import kafka_options
from streams.kafka_record import record_of, value_of
from streams.log import LogUnavailable, Message, OffsetsLost, Position, Record, UnknownPartition
from streams.partitioner import partition_of
from streams.topics import DEAD_LETTERS, LETTER_BYTES_MAX, TOPICS, Topic

# Both clients talk through Python's logging; unless a program asks to hear them, they are silent.
LOGGER = logging.getLogger("kymograph.kafka")
LOGGER.addHandler(logging.NullHandler())
logging.getLogger("kafka").addHandler(logging.NullHandler())

APPEND_RECORDS = 10_000
CONSUME_RECORDS = 1_000
WAIT_S = 0.1
IDLE_READERS_MAX = 2
BYTES_MAX = {DEAD_LETTERS.name: LETTER_BYTES_MAX - 1_000}

# librdkafka marks the errors that it finds itself with an underscore; they are public.
END_OF_PARTITION = KafkaError._PARTITION_EOF  # noqa: SLF001
UNKNOWN = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION}  # noqa: SLF001
LOST = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}  # noqa: SLF001
# What a reader gets over by itself when the broker is back; the deadline decides.
PASSING = {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT}  # noqa: SLF001
# A group's coordinator or a partition's leader on its way, after a start, a move or the making of a topic.
STARTING = {
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
}

Answer = TypeVar("Answer")
DeliveryCallback = Callable[[KafkaError | None, Delivered], None]
GroupCall = Callable[..., dict[str, Future[GroupPlaces]]]


class KafkaLog:
    """The log on the cluster at ``bootstrap_servers`` (``host:port``, several separated by commas).

    Threads may share one KafkaLog. ``timeout_s`` bounds every call; of an append, the delivery.
    """

    def __init__(
        self, bootstrap_servers: str, topics: Sequence[Topic] = TOPICS, *, timeout_s: float = 10.0
    ) -> None:
        self._servers = bootstrap_servers
        self._topics = tuple(topics)
        self._timeout_s = timeout_s
        # librdkafka takes no socket timeout below 10 ms.
        self._timeout_ms = max(int(timeout_s * 1_000), 10)
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._idle_readers: list[Consumer] = []
        self._coordinator: AdminClient | None = None

    def append(self, topic: str, messages: Sequence[Message]) -> list[Position]:
        """Append in order; return when every in-sync replica of every record has it.

        Raises LogUnavailable, UnknownPartition. A record is at most RECORD_BYTES_MAX long, key and value together.
        """
        count = self.partitions(topic)
        positions = []
        for at in range(0, len(messages), APPEND_RECORDS):
            positions += self._appended(topic, messages[at : at + APPEND_RECORDS], partitions=count)
        return positions

    def read(self, topic: str, partition: int, start: int, end: int | None = None) -> Iterator[Record]:
        """Records ``start <= offset < end`` that are there when the call is made; it never waits for more.

        Raises LogUnavailable, UnknownPartition, OffsetsLost. A batch whose checksum is wrong cannot be taken apart:
        there, reading stops with LogUnavailable.
        """
        assert start >= 0, "offsets count from 0"
        self._check_partition(topic, partition)
        place = TopicPartition(topic, partition, start)
        with self._reader(topic) as reader:
            low, high = self._watermarks(reader, place)
        if start < low:
            raise self._lost(place, low)
        return self._records(place, high if end is None else min(end, high))

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has. Raises LogUnavailable, UnknownPartition."""
        if topic not in self._counts:
            with self._reader(topic) as reader:
                described = reader.list_topics(topic, timeout=self._timeout_s).topics[topic]
            if described.error is not None and described.error.code() in UNKNOWN:
                raise UnknownPartition(f"no topic {topic} on {self._servers}: create the topics first")
            if described.error is not None:
                raise self._unavailable(f"{topic}: {described.error}")
            self._counts[topic] = len(described.partitions)
        return self._counts[topic]

    def first_offsets(self, topic: str) -> dict[int, int]:
        """The first offset that is kept, of every partition. Raises LogUnavailable, UnknownPartition."""
        return {partition: first for partition, (first, _) in self._all_watermarks(topic).items()}

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The end offset of every partition. Raises LogUnavailable, UnknownPartition."""
        return {partition: end for partition, (_, end) in self._all_watermarks(topic).items()}

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """The next offset to read, of every partition that the group has committed on the broker.

        Raises LogUnavailable, UnknownPartition.
        """
        places = [TopicPartition(topic, partition) for partition in range(self.partitions(topic))]
        answers = self._coordinated(AdminClient.list_consumer_group_offsets, group, places)
        return {answer.partition: answer.offset for answer in answers if answer.offset >= 0}

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        """Remember the next offset to read, on the broker. Raises LogUnavailable, UnknownPartition.

        A group whose members the broker knows (a running worker) is theirs alone: to commit for it is refused.
        """
        for partition, offset in offsets.items():
            assert offset >= 0, "offsets count from 0"
            self._check_partition(topic, partition)
        places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        if places:
            self._coordinated(AdminClient.alter_consumer_group_offsets, group, places)

    def close(self) -> None:
        """Let go of the connections; afterwards the log must not be used."""
        while self._idle_readers:
            self._idle_readers.pop().close()
        with self._lock:
            self._coordinator = None
            producer, self._producer = self._producer, None
        if producer is not None:
            producer.flush(self._timeout_s)

    def create_topics(self, *, replication_factor: int = 1) -> list[str]:
        """Create the topics that are not there, and give their names. Those that are there stay as they are.

        Raises LogUnavailable.
        """
        with self._admin() as admin:
            there = set(admin.list_topics())
            missing = [topic for topic in self._topics if topic.name not in there]
            for topic in missing:
                wanted = kafka_options.new_topic(topic, replication_factor=replication_factor)
                try:
                    admin.create_topics({topic.name: wanted}, wait_for_metadata=True)
                except TopicAlreadyExistsError:
                    # Another process creates them too.
                    admin.wait_for_topics([topic.name])
        return [topic.name for topic in missing]

    def check_topics(self, *, replication_factor: int = 1) -> list[str]:
        """How the topics of the cluster differ from the table, a sentence each. Raises LogUnavailable."""
        with self._admin() as admin:
            there = set(admin.list_topics())
            names = [topic.name for topic in self._topics if topic.name in there]
            described = {answer["name"]: answer for answer in admin.describe_topics(names)} if names else {}
            resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
            configs = admin.describe_configs(resources, config_filter="all")["topic"] if names else {}
        differences = []
        for topic in self._topics:
            found, config = described.get(topic.name), configs.get(topic.name)
            differences += kafka_options.topic_differences(
                topic, found, config=config, replication_factor=replication_factor
            )
        return differences

    def _records(self, place: TopicPartition, end: int) -> Iterator[Record]:
        """Records of a partition from the place's offset up to ``end``, which is at most its end offset."""
        at = place.offset
        if at >= end:
            return
        with self._reader(place.topic) as reader:
            reader.assign([place])
            deadline = time.monotonic() + self._timeout_s
            while at < end:
                before = at
                # No more than are left, so that a read of what is there does not wait for what is not.
                for message in reader.consume(min(CONSUME_RECORDS, end - at), timeout=WAIT_S):
                    error, offset = message.error(), message.offset()
                    assert offset is not None
                    if error is None:
                        assert offset >= at, "a partition is read in order"
                        at = offset + 1
                        if offset < end:
                            yield record_of(message, place.topic, place.partition)
                    elif error.code() == END_OF_PARTITION:
                        at = max(at, offset)
                    elif error.code() in LOST:
                        low, _ = self._watermarks(reader, place)
                        raise self._lost(TopicPartition(place.topic, place.partition, at), low)
                    elif error.code() not in PASSING:
                        raise self._named(error, place.topic)
                if at > before:
                    deadline = time.monotonic() + self._timeout_s
                elif time.monotonic() > deadline:
                    raise self._unavailable(f"no records of {place.topic}/{place.partition} from offset {at}")

    def _all_watermarks(self, topic: str) -> dict[int, tuple[int, int]]:
        places = [TopicPartition(topic, partition) for partition in range(self.partitions(topic))]
        with self._reader(topic) as reader:
            return {place.partition: self._watermarks(reader, place) for place in places}

    def _watermarks(self, reader: Consumer, place: TopicPartition) -> tuple[int, int]:
        """The first offset that is kept, and the end offset."""
        return self._patiently(lambda s: reader.get_watermark_offsets(place, timeout=s, cached=False))

    def _appended(self, topic: str, messages: Sequence[Message], *, partitions: int) -> list[Position]:
        """Append a batch that the client's queue has room for."""
        # Filled by whichever thread polls, in the order of delivery: the number of the message, and what became of it.
        reports: list[tuple[int, KafkaError | None, int | None]] = []
        places = [partition_of(message.key, partitions) for message in messages]
        produced = 0
        with self._failures_named(topic):
            producer = self._producing(topic)
            try:
                for number, (message, partition) in enumerate(zip(messages, places, strict=True)):
                    assert len(message.key) + len(message.value) <= BYTES_MAX.get(
                        topic, kafka_options.RECORD_BYTES_MAX
                    )

                    def take(error: KafkaError | None, report: Delivered, number: int = number) -> None:
                        reports.append((number, error, report.offset()))

                    place = TopicPartition(topic, partition)
                    self._produce(producer, place, message=message, on_delivery=take)
                    produced += 1
            finally:
                # Each gets a report within delivery.timeout.ms, good or bad. None is left behind to arrive after we said it failed.
                while len(reports) < produced:
                    producer.poll(WAIT_S / 10)
        offsets = {}
        for number, error, offset in reports:
            if error is not None:
                if error.fatal():
                    self._producer = None  # this one will send nothing more; the next append makes another
                raise self._named(error, topic)
            if offset is None:  # the client repeated it, for the answer to the first was lost
                raise self._unavailable(f"{topic}: the broker has the record, and does not say where")
            offsets[number] = offset
        return [Position(topic, partition, offsets[number]) for number, partition in enumerate(places)]

    def _produce(
        self, producer: Producer, place: TopicPartition, *, message: Message, on_delivery: DeliveryCallback
    ) -> None:
        """Hand a record to the client. Where other threads have filled its queue, wait for room."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                what = value_of(place.topic, message.value), message.key, place.partition
                producer.produce(place.topic, *what, on_delivery=on_delivery, headers=list(message.headers))
            except BufferError:
                if time.monotonic() > deadline:
                    raise self._unavailable("the queue of records to send stays full") from None
                producer.poll(WAIT_S)
            else:
                return

    def _check_partition(self, topic: str, partition: int) -> None:
        count = self.partitions(topic)
        if not 0 <= partition < count:
            raise UnknownPartition(f"no partition {partition} of {topic}: it has {count}")

    def _coordinated(self, ask: GroupCall, group: str, places: list[TopicPartition]) -> list[TopicPartition]:
        """Ask a group's coordinator, again while it is starting: what it answers of each place."""
        # An AdminClient, not a Consumer: closing a consumer whose commit found no broker takes 43 s (librdkafka 2.16).
        with self._lock:
            if self._coordinator is None:
                options = kafka_options.common(self._servers, timeout_ms=self._timeout_ms)
                self._coordinator = AdminClient(options, logger=LOGGER)
            coordinator = self._coordinator
        request = [GroupPlaces(group, places)]

        def asked(left_s: float) -> list[TopicPartition]:
            answers = ask(coordinator, request, request_timeout=left_s)[group].result().topic_partitions or []
            for answer in answers:
                if answer.error is not None:
                    raise KafkaException(answer.error)
            return answers

        with self._failures_named(places[0].topic):
            return self._patiently(asked)

    def _patiently(self, ask: Callable[[float], Answer]) -> Answer:
        """Ask, again while a leader or coordinator is on its way; ``ask`` is given the seconds that are left."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            try:
                return ask(max(deadline - time.monotonic(), WAIT_S))
            except KafkaException as error:
                # UNKNOWN, because the client says so of a partition whose leader it does not know yet, too.
                if error.args[0].code() not in STARTING | UNKNOWN or time.monotonic() > deadline:
                    raise
            time.sleep(WAIT_S / 2)

    def _producing(self, topic: str) -> Producer:
        with self._lock:
            if self._producer is None:
                options = kafka_options.producer(self._servers, timeout_ms=self._timeout_ms)
                options["message.max.bytes"] = LETTER_BYTES_MAX  # a topic's own limit is the broker's
                producer = Producer(options, logger=LOGGER)
                # To ask for the topic opens the connection; without it the first record waits a second for a timer.
                producer.list_topics(topic, timeout=self._timeout_s)
                self._producer = producer
            return self._producer

    @contextmanager
    def _reader(self, topic: str) -> Iterator[Consumer]:
        """A consumer for this use alone; kept for the next one, unless this one failed."""
        try:
            # A list's pop is one step for all threads.
            reader = self._idle_readers.pop()
        except IndexError:
            reader = Consumer(kafka_options.reader(self._servers, timeout_ms=self._timeout_ms), logger=LOGGER)
        sound = False
        try:
            with self._failures_named(topic):
                yield reader
                sound = True
        except GeneratorExit:
            # Half of a read was enough for whoever reads.
            sound = True
            raise
        finally:
            if sound and len(self._idle_readers) < IDLE_READERS_MAX:
                reader.unassign()
                self._idle_readers.append(reader)
            else:
                reader.close()

    @contextmanager
    def _admin(self) -> Iterator[KafkaAdminClient]:
        """kafka-python's administrator, for one act."""
        # Asked first: its constructor would leave a thread behind when it fails.
        with self._reader("its topics") as reader:
            reader.list_topics(timeout=self._timeout_s)
        try:
            with KafkaAdminClient(
                bootstrap_servers=self._servers.split(","),
                client_id="kymograph",
                bootstrap_timeout_ms=self._timeout_ms,
                request_timeout_ms=self._timeout_ms,
            ) as admin:
                yield admin
        except AdminError as error:
            raise self._unavailable(f"{type(error).__name__}: {error}") from error

    @contextmanager
    def _failures_named(self, place: str) -> Iterator[None]:
        """The client's failures as the port's."""
        try:
            yield
        except KafkaException as error:
            raise self._named(error.args[0], place) from error

    def _named(self, error: KafkaError, topic: str) -> Exception:
        """What to raise for the client's error about a topic. May itself raise, the same kinds."""
        if error.code() in UNKNOWN:
            # The client says so of a partition whose broker is away, too: ask again before it is believed.
            self._counts.pop(topic, None)
            self.partitions(topic)
        return self._unavailable(f"{topic}: {error.name()}: {error.str()}")

    def _lost(self, place: TopicPartition, low: int) -> OffsetsLost:
        return OffsetsLost(
            f"Kafka at {self._servers}: offsets {place.offset} to {low - 1} of {place.topic}/{place.partition} are gone"
        )

    def _unavailable(self, what: str) -> LogUnavailable:
        return LogUnavailable(
            f"Kafka at {self._servers}: {what}: see whether the broker runs and can be reached there, then try again"
        )
