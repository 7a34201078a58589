"""A session as events: what was told of its games, numbered, with the frame around it.

What cannot be read keeps its number, so that the session is seen to be incomplete rather than shorter. A session whose start the door
would refuse is refused whole, in one line: without it the others would be events of nobody.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from agents.event_logger import Verdict, reference_flaw
from importers.importing import Parsed
from science.checks import Flaw, pointer_to, shape_of
from science.fields import newest

_STARTED = shape_of("session.started", newest()["session.started"])

Told = tuple[str, dict[str, object] | Verdict]  # its place in the input; an event, or why there is none


class Game(msgspec.Struct, frozen=True):
    """One playing of a game as it was told: what was planned, and every event between its start and its end."""

    name: str
    config: Mapping[str, object]
    told: Sequence[Told]
    begin_t_us: int = 0

    @property
    def end_t_us(self) -> int:
        """When the last of its events happened."""
        return max([self.begin_t_us, *(time_of(what) for _, what in self.told if isinstance(what, dict))])


def session_events(
    session_id: str, opening: Mapping[str, object], games: Sequence[Game], asides: Sequence[Told] = ()
) -> Iterator[Parsed]:
    """Every event of a session, numbered: its start, the games one after the other, its end. ``asides`` are events of the frame,
    in the order of time, which come between those of the games. Equal input gives equal events. Where the session
    cannot start, one refusal stands for them all.
    """
    protocol = {"games": [{"config": game.config, "game": game.name} for game in games]}
    between: list[Told] = []
    for game in games:
        first, last = game.told[0][0], game.told[-1][0]
        begin = {"kind": f"{game.name}.game_started", "t_us": game.begin_t_us, "config": game.config}
        end = {"kind": f"{game.name}.game_completed", "t_us": game.end_t_us, "reason": "finished"}
        between += [(first, begin), *game.told, (last, end)]
    events = [*_merged(between, asides)]
    place, end_t_us = events[-1][0], max(time_of(what) for _, what in events if isinstance(what, dict))
    started = {"kind": "session.started", "t_us": 0, **opening, "protocol": protocol}
    completed = {"kind": "session.completed", "t_us": end_t_us, "last_seq": len(events) + 1}
    if (flaw := _flaw(session_id, opening)) is not None:
        yield Parsed(events[0][0], _refused(flaw, len(events) + 2))
        return
    for seq, (where, what) in enumerate([(events[0][0], started), *events, (place, completed)]):
        yield Parsed(
            where, {"session_id": session_id, "seq": seq, **what} if isinstance(what, dict) else what
        )


def unreadable(session_id: str, why: object) -> Verdict:
    """The verdict on a place of the input of which no event can be made."""
    return Verdict(
        status="rejected",
        session_id=session_id,
        code="malformed",
        pointer="",
        message=str(why),
        suggestion="mend the row, or leave the person out",
    )


def time_of(event: Mapping[str, object]) -> int:
    """When it happened."""
    t_us = event["t_us"]
    assert isinstance(t_us, int)
    return t_us


def _flaw(session_id: str, opening: Mapping[str, object]) -> Flaw | None:
    """What the door would have against the session's start, or None."""
    flaw = _STARTED.flaw_of_values({"session_id": session_id, **opening})
    if flaw is not None:
        return flaw
    for name, value in opening.items():
        if not str(value).strip():
            return Flaw("missing_field", pointer_to(name), f"{name} is blank", "give one")
    return reference_flaw(str(opening.get("participant_ref", "")))


def _refused(flaw: Flaw, events: int) -> Verdict:
    """The one verdict on a session that cannot begin."""
    return Verdict(
        status="rejected",
        code=flaw.code,
        pointer=flaw.pointer,
        message=f"{flaw.message}: none of the session's {events} events is taken",
        suggestion=flaw.suggestion,
    )


def _merged(between: Sequence[Told], asides: Sequence[Told]) -> Iterator[Told]:
    waiting = list(asides)
    for place, what in between:
        while waiting and isinstance(what, dict) and time_of(_event(waiting[0])) < time_of(what):
            yield waiting.pop(0)
        yield place, what
    yield from waiting


def _event(told: Told) -> dict[str, object]:
    assert isinstance(told[1], dict)
    return told[1]
