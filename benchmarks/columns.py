"""Scoring by columns against scoring one by one, from the events of many sessions to the bytes of their profiles; one run, one core.

The sessions of ``benchmarks/scoring.py``. One by one the events are a folded session's objects; by columns they are what a decoder of
columns would hand out (``science/columns/events.py``; none exists yet, so ``columns_ms`` says what it takes to turn objects into them,
outside of the clock). A session in which anything is odd is walked, inside of it. The median of seven rounds is taken.

Prints one JSON line a kind of session; exits with 1 if a profile differs.
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from statistics import median

from agents.event_logger import EventLogger
from benchmarks.scoring import PROTOCOLS
from science.columns.events import Events, columns_of
from science.columns.infer import infer_all
from science.columns.measure import clean_measures
from science.mapping import load
from science.measure import Measures, measure
from science.profile import infer
from science.session import Session
from simulators.people import crowd
from simulators.sitting import Design
from streams.codec import Codec
from streams.memory import MemoryLog
from streams.topics import EVENTS

SESSIONS, ROUNDS = 500, 7


def main() -> int:
    """Measure both ways, compare every profile, print."""
    published, differ = load("core@1.0.0"), 0
    for games, designs in PROTOCOLS.items():
        sessions = _sessions(designs)
        events = columns_of(sessions)

        def measures(sessions: Sequence[Session] = sessions, events: Events = events) -> list[Measures]:
            found = zip(clean_measures(events), sessions, strict=True)
            return [measure(session) if one is None else one for one, session in found]

        def one_by_one(sessions: Sequence[Session] = sessions) -> list[bytes]:
            return [infer(measure(session), published).canonical() for session in sessions]

        def by_columns(measures: Callable[[], list[Measures]] = measures) -> list[bytes]:
            return [profile.canonical() for profile in infer_all(measures(), published)]

        profiles = one_by_one()
        different = sum(one != other for one, other in zip(profiles, by_columns(), strict=True))
        differ += different
        one, many = (_milliseconds(step) / len(sessions) for step in (one_by_one, by_columns))
        told = {
            "games": games,
            "sessions": len(sessions),
            "events_per_session": round(len(events.unit) / len(sessions)),
            "walked": sum(found is None for found in clean_measures(events)),
            "columns_ms": round(_milliseconds(lambda s=sessions: columns_of(s)) / len(sessions), 4),
            "one_by_one_ms": round(one, 4),
            "by_columns_ms": round(many, 4),
            "of_which_measure_ms": round(_milliseconds(measures) / len(sessions), 4),
            "ratio": round(many / one, 3),
            "profiles_that_differ": different,
        }
        print(json.dumps(told))
    return int(differ > 0)


def _sessions(designs: tuple[Design, ...]) -> list[Session]:
    codec, log = Codec(), MemoryLog()
    logger = EventLogger(log, control_url="sqlite://", codec=codec)
    for _, _, events in crowd(SESSIONS, 1, *designs):
        logger.record(events)
    sessions: dict[str, Session] = {}
    for partition in range(16):
        for record in log.read(EVENTS.name, partition, 0):
            event = codec.decode(record.value)
            sessions.setdefault(event.session_id, Session(event.session_id)).step(event)
    return list(sessions.values())


def _milliseconds(step: Callable[[], object]) -> float:
    """The median round, the garbage of the rounds before it away."""
    taken = []
    for _ in range(ROUNDS):
        gc.collect()
        gc.freeze()
        began = time.perf_counter()
        step()
        taken.append(1_000 * (time.perf_counter() - began))
    return median(taken)


if __name__ == "__main__":
    sys.exit(main())
