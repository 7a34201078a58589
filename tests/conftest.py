"""What all tests share, and the last lines that say what ran."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.brokers import broker_unavailable_reason, start_broker, stop_broker

# Read by `make test` after the coverage report, so that it closes what a person sees.
SUMMARY = Path(__file__).resolve().parents[1] / ".test-summary"

_real_people = 0
_kafka: Counter[str] = Counter()
_skipped: list[str] = []


# No test is timed: a busy machine must not fail a law. In CI the same examples every time, so that what landed stays landed;
# at a desk, new ones with every run.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_configure(config: pytest.Config) -> None:
    """Let kafka-python be imported: on Python 3.11 it calls importlib.resources by an old name."""
    config.addinivalue_line("filterwarnings", "ignore:(read|open)_text is deprecated:DeprecationWarning")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what the summary tells: real people (a property of the test), Kafka tests, and what was skipped."""
    global _real_people  # noqa: PLW0603  # pytest's hooks share nothing else
    if report.skipped and isinstance(report.longrepr, tuple):
        _skipped.append(f"skipped {report.nodeid}: {report.longrepr[2]}")
    if report.when == "call":
        for name, value in report.user_properties:
            if name == "real_people" and report.passed and isinstance(value, int):
                _real_people = max(_real_people, value)
    if "kafka" in report.keywords and (report.when == "call" or report.skipped):
        _kafka[report.outcome] += 1


def pytest_unconfigure(config: pytest.Config) -> None:
    """Say what ran, after everything else; of several processes the one that hears of all of it."""
    if hasattr(config, "workerinput"):
        return
    kafka = (
        "failed"
        if _kafka["failed"]
        else "ran"
        if _kafka["passed"]
        else "skipped"
        if _kafka
        else "not selected"
    )
    lines = [*_skipped, f"real people: {_real_people}, kafka: {kafka}"]
    SUMMARY.write_text("\n".join(lines) + "\n")
    print("\n".join(["", *lines]))


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one Kafka broker, which all tests of the session share; its topics are not created yet."""
    reason = broker_unavailable_reason()
    if reason is not None:
        pytest.skip(f"KAFKA NOT TESTED: {reason}")
    bootstrap, process = start_broker(tmp_path_factory.mktemp("kafka"))
    yield bootstrap
    stop_broker(process)
