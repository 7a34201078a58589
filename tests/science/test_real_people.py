"""132 real people (OpenNeuro ds000030): every golden value, computed independently from the same file, is reached."""

import csv
import gzip
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random

import pytest

from science.event import Event, Payload
from science.games.balloon_risk.vocabulary import (
    Collected,
    Exploded,
    GameCompleted,
    GameStarted,
    Pumped,
    Shown,
)
from tests.real_people import real_file
from tests.science.builders import (
    Step,
    codes_of,
    ended,
    events_of,
    game_config,
    measures_of,
    profile_of,
    protocol_of,
    started,
)

Row = dict[str, str]
VALUE_C = 5
RENAMED = {
    "n_balloons": "balloon.n",
    "n_exploded": "balloon.n_exploded",
    "n_pumps": "balloon.n_pumps",
    "balloon.mean_ln_latency_ms": "balloon.mean_ln_latency",
}


def micros(seconds: str) -> int:
    """Seconds as they stand in the file, exactly, in microseconds."""
    exact = Decimal(seconds) * 1_000_000
    assert exact == exact.to_integral_value(), f"{seconds} s is no whole number of microseconds"
    return int(exact)


def trials_of(rows: list[Row]) -> list[list[Row]]:
    """The balloons of one person, in order; CONTROL rows are none."""
    trials: dict[str, list[Row]] = {}
    for row in rows:
        if row["trial_type"] == "BALOON":
            trials.setdefault(row["trial_number"], []).append(row)
    return list(trials.values())


def person_events(person: str, rows: list[Row]) -> list[Event]:
    """One person's balloons as a session: t_us is when the key was pressed, onset_t_us when it became possible."""
    trials = trials_of(rows)
    config = game_config(len(trials), max_pumps=12, value_c=VALUE_C)
    steps: list[Step] = [
        (0, started(protocol_of([config]), subject_id=person)),
        (0, GameStarted(config, None)),
    ]
    bank_c = t_us = 0
    for i, trial in enumerate(trials, 1):
        pumps = 0
        steps.append((micros(trial[0]["onset"]), Shown(i, "none", 12, VALUE_C, practice=False)))
        for row in trial:
            onset_us, latency_us = micros(row["onset"]), micros(row["reaction_time"])
            t_us = onset_us + latency_us
            payload: Payload
            match row["action"]:
                case "ACCEPT":
                    pumps += 1
                    payload = Pumped(onset_t_us=onset_us, latency_us=latency_us, i=i, k=pumps)
                case "CASHOUT":
                    bank_c += VALUE_C * pumps
                    payload = Collected(
                        onset_t_us=onset_us,
                        latency_us=latency_us,
                        i=i,
                        pumps=pumps,
                        earned_c=VALUE_C * pumps,
                        bank_c=bank_c,
                    )
                case action:
                    assert action == "EXPLODE"
                    payload = Exploded(i, pumps)
            steps.append((t_us, payload))
    steps.append((t_us, GameCompleted("finished", None, None)))
    return events_of(ended(steps), f"ds000030.{person}")


@cache
def people_in(path: Path) -> dict[str, list[Event]]:
    """Everyone's events."""
    rows: dict[str, list[Row]] = defaultdict(list)
    with gzip.open(path, "rt", newline="") as file:
        for row in csv.DictReader(file):
            rows[row["participant_id"]].append(row)
    return {person: person_events(person, of_person) for person, of_person in rows.items()}


@pytest.fixture
def people() -> dict[str, list[Event]]:
    """The events of the 132, from the data folder."""
    return people_in(real_file("ds000030_bart_events.csv.gz"))


def test_every_golden_value_is_reached(
    people: dict[str, list[Event]], record_property: Callable[[str, object], None]
) -> None:
    """Each of the golden columns within 1e-6 for each person; an empty cell is null, with a reason."""
    with real_file("golden_bart_metrics.csv").open(newline="") as file:
        golden = {row.pop("participant_id"): row for row in csv.DictReader(file)}
    assert len(golden) == 132
    assert golden.keys() == people.keys()
    for person, row in golden.items():
        metrics = measures_of(people[person]).metrics
        for column, cell in row.items():
            metric = metrics[RENAMED.get(column, column)]
            if cell == "":
                assert metric.value is None, (person, column)
                assert metric.reason, (person, column)
            else:
                assert metric.value is not None, (person, column)
                assert abs(Decimal(metric.value) / 1_000_000 - Decimal(cell)) <= Decimal("1e-6"), (
                    person,
                    column,
                )
    record_property("real_people", len(people))  # the run's last line says how many


def test_any_order_of_a_real_session_gives_one_profile(people: dict[str, list[Event]]) -> None:
    """Each person's events, shuffled and with a tenth of them repeated, give the same canonical bytes."""
    rng = Random("132 people")
    for events in people.values():
        deliveries = [*events, *rng.sample(events, len(events) // 10)]
        rng.shuffle(deliveries)
        assert profile_of(deliveries).canonical() == profile_of(events).canonical()


def test_real_dirt_is_noted_and_breaks_nothing(people: dict[str, list[Event]]) -> None:
    """Cash-outs at 0 pumps and the balloon that the scanner cut off are notes; no real session is called impossible."""
    found: dict[str, int] = defaultdict(int)
    for events in people.values():
        measures = measures_of(events)
        assert "integrity" not in {noticed.severity for noticed in measures.findings}, measures.findings
        assert measures.conduct.failed == ()
        for code, count in codes_of(measures).items():
            found[code] += count
    assert found.keys() <= {"Q_NO_PUMP", "Q_CLOCK", "unfinished"}
    assert found["Q_NO_PUMP"] > 0


def test_a_real_person_is_scored_or_told_why(people: dict[str, list[Event]]) -> None:
    """Every trait of every person has a score with an interval around it, or reasons with advice."""
    for events in people.values():
        for trait in profile_of(events).traits.values():
            if trait.status == "scored":
                assert trait.ci is not None
                assert trait.score is not None
                assert trait.ci[0] < trait.score < trait.ci[1]
            else:
                assert trait.score is None
                assert all(reason.suggestion for reason in trait.reasons)
                assert trait.reasons
