"""Balloon risk as an importer tells it: balloon by balloon, press by press; bank and numbers are kept here."""

from agents.event_logger import Verdict
from importers.sessions import Game, Told


class BalloonGame:
    """What was told of one playing. ``i`` counts every balloon that there was, also one of which nothing can be read."""

    def __init__(self, *, max_pumps: int, value_per_pump_c: int, burst_law: str = "uniform") -> None:
        """Nothing told yet."""
        self._terms = {"max_pumps": max_pumps, "value_per_pump_c": value_per_pump_c}
        self._burst_law = burst_law
        self._told: list[Told] = []
        self._planned = self._i = self._bank_c = self.pumps = 0
        self._is_practice = self.is_shown = False

    def begin(self, *, practice: bool = False) -> None:
        """There is another balloon; it may be shown later, or never."""
        self._i += 1
        self._planned += not practice
        self.pumps, self._is_practice, self.is_shown = 0, practice, False

    def show(self, place: str, t_us: int) -> None:
        """The balloon that began is shown."""
        self.is_shown = True
        shown = {"i": self._i, "color": "none", **self._terms, "practice": self._is_practice}
        self._tell(place, "shown", t_us, shown)

    def pump(self, place: str, onset_t_us: int, latency_us: int) -> None:
        """A pump, also the one that bursts it."""
        self.pumps += 1
        self._respond(place, "pumped", onset_t_us, latency_us, {"i": self._i, "k": self.pumps})

    def collect(self, place: str, onset_t_us: int, latency_us: int) -> None:
        """The money is taken."""
        earned_c = self.pumps * self._terms["value_per_pump_c"]
        self._bank_c += earned_c
        money = {"pumps": self.pumps, "earned_c": earned_c, "bank_c": self._bank_c}
        self._respond(place, "collected", onset_t_us, latency_us, {"i": self._i, **money})

    def explode(self, place: str, t_us: int) -> None:
        """It bursts, by the pump before."""
        self._tell(place, "exploded", t_us, {"i": self._i, "at_pump": self.pumps})

    def refuse(self, place: str, why: Verdict) -> None:
        """Something happened here that cannot be read. A balloon that it begins with is never shown: the fold then drops what else is
        told of it, which would pass for a whole balloon otherwise.
        """
        self.is_shown = True
        self._told.append((place, why))

    def told(self, begin_t_us: int = 0) -> Game:
        """The whole game; planned was what was shown."""
        config = {"balloons": max(1, self._planned), "burst_law": self._burst_law, **self._terms}
        return Game("balloon_risk", config, self._told, begin_t_us)

    def _respond(
        self, place: str, kind: str, onset_t_us: int, latency_us: int, fields: dict[str, int]
    ) -> None:
        times = {"onset_t_us": onset_t_us, "latency_us": latency_us}
        self._tell(place, kind, onset_t_us + latency_us, {**times, **fields})

    def _tell(self, place: str, kind: str, t_us: int, fields: dict[str, object] | dict[str, int]) -> None:
        self._told.append((place, {"kind": f"balloon_risk.{kind}", "t_us": t_us, **fields}))
