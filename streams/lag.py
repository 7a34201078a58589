"""How far a group is behind, asked of the log alone: a reader that is stuck or dead cannot hide it.

What is behind is what the group has not committed; of a group that committed nothing, all that is kept. Its age is that of the oldest
such record, by the log's own time. Where no record is left to read nothing is behind, though the end may be further: transactions end
in offsets that hold none. Whoever measures reads one record a partition and commits nothing.
"""

import logging
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from streams.log import Log, LogUnavailable, OffsetsLost
from telemetry.clock import Clock
from telemetry.health import Health
from telemetry.metrics import CONSUMER_LAG, CONSUMER_LAG_MEASURED, CONSUMER_LAG_RECORDS, Metrics

EVERY_S = 15.0  # as often as Prometheus usually scrapes

_log = logging.getLogger(__name__)


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """One partition. ``committed`` None: the group has committed nothing of it, and all that is kept is behind. ``seconds`` None: the
    record that it committed to read next is no longer kept.
    """

    group: str
    topic: str
    partition: int
    committed: int | None
    end: int
    records: int
    seconds: float | None


def measure_lag(log: Log, group: str, topics: Iterable[str], *, now_ms: int) -> list[Lag]:
    """The lag of a group in every partition of these topics. Raises LogUnavailable, UnknownPartition."""
    lags = []
    for topic in topics:
        # Commits before ends, so that what comes meanwhile is behind, not ahead.
        committed, first, ends = log.committed(group, topic), log.first_offsets(topic), log.end_offsets(topic)
        for partition, end in sorted(ends.items()):
            place = committed.get(partition)
            start = first[partition] if place is None else place
            records, seconds = _behind(log, topic, partition, start=start, end=end, now_ms=now_ms)
            lags.append(
                Lag(
                    group=group,
                    topic=topic,
                    partition=partition,
                    committed=place,
                    end=end,
                    records=records,
                    seconds=seconds,
                )
            )
    return lags


def publish(lags: Iterable[Lag], metrics: Metrics, *, now_ms: int) -> None:
    """Set the series of lag to what was measured."""
    for lag in lags:
        labels: dict[str, str | int] = {"group": lag.group, "topic": lag.topic, "partition": lag.partition}
        metrics.set(CONSUMER_LAG_RECORDS, lag.records, **labels)
        metrics.set(CONSUMER_LAG, math.inf if lag.seconds is None else lag.seconds, **labels)
        metrics.set(CONSUMER_LAG_MEASURED, now_ms / 1000, group=lag.group)


def note(lags: Iterable[Lag], health: Health) -> None:
    """Tell the health of whoever reads for this group: the log answered, and this far is committed."""
    told = {lag.partition: (lag.committed or 0, lag.records) for lag in lags}
    health.note_contact()
    health.note_position(
        {partition: position for partition, (position, _) in told.items()},
        {partition: position + records for partition, (position, records) in told.items()},
    )


def watch(
    log: Log,
    groups: Mapping[str, Sequence[str]],
    metrics: Metrics,
    *,
    clock: Clock,
    stop: threading.Event,
    every_s: float = EVERY_S,
    told: Callable[[list[Lag] | None], None] = lambda _: None,
) -> None:
    """Measure the groups on their topics, publish and tell, again and again until ``stop``.

    While it cannot be measured, for whatever reason, None is told and the time of the last measurement grows old: nobody would miss
    a thread that ended.
    """
    is_away = False
    while not stop.is_set():
        now_ms = clock.now_ms()
        try:
            lags = [
                lag
                for group, topics in groups.items()
                for lag in measure_lag(log, group, topics, now_ms=now_ms)
            ]
        except Exception as reason:  # noqa: BLE001  # see above
            if not is_away:
                what = str(reason) if isinstance(reason, LogUnavailable) else repr(reason)
                _log.warning("the lag cannot be measured: %s", what)
            is_away = True
            told(None)
        else:
            is_away = False
            publish(lags, metrics, now_ms=now_ms)
            told(lags)
        stop.wait(every_s)


def _behind(
    log: Log, topic: str, partition: int, *, start: int, end: int, now_ms: int
) -> tuple[int, float | None]:
    """How many records, and how old the first of them is, in seconds."""
    if start >= end:
        return 0, 0.0
    try:
        oldest = next(iter(log.read(topic, partition, start, end)), None)
    except OffsetsLost:
        return end - start, None
    if oldest is None:
        return 0, 0.0
    return end - start, max(0, now_ms - oldest.time_ms) / 1000
