"""The store's promises, kept by the engine in this process and by the development server alike."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from projections.clickhouse import ClickHouseStore
from projections.rows import (
    ROWS,
    EventRow,
    ReliabilityRow,
    Row,
    metric_rows,
    profile_rows,
)
from projections.rows import dead_letter_row as row_of_letter
from projections.store import StoreInUse, StoreUnavailable
from tests.projections.places import ROOT, Embedded, Place, Served, database_of, migrated
from tests.projections.samples import MAPPING, a_dead_letter, a_profile, a_reliability, a_row, some_metrics

pytestmark = pytest.mark.clickhouse

INT64_MAX = 2**63 - 1
MICRO = 1_000_000
UINT64_MAX = 2**64 - 1

# Opens the store over argv[1], writes a row, and says so; then waits to be killed.
OWNER = """
import sys, time
from projections import migrate
from projections.clickhouse import ClickHouseStore
from tests.projections.samples import a_row
store = ClickHouseStore.embedded(sys.argv[1])
migrate.up(store)
store.write([a_row(seq=seq) for seq in range(100)], source="t:0:0-99")
print(len(list(store.every(type(a_row())))), flush=True)
if sys.argv[2] == "stay":
    time.sleep(60)
store.close()
"""


@pytest.fixture(scope="module", params=[Embedded, Served], ids=["embedded", "server"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Embedded | Served]:
    """Each way to have a store."""
    opened: Embedded | Served = request.param(tmp_path_factory.mktemp("store"))
    yield opened
    opened.close()


@pytest.fixture
def store(place: Place, request: pytest.FixtureRequest) -> Iterator[ClickHouseStore]:
    """A store with its tables, in a database of its own."""
    with migrated(place, database_of(request.node.originalname)) as opened:
        yield opened


def _owner(folder: Path, stay: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", OWNER, str(folder), stay], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def _shown(store: ClickHouseStore) -> list[Row]:
    return [row for kind in ROWS for row in store.every(kind)]


def test_a_large_write_arrives_whole(store: ClickHouseStore) -> None:
    """A client cuts it into blocks of its own choice: the store has every row."""
    rows = [a_row(f"s{seq // 1_000}", seq % 1_000, offset=seq, payload=bytes(2_000)) for seq in range(20_000)]
    store.write(rows, source="t:3:0-19999")
    assert store.select("SELECT count(), uniqExact(session_id, seq) FROM events FINAL") == [(20_000, 20_000)]


def test_what_is_written_twice_is_there_once(store: ClickHouseStore) -> None:
    """A projector that crashed writes again, in the same batches or in others."""
    rows = [
        *(a_row(seq=seq) for seq in range(5)),
        *metric_rows(some_metrics()),
        *profile_rows(a_profile()),
        row_of_letter(a_dead_letter(), partition=0, offset=0),
        a_reliability(),
    ]
    store.write(rows, source="t:0:0-9")
    once = _shown(store)
    assert len(rows) == len(once)
    parts = store.select("SELECT count() FROM system.parts WHERE database = currentDatabase() AND active")
    store.write(rows, source="t:0:0-9")
    assert parts == store.select(
        "SELECT count() FROM system.parts WHERE database = currentDatabase() AND active"
    )
    for row in reversed(rows):
        store.write([row], source="t:0:0-0")
    assert once == _shown(store)


def test_the_same_range_with_other_content_is_written(store: ClickHouseStore) -> None:
    """A log that was made anew has the same offsets; its events must not vanish as repeats."""
    store.write([a_row("old")], source="t:0:0-0")
    store.write([a_row("new")], source="t:0:0-0")
    assert [row.session_id for row in store.every(EventRow)] == ["new", "old"]


def test_the_first_event_of_an_identity_stands(store: ClickHouseStore) -> None:
    """Whatever the order of writing, and even where the other claims another month of the device's clock."""
    first = a_row(offset=5, event_id="first")
    later = a_row(offset=6, event_id="later", received_time=1_700_000_009_999)
    elsewhere = a_row(offset=7, event_id="elsewhere", device_time=1_600_000_000_000)
    for number, rows in enumerate([[elsewhere], [later], [first], [later, elsewhere]]):
        store.write(rows, source=f"t:0:{number}-{number}")
    assert [first] == list(store.every(EventRow))
    store.execute("OPTIMIZE TABLE events FINAL")
    assert [first] == list(store.every(EventRow))


def test_a_later_closing_wins_and_an_earlier_one_never_does(store: ClickHouseStore) -> None:
    """The version is the log's position, so a slow writer cannot bring an old score back."""
    old, new = some_metrics(last_offset=9, aap=1_000_000), some_metrics(last_offset=10, aap=None)
    old_profile, new_profile = a_profile(last_offset=9), a_profile(last_offset=10, score=None)
    turns = [(old, old_profile), (new, new_profile), (old, old_profile)]
    for number, (metrics, profile) in enumerate(turns):
        store.write([*metric_rows(metrics), *profile_rows(profile)], source=f"t:0:{number}-{number}")
    assert metric_rows(new) == store.metrics("s1")
    assert profile_rows(new_profile) == store.profile("s1", MAPPING)


def test_what_a_later_closing_does_not_hold_is_not_shown(store: ClickHouseStore) -> None:
    """A row that nothing replaced is not of the newest closing."""
    store.write(metric_rows(some_metrics(last_offset=9, names=("a", "b"))), source="t:0:0-0")
    newest = metric_rows(some_metrics(last_offset=10, names=("b",)))
    store.write(newest, source="t:0:1-1")
    assert newest == store.metrics("s1")
    both, one = profile_rows(a_profile(last_offset=9)), profile_rows(a_profile(last_offset=10))[:1]
    store.write([*both, *one], source="t:0:2-3")
    assert one == store.profile("s1", MAPPING)


def test_the_reliability_that_saw_more_of_the_log_stands(store: ClickHouseStore) -> None:
    """Whatever was written last; another number of permutations is another figure, and so is another norm set's or metric's."""
    old, new = a_reliability(position=5, people=20), a_reliability(position=6, people=21)
    finer = a_reliability(position=4, permutations=5_000)
    others = [
        a_reliability(position=1, metric="balloon.cv_adj"),
        a_reliability(position=1, norm_set="other.v1"),
    ]
    for number, rows in enumerate([[old], [new, finer], [old, *others]]):
        store.write(rows, source=f"{number}")
    assert list(store.every(ReliabilityRow)) == [others[0], new, finer, others[1]]


def test_events_of_one_kind_are_given_alone(store: ClickHouseStore) -> None:
    """By session and place, the first of each identity; a kind is bound, never put into the statement."""
    begun = [a_row(name, 0, kind="session.started", offset=7) for name in ("a", "b")]
    late = a_row("b", 0, kind="session.started", offset=9, event_id="late")
    store.write([late, begun[1], a_row("b", 1), begun[0]], source="t:0:0-3")
    assert store.events_of("session.started") == (begun[0], begun[1])
    assert store.events_of("session.x' OR '1'='1") == ()


def test_the_position_is_how_far_the_log_is_known(store: ClickHouseStore) -> None:
    """Up to the last event of each partition, added up; a repeat of an old event is none, and no events are none."""
    assert store.position() == 0
    store.write([a_row("a", 0, partition=0, offset=4), a_row("a", 1, partition=0, offset=6)], source="1")
    assert store.position() == 7
    store.write([a_row("b", 0, partition=15, offset=0), a_row("a", 1, partition=0, offset=9)], source="2")
    assert store.position() == 8


def test_profiles_of_two_mappings_stand_beside_each_other(store: ClickHouseStore) -> None:
    """Published is frozen: a new mapping adds, it never overwrites."""
    pilot, next_one = a_profile(), a_profile(mapping="pilot@0.2.0", score=60_000_000)
    store.write([*profile_rows(pilot), *profile_rows(next_one)], source="t:0:0-1")
    assert profile_rows(pilot) == store.profile("s1", MAPPING)
    assert profile_rows(next_one) == store.profile("s1", "pilot@0.2.0")


@pytest.mark.parametrize(
    "row",
    [
        a_row(seq=-2, t_us=None, device_time=None, payload='{"a":"é\\u0000\'\\\\"}'.encode()),
        a_row("x" * 64, 65_535, t_us=INT64_MAX, offset=UINT64_MAX, partition=100_000),
        a_row(device_time=-(2**62), sent_time=INT64_MAX, received_time=-1),
        a_row(device_time=253_402_300_800_000),
        row_of_letter(a_dead_letter(value=b""), partition=15, offset=2**53),
        row_of_letter(a_dead_letter(value=bytes(range(256)) * 4_000), partition=0, offset=0),
        metric_rows(some_metrics(aap=-INT64_MAX))[1],
        metric_rows(some_metrics(aap=0))[0],
        metric_rows(some_metrics())[2],
        profile_rows(a_profile())[0],
        profile_rows(a_profile(score=-1))[1],
        a_reliability(),
        a_reliability(split_half_micro=-MICRO, split_half_low_micro=None, left_out={}, position=UINT64_MAX),
    ],
    ids=lambda row: f"{row.TABLE}",
)
def test_what_is_read_equals_what_was_written(store: ClickHouseStore, row: Row) -> None:
    """A verifier compares whole rows, to the last millisecond and byte."""
    store.execute(f"TRUNCATE TABLE {row.TABLE}")
    store.write([row], source="t:0:0-0")
    assert [row] == list(store.every(type(row)))


def test_a_batch_may_touch_any_months(store: ClickHouseStore) -> None:
    """The engine's limit of 100 partitions an insert must not stop the projector; absurd times share one partition."""
    month_ms = 31 * 86_400_000
    rows = [a_row(seq=seq, device_time=946_684_800_000 + seq * month_ms) for seq in range(150)]
    absurd = [a_row("absurd", seq, device_time=-(10**13) + seq * month_ms) for seq in range(150)]
    store.write(rows + absurd, source="t:0:0-299")
    assert len(list(store.every(EventRow))) == 300
    where = "WHERE database = currentDatabase() AND table = 'events' AND active"
    assert store.select(f"SELECT uniqExact(partition) FROM system.parts {where}") == [(151,)]


@pytest.mark.parametrize("kind", ROWS, ids=lambda kind: kind.TABLE)
def test_the_rows_and_the_tables_agree(store: ClickHouseStore, kind: type[Row]) -> None:
    """Two registries that must agree: the fields of the Struct and the columns of the table, in order."""
    described = store.select(f"DESCRIBE TABLE {kind.TABLE}")
    assert kind.__struct_fields__ == tuple(column[0] for column in described if not column[2])
    key = "SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = {name:String}"
    assert [(", ".join(kind.KEY),)] == store.select(key, {"name": kind.TABLE})


def test_people_see_numbers_in_their_own_units(store: ClickHouseStore) -> None:
    """The integers are what is verified; the floats beside them are for dashboards."""
    store.write([*metric_rows(some_metrics()), *profile_rows(a_profile())], source="t:0:0-1")
    value = "SELECT value, se FROM session_metrics FINAL WHERE metric = {metric:String}"
    assert store.select(value, {"metric": "balloon.aap"}) == [(31.5, 0.25)]
    assert store.select(value, {"metric": "memory.accuracy"}) == [(None, None)]
    again = {"pairs": 160, "retest_micro": 541_000, "retest_reason": None, "published_retest_micro": 555_500}
    store.write([a_reliability(**again)], source="t")
    figures = "split_half, split_half_low, split_half_high, retest, published, published_retest"
    found = store.select(f"SELECT {figures}, left_out['open'] FROM reliability FINAL")
    assert found == [(0.955527, 0.943, 0.9645, 0.541, 0.8991, 0.5555, 1)]
    shown = "SELECT score, ci_low, ci_high, t, reliability, quality, completeness FROM trait_profiles FINAL WHERE {scored}"
    assert store.select(shown.format(scored="status = 'scored'")) == [
        (54.0, 49.0, 59.0, 52.0, 0.81, 97.0, 100.0)
    ]


def test_sessions_are_counted_and_have_a_status(store: ClickHouseStore) -> None:
    """One look says how far every session has come."""
    assert store.sessions() == ()
    rows: list[Row] = [a_row(session_id, seq) for session_id in ("a", "b", "c", "d", "e") for seq in range(3)]
    rows += [row for session_id in "bcd" for row in metric_rows(some_metrics(session_id))]
    rows += [*profile_rows(a_profile("c", score=None)), *profile_rows(a_profile("d"))]
    rows += [a_row("e", -2, kind="session.withdrawn"), *profile_rows(a_profile("e"))]
    store.write(rows, source="t:0:0-40")
    assert [msgspec.structs.astuple(summary) for summary in store.sessions()] == [
        ("a", "open", 3, 0, 0, 0),
        ("b", "measured", 3, 1, 0, 0),
        ("c", "insufficient", 3, 1, 2, 0),
        ("d", "scored", 3, 1, 2, 1),
        ("e", "withdrawn", 4, 0, 2, 1),
    ]


def test_what_is_not_there_is_none(store: ClickHouseStore) -> None:
    """No row is not an empty answer, and a name is bound, never put into the statement."""
    store.write(profile_rows(a_profile()), source="t:0:0-0")
    assert store.metrics("s1") is None
    assert store.profile("s1", "other@1.0.0") is None
    assert store.profile("s1' OR '1'='1", MAPPING) is None
    assert store.metrics("{a:String} %s \\' -- ") is None


def test_every_row_is_given_in_the_order_of_its_key_while_others_read_and_write(
    store: ClickHouseStore,
) -> None:
    """A verification of everything does not stand in the way of the rest."""
    store.write([a_row(f"s{number % 7}", number) for number in reversed(range(2_000))], source="t:0:0-1999")
    keys = []
    for row in store.every(EventRow):
        if not keys:
            store.write([a_row("other")], source="t:0:2000-2000")
            assert store.metrics("s1") is None
        keys.append((row.session_id, row.seq))
    assert len(keys) == 2_000
    assert sorted(keys) == keys


def test_a_store_without_tables_says_what_to_do(place: Place) -> None:
    """Whoever starts a reader before the migrations learns it from the message."""
    store = place.open("no_such_database")
    for act in (
        store.sessions,
        lambda: store.write([a_row()], source="t:0:0-0"),
        lambda: store.metrics("s1"),
    ):
        with pytest.raises(StoreUnavailable, match="kymograph migrate up"):
            act()
    assert not store.has_table("events")
    store.close()


def test_a_folder_in_use_names_the_process_that_has_it(place: Embedded | Served) -> None:
    """Also the development server holds its folder; and one process may open its own folder again."""
    if isinstance(place, Embedded):
        again = place.open("again")
        again.close()
        again.close()
        owner = _owner(place.folder, "go")
        assert owner.communicate()[0] == ""
        assert owner.returncode == 1
    else:
        with pytest.raises(
            StoreInUse, match=rf"process {place.process.pid}\b.*infra/clickhouse/server"
        ) as refused:
            ClickHouseStore.embedded(place.folder)
        assert place.process.pid == refused.value.pid


def test_after_kill_9_of_its_owner_a_folder_opens_again_with_all_rows(tmp_path: Path) -> None:
    """The lock is the operating system's, so it ends with the process; what was written is on disk."""
    owner = _owner(tmp_path, "stay")
    assert owner.stdout is not None
    assert owner.stdout.readline() == "100\n"
    with pytest.raises(StoreInUse, match=rf"in use by process {owner.pid}:"):
        ClickHouseStore.embedded(tmp_path)
    os.kill(owner.pid, signal.SIGKILL)
    owner.communicate()
    heir = _owner(tmp_path, "go")
    assert heir.communicate()[0] == "100\n"
    assert heir.returncode == 0


def test_a_server_that_dies_is_unavailable_and_loses_nothing(tmp_path: Path) -> None:
    """The projector waits and writes again once it is back."""
    server = Served(tmp_path)
    with migrated(server, "kymograph") as store:
        store.write([a_row()], source="t:0:0-0")
        server.kill()
        with pytest.raises(StoreUnavailable, match=server.url.removeprefix("http://")):
            store.write([a_row(seq=1)], source="t:0:1-1")
        with pytest.raises(StoreUnavailable):
            list(store.every(EventRow))
    again = Served(tmp_path)
    store = again.open("kymograph")
    assert [a_row()] == list(store.every(EventRow))
    store.close()
    again.close()


def test_a_store_that_is_not_there_is_unavailable_within_bounded_time(tmp_path: Path) -> None:
    """Nobody listens, somebody listens and never answers, or the folder is a file: each says where it looked."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{port}"):
            ClickHouseStore.server(f"http://user:secret@127.0.0.1:{port}", timeout_s=1)
        assert time.monotonic() - started < 10
    with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{port}") as refused:
        ClickHouseStore.server(f"http://user:secret@127.0.0.1:{port}", timeout_s=1)
    assert "secret" not in str(refused.value)
    with pytest.raises(StoreUnavailable, match="of the form"):
        ClickHouseStore.server("127.0.0.1:8123")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be used"):
        ClickHouseStore.embedded(tmp_path / "file")


def test_importing_the_store_loads_no_engine() -> None:
    """Commands that need no engine never pay its seconds and its memory."""
    loaded = "import sys, projections.clickhouse; print('chdb' in sys.modules, 'clickhouse_connect' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False False\n"
