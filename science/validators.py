"""One event alone, checked before it is sent: ``BalloonRiskSchema().validate_pump_event(event_data)``.

What passes here, the door of the log takes, once its envelope is whole: each field is held to the newest schema of the event's
kind, as there. Left to the door are how large the whole event is, who takes part and by which consent, and what the seed's form
says although it can be derived. Sequences are judged by the fold of the session.

The other way round it does not hold: what no game could mean (``_meaning_flaw``, ``_seed_flaw``) is refused here alone, where its
author can mend it. The log keeps such an event as it was sent, and the fold answers for it.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import replace

from science.checks import Flaw, Shape, flaw_between, nearest, pointer_to, shape_of, shown, write_json
from science.event import Payload
from science.fields import Field, newest
from science.game import Start
from science.games import GAMES
from science.games.balloon_risk import vocabulary as balloon_risk
from science.games.memory_cards import vocabulary as memory_cards
from science.games.reaction_timer import vocabulary as reaction_timer
from science.kinds import KINDS
from science.seed_fields import DATA, DERIVED, FRAME, is_seed_form

# Whoever sends one of these means the seed's form, and is told what that has: there is no ``timestamp`` in it.
_SEEDS = ("event_data", "timestamp_milliseconds", "timestamp")

_HOUSE = ("session.abandoned", "session.withdrawn")  # no sender's to write
_SENT = tuple(kind for kind in KINDS if kind not in _HOUSE)

_NAMES = {  # what has a name is not named by nothing, though the schemas allow it
    "memory_cards.card_flipped": "face",
    "reaction_timer.stimulus_shown": "stim",
    "reaction_timer.responded": "key",
}
_PARTICIPANT_REF = Field(
    name="participant_ref",
    type="string",
    doc="The sender's own name of the participant; it never reaches the log in clear.",
    nullable=True,
    min_length=1,
    max_length=512,
)
_SUBJECT_ID, _CONFIG_HASH = "0" * 32, "0" * 64  # in place of what the door works out

_ONSET_SLACK_US = 50_000  # R4: an onset may be told as of the frame to come
_REASON_MAX = 200  # of what msgspec says, which may quote the sender


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

    In our own form ``kind`` and the envelope (``session_id``, ``seq``, ``t_us``, ...) may be left out; what is there is checked. At a
    session's start ``participant_ref`` may stand instead of ``subject_id``, and ``config_hash`` may be left out, as at the door. The
    seed's form is taken whole or as its ``event_data`` alone, for the three events of balloon risk whose fields are documented.
    An event comes back in the form it came in, with null for what may be null and without what is only derived.
    """
    if kind in _HOUSE:
        raise InvalidEvent("kind", f"{kind} is written by the house alone", "end with session.aborted")
    if kind not in KINDS:
        meant = nearest(kind, _SENT)
        suggestion = f"use one of: {', '.join(_SENT)}" if meant is None else f"did you mean {meant}?"
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
    worked_out = _worked_out(event) if kind == "session.started" else {}
    record: dict[str, Any] = {name: value for name, value in event.items() if name != "kind"} | worked_out
    _accept(write_json(newest()[kind], record))
    _accept(_shape(kind).flaw(record))
    fields = {name: record.get(name) for name in KINDS[kind].__struct_fields__}
    payload = KINDS[kind](**fields)
    _accept(flaw_between(payload, record))
    _accept(_meaning_flaw(kind, payload, record.get("t_us")))
    record |= fields
    names = [name for name in _shape(kind).checks if name in record and name not in worked_out]
    return {"kind": kind, **{name: record[name] for name in names}}


def _worked_out(started: Mapping[str, object]) -> dict[str, object]:
    """What the door itself puts into a session's start: the id of who is named, and the hash of what is planned."""
    worked_out: dict[str, object] = {} if "config_hash" in started else {"config_hash": _CONFIG_HASH}
    if started.get("participant_ref") is None:
        return worked_out
    if "subject_id" in started:
        reason = "participant_ref stands instead of subject_id, but both are there"
        raise InvalidEvent("participant_ref", reason, "send one of the two")
    return worked_out | {"subject_id": _SUBJECT_ID}


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
    _accept(_seed_flaw(data))
    return {name: value for name, value in data.items() if name not in DERIVED}


def _seed_mark(kind: str, event: Mapping[str, object]) -> str | None:
    """The field that shows the event to be in the seed's form, or None if it is in ours."""
    if is_seed_form(event):
        return "event_type"
    return None if "kind" in event else next((name for name in _seed_names(kind) if name in event), None)


@cache
def _shape(kind: str) -> Shape:
    """Our own form: the payload is required, and the envelope may come with it."""
    payload, named = KINDS[kind].__struct_fields__, _NAMES.get(kind)
    fields = [replace(field, min_length=1) if field.name == named else field for field in newest()[kind]]
    required = [field.name for field in fields if field.name in payload and not field.nullable]
    if kind == "session.started":
        fields.append(_PARTICIPANT_REF)
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


# ------------------------------------------------------------------------------------------------ what no game could mean


def _meaning_flaw(kind: str, payload: Payload, t_us: int | None) -> Flaw | None:
    """What this event says that is true in no game, or None.

    Checked here and not by ``Payload.contradiction``, which would make dead letters of what is in the log already. There the fold
    judges it (B5, B7, M1, M9, R4, R10, S3).
    """
    match payload:
        case Start(config=text):
            return _config_flaw(kind, text)
        case balloon_risk.GameCompleted(reveal_burst_points=str(text)):
            return _list_flaw(kind, "reveal_burst_points", text, list[int])
        case reaction_timer.GameCompleted(reveal_foreperiods=str(text)):
            return _list_flaw(kind, "reveal_foreperiods", text, list[int])
        case memory_cards.RoundCompleted(layout=str(text)):
            return _list_flaw(kind, "layout", text, list[str])
        case memory_cards.RoundStarted(n_pairs=n_pairs, rows=rows, cols=cols) if rows * cols != 2 * n_pairs:
            remedy = "send rows and cols whose product is 2 * n_pairs"
            return _between("n_pairs", n_pairs, "rows * cols", rows * cols, remedy)
        case balloon_risk.Collected(pumps=pumps, earned_c=earned_c) if not _is_wage(earned_c, pumps):
            remedy = "send pumps times the value of one, in cents"
            return _between("earned_c", earned_c, "pumps", pumps, remedy)
        case balloon_risk.Collected(earned_c=earned_c, bank_c=bank_c) if bank_c < earned_c:
            remedy = "send what the bank holds with this balloon's money"
            return _between("bank_c", bank_c, "earned_c", earned_c, remedy)
        case reaction_timer.StimulusShown(stim_onset_t_us=onset_t_us) if (
            t_us is not None and onset_t_us > t_us + _ONSET_SLACK_US
        ):
            remedy = "send the event when the stimulus was painted, on the one clock"
            return _between("stim_onset_t_us", onset_t_us, "t_us", t_us, remedy)
        case _:
            return None


def _seed_flaw(data: Mapping[str, Any]) -> Flaw | None:
    """What this event's data say in the seed's form that is true in no game, or None."""
    at_ms, waited_ms = data["timestamp_milliseconds"], data.get("time_since_prev_pump", 0)
    if at_ms < waited_ms:
        remedy = "send milliseconds since 1970, and how many of them were waited"
        return _between("timestamp_milliseconds", at_ms, "time_since_prev_pump", waited_ms, remedy)
    earned, pumps = data.get("earnings_collected"), data.get("total_pumps")
    if earned and pumps == 0:
        return _between("earnings_collected", earned, "total_pumps", 0, "send 0: only pumps earn")
    return None


def _is_wage(earned_c: int, pumps: int) -> bool:
    """B5: every pump of a balloon earns the same, a cent at least."""
    if pumps == 0:
        return earned_c == 0
    return earned_c >= pumps and earned_c % pumps == 0


def _config_flaw(kind: str, text: str) -> Flaw | None:
    game, _, _ = kind.partition(".")
    try:
        GAMES[game].planned(msgspec.json.decode(text, type=dict[str, object]))
    except msgspec.ValidationError as error:
        return _unfit(kind, "config", error)
    return None


def _list_flaw(kind: str, name: str, text: str, of: type) -> Flaw | None:
    try:
        msgspec.json.decode(text, type=of)
    except msgspec.ValidationError as error:
        return _unfit(kind, name, error)
    return None


def _unfit(kind: str, name: str, error: msgspec.ValidationError) -> Flaw:
    """The JSON in this field is canonical, but not what the game reads in it."""
    game, _, _ = kind.partition(".")
    doc = next(field.doc for field in newest()[kind] if field.name == name)
    reason = f"{name} is not as {game} needs it: {str(error)[:_REASON_MAX]}"
    return Flaw("inconsistent", pointer_to(name), reason, f"send what its schema says: {doc}")


def _between(name: str, value: object, other: str, than: object, suggestion: str) -> Flaw:
    reason = f"{name} is {shown(value)}, but {other} is {shown(than)}"
    return Flaw("inconsistent", pointer_to(name), reason, suggestion)


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
