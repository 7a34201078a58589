"""Real people's choice reactions (OpenNeuro ds000030): every golden value, computed independently from the file, is reached."""

import csv
import gzip
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from math import log, sqrt
from pathlib import Path
from random import Random
from statistics import fmean, stdev

import pytest

from science.canonical import canonical
from science.event import Event
from science.games.reaction_timer.vocabulary import (
    GameCompleted,
    GameStarted,
    Missed,
    Responded,
    StimulusShown,
    TrialStarted,
)
from science.measure import measure
from tests.real_people import real_file
from tests.science.builders import Step, codes_of, ended, fold, started
from tests.science.reaction_builders import config_of, events_of, protocol_of

Row = dict[str, str]
KEYS = {"LEFT": "LEFT", "RIGHT": "RIGHT"}
OTHER = {"LEFT": "RIGHT", "RIGHT": "LEFT"}
TIMEOUT_US = 2_000_000


def micros(seconds: str) -> int:
    """Seconds as they stand in the file, exactly, in microseconds."""
    exact = Decimal(seconds) * 1_000_000
    assert exact == exact.to_integral_value(), f"{seconds} s is no whole number of microseconds"
    return int(exact)


def person_events(person: str, rows: list[Row]) -> list[Event]:
    """One person's GO rows as a choice game without foreperiods. JUNK is the wrong key: the file names none it could be."""
    trials = [row for row in rows if row["trial_type"] == "GO"]
    config = config_of(len(trials), kind="choice", keys=KEYS, timeout_us=TIMEOUT_US, foreperiod_us=(0, 0))
    steps: list[Step] = [
        (0, started(protocol_of([config]), subject_id=person)),
        (0, GameStarted(config, None)),
    ]
    for i, row in enumerate(trials, 1):
        onset_us, rt_us, arrow = (
            micros(row["onset"]),
            micros(row["ReactionTime"]),
            row["PresentedStimulusArrowDirection"],
        )
        steps.append((onset_us, TrialStarted(i, "choice", 0, practice=False)))
        steps.append((onset_us, StimulusShown(i, arrow, onset_us)))
        if row["TrialOutcome"] == "UnuccessfulGo":  # sic
            steps.append((onset_us, Missed(i, TIMEOUT_US)))
            continue
        key = {"SuccessfulGo": KEYS, "JUNK": OTHER}[row["TrialOutcome"]][arrow]
        pressed = Responded(onset_t_us=onset_us, latency_us=rt_us, i=i, key=key)
        steps.append((onset_us + rt_us, pressed))
    steps.append((steps[-1][0], GameCompleted("finished", None, None)))
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
    """The events of everyone in the data folder."""
    return people_in(real_file("ds000030_choice_rt_trials.csv.gz"))


def test_every_golden_value_is_reached(
    people: dict[str, list[Event]], record_property: Callable[[str, object], None]
) -> None:
    """Each of the golden columns within 1e-6 for each person; an empty cell is null, with a reason."""
    with real_file("golden_choice_rt_metrics.csv").open(newline="") as file:
        golden = {row.pop("participant_id"): row for row in csv.DictReader(file)}
    assert len(golden) == 130  # two of the 132 have no such trials
    assert golden.keys() == people.keys()
    nulls = 0
    for person, row in golden.items():
        metrics = measure(fold(people[person])).metrics
        assert len(row) == 12
        for column, cell in row.items():
            metric = metrics[column]
            if cell == "":
                nulls += 1
                assert metric.value is None, (person, column)
                assert metric.reason == "no_valid_responses", (person, column)
            else:
                assert metric.value is not None, (person, column)
                off = abs(Decimal(metric.value) / 1_000_000 - Decimal(cell))
                assert off <= Decimal("1e-6"), (person, column, metric.value, cell)
    assert nulls > 0
    record_property("real_people", len(people))


def test_real_reactions_break_nothing(people: dict[str, list[Event]]) -> None:
    """No real session is called impossible; who pressed the wrong keys throughout has a reason instead of a value."""
    wrong_throughout = 0
    for events in people.values():
        measures = measure(fold(events))
        assert codes_of(measures) == {}
        assert not {"automaton", "clock_set_back"} & set(measures.conduct.failed)
        assert measures.games[0].tally.scored == measures.games[0].tally.planned
        wrong_throughout += measures.metrics["rt.choice_accuracy"].value == 0
    assert wrong_throughout > 0


def test_any_order_of_a_real_session_gives_the_same_measures(people: dict[str, list[Event]]) -> None:
    """Each person's events, shuffled and with a tenth of them repeated, are measured to the same canonical bytes."""
    rng = Random("reactions")
    for events in people.values():
        deliveries = [*events, *rng.sample(events, len(events) // 10)]
        rng.shuffle(deliveries)
        assert canonical(measure(fold(deliveries))) == canonical(measure(fold(events)))


def test_blocks_see_what_single_trials_do_not(people: dict[str, list[Event]]) -> None:
    """Neighbouring reactions resemble each other: over all people, errors by blocks are larger than those of single trials."""
    ratios = []
    for events in people.values():
        measures = measure(fold(events))
        error = measures.metrics["rt.mean_ln"].se
        blocks = measures.samples["reaction_timer"]
        logs = [log(t.rt_us) for block in blocks for t in block.trials if t.outcome == "right"]
        if error is not None and len(logs) > 50:
            ratios.append(error / (1e6 * stdev(logs) / sqrt(len(logs))))
    assert len(ratios) > 100
    assert 1.05 < fmean(ratios) < 1.5
