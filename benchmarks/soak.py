"""A worker under a steady load for minutes, and then under twice what it can do: is its memory flat, and is what it tells of its lag true?

    python -m benchmarks.soak [--minutes 10] [--overload-minutes 2] [--active 2000] [--samples FILE] [--short] (and --help)

A broker, a worker and a feed, each a process. First a backlog, for the worker's own capacity; then 70 % of that, the same sessions going
on, where the slope of its memory is taken; then 200 %; then nothing more is fed, and all of it must be counted. One JSON line; ``lines``
says what held, and ``judged`` which of them decide. Exits with 1 if one of these does not hold. How each figure is come by:
benchmarks/README.md. It reads /proc: Linux alone.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from agents.live import GROUP
from benchmarks.judged import judged
from benchmarks.soak_feed import FULL_SPEED, Feeder
from benchmarks.soak_judge import LINES, Counted, Phase, Seen, result_of
from benchmarks.soak_watch import Look, Watcher, total
from streams.kafka import KafkaLog
from streams.topics import DEAD_LETTERS, EVENTS, PARTITIONS, TRAIT_PROFILES
from telemetry.metrics import FOLD_EVENTS, FOLD_OPEN_SESSIONS, FOLD_SESSIONS_CLOSED
from tests.brokers import free_ports, start_broker, stop_broker
from tests.processes import kymograph, running

STEADY_SHARE, OVERLOAD_SHARE = 0.7, 2.0
BACKLOG_S_MAX, DRAIN_S_MAX, SETTLE_S_MAX = 600.0, 1_800.0, 30.0
SHORT = {"active": 100, "backlog": 20_000, "minutes": 0.12, "overload_minutes": 0.12, "people": 20}
LONG = {"active": 2_000, "backlog": 4_000_000, "minutes": 10.0, "overload_minutes": 2.0, "people": 100}
SHORT_CAPACITY = 3_000.0  # events a second, taken for it: its backlog is too short to tell
SHORT_JUDGED = ("lag_is_honest", "drained", "conserved", "sampled")


def main() -> int:
    """Run, print, judge."""
    options = _options()
    return judged("soak", lambda folder: _result(options, folder))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="soak", description="A worker's memory and lag under a steady load")
    add = parser.add_argument
    add("--minutes", type=float, help="at 70 %% of the worker's capacity (10)")
    add("--overload-minutes", type=float, help="at 200 %% of it (2)")
    add("--active", type=int, help="sessions under way at once (2000)")
    add("--backlog", type=int, help="events before the worker starts, for its capacity (4000000)")
    add("--samples", type=Path, help="a file that takes every sample, a JSON line each")
    add(
        "--short",
        action="store_true",
        help="for CI: a small rate, about 50 s; no speed and no slope is judged",
    )
    options = parser.parse_args()
    for name, value in (SHORT if options.short else LONG).items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    return options


def _result(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One run, from the broker's start to its end."""
    bootstrap, broker = start_broker(folder / "kafka")
    try:
        log = KafkaLog(bootstrap)
        log.create_topics()
        (port,) = free_ports(1)
        settings = {"LOG": "kafka", "KAFKA_BOOTSTRAP_SERVERS": bootstrap, "METRICS_PORT": str(port)}
        said, data = folder / "worker.log", str(folder / "data")
        with Feeder(bootstrap, active_sessions=options.active, people_count=options.people) as feeder:
            feeder.pace(FULL_SPEED, until=options.backlog)
            _wait(lambda: feeder.acknowledged().sum() == options.backlog, feeder)
            with running("worker", "--data", data, log=said, settings=settings) as worker:
                watcher = Watcher(log, feeder, worker, port, samples=options.samples)
                try:
                    seen = _seen(options, watcher, feeder)
                except RuntimeError:
                    print(said.read_text(errors="replace")[-3_000:], file=sys.stderr)
                    raise
                counted = _counted(log, watcher, fed=int(feeder.sent().sum()))
        told = kymograph("lag", "--json", "--data", data, settings=settings).stdout.splitlines()
        lags = [one for one in map(json.loads, told) if one["group"] == GROUP]
        assert len(lags) == PARTITIONS, "the command tells a line a partition"
        log.close()
    finally:
        stop_broker(broker)
    left = sum(one["records"] for one in lags)
    return result_of(
        seen, watcher, counted, uncommitted=left, judged=SHORT_JUDGED if options.short else LINES
    )


def _wait(is_done: Callable[[], bool], feeder: Feeder) -> None:
    deadline_s = time.monotonic() + BACKLOG_S_MAX
    while not is_done():
        if feeder.has_failed or time.monotonic() > deadline_s:
            raise RuntimeError("the backlog was not fed")
        time.sleep(0.1)


def _seen(options: argparse.Namespace, watcher: Watcher, feeder: Feeder) -> Seen:
    """Drive the feed through the phases."""

    def phase(name: str, is_done: Callable[[], bool], seconds_max: float) -> Phase:
        watcher.phase, looks, samples = name, len(watcher.looks), len(watcher.samples)
        is_over = watcher.until(is_done, seconds_max=seconds_max)
        print(f"soak: {name} is over", file=sys.stderr, flush=True)
        return Phase(watcher.looks[looks:], watcher.samples[samples:], is_over)

    def is_drained() -> bool:
        told = watcher.told["worker"][-1:]
        return (
            watcher.looks[-1].lag == 0
            and bool(told)
            and told[0].from_s > fed_s
            and told[0].records.sum() == 0
        )

    backlog = phase(
        "backlog",
        lambda: bool(watcher.looks) and watcher.looks[-1].committed.sum() == options.backlog,
        BACKLOG_S_MAX,
    )
    capacity, capacity_s = capacity_of(backlog.looks)
    if options.short:
        capacity = SHORT_CAPACITY
    feeder.pace(STEADY_SHARE * capacity)
    steady = phase("steady", lambda: False, 60 * options.minutes)
    feeder.pace(OVERLOAD_SHARE * capacity)
    overload = phase("overload", lambda: False, 60 * options.overload_minutes)
    ended, fed_s = feeder.end(), time.time()
    drain = phase("drain", is_drained, DRAIN_S_MAX)
    return Seen(capacity, capacity_s, backlog, steady, overload, drain, ended)


def capacity_of(looks: Sequence[Look]) -> tuple[float, float]:
    """Events a second, and over how many seconds: from the first commit seen to the last but one, because before the last one the
    worker may have waited. Both are 0 where fewer were seen.
    """
    commits: list[tuple[float, int]] = []
    for look in looks:
        committed = int(look.committed.sum())
        if committed > (commits[-1][1] if commits else 0):
            commits.append((look.ended_s, committed))
    if len(commits) < 3:
        return 0.0, 0.0
    (first_s, first), (last_s, last) = commits[0], commits[-2]
    return (last - first) / (last_s - first_s), last_s - first_s


def _counted(log: KafkaLog, watcher: Watcher, *, fed: int) -> Counted:
    """What became of the events, as the worker tells it and as it lies in the topics."""
    watcher.until(lambda: total(watcher.numbers(), FOLD_EVENTS.name) >= fed, seconds_max=SETTLE_S_MAX)
    numbers = watcher.numbers()
    profiles = Counter(
        record.key.decode()
        for partition, end in log.end_offsets(TRAIT_PROFILES.name).items()
        for record in log.read(TRAIT_PROFILES.name, partition, 0, end)
    )
    return Counted(
        fed=fed,
        in_the_log=sum(log.end_offsets(EVENTS.name).values()),
        outcomes={
            how: int(total(numbers, FOLD_EVENTS.name, outcome=how)) for how in FOLD_EVENTS.labels["outcome"]
        },
        open_sessions=int(total(numbers, FOLD_OPEN_SESSIONS.name)),
        closed_sessions=int(total(numbers, FOLD_SESSIONS_CLOSED.name)),
        dead_letters=sum(log.end_offsets(DEAD_LETTERS.name).values()),
        profiles=profiles,
    )


if __name__ == "__main__":
    sys.exit(main())
