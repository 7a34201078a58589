"""One event alone, checked before it is sent: ``BalloonRiskSchema().validate_pump_event(event_data)``.

Every rule comes from the newest schema of the event's kind, so what passes here is what the door of the log takes, and the other
way round; only the size of the whole event is the door's to judge. Sequences are judged by the fold of the session.
"""

from collections.abc import Mapping
from functools import cache

from science.checks import Flaw, Shape, flaw_between, nearest, shape_of, shown, write_json
from science.fields import newest
from science.kinds import KINDS
from science.seed_fields import DATA, DERIVED, FRAME, is_seed_form

_SEEDS = ("event_data", "timestamp_milliseconds", "timestamp")  # any event of the seed's may have these


class InvalidEvent(ValueError):
    """An event that cannot be taken: which ``field``, for what ``reason``, and what to do (``suggestion``)."""

    def __init__(self, field: str, reason: str, suggestion: str) -> None:
        super().__init__(field, reason, suggestion)
        self.field, self.reason, self.suggestion = field, reason, suggestion

    def __str__(self) -> str:
        """As a sentence."""
        return f"{self.reason}: {self.suggestion}"


def validate(kind: str, event: Mapping[str, object]) -> dict[str, object]:
    """What was understood of an event of this kind, of any game. Raises InvalidEvent.

    In our own form ``kind`` and the envelope (``session_id``, ``seq``, ``t_us``, ...) may be left out; what is there is checked. The
    seed's form is taken whole or as its ``event_data`` alone, for the three events of balloon risk whose fields are documented.
    An event comes back in the form it came in, with null for what may be null and without what is only derived.
    """
    if kind not in KINDS:
        meant = nearest(kind, KINDS)
        suggestion = f"use one of: {', '.join(KINDS)}" if meant is None else f"did you mean {meant}?"
        raise InvalidEvent("kind", f"there is no event kind {shown(kind)}", suggestion)
    if not isinstance(event, Mapping):
        raise InvalidEvent(
            "event_data", f"an event is an object, not of type {type(event).__name__}", "send a dict"
        )
    name = _seed_mark(kind, event)
    if name is None:
        return _own(kind, event)
    if kind not in DATA:
        own = ", ".join(("kind", *KINDS[kind].__struct_fields__))
        reason = f"{kind} has no documented fields in the seed's form"
        raise InvalidEvent(name, reason, f"send our own form: {own}")
    return _seed_whole(kind, event) if is_seed_form(event) else _seed_data(kind, event)


# ------------------------------------------------------------------------------------------------ the two forms


def _own(kind: str, event: Mapping[str, object]) -> dict[str, object]:
    said = event.get("kind", kind)
    if said != kind:
        raise InvalidEvent("kind", f"kind is {shown(said)}, but {kind} is checked here", f"send {kind}")
    record = {name: value for name, value in event.items() if name != "kind"}
    _accept(write_json(newest()[kind], record))
    _accept(_shape(kind).flaw(record))
    payload = {name: record.get(name) for name in KINDS[kind].__struct_fields__}
    _accept(flaw_between(KINDS[kind](**payload), record))
    record |= payload
    return {"kind": kind, **{name: record[name] for name in _shape(kind).checks if name in record}}


def _seed_whole(kind: str, event: Mapping[str, object]) -> dict[str, object]:
    _accept(FRAME.flaw(event))
    game, _, _ = kind.partition(".")
    if event["event_type"] != game:
        said = shown(event["event_type"])
        raise InvalidEvent("event_type", f"event_type is {said}, but {kind} is checked here", f"send {game}")
    data = event.get("event_data", {})
    assert isinstance(data, Mapping), "the frame was checked"
    return {**event, "event_data": _seed_data(kind, data)}


def _seed_data(kind: str, data: Mapping[str, object]) -> dict[str, object]:
    _accept(DATA[kind].flaw(data))
    return {name: value for name, value in data.items() if name not in DERIVED}


def _seed_mark(kind: str, event: Mapping[str, object]) -> str | None:
    """The field that shows the event to be in the seed's form, or None if it is in ours."""
    if is_seed_form(event):
        return "event_type"
    return None if "kind" in event else next((name for name in _seed_names(kind) if name in event), None)


@cache
def _shape(kind: str) -> Shape:
    """Our own form: the payload is required, and the envelope may come with it."""
    fields, payload = newest()[kind], KINDS[kind].__struct_fields__
    required = (field.name for field in fields if field.name in payload and not field.nullable)
    return shape_of(kind, fields, required=required)


@cache
def _seed_names(kind: str) -> tuple[str, ...]:
    """The names that only the seed's form has, beside ``event_type``."""
    names = (*_SEEDS, *DATA[kind].checks) if kind in DATA else _SEEDS
    return tuple(name for name in names if name not in _shape(kind).checks)


def _accept(flaw: Flaw | None) -> None:
    if flaw is not None:
        name = flaw.pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        raise InvalidEvent(name, flaw.message, flaw.suggestion)


class BalloonRiskSchema:
    """Balloon risk: one method an event. Pumps, cash-outs and pops may come in the seed's form."""

    @staticmethod
    def validate_game_start_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """A game begins."""
        return validate("balloon_risk.game_started", event_data)

    @staticmethod
    def validate_show_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """A balloon appears."""
        return validate("balloon_risk.shown", event_data)

    @staticmethod
    def validate_pump_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """A pump; the one that bursts the balloon is a pump too."""
        return validate("balloon_risk.pumped", event_data)

    @staticmethod
    def validate_cash_out_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """The balloon is cashed in."""
        return validate("balloon_risk.collected", event_data)

    @staticmethod
    def validate_pop_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """The balloon bursts."""
        return validate("balloon_risk.exploded", event_data)

    @staticmethod
    def validate_timeout_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """The balloon is taken away without an answer."""
        return validate("balloon_risk.timed_out", event_data)

    @staticmethod
    def validate_game_end_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """The game ends."""
        return validate("balloon_risk.game_completed", event_data)


class MemoryCardsSchema:
    """Memory cards: one method an event, in our own form."""

    @staticmethod
    def validate_game_start_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """A game begins."""
        return validate("memory_cards.game_started", event_data)

    @staticmethod
    def validate_round_start_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """A layout of cards is dealt."""
        return validate("memory_cards.round_started", event_data)

    @staticmethod
    def validate_card_flip_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """A card is turned up."""
        return validate("memory_cards.card_flipped", event_data)

    @staticmethod
    def validate_match_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """Two cards lie open and match, or do not."""
        return validate("memory_cards.turn_resolved", event_data)

    @staticmethod
    def validate_round_end_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """All pairs are found."""
        return validate("memory_cards.round_completed", event_data)

    @staticmethod
    def validate_round_timeout_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """The time of the round is over."""
        return validate("memory_cards.round_timed_out", event_data)

    @staticmethod
    def validate_game_end_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """The game ends."""
        return validate("memory_cards.game_completed", event_data)


class ReactionTimerSchema:
    """Reaction timer: one method an event, in our own form."""

    @staticmethod
    def validate_game_start_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """A game begins."""
        return validate("reaction_timer.game_started", event_data)

    @staticmethod
    def validate_trial_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """A trial begins, and with it the wait."""
        return validate("reaction_timer.trial_started", event_data)

    @staticmethod
    def validate_stimulus_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """The stimulus appears."""
        return validate("reaction_timer.stimulus_shown", event_data)

    @staticmethod
    def validate_response_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """The participant responds to the stimulus."""
        return validate("reaction_timer.responded", event_data)

    @staticmethod
    def validate_false_start_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """A press before the stimulus."""
        return validate("reaction_timer.false_start", event_data)

    @staticmethod
    def validate_miss_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """No response came."""
        return validate("reaction_timer.missed", event_data)

    @staticmethod
    def validate_game_end_event(event_data: Mapping[str, object]) -> dict[str, object]:
        """The game ends."""
        return validate("reaction_timer.game_completed", event_data)
