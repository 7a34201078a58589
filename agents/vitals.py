"""How an agent is doing, with the seed's six fields."""

from datetime import UTC, datetime

from telemetry.clock import Clock


class Vitals:
    """Counts what an agent processed and what went wrong."""

    def __init__(self, agent_name: str, clock: Clock) -> None:
        """Start counting now."""
        self._agent_name = agent_name
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._processed = 0
        self._errors = 0
        self._last_ms: int | None = None

    def count(self, *, processed: int, errors: int) -> None:
        """Add to the counts. An error is processed too."""
        self._processed += processed
        self._errors += errors
        self._last_ms = self._clock.now_ms()

    def report(self) -> dict[str, str | int | float | None]:
        """The seed's performance metrics. ``success_rate`` and ``last_activity`` are None before anything was processed."""
        rate = 1 - self._errors / self._processed if self._processed else None
        last = None if self._last_ms is None else datetime.fromtimestamp(self._last_ms / 1000, UTC)
        return {
            "agent_name": self._agent_name,
            "uptime_seconds": int(self._clock.monotonic_s() - self._began_s),
            "processed_count": self._processed,
            "error_count": self._errors,
            "success_rate": None if rate is None else round(rate, 3),
            "last_activity": None if last is None else last.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
