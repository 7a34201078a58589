"""Live windows: what happened in every 10 and 60 seconds of a session, on the participant's own clock.

For dashboards; no score rests on them. A window is a vector of integers that merge by adding and comparing, so that it does not matter
how its events were grouped on their way. It is known by session, width and ``t_us // width``.
"""

import msgspec

WIDTHS_US = (10_000_000, 60_000_000)


class Window(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How many events, how many of them responses, and these responses' latencies: their sum and the largest (0 without one above)."""

    events: int = 0
    responses: int = 0
    latency_us: int = 0
    latency_us_max: int = 0

    def merged(self, other: "Window") -> "Window":
        """Both together."""
        return Window(
            self.events + other.events,
            self.responses + other.responses,
            self.latency_us + other.latency_us,
            max(self.latency_us_max, other.latency_us_max),
        )


def index_of(t_us: int, width_us: int) -> int:
    """Which window of this width a moment lies in, from 0."""
    return t_us // width_us
