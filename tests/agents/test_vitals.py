"""How an agent is doing: ``agents/vitals.py`` and the clock it reads."""

import pytest

from agents.vitals import Vitals
from telemetry.clock import SystemClock
from telemetry.metrics import (
    AGENT_EVENTS,
    AGENT_LAST_ACTIVITY,
    AGENT_STARTED,
    FOLD_EVENTS,
    INGEST_EVENTS,
    Metrics,
    NotInTable,
)
from tests.agents.doors import NOW_MS, HandClock

FIELDS = ["agent_name", "uptime_seconds", "processed_count", "error_count", "success_rate", "last_activity"]


def test_before_anything_was_processed_there_is_no_rate() -> None:
    """Absence is not zero: no rate and no last activity, rather than a perfect or a failed one."""
    assert Vitals("some_agent", HandClock()).report() == {
        "agent_name": "some_agent",
        "uptime_seconds": 0,
        "processed_count": 0,
        "error_count": 0,
        "success_rate": None,
        "last_activity": None,
    }


@pytest.mark.parametrize(
    ("processed", "errors", "rate"),
    [(1500, 5, 0.997), (1, 0, 1.0), (1, 1, 0.0), (3, 1, 0.667), (200, 1, 0.995)],
)
def test_counts_and_rate_are_the_seeds(processed: int, errors: int, rate: float) -> None:
    """An error is processed too; the rate has three places, as the seed shows it."""
    vitals = Vitals("event_logger", HandClock())
    vitals.count(processed=processed, errors=errors)
    report = vitals.report()
    assert list(report) == FIELDS
    assert (report["processed_count"], report["error_count"], report["success_rate"]) == (
        processed,
        errors,
        rate,
    )
    assert [type(report[name]) for name in FIELDS] == [str, int, int, int, float, str]


def test_counts_add_up_and_the_last_activity_is_the_last() -> None:
    """Uptime is by the monotonic clock and in whole seconds; the activity by the wall clock, in UTC."""
    clock = HandClock()
    vitals = Vitals("event_logger", clock)
    vitals.count(processed=2, errors=1)
    clock.ms, clock.s = NOW_MS + 86_400_000, clock.s + 86_399.99
    vitals.count(processed=3, errors=0)
    clock.ms += 5_000
    report = vitals.report()
    assert (report["processed_count"], report["error_count"]) == (5, 1)
    assert report["uptime_seconds"] == 86_399
    assert report["last_activity"] == "2026-09-22T14:13:20Z"


def test_the_figures_are_those_that_are_exported() -> None:
    """One number, told in two places: the seed's fields and the series of the process."""
    metrics, clock = Metrics(), HandClock()
    vitals = Vitals("event_logger", clock, metrics)
    other = Vitals("metric_extractor", clock, metrics)
    vitals.count(processed=7, errors=2)
    assert metrics.read(AGENT_EVENTS, agent="event_logger", outcome="done") == 5
    assert metrics.read(AGENT_EVENTS, agent="event_logger", outcome="error") == 2
    assert metrics.read(AGENT_STARTED, agent="event_logger") == NOW_MS / 1000
    assert metrics.read(AGENT_LAST_ACTIVITY, agent="event_logger") == NOW_MS / 1000
    metrics.add(AGENT_EVENTS, 3, agent="event_logger", outcome="done")
    assert vitals.report()["processed_count"] == 10
    assert (other.report()["processed_count"], other.report()["last_activity"]) == (0, None)


def test_a_batch_by_outcome_is_counted_once_for_both() -> None:
    """The agent's own series and the six fields cannot differ; an outcome that is unknown counts in neither."""
    metrics = Metrics()
    vitals = Vitals("event_logger", HandClock(), metrics)
    vitals.count_by(INGEST_EVENTS, {"accepted": 5, "duplicate": 2, "rejected": 1}, errors=("rejected",))
    vitals.count_by(INGEST_EVENTS, {"accepted": 1})
    assert metrics.read(INGEST_EVENTS, outcome="accepted") == 6
    assert metrics.read(INGEST_EVENTS) == vitals.report()["processed_count"] == 9
    assert vitals.report()["error_count"] == 1
    with pytest.raises(NotInTable):
        vitals.count_by(FOLD_EVENTS, {"counted": 1, "lost": 1})
    assert (metrics.read(FOLD_EVENTS), vitals.report()["processed_count"]) == (0, 9)


def test_without_a_registry_the_figures_are_the_agents_own() -> None:
    """Two agents of one name in one process do not mix unless they were given the same."""
    one, two = Vitals("event_logger", HandClock()), Vitals("event_logger", HandClock())
    one.count(processed=1, errors=0)
    assert (one.report()["processed_count"], two.report()["processed_count"]) == (1, 0)


def test_the_systems_clocks_go_forward() -> None:
    """Milliseconds since 1970 are integers; the other clock never goes back."""
    clock = SystemClock()
    readings = [(clock.monotonic_s(), clock.now_ms()) for _ in range(100)]
    assert readings == sorted(readings)
    assert type(readings[0][1]) is int
    assert readings[0][1] > 1_700_000_000_000
