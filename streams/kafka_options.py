"""What is asked of Kafka's clients and of its topics: every option on which a promise rests, in one place.

No default is relied on: the libraries' defaults differ from each other and from year to year.
"""

from typing import Any

from streams.topics import Topic

RECORD_BYTES_MAX = 1_000_000

Options = dict[str, str | int | float | bool]


def common(bootstrap_servers: str, *, timeout_ms: int) -> Options:
    """Of every client of librdkafka."""
    return {
        "bootstrap.servers": bootstrap_servers,
        "client.id": "kymograph",
        "socket.timeout.ms": timeout_ms,
        "socket.keepalive.enable": True,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,
    }


def producer(bootstrap_servers: str, *, timeout_ms: int) -> Options:
    """Of the client that appends: every replica in sync, no repeats, order kept, an answer within ``timeout_ms``."""
    return common(bootstrap_servers, timeout_ms=timeout_ms) | {
        "acks": "all",
        "enable.idempotence": True,
        "max.in.flight.requests.per.connection": 5,
        "delivery.timeout.ms": timeout_ms,
        "request.timeout.ms": timeout_ms,
        "linger.ms": 1,
        "compression.type": "lz4",
        "message.max.bytes": RECORD_BYTES_MAX + 1_000,
        "queue.buffering.max.messages": 100_000,
        "queue.buffering.max.kbytes": 65_536,
    }


def reader(bootstrap_servers: str, *, timeout_ms: int) -> Options:
    """Of the client that reads: where it is told, never jumping, nothing uncommitted, nothing damaged."""
    return common(bootstrap_servers, timeout_ms=timeout_ms) | {
        # The client asks for a name; readers never join a group.
        "group.id": "kymograph-readers",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        "isolation.level": "read_committed",
        "check.crcs": True,
        "enable.partition.eof": True,
        "allow.auto.create.topics": False,
        # A reader asks for what is there, so a long wait at the broker would only hold up the next reading.
        "fetch.wait.max.ms": 10,
        "fetch.min.bytes": 1,
        "queued.max.messages.kbytes": 16_384,
    }


# The newest segment is never compacted, and by default it is 1 GiB or a week: a worker reads all of it before it begins.
_COMPACTED = {
    "segment.bytes": str(16 * 1_048_576),
    "segment.ms": "600000",
    "min.cleanable.dirty.ratio": "0.1",
    "max.compaction.lag.ms": "600000",
    "delete.retention.ms": "3600000",
}


def topic(wanted: Topic, *, replication_factor: int) -> dict[str, str]:
    """Of a topic on the broker, as the broker writes them. One replica may be away and all still works."""
    return (_COMPACTED if wanted.cleanup_policy == "compact" else {}) | {
        "retention.ms": "-1" if wanted.retention_ms is None else str(wanted.retention_ms),
        # Only time deletes.
        "retention.bytes": "-1",
        "cleanup.policy": wanted.cleanup_policy,
        "message.timestamp.type": "CreateTime",
        "max.message.bytes": str(wanted.message_bytes_max),
        "min.insync.replicas": str(max(1, replication_factor - 1)),
        "unclean.leader.election.enable": "false",
    }


def new_topic(wanted: Topic, *, replication_factor: int) -> dict[str, int | dict[str, str]]:
    """A topic as kafka-python is asked to create it."""
    return {
        "num_partitions": wanted.partitions,
        "replication_factor": replication_factor,
        "configs": topic(wanted, replication_factor=replication_factor),
    }


def topic_differences(
    wanted: Topic, found: dict[str, Any] | None, *, config: dict[str, Any] | None, replication_factor: int
) -> list[str]:
    """How a topic of the broker, as kafka-python describes it and its config, differs; a sentence each."""
    if found is None or config is None:
        return [f"{wanted.name} is missing"]
    replicas = [len(partition["replica_nodes"]) for partition in found["partitions"]]
    differences = []
    if len(replicas) != wanted.partitions:
        differences.append(f"{wanted.name} has {len(replicas)} partitions, not {wanted.partitions}")
    if min(replicas) < replication_factor:
        differences.append(f"{wanted.name} has {min(replicas)} replicas, not {replication_factor}")
    for name, value in topic(wanted, replication_factor=replication_factor).items():
        if config[name]["value"] != value:
            differences.append(f"{wanted.name} has {name}={config[name]['value']}, not {value}")
    return differences
