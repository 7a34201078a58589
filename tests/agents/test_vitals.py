"""How an agent is doing: ``agents/vitals.py`` and the clock it reads."""

import pytest

from agents.vitals import Vitals
from telemetry.clock import SystemClock
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


def test_the_systems_clocks_go_forward() -> None:
    """Milliseconds since 1970 are integers; the other clock never goes back."""
    clock = SystemClock()
    readings = [(clock.monotonic_s(), clock.now_ms()) for _ in range(100)]
    assert readings == sorted(readings)
    assert type(readings[0][1]) is int
    assert readings[0][1] > 1_700_000_000_000
