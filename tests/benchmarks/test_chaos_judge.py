"""The judge of the chaos runs notices each fault that it is there for; the worker's part is played in process."""

from collections.abc import Callable, Iterator
from hashlib import sha256

import msgspec
import pytest

from agents.fetched import records_of
from agents.live import Live
from agents.metric_extractor import MetricExtractor
from agents.partition import Scorer
from agents.trait_inferencer import TraitInferencer
from benchmarks import chaos_judge
from benchmarks.chaos import short_people
from benchmarks.chaos_judge import MAPPING, Lying, Verdict, judge
from benchmarks.feed import records
from science.mapping import load
from streams.codec import Codec
from streams.columns import ColumnDecoder
from streams.log import Message
from streams.memory import MemoryLog
from streams.records import SessionMetrics
from streams.topics import DEAD_LETTERS, EVENTS, PARTITIONS, SESSION_METRICS, TRAIT_PROFILES, Topic

Topics = dict[str, list[Lying]]
KINDS = ("lost", "without_profile", "wrong", "unexpected", "miscounted")


@pytest.fixture(scope="module")
def sound() -> Topics:
    """What lies in the topics after a run in which nothing happened."""
    log, codec = MemoryLog(), Codec()
    fed = records(short_people(), 5, 400, [], is_completed=True)
    log.append(EVENTS.name, [Message(key, value) for key, _, value in fed])
    live = Live(log, Scorer(codec, ColumnDecoder(), MetricExtractor(codec), [TraitInferencer(load(MAPPING))]))
    for partition in range(PARTITIONS):
        live.own(partition, live.remember(partition, 0))
        live.take(partition, records_of(list(log.read(EVENTS.name, partition, 0))))
    made = live.prepare()
    assert made is not None
    made.write(log)
    topics = (EVENTS, SESSION_METRICS, TRAIT_PROFILES, DEAD_LETTERS)
    return {
        topic.name: [
            (one.partition, one.offset, one.key, one.value)
            for partition in range(PARTITIONS)
            for one in log.read(topic.name, partition, 0)
        ]
        for topic in topics
    }


def verdict_on(topics: Topics, sound: Topics, monkeypatch: pytest.MonkeyPatch) -> Verdict:
    """What the judge says of these topics, after what was acknowledged in the sound run."""

    def lying(_: str, topic: str) -> Iterator[Lying]:
        return iter(topics[topic])

    monkeypatch.setattr(chaos_judge, "lying", lying)
    journal = {(place, offset): sha256(value).digest() for place, offset, _, value in sound[EVENTS.name]}
    return judge("nowhere", journal)


def test_nothing_is_found_where_nothing_happened(sound: Topics, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every session has its one profile; the same told again is a repeat, and no fault."""
    verdict = verdict_on(sound, sound, monkeypatch)
    assert verdict.is_right
    assert verdict.sessions == verdict.profiles > 0
    assert verdict.repeats == 0
    again = sound | {TRAIT_PROFILES.name: [*sound[TRAIT_PROFILES.name], sound[TRAIT_PROFILES.name][0]]}
    verdict = verdict_on(again, sound, monkeypatch)
    assert verdict.is_right
    assert verdict.repeats == 1


def recounted(metrics: Lying) -> Lying:
    """The same metrics, by one event more."""
    codec = Codec()
    record = codec.decode_record(metrics[3])
    assert isinstance(record, SessionMetrics)
    before = msgspec.json.decode(record.measures)["counted"]
    measures = record.measures.replace(b'"counted":%d' % before, b'"counted":%d' % (before + 1))
    assert measures != record.measures
    return *metrics[:3], codec.encode_record(msgspec.structs.replace(record, measures=measures))


@pytest.mark.parametrize(
    ("topic", "fault", "found"),
    [
        (EVENTS, lambda lying: lying[:-1], {"lost", "unexpected", "miscounted"}),  # a session's end
        (TRAIT_PROFILES, lambda lying: lying[1:], {"without_profile"}),
        (TRAIT_PROFILES, lambda lying: [*lying, (*lying[0][:3], lying[1][3])], {"wrong"}),
        (TRAIT_PROFILES, lambda lying: [*lying, (0, 99, b"nobody", b"")], {"unexpected"}),
        (SESSION_METRICS, lambda lying: [*lying, recounted(lying[0])], {"wrong", "miscounted"}),
    ],
)
def test_each_fault_is_found(
    topic: Topic,
    fault: Callable[[list[Lying]], list[Lying]],
    found: set[str],
    sound: Topics,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An event that is gone, a profile that is missing, another, or nobody's, and metrics that count an event twice."""
    verdict = verdict_on(sound | {topic.name: fault(sound[topic.name])}, sound, monkeypatch)
    assert not verdict.is_right
    told = verdict.told()
    assert {kind for kind in KINDS if told[kind]} == found, told


def test_an_event_acknowledged_without_a_place_must_lie_somewhere(
    sound: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no other is known to lie; as often as it was acknowledged."""
    monkeypatch.setattr(chaos_judge, "lying", lambda _, topic: iter(sound[topic]))
    events = [
        (partition, offset, sha256(value).digest()) for partition, offset, _, value in sound[EVENTS.name]
    ]
    journal = {(partition, offset): digest for partition, offset, digest in events[1:]}
    partition, _, digest = events[0]
    assert judge("nowhere", journal, [(partition, digest)]).is_right
    named = f"{partition}/without a place"
    assert judge("nowhere", journal, [(partition, digest)] * 2).lost == [named]
    assert judge("nowhere", journal, [(partition, b"another")]).lost == [named]
    journal[partition, events[0][1]] = digest
    assert judge("nowhere", journal, [(partition, digest)]).lost == [named]
