"""A message of a Kafka client as a record of the port."""

from typing import Any

from streams.headers import Headers
from streams.log import Record
from streams.topics import TOPICS

_COMPACTED = {topic.name for topic in TOPICS if topic.cleanup_policy == "compact"}


def value_of(topic: str, value: bytes) -> bytes | None:
    """The value as Kafka takes it: in a compacted topic an empty one is none, which takes its key away."""
    return None if not value and topic in _COMPACTED else value


def record_of(message: Any, topic: str, partition: int) -> Record:
    """A delivered message of librdkafka's client: an absent key or value is empty."""
    return Record(
        topic=topic,
        partition=partition,
        offset=message.offset(),
        key=message.key() or b"",
        value=message.value() or b"",
        time_ms=message.timestamp()[1],
        headers=_headers(message),
    )


def _headers(message: Any) -> Headers:
    """Of a record with a header's name that is no UTF-8, none: anyone may send one, and it must not end every reading there."""
    try:
        return tuple((name, value or b"") for name, value in message.headers() or ())
    except (UnicodeError, SystemError):  # as the client says it, in C
        return ()
