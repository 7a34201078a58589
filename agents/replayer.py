"""Replayer: what stands in the store, made again from the log by the same agents, and compared byte for byte."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from agents.metric_extractor import MetricExtractor
from agents.tables import SessionRow
from agents.trait_inferencer import TraitInferencer
from projections.rows import SessionMetricRow, TraitProfileRow, metric_rows, profile_rows
from streams.codec import Codec, Unreadable
from streams.log import Log, OffsetsLost, Record
from streams.partitioner import partition_of
from streams.records import SessionMetrics, TraitProfile
from streams.topics import EVENTS, TRAIT_PROFILES


class Rebuilt(msgspec.Struct):
    """A session as the log gives it now; ``metrics`` and ``profile`` are None while it is open.

    ``emitted`` are the profile digests that the profile topic names, with the digests of the records they were made from.
    """

    session_id: str
    metrics: SessionMetrics | None = None
    profile: TraitProfile | None = None
    withdrawn: bool = False
    corrupt_offsets: list[int] = []
    emitted: set[str] = set()


class Verification(msgspec.Struct, frozen=True):
    """``stored`` and ``rebuilt`` are profile digests; ``differences`` says what is not equal."""

    session_id: str
    verdict: Literal["equal", "different", "erased", "missing"]
    stored: str | None
    rebuilt: str | None
    differences: list[str]


class Replayer:
    """Rebuilds sessions by one mapping. Reads the log up to the end offsets of the call; writes nothing."""

    def __init__(self, log: Log, codec: Codec, inferencer: TraitInferencer) -> None:
        """Over a log, by a mapping."""
        self._log = log
        self._extractor = MetricExtractor(codec)
        self._codec = codec
        self._inferencer = inferencer
        self.lost: list[str] = []  # what the log no longer has, of what was asked for

    def rebuild(self, session_id: str) -> Rebuilt:
        """One session."""
        key = session_id.encode()
        partition = partition_of(key, self._log.partitions(EVENTS.name))
        return self._rebuild_partition(partition, key).get(session_id) or Rebuilt(session_id)

    def rebuild_all(self) -> Iterator[Rebuilt]:
        """Every session of the log, a partition at a time."""
        for partition in range(self._log.partitions(EVENTS.name)):
            yield from self._rebuild_partition(partition).values()

    def verify(
        self,
        rebuilt: Rebuilt,
        stored: tuple[TraitProfileRow, ...] | None,
        stored_metrics: tuple[SessionMetricRow, ...] | None,
    ) -> Verification:
        """Compare with what is stored: canonical bytes, raw records, and every column of the rows."""
        differences = [
            f"the log's record at offset {offset} is corrupt" for offset in rebuilt.corrupt_offsets
        ]
        if not rebuilt.withdrawn:
            fresh = None if rebuilt.profile is None else profile_rows(rebuilt.profile)
            differences += _differences(stored, fresh)
            fresh_metrics = None if rebuilt.metrics is None else metric_rows(rebuilt.metrics)
            differences += _differences(stored_metrics, fresh_metrics)
            said = None if rebuilt.profile is None else _emission(rebuilt.profile)
            differences += [f"emitted before: {other}" for other in sorted(rebuilt.emitted - {said})]
        return Verification(
            session_id=rebuilt.session_id,
            verdict=_verdict(rebuilt, stored is not None, differences),
            stored=stored[0].profile_digest if stored else None,
            rebuilt=None if rebuilt.profile is None else rebuilt.profile.profile_digest,
            differences=differences,
        )

    def _rebuild_partition(self, partition: int, key: bytes | None = None) -> dict[str, Rebuilt]:
        rows: dict[bytes, SessionRow] = {}
        found: dict[str, Rebuilt] = {}
        for record in self._read(EVENTS.name, partition, key):
            advance = self._extractor.advance(rows.get(record.key), record)
            if advance.row is None:
                if not record.intact:
                    # Changed in its key: no session can be named, and it must not go unseen.
                    name = record.key.decode("ascii", "backslashreplace")
                    found.setdefault(name, Rebuilt(name)).corrupt_offsets.append(record.offset)
                continue
            rows[record.key] = advance.row
            session_id = advance.row.session.session_id
            rebuilt = found.setdefault(session_id, Rebuilt(session_id))
            rebuilt.withdrawn = advance.row.session.withdrawn
            if not record.intact:
                rebuilt.corrupt_offsets.append(record.offset)
            if advance.metrics is not None:
                rebuilt.metrics = advance.metrics
                rebuilt.profile = self._inferencer.infer(advance.metrics)
        self._add_emissions(partition, key, found)
        return found

    def _add_emissions(self, partition: int, key: bytes | None, found: dict[str, Rebuilt]) -> None:
        """What the profile topic holds: a log that was changed, and scored again, contradicts what it said before."""
        for record in self._read(TRAIT_PROFILES.name, partition, key):
            try:
                profile = self._codec.decode_record(record.value)
            except Unreadable:
                continue
            if isinstance(profile, TraitProfile) and profile.mapping == self._inferencer.mapping:
                rebuilt = found.setdefault(profile.session_id, Rebuilt(profile.session_id))
                rebuilt.emitted.add(_emission(profile))

    def _read(self, topic: str, partition: int, key: bytes | None) -> Iterator[Record]:
        """The records of a partition, or of one key of it; where the log has lost some, what lies before them."""
        try:
            for record in self._log.read(topic, partition, 0):
                if key is None or record.key == key:
                    yield record
        except OffsetsLost as lost:
            self.lost.append(str(lost))


def _emission(profile: TraitProfile) -> str:
    return f"profile {profile.profile_digest} of records {profile.records_digest}"


def _verdict(
    rebuilt: Rebuilt, is_stored: bool, differences: list[str]
) -> Literal["equal", "different", "erased", "missing"]:
    if differences:
        return "different"
    if rebuilt.withdrawn:
        return "erased"
    return "equal" if is_stored else "missing"


def _differences(
    stored: tuple[SessionMetricRow, ...] | tuple[TraitProfileRow, ...] | None,
    rebuilt: tuple[SessionMetricRow, ...] | tuple[TraitProfileRow, ...] | None,
) -> list[str]:
    """The columns that differ. The engine's version is a fact beside the result, not a part of it."""
    if stored is None or rebuilt is None:
        return [] if stored is rebuilt else [f"{'stored' if rebuilt is None else 'rebuilt'} only"]
    if len(stored) != len(rebuilt):
        return [f"{len(stored)} rows stored, {len(rebuilt)} rebuilt"]
    return [
        f"{getattr(after, 'trait', None) or getattr(after, 'metric', None) or 'session'}: {column}"
        for before, after in zip(stored, rebuilt, strict=True)
        for column in before.__struct_fields__
        if column != "engine_version" and getattr(before, column) != getattr(after, column)
    ]
