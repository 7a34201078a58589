"""How an agent is doing, with the seed's six fields: read from the very numbers that the process exports."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from telemetry.clock import Clock
from telemetry.metrics import AGENT_EVENTS, AGENT_LAST_ACTIVITY, AGENT_STARTED, Counter, Metrics


class Vitals:
    """Counts what an agent processed and what went wrong. Agents of one name that share a ``Metrics`` share their counts."""

    def __init__(self, agent_name: str, clock: Clock, metrics: Metrics | None = None) -> None:
        """Start counting now; without ``metrics`` the numbers are this agent's own."""
        self._agent_name = agent_name
        self._clock = clock
        self._metrics = metrics if metrics is not None else Metrics()
        self._began_s = clock.monotonic_s()
        self._metrics.set(AGENT_STARTED, clock.now_ms() / 1000, agent=agent_name)

    def count(self, *, processed: int, errors: int) -> None:
        """Add to the counts. An error is processed too."""
        outcomes = {"done": processed - errors, "error": errors}
        self._metrics.add_each(AGENT_EVENTS, outcomes, agent=self._agent_name)
        self._metrics.set(AGENT_LAST_ACTIVITY, self._clock.now_ms() / 1000, agent=self._agent_name)

    def count_by(self, series: Counter, outcomes: Mapping[str, int], *, errors: Collection[str] = ()) -> None:
        """Add to a series of the agent's own by outcome, and the same to the counts: ``errors`` are the outcomes that are."""
        self._metrics.add_each(series, outcomes)
        wrong = sum(count for outcome, count in outcomes.items() if outcome in errors)
        self.count(processed=sum(outcomes.values()), errors=wrong)

    def report(self) -> dict[str, str | int | float | None]:
        """The seed's performance metrics. ``success_rate`` and ``last_activity`` are None before anything was processed."""
        done, errors = (
            int(self._metrics.read(AGENT_EVENTS, agent=self._agent_name, outcome=outcome) or 0)
            for outcome in ("done", "error")
        )
        processed = done + errors
        rate = 1 - errors / processed if processed else None
        last_s = self._metrics.read(AGENT_LAST_ACTIVITY, agent=self._agent_name)
        last = None if last_s is None else datetime.fromtimestamp(last_s, UTC)
        return {
            "agent_name": self._agent_name,
            "uptime_seconds": int(self._clock.monotonic_s() - self._began_s),
            "processed_count": processed,
            "error_count": errors,
            "success_rate": None if rate is None else round(rate, 3),
            "last_activity": None if last is None else last.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
