"""Whether a process does its work: not whether it lives, but whether it gets on.

A consumer that has stopped reading looks alive: its process runs, its broker answers. So health is progress. A partition is stuck
when records wait and its position has stayed where it is for too long; a lag that is large while the position moves is *degraded*,
and no reason to restart anything; so is a lag that nobody has measured for too long. Liveness asks the loop alone: a broker that is
away must not restart every worker.

The loop tells what it does, from any thread; the probes read it, from another. Nothing here waits, asks or decides.
"""

from collections.abc import Collection, Hashable, Mapping
from typing import Literal, NamedTuple, TypeVar, get_args

import msgspec

from telemetry.clock import Clock

Status = Literal["ok", "degraded", "unhealthy"]
_WORSE: tuple[Status, ...] = get_args(Status)
Place = TypeVar("Place", bound=Hashable)  # a partition, as the process names it


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """From when on something is wrong."""

    beat_s_max: float = 30.0  # a chunk is folded in well under a second; a restart costs more than to wait
    contact_s_max: float = 30.0
    same_position_s_max: float = 60.0  # longer than a session time-out and a rebalance together
    lag_records_max: int = 100_000
    measured_s_max: float = 120.0  # a measurement each 15 s, of which some may wait for a broker that is away


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One question. ``observed`` and ``limit`` are in the unit that the message names; None where nothing is known yet."""

    status: Status
    message: str
    observed: float | None = None
    limit: float | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of a probe: as bad as its worst check."""

    status: Status
    checks: dict[str, Check]


class _Waiting(NamedTuple):
    """A partition at its last position: how many records wait there, and since when (None: none do)."""

    position: int
    lag: int
    since_s: float | None


class Health:
    """What a process told of itself. Each attribute is replaced whole, so that another thread reads it without a lock."""

    def __init__(self, clock: Clock, limits: Limits | None = None) -> None:
        """Alive from now on, and not ready."""
        self._clock = clock
        self._limits = limits if limits is not None else Limits()
        self._beat_s = clock.monotonic_s()
        self._contact_s: float | None = None
        self._assigned: frozenset[Hashable] | None = None
        self._is_recovered = False
        self._has_started = False
        self._waiting: dict[Hashable, _Waiting] = {}
        self._measured_s = clock.monotonic_s()  # nothing is late before its time

    # --------------------------------------------------------------------------------------------- what the loop tells

    def beat(self) -> None:
        """The loop turns."""
        self._beat_s = self._clock.monotonic_s()

    def note_contact(self) -> None:
        """The broker answered just now. After it was away, a partition that stood still may stand as long again: it could not move."""
        now_s = self._clock.monotonic_s()
        if self._age_s(self._contact_s) > self._limits.contact_s_max:
            self._waiting = {
                place: one if one.since_s is None else one._replace(since_s=now_s)
                for place, one in self._waiting.items()
            }
        self._contact_s = now_s

    def note_assigned(self, places: Collection[Hashable]) -> None:
        """These are ours now: all of them, not only the new ones. What is new must be recovered; to have none is an answer too."""
        new = frozenset(places)
        is_known = self._is_recovered and new <= (self._assigned or frozenset())
        self._is_recovered = is_known or not new
        self._assigned = new
        self._has_started = self._has_started or self._is_recovered
        self._waiting = {place: waiting for place, waiting in self._waiting.items() if place in new}

    def note_recovered(self) -> None:
        """The state of all that is assigned stands."""
        self._is_recovered = True
        self._has_started = self._assigned is not None

    def note_position(self, positions: Mapping[Place, int], ends: Mapping[Place, int]) -> None:
        """The next offset to take, and the end, by partition. ``ends`` must be asked of the broker: a consumer's own memory of them
        grows only when records arrive. What is not assigned is passed over.
        """
        now_s = self._clock.monotonic_s()
        told: dict[Hashable, _Waiting] = dict(self._waiting)
        for place, position in positions.items():
            if self._assigned is not None and place not in self._assigned:
                continue
            lag = max(0, ends.get(place, position) - position)
            before = self._waiting.get(place)
            since_s = before.since_s if before is not None and before.position == position else None
            since_s = now_s if since_s is None else since_s
            told[place] = _Waiting(position, lag, since_s if lag else None)
        self._waiting = told
        self._measured_s = now_s

    # ----------------------------------------------------------------------------------------------- what a probe asks

    def live(self) -> Report:
        """The loop turns. Nothing outside this process can make it fail."""
        return _report(loop=self._loop())

    def startup(self) -> Report:
        """Partitions were assigned and recovered, once."""
        done = self._has_started
        message = "assigned and recovered once" if done else "not yet assigned and recovered"
        return _report(started=Check(status="ok" if done else "unhealthy", message=message))

    def ready(self) -> Report:
        """It turns, has its partitions and their state, hears the broker, and gets on."""
        return _report(
            loop=self._loop(),
            assigned=self._assignment(),
            recovered=self._recovery(),
            contact=self._contact(),
            progress=self._progress(),
        )

    def _loop(self) -> Check:
        age_s, limit_s = self._age_s(self._beat_s), self._limits.beat_s_max
        return Check(
            status="ok" if age_s <= limit_s else "unhealthy",
            message=f"the loop turned {age_s:.1f} s ago",
            observed=age_s,
            limit=limit_s,
        )

    def _assignment(self) -> Check:
        if self._assigned is None:
            return Check(status="unhealthy", message="no assignment yet")
        count = len(self._assigned)
        return Check(status="ok", message=f"{count} partitions assigned", observed=count)

    def _recovery(self) -> Check:
        message = "recovered" if self._is_recovered else "the state of new partitions is being restored"
        return Check(status="ok" if self._is_recovered else "unhealthy", message=message)

    def _contact(self) -> Check:
        limit_s = self._limits.contact_s_max
        if self._contact_s is None:
            return Check(status="unhealthy", message="the broker has not answered yet", limit=limit_s)
        age_s = self._age_s(self._contact_s)
        return Check(
            status="ok" if age_s <= limit_s else "unhealthy",
            message=f"the broker answered {age_s:.1f} s ago",
            observed=age_s,
            limit=limit_s,
        )

    def _progress(self) -> Check:
        waiting, limits = self._waiting, self._limits
        ages = {place: self._age_s(one.since_s) for place, one in waiting.items()}
        stuck = sorted(str(place) for place, age_s in ages.items() if age_s > limits.same_position_s_max)
        if stuck:
            age_s = max(ages.values())
            return Check(
                status="unhealthy",
                message=f"no progress for {age_s:.0f} s while records wait, of partition {', '.join(stuck)}",
                observed=age_s,
                limit=limits.same_position_s_max,
            )
        age_s = self._age_s(self._measured_s)
        if self._assigned and age_s > limits.measured_s_max:
            return Check(
                status="degraded",
                message=f"how far the group is was not measured for {age_s:.0f} s",
                observed=age_s,
                limit=limits.measured_s_max,
            )
        lag = sum(one.lag for one in waiting.values())
        return Check(
            status="ok" if lag <= limits.lag_records_max else "degraded",
            message=f"{lag} records behind",
            observed=lag,
            limit=limits.lag_records_max,
        )

    def _age_s(self, since_s: float | None) -> float:
        return 0.0 if since_s is None else max(0.0, self._clock.monotonic_s() - since_s)


def _report(**checks: Check) -> Report:
    return Report(status=max((check.status for check in checks.values()), key=_WORSE.index), checks=checks)
