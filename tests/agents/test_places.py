"""Places that outlive the log's own memory: ``agents/places.py``."""

from pathlib import Path

import pytest

from agents.control import ControlUnavailable, open_control
from agents.places import Place, Places
from streams.log import Position


def places(folder: Path, reader: str = "reader", topic: str = "a", log: str = "sqlite") -> Places:
    """As a new process opens them."""
    return Places(open_control(f"sqlite:///{folder / 'control.sqlite'}"), reader, topic, log=log)


def test_a_place_is_kept_moved_and_dropped(tmp_path: Path) -> None:
    """By partition, whoever opens the database; to drop what is not there changes nothing."""
    assert places(tmp_path).all() == {}
    places(tmp_path).put(Position("a", 3, 7))
    places(tmp_path).put(Position("a", 0, 2**53 - 1), "a note")
    assert places(tmp_path).all() == {3: Place(7), 0: Place(2**53 - 1, "a note")}
    places(tmp_path).put(Position("a", 3, 9), "another")
    places(tmp_path).drop(0)
    places(tmp_path).drop(5)
    assert places(tmp_path).all() == {3: Place(9, "another")}


def test_readers_topics_and_logs_do_not_share_places(tmp_path: Path) -> None:
    """One database may stand beside several logs."""
    places(tmp_path).put(Position("a", 3, 7))
    for other in ({"reader": "other"}, {"topic": "b"}, {"log": "kafka"}):
        mine = places(tmp_path, **other)
        assert mine.all() == {}
        mine.put(Position(other.get("topic", "a"), 3, 1))
        mine.drop(3)
    assert places(tmp_path).all() == {3: Place(7)}
    with pytest.raises(AssertionError):
        places(tmp_path).put(Position("b", 3, 7))


def test_a_database_that_is_away_says_so(tmp_path: Path) -> None:
    """With what to do; nothing else is raised."""
    engine = open_control(f"sqlite:///{tmp_path / 'control.sqlite'}")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE places")
    mine = Places(engine, "reader", "a", log="sqlite")
    for act in (mine.all, lambda: mine.put(Position("a", 0, 1)), lambda: mine.drop(0)):
        with pytest.raises(ControlUnavailable, match="no such table: places"):
            act()
