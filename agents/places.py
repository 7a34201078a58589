"""Offsets by partition that must outlive the log's own memory of them: a broker forgets what a group committed a week after its last
member left (``offsets.retention.minutes``), so what is asked of people now and then keeps its place in the control database.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from agents.control import PLACES, ControlUnavailable
from streams.log import Position


class Place(msgspec.Struct, frozen=True):
    """The next offset, and what was said of it."""

    offset: int
    note: str = ""


class Places:
    """Those of one reader in one topic. Every method raises ControlUnavailable."""

    def __init__(self, control: Engine, reader: str, topic: str, *, log: str) -> None:
        """``log`` names the log that the offsets are of: one control database may stand beside an embedded log and Kafka."""
        self._control = control
        self._topic = topic
        self._mine = {"log": log, "reader": reader, "topic": topic}

    def all(self) -> dict[int, Place]:
        """By partition."""
        columns = select(PLACES.c.partition, PLACES.c.next_offset, PLACES.c.note)
        with self._begun() as connection:
            rows = connection.execute(columns.where(self._here())).all()
        return {partition: Place(offset, note) for partition, offset, note in rows}

    def put(self, place: Position, note: str = "") -> None:
        """From now on this is the place of its partition, durably."""
        assert place.topic == self._topic
        values = {"next_offset": place.offset, "note": note}
        with self._begun() as connection:
            moved = update(PLACES).where(self._here(partition=place.partition)).values(**values)
            if not connection.execute(moved).rowcount:
                connection.execute(insert(PLACES).values(**self._mine, partition=place.partition, **values))

    def drop(self, partition: int) -> None:
        """There is no place in this partition any more."""
        with self._begun() as connection:
            connection.execute(delete(PLACES).where(self._here(partition=partition)))

    def _here(self, **more: int) -> ColumnElement[bool]:
        return and_(*(PLACES.c[name] == value for name, value in {**self._mine, **more}.items()))

    @contextmanager
    def _begun(self) -> Iterator[Connection]:
        try:
            with self._control.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            message = (
                f"the control database cannot be used ({error.__cause__ or error}): see to it, then try again"
            )
            raise ControlUnavailable(message) from error
