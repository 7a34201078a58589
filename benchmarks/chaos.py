"""A stream of sessions under faults: workers and the broker killed, frozen, added and taken away; then everything is judged from outside.

    python -m benchmarks.chaos [--events 100000] [--faults 30] [--seed N] [--workers 2] [--short] [--without GUARD]

One broker, some ``kymograph worker`` processes, and a journal of every event that the broker acknowledged. The faults come by the seed,
at random moments; between them, every event must find its way. ``benchmarks/chaos_judge.py`` says what is lost, counted twice or wrong,
and one JSON line tells it. Exits 1 if anything is. ``--without`` takes a guard from the workers: then something must be.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from agents.event_logger import EventLogger
from agents.live import GUARDS
from agents.worker import APP_ID
from benchmarks.chaos_judge import judge, lying
from benchmarks.chaos_processes import Broker, Workers
from benchmarks.feed import SEED as FEED_SEED
from benchmarks.feed import Played, records
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.people import crowd
from streams.kafka import KafkaLog
from streams.memory import MemoryLog
from streams.topics import CHANGELOG, EVENTS, PARTITIONS, TRAIT_PROFILES
from tests.brokers import broker_unavailable_reason

PEOPLE, ACTIVE = 60, 40
REPEATED_SHARE = 0.01  # of the events are sent twice, as clients do that missed an answer
FLUSH_S_MAX = 120
FROZEN_S = (12.0, 16.0)  # beyond the group's session timeout of 10 s
STALLED_S = (2.0, 13.0)  # around the worker's patience of 10 s
SHORT = {"events": 10_000, "faults": 4, "pause_s": (3.0, 6.0), "drain_s": 45.0}
LONG = {"events": 100_000, "faults": 30, "pause_s": (8.0, 20.0), "drain_s": 180.0}
KINDS = ("broker_kill", "broker_stall", "extra_worker", "freeze", "kill", "kill_amid_a_round")
_HEAD = b"\0kh\0"  # how a head of the changelog begins
_SHORT_GAMES = (
    balloon_risk.Design(balloons=3),
    reaction_timer.Design(trials=4),
    memory_cards.Design(rounds=1, n_pairs=4, rows=2, cols=4),
)


def main() -> int:
    """Run, print, judge."""
    options = _options()
    reason = broker_unavailable_reason()
    if reason is not None:
        print(f"chaos: {reason}", file=sys.stderr)
        return 3
    # A SIGTERM unwinds, so that no worker and no broker is left behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="kymograph-chaos-") as scratch:
        result = _result(options, Path(scratch))
    print(json.dumps(result), flush=True)
    return int(not result["is_right"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chaos", description="Faults, and whether they change anything")
    add = parser.add_argument
    add("--events", type=int, help="how many are fed, about (100000)")
    add("--faults", type=int, help="how many (30)")
    add("--seed", type=int, default=1, help="of the faults and the feed (1)")
    add("--workers", type=int, default=2, choices=[1, 2, 3, 4], help="side by side (2)")
    add("--brokers", type=int, default=1, help="only 1 for now: a cluster of three is not supported yet")
    add("--short", action="store_true", help="for CI: 10,000 events and 4 faults, within about 120 s")
    add("--only", choices=KINDS, help="faults of one kind alone")
    add("--without", choices=sorted(GUARDS), help="workers without this guard: a fault must be found")
    options = parser.parse_args()
    if options.brokers != 1:
        parser.error("--brokers: only 1 is supported; infra/kafka/broker starts no cluster of three yet")
    for name, value in (SHORT if options.short else LONG).items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    return options


def _result(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One run, from the broker's start to its end."""
    began = time.perf_counter()
    dice = random.Random(f"chaos {options.seed}")
    broker = Broker(folder / "kafka")
    try:
        broker.start()
        log = KafkaLog(broker.bootstrap)
        log.create_topics()
        log.close()
        pause_s = sum(options.pause_s) / 2 + 9  # a fault takes about as long
        feed = Feed(broker.bootstrap, options.events, rate=options.events / (options.faults * pause_s))
        with Workers(broker.bootstrap, folder, options.workers, options.without) as workers:
            feed.start()
            storm = Storm(dice, broker, workers, pause_s=options.pause_s)
            storm.run(options.faults, KINDS if options.only is None else (options.only,))
            workers.watch_until(lambda: not feed.is_alive(), seconds_max=options.drain_s + FLUSH_S_MAX)
            lag = _drained(broker.bootstrap, workers, feed, seconds_max=options.drain_s)
        verdict = judge(broker.bootstrap, feed.journal)
        is_right = verdict.is_right and feed.error is None and len(feed.journal) == feed.sent
        return {
            "seed": options.seed,
            "without": options.without,
            "is_right": is_right,
            "events": feed.sent,
            "acknowledged": len(feed.journal),
            **verdict.told(),
            "faults": dict(sorted(storm.faults.items())),
            "workers_that_ended_by_themselves": workers.ended,
            "uncommitted": lag,
            "feed_error": feed.error,
            "seconds": round(time.perf_counter() - began, 1),
        }
    finally:
        broker.end()


def _drained(bootstrap: str, workers: Workers, feed: "Feed", *, seconds_max: float) -> int:
    """Wait until all is committed, or every session has a profile. How many records are uncommitted then."""
    reader = Consumer({"bootstrap.servers": bootstrap, "group.id": APP_ID, "log_level": 0})
    ends = Counter(partition for partition, _ in feed.journal)
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

    def _delivered(self, error: Any, message: Any) -> None:
        if error is not None:
            self.error = str(error)
        else:
            self.journal[message.partition(), message.offset()] = sha256(message.value()).digest()


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
        self, dice: random.Random, broker: Broker, workers: Workers, *, pause_s: tuple[float, float]
    ) -> None:
        """Calm."""
        self._dice, self._broker, self._workers, self._pause_s = dice, broker, workers, pause_s
        self.faults: Counter[str] = Counter()

    def run(self, faults: int, kinds: Sequence[str]) -> None:
        """So many of these kinds, with pauses between them."""
        deck: list[str] = []
        for _ in range(faults):
            self._wait(self._dice.uniform(*self._pause_s))
            deck = deck or self._dice.sample(kinds, len(kinds))
            kind = deck.pop()
            print(f"chaos: {kind}", file=sys.stderr, flush=True)
            getattr(self, f"_{kind}")()
            self.faults[kind] += 1

    def _wait(self, seconds: float) -> None:
        self._workers.watch_until(lambda: False, seconds_max=seconds)

    def _kill(self) -> None:
        """Of a worker, at any moment."""
        self._workers.kill(self._dice.choice(self._workers.alive))

    def _kill_amid_a_round(self) -> None:
        """Of all workers, as soon as one has told the changelog how far it is, and before it can say so by a commit."""
        with _changelog(self._broker.bootstrap) as reader:
            until = time.monotonic() + 5
            while time.monotonic() < until:
                message = reader.poll(0.05)
                if message is not None and message.error() is None and message.value()[:4] == _HEAD:
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
        """kill -9 of the broker, and a start on the same folder."""
        self._broker.kill()
        self._wait(self._dice.uniform(0, 3))
        self._broker.start()

    def _broker_stall(self) -> None:
        """Nothing is acknowledged for some seconds; at times workers are killed meanwhile, with appends on their way."""
        self._broker.signal(signal.SIGSTOP)
        self._wait(self._dice.uniform(*STALLED_S))
        if self._dice.random() < 0.5:
            self._workers.kill(self._dice.choice(self._workers.alive))
        self._broker.signal(signal.SIGCONT)


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
