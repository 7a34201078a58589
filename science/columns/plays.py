"""What the columns of a game are given, and what they make of it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from science.columns.events import UNITS, Column, Events, Mask, code_of
from science.columns.exact import any_of
from science.event import Payload
from science.game import Conduct, Metric, Tally
from science.measure import Precision
from science.walk import Begun

_EDGE = len(UNITS)  # comes before the first and after the last


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

    def lawful(self, follows: Mask) -> "Plays":
        """The same plays, without the rows of those whose events do not follow each other as ``grammar`` has it.

        Whatever is counted over the rows of many plays is from here on of one play's whole units only.
        """
        unit = self.events.unit[self.rows]
        edge = np.diff(self.owner, prepend=-1, append=-1) != 0
        before = np.where(edge[:-1], _EDGE, np.roll(unit, 1))
        after = np.where(edge[1:], _EDGE, np.roll(unit, -1))
        odd = any_of(~(follows[before, unit] & follows[unit, after]), self.owner, len(self.begun))
        kept = ~odd[self.owner]
        return self._replace(rows=self.rows[kept], owner=self.owner[kept])


def grammar(moves: Mapping[tuple[str, type[Payload]], str], begins: type[Payload]) -> Mask:
    """Which unit event may come right after which, by the moves of a play; the last of either stands for the edge of a play.

    A unit ``begins`` only where none is open, so that none is left without an end. An event always leads to one state.
    """
    leads = {kind: state for (_, kind), state in moves.items()}
    allowed = np.zeros((_EDGE + 1, _EDGE + 1), dtype=np.bool_)
    for before in (None, *leads):
        row, state = (_EDGE, "idle") if before is None else (code_of(before), leads[before])
        allowed[row, _EDGE] = state == "idle"
        for kind in leads:
            allowed[row, code_of(kind)] = (state, kind) in moves and (kind is not begins or state == "idle")
    return allowed


class Played(NamedTuple):
    """What a play amounts to in which everything is as it should be: not even a note is made of it."""

    tally: Tally
    conduct: Conduct
    sample: list[Any]
    metrics: dict[str, Metric]
    precision: Precision
