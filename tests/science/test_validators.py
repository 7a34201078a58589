"""One event alone: what is refused, and what its sender is told (``science/validators.py``)."""

import ast
import inspect
import os
import pickle
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from science import validators
from science.fields import Field, newest
from science.games import GAMES
from science.kinds import KINDS
from science.seed_fields import DATA, DERIVED
from science.validators import (
    BalloonRiskSchema,
    InvalidEvent,
    MemoryCardsSchema,
    ReactionTimerSchema,
    validate,
)
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.people import crowd
from streams.codec import Unreadable
from streams.schemas import Registry
from tests.agents.doors import door
from tests.real_people import VARIABLE
from tests.streams.examples import CODEC, EXAMPLES, agreeing, canonical, records_of

Fields = dict[str, object]

NEWEST = Registry.load().newest("games")
CLASSES = {
    "balloon_risk": BalloonRiskSchema,
    "memory_cards": MemoryCardsSchema,
    "reaction_timer": ReactionTimerSchema,
}
# The names of the seed's repository where it has them: cash_out, pop, card_flip, match, stimulus, response.
METHODS = {
    "balloon_risk": {
        "game_start": "game_started",
        "show": "shown",
        "pump": "pumped",
        "cash_out": "collected",
        "pop": "exploded",
        "timeout": "timed_out",
        "game_end": "game_completed",
    },
    "memory_cards": {
        "game_start": "game_started",
        "round_start": "round_started",
        "card_flip": "card_flipped",
        "match": "turn_resolved",
        "round_end": "round_completed",
        "round_timeout": "round_timed_out",
        "game_end": "game_completed",
    },
    "reaction_timer": {
        "game_start": "game_started",
        "trial": "trial_started",
        "stimulus": "stimulus_shown",
        "response": "responded",
        "false_start": "false_start",
        "miss": "missed",
        "game_end": "game_completed",
    },
}
PLAYED = sorted(kind for game in GAMES.values() for kind in game.kinds if game.name in CLASSES)
HOUSE = {"session.abandoned", "session.withdrawn"}
SENT = sorted(KINDS.keys() - HOUSE)

# As the seed's README prints it, before it calls ``schema.validate_pump_event(event_data)``.
SEEDS_DATA: Fields = {
    "balloon_id": "balloon_1",
    "pump_number": 5,
    "timestamp_milliseconds": 1640995200000,
    "balloon_size": 1.2,
    "current_earnings": 0.25,
    "total_earnings": 1.50,
    "time_since_prev_pump": 1500,
    "is_new_personal_max": True,
    "is_rapid_pump": False,
}
SEEDS_EVENT: Fields = {"session_id": "session_123", "event_type": "balloon_risk", "event_data": SEEDS_DATA}
UNDERSTOOD = {name: value for name, value in SEEDS_DATA.items() if name not in DERIVED}

PUMP: Fields = {"onset_t_us": 1_000, "latency_us": 500, "i": 1, "k": 1}


def method_of(kind: str) -> Callable[[Mapping[str, object]], Fields]:
    game, _, name = kind.partition(".")
    (method,) = [method for method, event in METHODS[game].items() if event == name]
    return getattr(CLASSES[game](), f"validate_{method}_event")


def without(fields: Mapping[str, object], *names: str) -> Fields:
    return {name: value for name, value in fields.items() if name not in names}


def payload_of(kind: str, fields: Mapping[str, object]) -> Fields:
    return {name: fields[name] for name in KINDS[kind].__struct_fields__}


def told(act: Callable[..., object], *args: object) -> InvalidEvent:
    with pytest.raises(InvalidEvent) as caught:
        act(*args)
    invalid = caught.value
    assert invalid.field
    assert invalid.reason
    assert invalid.suggestion
    assert str(invalid) == f"{invalid.reason}: {invalid.suggestion}"
    return invalid


# ------------------------------------------------------------------------------------------------ every kind


def test_every_event_of_the_three_games_has_a_method() -> None:
    """A kind that cannot be checked beforehand is found out only by being refused."""
    for game, schema in CLASSES.items():
        names = {name for name in vars(schema) if not name.startswith("_")}
        assert names == {f"validate_{method}_event" for method in METHODS[game]}
        if game in GAMES:
            assert {f"{game}.{event}" for event in METHODS[game].values()} == set(GAMES[game].kinds)


@pytest.mark.parametrize("kind", PLAYED)
def test_every_method_checks_its_own_kind(kind: str) -> None:
    """The example passes with its envelope and without, and the answer is what was sent."""
    example = EXAMPLES[kind]
    method = method_of(kind)
    assert method(example) == {"kind": kind, **example}
    assert method({"kind": kind, **example}) == {"kind": kind, **example}
    assert method(payload_of(kind, example)) == {"kind": kind, **payload_of(kind, example)}
    invalid = told(method, {**example, "kind": "session.paused"})
    assert (invalid.field, invalid.suggestion) == ("kind", f"send {kind}")
    assert kind in invalid.reason


@pytest.mark.parametrize("kind", SENT)
def test_every_example_of_every_kind_passes(kind: str) -> None:
    """Also of the session's frame: whatever is registered can be checked, and a fourth game's kinds will be."""
    assert validate(kind, EXAMPLES[kind]) == {"kind": kind, **EXAMPLES[kind]}
    assert (
        validate(kind, payload_of(kind, EXAMPLES[kind])).items() >= payload_of(kind, EXAMPLES[kind]).items()
    )


@pytest.mark.parametrize("kind", SENT)
def test_every_required_field_is_missed_by_its_name(kind: str) -> None:
    """The payload is required, but for what may be null or is worked out; the envelope is the door's."""
    for field in newest()[kind]:
        event = without(EXAMPLES[kind], field.name)
        if field.name == "config_hash":
            assert "config_hash" not in validate(kind, event)
        elif field.name in KINDS[kind].__struct_fields__ and not field.nullable:
            invalid = told(validate, kind, event)
            assert (invalid.field, invalid.reason) == (field.name, f"{field.name} is missing")
        else:
            checked = validate(kind, event)
            assert checked.get(field.name) is None
            assert (field.name in checked) == (field.name in KINDS[kind].__struct_fields__)


@pytest.mark.parametrize("kind", SENT)
def test_every_field_is_checked_wherever_it_stands(kind: str) -> None:
    """In the envelope too: what is there is held to its schema."""
    for field in newest()[kind]:
        invalid = told(validate, kind, {**EXAMPLES[kind], field.name: object()})
        assert invalid.field == field.name
        assert invalid.reason.startswith(f"{field.name} is of type object")


def test_the_fields_are_those_of_the_registry() -> None:
    """The science reads the newest schemas itself; they are the very ones that the wire was published with."""
    assert {kind: schema.fields for kind, schema in NEWEST.items()} == newest()


# ------------------------------------------------------------------------------------------------ every kind of flaw


@pytest.mark.parametrize(
    ("change", "field", "reason", "suggestion"),
    [
        ({"k": 0}, "k", "k is 0, allowed is 1..1000", "send a value in this range"),
        ({"k": 1001}, "k", "k is 1001, allowed is 1..1000", "send a value in this range"),
        ({"k": True}, "k", "k is of type bool, allowed is an integer", "send an integer"),
        ({"k": "1"}, "k", "k is of type str, allowed is an integer", "send an integer"),
        ({"k": None}, "k", "k is of type NoneType, allowed is an integer", "send an integer"),
        ({"k": 1.0}, "k", "k is 1.0, allowed is an integer", "send a whole number"),
        ({"latency_us": 499.5}, "latency_us", "latency_us is 499.5, allowed is an integer", "send whole microseconds"),
        ({"sent_time_ms": 1e3}, "sent_time_ms", "sent_time_ms is 1000.0, allowed is an integer", "send whole milliseconds"),
        ({"baloon": 1}, "baloon", "balloon_risk.pumped has no field 'baloon'", "it has: device_time_ms, event_id,"),
        ({"latency_ms": 1}, "latency_ms", "balloon_risk.pumped has no field 'latency_ms'", "did you mean latency_us? it has:"),
        ({"K" * 999: 1}, "K" * 100, "balloon_risk.pumped has no field 'KKK", "it has: "),
        ({"a/b~c": 1}, "a/b~c", "balloon_risk.pumped has no field 'a/b~c'", "it has: "),
        ({7: 1}, "7", "balloon_risk.pumped has no field '7'", "it has: "),
        ({"t_us": 1_600}, "latency_us", "latency_us is 500, but t_us - onset_t_us is 600", "send the two fields as they were"),
        ({"t_us": "1500"}, "t_us", "t_us is of type str, allowed is an integer", "send an integer"),
        ({"seq": 65_536}, "seq", "seq is 65536, allowed is 0..65535", "send a value in this range"),
        ({"session_id": "a b"}, "session_id", "session_id is 'a b', allowed is ^[A-Za-z0-9]", "send it in this form"),
        ({"kind": "balloon_risk.pump"}, "kind", "kind is 'balloon_risk.pump', but balloon_risk.pumped", "send balloon_risk.pumped"),
        ({"kind": None}, "kind", "kind is None, but balloon_risk.pumped", "send balloon_risk.pumped"),
        ({"pump_number": 1, "kind": "balloon_risk.pumped"}, "pump_number", "balloon_risk.pumped has no field", "it has: "),
    ],
)  # fmt: skip
def test_the_sender_is_told_the_field_the_reason_and_what_to_do(
    change: Mapping[str, object], field: str, reason: str, suggestion: str
) -> None:
    """Each way a pump can be wrong."""
    invalid = told(BalloonRiskSchema().validate_pump_event, {**PUMP, **change})
    assert invalid.field == field
    assert invalid.reason.startswith(reason)
    assert invalid.suggestion.startswith(suggestion)


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"practice": 1}, "practice", "practice is of type int, allowed is true or false"),
        ({"color": "x" * 257}, "color", "color has 257 characters, allowed is 0..256"),
        ({"value_per_pump_c": 0.5}, "value_per_pump_c", "value_per_pump_c is 0.5, allowed is an integer"),
    ],
)
def test_other_types_are_told_likewise(change: Mapping[str, object], field: str, reason: str) -> None:
    """Booleans, texts and cents of a balloon's appearance."""
    event = {**payload_of("balloon_risk.shown", EXAMPLES["balloon_risk.shown"]), **change}
    invalid = told(BalloonRiskSchema().validate_show_event, event)
    assert invalid.field == field
    assert invalid.reason.startswith(reason)


def test_a_latency_must_be_the_time_since_its_onset_when_all_three_are_there() -> None:
    """Without ``t_us`` there is nothing to contradict."""
    method = BalloonRiskSchema().validate_pump_event
    assert method({**PUMP, "t_us": 1_500}) == {"kind": "balloon_risk.pumped", "t_us": 1_500, **PUMP}
    assert method(PUMP) == {"kind": "balloon_risk.pumped", **PUMP}
    assert told(method, {**PUMP, "t_us": 1_501}).field == "latency_us"


def test_a_terminal_names_itself_when_it_has_a_number() -> None:
    """``last_seq`` is its own ``seq``; where the door has yet to give one, it may be anything."""
    assert validate("session.completed", {"last_seq": 3}) == {"kind": "session.completed", "last_seq": 3}
    assert told(validate, "session.completed", {"last_seq": 3, "seq": 4}).field == "last_seq"


@pytest.mark.parametrize("event", [None, "pump", 5, [("k", 1)], b"{}"])
def test_what_is_no_object_is_no_event(event: object) -> None:
    """Whatever a caller hands in, the answer is a sentence."""
    invalid = told(BalloonRiskSchema().validate_pump_event, event)
    assert (invalid.field, invalid.suggestion) == ("event_data", "send a dict")
    assert type(event).__name__ in invalid.reason


def test_an_unknown_kind_is_named_with_the_one_that_was_meant() -> None:
    """Or with all there are."""
    close, far = told(validate, "balloon_risk.pump", PUMP), told(validate, "chess.moved", PUMP)
    assert (close.field, close.suggestion) == ("kind", "did you mean balloon_risk.pumped?")
    assert far.field == "kind"
    assert far.suggestion == f"use one of: {', '.join(kind for kind in KINDS if kind not in HOUSE)}"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_door_takes_each_kind_that_passes_here(kind: str, tmp_path: Path) -> None:
    """What the house alone writes is refused by both, with the same words; its name is never proposed."""
    verdict = door(tmp_path).run({"kind": kind, **EXAMPLES[kind]})
    if kind not in HOUSE:
        assert validate(kind, EXAMPLES[kind])
        assert verdict["status"] == "accepted"
        return
    invalid = told(validate, kind, EXAMPLES[kind])
    assert invalid.field == "kind"
    assert (invalid.reason, invalid.suggestion) == (verdict["message"], verdict["suggestion"])
    assert told(validate, kind[:-1], {}).suggestion != f"did you mean {kind}?"


# What a sender says of itself: the house makes the random id, and hashes the plan.
REFERRED: Fields = {
    **without(
        payload_of("session.started", EXAMPLES["session.started"]), "subject_id", "key_id", "config_hash"
    ),
    "participant_ref": "Ada Lovelace",
}


def test_a_participant_may_be_named_as_the_door_asks_for_it(tmp_path: Path) -> None:
    """``participant_ref`` stands instead of ``subject_id``: no sender knows the id that the door will give."""
    frame = {"session_id": "s", "seq": 0, "t_us": 0}
    checked = validate("session.started", REFERRED)
    assert checked == {"kind": "session.started", **REFERRED, "key_id": None}
    assert door(tmp_path).run({**checked, **frame})["status"] == "accepted"
    known = {**REFERRED, "participant_ref": None, "subject_id": "0" * 32}
    assert door(tmp_path).run({**validate("session.started", known), **frame})["status"] == "accepted"
    for change, field in (
        ({"subject_id": "0" * 32}, "participant_ref"),
        ({"participant_ref": 7}, "participant_ref"),
        ({"participant_ref": ""}, "participant_ref"),
        ({"participant_ref": "x" * 513}, "participant_ref"),
        ({"participant_ref": None}, "subject_id"),
    ):
        event = {**REFERRED, **change}
        assert told(validate, "session.started", event).field == field
        assert door(tmp_path).run({"kind": "session.started", **event, **frame})["status"] == "rejected"


def test_an_invalid_event_is_a_value_error_and_travels() -> None:
    """The seed raises ValueError, so its callers' handlers still work; a worker's pool pickles what it raises."""
    invalid = told(validate, "balloon_risk.pumped", {**PUMP, "k": 0})
    assert isinstance(invalid, ValueError)
    assert str(invalid) == "k is 0, allowed is 1..1000: send a value in this range"
    copied = pickle.loads(pickle.dumps(invalid))
    assert (copied.field, copied.reason, copied.suggestion) == (
        invalid.field,
        invalid.reason,
        invalid.suggestion,
    )


# ------------------------------------------------------------------------------------------------ JSON within an event


def test_a_configuration_may_come_as_an_object() -> None:
    """As at the door: its canonical text is worked out here, and is what comes back."""
    kind = "balloon_risk.game_started"
    config = {"value_per_pump_c": 5, "balloons": 3, "max_pumps": 64, "burst_law": "uniform"}
    checked = BalloonRiskSchema().validate_game_start_event({"config": config, "seed_commit": None})
    assert checked == {"kind": kind, "config": canonical(config), "seed_commit": None}
    assert BalloonRiskSchema().validate_game_start_event(checked) == checked
    for wrong in ({"a": 0.5}, {"a": object()}, {"a": "\ud800"}, {1: 2}, {"a": 2**70}, {"a": 2**53}):
        invalid = told(BalloonRiskSchema().validate_game_start_event, {"config": wrong})
        assert invalid.field == "config"
    assert told(BalloonRiskSchema().validate_game_start_event, {"config": '{"b": 1}'}).field == "config"
    assert told(BalloonRiskSchema().validate_pump_event, {**PUMP, "k": {"a": 1}}).field == "k"


# ------------------------------------------------------------------------------------------------ what no game could mean


@pytest.mark.parametrize(
    ("kind", "change", "field", "reason"),
    [
        ("memory_cards.round_started", {"n_pairs": 6, "rows": 30, "cols": 40}, "n_pairs", "n_pairs is 6, but rows * cols is 1200"),
        ("memory_cards.round_started", {"n_pairs": 4, "rows": 3, "cols": 3}, "n_pairs", "n_pairs is 4, but rows * cols is 9"),
        ("memory_cards.card_flipped", {"face": ""}, "face", "face has 0 characters, allowed is 1..64"),
        ("memory_cards.round_completed", {"layout": {"fox": 1}}, "layout", "layout is not as memory_cards needs it: Expected `array`"),
        ("memory_cards.round_completed", {"layout": [1, 1]}, "layout", "layout is not as memory_cards needs it: Expected `str`"),
        ("balloon_risk.collected", {"pumps": 0, "earned_c": 50, "bank_c": 50}, "earned_c", "earned_c is 50, but pumps is 0"),
        ("balloon_risk.collected", {"pumps": 2, "earned_c": 5, "bank_c": 50}, "earned_c", "earned_c is 5, but pumps is 2"),
        ("balloon_risk.collected", {"pumps": 3, "earned_c": 0, "bank_c": 50}, "earned_c", "earned_c is 0, but pumps is 3"),
        ("balloon_risk.collected", {"pumps": 10, "earned_c": 50, "bank_c": 10}, "bank_c", "bank_c is 10, but earned_c is 50"),
        ("balloon_risk.game_completed", {"reveal_burst_points": {"a": "b"}}, "reveal_burst_points", "reveal_burst_points is not as balloon_risk needs it: Expected `array`, got `object`"),
        ("balloon_risk.game_completed", {"reveal_burst_points": ["b"]}, "reveal_burst_points", "reveal_burst_points is not as balloon_risk needs it: Expected `int`, got `str`"),
        ("reaction_timer.game_completed", {"reveal_foreperiods": {}}, "reveal_foreperiods", "reveal_foreperiods is not as reaction_timer needs it"),
        ("reaction_timer.stimulus_shown", {"stim": ""}, "stim", "stim has 0 characters, allowed is 1..256"),
        ("reaction_timer.stimulus_shown", {"t_us": 1_000, "stim_onset_t_us": 51_001}, "stim_onset_t_us", "stim_onset_t_us is 51001, but t_us is 1000"),
        ("reaction_timer.responded", {"key": ""}, "key", "key has 0 characters, allowed is 1..256"),
    ],
)  # fmt: skip
def test_an_event_that_no_game_could_mean_is_refused_before_it_is_sent(
    kind: str, change: Mapping[str, object], field: str, reason: str
) -> None:
    """The log takes it, and the fold voids what it belongs to; here its author can still mend it."""
    invalid = told(method_of(kind), {**EXAMPLES[kind], **change})
    assert invalid.field == field
    assert invalid.reason.startswith(reason)


@pytest.mark.parametrize(
    ("kind", "config", "reason"),
    [
        ("balloon_risk.game_started", [], "Expected `object`, got `array`"),
        ("balloon_risk.game_started", {}, "Object missing required field `balloons`"),
        ("balloon_risk.game_started", {"balloons": -1, "max_pumps": "x"}, "Expected `int` >= 1 - at `$.balloons`"),
        ("balloon_risk.game_started", {"x" * 30_000: 1}, "Object contains unknown field `xxx"),
        ("memory_cards.game_started", {"cols": 3, "lockout_us": 0, "n_pairs": 4, "rounds": 1, "rows": 3}, "3 x 3 places do not hold 4 pairs"),
        ("reaction_timer.game_started", {"kind": "go"}, "Invalid enum value 'go' - at `$.kind`"),
    ],
)  # fmt: skip
def test_a_configuration_is_one_of_its_game(kind: str, config: object, reason: str) -> None:
    """As its ``Config`` reads it; where it is none, the place and the fields that it has are told."""
    invalid = told(method_of(kind), {**EXAMPLES[kind], "config": config})
    assert invalid.field == "config"
    assert invalid.reason.startswith(f"config is not as {kind.partition('.')[0]} needs it: {reason}")
    assert len(invalid.reason) < 300
    (field,) = [field for field in newest()[kind] if field.name == "config"]
    assert invalid.suggestion == f"send what its schema says: {field.doc}"


def test_an_onset_may_be_told_a_little_before_it_is_painted() -> None:
    """A browser names the frame to come: 50 ms, as for R4. Without ``t_us`` there is nothing to compare with."""
    method, stimulus = ReactionTimerSchema().validate_stimulus_event, {"i": 1, "stim": "x"}
    assert method({**stimulus, "t_us": 1_000, "stim_onset_t_us": 51_000})
    assert method({**stimulus, "t_us": 1_000, "stim_onset_t_us": 0})
    assert method({**stimulus, "stim_onset_t_us": 51_001})


def test_whatever_simulated_people_send_passes() -> None:
    """A check that refuses an honest game would be worse than none."""
    designs = (balloon_risk.Design(), memory_cards.Design(), reaction_timer.Design())
    for _, _, events in crowd(3, 7, *designs):
        for event in events:
            assert validate(str(event["kind"]), event)


# ------------------------------------------------------------------------------------------------ the seed's form


def printed_example() -> str:
    named = os.environ.get(VARIABLE)
    shared = Path(named).parent if named else Path(__file__).parents[3] / "shared"
    seed = shared / "mission" / "seed.md"
    if not seed.is_file():
        pytest.skip(
            f"THE SEED'S OWN PAGE NOT TESTED: mission/seed.md is missing beside the folder of {VARIABLE}"
        )
    return seed.read_text(encoding="utf-8")


def test_the_seeds_event_passes_as_its_readme_prints_it() -> None:
    """``from behavioral_data.schemas import BalloonRiskSchema`` and two lines more, with our module's name."""
    schema = BalloonRiskSchema()
    assert schema.validate_pump_event(SEEDS_EVENT) == {**SEEDS_EVENT, "event_data": UNDERSTOOD}
    assert schema.validate_pump_event(SEEDS_DATA) == UNDERSTOOD
    blocks = re.findall(r"```python\n(.*?)```", printed_example(), re.DOTALL)
    (logging,) = [block for block in blocks if "result = event_logger.run(event_data)" in block]
    (validation,) = [block for block in blocks if "schema.validate_pump_event(event_data)" in block]
    (event,) = [node for node in ast.walk(ast.parse(logging)) if isinstance(node, ast.Dict)][:1]
    for event_data in (SEEDS_EVENT, ast.literal_eval(event)):
        here: Fields = {"event_data": event_data}
        exec(validation.replace("behavioral_data.schemas", "science.validators"), here)
        assert here["validated_data"] == {**SEEDS_EVENT, "event_data": UNDERSTOOD}


def test_a_cash_out_and_a_pop_have_the_seeds_form_too() -> None:
    """Only the three events whose fields the seed's page shows; what is derived is left out, the rest comes back."""
    schema = BalloonRiskSchema()
    cash_out: Fields = {"balloon_id": "b", "earnings_collected": 0.25, "timestamp_milliseconds": 5}
    pop: Fields = {"balloon_id": "b", "pumps_at_pop": 4, "timestamp_milliseconds": 5}
    assert schema.validate_cash_out_event({**cash_out, "balloon_size": "big"}) == cash_out
    at_once = {**cash_out, "earnings_collected": 0, "total_pumps": 0}
    assert schema.validate_cash_out_event(at_once) == at_once
    assert schema.validate_pop_event(pop) == pop
    whole = {"session_id": "s", "event_type": "balloon_risk", "event_data": pop}
    assert schema.validate_pop_event(whole) == whole
    assert told(schema.validate_pump_event, pop).field == "pumps_at_pop"
    assert told(schema.validate_pop_event, cash_out).field == "earnings_collected"
    for wrong in ("much", True, None, float("nan"), float("inf"), -5, -0.01, 10_000_001, 10**400):
        invalid = told(schema.validate_cash_out_event, {**cash_out, "earnings_collected": wrong})
        assert invalid.field == "earnings_collected"
        assert "allowed is " in invalid.reason
    invalid = told(schema.validate_cash_out_event, {**cash_out, "total_pumps": 0})
    assert invalid.field == "earnings_collected"
    assert invalid.reason == "earnings_collected is 0.25, but total_pumps is 0"


def test_a_wait_cannot_have_begun_before_the_clock_did(tmp_path: Path) -> None:
    """The door takes the session's start from it, and no clock shows a time before 1970."""
    data = {**SEEDS_DATA, "timestamp_milliseconds": 1_499}
    for event in (data, {**SEEDS_EVENT, "event_data": data}):
        invalid = told(BalloonRiskSchema().validate_pump_event, event)
        assert invalid.field == "timestamp_milliseconds"
        assert invalid.reason == "timestamp_milliseconds is 1499, but time_since_prev_pump is 1500"
    assert door(tmp_path).run({**SEEDS_EVENT, "event_data": data})["status"] == "rejected"
    first: Fields = {**SEEDS_DATA, "timestamp_milliseconds": 1_500}
    assert BalloonRiskSchema().validate_pump_event(first)
    assert door(tmp_path).run({**SEEDS_EVENT, "event_data": first})["status"] == "accepted"


@pytest.mark.parametrize(
    ("change", "field", "suggestion"),
    [
        ({"pump_number": 0}, "pump_number", "send a value in this range"),
        ({"pump_number": 1001}, "pump_number", "send a value in this range"),
        ({"pump_number": True}, "pump_number", "send an integer"),
        ({"pump_number": 5.0}, "pump_number", "send a whole number"),
        ({"balloon_id": 1}, "balloon_id", "send a string"),
        ({"balloon_id": "b" * 201}, "balloon_id", "send a text of this length"),
        ({"balloon_id": ""}, "balloon_id", "send a text of this length"),
        ({"timestamp_milliseconds": 1.5}, "timestamp_milliseconds", "send whole milliseconds"),
        ({"timestamp_milliseconds": -1}, "timestamp_milliseconds", "send a value in this range"),
        ({"time_since_prev_pump": -1}, "time_since_prev_pump", "send a value in this range"),
        ({"time_since_prev_pump": 600_001}, "time_since_prev_pump", "send a value in this range"),
        ({"pump_nubmer": 5}, "pump_nubmer", "did you mean pump_number?"),
        ({"total_pumps": 5}, "total_pumps", "it has: "),
        ({"i": 5}, "i", "it has: "),
    ],
)
def test_the_seeds_fields_are_held_to_the_bounds_of_ours(
    change: Mapping[str, object], field: str, suggestion: str
) -> None:
    """Alone and in the whole event alike."""
    data = {**SEEDS_DATA, **change}
    for event in (data, {**SEEDS_EVENT, "event_data": data}):
        invalid = told(BalloonRiskSchema().validate_pump_event, event)
        assert invalid.field == field
        assert invalid.suggestion.startswith(suggestion)


@pytest.mark.parametrize("name", ["balloon_id", "pump_number", "timestamp_milliseconds"])
def test_the_seeds_required_fields_are_missed_by_name(name: str) -> None:
    """The wait is not among them: what is left out is worked out from the event before."""
    assert told(BalloonRiskSchema().validate_pump_event, without(SEEDS_DATA, name)).field == name
    assert BalloonRiskSchema().validate_pump_event(without(SEEDS_DATA, "time_since_prev_pump"))


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (without(SEEDS_EVENT, "session_id"), "session_id"),
        ({**SEEDS_EVENT, "session_id": "a b"}, "session_id"),
        ({**SEEDS_EVENT, "event_type": "memory_cards"}, "event_type"),
        ({**SEEDS_EVENT, "event_type": None}, "event_type"),
        ({**SEEDS_EVENT, "event_data": [1]}, "event_data"),
        ({**SEEDS_EVENT, "kind": "balloon_risk.pumped"}, "kind"),
        ({**SEEDS_EVENT, "user": "x"}, "user"),
        ({**SEEDS_EVENT, "timestamp": "2024-01-01T12:00:00Z"}, "timestamp"),
        ({**SEEDS_DATA, "timestamp": "2024-01-01T12:00:00Z"}, "timestamp"),
        (without(SEEDS_EVENT, "event_data"), "balloon_id"),
    ],
)
def test_the_seeds_frame_is_checked(event: Mapping[str, object], field: str) -> None:
    """As ``EventLogger().run`` checks it."""
    assert told(BalloonRiskSchema().validate_pump_event, event).field == field


UNDOCUMENTED = sorted(set(SENT) - DATA.keys())


@pytest.mark.parametrize("kind", UNDOCUMENTED)
def test_where_the_seed_documents_no_fields_our_own_form_is_asked_for(kind: str) -> None:
    """A guess at someone's fields would be measured as if it were known."""
    seeds = {"session_id": "s", "event_type": kind.partition(".")[0], "event_data": {"card_id": "c"}}
    for event, field in (
        (seeds, "event_type"),
        ({"card_id": "c", "timestamp_milliseconds": 5}, "timestamp_milliseconds"),
        ({"card_id": "c", "timestamp": "2024-01-01T12:00:00Z"}, "timestamp"),
    ):
        invalid = told(validate, kind, event)
        assert invalid.field == field
        assert (
            invalid.suggestion == f"send our own form: {', '.join(('kind', *KINDS[kind].__struct_fields__))}"
        )


def test_no_name_is_of_both_forms() -> None:
    """Or an event of ours without its kind would be taken for one of the seed's."""
    for kind, shape in DATA.items():
        assert not shape.checks.keys() & {field.name for field in newest()[kind]}


# ------------------------------------------------------------------------------------------------ the door says the same


def verdict_of_the_door(kind: str, fields: Mapping[str, object]) -> str | None:
    """The field that the codec refuses, or None."""
    try:
        CODEC.encode(kind, fields)
    except Unreadable as unreadable:
        return unreadable.flaw.pointer.removeprefix("/").replace("~1", "/").replace("~0", "~")
    return None


def verdict_here(kind: str, event: Mapping[str, object]) -> str | None:
    try:
        validate(kind, event)
    except InvalidEvent as invalid:
        return invalid.field
    return None


WRONG = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(),
    st.text(max_size=80),
    st.binary(max_size=8),
    st.just('{"b":1,"a":2}'),
    st.just('["x"]'),
)


def beyond(field: Field) -> st.SearchStrategy[object]:
    if field.type == "long":
        assert field.minimum is not None
        assert field.maximum is not None
        return st.sampled_from([field.minimum - 1, field.minimum, field.maximum, field.maximum + 1])
    return st.nothing()


# What no game could mean is refused here alone, by these names; the log has it, and the fold of the session says so.
STRICTER: dict[str, tuple[str, ...]] = {
    "balloon_risk.game_started": ("config",),
    "balloon_risk.game_completed": ("reveal_burst_points",),
    "balloon_risk.collected": ("earned_c", "bank_c"),
    "memory_cards.game_started": ("config",),
    "memory_cards.round_started": ("n_pairs",),
    "memory_cards.card_flipped": ("face",),
    "memory_cards.round_completed": ("layout",),
    "reaction_timer.game_started": ("config",),
    "reaction_timer.game_completed": ("reveal_foreperiods",),
    "reaction_timer.stimulus_shown": ("stim", "stim_onset_t_us"),
    "reaction_timer.responded": ("key",),
}


def meant(kind: str, fields: Mapping[str, object]) -> Fields:
    """The fields, with an example's values for those that a game must be able to mean."""
    plausible = {name: EXAMPLES[kind][name] for name in STRICTER.get(kind, ())}
    match kind:
        case "balloon_risk.collected":
            plausible["pumps"] = EXAMPLES[kind]["pumps"]
        case "memory_cards.round_started":
            plausible |= {name: EXAMPLES[kind][name] for name in ("rows", "cols")}
        case "reaction_timer.stimulus_shown":
            plausible["stim_onset_t_us"] = fields["t_us"]
    return {**fields, **plausible}


@settings(deadline=None, max_examples=400)
@given(data=st.data())
def test_what_passes_here_passes_the_door(data: st.DataObject) -> None:
    """Any event of any kind, right or with a field bent, left out or added: the same verdict about the same field.

    But for what only here is found to be impossible.
    """
    kind = data.draw(st.sampled_from(SENT))
    drawn = data.draw(records_of(NEWEST[kind]).filter(lambda fields: len(str(fields)) < 9_000))
    fields = meant(kind, agreeing(drawn))
    bend = data.draw(st.sampled_from(["nothing", "value", "missing", "extra"]))
    payload = [name for name in KINDS[kind].__struct_fields__ if name != "config_hash"]
    if bend == "value":
        field = data.draw(st.sampled_from(newest()[kind]))
        fields[field.name] = data.draw(WRONG | beyond(field))
    elif bend == "missing" and payload:
        del fields[data.draw(st.sampled_from(payload))]
    elif bend == "extra":
        fields[data.draw(st.text(min_size=1, max_size=12).filter(lambda name: name != "kind"))] = 1
    verdict, here = verdict_of_the_door(kind, fields), verdict_here(kind, {"kind": kind, **fields})
    assert here == verdict or (
        verdict is None and bend in ("value", "missing") and here in STRICTER.get(kind, ())
    )
    if here is None:
        checked = validate(kind, fields)
        assert CODEC.encode(kind, without(checked, "kind")) == CODEC.encode(kind, fields)


@pytest.mark.parametrize("kind", SENT)
def test_the_payload_alone_gets_the_verdict_of_the_whole(kind: str) -> None:
    """The envelope is an example's; the payload is bent in each field."""
    example = EXAMPLES[kind]
    for name in KINDS[kind].__struct_fields__:
        for value in (None, True, 0, -(2**60), 1.5, "", "x" * 99_999, b""):
            payload = {**payload_of(kind, example), name: value}
            whole = verdict_of_the_door(kind, {**example, **payload})
            alone = verdict_here(kind, payload)
            contradicted = whole in ("latency_us", "last_seq") and alone is None
            meaningless = whole is None and alone in STRICTER.get(kind, ())
            assert contradicted or meaningless or alone == whole


def test_every_method_says_what_it_checks() -> None:
    """``help(BalloonRiskSchema)`` is where a reader looks first."""
    for schema in CLASSES.values():
        assert schema.__doc__
        assert all(
            inspect.getdoc(method) for name, method in vars(schema).items() if name.startswith("validate_")
        )
    assert "validate_pump_event" in (validators.__doc__ or "")
