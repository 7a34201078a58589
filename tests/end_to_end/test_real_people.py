"""The people of ds000030 through the command, against values that were computed independently."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import kymograph
from tests.real_people import real_file

pytestmark = pytest.mark.clickhouse

# The golden file's names, where they are not the metric's own.
NAMES = {
    "n_balloons": "balloon.n",
    "n_exploded": "balloon.n_exploded",
    "n_pumps": "balloon.n_pumps",
    "balloon.mean_ln_latency_ms": "balloon.mean_ln_latency",
}


def test_the_command_gives_every_real_person_the_golden_metrics(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Import, score, project and print: each column of each person within 1e-6, an empty cell null with a reason."""
    bart, golden = real_file("ds000030_bart_events.csv.gz"), real_file("golden_bart_metrics.csv")
    imported = kymograph("import", "ds000030", "--bart", str(bart), "--data", str(tmp_path), "--json")
    assert imported.returncode == 0, imported.stderr
    counts = json.loads(imported.stdout)
    assert counts["read"] == counts["accepted"] == counts["scored"]["counted"]
    printed = kymograph("metrics", "--all", "--json", "--data", str(tmp_path))
    answers = {
        (told := json.loads(line))["session_id"]: told["metrics"] for line in printed.stdout.splitlines()
    }
    with golden.open(newline="") as file:
        people = list(csv.DictReader(file))
    assert {f"ds000030.{person['participant_id']}" for person in people} == answers.keys()
    for person in people:
        metrics = answers[f"ds000030.{person.pop('participant_id')}"]
        for column, text in person.items():
            metric = metrics[NAMES.get(column, column)]
            if text:
                assert metric["value"] == pytest.approx(float(text), abs=1e-6), column
            else:
                assert metric["value"] is None
                assert metric["reason"]
    record_property("real_people", len(people))
