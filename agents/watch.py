"""What a worker tells of itself, as numbers and as health. It decides nothing."""

import threading
from collections.abc import Collection, Mapping

from agents.live import Done
from agents.vitals import Vitals
from streams.lag import Lag, note, watch
from streams.log import Log
from streams.topics import EVENTS
from telemetry.clock import Clock
from telemetry.health import Health
from telemetry.metrics import (
    BUILD_INFO,
    DLQ_RECORDS,
    FOLD_EVENTS,
    FOLD_OPEN_SESSIONS,
    FOLD_SESSIONS_CLOSED,
    PROFILES_EMITTED,
    WORKER_CHANGELOG_BYTES,
    WORKER_CHUNK_EVENTS,
    WORKER_COMMIT_DURATION,
    WORKER_COMMITS,
    WORKER_LAST_OFFSET,
    WORKER_REBALANCES,
    WORKER_RECOVERY_DURATION,
    Metrics,
)
from telemetry.version import ENGINE_VERSION


class Watch:
    """Of one worker. ``clock`` is the process's."""

    def __init__(self, metrics: Metrics, health: Health, clock: Clock, *, mapping: str) -> None:
        """Nothing happened yet."""
        self._metrics, self._health, self._clock = metrics, health, clock
        self._extractor = Vitals("metric_extractor", clock, metrics)
        self._inferencer = Vitals("trait_inferencer", clock, metrics)
        metrics.set(BUILD_INFO, 1, version=ENGINE_VERSION, mapping=mapping)

    def now_s(self) -> float:
        """For durations."""
        return self._clock.monotonic_s()

    def follow(self, log: Log, group: str, stop: threading.Event) -> None:
        """Measure how far the group is behind, from outside of the worker, until ``stop``."""

        def told(lags: list[Lag] | None) -> None:
            if lags is not None:
                note(lags, self._health)

        arguments = {"clock": self._clock, "stop": stop, "told": told}
        threading.Thread(
            target=watch,
            args=(log, {group: [EVENTS.name]}, self._metrics),
            kwargs=arguments,
            daemon=True,
        ).start()

    def beat(self) -> None:
        """The loop turns."""
        self._health.beat()

    def assigned(self, partitions: Collection[int]) -> None:
        """These are the worker's now; what was known of them is not there yet."""
        self._metrics.add(WORKER_REBALANCES)
        self._health.note_assigned(partitions)

    def recovered(self, took_s: float) -> None:
        """What was known of them is."""
        self._health.note_recovered()
        self._metrics.observe(WORKER_RECOVERY_DURATION, took_s)

    def revoked(self, partitions: Collection[int]) -> None:
        """They are another's."""
        for partition in partitions:
            self._metrics.forget(WORKER_LAST_OFFSET, topic=EVENTS.name, partition=str(partition))

    def chunk(self, records: int) -> None:
        """So many records were folded at once."""
        self._metrics.observe(WORKER_CHUNK_EVENTS, records)

    def committed(self, offsets: Mapping[int, int], done: Done, took_s: float) -> None:
        """A round is durable, and committed."""
        metrics = self._metrics
        metrics.add(WORKER_COMMITS)
        metrics.observe(WORKER_COMMIT_DURATION, took_s)
        self._health.note_contact()
        self._extractor.count_by(FOLD_EVENTS, done.counts.outcomes, errors=("dead_letter",))
        self._inferencer.count(processed=done.counts.profiles.total(), errors=0)
        metrics.add_each(FOLD_SESSIONS_CLOSED, done.counts.closed)
        metrics.set(FOLD_OPEN_SESSIONS, done.open_sessions)
        metrics.add(WORKER_CHANGELOG_BYTES, done.changelog_bytes)
        for (mapping, status), count in done.counts.profiles.items():
            metrics.add(PROFILES_EMITTED, count, mapping=mapping, status=status)
        for code, count in done.counts.letters.items():
            metrics.add(DLQ_RECORDS, count, code=code)
        for partition, offset in offsets.items():
            metrics.set(WORKER_LAST_OFFSET, offset, topic=EVENTS.name, partition=str(partition))

    def get_performance_metrics(self) -> list[dict[str, str | int | float | None]]:
        """The seed's six figures of each agent of the worker."""
        return [self._extractor.report(), self._inferencer.report()]
