"""A feed that goes on: so many sessions under way, at a rate that may be changed, from a process of its own, and its journal.

The journal is shared and by partition. What is sent is entered before a batch is handed to the client, and what is acknowledged after
every replica has it: at any moment acknowledged <= what the log holds <= sent.
"""

import multiprocessing
import time
from collections import Counter
from itertools import islice
from multiprocessing.connection import Connection
from operator import itemgetter
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from confluent_kafka import Producer

from benchmarks.feed import Part, people, records
from streams.topics import EVENTS, PARTITIONS

FULL_SPEED = 1e9
_ENDLESS = 1 << 62
_STEP_S = 0.05
_BATCH_MAX = 20_000
_FLUSH_S_MAX = 120
_END_S_MAX = 150

Offsets = npt.NDArray[np.int64]  # by partition


class Pace(NamedTuple):
    """From now on so many events a second, until so many were sent in all."""

    rate: float
    until: int


class Ended(NamedTuple):
    """What was fed: the ids of the sessions that ended, and how many sent anything."""

    sessions: list[str]
    begun: int


class Feeder:
    """The process, for as long as it is entered. At first it sends nothing."""

    def __init__(self, bootstrap: str, *, active_sessions: int, people_count: int) -> None:
        """For an empty topic of events."""
        context = multiprocessing.get_context(
            "spawn"
        )  # clients of Kafka have threads, and do not outlive a fork
        self._pipe, theirs = context.Pipe()
        self._journal = context.RawArray("q", PARTITIONS), context.RawArray("q", PARTITIONS)
        arguments = (bootstrap, active_sessions, people_count, theirs, self._journal)
        self._process = context.Process(target=_feed, args=arguments, daemon=True)
        self._theirs = theirs

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()  # so that each side notices when the other is gone
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join()

    def pace(self, rate: float, until: int = _ENDLESS) -> None:
        """Go on at this rate, in events a second; 0 is a rest."""
        self._pipe.send(Pace(rate, until))

    def end(self) -> Ended:
        """Send nothing more, once all that was sent is acknowledged. Raises EOFError where the process has ended."""
        self._pipe.send(None)
        if not self._pipe.poll(_END_S_MAX):
            raise TimeoutError("the feed does not end")
        ended: Ended = self._pipe.recv()
        return ended

    def sent(self) -> Offsets:
        """How many were sent, at the most."""
        return np.array(self._journal[0], dtype=np.int64)

    def acknowledged(self) -> Offsets:
        """How many the log has, at the least."""
        return np.array(self._journal[1], dtype=np.int64)

    @property
    def has_failed(self) -> bool:
        """Whether the process ended before it was told to."""
        return self._process.exitcode not in (None, 0)


def _feed(bootstrap: str, active: int, people_count: int, pipe: Connection, journal: tuple[Any, Any]) -> None:
    """The process: send at the pace that was told last, until told None. Where it cannot keep up it sends what it can."""
    sent, acknowledged = journal
    parts: list[Part] = []
    begun: set[bytes] = set()
    stream = records(people(people_count), active, _ENDLESS, parts, is_completed=False)
    producer = Producer(
        {"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "log_level": 3}
        | {"batch.size": 1_000_000, "queue.buffering.max.messages": 2 * _BATCH_MAX}
    )
    pace: Pace | None = Pace(0.0, 0)
    made, base, since_s, next_s = 0, 0, time.monotonic(), time.monotonic()
    while pace is not None:
        if pipe.poll(max(0.0, next_s - time.monotonic())):
            pace, base, since_s = pipe.recv(), made, time.monotonic()
            continue
        next_s = time.monotonic() + _STEP_S
        due = int(min(pace.until, base + pace.rate * (time.monotonic() - since_s))) - made
        if due <= 0:
            continue
        batch = list(islice(stream, min(due, _BATCH_MAX)))
        for partition, count in Counter(map(itemgetter(1), batch)).items():
            sent[partition] += count
        for key, partition, value in batch:
            producer.produce(EVENTS.name, value, key, partition)
        assert producer.flush(_FLUSH_S_MAX) == 0, "the broker did not take the feed"
        acknowledged[:] = sent[:]
        begun.update(map(itemgetter(0), batch))
        made += len(batch)
    next(stream)  # not sent: that a session ended is noted when the stream goes on
    pipe.send(Ended([part.session_id for part in parts], len(begun)))
