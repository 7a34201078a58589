"""The clock as a value: shells read it, the science never does."""

import time
from typing import Protocol


class Clock(Protocol):
    """Wall clock for audit facts, monotonic clock for durations."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""

    def monotonic_s(self) -> float:
        """Seconds that never go back."""


class SystemClock:
    """This machine's clocks."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
