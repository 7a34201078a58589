"""Measures by columns: what goes by them, what is walked, and that nobody can tell which."""

from collections.abc import Callable
from random import Random

import msgspec
import pytest

from science.columns.events import UNITS, columns_of
from science.columns.measure import clean_measures, is_whole, measure_all
from science.event import Event, Response
from science.games import GAMES
from science.games.balloon_risk.vocabulary import Exploded, GameStarted, Pumped, Shown
from science.games.memory_cards import vocabulary as memory_cards
from science.measure import SAMPLED_EVENTS_MAX, Measures, measure
from science.session import Session
from science.vocabulary import CheckAnswered, EventVoided, Interaction, Paused, Resumed
from simulators import balloon_risk, reaction_timer
from simulators import memory_cards as cards
from simulators.people import crowd
from tests.agents.doors import known
from tests.science.builders import (
    TYPICAL,
    Balloon,
    Step,
    abandoned,
    events_of,
    fold,
    game_config,
    game_steps,
    protocol_of,
    session_events,
    session_steps,
    started,
)
from tests.science.test_reproducible import sealed


def by_columns(events: list[Event]) -> Measures | None:
    """What the columns make of one session; None where it must be walked. It is what the walk makes."""
    session = fold(events)
    assert measure_all([session]) == [measure(session)]
    if not is_whole(session):
        return None
    (found,) = clean_measures(columns_of([session]))
    assert found is None or found == measure(session)
    return found


def test_an_ordinary_session_goes_by_columns() -> None:
    """And what it amounts to is what the walk finds."""
    assert by_columns(session_events()) is not None
    assert by_columns(session_events(terminal="aborted")) is not None


def test_the_clock_may_begin_anywhere() -> None:
    """A session lasts from its first event to its last."""
    later = [
        (t_us + 7, msgspec.structs.replace(payload, onset_t_us=payload.onset_t_us + 7))
        if isinstance(payload, Response)
        else (t_us + 7, payload)
        for t_us, payload in _ORDINARY
    ]
    found = by_columns(events_of(later))
    assert found is not None
    assert found.duration_us == _ORDINARY[-1][0]


def test_a_game_without_columns_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a newly added one is."""
    monkeypatch.setattr("science.columns.measure._PLAYED", {})
    assert by_columns(session_events()) is None


def test_two_sessions_of_one_name_are_each_their_own() -> None:
    """Whoever calls may hold a session twice, in two states of it."""
    sessions = [
        fold(session_events()),
        fold(session_events(_THREE)),
        fold([*session_events()[1:], abandoned()]),
    ]
    assert measure_all(sessions) == [measure(session) for session in sessions]


def test_an_open_session_is_not_measured() -> None:
    """As it is not one by one."""
    with pytest.raises(AssertionError, match="once it is closed"):
        measure_all([fold(session_events()[:-1])])


def test_more_events_than_sums_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than wrapped around."""
    events = columns_of([fold(session_events())])
    monkeypatch.setattr("science.columns.measure._EVENTS_MAX", len(events.unit))
    assert clean_measures(events) != [None]
    monkeypatch.setattr("science.columns.measure._EVENTS_MAX", len(events.unit) - 1)
    with pytest.raises(AssertionError, match="take fewer"):
        clean_measures(events)


def test_no_session_is_no_measure() -> None:
    """An empty batch."""
    assert measure_all([]) == []


def test_a_session_may_be_ended_by_the_closer() -> None:
    """Whole up to its last event, but without a terminal, and in the middle of the frame's own matters."""
    steps = [
        *session_steps(terminal=None),
        (90_000_000, Interaction("blur")),
        (91_000_000, CheckAnswered("a", True)),
    ]
    found = by_columns([*events_of(steps), abandoned()])
    assert found is not None
    assert (found.closed, found.attention.blurred_us, found.attention.checks) == ("abandoned", 1_000_000, 1)


def test_a_blur_lasts_to_the_last_event_of_all() -> None:
    """Also where that one is a game's, which the frame does not see."""
    steps = session_steps(terminal=None, completion=None)
    found = by_columns([*events_of([steps[0], (0, Interaction("blur")), *steps[1:]]), abandoned()])
    assert found is not None
    assert found.attention.blurred_us == steps[-1][0]


def _of(steps: list[Step]) -> Callable[[], list[Event]]:
    return lambda: [*events_of(steps), abandoned()]


_ORDINARY = session_steps()
_CONFIG = game_config(20)
_GAME = game_steps(TYPICAL, _CONFIG)
_START = (0, started(protocol_of([_CONFIG, _CONFIG])))
_END = _ORDINARY[-1]
_THEN = _ORDINARY[3][0]
_THREE: list[Balloon] = [(3, "collected"), (2, "exploded"), (4, "collected")]
_BALLOON = [
    (0, Shown(4, "none", 12, 5, False)),
    (500_000, Pumped(onset_t_us=0, latency_us=500_000, i=4, k=1)),
    (900_000, Exploded(4, 1)),
]


def _later(steps: list[Step], more: list[Step]) -> list[Step]:
    """One after the other, as the clock has it."""
    return [*steps, *((steps[-1][0] + t_us, payload) for t_us, payload in more)]


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(lambda: [abandoned()], id="empty"),
        pytest.param(_of(_ORDINARY[1:]), id="without a start"),
        pytest.param(lambda: [*session_events()[:5], *session_events()[6:], abandoned()], id="gap"),
        pytest.param(
            lambda: [
                *session_events()[:5],
                msgspec.structs.replace(session_events()[4], digest=bytes(32)),
                *session_events()[5:],
                abandoned(),
            ],
            id="conflict",
        ),
        pytest.param(_of([*_ORDINARY[:4], (_THEN, Paused()), (_THEN, Resumed()), *_ORDINARY[4:]]), id="pause"),
        pytest.param(_of([*_ORDINARY[:-1], (_END[0], EventVoided(1, "mistake")), _END]), id="voided"),
        pytest.param(_of([*_ORDINARY[:4], (_ORDINARY[5][0] + 1, _ORDINARY[4][1]), *_ORDINARY[5:]]), id="clock"),
        pytest.param(_of([(-1, _ORDINARY[0][1]), *_ORDINARY[1:]]), id="before the start"),
        pytest.param(_of([*_ORDINARY[:-1], (_END[0], _ORDINARY[2][1]), _END]), id="after its game"),
        pytest.param(_of(_later(session_steps(_THREE, planned=9)[:-1], [*_BALLOON, _END])), id="after it and whole"),
        pytest.param(_of([*_ORDINARY[:-2], (_END[0], memory_cards.GameCompleted("finished")), _END]), id="other's end"),
        pytest.param(_of([_ORDINARY[0], (0, _ORDINARY[2][1]), *_ORDINARY[1:]]), id="before its game"),
        pytest.param(_of([_ORDINARY[0], _ORDINARY[2], _END]), id="without its game"),
        pytest.param(_of(_later([_START, *_GAME], [*_GAME, _END])), id="played twice"),
        pytest.param(_of(_later([_START, *_GAME[:-1]], [*_GAME, _END])), id="begun twice"),
        pytest.param(_of([*_ORDINARY[:-1], (_END[0], _GAME[-1][1]), _END]), id="completed twice"),
        pytest.param(_of([*_ORDINARY[:-1], (_END[0], Interaction("focus")), _END]), id="focus without a blur"),
        pytest.param(_of([_ORDINARY[0], (0, GameStarted("{}", None)), *_ORDINARY[2:]]), id="no configuration"),
    ],
)  # fmt: skip
def test_what_is_odd_is_walked(events: Callable[[], list[Event]]) -> None:
    """The columns have no words for it, nor another measure."""
    assert by_columns(events()) is None


def test_a_session_that_plays_nothing_goes_by_columns() -> None:
    """There is nothing odd about that."""
    assert by_columns(events_of([_ORDINARY[0], _END])) is not None


@pytest.mark.parametrize(("more", "goes"), [(0, True), (1, False)])
def test_a_very_long_session_is_walked(more: int, goes: bool) -> None:
    """Where it does not carry its sample any more, sums may not fit either."""
    waiting = [(0, Interaction("fullscreen_enter"))] * (SAMPLED_EVENTS_MAX - len(_ORDINARY) + more)
    assert (by_columns(events_of([_ORDINARY[0], *waiting, *_ORDINARY[1:]])) is not None) is goes


def test_sessions_do_not_see_each_other() -> None:
    """Clean and odd ones, in any order, with and without balloons, of different schemas."""
    rng = Random("batch")
    sessions: list[Session] = []
    for n in range(60):
        balloons = [
            (rng.randint(1, 11), rng.choice(["collected", "exploded", "timed_out"])) for _ in range(n % 25)
        ]
        events = session_events(balloons, practice=n % 3, terminal="aborted" if n % 4 else "completed")
        if n % 5 == 4:
            events = [*rng.sample(events, len(events) - 1), abandoned()]
        sessions.append(fold([msgspec.structs.replace(one, session_id=f"s-{n}") for one in events]))
    rng.shuffle(sessions)
    closed = [session for session in sessions if session.closed]
    assert measure_all(closed) == [measure(session) for session in closed]
    assert (
        sum(one is not None for one in clean_measures(columns_of([s for s in closed if not s.missing()])))
        > 40
    )


def test_games_of_one_session_each_go_their_way() -> None:
    """Three games that simulated people played, one after the other, are all that each of them is."""
    small = (
        balloon_risk.Design(balloons=6),
        reaction_timer.Design(trials=12),
        cards.Design(rounds=2, n_pairs=6, rows=3, cols=4),
    )
    sessions = [fold(sealed([known(one) for one in events])) for _, _, events in crowd(12, 7, *small)]
    assert measure_all(sessions) == [measure(session) for session in sessions]
    found = [one for one in clean_measures(columns_of(sessions)) if one is not None]
    assert len(found) > 8
    assert {len(one.games) for one in found} >= {1, len(GAMES)}  # some left early


def test_columns_hold_every_field_of_every_unit() -> None:
    """Integers as they are, truth as 0 and 1, a text as its place, nothing as -1."""
    events = columns_of([fold(session_events([(2, "collected")]))])
    shown = events.fields[Shown]
    assert (shown["i"].tolist(), shown["practice"].tolist(), shown["max_pumps"].tolist()) == ([1], [0], [12])
    assert events.words[int(shown["color"][0])] == "none"
    assert [UNITS[code].__name__ for code in events.unit.tolist() if code >= 0] == [
        "Shown",
        "Pumped",
        "Pumped",
        "Collected",
    ]
    assert len(events.frame) == 4
