"""People with known traits who play balloon risk: ``simulators/balloon_risk.py``."""

import json
from functools import cache
from hashlib import sha256
from pathlib import Path
from statistics import correlation, mean

import msgspec
import pytest

from agents.local import LocalWorker, RowTable
from science.measure import Measures
from simulators.balloon_risk import Design
from simulators.people import crowd
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
        (sitting.people["balloon_risk"].mu, played[session_id])
        for session_id, sitting, _ in people()
        if sitting.is_finished
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


def test_equal_seeds_give_the_people_that_they_always_gave() -> None:
    """To the last event: whoever wrote a seed down finds the same people in every version."""
    text = json.dumps(
        [[session_id, events] for session_id, _, events in crowd(20, 7, DESIGN)], sort_keys=True
    )
    assert (
        sha256(text.encode()).hexdigest()
        == "21177f543a62e3ea98dd7569dd2e31fa322837f10376908bb7612cf7086397ae"
    )


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
