"""The live benchmark's short form: a worker over a topic of sessions side by side, and the digest that the feed gives."""

import json
import subprocess
import sys

import pytest

from tests.brokers import broker_unavailable_reason
from tests.processes import ROOT


@pytest.mark.kafka
def test_the_worker_gives_the_windows_of_the_feed() -> None:
    """Every window of every session, right to the last integer, and a profile for every session that ended."""
    reason = broker_unavailable_reason()
    if reason is not None:
        pytest.skip(f"KAFKA NOT TESTED: {reason}")
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.live", "--short"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    (told,) = [
        one for line in run.stdout.splitlines() if (one := json.loads(line)).get("system") == "kymograph"
    ]
    assert told["is_right"]
    assert told["profiles"] == told["fed"]["complete"] > 0
