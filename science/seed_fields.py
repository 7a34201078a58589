"""The seed's JSON form of an event, field by field: ``{"session_id", "event_type", "event_data": {...}}``.

The seed's README documents balloon risk alone, so only its three events have a shape here. Bounds are those of the field of ours
that each becomes. What can be derived is accepted, whatever it says, and not believed.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from science.checks import Check, Flaw, Shape, check_of, pointer_to, shown
from science.fields import Field, newest

DERIVED = ("balloon_size", "current_earnings", "total_earnings", "is_new_personal_max", "is_rapid_pump")


def is_seed_form(event: Mapping[str, object]) -> bool:
    """The seed names its events ``event_type``; ours are named ``kind``."""
    return "event_type" in event


def _ours(kind: str, name: str) -> Field:
    return next(field for field in newest()[f"balloon_risk.{kind}"] if field.name == name)


def _like(ours: Field, name: str) -> Check:
    """The check of the seed's field ``name`` that becomes this one of ours."""
    return check_of(replace(ours, name=name))


def _anything(value: object) -> Flaw | None:
    return None


def _is_object(value: object) -> Flaw | None:
    if isinstance(value, Mapping):
        return None
    return Flaw("wrong_type", "/event_data", "event_data is no object", "send an object")


def _is_money(value: object) -> Flaw | None:
    code, allowed = "wrong_type", "a number"
    if type(value) is int or type(value) is float:
        if 0 <= value <= EARNED_MAX:  # which nan is not
            return None
        code, allowed = "out_of_range", f"0..{EARNED_MAX}"
    message = f"earnings_collected is {shown(value)}, allowed is {allowed}"
    return Flaw(code, pointer_to("earnings_collected"), message, "send what was cashed in")


FRAME = Shape(
    "the seed's form",
    {
        "session_id": check_of(_ours("pumped", "session_id")),
        "event_type": _anything,  # the caller knows which it can take
        "event_data": _is_object,
    },
    ("session_id", "event_type"),
)

_BALLOON_ID = Field(
    name="balloon_id", type="string", doc="The game's own name of the balloon.", min_length=1, max_length=200
)
_LATENCY = _ours("pumped", "latency_us")
assert _LATENCY.maximum is not None, "every long has bounds"
WAIT_MS_MAX = _LATENCY.maximum // 1000
_EARNED_C = _ours("collected", "earned_c")
assert _EARNED_C.maximum is not None, "every long has bounds"
EARNED_MAX = _EARNED_C.maximum // 100  # the seed counts in whole units of its money, we in cents
_WAIT = replace(_LATENCY, minimum=0, maximum=WAIT_MS_MAX)
_TIME = {"timestamp_milliseconds": _like(_ours("pumped", "sent_time_ms"), "timestamp_milliseconds")}


def _data(kind: str, own: Mapping[str, Check], **optional: Check) -> Shape:
    """The shape of ``event_data``; no event must say how long the participant waited."""
    required = {"balloon_id": check_of(_BALLOON_ID), **own, **_TIME}
    waited = {"time_since_prev_pump": _like(_WAIT, "time_since_prev_pump")}
    checks = {**required, **optional, **waited, **dict.fromkeys(DERIVED, _anything)}
    return Shape(f"the seed's form of balloon_risk.{kind}", checks, tuple(required))


DATA: dict[str, Shape] = {
    "balloon_risk.pumped": _data("pumped", {"pump_number": _like(_ours("pumped", "k"), "pump_number")}),
    "balloon_risk.collected": _data(
        "collected",
        {"earnings_collected": _is_money},
        total_pumps=_like(_ours("collected", "pumps"), "total_pumps"),
    ),
    "balloon_risk.exploded": _data(
        "exploded", {"pumps_at_pop": _like(_ours("exploded", "at_pump"), "pumps_at_pop")}
    ),
}
"""What ``event_data`` is made of, by the kind of ours that it becomes."""

END = Shape("the seed's session_end", _TIME, ())
