"""Balloon risk: the events, mirrored field by field by the schemas ``balloon_risk.*.avsc``."""

from science.event import Payload, Response
from science.game import Completion, Start


class GameStarted(Start, frozen=True, gc=False):
    """``config`` is canonical JSON of ``Config``; ``seed_commit`` binds the bursts before the first pump."""

    seed_commit: str | None


class GameCompleted(Completion, frozen=True, gc=False):
    """``reveal_*`` open the commitment of ``seed_commit``, so that anyone can check the bursts were fixed beforehand."""

    reveal_seed: str | None
    reveal_burst_points: str | None


class Shown(Payload, frozen=True, gc=False):
    """Balloon ``i`` (from 1) appears; it bursts at a pump between 1 and ``max_pumps``."""

    i: int
    color: str
    max_pumps: int
    value_per_pump_c: int
    practice: bool


class Pumped(Response, frozen=True, gc=False, kw_only=True):
    """Pump ``k`` (from 1) of balloon ``i``. The bursting pump counts as a pump."""

    i: int
    k: int


class Exploded(Payload, frozen=True, gc=False):
    """Balloon ``i`` burst at pump ``at_pump``; its money is lost."""

    i: int
    at_pump: int


class Collected(Response, frozen=True, gc=False, kw_only=True):
    """The participant cashed balloon ``i`` in after ``pumps`` pumps, for ``earned_c`` cents; the bank holds ``bank_c``."""

    i: int
    pumps: int
    earned_c: int
    bank_c: int


class TimedOut(Payload, frozen=True, gc=False):
    """Balloon ``i`` was taken away without an answer."""

    i: int


KINDS: dict[str, type[Payload]] = {
    "balloon_risk.game_started": GameStarted,
    "balloon_risk.game_completed": GameCompleted,
    "balloon_risk.shown": Shown,
    "balloon_risk.pumped": Pumped,
    "balloon_risk.exploded": Exploded,
    "balloon_risk.collected": Collected,
    "balloon_risk.timed_out": TimedOut,
}
