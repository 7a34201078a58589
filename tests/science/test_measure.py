"""The walk over a closed session: the frame's invariants S1-S6, what is voided, and what the measures name."""

from hashlib import sha256
from math import isqrt
from types import ModuleType

import msgspec
import pytest

from science.canonical import canonical, digest
from science.event import Payload
from science.game import Completion, Start
from science.games import GAMES
from science.games.balloon_risk import play as balloon_play
from science.games.balloon_risk.metrics import DEFINITIONS
from science.games.balloon_risk.vocabulary import GameStarted, TimedOut
from science.games.memory_cards import play as memory_play
from science.games.reaction_timer import play as reaction_play
from science.games.reaction_timer.metrics import DEFINITIONS as REACTION_DEFINITIONS
from science.games.reaction_timer.vocabulary import Missed
from science.measure import Measures, Noticed
from science.vocabulary import (
    CheckAnswered,
    EventVoided,
    Interaction,
    Paused,
    Resumed,
)
from tests.science import reaction_builders
from tests.science.builders import (
    KIND_OF,
    TYPICAL,
    Balloon,
    Step,
    abandoned,
    codes_of,
    ended,
    events_of,
    game_config,
    game_steps,
    measures_of,
    profile_of,
    protocol_of,
    risk_of,
    session_events,
    session_steps,
    started,
)

PERSON: list[Balloon] = [(3, "collected"), (2, "exploded"), (4, "collected")]


def with_frame(*extra: tuple[int, Payload]) -> list[Step]:
    """PERSON's session with events of the frame put in before its end, at their times."""
    steps = session_steps(PERSON, terminal=None)
    return ended([*steps, *extra])


def measured(steps: list[Step]) -> Measures:
    """What these steps amount to."""
    return measures_of(events_of(steps))


def severities(measures: Measures) -> dict[str, str]:
    """The severity of each code."""
    return {noticed.code: noticed.severity for noticed in measures.findings}


# -------------------------------------------------------------------------------------------------------------- S1 - S6


def test_s1_a_session_starts_with_its_start() -> None:
    """session.started anywhere else is impossible, and so is a session without it."""
    steps = session_steps(PERSON)
    late = [(0, CheckAnswered("item", passed=True)), *steps]
    assert codes_of(measured(late)) == {"S1": 1}
    none = measured(steps[1:])
    assert Noticed("S1", "integrity", 1, 0) in none.findings
    assert none.device_input == "unknown"


def test_s1_there_is_one_start() -> None:
    """A second start is impossible."""
    steps = session_steps(PERSON)
    assert codes_of(measured([*steps[:5], steps[0], *steps[5:]]))["S1"] == 1


def test_s2_games_do_not_overlap() -> None:
    """A game that starts while another is open ends the other; both are measured."""
    configs = [game_config(3), game_config(3, value_c=7)]
    steps: list[Step] = [(0, started(protocol_of(configs)))]
    steps += game_steps(PERSON, configs[0], completion=None)
    steps += game_steps(PERSON, configs[1], begin_us=steps[-1][0])
    measures = measured(ended(steps))
    assert codes_of(measures) == {"S2": 1}
    assert [game.tally.scored for game in measures.games] == [3, 3]


def test_s2_a_game_event_needs_its_game() -> None:
    """A balloon before the game starts, and after it ends, is impossible."""
    steps = session_steps(PERSON)
    stray: Step = (0, TimedOut(1))
    assert codes_of(measured([steps[0], stray, *steps[1:]])) == {"S2": 1}
    assert codes_of(measured([*steps[:-1], (steps[-1][0], TimedOut(1)), steps[-1]])) == {"S2": 1}


def test_s2_a_game_takes_only_its_own_events() -> None:
    """A reaction while the balloons are open is none of theirs: it is impossible, and changes nothing."""
    steps = session_steps(PERSON)
    strayed = measured([*steps[:5], (steps[4][0], Missed(1, 4_000_000)), *steps[5:]])
    assert codes_of(strayed) == {"S2": 1}
    assert strayed.metrics == measured(steps).metrics


@pytest.mark.parametrize("play", [balloon_play, memory_play, reaction_play])
def test_no_unit_of_a_game_goes_on_with_its_start_or_its_end(play: ModuleType) -> None:
    """So that a play asks for its end only where its units do not take the event."""
    assert not [kind for _, kind in play.NEXT if issubclass(kind, Start | Completion)]


def test_s2_a_game_that_is_overtaken_has_ended() -> None:
    """With the objections that it makes at its end: here a balloon more than was planned."""
    configs = [game_config(3), game_config(3, value_c=7)]
    steps: list[Step] = [(0, started(protocol_of(configs)))]
    steps += game_steps([*PERSON, (2, "collected")], configs[0], completion=None)
    place = len(steps)
    steps += game_steps(PERSON, configs[1], begin_us=steps[-1][0])
    assert Noticed("B9", "integrity", 1, place) in measured(ended(steps)).findings


def test_s3_the_protocol_is_what_was_hashed() -> None:
    """config_hash is the SHA-256 of the protocol, or the protocol was changed on the way."""
    steps = session_steps(PERSON)
    protocol = protocol_of([game_config(3)])
    bent: Step = (0, started(protocol, config_hash=sha256(b"another").hexdigest()))
    assert codes_of(measured([bent, *steps[1:]])) == {"S3": 1}


@pytest.mark.parametrize(
    "protocol", ['{"games":[{"game":"balloon_risk"}]}', "[]", "", "no json", '{"games":7}']
)
def test_s3_a_protocol_that_plans_nothing_is_a_finding(protocol: str) -> None:
    """Whatever the text is, the fold does not raise; the game that is played was not planned."""
    steps = session_steps(PERSON)
    measures = measured([(0, started(protocol)), *steps[1:]])
    assert codes_of(measures) == {"S3": 2}


@pytest.mark.parametrize(
    "config",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"balloons":3,"burst_law":"uniform","max_pumps":1,"value_per_pump_c":5}',
        '{"balloons":0,"burst_law":"uniform","max_pumps":12,"value_per_pump_c":5}',
        '{"balloons":3,"burst_law":"uniform","max_pumps":12,"value_per_pump_c":0}',
        '{"balloons":3,"burst_law":"uniform","max_pumps":12,"value_per_pump_c":5,"extra":1}',
        '{"balloons":"3","burst_law":"uniform","max_pumps":12,"value_per_pump_c":5}',
    ],
)
def test_s3_a_configuration_that_is_none_is_a_finding(config: str) -> None:
    """The game does not begin, so its events have no game; nothing raises and nothing is scored."""
    steps = session_steps(PERSON)
    measures = measured([steps[0], (0, GameStarted(config, None)), *steps[2:]])
    assert codes_of(measures).keys() == {"S2", "S3"}
    assert measures.metrics == {}
    assert measures.games == []


def test_s3_the_game_is_played_as_the_protocol_says() -> None:
    """Another configuration than the planned one."""
    steps = session_steps(PERSON)
    other = protocol_of([game_config(3, max_pumps=64)])
    assert codes_of(measured([(0, started(other)), *steps[1:]])) == {"S3": 1}


def test_s3_a_game_is_played_as_often_as_it_is_planned() -> None:
    """Playing again what was planned once would let a player choose; planned twice, it may be played twice."""
    config = game_config(3)
    for planned, findings in ((1, {"S3": 1}), (2, {})):
        steps: list[Step] = [(0, started(protocol_of([config] * planned)))]
        steps += game_steps(PERSON, config)
        steps += game_steps(PERSON, config, begin_us=steps[-1][0])
        assert codes_of(measured(ended(steps))) == findings


def test_a_planned_game_that_nobody_played_lowers_completeness() -> None:
    """Design 4 and rulings H: completeness is against what the protocol planned, here 20 of 40 balloons."""
    configs = [game_config(20), game_config(20)]
    steps: list[Step] = [(0, started(protocol_of(configs))), *game_steps(TYPICAL, configs[0])]
    assert risk_of(events_of(ended(steps))).completeness == 50_000_000


def test_a_plan_that_is_no_games_plans_no_units() -> None:
    """A game that nobody knows, or a configuration that is none of its game's, counts against nobody."""
    protocol = (
        '{"games":[{"config":{},"game":"unknown"},{"config":{"balloons":"many"},"game":"balloon_risk"},'
        '{"config":{"balloons":7,"burst_law":"uniform","max_pumps":12,"value_per_pump_c":5},"game":"balloon_risk"}]}'
    )
    assert measured([(0, started(protocol)), (1, Interaction("focus"))]).unplayed == {"balloon_risk": 7}


def test_s4_blur_and_focus_alternate() -> None:
    """A second blur and a focus without a blur are noted; the first blur's time runs on."""
    t_us = with_frame()[-1][0]
    twice = measured(
        with_frame(
            (t_us, Interaction("blur")), (t_us + 10, Interaction("blur")), (t_us + 30, Interaction("focus"))
        )
    )
    assert codes_of(twice) == {"S4": 1}
    assert severities(twice) == {"S4": "note"}
    assert (twice.attention.blurs, twice.attention.blurred_us) == (1, 30)
    lone = measured(with_frame((t_us, Interaction("focus"))))
    assert codes_of(lone) == {"S4": 1}
    assert (lone.attention.blurs, lone.attention.blurred_us) == (0, 0)


def test_blurred_time_is_what_lies_between() -> None:
    """Two absences add up; one that never ends lasts to the end of the session."""
    t_us = with_frame()[-1][0]
    away = [
        (t_us, Interaction("blur")),
        (t_us + 100, Interaction("focus")),
        (t_us + 200, Interaction("blur")),
        (t_us + 250, Interaction("focus")),
    ]
    measures = measured(with_frame(*away))
    assert (measures.attention.blurs, measures.attention.blurred_us) == (2, 150)
    for_ever = measured(with_frame(*away[:3], (t_us + 1_200, CheckAnswered("item", passed=True))))
    assert (for_ever.attention.blurs, for_ever.attention.blurred_us) == (2, 1_100)


def test_fullscreen_changes_are_no_absence() -> None:
    """They are kept in the log alone."""
    measures = measured(
        with_frame((10**9, Interaction("fullscreen_exit")), (10**9, Interaction("fullscreen_enter")))
    )
    assert codes_of(measures) == {}
    assert measures.attention.blurs == 0


def test_s5_duration_is_from_the_first_to_the_last_moment() -> None:
    """In microseconds of the participant's clock, wherever that clock started."""
    for offset in (0, 5_000_000):
        steps = [(t_us + offset, payload) for t_us, payload in session_steps(PERSON)]
        assert measured(steps).duration_us == steps[-1][0] - steps[0][0]


def test_s6_nothing_is_played_in_a_pause() -> None:
    """Every game event between pause and resume is impossible; the pause itself is not."""
    steps = session_steps(PERSON)
    lawful = [*steps[:5], (steps[4][0], Paused()), (steps[4][0], Resumed()), *steps[5:]]
    assert codes_of(measured(lawful)) == {}
    played = [*steps[:5], (steps[4][0], Paused()), *steps[5:7], (steps[6][0], Resumed()), *steps[7:]]
    measures = measured(played)
    assert codes_of(measures) == {"S6": 2}
    assert severities(measures) == {"S6": "integrity"}


@pytest.mark.parametrize("payload", [Paused(), Resumed()])
def test_s6_pauses_alternate(payload: Payload) -> None:
    """Paused twice, or resumed without a pause."""
    extra = [(10**9, payload), (10**9, payload)] if isinstance(payload, Paused) else [(10**9, payload)]
    assert codes_of(measured(with_frame(*extra))) == {"S6": 1}


def test_a_clock_that_goes_back_is_noted() -> None:
    """A real client went back by 11 s: an anomaly for each event before the furthest moment, and nothing is lost."""
    steps = session_steps(PERSON)
    jumped = [*steps[:6], *((t_us - 11_000_000, payload) for t_us, payload in steps[6:9]), *steps[9:]]
    measures = measured(jumped)
    assert codes_of(measures)["Q_CLOCK"] >= 3
    assert set(severities(measures).values()) == {"quality"}
    assert measures.games[0].tally.scored == 3


@pytest.mark.parametrize(
    ("back_us", "failed"), [(2_000, None), (1_000_000, None), (1_000_001, "clock_set_back")]
)
def test_more_than_a_second_back_is_another_clock(back_us: int, failed: str | None) -> None:
    """However long the session: nothing of it is believed. A smaller step costs quality, event by event."""
    steps = session_steps(PERSON)
    before_us, payload = steps[8][0], steps[9][1]
    measures = measured([*steps[:9], (before_us - back_us, payload), *steps[10:]])
    assert codes_of(measures)["Q_CLOCK"] >= 1
    assert measures.conduct.failed == ((failed,) if failed else ())


def test_the_last_event_of_an_abandoned_session_counts() -> None:
    """Nothing says that it is the last, but for the closer's word."""
    steps = session_steps(PERSON, terminal=None)
    assert measured([*steps, (10**9, CheckAnswered("a", passed=False))]).attention.checks_failed == 1


def test_a_game_that_never_ends_ends_with_the_session() -> None:
    """Also with the objections that a game makes at its end: here a balloon more than was planned."""
    steps = session_steps([*PERSON, (2, "collected")], planned=3, completion=None, terminal=None)
    assert measured(steps).findings == [Noticed("B9", "integrity", 1, len(steps) - 1)]


def test_checks_are_counted() -> None:
    """Attention checks, and those that were failed."""
    measures = measured(
        with_frame((10**9, CheckAnswered("a", passed=True)), (10**9, CheckAnswered("b", passed=False)))
    )
    assert (measures.attention.checks, measures.attention.checks_failed) == (2, 1)


# --------------------------------------------------------------------------------------------- gaps, conflicts, voids


def test_what_does_not_count_is_counted() -> None:
    """Missing, conflicting and voided places, each by number; gaps are integrity, the others notes."""
    events = session_events(PERSON)
    steps = [(one.t_us or 0, one.payload) for one in events]
    voiding = events_of([*steps[:-1], (steps[-1][0], EventVoided(6, "mistake")), steps[-1]])
    rival = events_of([*steps[:8], (0, TimedOut(900))])[8]
    measures = measures_of([rival, *(one for one in voiding if one.seq != 3), abandoned()])
    assert (measures.missing, measures.conflicting, measures.voided) == (1, 1, 1)
    assert measures.counted == len(voiding) - 2
    assert severities(measures) == {
        "sequence_gap": "integrity",
        "identity_conflict": "note",
        "event_voided": "note",
    }


@pytest.mark.parametrize("target", [0, 1, 7])
def test_a_void_reaches_back_and_forth(target: int) -> None:
    """An event may be voided before or after it: what is voided is known before the walk begins."""
    steps = session_steps(PERSON)
    behind = measured([*steps[:-1], (steps[-1][0], EventVoided(target, "no")), steps[-1]])
    assert codes_of(behind)["event_voided"] == 1
    ahead = measured([steps[0], (0, EventVoided(target + 1, "no")), *steps[1:]]) if target else behind
    assert ahead.voided == 1
    assert ahead.metrics == behind.metrics


def test_voiding_the_start_leaves_a_session_without_one() -> None:
    """Nobody can take the consent and the protocol back and keep the score."""
    measures = measured(with_frame((10**9, EventVoided(0, "no"))))
    assert {"S1", "S3"} <= codes_of(measures).keys()
    assert "integrity" in severities(measures).values()


# ---------------------------------------------------------------------------------------------------- what is reported


def test_findings_are_one_line_a_code() -> None:
    """With how often it came up and where first, in order of the code, so that no stream of oddities grows the record."""
    steps = session_steps(PERSON)
    place = len(steps) - 1
    many = [
        *steps[:-1],
        *([(steps[-1][0], Interaction("focus"))] * 500),
        (steps[-1][0], TimedOut(9)),
        steps[-1],
    ]
    assert measured(many).findings == [
        Noticed("S2", "integrity", 1, place + 500),
        Noticed("S4", "note", 500, place),
    ]


def test_schemas_are_named_with_their_kind() -> None:
    """Every schema that counted, by its SHA-256, in whatever order the events came."""
    events = session_events(PERSON)
    measures = measures_of(events[::-1])
    assert set(measures.schemas.values()) == {KIND_OF[type(one.payload)] for one in events}
    assert measures.schemas == {one.schema_sha256.hex(): one.kind for one in events}


def test_definitions_are_those_of_the_games_played() -> None:
    """One hash over the definitions; none where nothing was played."""
    assert measures_of(session_events(PERSON)).definitions == digest([DEFINITIONS])
    assert measured(ended([(0, started(protocol_of([])))])).definitions == digest([])


def test_a_profile_names_only_the_definitions_it_listens_to() -> None:
    """A new metric leaves old profiles as they are."""
    heard = [definition for definition in DEFINITIONS if definition.id == "balloon.ln_intended_km"]
    assert profile_of(session_events(PERSON)).definitions == digest(heard)


def both_games(*, reactions_first: bool) -> Measures:
    """PERSON's balloons and thirty reactions, in either order."""
    balloons, reactions = game_config(3), reaction_builders.config_of(30)
    plans = (("balloon_risk", balloons), ("reaction_timer", reactions))
    games = [{"config": msgspec.json.decode(config), "game": game} for game, config in plans]
    steps: list[Step] = [(0, started(canonical({"games": games}).decode()))]
    for is_reactions in (reactions_first, not reactions_first):
        begin_us = steps[-1][0]
        if is_reactions:
            steps += reaction_builders.game_steps(reaction_builders.TYPICAL, reactions, begin_us=begin_us)
        else:
            steps += game_steps(PERSON, balloons, begin_us=begin_us)
    return measured(ended(steps))


def test_the_order_of_two_games_does_not_show_in_their_definitions() -> None:
    """The hash is over the games by name; conduct adds up over both."""
    one, other = both_games(reactions_first=True), both_games(reactions_first=False)
    assert [game.game for game in one.games] == [game.game for game in other.games][::-1]
    assert one.definitions == other.definitions == digest([DEFINITIONS, REACTION_DEFINITIONS])
    assert codes_of(one) == codes_of(other) == {}
    assert one.conduct == other.conduct
    assert (one.conduct.units, one.conduct.responses) == (3 + 30, 11 + 30)


def test_what_was_played_with_is_told() -> None:
    """As the session's start says it."""
    assert measures_of(session_events(PERSON)).device_input == "mouse"


def test_a_metrics_error_is_its_own_or_that_of_its_influences() -> None:
    """The square root of its variance over the units, rounded down, where the game gives it none."""
    found, game = measures_of(session_events()), GAMES["balloon_risk"]
    own = game.measure(game.gather([game.account(unit) for unit in found.samples["balloon_risk"]]))
    rows = found.precisions["balloon_risk"].covariances
    assert {own[name].se is None for name in rows} == {True, False}
    for name, row in rows.items():
        expected = isqrt(row[name]) if own[name].se is None else own[name].se
        assert found.metrics[name].se == expected


def test_a_session_of_more_than_eight_thousand_events_keeps_no_samples() -> None:
    """So that its measures fit into a record; all else is there."""
    steps = session_steps(PERSON, terminal=None)
    filled = [*steps, *([(steps[-1][0], Interaction("fullscreen_enter"))] * (7_999 - len(steps)))]
    whole, longer = measured(ended(filled)), measured(ended([*filled, filled[-1]]))
    assert (whole.counted, longer.counted) == (8_000, 8_001)
    assert whole.samples.keys() == {"balloon_risk"}
    assert longer.samples == {}
    assert longer.metrics == whole.metrics


def test_a_play_says_what_it_may_be_compared_with() -> None:
    """The largest number of pumps and the law of the bursts."""
    assert measures_of(session_events(PERSON)).games[0].match == {"burst_law": "uniform", "max_pumps": 12}


def test_conduct_adds_up_over_the_plays() -> None:
    """Counts are sums; a pattern or doing nothing in one play is one in the session."""
    configs = [game_config(12), game_config(3)]
    steps: list[Step] = [(0, started(protocol_of(configs)))]
    steps += game_steps([(0, "collected")] * 12, configs[0])
    steps += game_steps(PERSON, configs[1], begin_us=steps[-1][0])
    conduct = measured(ended(steps)).conduct
    assert conduct.units == 15
    assert conduct.patterned
    assert conduct.failed == ("inert",)


def test_equal_sets_have_equal_schemas_even_of_one_schema() -> None:
    """Were two kinds ever to share a schema, the order of arrival would still not show."""
    events = session_events(PERSON)
    shared = [msgspec.structs.replace(one, schema_sha256=b"x" * 32) for one in events]
    assert measures_of(shared) == measures_of(shared[::-1])
