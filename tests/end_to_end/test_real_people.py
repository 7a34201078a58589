"""The people of ds000030 through the command, against values that were computed independently."""

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.processes import kymograph
from tests.real_people import real_file

pytestmark = pytest.mark.clickhouse

# For each table of the study the option that takes it, and its golden file.
TABLES = {
    "balloons": ("--bart", "ds000030_bart_events.csv.gz", "golden_bart_metrics.csv"),
    "reactions": ("--choice-rt", "ds000030_choice_rt_trials.csv.gz", "golden_choice_rt_metrics.csv"),
}

# The golden files' names, where they are not the metric's own.
NAMES = {
    "n_balloons": "balloon.n",
    "n_exploded": "balloon.n_exploded",
    "n_pumps": "balloon.n_pumps",
    "balloon.mean_ln_latency_ms": "balloon.mean_ln_latency",
}


def imported(folder: Path, *names: str) -> dict[str, Mapping[str, Any]]:
    """The metrics of everyone by session, after these tables were imported: nothing is rejected, nothing is left unscored."""
    given = [part for name in names for part in (TABLES[name][0], str(real_file(TABLES[name][1])))]
    result = kymograph("import", "ds000030", *given, "--data", str(folder), "--json")
    assert result.returncode == 0, result.stderr
    counts = json.loads(result.stdout)
    assert counts["read"] == counts["accepted"] == counts["scored"]["counted"]
    assert counts["sessions_closed"] == 0
    printed = kymograph("metrics", "--all", "--json", "--data", str(folder))
    told = [json.loads(line) for line in printed.stdout.splitlines()]
    return {answer["session_id"]: answer["metrics"] for answer in told}


def people_of(name: str) -> dict[str, dict[str, str]]:
    """The golden values of everyone in a table, by session."""
    with real_file(TABLES[name][2]).open(newline="") as file:
        return {f"ds000030.{row.pop('participant_id')}": row for row in csv.DictReader(file)}


def compare(answers: Mapping[str, Mapping[str, Any]], name: str) -> None:
    """Each column of each person within 1e-6, an empty cell null with a reason."""
    for session_id, golden in people_of(name).items():
        for column, text in golden.items():
            metric = answers[session_id][NAMES.get(column, column)]
            if text:
                assert metric["value"] == pytest.approx(float(text), abs=1e-6), (session_id, column)
            else:
                assert metric["value"] is None, (session_id, column)
                assert metric["reason"], (session_id, column)


@pytest.mark.parametrize("names", [["balloons"], ["reactions"], ["balloons", "reactions"]], ids="+".join)
def test_the_command_gives_every_real_person_the_golden_metrics(
    names: list[str], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Import, score, project and print. Of both tables a person has one session, with two games."""
    answers = imported(tmp_path, *names)
    assert answers.keys() == {session_id for name in names for session_id in people_of(name)}
    for name in names:
        compare(answers, name)
    record_property("real_people", len(answers))
