"""How far a group is behind, asked of the log alone: a reader that is stuck or dead cannot hide it.

What is behind is what the group has not committed. Its age is that of the oldest such record, by the log's own time. Whoever measures
reads one record a partition and commits nothing.
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
    """One partition. ``committed`` None: the group has committed nothing of it, and all of it is behind. ``seconds`` None: the
    record that it needs next is no longer kept.
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
    return [
        _of_partition(
            log, group, topic, partition=partition, committed=committed.get(partition), end=end, now_ms=now_ms
        )
        for topic in topics
        for committed in [
            log.committed(group, topic)
        ]  # before the ends: what comes meanwhile is behind, not ahead
        for partition, end in sorted(log.end_offsets(topic).items())
    ]


def publish(lags: Iterable[Lag], metrics: Metrics, *, now_ms: int) -> None:
    """Set the series of lag to what was measured."""
    for lag in lags:
        labels: dict[str, str | int] = {"group": lag.group, "topic": lag.topic, "partition": lag.partition}
        metrics.set(CONSUMER_LAG_RECORDS, lag.records, **labels)
        metrics.set(CONSUMER_LAG, math.inf if lag.seconds is None else lag.seconds, **labels)
        metrics.set(CONSUMER_LAG_MEASURED, now_ms / 1000, group=lag.group)


def note(lags: Iterable[Lag], health: Health) -> None:
    """Tell the health of whoever reads for this group: the log answered, and this far is committed."""
    told = list(lags)
    health.note_contact()
    health.note_position(
        {lag.partition: lag.committed or 0 for lag in told}, {lag.partition: lag.end for lag in told}
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

    While the log is away None is told, and the time of the last measurement grows old.
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
        except LogUnavailable as reason:
            if not is_away:
                _log.warning("the lag cannot be measured: %s", reason)
            is_away = True
            told(None)
        else:
            is_away = False
            publish(lags, metrics, now_ms=now_ms)
            told(lags)
        stop.wait(every_s)


def _of_partition(
    log: Log, group: str, topic: str, *, partition: int, committed: int | None, end: int, now_ms: int
) -> Lag:
    start = committed or 0
    return Lag(
        group=group,
        topic=topic,
        partition=partition,
        committed=committed,
        end=end,
        records=max(0, end - start),
        seconds=_age_s(log, topic, partition, start=start, end=end, now_ms=now_ms),
    )


def _age_s(log: Log, topic: str, partition: int, *, start: int, end: int, now_ms: int) -> float | None:
    """How old the first record from ``start`` is; 0 where there is none, such as behind a transaction's marker."""
    if start >= end:
        return 0.0
    try:
        oldest = next(iter(log.read(topic, partition, start, end)), None)
    except OffsetsLost:
        return None
    return 0.0 if oldest is None else max(0, now_ms - oldest.time_ms) / 1000
