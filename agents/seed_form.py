"""The seed's JSON form of an event, translated into ours.

The seed numbers nothing and says nothing of a session's frame. What it leaves out is implied, with the configuration
``SEED_DEFAULT``: the session's start, the game's start, each balloon's appearance. Which sequence numbers a body got is
kept before anything is appended, so that a retry of the same body is the same event. What can be derived is derived again:
``balloon_size``, ``current_earnings``, ``total_earnings``, ``is_new_personal_max`` and ``is_rapid_pump`` are accepted and not believed.
"""

import uuid
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import NoReturn

import msgspec
from msgspec.structs import replace
from sqlalchemy import Engine, insert, select, update

from agents.control import SEED_EVENTS, SEED_SESSIONS
from science.canonical import canonical
from science.checks import Flaw, shown
from science.seed_fields import DATA, END, FRAME, WAIT_MS_MAX
from streams.codec import Unreadable

# The seed says neither how many balloons there are nor how they burst: no norms fit that, and the profile will say so.
SEED_DEFAULT = {"balloons": 30, "burst_law": "unknown", "max_pumps": 128, "value_per_pump_c": 5}
_CONFIG = canonical(SEED_DEFAULT).decode()
_PROTOCOL = canonical({"games": [{"config": SEED_DEFAULT, "game": "balloon_risk"}]}).decode()

_Event = dict[str, object]


class _State(msgspec.Struct):
    """How far a session has come."""

    start_ms: int
    next_seq: int = 0
    game_open: bool = False
    balloon_ids: list[str] = []
    pumps: int = 0
    bank_c: int = 0
    last_ms: int = 0  # the latest event


class SeedForm:
    """Translates, and remembers what it translated."""

    def __init__(self, engine: Engine) -> None:
        """Over the control database."""
        self._engine = engine

    def translate(self, seed: Mapping[str, object], check: Callable[[_Event], object]) -> list[_Event]:
        """Our events for one of the seed's, the implied ones first. Raises Unreadable (``streams.codec``).

        Each passes ``check`` before anything is kept: a refused event must not use a sequence number up.
        """
        _accept(FRAME.flaw(seed))
        session_id, body = seed["session_id"], _body(seed)
        assert isinstance(session_id, str)
        try:
            body_sha256 = sha256(msgspec.json.encode(body, order="deterministic")).digest()
        except (OverflowError, RecursionError, TypeError, ValueError) as error:
            message = f"the event cannot be written as JSON: {error}"
            _refuse("wrong_type", "", message, "send objects, lists, strings and numbers as JSON has them")
        kept = select(SEED_EVENTS.c.events).where(
            SEED_EVENTS.c.session_id == session_id, SEED_EVENTS.c.body_sha256 == body_sha256
        )
        with self._engine.begin() as connection:
            known = connection.execute(kept).scalar_one_or_none()
            if known is not None:
                repeated: list[_Event] = msgspec.json.decode(known)
                return repeated
            row = connection.execute(
                select(SEED_SESSIONS.c.state).where(SEED_SESSIONS.c.session_id == session_id)
            ).scalar_one_or_none()
            state = msgspec.json.decode(row, type=_State) if row is not None else None
            began = state is None
            state, events = _translate(session_id, state, seed, body)
            for event in events:
                check(event)
            packed = {"state": msgspec.json.encode(state)}
            if began:
                connection.execute(insert(SEED_SESSIONS).values(session_id=session_id, **packed))
            else:
                here = SEED_SESSIONS.c.session_id == session_id
                connection.execute(update(SEED_SESSIONS).where(here).values(**packed))
            connection.execute(
                insert(SEED_EVENTS).values(
                    session_id=session_id,
                    body_sha256=body_sha256,
                    events=msgspec.json.encode(events),
                )
            )
        return events


def _body(seed: Mapping[str, object]) -> Mapping[str, object]:
    data = seed.get("event_data", {})
    assert isinstance(data, Mapping)
    return {"event_type": seed["event_type"], "event_data": dict(data)}


def _translate(
    session_id: str, state: _State | None, seed: Mapping[str, object], body: Mapping[str, object]
) -> tuple[_State, list[_Event]]:
    data = body["event_data"]
    assert isinstance(data, dict)
    if seed["event_type"] == "session_end":
        return _end(session_id, state, data)
    if seed["event_type"] != "balloon_risk":
        _refuse(
            "unknown_kind",
            "/event_type",
            f"no game {seed['event_type']!r}",
            "send balloon_risk or session_end",
        )
    name = _name(data)
    _accept_data(DATA[f"balloon_risk.{name}"].flaw(data))
    now_ms = _integer(data, "timestamp_milliseconds")
    since_last_ms = now_ms - state.last_ms if state is not None else 0  # what the seed leaves out is not zero
    waited_ms = _integer(data, "time_since_prev_pump", default=max(0, min(since_last_ms, WAIT_MS_MAX)))
    state = state if state is not None else _State(start_ms=now_ms - waited_ms)
    t_us = _since_start(state, now_ms)
    onset_t_us = max(0, t_us - waited_ms * 1000)
    events = _begin(state)
    balloon_id = data["balloon_id"]
    if balloon_id not in state.balloon_ids:
        state.balloon_ids.append(balloon_id)
        state.pumps = 0
        balloon = {"color": "none", "max_pumps": SEED_DEFAULT["max_pumps"], "practice": False}
        balloon["value_per_pump_c"] = SEED_DEFAULT["value_per_pump_c"]
        events.append(
            {"kind": "balloon_risk.shown", "t_us": onset_t_us, "i": len(state.balloon_ids), **balloon}
        )
    fields: _Event = {"i": state.balloon_ids.index(balloon_id) + 1}
    if name != "exploded":
        fields |= {"onset_t_us": onset_t_us, "latency_us": t_us - onset_t_us}
    fields |= _OUTCOMES[name](state, data)
    events.append({"kind": f"balloon_risk.{name}", "t_us": t_us, **fields})
    return state, _numbered(session_id, state, events)


def _name(data: Mapping[str, object]) -> str:
    """Which event it is, by the field that only this one has."""
    names = {"earnings_collected": "collected", "pumps_at_pop": "exploded", "pump_number": "pumped"}
    name = next((name for field, name in names.items() if field in data), None)
    if name is None:
        suggestion = "send pump_number (a pump), earnings_collected (cashed in) or pumps_at_pop (a burst)"
        _refuse("missing_field", "/event_data/pump_number", "no pump, no collect and no burst", suggestion)
    return name


def _pumped(state: _State, data: Mapping[str, object]) -> _Event:
    state.pumps = _integer(data, "pump_number")
    return {"k": state.pumps}


def _collected(state: _State, data: Mapping[str, object]) -> _Event:
    # What the client counted, where it says so: if a pump was lost on the way, the fold sees it.
    pumps = _integer(data, "total_pumps", default=state.pumps)
    earned_c = pumps * SEED_DEFAULT["value_per_pump_c"]  # type: ignore[operator]  # the number among the texts
    state.bank_c += earned_c
    return {"pumps": pumps, "earned_c": earned_c, "bank_c": state.bank_c}


def _exploded(state: _State, data: Mapping[str, object]) -> _Event:
    return {"at_pump": _integer(data, "pumps_at_pop")}


_OUTCOMES: dict[str, Callable[[_State, Mapping[str, object]], _Event]] = {
    "pumped": _pumped,
    "collected": _collected,
    "exploded": _exploded,
}


def _begin(state: _State) -> list[_Event]:
    if state.game_open:
        return []
    state.game_open = True
    started = {
        "subject_id": uuid.uuid4().hex,  # the seed names no participant
        "consent_basis": "declared:seed",
        "battery": "seed",
        "protocol": _PROTOCOL,
        "device_input": "unknown",
    }
    game = {"kind": "balloon_risk.game_started", "t_us": 0, "config": _CONFIG}
    return [{"kind": "session.started", "t_us": 0, **started}, game]


def _end(session_id: str, state: _State | None, data: Mapping[str, object]) -> tuple[_State, list[_Event]]:
    if state is None:
        _refuse(
            "inconsistent", "/event_type", "session_end before any event", "send the session's events first"
        )
    _accept_data(END.flaw(data))
    t_us = _since_start(state, _integer(data, "timestamp_milliseconds", default=state.last_ms))
    events: list[_Event] = [
        {"kind": "balloon_risk.game_completed", "t_us": t_us, "reason": "finished"},
        {"kind": "session.completed", "t_us": t_us, "last_seq": state.next_seq + 1},
    ]
    return state, _numbered(session_id, state, events)


def _numbered(session_id: str, state: _State, events: list[_Event]) -> list[_Event]:
    numbered = [
        {"session_id": session_id, "seq": state.next_seq + i, "device_time_ms": None, **event}
        for i, event in enumerate(events)
    ]
    state.next_seq += len(events)
    return numbered


def _since_start(state: _State, now_ms: int) -> int:
    """Microseconds since the session's start, as its first event tells it."""
    if not 0 <= state.start_ms <= now_ms:
        message = f"timestamp_milliseconds is {shown(now_ms)}, the session began at {shown(state.start_ms)}"
        suggestion = "send milliseconds since 1970, the session's earliest event first"
        _refuse("out_of_range", "/event_data/timestamp_milliseconds", message, suggestion)
    state.last_ms = max(state.last_ms, now_ms)
    return (now_ms - state.start_ms) * 1000


def _integer(data: Mapping[str, object], name: str, *, default: int | None = None) -> int:
    value = data.get(name, default)
    assert isinstance(value, int), "its shape was checked"
    return value


def _accept(flaw: Flaw | None) -> None:
    if flaw is not None:
        raise Unreadable(flaw)


def _accept_data(flaw: Flaw | None) -> None:
    _accept(flaw and replace(flaw, pointer=f"/event_data{flaw.pointer}"))


def _refuse(code: str, pointer: str, message: str, suggestion: str) -> NoReturn:
    raise Unreadable(Flaw(code, pointer, message, suggestion))
