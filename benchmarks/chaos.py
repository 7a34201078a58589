"""A stream of sessions under faults: workers and brokers killed, frozen, added and taken away; then everything is judged from outside.

    python -m benchmarks.chaos [--events 100000] [--faults 30] [--seed N] [--workers 2] [--brokers 3] [--short | --long] [--without GUARD]

A broker, or a cluster of three that holds every record three times; some ``kymograph worker`` processes; and a journal of every event that
was acknowledged. The faults come by the seed, at random moments; between them, every event must find its way. Of a cluster no second broker
is hit before all copies are in sync again: what is acknowledged meanwhile lies in two of them. ``benchmarks/chaos_judge.py`` says what is
lost, counted twice or wrong, and one JSON line tells it. Exits 1 if anything is. ``--without`` takes a guard from the workers: then
something must be.
"""

import argparse
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from kafka.errors import KafkaError as AdminError

from agents.event_logger import EventLogger
from agents.live import GROUP, GUARDS
from benchmarks.chaos_judge import judge, lying
from benchmarks.chaos_processes import Brokers, Workers
from benchmarks.feed import SEED as FEED_SEED
from benchmarks.feed import Played, records
from benchmarks.judged import judged
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.people import crowd
from streams import kafka_options
from streams.kafka import KafkaLog
from streams.memory import MemoryLog
from streams.topics import CHANGELOG, EVENTS, PARTITIONS, TRAIT_PROFILES
from tests.brokers import Broker

PEOPLE, ACTIVE = 60, 40
REPEATED_SHARE = 0.01  # of the events are sent twice, as clients do that missed an answer
FLUSH_S_MAX = 120
FROZEN_S = (12.0, 16.0)  # beyond the group's session timeout of 10 s
STALLED_S = (2.0, 13.0)  # around the worker's patience of 10 s
DOWN_S = {1: (0.0, 3.0), 3: (1.0, 12.0)}  # by brokers; a cluster goes on without one after 5 s
TOLD_S_MAX = 20
WHOLE_S_MAX = 120
FAULT_S = 9.0  # what a fault takes, about
SHORT = {"brokers": 1, "events": 6_000, "faults": 4, "pause_s": (1.0, 3.0), "drain_s": 45.0}
USUAL = {"brokers": 1, "events": 100_000, "faults": 30, "pause_s": (8.0, 20.0), "drain_s": 180.0}
LONG = {"brokers": 3, "events": 1_000_000, "faults": 200, "pause_s": (1.0, 4.0), "drain_s": 600.0}
WORKER_KINDS = ("extra_worker", "freeze", "kill", "kill_amid_a_round")
BROKER_KINDS = ("broker_kill", "broker_stall")
CLUSTER_KINDS = ("controller_kill", "coordinator_stall")
SHORT_KINDS = ("broker_kill", "extra_worker", "freeze", "kill_amid_a_round")
_HEAD = b"\0kh\0"  # how a head of the changelog begins
_SHORT_GAMES = (
    balloon_risk.Design(balloons=3),
    reaction_timer.Design(trials=4),
    memory_cards.Design(rounds=1, n_pairs=4, rows=2, cols=4),
)


def main() -> int:
    """Run, print, judge."""
    options = _options()
    return judged("chaos", lambda folder: _result(options, folder), options.folder)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description="Faults, and whether they change anything")
    add = parser.add_argument
    add("--events", type=int, help="how many are fed, about (100000)")
    add("--faults", type=int, help="how many (30)")
    add("--seed", type=int, default=1, help="of the faults and the feed (1)")
    add("--workers", type=int, default=2, choices=[1, 2, 3, 4], help="side by side (2)")
    add("--brokers", type=int, choices=[1, 3], help="alone, or a cluster (1)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--short", action="store_true", help="for CI: 6,000 events, 4 faults, about a minute")
    form.add_argument("--long", action="store_true", help="1,000,000 events, 200 faults, 3 brokers")
    kinds = (*WORKER_KINDS, *BROKER_KINDS, *CLUSTER_KINDS)
    add("--only", choices=kinds, help="faults of one kind alone")
    add("--without", choices=sorted(GUARDS), help="workers without this guard: a fault must be found")
    add("--folder", type=Path, help="a new one, to keep what brokers and workers wrote (one that goes)")
    options = parser.parse_args()
    for name, value in (SHORT if options.short else LONG if options.long else USUAL).items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    options.kinds = kinds if options.brokers > 1 else (*WORKER_KINDS, *BROKER_KINDS)
    if options.short:
        options.kinds = SHORT_KINDS
    if options.only is not None:
        options.kinds = (options.only,)
    return options


def _result(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One run, from the brokers' start to their end."""
    began = time.perf_counter()
    dice = random.Random(f"chaos {options.seed}")
    with Brokers(folder / "kafka", options.brokers) as brokers:
        log = KafkaLog(brokers.bootstrap)
        log.create_topics(replication_factor=brokers.copies)
        assert log.check_topics(replication_factor=brokers.copies) == []
        log.close()
        storm_s = options.faults * (sum(options.pause_s) / 2 + FAULT_S)
        feed = Feed(brokers.bootstrap, options.events, rate=options.events / storm_s)
        with Workers(brokers, folder, options.workers, options.without) as workers:
            feed.start()
            storm = Storm(dice, brokers, workers, feed, pause_s=options.pause_s)
            storm.run(options.faults, options.kinds)
            storm_s = time.perf_counter() - began
            workers.watch_until(lambda: not feed.is_alive(), seconds_max=options.drain_s + FLUSH_S_MAX)
            lag = _drained(brokers.bootstrap, workers, feed, seconds_max=options.drain_s)
        verdict = judge(brokers.bootstrap, feed.journal, feed.placeless)
        topic = kafka_options.topic(EVENTS, replication_factor=brokers.copies)
        return {
            "seed": options.seed,
            "without": options.without,
            "is_right": verdict.is_right and feed.is_whole,
            "brokers": options.brokers,
            "replication_factor": brokers.copies,
            "min_insync_replicas": int(topic["min.insync.replicas"]),
            "workers": options.workers,
            "events": feed.sent,
            "acknowledged": feed.acknowledged,
            "acknowledged_without_a_place": len(feed.placeless),
            **verdict.told(),
            "faults": dict(sorted(storm.faults.items())),
            "acknowledged_while_a_broker_was_down": storm.acknowledged_meanwhile,
            "workers_that_ended_by_themselves": workers.ended,
            "uncommitted": lag,
            "feed_error": feed.error,
            "storm_seconds": round(storm_s, 1),
            "seconds": round(time.perf_counter() - began, 1),
        }


def _drained(bootstrap: str, workers: Workers, feed: "Feed", *, seconds_max: float) -> int:
    """Wait until all is committed, or every session has a profile. How many records are uncommitted then."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": GROUP, "log_level": 0})
    ends = Counter(partition for partition, _ in [*feed.journal, *feed.placeless])
    places = [TopicPartition(EVENTS.name, partition) for partition in range(PARTITIONS)]

    def lag() -> int:
        try:
            committed = {one.partition: max(0, one.offset) for one in reader.committed(places, timeout=5)}
        except KafkaException:
            return feed.sent
        return sum(max(0, end - committed[partition]) for partition, end in ends.items())

    profiled: set[bytes] = set()
    start: dict[int, int] = {}

    def is_done() -> bool:
        if lag() == 0:
            return True
        for partition, offset, key, _ in lying(bootstrap, TRAIT_PROFILES.name, start):
            profiled.add(key)
            start[partition] = offset + 1
        return profiled >= feed.finished

    workers.watch_until(is_done, seconds_max=seconds_max)
    workers.watch_until(lambda: lag() == 0, seconds_max=5)
    try:
        return lag()
    finally:
        reader.close()


# ------------------------------------------------------------------------------------------------------------- feeding


class Feed(threading.Thread):
    """Sends sessions at a bounded rate, and keeps a journal of what was acknowledged."""

    def __init__(self, bootstrap: str, events: int, *, rate: float) -> None:
        """``rate`` is in events a second."""
        super().__init__(daemon=True)
        self._options = {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "delivery.timeout.ms": FLUSH_S_MAX * 1_000,
            "linger.ms": 5,
            "log_level": 0,
        }
        self._events, self._rate = events, rate
        self.journal: dict[tuple[int, int], bytes] = {}
        self.placeless: list[tuple[int, bytes]] = []  # acknowledged, but the broker did not say where
        self.finished: set[bytes] = set()  # sessions that were sent whole
        self.sent = 0
        self.error: str | None = None

    def run(self) -> None:
        """Send everything."""
        producer, dice = Producer(self._options), random.Random("repeats")
        began = time.monotonic()
        for key, partition, value in records(short_people(), ACTIVE, self._events, [], is_completed=True):
            for _ in range(1 + (dice.random() < REPEATED_SHARE)):
                producer.produce(EVENTS.name, value, key, partition, on_delivery=self._delivered)
                self.sent += 1
            producer.poll(0)
            self.finished.add(key)
            while (wait_s := began + self.sent / self._rate - time.monotonic()) > 0:
                producer.poll(min(wait_s, 0.5))
        if (left := producer.flush(FLUSH_S_MAX)) > 0:
            self.error = f"{left} events were never acknowledged"

    @property
    def is_whole(self) -> bool:
        """Whether everything was sent and acknowledged."""
        return not self.is_alive() and self.error is None and self.acknowledged == self.sent

    @property
    def acknowledged(self) -> int:
        """How many events were, so far."""
        return len(self.journal) + len(self.placeless)

    def _delivered(self, error: Any, message: Any) -> None:
        if error is not None:
            self.error = str(error)
            return
        partition, offset, digest = message.partition(), message.offset(), sha256(message.value()).digest()
        if offset is None:  # a repeat of the client's own, whose first was taken without an answer
            self.placeless.append((partition, digest))
        else:
            self.journal[partition, offset] = digest


def short_people() -> list[Played]:
    """Some people who play a little of all games."""
    log = MemoryLog()
    logger = EventLogger(log, control_url="sqlite://")
    for _, _, events in crowd(PEOPLE, FEED_SEED, *_SHORT_GAMES):
        logger.record(events)
    played: dict[bytes, Played] = {}
    for partition in range(PARTITIONS):
        for record in log.read(EVENTS.name, partition, 0):
            head, found, tail = record.value.partition(record.key)
            assert found, "every event names its session"
            played.setdefault(record.key, Played([], [])).events.append((head, tail))
            played[record.key].moments.append(None)
    return list(played.values())


# -------------------------------------------------------------------------------------------------------------- faults


class Storm:
    """The faults, dealt like cards: each kind once before any comes again."""

    def __init__(
        self,
        dice: random.Random,
        brokers: Brokers,
        workers: Workers,
        feed: Feed,
        *,
        pause_s: tuple[float, float],
    ) -> None:
        """Calm."""
        self._dice, self._brokers, self._workers, self._feed = dice, brokers, workers, feed
        self._pause_s = pause_s
        self.faults: Counter[str] = Counter()
        self.acknowledged_meanwhile = 0  # while a broker was down

    def run(self, faults: int, kinds: Sequence[str]) -> None:
        """So many of these kinds, with pauses between them; in the end all brokers are well."""
        deck: list[str] = []
        for number in range(1, faults + 1):
            self._wait(self._dice.uniform(*self._pause_s))
            deck = deck or self._dice.sample(kinds, len(kinds))
            kind = deck.pop()
            if kind not in WORKER_KINDS:
                self._wait_until_whole()
            print(f"chaos: {number} of {faults}: {kind}", file=sys.stderr, flush=True)
            getattr(self, f"_{kind}")()
            self.faults[kind] += 1
        self._wait_until_whole()

    def _wait(self, seconds: float) -> None:
        self._workers.watch_until(lambda: False, seconds_max=seconds)

    def _wait_until_whole(self) -> None:
        self._workers.watch_until(self._brokers.is_whole, seconds_max=WHOLE_S_MAX)
        assert self._brokers.is_whole(), "a broker's copies did not come in sync again"

    def _kill(self) -> None:
        """Of a worker, at any moment."""
        self._workers.kill(self._dice.choice(self._workers.alive))

    def _kill_amid_a_round(self) -> None:
        """Of all workers, as soon as one has told the changelog how far it is, and before it can say so by a commit."""
        with _changelog(self._brokers.bootstrap) as reader:
            until = time.monotonic() + 5
            while time.monotonic() < until:
                message = reader.poll(0.05)
                if message is not None and message.error() is None and (message.value() or b"")[:4] == _HEAD:
                    break
        for worker in [*self._workers.alive]:
            self._workers.kill(worker)

    def _freeze(self) -> None:
        """A worker is taken for dead, and goes on afterwards as if nothing had been."""
        worker = self._dice.choice(self._workers.alive)
        worker.send_signal(signal.SIGSTOP)
        self._wait(self._dice.uniform(*FROZEN_S))
        worker.send_signal(signal.SIGCONT)

    def _extra_worker(self) -> None:
        """One more, and politely away again: two rebalances."""
        worker = self._workers.start()
        self._wait(self._dice.uniform(6, 10))
        if worker in self._workers.alive:
            worker.terminate()
            self._wait(2)

    def _broker_kill(self) -> None:
        """Of any broker."""
        self._kill_for_a_while(self._dice.choice(self._brokers.all))

    def _controller_kill(self) -> None:
        """Of the one that the others follow."""
        self._kill_for_a_while(self._told(self._brokers.controller))

    def _broker_stall(self) -> None:
        """Of any broker."""
        self._stall(self._dice.choice(self._brokers.all))

    def _coordinator_stall(self) -> None:
        """Of the one that takes the workers' commits."""
        self._stall(self._told(self._brokers.coordinator))

    def _kill_for_a_while(self, broker: Broker) -> None:
        """kill -9, and a start on the same folder; others go on meanwhile, if there are."""
        broker.kill()
        before = self._feed.acknowledged
        self._wait(self._dice.uniform(*DOWN_S[len(self._brokers.all)]))
        broker.launch()
        self.acknowledged_meanwhile += self._feed.acknowledged - before
        broker.wait()

    def _stall(self, broker: Broker) -> None:
        """It acknowledges nothing for some seconds; at times workers are killed meanwhile, with appends on their way."""
        broker.signal(signal.SIGSTOP)
        self._wait(self._dice.uniform(*STALLED_S))
        if self._dice.random() < 0.5:
            self._workers.kill(self._dice.choice(self._workers.alive))
        broker.signal(signal.SIGCONT)

    def _told(self, ask: Callable[[], Broker]) -> Broker:
        """What the cluster answers, as soon as it can; any broker where it does not."""
        until = time.monotonic() + TOLD_S_MAX
        while time.monotonic() < until:
            with suppress(AdminError, KafkaException):
                return ask()
            self._wait(1)
        return self._dice.choice(self._brokers.all)


@contextmanager
def _changelog(bootstrap: str) -> Iterator[Consumer]:
    """A reader at the end of the changelog."""
    options = {"bootstrap.servers": bootstrap, "group.id": "chaos", "fetch.wait.max.ms": 5, "log_level": 0}
    reader = Consumer(options | {"enable.auto.commit": False, "auto.offset.reset": "latest"})
    try:
        ends = []
        for partition in range(PARTITIONS):
            place = TopicPartition(CHANGELOG.name, partition)
            with suppress(KafkaException):
                ends.append(
                    TopicPartition(CHANGELOG.name, partition, reader.get_watermark_offsets(place, 5)[1])
                )
        reader.assign(ends)
        yield reader
    finally:
        reader.close()


if __name__ == "__main__":
    sys.exit(main())
