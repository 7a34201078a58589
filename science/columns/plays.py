"""What the columns of a game are given, and what they make of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from science.columns.events import Column, Events, Mask
from science.event import Payload
from science.game import Conduct, Metric, Tally
from science.measure import Precision
from science.walk import Begun


class Plays(NamedTuple):
    """The plays of one game in many sessions, at most one in each.

    ``rows`` are those of their unit events in ``events``, ascending; ``owner`` says of each, ascending too, whose it is: its place in
    ``begun``, where every play stands as it was begun, with the event that completed it. A play may have no rows.
    """

    events: Events
    rows: Column
    owner: Column
    begun: Sequence[Begun]

    def field(self, name: str, *kinds: type[Payload]) -> Column:
        """A field of these kinds, one value a row; 0 where an event is of another kind."""
        return self.events.field(name, kinds)[self.rows]

    def without(self, odd: Mask) -> "Plays":
        """The same plays, those that are odd without their rows."""
        kept = ~odd[self.owner]
        return self._replace(rows=self.rows[kept], owner=self.owner[kept])


class Played(NamedTuple):
    """What a play amounts to in which everything is as it should be: not even a note is made of it."""

    tally: Tally
    conduct: Conduct
    sample: list[Any]
    metrics: dict[str, Metric]
    precision: Precision
