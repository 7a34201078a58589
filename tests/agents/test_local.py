"""The embedded driver: ``agents/local.py``."""

import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.local import GROUP, DamagedRow, LocalWorker, RowTable
from agents.tables import freeze
from streams.log import Log, Message
from streams.memory import MemoryLog
from streams.partitioner import partition_of
from streams.sqlite import SqliteLog
from streams.topics import DEAD_LETTERS, EVENTS, SESSION_METRICS, TRAIT_PROFILES
from tests.agents.doors import (
    CODEC,
    door,
    fold,
    letters,
    metrics,
    people,
    profiles,
    scoring,
    sealed,
    size,
    the_log,
)
from tests.agents.test_metric_extractor import ABANDONED

TINY = sealed()
MEMORY = Path(":memory:")  # SQLite's own name for a database without a file


def worker(log: Log, rows: RowTable) -> LocalWorker:
    return LocalWorker(log, rows, scoring())


def expected_digest() -> str:
    log = MemoryLog()
    log.append(EVENTS.name, TINY)
    worker(log, RowTable(MEMORY)).catch_up()
    (profile,) = profiles(log)
    return profile.profile_digest


DIGEST = expected_digest()
PLACES = st.integers(0, len(TINY) - 1)
# Every event at least once, any of them again, in any order, cut anywhere into deliveries.
DELIVERIES = st.lists(PLACES, max_size=8).flatmap(
    lambda repeats: st.tuples(
        st.permutations([*range(len(TINY)), *repeats]),
        st.lists(st.integers(0, len(TINY) + len(repeats)), max_size=4).map(sorted),
    )
)


def deliver(log: Log, order: list[int], cuts: list[int], rows: RowTable) -> Counter[str]:
    """Append a part, catch up, append the next."""
    agent, outcomes = worker(log, rows), Counter[str]()
    for begin, stop in zip([0, *cuts], [*cuts, len(order)], strict=True):
        log.append(EVENTS.name, [TINY[place] for place in order[begin:stop]])
        outcomes += agent.catch_up()
    return outcomes


@settings(max_examples=2_000, deadline=None)
@given(DELIVERIES)
def test_however_a_session_is_delivered_its_profile_has_one_digest(
    delivery: tuple[list[int], list[int]],
) -> None:
    """Shuffled, doubled, late and split deliveries of the same events give the same profile, and every record counts."""
    order, cuts = delivery
    log, rows = MemoryLog(), RowTable(MEMORY)
    outcomes = deliver(log, order, cuts, rows)
    rows.close()
    assert outcomes == Counter(counted=len(TINY), duplicate=len(order) - len(TINY)) + Counter()
    assert [profile.profile_digest for profile in profiles(log)] == [DIGEST]
    assert len(metrics(log)) == 1


@settings(max_examples=25, deadline=None)
@given(DELIVERIES)
def test_a_log_and_rows_on_disk_give_the_same_digest(
    tmp_path_factory: pytest.TempPathFactory, delivery: tuple[list[int], list[int]]
) -> None:
    """What holds in memory holds on the files that people use."""
    folder = tmp_path_factory.mktemp("delivery")
    log, rows = SqliteLog(folder / "log.sqlite"), RowTable(folder / "rows.sqlite")
    deliver(log, *delivery, rows)
    found = [profile.profile_digest for profile in profiles(log)]
    rows.close()
    log.close()
    assert found == [DIGEST]


def test_it_goes_on_where_it_left_off(tmp_path: Path) -> None:
    """A second call scores what is new and nothing twice, in a new process too."""
    log = SqliteLog(tmp_path / "log.sqlite")
    rows = RowTable(tmp_path / "rows.sqlite")
    log.append(EVENTS.name, TINY[:4])
    assert worker(log, rows).catch_up() == {"counted": 4}
    assert worker(log, rows).catch_up() == {}
    rows.close()
    rows = RowTable(tmp_path / "rows.sqlite")
    log.append(EVENTS.name, TINY[4:])
    assert worker(log, rows).catch_up() == {"counted": len(TINY) - 4}
    ends = {partition: end for partition, end in log.end_offsets(EVENTS.name).items() if end}
    assert log.committed(GROUP, EVENTS.name) == ends
    assert [profile.profile_digest for profile in profiles(log)] == [DIGEST]
    rows.close()
    log.close()


def test_every_record_has_one_outcome(tmp_path: Path) -> None:
    """counted + duplicate + conflict + late + dead letters = records: exactly, over many sessions."""
    log = MemoryLog()
    logger = door(tmp_path, log)
    events = [dict(event) for session in people(6) for event in session]
    late = {"kind": "session.paused", "session_id": events[0]["session_id"], "seq": 60_000, "t_us": 0}
    rival = {"kind": "session.paused", "session_id": "rivals", "seq": 1, "t_us": 0}
    logger.record([*events, *events[:7], late, rival, {**rival, "t_us": 1}, rival])
    log.append(EVENTS.name, [Message(b"rivals", b"?"), Message(b"\xff", TINY[0].value)])
    outcomes = worker(log, RowTable(MEMORY)).catch_up()
    assert sum(outcomes.values()) == size(log) == len(events) + 7 + 4 + 2
    assert outcomes == {
        "counted": len(events) + 1,
        "duplicate": 7,
        "late": 1,
        "conflict": 2,
        "dead_letter": 2,
    }
    assert letters(log) == 2
    assert len(profiles(log)) == 6


STEPS = ["nothing was kept", "results were sent", "results and rows were kept", "all was kept"]


@pytest.mark.parametrize("crash", STEPS)
@pytest.mark.parametrize("cut", [3, len(TINY)])
def test_a_crash_between_any_two_steps_repeats_and_changes_no_byte(
    crash: str, cut: int, tmp_path: Path
) -> None:
    """Sends first, then rows, then the commit: whatever is lost of these is made again, equal to the byte."""
    log, path, kept = MemoryLog(), tmp_path / "rows.sqlite", tmp_path / "kept.sqlite"
    log.append(EVENTS.name, TINY[:2])
    rows = RowTable(path)
    worker(log, rows).catch_up()
    rows.close()
    shutil.copy(path, kept)
    committed = log.committed(GROUP, EVENTS.name)
    log.append(EVENTS.name, [*TINY[2:cut], Message(b"tiny", b"?")])
    if crash != "nothing was kept":
        rows = RowTable(path)
        worker(log, rows).catch_up()
        rows.close()
    if crash != "all was kept":
        log.commit(GROUP, EVENTS.name, committed)  # the crash came before the commit,
    if crash == "results were sent":
        shutil.copy(kept, path)  # and here before the rows
    log.append(EVENTS.name, TINY[cut:])
    rows = RowTable(path)
    worker(log, rows).catch_up()
    final = rows.get(b"tiny")
    rows.close()
    assert final is not None
    assert freeze(final) == freeze(fold(the_log(log)))
    assert len({record.value for record in the_log(log, TRAIT_PROFILES.name)}) == 1
    assert len({record.value for record in the_log(log, SESSION_METRICS.name)}) == 1
    assert len({record.value for record in the_log(log, DEAD_LETTERS.name)}) == 1
    assert {profile.profile_digest for profile in profiles(log)} == {DIGEST}


@pytest.mark.parametrize("lost", ["rows", "offsets"])
def test_the_rows_are_a_cache_that_can_be_thrown_away(lost: str, tmp_path: Path) -> None:
    """In the middle of a session too: they are made again from the log, and so are the offsets."""
    log, path = MemoryLog(), tmp_path / "rows.sqlite"
    log.append(EVENTS.name, TINY[:5])
    rows = RowTable(path)
    worker(log, rows).catch_up()
    if lost == "rows":
        rows.close()
        path.unlink()
        rows = RowTable(path)
    else:
        log.commit(GROUP, EVENTS.name, dict.fromkeys(range(16), 0))
    log.append(EVENTS.name, TINY[5:])
    worker(log, rows).catch_up()
    assert [profile.profile_digest for profile in profiles(log)] == [DIGEST]
    rows.close()


def test_rows_of_another_log_hide_no_record_of_this_one() -> None:
    """Where the log was made anew and the rows were not, it is read from its own beginning."""
    rows, other = RowTable(MEMORY), MemoryLog()
    other.append(EVENTS.name, [*TINY, *TINY])
    worker(other, rows).catch_up()
    (partition,) = {record.partition for record in the_log(other)}
    names = (f"other-{number}" for number in range(1_000))
    name = next(name for name in names if partition_of(name.encode(), 16) == partition)
    log = MemoryLog()
    log.append(EVENTS.name, sealed(name))
    assert worker(log, rows).catch_up() == {"counted": len(TINY)}
    assert [profile.session_id for profile in profiles(log)] == [name]


@pytest.mark.parametrize("later", [0, len(TINY) - 6, len(TINY)])
def test_rows_made_from_a_log_that_was_restored_are_forgotten(later: int, tmp_path: Path) -> None:
    """An older copy that grew otherwise, less far than the rows reach, as far or farther, is scored as by a fresh table."""
    path, copy, rows = tmp_path / "log.sqlite", tmp_path / "copy.sqlite", RowTable(tmp_path / "rows.sqlite")
    for begin, stop in ((0, 5), (5, len(TINY))):
        log = SqliteLog(path)
        log.append(EVENTS.name, TINY[begin:stop])
        worker(log, rows).catch_up()
        log.close()
        if begin == 0:
            shutil.copy(path, copy)
    shutil.copy(copy, path)
    log, fresh_log, fresh_rows = SqliteLog(path), MemoryLog(), RowTable(MEMORY)
    otherwise = [ABANDONED, *(TINY * 2)[5 : 5 + later]]
    log.append(EVENTS.name, otherwise)
    fresh_log.append(EVENTS.name, [*TINY[:5], *otherwise])
    assert worker(log, rows).catch_up() == worker(fresh_log, fresh_rows).catch_up()
    assert metrics(log) == metrics(fresh_log)
    assert [profile.last_offset for profile in profiles(log)] == [5]
    assert profiles(log) == profiles(fresh_log)
    row, fresh_row = rows.get(b"tiny"), fresh_rows.get(b"tiny")
    assert row is not None
    assert fresh_row is not None
    assert freeze(row) == freeze(fresh_row)
    rows.close()
    log.close()


@pytest.mark.parametrize(
    "damage", ["zeroblob(length(row))", "substr(row, 1, length(row) - 9) || zeroblob(9)"]
)
def test_a_damaged_row_makes_the_cache_be_made_again(damage: str, tmp_path: Path) -> None:
    """Rows hold nothing that the log does not: in the middle of a session it is read again from its beginning."""
    path, log = tmp_path / "rows.sqlite", MemoryLog()
    log.append(EVENTS.name, TINY[:5])
    rows = RowTable(path)
    worker(log, rows).catch_up()
    rows.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE rows SET row = CAST({damage} AS BLOB)")
    connection.close()
    rows = RowTable(path)
    with pytest.raises(DamagedRow):
        rows.get(b"tiny")
    log.append(EVENTS.name, TINY[5:])
    assert worker(log, rows).catch_up() == {"counted": len(TINY)}
    assert [profile.profile_digest for profile in profiles(log)] == [DIGEST]
    rows.close()


def test_rows_of_another_format_are_made_again(tmp_path: Path) -> None:
    """A newer engine reads no older cache: it leaves it behind, in the middle of a session too."""
    path = tmp_path / "rows.sqlite"
    log = MemoryLog()
    log.append(EVENTS.name, TINY[:5])
    rows = RowTable(path)
    worker(log, rows).catch_up()
    rows.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE rows SET row = x'00'")
        connection.execute("PRAGMA user_version = 0")
    connection.close()
    log.append(EVENTS.name, TINY[5:])
    for _ in range(2):
        rows = RowTable(path)
        worker(log, rows).catch_up()
        rows.close()
    assert [profile.profile_digest for profile in profiles(log)] == [DIGEST]


def test_rows_and_their_offset_are_kept_together_or_not_at_all(tmp_path: Path) -> None:
    """A write that fails in the middle leaves the table as it was, and usable."""
    rows = RowTable(tmp_path / "rows.sqlite")
    log = MemoryLog()
    log.append(EVENTS.name, TINY)
    row = fold(the_log(log))
    with pytest.raises(sqlite3.Error):
        rows.put([(b"tiny", row), ({}, row)], 3, 9, mark=b"m")  # type: ignore[list-item]  # no key
    assert rows.get(b"tiny") is None
    assert rows.place(3) == (0, b"")
    rows.put([(b"tiny", row)], 3, 9, mark=b"m")
    assert rows.place(3) == (9, b"m")
    assert rows.place(4) == (0, b"")
    rows.close()


def test_what_is_no_table_of_rows_is_refused(tmp_path: Path) -> None:
    """Another file under that name is an error at once, and is not written into."""
    path = tmp_path / "rows.sqlite"
    path.write_bytes(b"no database" * 500)
    with pytest.raises(sqlite3.DatabaseError):
        RowTable(path)
    assert path.read_bytes() == b"no database" * 500


def test_a_decoded_profile_names_where_it_came_from() -> None:
    """The envelope beside the canonical bytes: partition, offset of the closing event, engine."""
    log = MemoryLog()
    log.append(EVENTS.name, [*TINY, *TINY])
    worker(log, RowTable(MEMORY)).catch_up()
    (profile,) = profiles(log)
    (closing,) = [
        record for record in the_log(log) if record.offset == profile.last_offset and record.key == b"tiny"
    ]
    assert closing.partition == profile.partition
    assert CODEC.decode(closing.value).kind == "session.completed"
