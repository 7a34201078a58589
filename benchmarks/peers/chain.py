"""The same work: Kymograph's own chain over one record, as its embedded driver runs it, for another stream processor to plug in.

Imported by programs that have the project's root on their path, and by the benchmark for what must come out.
"""

from collections.abc import Iterable, Iterator

from agents.scoring import Scored, Scoring
from agents.tables import SessionRow
from agents.trait_inferencer import TraitInferencer
from science.mapping import load
from streams.codec import Codec
from streams.log import Record
from streams.records import TraitProfile
from streams.topics import TRAIT_PROFILES

CODEC = Codec()
SCORING = Scoring(CODEC, [TraitInferencer(load("core@1.0.0"))])


def record(topic: str, partition: int, offset: int, *, key: bytes, value: bytes) -> Record:
    """A record as a framework gives it; its time is for audits, nothing here reads it."""
    return Record(topic=topic, partition=partition, offset=offset, key=key, value=value, time_ms=0)


def profiles(scored: Scored) -> list[bytes]:
    """What a record that ended its session has to send on, mostly nothing."""
    return [message.value for topic, message in scored.sends if topic == TRAIT_PROFILES.name]


def line(profile: bytes) -> str:
    """A profile as the digest is made of it."""
    told = CODEC.decode_record(profile)
    assert isinstance(told, TraitProfile)
    return told.profile_digest + "\n"


def lines(records: Iterable[Record]) -> Iterator[str]:
    """The profiles that these records must give."""
    rows: dict[bytes, SessionRow | None] = {}
    for one in records:
        scored = SCORING.advance(rows.get(one.key), one)
        rows[one.key] = scored.row
        yield from map(line, profiles(scored))
