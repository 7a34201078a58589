"""Kymograph's worker against naive Faust, Quix Streams and Bytewax: records of one broker, the same results, one run.

    python -m benchmarks.live [--active 2000] [--active 20000] [--peers all|none|NAME,...] [--work NAME,...] [--short] (and --help)

For each number of sessions that are under way at once: a broker, a feed, Kymograph's worker, and then one peer after the other in each
form: the complete work (each session folded and scored), live windows by the peer's own operators, or the same windows in the form
kindest to it. Kymograph does all of it at once. Each result is one JSON line; ``is_right`` says whether its profiles or windows are
those that its feed must give. The last line has the ratios. How the clocks run and what is not equal: benchmarks/peers/README.md.

Exits with 1 if a digest is wrong or a system failed.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from agents.live import GROUP
from benchmarks.feed import PEOPLE, Fed, Played, digest_of, feed, people
from benchmarks.peers import chain
from benchmarks.peers.environments import (
    PEERS,
    SYSTEMS,
    WORKS,
    Peer,
    PeerFailed,
    profiles_topic,
    python_of,
    run,
)
from streams.codec import Codec
from streams.kafka import KafkaLog
from streams.log import Record
from streams.topics import CHANGELOG, DEAD_LETTERS, EVENTS, HOUR_MS, TOPICS, TRAIT_PROFILES, Topic
from tests.brokers import start_broker, stop_broker
from tests.processes import running

ROOT = Path(__file__).resolve().parents[1]
LIVE_WINDOWS = "kymograph.live-windows.v1"
SAMPLE_S = 0.25
UNTIMED_SHARE_MAX = 0.2
CODEC = Codec()

Result = dict[str, Any]


class Plan(NamedTuple):
    """What to measure, and where to keep things meanwhile."""

    active: int
    events: int
    peers: list[Peer]
    cache: Path
    folder: Path
    seconds_max: float
    is_completed: bool


class Source(NamedTuple):
    """A topic of a peer's, and the digest of what must come of it: of its profiles if the work is complete, else of its windows."""

    topic: str
    fed: Fed
    digest: str


def main() -> int:
    """Measure, print, judge."""
    options = _options()
    # A SIGTERM unwinds, so that no worker, peer or broker is left behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    played = people(20 if options.short else PEOPLE)
    runs: list[list[Result]] = []
    with tempfile.TemporaryDirectory(prefix="kymograph-live-") as scratch:
        for active in options.active:
            plan = Plan(
                active=active,
                events=options.events,
                peers=options.peers,
                cache=options.cache,
                folder=Path(scratch) / str(active),
                seconds_max=options.seconds_max,
                is_completed=not options.open,
            )
            runs.append(list(_measured(plan, played)))
    print(json.dumps({"ratios": [_ratios(results) for results in runs]}))
    return int(not all(result["is_right"] for results in runs for result in results))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="live", description="Live windows: Kymograph and its peers")
    add = parser.add_argument
    add(
        "--active",
        type=int,
        action="append",
        help="sessions under way at once; may be repeated (2000, 20000)",
    )
    add("--events", type=int, help="how many are fed to Kymograph before its last sessions end (1000000)")
    add("--open", action="store_true", help="leave the last sessions open: exactly so many events")
    add("--peers", default="all", help=f"all, none, or some of {','.join(SYSTEMS)}")
    add("--work", default=",".join(WORKS), help=f"what the peers do: {','.join(WORKS)}, or some of them")
    add("--peer-events", type=int, help="how many each peer gets, instead of its own number")
    add("--cache", type=Path, default=ROOT / ".peers", help="where the peers' environments are kept")
    add("--seconds-max", type=float, help="how long Kymograph may take (900)")
    add("--short", action="store_true", help="for CI: 100 sessions, 20,000 events, no peers, 90 s at most")
    options = parser.parse_args()
    if options.short:
        options.peers = "none"
    options.active = options.active or ([100] if options.short else [2_000, 20_000])
    options.events = options.events or (20_000 if options.short else 1_000_000)
    options.seconds_max = options.seconds_max or (45 if options.short else 900)
    systems = {"all": list(SYSTEMS), "none": []}.get(options.peers, options.peers.split(","))
    works = options.work.split(",")
    if unknown := [*({*systems} - {*SYSTEMS}), *({*works} - {*WORKS})]:
        parser.error(f"nothing is called {unknown[0]}: choose of {', '.join((*SYSTEMS, *WORKS))}")
    options.peers = [
        peer._replace(events=options.peer_events or min(peer.events, options.events))
        for peer in PEERS
        if peer.system in systems and peer.work in works
    ]
    return options


def _measured(plan: Plan, played: list[Played]) -> Iterator[Result]:
    """The results of every system on one broker, each printed as soon as it is there."""
    pythons = [python_of(peer, plan.cache) for peer in plan.peers]
    plan.folder.mkdir()
    bootstrap, broker = start_broker(plan.folder / "kafka")
    try:
        log = KafkaLog(bootstrap)
        log.create_topics()
        fed = feed(
            bootstrap,
            active_sessions=plan.active,
            events=plan.events,
            played=played,
            is_completed=plan.is_completed,
        )
        source = Source(EVENTS.name, fed, fed.windows_digest)
        told = {"system": "kymograph", "work": "all", "active_sessions": plan.active}
        yield _printed(told, source, _kymograph(plan, log, bootstrap, fed))
        sources: dict[str, Source] = {}
        for peer, python in zip(plan.peers, pythons, strict=True):
            active = min(plan.active, peer.active_max or plan.active)
            topic = f"bench.events.{active}.{peer.events}.{'ended' if _is_complete(peer) else 'open'}"
            if topic not in sources:
                sources[topic] = _source(peer, topic, bootstrap, active=active, played=played)
            told = {"system": peer.system, "work": peer.work, "active_sessions": active}
            yield _printed(
                told,
                sources[topic],
                _peer(plan, peer, python, bootstrap=bootstrap, source=sources[topic]),
            )
        log.close()
    finally:
        stop_broker(broker)


def _printed(told: Result, source: Source, found: Result) -> Result:
    events, seconds = found["events"], found["seconds"]
    result = {
        **told,
        "events_per_second": round(events / seconds) if seconds else None,
        **found,
        "is_right": found["result_digest"] == source.digest and events == source.fed.events,
        "fed": msgspec.to_builtins(source.fed),
    }
    print(json.dumps(result), flush=True)
    return result


def _ratios(results: list[Result]) -> Result:
    """How many times as fast as each peer at each work Kymograph was; nothing where its run was too short to tell."""
    own, *others = results
    ratios: dict[str, dict[str, float]] = {}
    for other in others:
        if own["is_timed"] and own["events_per_second"] and other["events_per_second"]:
            ratio = own["events_per_second"] / other["events_per_second"]
            ratios.setdefault(other["work"], {})[other["system"]] = round(ratio, 2)
    return {"active_sessions": own["active_sessions"], "kymograph_over": ratios}


# -------------------------------------------------------------------------------------------------------------- peers


def _log_with(topic: str, bootstrap: str) -> KafkaLog:
    """The broker, with this topic."""
    made = Topic(name=topic, retention_ms=HOUR_MS, key="session id", meaning="a feed, or profiles of it")
    log = KafkaLog(bootstrap, [made])
    log.create_topics()
    return log


def _is_complete(peer: Peer) -> bool:
    return peer.work == "complete"


def _source(peer: Peer, name: str, bootstrap: str, *, active: int, played: list[Played]) -> Source:
    """Feed a topic of the peer's.

    To count windows, sessions are left open, because to play 20,000 of them to their ends would keep naive Faust busy for hours.
    """
    log = _log_with(name, bootstrap)
    fed = feed(
        bootstrap,
        active_sessions=active,
        events=peer.events,
        topic=name,
        played=played,
        is_completed=_is_complete(peer),
    )
    digest = digest_of(chain.lines(_records(log, name))) if _is_complete(peer) else fed.windows_digest
    log.close()
    return Source(name, fed, digest)


def _peer(plan: Plan, peer: Peer, python: Path, *, bootstrap: str, source: Source) -> Result:
    folder, fed = plan.folder / f"{peer.framework}_{peer.work}", source.fed
    log = _log_with(profiles_topic(peer), bootstrap)
    try:
        told = run(peer, python, bootstrap=bootstrap, topic=source.topic, events=fed.events, folder=folder)
    except PeerFailed as failed:
        print(failed, file=sys.stderr)
        return {"events": 0, "seconds": None, "result_digest": None}
    if (lines := told["lines"]) is None:
        lines = [chain.line(record.value) for record in _records(log, profiles_topic(peer))]
    log.close()
    return {"events": told["events"], "seconds": round(told["seconds"], 2), "result_digest": digest_of(lines)}


# ---------------------------------------------------------------------------------------------------------- Kymograph


def _kymograph(plan: Plan, log: KafkaLog, bootstrap: str, fed: Fed) -> Result:
    """Run the worker over the log, and read what it wrote."""
    said = plan.folder / "worker.log"
    settings = {"LOG": "kafka", "KAFKA_BOOTSTRAP_SERVERS": bootstrap}
    with running("worker", "--data", str(plan.folder / "data"), log=said, settings=settings) as worker:
        timed = _timed(plan, log, lambda: worker.poll() is None)
    if timed["events"] < fed.events:
        print(f"kymograph was not done: {said.read_text(errors='replace')[-2000:]}", file=sys.stderr)
    changelog_bytes = sum(len(record.key) + len(record.value) for record in _records(log, CHANGELOG.name))
    profiles = [chain.line(record.value) for record in _records(log, TRAIT_PROFILES.name)]
    return {
        **timed,
        "result_digest": _windows_digest(log),
        "profiles": len(profiles),
        "profiles_digest": digest_of(profiles),
        "changelog_bytes_per_event": round(changelog_bytes / fed.events, 1),
        "dead_letters": sum(log.end_offsets(DEAD_LETTERS.name).values()),
    }


def _timed(plan: Plan, log: KafkaLog, is_alive: Callable[[], bool]) -> Result:
    """From the last sample at which nothing was committed to the one at which all was.

    Commits come at intervals, so some work precedes the first of them, and up to an interval's wait the last. The rate between the
    first commit seen and the last is free of the former, and is told beside. A run whose first commit seen has more than a fifth of
    the events is not timed: it was too short for this clock.
    """
    total = sum(log.end_offsets(EVENTS.name).values())
    began = time.perf_counter()
    idle, first, last = began, None, (began, 0)
    while last[1] < total and last[0] - began < plan.seconds_max and is_alive():
        time.sleep(SAMPLE_S)
        asked = time.perf_counter()
        committed = sum(log.committed(GROUP, EVENTS.name).values())
        last = (time.perf_counter(), committed)
        if committed == 0:
            idle = asked
        elif first is None:
            first = last
    later = last[0] - first[0] if first is not None else 0.0
    at_first = first[1] if first is not None else 0
    return {
        "events": last[1],
        "seconds": round(last[0] - idle, 2),
        "start_seconds": round(idle - began, 2),
        "is_timed": 0 < at_first <= UNTIMED_SHARE_MAX * total,
        "events_at_first_commit": at_first,
        "events_per_second_after_first_commit": round((last[1] - at_first) / later) if later else None,
    }


def _windows_digest(log: KafkaLog) -> str | None:
    """Of the live windows as last told; None where this version has no such topic, or nothing in it."""
    if LIVE_WINDOWS not in {topic.name for topic in TOPICS}:
        return None
    # A row is the window's total as of its record's last offset, so the row that has seen most of the session's partition counts.
    latest: dict[str, tuple[int, str]] = {}
    for record in _records(log, LIVE_WINDOWS):
        told: Any = CODEC.decode_record(record.value)
        for session_id, width_us, index, *vector in msgspec.json.decode(told.windows):
            place = f"{session_id},{width_us},{index}"
            if place not in latest or latest[place][0] <= told.last_offset:
                latest[place] = (told.last_offset, ",".join(map(str, vector)))
    return digest_of(f"{place},{row}\n" for place, (_, row) in latest.items()) if latest else None


def _records(log: KafkaLog, topic: str) -> Iterator[Record]:
    for partition, end in log.end_offsets(topic).items():
        yield from log.read(topic, partition, 0, end)


if __name__ == "__main__":
    sys.exit(main())
