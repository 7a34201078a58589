"""Quix Streams: a stateful update a message, state in RocksDB with a changelog, both written at each checkpoint, as by default."""

import json
import time

import work
from confluent_kafka import Consumer, TopicPartition
from quixstreams import Application

OPTIONS = work.options()
DECODE = work.decoder(OPTIONS.schemas)
GROUP = "bench-quixstreams"
CLOCK = {"began": 0.0}


def decoded(value):
    """The event; the first one starts the clock."""
    CLOCK["began"] = CLOCK["began"] or time.perf_counter()
    return DECODE(value)


def count(event, state):
    """Count an event into its windows. The state is that of the message's key, the session."""
    minute = work.minute(event)
    if minute is not None:
        state.set(minute, work.counted(state.get(minute), event))


def changelog():
    """The final windows as the broker has them: the last value of each key of the changelog."""
    name = f"changelog__{GROUP}--{OPTIONS.topic}--default"
    consumer = Consumer(
        {"bootstrap.servers": OPTIONS.bootstrap, "group.id": "bench-reader", "enable.auto.commit": False}
    )
    found = {}
    for partition in range(work.PARTITIONS):
        place = TopicPartition(name, partition, 0)
        _, end = consumer.get_watermark_offsets(place, timeout=10)
        consumer.assign([place])
        at = 0
        while at < end:
            for message in consumer.consume(min(1_000, end - at), timeout=10):
                assert message.error() is None, message.error()
                at = message.offset() + 1
                found[message.key()] = message.value()
    consumer.close()
    return found


def lines():
    """The changelog's records as windows: a key is the session, a bar and the minute."""
    for key, row in changelog().items():
        yield from work.lines(key.decode().partition("|")[0], json.loads(row))


def main():
    """Run to the last event and its checkpoint, then write what the changelog holds."""
    app = Application(
        broker_address=OPTIONS.bootstrap,
        consumer_group=GROUP,
        auto_offset_reset="earliest",
        state_dir=str(OPTIONS.folder),
        loglevel="WARNING",
    )
    topic = app.topic(OPTIONS.topic, key_deserializer="bytes", value_deserializer="bytes")
    app.dataframe(topic).apply(decoded).update(count, stateful=True)
    # It ends with a checkpoint, as it does on SIGTERM.
    app.run(count=OPTIONS.events, collect=False)
    work.tell(OPTIONS.events, time.perf_counter() - CLOCK["began"])
    work.write(OPTIONS.result, lines())


if __name__ == "__main__":
    main()
