"""Every order in which a partition's owners may act, crash and be taken for dead: one seed, one schedule.

    python -m tests.simulation.schedules [--schedules 20000] [--first-seed 0] [--without applied|changelog|order] [--processes 2]

A schedule interleaves, by its dice, what a driver does with ``agents/live.py``: fetch, take, prepare, append one message or many,
commit. Owners crash between any two of those acts, and in the middle of an append, whose rest then lands later or never; a partition
passes to another owner while the one before goes on as a zombie, whose appends still land and whose commits are refused; a driver
fetches again what it had, and leaves out what it should have had. In the end a fresh owner folds what is left, and what stands in the
topics is compared with what the agents say of the same records one after the other. Prints one JSON line; exits 1 at a mismatch.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial

import agents.changelog
import agents.sessions
from agents.fetched import records_of
from agents.live import GUARDS, Live
from agents.metric_extractor import MetricExtractor
from agents.partition import Scorer
from streams.columns import ColumnDecoder
from streams.log import Message
from streams.topics import CHANGELOG, EVENTS
from tests.simulation.plays import CODEC, PLAYS, OnePartition, Told, play

GROUP = "owners"
ACTS_MAX = 45
PROCESSES_MAX = 3
SCORER = Scorer(CODEC, ColumnDecoder(), MetricExtractor(CODEC), [])

Calls = deque[tuple[str, deque[Message]]]


class Process:
    """A worker that owns the partition, or thinks so: its driver's place, and the round that it is writing."""

    def __init__(self, log: OnePartition, guards: frozenset[str]) -> None:
        """It owns nothing yet."""
        self._log = log
        self.live = Live(log, SCORER, guards=guards)
        self.is_owner = False
        self.place = 0
        self.calls: Calls = deque()  # what the round still lacks; one call of append each
        self.offset: int | None = None  # what may be committed after them
        self.is_amid = False  # of an append

    def own(self) -> bool:
        """Take the partition over, and seek as the worker does. Whether more was remembered than was committed."""
        committed = self._log.committed(GROUP, EVENTS.name).get(0, 0)
        begin = self.live.own(0, self.live.remember(0, committed))
        self.is_owner, self.place = True, min(begin, committed)
        self.calls, self.offset, self.is_amid = deque(), None, False
        return begin > committed

    def take(self, size: int) -> None:
        """Fetch so many records, at most, and fold them."""
        records = list(self._log.read(EVENTS.name, 0, self.place, self.place + size))
        if records:
            self.live.take(0, records_of(records))
            self.place = records[-1].offset + 1

    def prepare(self) -> None:
        """Begin a round, if none is under way."""
        made = self.live.prepare() if self.offset is None else None
        if made is not None:
            steps = [(topic, deque(messages)) for step in made.steps for topic, messages in step.items()]
            self.calls, self.offset = deque(one for one in steps if one[1]), made.offsets[0]

    def append(self, messages: int) -> None:
        """Make so many messages of the round durable; an append ends before the next begins."""
        while self.calls and messages > 0:
            topic, left = self.calls[0]
            self._log.append(topic, [left.popleft()])
            messages, self.is_amid = messages - 1, bool(left)
            if not left:
                self.calls.popleft()

    def commit(self) -> bool:
        """Commit the round, all of which is durable; a zombie's is refused. Whether it was taken."""
        assert self.offset is not None, "there is a round"
        assert not self.calls, "only what is durable is committed"
        offset, self.offset = self.offset, None
        if self.is_owner:
            self._log.commit(GROUP, EVENTS.name, {0: offset})
        return self.is_owner

    def finish(self) -> None:
        """End the round that is under way and make another, as a worker does that is asked to hand over."""
        for _ in range(2):
            self.prepare()
            self.append(1 << 30)
            if self.offset is not None:
                self.commit()


class Schedule:
    """One schedule. ``acts`` counts what happened in it."""

    def __init__(self, seed: int, guards: frozenset[str] = GUARDS) -> None:
        """Nothing has happened."""
        self.dice = random.Random(f"schedule {seed}")
        self.play, self.guards = play(seed % PLAYS), guards
        self.log = OnePartition(self.play.records)
        self.acts: Counter[str] = Counter()
        self.processes: list[Process] = []
        self.idle: list[Process] = []  # alive, and waiting for a partition
        self.late: list[tuple[str, deque[Message]]] = []  # appends whose writer crashed

    def run(self) -> list[str]:
        """Act, then let a fresh owner end it. What is wrong in the end, in words."""
        with _small(self.dice):
            for _ in range(self.dice.randint(5, ACTS_MAX)):
                self._act()
            for process in [*self.processes]:
                self._crash(process)
            while self.late and self.dice.random() < 0.8:
                self._land()
            last = Process(self.log, self.guards)
            self._note("restored_beyond_commit", last.own())
            last.take(1 << 30)
            last.finish()
            while self.late:
                self._land()
        return self._judged()

    def _act(self) -> None:
        """One act of somebody."""
        owner = next((one for one in self.processes if one.is_owner), None)
        if owner is None or self.dice.random() < 0.05:
            self._rebalance(owner)
        elif self.late and self.dice.random() < 0.2:
            self._land()
        elif self.dice.random() < 0.005:  # a cache: it is made again from the log
            self.log.lose(CHANGELOG.name)
            self._note("changelog_lost")
        elif self.dice.random() < 0.06:
            self._crash(self.dice.choice(self.processes))
        else:
            self._go_on(self.dice.choice(self.processes))

    def _go_on(self, process: Process) -> None:
        """What a driver does next, if it still can."""
        dice, size = self.dice, len(self.play.records)
        chance = dice.random()
        if chance < 0.30:
            process.take(dice.randint(1, 1 + size // 3))
        elif chance < 0.92:
            self._round(process)
        elif chance < 0.97:  # the driver seeks: what it had comes again
            process.place = dice.randint(0, process.place)
            self._note("fetched_again")
        else:  # the driver drops what it fetched
            process.place = min(process.place + dice.randint(1, 3), size)
            self._note("left_out")

    def _round(self, process: Process) -> None:
        """The next act of its round: begin it, append some of it, or commit it."""
        if process.offset is None:
            process.prepare()
        elif process.calls:
            process.append(self.dice.choice([1, 2, 5, 1 << 30]))
        else:
            self._commit(process)

    def _commit(self, process: Process) -> None:
        taken = process.commit()
        self._note("committed" if taken else "refused")
        if not taken and self.dice.random() < 0.6:  # it learns that it was taken for dead
            self.processes.remove(process)
            process.live.disown()
            self.idle.append(process)

    def _rebalance(self, owner: Process | None) -> None:
        """The partition passes on: from one that hands over, or from one that is taken for dead and goes on."""
        if owner is not None and self.dice.random() < 0.3:
            owner.finish()
            owner.live.disown()
            self.processes.remove(owner)
            self.idle.append(owner)
            self._note("handed_over")
        elif owner is not None:
            owner.is_owner = False
            self._note("zombie")
        if len(self.processes) >= PROCESSES_MAX:
            self._crash(self.processes[0])
        if self.idle and self.dice.random() < 0.3:
            heir = self.idle.pop(self.dice.randrange(len(self.idle)))
        else:
            heir = Process(self.log, self.guards)
        self.processes.append(heir)
        self._note("restored_beyond_commit", heir.own())

    def _crash(self, process: Process) -> None:
        """It is gone; the rest of the append that it was in may be on its way."""
        self.processes.remove(process)
        self._note("crashed")
        self._note("crashed_amid_an_append", process.is_amid)
        self._note("crashed_amid_a_round", bool(process.calls))
        if process.calls and self.dice.random() < 0.5:
            self.late.append(process.calls[0])

    def _land(self) -> None:
        """A message of a crashed writer lands after all."""
        topic, left = stalled = self.dice.choice(self.late)
        self.log.append(topic, [left.popleft()])
        self._note("landed_late")
        if not left:
            self.late.remove(stalled)

    def _note(self, what: str, has_happened: bool = True) -> None:
        self.acts[what] += has_happened

    def _judged(self) -> list[str]:
        expected, found = self.play.told, self.log.told()
        wrong = [name for name in Told._fields if getattr(found, name) != getattr(expected, name)]
        committed = self.log.committed(GROUP, EVENTS.name).get(0, 0)
        return wrong + ["committed"] * (committed != len(self.play.records))


@contextmanager
def _small(dice: random.Random) -> Iterator[None]:
    """Blocks cut into parts, and whole snapshots now and then, at the size of these sessions."""
    sessions = agents.sessions
    before = agents.changelog._PART_BYTES, sessions._SNAPSHOTS_MAX, sessions._LASTING_MAX
    agents.changelog._PART_BYTES = dice.choice([60, 300, before[0]])
    sessions._SNAPSHOTS_MAX = dice.choice([1, 2, 3, before[1]])
    sessions._LASTING_MAX = dice.choice([1, 2, 3, before[2]])
    try:
        yield
    finally:
        agents.changelog._PART_BYTES, sessions._SNAPSHOTS_MAX, sessions._LASTING_MAX = before


def simulate(seeds: range, guards: frozenset[str] = GUARDS) -> tuple[dict[int, list[str]], Counter[str]]:
    """These schedules: what is wrong, by seed, and how often what happened."""
    wrong: dict[int, list[str]] = {}
    acts: Counter[str] = Counter()
    for seed in seeds:
        schedule = Schedule(seed, guards)
        try:
            found = schedule.run()
        except Exception as error:  # noqa: BLE001  # a worker that ends by an error is a finding, and the next seed goes on
            found = [f"{type(error).__name__}: {error}"]
        if found:
            wrong[seed] = found
        acts += schedule.acts
    return wrong, acts


def main() -> int:
    """Simulate, print, judge."""
    parser = argparse.ArgumentParser(prog="schedules", description="Schedules of the protocol, by seed")
    parser.add_argument("--schedules", type=int, default=20_000, help="how many (20000)")
    parser.add_argument("--first-seed", type=int, default=0, help="the first one's seed (0)")
    parser.add_argument("--without", choices=sorted(GUARDS), help="turn a guard off: it must be missed")
    parser.add_argument("--processes", type=int, default=2, help="side by side (2)")
    options = parser.parse_args()
    guards = GUARDS - {options.without}
    began = time.perf_counter()
    wrong, acts = _in_parallel(
        partial(simulate, guards=guards), options.first_seed, options.schedules, options.processes
    )
    by_kind = Counter(kind.split(":")[0] for found in wrong.values() for kind in found)
    result = {
        "schedules": options.schedules,
        "without": options.without,
        "mismatches": len(wrong),
        "wrong": dict(by_kind),
        "first_seeds": sorted(wrong)[:5],
        "acts": dict(sorted(acts.items())),
        "seconds": round(time.perf_counter() - began, 1),
    }
    print(json.dumps(result))
    return int(bool(wrong))


def _in_parallel(
    run: Callable[[range], tuple[dict[int, list[str]], Counter[str]]], first: int, count: int, processes: int
) -> tuple[dict[int, list[str]], Counter[str]]:
    """In parts of 500; what came of all."""
    parts = [range(at, min(at + 500, first + count)) for at in range(first, first + count, 500)]
    wrong: dict[int, list[str]] = {}
    acts: Counter[str] = Counter()
    with ProcessPoolExecutor(processes) as pool:
        for found, counted in pool.map(run, parts):
            wrong |= found
            acts += counted
    return wrong, acts


if __name__ == "__main__":
    sys.exit(main())
