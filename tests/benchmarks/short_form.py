"""The short form of a benchmark, as CI runs it: the command itself, in a process of its own."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.brokers import broker_unavailable_reason
from tests.processes import ROOT

_WAIT_S_MAX = 400


def told_by(name: str) -> list[dict[str, Any]]:
    """What it prints, a line each, once it has ended well; skipped where no broker can run."""
    reason = broker_unavailable_reason()
    if reason is not None:
        pytest.skip(f"KAFKA NOT TESTED: {reason}")
    run = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", "--short"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_WAIT_S_MAX,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]
