"""People with known traits: ``simulators/balloon_risk.py`` and ``simulators/people.py``."""

import random
from functools import cache
from pathlib import Path
from statistics import correlation, mean

import msgspec
import pytest

from agents.local import LocalWorker, RowTable
from science.measure import Measures
from simulators.balloon_risk import Design, person, play
from simulators.people import GAMES, crowd
from streams.memory import MemoryLog
from tests.agents.doors import counts, door, metrics, scoring

PEOPLE = 200
DESIGN = Design()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Measures]:
    """What the engine measures of 200 people who went through the public door."""
    log = MemoryLog()
    logger = door(tmp_path_factory.mktemp("crowd"), log)
    for _, _, events in people():
        verdicts = logger.record(events)
        assert counts(verdicts) == (len(events), 0, 0), verdicts
    LocalWorker(log, RowTable(Path(":memory:")), scoring()).catch_up()
    return {record.session_id: msgspec.json.decode(record.measures, type=Measures) for record in metrics(log)}


@cache
def people() -> list:  # type: ignore[type-arg]
    return list(crowd(PEOPLE, 1, DESIGN))


def finishers(played: dict[str, Measures]) -> list[tuple[float, Measures]]:
    return [
        (someone.mu, played[session_id])
        for session_id, someone, _ in people()
        if someone.balloons_played == DESIGN.balloons
    ]


def test_everyone_is_accepted_and_closes(played: dict[str, Measures]) -> None:
    """The simulated go through the same door as anyone does, and every event of theirs passes it."""
    assert len(played) == PEOPLE
    assert {measures.closed for measures in played.values()} == {"completed", "aborted"}
    assert all(measures.missing == measures.conflicting == 0 for measures in played.values())


def test_nobodys_sequence_is_impossible(played: dict[str, Measures]) -> None:
    """Bursts are those committed to, banks add up, clocks go forward: no finding of integrity, nor of quality."""
    found = {
        (noticed.code, noticed.severity) for measures in played.values() for noticed in measures.findings
    }
    assert {code for code, severity in found if severity != "note"} == set()


def test_some_leave_early_and_most_do_not() -> None:
    """A real sample has people who walk away; the engine must meet them in the first minute."""
    left = sum(someone.balloons_played < DESIGN.balloons for _, someone, _ in people())
    assert 3 <= left <= 30


def test_equal_seeds_give_equal_people() -> None:
    """To the last event; another seed gives others."""
    assert list(crowd(5, 7, DESIGN)) == list(crowd(5, 7, DESIGN))
    ours, others = ([someone for _, someone, _ in crowd(3, seed, DESIGN)] for seed in (7, 8))
    assert not set(map(repr, ours)) & set(map(repr, others))


def test_a_bigger_crowd_begins_with_the_smaller_one() -> None:
    """Everyone has dice of their own."""
    assert list(crowd(8, 3, DESIGN))[:5] == list(crowd(5, 3, DESIGN))


def test_the_true_trait_is_found_again(played: dict[str, Measures]) -> None:
    """mu is the log of the pumps meant: at 30 balloons the estimate follows it closely."""
    pairs = [
        (mu, measures.metrics["balloon.ln_intended_km"].value)
        for mu, measures in finishers(played)
        if measures.metrics["balloon.ln_intended_km"].value is not None
    ]
    assert len(pairs) >= 150
    r = correlation([mu for mu, _ in pairs], [value for _, value in pairs])
    print(f"true against estimated ln intended pumps: r = {r:.3f} over {len(pairs)}")
    assert r >= 0.9


def test_the_adjusted_mean_is_biased_low_against_the_survival_estimate(played: dict[str, Measures]) -> None:
    """Bursts end the longest intentions first, so the mean of what was collected is too small: why we use survival."""
    km, adjusted = [], []
    for _, measures in finishers(played):
        intended, aap = (measures.metrics[name].value for name in ("balloon.intended_km", "balloon.aap"))
        if intended is not None and aap is not None:
            km.append(intended / 1_000_000)
            adjusted.append(aap / 1_000_000)
    print(f"mean intended pumps {mean(km):.2f}, adjusted mean {mean(adjusted):.2f} over {len(km)}")
    assert mean(adjusted) < mean(km) - 0.2
    assert sum(a < k for a, k in zip(adjusted, km, strict=True)) > 0.8 * len(km)


def test_a_design_of_one_balloon_can_be_played() -> None:
    """The smallest game there is has people too, those who would leave early among them."""
    for number in range(100):
        dice = random.Random(number)
        someone = person(dice, Design(balloons=1))
        assert len(list(play("s", someone, dice, Design(balloons=1)))) >= 4


def test_the_games_that_can_be_simulated_are_known() -> None:
    """The command line offers these."""
    assert GAMES == ("balloon_risk",)
