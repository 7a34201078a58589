"""Sittings of one game or more: ``simulators/people.py`` and ``simulators/sitting.py``."""

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from agents.event_logger import EventLogger
from agents.local import LocalWorker, RowTable
from science.canonical import canonical
from science.measure import Measures
from simulators import balloon_risk, memory_cards, reaction_timer
from simulators.people import GAMES, crowd
from simulators.sitting import Fields, Sitting
from streams.memory import MemoryLog
from tests.agents.doors import CODEC, counts, metrics, scoring
from tests.simulators.folding import plays_of

BALLOONS = balloon_risk.Design(balloons=10)
CARDS = memory_cards.Design(rounds=3, n_pairs=6, rows=3, cols=4)
REACTIONS = reaction_timer.Design(trials=12)
ALL = (BALLOONS, CARDS, REACTIONS)
SHORT = (*ALL, reaction_timer.Design(trials=8, kind="choice"), reaction_timer.Design(trials=8, kind="gonogo"))


@cache
def people(sessions: int = 60, seed: int = 2) -> list[tuple[str, Sitting, list[Fields]]]:
    return list(crowd(sessions, seed, *ALL))


def leaves_of(value: object) -> Iterator[object]:
    """Every value that is no list and no object."""
    if isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from leaves_of(child)
    else:
        yield value


def games_of(events: list[Fields]) -> list[str]:
    return [event["kind"].partition(".")[0] for event in events if event["kind"].endswith(".game_started")]


def test_every_game_of_the_house_can_be_simulated() -> None:
    """The command line offers these."""
    assert list(GAMES) == ["balloon_risk", "memory_cards", "reaction_timer"]


def test_a_session_holds_the_games_of_its_protocol_in_order() -> None:
    """One start, one end, numbers without holes, a clock that never goes back; each game is over before the next begins."""
    for session_id, sitting, events in people():
        assert [event["seq"] for event in events] == list(range(len(events)))
        assert {event["session_id"] for event in events} == {session_id}
        assert all(a["t_us"] <= b["t_us"] for a, b in pairwise(events))
        assert events[0]["kind"] == "session.started"
        assert events[-1]["last_seq"] == len(events) - 1
        ended = "session.completed" if sitting.is_finished else "session.aborted"
        assert events[-1]["kind"] == ended
        names = [entry["game"] for entry in events[0]["protocol"]["games"]]
        played = games_of(events)
        assert played == names[: len(played)]
        frame = [event["kind"].rpartition(".")[2] for event in events if ".game_" in event["kind"]]
        assert frame == ["game_started", "game_completed"] * len(played)


def test_configurations_are_those_of_the_protocol() -> None:
    """A game says again what was planned, or its session would be impossible."""
    for _, _, events in people():
        configs = [event["config"] for event in events if event["kind"].endswith(".game_started")]
        planned = [entry["config"] for entry in events[0]["protocol"]["games"]]
        assert configs == planned[: len(configs)]


def test_events_are_json_of_integers_and_texts() -> None:
    """No fraction ever reaches the log, and whoever reads the lines finds the same events."""
    for _, _, events in people(5):
        assert json.loads(json.dumps(events)) == events
        assert {type(leaf) for leaf in leaves_of(events)} == {int, str, bool}
        assert len(canonical(events[0]["protocol"])) < 32_768


def test_some_leave_early_and_most_do_not() -> None:
    """6 % walk away, in any of the games, and then play no other; who finishes has played everything."""
    left = [(sitting, events) for _, sitting, events in crowd(600, 3, *ALL) if not sitting.is_finished]
    assert 20 <= len(left) <= 55
    assert len(Counter(len(games_of(events)) for _, events in left)) == 3
    for sitting, events in left:
        units = [part.units for part in sitting.parts]
        assert 0 < sum(units) < sum(part.design.units for part in sitting.parts)
        assert len(games_of(events)) == sum(played > 0 for played in units)


def test_who_leaves_breaks_no_rule() -> None:
    """They are refused for what is missing, never as impossible; nothing that was committed to need be revealed."""
    for _, sitting, events in people(200):
        plays = plays_of(events)
        assert [play.tally().scored for play in plays] == [part.units for part in sitting.parts if part.units]
        assert {found.severity for play in plays for found in play.findings} <= {"note"}


def test_a_design_of_one_unit_can_be_played() -> None:
    """The smallest games there are have people too, and nobody can leave before their end."""
    for _, sitting, events in crowd(100, 4, balloon_risk.Design(balloons=1)):
        assert sitting.is_finished
        assert len(events) >= 5


def test_equal_seeds_give_equal_people() -> None:
    """To the last event; another seed gives others."""
    assert list(crowd(5, 7, *ALL)) == list(crowd(5, 7, *ALL))
    ours, others = ([sitting.people for _, sitting, _ in crowd(3, seed, *ALL)] for seed in (7, 8))
    assert not set(map(repr, ours)) & set(map(repr, others))


def test_a_bigger_crowd_begins_with_the_smaller_one() -> None:
    """Everyone has dice of their own."""
    assert list(crowd(8, 3, *ALL))[:5] == list(crowd(5, 3, *ALL))


def test_a_person_is_the_same_in_two_games_of_a_kind() -> None:
    """Two reaction games of one sitting are played with one pair of hands."""
    ((_, sitting, events),) = crowd(1, 5, REACTIONS, reaction_timer.Design(kind="choice"))
    assert list(sitting.people) == ["reaction_timer"]
    assert games_of(events) == ["reaction_timer", "reaction_timer"]


# ----------------------------------------------------------------------------------------------------------- through the door


@pytest.fixture(scope="module")
def played() -> list[Measures]:
    """What the engine measures of people who played every game there is."""
    log = MemoryLog()
    logger = EventLogger(log, control_url="sqlite://", codec=CODEC)
    for _, _, events in crowd(25, 6, *SHORT):
        verdicts = logger.record(events)
        assert counts(verdicts) == (len(events), 0, 0), [v for v in verdicts if v.status == "rejected"]
    LocalWorker(log, RowTable(Path(":memory:")), scoring()).catch_up()
    return [msgspec.json.decode(record.measures, type=Measures) for record in metrics(log)]


def test_everyone_is_accepted_and_closes(played: list[Measures]) -> None:
    """The simulated go through the same door as anyone does, and every event of theirs passes it."""
    assert len(played) == 25
    assert {measures.closed for measures in played} <= {"completed", "aborted"}
    assert all(measures.missing == measures.conflicting == 0 for measures in played)
    assert max(len(measures.games) for measures in played) == 5


def test_nobodys_sequence_is_impossible(played: list[Measures]) -> None:
    """No finding of integrity, nor of quality, in any game."""
    found = {(noticed.code, noticed.severity) for measures in played for noticed in measures.findings}
    assert {code for code, severity in found if severity != "note"} == set()
