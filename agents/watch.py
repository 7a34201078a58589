"""What a process that stays on Kafka tells of itself, as numbers and as health. It decides nothing."""

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Generic, TypeVar

from agents.inbox import Inbox, Taken
from agents.live import Done
from agents.vitals import Vitals
from streams.lag import Lag, note, watch
from streams.log import Log
from streams.topics import EVENTS, INBOX
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

D = TypeVar("D")


class Watch(Generic[D]):
    """Of one process and its work on a topic. ``clock`` is the process's."""

    def __init__(self, metrics: Metrics, health: Health, clock: Clock, *, topic: str) -> None:
        """Nothing happened yet."""
        self._metrics, self._health, self._clock, self._topic = metrics, health, clock, topic

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
            args=(log, {group: [self._topic]}, self._metrics),
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
        """They are another's, and what was known of them is forgotten, also of those that come back."""
        self._health.note_assigned(())
        for partition in partitions:
            self._metrics.forget(WORKER_LAST_OFFSET, topic=self._topic, partition=str(partition))

    def chunk(self, records: int) -> None:
        """So many records were folded at once."""
        self._metrics.observe(WORKER_CHUNK_EVENTS, records)

    def durable(self, done: D) -> None:
        """What a round came to is durable."""
        raise NotImplementedError

    def committed(self, offsets: Mapping[int, int], took_s: float) -> None:
        """Rounds are committed."""
        metrics = self._metrics
        metrics.add(WORKER_COMMITS)
        metrics.observe(WORKER_COMMIT_DURATION, took_s)
        self._health.note_contact()
        for partition, offset in offsets.items():
            metrics.set(WORKER_LAST_OFFSET, offset, topic=self._topic, partition=str(partition))


class FoldWatch(Watch[Done]):
    """Of a worker: MetricExtractor and TraitInferencer."""

    def __init__(self, metrics: Metrics, health: Health, clock: Clock, *, mapping: str) -> None:
        """Nothing happened yet."""
        super().__init__(metrics, health, clock, topic=EVENTS.name)
        self._extractor = Vitals("metric_extractor", clock, metrics)
        self._inferencer = Vitals("trait_inferencer", clock, metrics)
        metrics.set(BUILD_INFO, 1, version=ENGINE_VERSION, mapping=mapping)

    def durable(self, done: Done) -> None:
        """What a round came to is durable."""
        metrics = self._metrics
        self._extractor.count_by(FOLD_EVENTS, done.counts.outcomes, errors=("dead_letter",))
        self._inferencer.count(processed=done.counts.profiles.total(), errors=0)
        metrics.add_each(FOLD_SESSIONS_CLOSED, done.counts.closed)
        metrics.set(FOLD_OPEN_SESSIONS, done.open_sessions)
        metrics.add(WORKER_CHANGELOG_BYTES, done.changelog_bytes)
        for (mapping, status), count in done.counts.profiles.items():
            metrics.add(PROFILES_EMITTED, count, mapping=mapping, status=status)
        for code, count in done.counts.letters.items():
            metrics.add(DLQ_RECORDS, count, code=code)

    def revoked(self, partitions: Collection[int]) -> None:
        """They are another's, with their sessions."""
        super().revoked(partitions)
        self._metrics.set(FOLD_OPEN_SESSIONS, 0)

    def get_performance_metrics(self) -> list[dict[str, str | int | float | None]]:
        """The seed's six figures of each agent of the worker."""
        return [self._extractor.report(), self._inferencer.report()]


class DoorWatch(Watch[Taken]):
    """Of EventLogger on the inbox."""

    def __init__(self, metrics: Metrics, health: Health, clock: Clock, *, inbox: Inbox) -> None:
        """Nothing happened yet."""
        super().__init__(metrics, health, clock, topic=INBOX.name)
        self._inbox = inbox

    def durable(self, done: Taken) -> None:
        """What a round came to is durable."""
        self._inbox.settle(done)
        for code, count in Counter(done.codes).items():
            self._metrics.add(DLQ_RECORDS, count, code=code)
