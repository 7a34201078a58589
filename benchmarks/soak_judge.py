"""What a soak saw, and which lines of it hold: the memory's slope, the honesty of the lag, the health, and that all was counted."""

import math
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from statistics import fmean, median
from typing import Any, NamedTuple

import numpy as np

from agents.closed import ClosedSessions
from benchmarks.soak_feed import Ended
from benchmarks.soak_watch import Bounds, Look, Sample, Told, Watcher, bounds
from telemetry.health import Limits

SLOPE_MB_PER_MIN_MAX = 1.0
WARM_UP_SHARE = (
    0.2  # of the steady phase: queues fill, rows are tidied for the first time, allocators come to rest
)
CAPACITY_S_MIN = 20.0
STEADY_SHARE_MIN = 0.68  # of the capacity, fed and committed, to be called 70 % of it
MORE_MB_MAX = 128.0  # than at most before: with a backlog the queues are full already, and one without a limit would take GB
LINES = (
    *("capacity_is_timed", "steady_is_as_asked", "memory_is_flat", "overload_is_one", "memory_is_bounded"),
    *("lag_is_honest", "healthy", "drained", "conserved", "sampled"),
)

Result = dict[str, Any]


class Phase(NamedTuple):
    """What was seen in it, and whether it came to its end by itself."""

    looks: Sequence[Look]
    samples: Sequence[Sample]
    is_over: bool

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.looks[-1].began_s - self.looks[0].began_s

    @property
    def lag_grew(self) -> int:
        """By the journal, in records."""
        return self.looks[-1].lag - self.looks[0].lag

    def rate(self, what: str) -> float:
        """Of what a look counts, so many a second."""
        first, last = (int(getattr(look, what).sum()) for look in (self.looks[0], self.looks[-1]))
        return (last - first) / self.seconds

    def told(self, told: Sequence[Told]) -> list[Told]:
        """Those that were measured in it."""
        return [one for one in told if self.looks[0].began_s <= one.from_s <= self.looks[-1].began_s]


class Seen(NamedTuple):
    """The phases of a run."""

    capacity: float  # events a second
    capacity_s: float
    backlog: Phase
    steady: Phase
    overload: Phase
    drain: Phase
    ended: Ended


class Counted(NamedTuple):
    """What became of the events; ``profiles``: how many each session has."""

    fed: int
    in_the_log: int
    outcomes: dict[str, int]
    open_sessions: int
    closed_sessions: int
    dead_letters: int
    profiles: Counter[str]

    def is_all(self, ended: Ended) -> bool:
        """Whether each event was counted once, and each session that ended, and no other, closed and has its profile."""
        return (
            self.fed == self.in_the_log == self.outcomes["counted"] == sum(self.outcomes.values())
            and self.closed_sessions == len(ended.sessions)
            and self.open_sessions == ended.begun - len(ended.sessions)
            and self.profiles.keys() == set(ended.sessions)
        )


def result_of(
    seen: Seen, watcher: Watcher, counted: Counted, *, uncommitted: int, judged: Sequence[str]
) -> Result:
    """The result; ``judged`` are the lines that decide, and ``uncommitted`` is what the command says at the end."""
    memory = memory_of(seen)
    lag = {who: honesty_of(watcher.looks, told) for who, told in watcher.told.items()}
    loads = {name: _load(getattr(seen, name), watcher, seen.capacity) for name in ("steady", "overload")}
    watched = [*seen.steady.samples, *seen.overload.samples, *seen.drain.samples]
    holds = (
        seen.capacity_s >= CAPACITY_S_MIN,
        min(loads["steady"][f"{what}_share_of_capacity"] for what in ("fed", "committed"))
        >= STEADY_SHARE_MIN,
        memory["slope_mb_per_min"] is not None and memory["slope_mb_per_min"] < SLOPE_MB_PER_MIN_MAX,
        seen.overload.lag_grew > 0,
        memory["rss_more_in_overload_mb"] <= MORE_MB_MAX,
        all(one["judged"] > 0 and one["untrue"] == 0 for one in lag.values()),
        all(is_healthy(sample, watcher.told["worker"]) for sample in watched),
        seen.drain.is_over and uncommitted == 0,
        counted.is_all(seen.ended),
        all(phase.samples and phase.rate("acknowledged") > 0 for phase in (seen.steady, seen.overload)),
    )
    lines = dict(zip(LINES, holds, strict=True))
    return {
        "is_right": all(lines[name] for name in judged),
        "lines": lines,
        "judged": judged,
        "capacity_events_per_second": round(seen.capacity),
        "capacity_seconds": round(seen.capacity_s, 1),
        **memory,
        **loads,
        "lag": lag,
        "health": dict(Counter(f"live {one['live']}, ready {one['ready']}" for one in watched)),
        "drain_seconds": round(seen.drain.seconds, 1),
        "counted": counted._asdict()
        | {"profiles": counted.profiles.total(), "sessions_with_profile": len(counted.profiles)}
        | {"sessions_ended": len(seen.ended.sessions), "sessions_begun": seen.ended.begun},
        "turns_missed": watcher.missed,
    }


# -------------------------------------------------------------------------------------------------------------- memory


def memory_of(seen: Seen) -> Result:
    """Slopes in the steady phase after the warm-up. Sessions that closed are remembered for two days: they are in the slope, and told."""
    warm_s = seen.steady.looks[0].began_s + WARM_UP_SHARE * seen.steady.seconds
    warm = [sample for sample in seen.steady.samples if sample["time_s"] >= warm_s]
    minutes = [sample["time_s"] / 60 for sample in warm]
    rss, uss, closed = (
        slope_of(minutes, [sample[name] for sample in warm])
        for name in ("rss_mb", "uss_mb", "closed_sessions")
    )
    before, after = (
        max((sample["rss_mb"] for phase in phases for sample in phase.samples), default=0.0)
        for phases in ((seen.backlog, seen.steady), (seen.overload, seen.drain))
    )
    closed_bytes = closed_session_bytes()
    return {
        "slope_mb_per_min": rss and rss[0],
        "slope_error_mb_per_min": rss and rss[1],
        "slope_uss_mb_per_min": uss and uss[0],
        "slope_uss_error_mb_per_min": uss and uss[1],
        "slope_samples": len(warm),
        "closed_sessions_per_min": closed and round(closed[0]),
        "closed_session_bytes": closed_bytes,
        "closed_sessions_mb_per_min": closed and round(closed[0] * closed_bytes / 1e6, 3),
        "rss_mb_mean": round(fmean(sample["rss_mb"] for sample in warm), 1) if warm else None,
        "rss_mb_max": max(before, after),
        "rss_more_in_overload_mb": round(after - before, 1),
    }


def slope_of(minutes: Sequence[float], values: Sequence[float]) -> tuple[float, float] | None:
    """By least squares, a minute, and its standard error as if the samples were independent; None of fewer than three."""
    if len(values) < 3:
        return None
    x, y = np.array(minutes) - np.mean(minutes), np.array(values) - np.mean(values)
    slope = (x @ y) / (x @ x)
    error = math.sqrt(np.sum((y - slope * x) ** 2) / (len(x) - 2) / (x @ x))
    return round(float(slope), 3), round(error, 3)


def closed_session_bytes(count: int = 100_000) -> int:
    """What a worker keeps of a session that closed: measured of so many, kept as it keeps them, without what the allocator rounds up."""
    tracemalloc.start()
    kept = ClosedSessions()
    for n in range(count):
        kept.add(b"s%017d" % n, 1_000 + n)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size // len(kept)


# ------------------------------------------------------------------------------------------------------ lag and health


def honesty_of(looks: Sequence[Look], told: Sequence[Told]) -> Result:
    """How many lags were told, how many of them could be judged, how many were untrue, and how far the bounds lay apart."""
    judged = [(one, allowed) for one in told if (allowed := bounds(looks, one.from_s, one.to_s)) is not None]
    records = [int((allowed.records_max - allowed.records_min).sum()) for _, allowed in judged]
    widths = [float(np.median(allowed.seconds_max - allowed.seconds_min)) for _, allowed in judged]
    seconds = [
        width for width in widths if width < math.inf
    ]  # what was fed before the first look may be of any age
    untrue = [(one, allowed) for one, allowed in judged if not allowed.allow(one)]
    return {
        "told": len(told),
        "judged": len(judged),
        "untrue": len(untrue),
        "tolerance_records_median": round(median(records)) if records else None,
        "tolerance_seconds_median": round(median(seconds), 2) if seconds else None,
        **({"untrue_first": _side_by_side(*untrue[0])} if untrue else {}),
    }


def _side_by_side(told: Told, allowed: Bounds) -> Result:
    columns = {name: getattr(told, name) for name in ("records", "seconds")} | allowed._asdict()
    return {
        name: [round(one, 3) if math.isfinite(one) else None for one in column.tolist()]
        for name, column in columns.items()
    }


def is_healthy(sample: Sample, told: Sequence[Told]) -> bool:
    """Whether the worker said that it lives and gets on, how far it is behind by its last measurement, and what that is called."""
    progress = sample["progress"] or {}
    now = [one for one in told if one.from_s <= sample["answered_s"]][
        -2:
    ]  # it may have answered amid the last
    observed = progress.get("observed")
    named = "degraded" if observed is not None and observed > Limits().lag_records_max else "ok"
    return (
        sample["live"] == "ok"
        and sample["ready"] == progress.get("status") == named
        and observed in [int(one.records.sum()) for one in now]
    )


def _load(phase: Phase, watcher: Watcher, capacity: float) -> Result:
    told = {who: phase.told(ever) for who, ever in watcher.told.items()}
    open_sessions = [sample["open_sessions"] for sample in phase.samples]
    found: Result = {"seconds": round(phase.seconds, 1), "samples": len(phase.samples)}
    for what, counted in (("fed", "acknowledged"), ("committed", "committed")):
        rate = phase.rate(counted)
        found[f"{what}_events_per_second"] = round(rate)
        found[f"{what}_share_of_capacity"] = round(rate / capacity, 3) if capacity else 0.0
    return found | {
        "open_sessions": [min(open_sessions, default=None), max(open_sessions, default=None)],
        "lag_records_max": max(look.lag for look in phase.looks),
        "lag_seconds_max": max((float(one.seconds.max()) for one in told["kymograph lag"]), default=None),
        "lag_grew_records_per_second": {"journal": round(phase.lag_grew / phase.seconds)}
        | {who: _growth(lags) for who, lags in told.items()},
        "lag": {who: honesty_of(watcher.looks, lags) for who, lags in told.items()},
    }


def _growth(told: Sequence[Told]) -> int | None:
    """A second, from the first told to the last."""
    if len(told) < 2:
        return None
    seconds = told[-1].from_s - told[0].from_s
    return round(float((told[-1].records.sum() - told[0].records.sum()) / seconds))
