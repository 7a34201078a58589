"""The same simulated person again and again: what differs between the sessions is chance, their mean is the person's true value."""

import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from typing import Any, TypeVar

import msgspec

from agents.event_logger import EventLogger
from science.measure import Measures, measure
from science.session import Session
from simulators.people import protocol_of
from simulators.population import Mind, Population
from simulators.sitting import Design, Fields, play, sit
from streams.codec import Codec
from streams.memory import MemoryLog
from streams.topics import EVENTS

T = TypeVar("T")
R = TypeVar("R")
Change = Callable[[str, Any], Any]  # of a game's Person, by the game's name


class Person:
    """Someone with known traits, who plays a protocol to the end as often as asked."""

    def __init__(self, key: str, designs: Sequence[Design], change: Change | None = None) -> None:
        """Equal keys give equal people; ``change`` bends their traits."""
        dice = random.Random(key)
        mind = Mind(key, dice, Population())
        drawn = sit(f"participant {key}", protocol_of(designs), mind.on(1), dice, leaving=0.0)
        self.key = key
        self.traits = drawn.people
        if change is not None:
            self.traits = {name: change(name, someone) for name, someone in drawn.people.items()}
        self._sitting = msgspec.structs.replace(drawn, people=self.traits)

    def sessions(self, count: int) -> list[Measures]:
        """What ``count`` sessions measure, each through the public door."""
        name = self.key.replace("/", ".")
        plays = (
            play(f"{name}.{number}", self._sitting, random.Random(f"{self.key}/{number}"))
            for number in range(count)
        )
        return measures_of(chain.from_iterable(plays))


def measures_of(events: Iterable[Fields]) -> list[Measures]:
    """Through the door, the log and the fold; the sessions by id. Every event must be accepted, every session closed."""
    codec, log = Codec(), MemoryLog()
    logger = EventLogger(log, control_url="sqlite://", codec=codec)
    verdicts = logger.record(list(events))
    refused = [verdict for verdict in verdicts if verdict.status != "accepted"]
    assert not refused, f"the door refused {refused[0]}"
    sessions: dict[str, Session] = {}
    for partition in range(EVENTS.partitions):
        for record in log.read(EVENTS.name, partition, 0):
            event = codec.decode(record.value)
            sessions.setdefault(event.session_id, Session(event.session_id)).step(event)
    return [measure(session) for _, session in sorted(sessions.items())]


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """``work`` on every item, in order, by as many processes as there are processors."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        yield from pool.map(work, items)
