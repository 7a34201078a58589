"""What a worker takes and tells, seen from outside: its memory, its lag as three tell it, its health. And whether they tell the truth.

A look puts the feed's journal and what is committed side by side. A lag that was told between two looks is true if it lies within what
the two allow: at least what was acknowledged before less what was committed after, at most what was sent after less what was committed
before. So the tolerance is what was fed and committed meanwhile, and no number of ours. The same goes for its age, by when a record
was sent. All of it is by partition.
"""

import json
import math
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from agents.live import GROUP
from benchmarks.soak_feed import Feeder, Offsets
from streams.kafka import KafkaLog
from streams.lag import measure_lag
from streams.log import LogUnavailable
from streams.topics import EVENTS, PARTITIONS
from telemetry.metrics import (
    CONSUMER_LAG,
    CONSUMER_LAG_MEASURED,
    CONSUMER_LAG_RECORDS,
    FOLD_EVENTS,
    FOLD_OPEN_SESSIONS,
    FOLD_SESSIONS_CLOSED,
)

TURN_S = 0.5
SAMPLE_S = 5.0
_ANSWER_S_MAX = 5.0
_CLOCK_S = 0.002  # times of the log, and of a measurement, are whole milliseconds

Seconds = npt.NDArray[np.float64]  # by partition
Sample = dict[str, Any]


class Look(NamedTuple):
    """The feed's journal, and then what is committed, between two moments since 1970."""

    began_s: float
    sent: Offsets
    acknowledged: Offsets
    committed: Offsets
    ended_s: float

    @property
    def lag(self) -> int:
        """Acknowledged and not committed."""
        return int(np.maximum(self.acknowledged - self.committed, 0).sum())


class Told(NamedTuple):
    """A lag that somebody told, measured between two moments; ages are as of the first."""

    from_s: float
    to_s: float
    records: Offsets
    seconds: Seconds


class Bounds(NamedTuple):
    """Between which a lag must lie."""

    records_min: Offsets
    records_max: Offsets
    seconds_min: Seconds
    seconds_max: Seconds

    def allow(self, told: Told) -> bool:
        """Whether it does, of every partition."""
        is_so = (self.records_min <= told.records) & (told.records <= self.records_max)
        is_so &= (self.seconds_min - _CLOCK_S <= told.seconds) & (told.seconds <= self.seconds_max + _CLOCK_S)
        return bool(is_so.all())


def bounds(looks: Sequence[Look], from_s: float, to_s: float) -> Bounds | None:
    """Of a lag that was measured between these moments; None where no look precedes or none follows."""
    before = [look for look in looks if look.ended_s <= from_s][-1:]
    after = [look for look in looks if look.began_s >= to_s][:1]
    return _between(looks, before[0], after[0], as_of_s=from_s) if before and after else None


def _between(looks: Sequence[Look], before: Look, after: Look, *, as_of_s: float) -> Bounds:
    sent, acknowledged = (
        np.stack([getattr(look, name) for look in looks]) for name in ("sent", "acknowledged")
    )
    # The record that is needed next is one of those from committed before to committed after. Each was sent after a look that did not
    # have it as sent, and before a look that had it as acknowledged.
    earliest = [look.began_s for look in looks]
    latest = [*(look.ended_s for look in looks), math.inf]
    since = [_place(sent[:, p], before.committed[p]) - 1 for p in range(PARTITIONS)]
    until = [_place(acknowledged[:, p], after.committed[p]) for p in range(PARTITIONS)]
    seconds_max = np.array([as_of_s - earliest[n] if n >= 0 else math.inf for n in since])
    return Bounds(
        records_min=np.maximum(before.acknowledged - after.committed, 0),
        records_max=np.maximum(after.sent - before.committed, 0),
        seconds_min=np.maximum([as_of_s - latest[n] for n in until], 0),
        seconds_max=np.maximum(seconds_max, 0),
    )


def _place(counts: Offsets, offset: int) -> int:
    """At which look this record was there first."""
    return int(np.searchsorted(counts, offset, side="right"))


class Watcher:
    """Of one worker: it looks twice a second, and takes a sample every five. What it saw stays."""

    def __init__(
        self,
        log: KafkaLog,
        feeder: Feeder,
        worker: subprocess.Popen[bytes],
        port: int,
        *,
        samples: Path | None,
    ) -> None:
        """``port`` is that of the worker's metrics; ``samples`` takes each sample as a JSON line."""
        self._log, self._feeder, self._worker = log, feeder, worker
        self._door = f"http://127.0.0.1:{port}"
        self._file = samples
        self._next_s = 0.0
        self._fresh: tuple[float, float] | None = (
            None  # a measurement of the worker's own: when, and until when at the most
        )
        self._measured_s = 0.0
        self.phase = "backlog"
        self.looks: list[Look] = []
        self.told: dict[str, list[Told]] = {"worker": [], "kymograph lag": []}
        self.samples: list[Sample] = []
        self.missed = 0  # turns in which the log did not answer

    def until(self, is_done: Callable[[], bool], *, seconds_max: float) -> bool:
        """Watch until it is so; whether it came to be. Raises RuntimeError if the worker or the feed ends."""
        deadline_s = time.monotonic() + seconds_max
        while not is_done():
            now_s = time.monotonic()
            if now_s > deadline_s:
                return False
            if self._worker.poll() is not None or self._feeder.has_failed:
                raise RuntimeError(
                    "the feed has ended" if self._feeder.has_failed else "the worker has ended"
                )
            try:
                self._turn()
            except LogUnavailable as reason:
                self.missed += 1
                print(f"soak: {reason}", file=sys.stderr)
            time.sleep(max(0.0, now_s + TURN_S - time.monotonic()))
        return True

    def look(self) -> Look:
        """How things stand. Raises LogUnavailable."""
        began_s = time.time()
        sent, acknowledged = self._feeder.sent(), self._feeder.acknowledged()
        committed = np.zeros(PARTITIONS, dtype=np.int64)
        for partition, offset in self._log.committed(GROUP, EVENTS.name).items():
            committed[partition] = offset
        look = Look(began_s, sent, acknowledged, committed, time.time())
        self.looks.append(look)
        return look

    def numbers(self) -> list[Metric]:
        """What the worker exports; nothing where it does not answer."""
        _, body = _asked(f"{self._door}/metrics")
        return list(text_string_to_metric_families(body.decode()))

    def _turn(self) -> None:
        look, numbers = self.look(), self.numbers()
        self._note(numbers)
        if time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + SAMPLE_S
            self._sample(look, numbers)

    def _note(self, numbers: list[Metric]) -> None:
        """Take down the lag that the worker tells, once a measurement: a turn after it was new, when all its partitions are told."""
        measured_s = total(numbers, CONSUMER_LAG_MEASURED.name)
        if measured_s == 0:  # it does not answer, or has not measured
            return
        if measured_s != self._measured_s:
            self._measured_s, self._fresh = measured_s, (measured_s, time.time())
        elif self._fresh is not None:
            records, seconds = (
                _by_partition(numbers, name) for name in (CONSUMER_LAG_RECORDS.name, CONSUMER_LAG.name)
            )
            self.told["worker"].append(Told(*self._fresh, records.astype(np.int64), seconds))
            self._fresh = None

    def _sample(self, look: Look, numbers: list[Metric]) -> None:
        asked = self._asked_from_outside()
        live, ready = (
            json.loads(_asked(f"{self._door}/health/{name}")[1] or "{}") for name in ("live", "ready")
        )
        own = _between(self.looks, look, look, as_of_s=look.began_s)
        now = self.told["worker"][-1:]
        sample = {
            "phase": self.phase,
            "time_s": round(look.began_s, 3),
            **_memory_mb(self._worker.pid),
            "open_sessions": int(total(numbers, FOLD_OPEN_SESSIONS.name)),
            "closed_sessions": int(total(numbers, FOLD_SESSIONS_CLOSED.name)),
            "folded": int(total(numbers, FOLD_EVENTS.name)),
            "fed": int(look.acknowledged.sum()),
            "committed": int(look.committed.sum()),
            "lag": {"records": look.lag, "seconds_max": _rounded(own.seconds_max.max())},
            "lag_by_kymograph_lag": _shown(asked),
            "lag_by_worker": _shown(now[0]) | {"age_s": _rounded(look.began_s - now[0].from_s)}
            if now
            else None,
            "live": live.get("status"),
            "ready": ready.get("status"),
            "answered_s": round(time.time(), 3),
            "progress": ready.get("checks", {}).get("progress"),
        }
        self.samples.append(sample)
        if self._file is not None:
            with self._file.open("a") as file:
                file.write(json.dumps(sample) + "\n")

    def _asked_from_outside(self) -> Told:
        """The lag as the command tells it: the same call."""
        began_s = time.time()
        lags = measure_lag(self._log, GROUP, [EVENTS.name], now_ms=int(began_s * 1_000))
        told = Told(
            began_s,
            time.time(),
            np.array([one.records for one in lags], dtype=np.int64),
            np.array([math.inf if one.seconds is None else one.seconds for one in lags]),
        )
        self.told["kymograph lag"].append(told)
        self.look()
        return told


def total(numbers: Sequence[Metric], name: str, **labels: str) -> float:
    """The sum of a series where it has these labels; 0 where nothing was told."""
    return sum(
        sample.value
        for family in numbers
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


def _by_partition(numbers: Sequence[Metric], name: str) -> Seconds:
    return np.array(
        [total(numbers, name, group=GROUP, partition=str(partition)) for partition in range(PARTITIONS)]
    )


def _asked(url: str) -> tuple[int, bytes]:
    """Status and body; 0 and nothing where nobody answers in time."""
    try:
        with urllib.request.urlopen(url, timeout=_ANSWER_S_MAX) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as told:
        return told.code, told.read()
    except OSError:
        return 0, b""


def _memory_mb(pid: int) -> dict[str, float]:
    """Resident, proportional and unique memory, in 1,000,000 bytes: of Linux alone."""
    rolled = Path(f"/proc/{pid}/smaps_rollup").read_text()
    kib = {name: int(size) for name, size in re.findall(r"^(\w+): +(\d+) kB$", rolled, re.MULTILINE)}
    sizes = {"rss": kib["Rss"], "pss": kib["Pss"], "uss": kib["Private_Clean"] + kib["Private_Dirty"]}
    return {f"{name}_mb": round(size * 1_024 / 1e6, 2) for name, size in sizes.items()}


def _shown(told: Told) -> dict[str, Any]:
    return {"records": int(told.records.sum()), "seconds": _rounded(told.seconds.max())}


def _rounded(seconds: float) -> float | None:
    return round(float(seconds), 3) if math.isfinite(seconds) else None
