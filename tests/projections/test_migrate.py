"""Tables are made step by step, each step once, and never by a file that has changed since."""

from pathlib import Path

import pytest

from projections import migrate
from projections.clickhouse import ClickHouseStore
from projections.migrate import MigrationRefused
from projections.store import StoreUnavailable

FIRST = "-- a first table\nCREATE TABLE IF NOT EXISTS a (x Int64) ENGINE = MergeTree ORDER BY x;\n"
SECOND = (
    "CREATE TABLE IF NOT EXISTS b (x Int64) ENGINE = MergeTree ORDER BY x;\n"
    "CREATE TABLE IF NOT EXISTS c (x Int64) ENGINE = MergeTree ORDER BY x;\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations."""
    (tmp_path / "0001_a.sql").write_text(FIRST)
    (tmp_path / "0002_b.sql").write_text(SECOND)
    return tmp_path


def test_the_house_s_own_migrations_are_numbered_without_holes() -> None:
    """What ships must be appliable."""
    assert [migration.name for migration in migrate.migrations()][:5] == [
        "0001_events.sql",
        "0002_session_metrics.sql",
        "0003_trait_profiles.sql",
        "0004_dead_letters.sql",
        "0005_reliability.sql",
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [("0004_d.sql", "0004"), ("0002_again.sql", "0002"), ("3_c.sql", "3_c"), ("notes.sql", "notes")],
)
def test_a_folder_that_contradicts_itself_is_refused(folder: Path, name: str, said: str) -> None:
    """A hole, a number given twice or a name without a number would make the order a matter of luck."""
    (folder / name).write_text(FIRST)
    with pytest.raises(MigrationRefused, match=said):
        migrate.migrations(folder)


def test_a_file_may_hold_several_statements() -> None:
    """A statement ends with a semicolon at the end of its line; one within a line is not an end."""
    assert migrate.statements("SELECT ';' AS a;\n\nSELECT 2;\n") == ["SELECT ';' AS a", "SELECT 2"]


@pytest.mark.clickhouse
def test_migrations_are_applied_in_order_and_each_once(empty_store: ClickHouseStore, folder: Path) -> None:
    """A second run finds nothing to do, and a migration added later is the only one applied."""
    assert [state.state for state in migrate.status(empty_store, folder)] == ["pending", "pending"]
    assert [done.name for done in migrate.up(empty_store, folder)] == ["0001_a.sql", "0002_b.sql"]
    assert all(empty_store.has_table(table) for table in "abc")
    assert migrate.up(empty_store, folder) == ()
    (folder / "0003_d.sql").write_text(
        "CREATE TABLE IF NOT EXISTS d (x Int64) ENGINE = MergeTree ORDER BY x;\n"
    )
    assert [state.state for state in migrate.status(empty_store, folder)] == ["applied", "applied", "pending"]
    assert [done.name for done in migrate.up(empty_store, folder)] == ["0003_d.sql"]


@pytest.mark.clickhouse
def test_a_dry_run_and_a_status_change_nothing(empty_store: ClickHouseStore, folder: Path) -> None:
    """One may look before one leaps, even where no database is."""
    assert [pending.name for pending in migrate.up(empty_store, folder, dry_run=True)] == [
        "0001_a.sql",
        "0002_b.sql",
    ]
    migrate.status(empty_store, folder)
    with pytest.raises(StoreUnavailable):
        empty_store.select("SELECT 1")
    assert [state.state for state in migrate.status(empty_store, folder)] == ["pending", "pending"]


@pytest.mark.clickhouse
def test_a_migration_that_changed_after_it_was_applied_is_refused(
    empty_store: ClickHouseStore, folder: Path
) -> None:
    """Two databases of one version must have the same tables."""
    migrate.up(empty_store, folder)
    (folder / "0001_a.sql").write_text(FIRST + "-- an afterthought\n")
    (folder / "0003_d.sql").write_text("CREATE TABLE d (x Int64) ENGINE = MergeTree ORDER BY x;\n")
    with pytest.raises(MigrationRefused, match=r"0001_a\.sql has changed since it was applied"):
        migrate.up(empty_store, folder)
    assert not empty_store.has_table("d")


@pytest.mark.clickhouse
def test_a_migration_that_is_gone_is_refused(empty_store: ClickHouseStore, folder: Path) -> None:
    """An older kymograph must not touch the tables of a newer one."""
    migrate.up(empty_store, folder)
    (folder / "0002_b.sql").unlink()
    with pytest.raises(
        MigrationRefused, match=r"0002_b\.sql was applied to this database but its file is gone"
    ):
        migrate.up(empty_store, folder)


@pytest.mark.clickhouse
def test_a_crash_between_a_step_and_its_record_does_no_harm(
    empty_store: ClickHouseStore, folder: Path
) -> None:
    """The step is repeated: every statement says IF NOT EXISTS."""
    migrate.up(empty_store, folder)
    empty_store.execute("TRUNCATE TABLE schema_migrations")
    assert len(migrate.up(empty_store, folder)) == 2


@pytest.mark.clickhouse
def test_the_house_s_own_statements_may_be_repeated(store: ClickHouseStore) -> None:
    """The same for what ships."""
    store.execute("TRUNCATE TABLE schema_migrations")
    assert len(migrate.migrations()) == len(migrate.up(store))
