"""The chaos harness's short form: a kill amid a round, a freeze, a rebalance and a broker's restart, and every profile is right."""

import json
import subprocess
import sys

import pytest

from tests.brokers import broker_unavailable_reason
from tests.processes import ROOT


@pytest.mark.kafka
def test_nothing_is_lost_doubled_or_wrong_under_faults() -> None:
    """Each kind of fault comes once."""
    reason = broker_unavailable_reason()
    if reason is not None:
        pytest.skip(f"KAFKA NOT TESTED: {reason}")
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.chaos", "--short"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    told = json.loads(run.stdout)
    assert told["is_right"]
    assert told["sessions"] > 0
    assert set(told["faults"].values()) == {1}
    assert len(told["faults"]) == 4
