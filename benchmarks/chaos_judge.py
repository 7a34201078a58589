"""Chaos, judged from outside: what lies in the topics, by a reader of its own, against a clean replay of the log.

Nothing of the pipeline's reading and writing is used: Kafka is read by its plain client, and the judge of a session is the agents over
one record after the other (``agents/scoring.py``).
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from agents.scoring import Scoring
from agents.tables import SessionRow
from agents.trait_inferencer import TraitInferencer
from science.mapping import load
from streams.codec import Codec
from streams.log import Record
from streams.records import SessionMetrics
from streams.topics import DEAD_LETTERS, EVENTS, PARTITIONS, SESSION_METRICS, TRAIT_PROFILES

MAPPING = "core@1.0.0"
_READ_S_MAX = 30.0
_NAMED_MAX = 5  # of each kind of fault in the verdict

Lying = tuple[int, int, bytes, bytes]  # partition, offset, key, value


class Verdict(NamedTuple):
    """What was found; ``is_right`` where none of the first six says anything."""

    lost: list[str]  # acknowledged events that are not in the log as they were sent
    without_profile: list[str]
    wrong: list[str]  # metrics or profiles, at any time told, that are not those of the clean replay
    unexpected: list[str]  # told of a session that never closed
    counted: dict[str, int]  # by how many events a session's metrics are off
    dead_letters: int
    sessions: int
    profiles: int  # told, with repeats
    repeats: int  # the same told again

    @property
    def is_right(self) -> bool:
        """Whether nothing was found."""
        return not any(self[:6])

    def told(self) -> dict[str, Any]:
        """As fields of the result; of each kind of fault the first few by name."""
        named = {"lost": self.lost, "without_profile": self.without_profile, "wrong": self.wrong}
        named |= {"unexpected": self.unexpected, "miscounted": [*self.counted]}
        return {
            **{kind: len(found) for kind, found in named.items()},
            "events_counted_twice": sum(one for one in self.counted.values() if one > 0),
            "events_not_counted": -sum(one for one in self.counted.values() if one < 0),
            "dead_letters": self.dead_letters,
            "sessions": self.sessions,
            "profiles": self.profiles,
            "repeats": self.repeats,
            "named": {kind: found[:_NAMED_MAX] for kind, found in named.items() if found},
        }


def lying(bootstrap: str, topic: str, start: dict[int, int] | None = None) -> Iterator[Lying]:
    """Every record of a topic from these offsets on; those of a partition in their order. Raises KafkaException."""
    reader = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "chaos-judge", "enable.auto.commit": False}
        | {
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
            "log_level": 0,
        }
    )
    try:
        places = [
            TopicPartition(topic, partition, (start or {}).get(partition, 0))
            for partition in range(PARTITIONS)
        ]
        ends = {place.partition: reader.get_watermark_offsets(place, _READ_S_MAX)[1] for place in places}
        left = {place.partition for place in places if place.offset < ends[place.partition]}
        reader.assign([place for place in places if place.partition in left])
        while left:
            one = reader.poll(_READ_S_MAX)
            if one is None:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001  # its public name
            if one.error() is None:
                yield one.partition(), one.offset(), one.key() or b"", one.value() or b""
            elif one.error().code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                left.discard(one.partition())
            else:
                raise KafkaException(one.error())
    finally:
        reader.close()


def judge(
    bootstrap: str, journal: dict[tuple[int, int], bytes], placeless: Sequence[tuple[int, bytes]] = ()
) -> Verdict:
    """The verdict on all that lies there. ``journal``: the digest of each acknowledged event, by partition and offset; ``placeless``:
    partition and digest of those that were acknowledged without an offset. Such a one must lie where no other is known to.
    """
    log = list(lying(bootstrap, EVENTS.name))
    there = {(partition, offset): sha256(value).digest() for partition, offset, _, value in log}
    lost = [
        f"{partition}/{offset}"
        for (partition, offset), digest in journal.items()
        if there.get((partition, offset)) != digest
    ]
    unclaimed = Counter((place[0], digest) for place, digest in there.items() if place not in journal)
    for (partition, _), count in (Counter(placeless) - unclaimed).items():
        lost += [f"{partition}/without a place"] * count
    clean, events = replayed(log)
    codec, wrong, unexpected, counted = Codec(), set[str](), set[str](), dict[str, int]()
    told: dict[str, Counter[bytes]] = {}
    for topic in (SESSION_METRICS.name, TRAIT_PROFILES.name):
        for _, _, key, value in lying(bootstrap, topic):
            digest, name = sha256(value).digest(), key.decode()
            told.setdefault(topic, Counter())[key] += 1
            if (topic, key) not in clean:
                unexpected.add(name)
            elif clean[topic, key] != digest:
                wrong.add(name)
            if topic == SESSION_METRICS.name:
                record = codec.decode_record(value)
                assert isinstance(record, SessionMetrics)
                off = msgspec.json.decode(record.measures)["counted"] - events[key]
                counted |= {name: off} if off else {}
    profiles = told.get(TRAIT_PROFILES.name, Counter[bytes]())
    return Verdict(
        lost=lost,
        without_profile=sorted({key.decode() for _, key in clean if key not in profiles}),
        wrong=sorted(wrong),
        unexpected=sorted(unexpected),
        counted=counted,
        dead_letters=sum(1 for _ in lying(bootstrap, DEAD_LETTERS.name)),
        sessions=len(events),
        profiles=profiles.total(),
        repeats=profiles.total() - len(profiles),
    )


def replayed(log: list[Lying]) -> tuple[dict[tuple[str, bytes], bytes], dict[bytes, int]]:
    """By the clean replay: the digest of what is told of each session on each topic, and how many different events it has."""
    scoring = Scoring(Codec(), [TraitInferencer(load(MAPPING))])
    rows: dict[bytes, SessionRow] = {}
    events: dict[bytes, set[bytes]] = {}
    clean: dict[tuple[str, bytes], bytes] = {}
    for partition, offset, key, value in log:
        record = Record(
            topic=EVENTS.name, partition=partition, offset=offset, key=key, value=value, time_ms=0
        )
        scored = scoring.advance(rows.get(key), record)
        assert scored.row is not None, "the feed writes nothing that is no event"
        rows[key] = scored.row
        events.setdefault(key, set()).add(value)
        for topic, message in scored.sends:
            clean[topic, message.key] = sha256(message.value).digest()
    return clean, {key: len(values) for key, values in events.items()}
