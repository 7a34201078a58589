"""The closer: ``agents/closer.py``, on real logs whose time a test moves by hand."""

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner

import agents.closer
from agents.closer import GROUP, Abandonment, Closer, Limits, OpenSessions, Reason
from agents.event_logger import EventLogger
from agents.local import GROUP as SCORING
from agents.local import LocalWorker, RowTable
from cli.closing import closer as command
from cli.options import Front
from cli.settings import Settings
from streams.log import Log, Message, Position, Record
from streams.memory import MemoryLog
from streams.partitioner import partition_of
from streams.sqlite import SqliteLog
from streams.topics import EVENTS, PARTITIONS, SESSION_METRICS
from tests.agents.doors import CODEC, NOW_MS, HandClock, metrics, profiles, scoring, sealed, size, the_log
from tests.agents.test_event_logger import TIMES
from tests.cli.kymograph import PREFIX, ROOT, told

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
MEMORY = Path(":memory:")
S1 = sealed("s-1")
MINE = partition_of(b"s-1", PARTITIONS)
# Other sessions of the same partition, so that they share positions.
NEAR = [name for n in range(2, 400) if partition_of((name := f"s-{n}").encode(), PARTITIONS) == MINE]


class World:
    """A log whose time is the clock's, a worker, a door and a closer."""

    def __init__(self, log: Log, clock: HandClock, folder: Path) -> None:
        self.log, self.clock, self._folder = log, clock, folder
        self.rows = RowTable(MEMORY)
        self.restart()

    def restart(self, log: Log | None = None) -> None:
        """A closer that knows nothing, over this log or one that stands before it."""
        log = log if log is not None else self.log
        url = f"sqlite:///{self._folder / 'control.sqlite'}"
        door = EventLogger(log, control_url=url, codec=CODEC, clock=self.clock)
        self.closer = Closer(log, CODEC, door, limits=Limits(), scored_by=SCORING)

    def append(self, *messages: Message) -> None:
        self.log.append(EVENTS.name, messages)

    def score(self) -> None:
        LocalWorker(self.log, self.rows, scoring()).catch_up()

    def sweep(self, after_ms: int = 0) -> list[tuple[str, str]]:
        """Time passes, the worker scores, the closer sweeps, the worker scores again; what was abandoned."""
        self.clock.ms += after_ms
        self.score()
        found = self.closer.sweep(self.clock.ms)
        self.score()
        return [(one.session_id, one.reason) for one in found]

    def words(self) -> list[tuple[str, object]]:
        """Every ``session.abandoned`` of the log, with its reason."""
        read = [CODEC.fields(record.value) for record in the_log(self.log) if record.value[:1] == b"\xc3"]
        return [
            (str(fields["session_id"]), fields["reason"])
            for kind, fields in read
            if kind == "session.abandoned"
        ]

    def profiles(self) -> dict[str, bytes]:
        return {one.session_id: one.profile for one in profiles(self.log)}

    def committed(self, topic: str = EVENTS.name) -> int | None:
        return self.log.committed(GROUP, topic).get(MINE)

    def how(self, session_id: str) -> str:
        """How a session closed, as its only metrics say."""
        (measured,) = [one.measures for one in metrics(self.log) if one.session_id == session_id]
        return next(how for how in ("completed", "abandoned") if f'"{how}"'.encode() in measured)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    """Both logs stamp by it."""
    hand = HandClock()
    stamps = SimpleNamespace(time_ns=lambda: hand.ms * 1_000_000, monotonic=time.monotonic, sleep=time.sleep)
    for module in ("streams.memory", "streams.sqlite"):
        monkeypatch.setattr(f"{module}.time", stamps)
    return hand


@pytest.fixture(params=["memory", "sqlite"])
def world(request: pytest.FixtureRequest, clock: HandClock, tmp_path: Path) -> Iterator[World]:
    log: Log = MemoryLog() if request.param == "memory" else SqliteLog(tmp_path / "log.sqlite")
    made = World(log, clock, tmp_path)
    yield made
    made.rows.close()
    log.close()


@pytest.fixture
def memory(clock: HandClock, tmp_path: Path) -> Iterator[World]:
    made = World(MemoryLog(), clock, tmp_path)
    yield made
    made.rows.close()


def house_event(session_id: str, kind: str, **fields: object) -> Message:
    return Message(session_id.encode(), CODEC.encode(kind, {**TIMES, "session_id": session_id, **fields}))


# ------------------------------------------------------------------------------------------------------- what is abandoned


def test_a_session_without_an_end_is_abandoned_after_two_hours_and_scored(world: World) -> None:
    """Since its first record in the log, to the millisecond, and no matter how lively it is; then a profile is there."""
    world.append(*S1[:2])
    assert world.sweep(HOUR_MS) == []
    world.append(*S1[2:-1])
    assert world.sweep(HOUR_MS - 1) == []
    assert world.profiles() == {}
    assert world.sweep(1) == [("s-1", "timeout")]
    assert world.words() == [("s-1", "timeout")]
    assert world.how("s-1") == "abandoned"
    assert list(world.profiles()) == ["s-1"]
    assert world.closer.open_sessions == 0


def test_gaps_that_do_not_fill_are_waited_for_ten_minutes_after_the_terminal(world: World) -> None:
    """By the terminal's own time; a repeat of it begins nothing anew."""
    world.append(*S1[:3], *S1[4:-1])
    world.sweep(HOUR_MS)
    world.append(S1[-1])
    assert world.sweep(9 * MINUTE_MS) == []
    world.append(S1[-1])
    assert world.sweep(MINUTE_MS - 1) == []
    assert world.sweep(1) == [("s-1", "gaps")]
    assert world.words() == [("s-1", "gaps")]
    assert (world.how("s-1"), list(world.profiles())) == ("abandoned", ["s-1"])


def test_a_terminal_does_not_lengthen_a_session(world: World) -> None:
    """What is due first, is due."""
    world.append(*S1[:3])
    world.sweep(2 * HOUR_MS - 5 * MINUTE_MS)
    world.append(*S1[4:])
    assert world.sweep(5 * MINUTE_MS - 1) == []
    assert world.sweep(1) == [("s-1", "timeout")]


def test_a_gap_that_fills_in_time_is_left_alone(world: World) -> None:
    """The session is its client's: completed, and nobody says another word."""
    world.append(*S1[:3], *S1[4:])
    assert world.sweep(10 * MINUTE_MS - 1) == []
    world.append(S1[3])
    assert world.sweep(1) == []
    assert world.sweep(3 * HOUR_MS) == []
    assert (world.words(), world.how("s-1"), world.closer.open_sessions) == ([], "completed", 0)


def test_what_comes_late_changes_nothing(world: World) -> None:
    """Neither the profile, nor does the closer take it for a new session; after a restart neither does it change the profile."""
    world.append(*S1[:-3])
    world.sweep(2 * HOUR_MS)
    before = world.profiles()
    world.append(*S1[-3:])
    assert world.sweep() == []
    assert world.sweep(3 * HOUR_MS) == []
    world.restart()
    world.append(*S1[-2:])
    world.sweep()
    world.sweep(3 * HOUR_MS)
    assert world.profiles() == before
    assert len(metrics(world.log)) == 1


def test_a_session_that_was_withdrawn_is_left_alone(world: World) -> None:
    """Nobody scores it; what comes for it afterwards does not bring it back."""
    world.append(*S1[:3], house_event("s-1", "session.withdrawn", receipt_id="r-1"), *S1[3:5])
    world.sweep()
    assert world.closer.open_sessions == 0
    assert world.sweep(5 * HOUR_MS) == []
    assert world.words() == []


def test_what_the_worker_has_not_scored_is_not_judged(world: World) -> None:
    """An end may lie in it. The time that passes meanwhile is that of what was scored."""
    world.append(*S1[:3])
    world.sweep()
    world.append(*S1[3:])
    world.clock.ms += 5 * HOUR_MS
    assert world.closer.sweep(world.clock.ms) == []
    assert world.sweep() == []
    assert (world.words(), world.how("s-1")) == ([], "completed")


def test_a_worker_that_is_always_a_little_behind_keeps_nobody_from_being_abandoned(memory: World) -> None:
    """Then the time is that of the last record it scored."""
    memory.append(*S1[:3])
    memory.clock.ms += 2 * HOUR_MS
    memory.append(sealed(NEAR[0])[0])
    memory.score()
    memory.append(sealed(NEAR[1])[0])
    assert memory.closer.sweep(memory.clock.ms) == [Abandonment("s-1", "timeout")]


def test_of_two_closers_the_first_word_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at the same moment: two words, one session, one profile. One after the other: one word."""
    world.append(*S1[:-1])
    world.sweep()
    other = world.closer
    world.restart()
    door = world.closer._door
    found: list[list[Abandonment]] = []
    write = door.close_session

    def meanwhile(session_id: str, reason: Reason) -> None:
        found.append(other.sweep(world.clock.ms))
        write(session_id, reason)

    monkeypatch.setattr(door, "close_session", meanwhile)
    assert world.sweep(2 * HOUR_MS) == [("s-1", "timeout")]
    assert found == [[Abandonment("s-1", "timeout")]]
    assert (len(world.words()), len(metrics(world.log))) == (2, 1)
    world.append(*sealed(NEAR[0])[:2])
    world.sweep()
    assert (world.sweep(2 * HOUR_MS), other.sweep(world.clock.ms)) == ([(NEAR[0], "timeout")], [])


# ------------------------------------------------------------------------------------------------------------------ clocks


def test_a_clock_that_goes_back_abandons_nobody_early(world: World) -> None:
    """Neither the closer's own, nor one that stamps the log, whether the closer saw it or came afterwards."""
    world.append(*sealed(NEAR[0])[:2])
    world.clock.ms -= 3 * HOUR_MS
    assert world.sweep() == []
    world.append(*S1[:2])  # stamped three hours too early
    assert world.sweep() == []
    world.clock.ms += 3 * HOUR_MS
    assert world.sweep() == []
    world.append(*sealed(NEAR[0])[2:])
    world.sweep()
    assert world.committed() == 2
    world.restart()
    assert world.sweep(2 * HOUR_MS - 1) == []
    assert world.sweep(1) == [("s-1", "timeout")]


def test_a_stamp_of_the_future_holds_back_nobody_else(memory: World) -> None:
    """A door whose clock is a year ahead keeps its own sessions open, and no other."""
    memory.clock.ms += 365 * 24 * HOUR_MS
    memory.append(*sealed(NEAR[0])[:2])
    memory.clock.ms -= 365 * 24 * HOUR_MS
    memory.append(*S1[:2])
    memory.sweep()
    assert memory.sweep(2 * HOUR_MS) == [("s-1", "timeout")]


# --------------------------------------------------------------------------------------------------------- restarts, crashes


class Crash(Exception):
    """The process is gone."""


class Crashing:
    """A log that ends the process at one of its writes, before it or after it."""

    def __init__(self, log: Log, at: int, *, is_done: bool) -> None:
        self._log, self._left, self._is_done = log, at, is_done

    def append(self, topic: str, messages: Sequence[Message]) -> list[Position]:
        return self._write(lambda: self._log.append(topic, messages))

    def commit(self, group: str, topic: str, offsets: Mapping[int, int]) -> None:
        self._write(lambda: self._log.commit(group, topic, offsets))

    def _write(self, write: Any) -> Any:
        self._left -= 1
        if self._left == 0 and not self._is_done:
            raise Crash
        result = write()
        if self._left == 0:
            raise Crash
        return result

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


def story(world: World, at: int = 0, *, is_done: bool = False) -> int:
    """Sessions of all sorts, and a closer that crashes at its write number ``at``; how often it did."""
    world.restart(Crashing(world.log, at, is_done=is_done))  # type: ignore[arg-type]
    whole, gap, filled, silent = (sealed(name) for name in ("s-1", *NEAR[:3]))
    crashes = 0
    for messages in (
        [*silent[:4], *whole[:5]],
        [*gap[:3], *gap[4:], *filled[:2]],
        [*whole[5:], *filled[3:]],
        [filled[2]],
        [],
        [gap[3], *silent[4:]],
    ):
        world.append(*messages)
        world.clock.ms += 8 * MINUTE_MS if messages else 2 * HOUR_MS
        world.score()
        try:
            world.closer.sweep(world.clock.ms)
        except Crash:
            crashes += 1
            world.restart()
            world.closer.sweep(world.clock.ms)
        world.score()
    return crashes


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
def test_a_crash_at_any_write_gives_the_same_profiles(
    clock: HandClock, tmp_path: Path, *, is_done: bool
) -> None:
    """Between a word and its commit, between the commits, before either: the same sessions, closed alike, to the byte."""
    calm = World(MemoryLog(), clock, tmp_path)
    assert story(calm) == 0
    assert sorted(calm.words()) == sorted([(NEAR[0], "gaps"), (NEAR[2], "timeout")])
    at, crashes = 1, 1
    while crashes:
        clock.ms = NOW_MS
        again = World(MemoryLog(), clock, tmp_path)
        crashes = story(again, at, is_done=is_done)
        assert again.profiles() == calm.profiles()
        assert len(metrics(again.log)) == 4
        assert set(again.words()) == set(calm.words())
        assert len(again.words()) <= len(calm.words()) + crashes
        again.rows.close()
        at += 1
    assert at > 6  # a crash at each of six writes
    calm.rows.close()


def test_a_restart_begins_at_the_oldest_session_that_is_open(world: World) -> None:
    """Not after it, and not before; where none is, at the end. What closed since is known again."""
    world.append(*sealed(NEAR[0]), *S1[:2], *sealed(NEAR[1]))
    world.sweep()
    assert world.committed() == len(sealed(NEAR[0]))
    world.restart()
    assert world.sweep(2 * HOUR_MS - 1) == []
    assert world.closer.open_sessions == 1
    assert world.sweep(1) == [("s-1", "timeout")]
    world.sweep()
    assert world.committed() == world.log.end_offsets(EVENTS.name)[MINE]
    assert world.committed(SESSION_METRICS.name) == 3


def test_a_crash_between_the_two_commits_opens_nothing_again(world: World) -> None:
    """The events go before the metrics: otherwise sessions would come again without the word that they closed."""
    world.append(*sealed(NEAR[0]))
    world.sweep()
    world.append(*S1[:2], *sealed(NEAR[1]))
    world.sweep()
    world.restart(Crashing(world.log, 1, is_done=True))  # type: ignore[arg-type]
    world.append(*S1[2:])
    with pytest.raises(Crash):
        world.sweep()
    world.restart()
    assert world.sweep() == []
    assert world.closer.open_sessions == 0
    assert world.sweep(5 * HOUR_MS) == []


def test_a_log_that_was_restored_from_an_older_copy_is_read_again(memory: World) -> None:
    """What was committed lies beyond its end: a session of it must not be waited for in vain."""
    memory.append(*S1[:2])
    memory.log.commit(GROUP, EVENTS.name, {MINE: 1_000})
    memory.log.commit(GROUP, SESSION_METRICS.name, {MINE: 1_000})
    assert memory.sweep() == []
    assert memory.sweep(2 * HOUR_MS) == [("s-1", "timeout")]


@pytest.mark.parametrize("seed", range(40))
def test_any_course_of_things_closes_every_session_once_and_none_early(
    clock: HandClock, tmp_path: Path, seed: int
) -> None:
    """Events lost, late and repeated, a worker that lags, closers that are restarted at any time."""
    dice = random.Random(seed)
    world = World(MemoryLog(), clock, tmp_path)
    waiting = [[*sealed(name)] for name in ("s-1", *NEAR[:9])]
    for messages in waiting:
        for _ in range(dice.choice([0, 0, 1, 3])):
            messages.pop(dice.randrange(1, len(messages)))
        dice.shuffle(messages)
    while any(waiting):
        messages = dice.choice([one for one in waiting if one])
        part = messages[: dice.randint(1, 8)]
        del messages[: len(part)]
        world.append(*part, *part[: dice.randint(0, 1)])
        clock.ms += dice.choice([1, MINUTE_MS, 11 * MINUTE_MS, HOUR_MS])
        if dice.random() < 0.5:
            world.score()
        if dice.random() < 0.6:
            world.closer.sweep(clock.ms)
        if dice.random() < 0.2:
            world.restart()
    for _ in range(3):
        world.sweep(3 * HOUR_MS)
    assert len(metrics(world.log)) == len(waiting) == len(world.profiles())
    assert world.closer.open_sessions == 0
    no_earlier(the_log(world.log))
    world.rows.close()


def no_earlier(records: list[Record]) -> None:
    """No word was written before it was due."""
    first: dict[bytes, int] = {}
    ended: dict[bytes, int] = {}
    for record in records:
        kind, fields = CODEC.fields(record.value)
        first.setdefault(record.key, record.time_ms)
        if kind == "session.completed":
            ended.setdefault(record.key, record.time_ms)
        if kind == "session.abandoned":
            limit = 10 * MINUTE_MS if fields["reason"] == "gaps" else 2 * HOUR_MS
            since = ended[record.key] if fields["reason"] == "gaps" else first[record.key]
            assert record.time_ms >= since + limit


# ------------------------------------------------------------------------------------------------------------------ bounds


def test_only_open_sessions_are_held(memory: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a log that is read from its beginning too, however many sessions closed in it; of those only so many names are kept."""
    monkeypatch.setattr(agents.closer, "_CHUNK_RECORDS", 50)
    names = ["s-1", *NEAR[:20]]
    for name in names[:-1]:
        memory.append(*sealed(name))
        memory.score()
    memory.append(*sealed(names[-1])[:2])
    most, go_on = 0, OpenSessions.go_on

    def counted(self: OpenSessions, *arguments: Any, **named: Any) -> None:
        nonlocal most
        go_on(self, *arguments, **named)
        most = max(most, len(self))

    monkeypatch.setattr(OpenSessions, "go_on", counted)
    memory.sweep()
    assert most <= 1 + 2 * 50 // len(S1) + 1
    assert memory.closer.open_sessions == 1

    sessions = OpenSessions(Limits(), closed_max=3)
    for number in range(10):
        sessions.go_on(b"%d" % number, number, 0, is_terminal=False)
        sessions.close(b"%d" % number)
    assert len(sessions) == 0
    assert sessions.due(1 << 50) == []
    assert [number for number in range(10) if sessions.is_closed(b"%d" % number)] == [7, 8, 9]
    sessions.go_on(b"9", 10, 0, is_terminal=False)
    assert len(sessions) == 0


def test_the_marks_stay_few_while_one_session_stays_open(memory: World) -> None:
    """However many sweeps there are while the oldest session is open."""
    memory.append(*S1[:2])
    for number in range(400):
        memory.append(*sealed(NEAR[number % 20]))
        memory.score()
        log_metrics = sealed_metrics(memory, number)
        memory.log.append(SESSION_METRICS.name, [log_metrics])
        memory.closer.sweep(memory.clock.ms)
    assert len(memory.closer._places[MINE]._marks) <= agents.closer._MARKS_MAX
    assert (memory.committed(), memory.committed(SESSION_METRICS.name)) == (None, None)


def sealed_metrics(world: World, number: int) -> Message:
    """A worker's word again, as one that crashed says it."""
    records = the_log(world.log, SESSION_METRICS.name)
    return Message(records[number % len(records)].key, records[number % len(records)].value)


def test_a_sweep_without_news_reads_and_writes_nothing(
    memory: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be made as often as one likes."""
    memory.append(*S1[:2])
    memory.sweep()
    for name in ("read", "append", "commit"):
        monkeypatch.setattr(memory.log, name, None)
    assert memory.closer.sweep(memory.clock.ms) == []


# --------------------------------------------------------------------------------------------------------------- unreadable


def test_what_cannot_be_read_neither_stops_it_nor_opens_a_session(world: World) -> None:
    """Bytes that are no event, an event of another session than its key says, keys of no session, metrics that are none."""
    other = sealed(NEAR[0])
    world.append(
        Message(b"s-1", b"nonsense"),
        Message(b"s-1", S1[-1].value[:-1]),
        Message(b"s-1", S1[-1].value[:12]),
        Message(NEAR[1].encode(), other[-1].value),
        Message(b"no session", other[0].value),
        Message(b"", b""),
        Message(b"\xff", other[0].value),
    )
    world.log.append(SESSION_METRICS.name, [Message(NEAR[0].encode(), b"nonsense"), other[0]])
    world.append(*other[:2], Message(NEAR[0].encode(), S1[-1].value))
    world.sweep()
    assert world.closer.open_sessions == 1
    assert world.sweep(10 * MINUTE_MS) == []
    assert world.sweep(2 * HOUR_MS) == [(NEAR[0], "timeout")]


def test_a_record_whose_bytes_changed_counts_for_nothing(clock: HandClock, tmp_path: Path) -> None:
    """Nor does the time that it says."""
    log = SqliteLog(tmp_path / "log.sqlite")
    world = World(log, clock, tmp_path)
    world.append(*S1[:2], *sealed(NEAR[0])[:2])
    with sqlite3.connect(tmp_path / "log.sqlite") as connection:
        change = 'UPDATE records SET time_ms = 0 WHERE topic = ? AND "offset" < 2'
        connection.execute(change, (EVENTS.name,))
    connection.close()
    assert world.sweep() == []
    assert world.closer.open_sessions == 1
    assert world.sweep(2 * HOUR_MS) == [(NEAR[0], "timeout")]
    world.rows.close()
    log.close()


# -------------------------------------------------------------------------------------------------------------- the command


@click.group(cls=Front)
def front() -> None:
    """The command with the house's errors."""


front.add_command(command)
RUN = "from cli.closing import closer; closer()"


def test_the_settings_say_what_the_limits_are() -> None:
    """Two hours and ten minutes."""
    settings, limits = Settings(), Limits()
    assert 1_000 * settings.session_duration_max_s == limits.session_ms == 2 * HOUR_MS
    assert 1_000 * settings.terminal_gap_max_s == limits.terminal_ms == 10 * MINUTE_MS


@pytest.mark.clickhouse
def test_once_scores_abandons_and_scores(tmp_path: Path) -> None:
    """On the embedded log nobody else has to run; a second time there is nothing left to say."""
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append(EVENTS.name, S1[:-1])
    time.sleep(1.1)
    runner = CliRunner(env={f"{PREFIX}SESSION_DURATION_MAX_S": "1"})
    result = runner.invoke(front, ["closer", "--once", "--json", "--data", str(tmp_path)])
    assert (result.exit_code, told(result)) == (0, [{"session_id": "s-1", "reason": "timeout"}])
    assert size(log, SESSION_METRICS.name) == 1
    log.close()
    result = runner.invoke(front, ["closer", "--once", "--data", str(tmp_path)])
    assert (result.exit_code, result.stdout) == (0, "nothing to abandon\n")


@pytest.mark.clickhouse
def test_it_stays_until_a_signal(tmp_path: Path) -> None:
    """And ends well."""
    log = SqliteLog(tmp_path / "log.sqlite")
    log.append(EVENTS.name, S1[:-1])
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, "--data", str(tmp_path), "--every", "0.1"],
        env={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", f"{PREFIX}SESSION_DURATION_MAX_S": "6"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    late = threading.Timer(60, process.kill)
    late.start()
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "s-1 abandoned: timeout\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        late.cancel()
        process.kill()
        process.communicate()
    assert size(log, SESSION_METRICS.name) == 1
    log.close()
