"""The engine for the tests of this folder: one a module, each test in a database of its own."""

from collections.abc import Iterator

import pytest

from projections.clickhouse import ClickHouseStore
from tests.projections.places import Embedded, database_of, migrated


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """The engine in this process."""
    embedded = Embedded(tmp_path_factory.mktemp("engine"))
    yield embedded
    embedded.close()


@pytest.fixture
def store(place: Embedded, request: pytest.FixtureRequest) -> Iterator[ClickHouseStore]:
    """A store with its tables."""
    with migrated(place, database_of(request.node.name)) as opened:
        yield opened


@pytest.fixture
def empty_store(place: Embedded, request: pytest.FixtureRequest) -> Iterator[ClickHouseStore]:
    """A store whose database is not there yet."""
    opened = place.open(database_of(request.node.name))
    yield opened
    opened.close()
