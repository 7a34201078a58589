"""Every series that the house exports, in one table, and the registry that holds their numbers.

A name is ``kymograph_<subsystem>_<what>_<unit>``, with ``_total`` for a counter, in base units. A label never holds an id: its values are
closed where the table lists them, and few where it does not. A misspelt series does not type-check; a wrong kind does not either;
a wrong label, or a value that is not in the list, raises at the first call.

A process makes one ``Metrics`` and hands it down. Numbers are added by batch, never by event. The only importer of prometheus_client.
"""

import threading
from collections.abc import Iterable, Mapping
from itertools import product

import msgspec
import prometheus_client as prometheus
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

LABEL_SETS_MAX = 1_000  # of one series: more is an id in a label

_ANY: tuple[str, ...] = ()
_DURATIONS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_RECOVERIES_S = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_CHUNKS = (1.0, 10.0, 100.0, 1_000.0, 2_500.0, 5_000.0, 10_000.0, 25_000.0, 50_000.0, 100_000.0)


class NotInTable(ValueError):
    """A series, a label or a label's value that the table does not have; the message says what it has."""


class _Series(msgspec.Struct, frozen=True):
    """One series. ``labels`` has the values of each label; none listed: whatever comes, if it is few."""

    name: str
    help: str
    labels: dict[str, tuple[str, ...]] = {}


class Counter(_Series, frozen=True):
    """It only grows."""


class Gauge(_Series, frozen=True):
    """It is what was set last; until then it is absent, which is not zero."""


class Histogram(_Series, frozen=True, kw_only=True):
    """Observations by upper bound; their count and sum come with them."""

    buckets: tuple[float, ...]


Series = Counter | Gauge | Histogram
_Backing = prometheus.Counter | prometheus.Gauge | prometheus.Histogram

# ------------------------------------------------------------------------------------------------------------- the table

BUILD_INFO = Gauge(
    "kymograph_build_info",
    "Always 1: which engine this process is, and by which mapping it scores.",
    {"version": _ANY, "mapping": _ANY},
)

AGENT_EVENTS = Counter(
    "kymograph_agent_events_total",
    "What an agent processed, and how much of it was an error: the counts of its get_performance_metrics().",
    {"agent": _ANY, "outcome": ("done", "error")},
)
AGENT_STARTED = Gauge(
    "kymograph_agent_started_timestamp_seconds",
    "When the agent began to count, since 1970.",
    {"agent": _ANY},
)
AGENT_LAST_ACTIVITY = Gauge(
    "kymograph_agent_last_activity_timestamp_seconds",
    "When the agent last processed something, since 1970.",
    {"agent": _ANY},
)

INGEST_EVENTS = Counter(
    "kymograph_ingest_events_total",
    "Events at the door, by their verdict; what came in is the sum.",
    {"outcome": ("accepted", "duplicate", "rejected")},
)

FOLD_EVENTS = Counter(
    "kymograph_fold_events_total",
    "Records of the log in the fold, by what they did; what was read is the sum.",
    {"outcome": ("counted", "duplicate", "conflict", "late", "dead_letter")},
)
FOLD_SESSIONS_CLOSED = Counter(
    "kymograph_fold_sessions_closed_total",
    "Sessions that closed, by how.",
    {"how": ("completed", "aborted", "abandoned")},
)
FOLD_OPEN_SESSIONS = Gauge("kymograph_fold_open_sessions", "Sessions that this process holds open.")
PROFILES_EMITTED = Counter(
    "kymograph_profiles_emitted_total",
    "Profiles emitted: scored where any trait is, insufficient where none is.",
    {"mapping": _ANY, "status": ("scored", "insufficient")},
)

DLQ_RECORDS = Counter(
    "kymograph_dlq_records_total", "Dead letters written, by the code of what is wrong.", {"code": _ANY}
)

WORKER_COMMITS = Counter("kymograph_worker_commits_total", "Commits of how far the log was scored.")
WORKER_COMMIT_DURATION = Histogram(
    "kymograph_worker_commit_duration_seconds",
    "From handing over what a commit covers until it is durable.",
    buckets=_DURATIONS_S,
)
WORKER_CHUNK_EVENTS = Histogram(
    "kymograph_worker_chunk_events", "Events that were folded at once.", buckets=_CHUNKS
)
WORKER_CHANGELOG_BYTES = Counter(
    "kymograph_worker_changelog_bytes_total", "Keys and values written to the changelog."
)
WORKER_RECOVERY_DURATION = Histogram(
    "kymograph_worker_recovery_duration_seconds",
    "From an assignment until its sessions were restored from the changelog.",
    buckets=_RECOVERIES_S,
)
WORKER_REBALANCES = Counter(
    "kymograph_worker_rebalances_total", "Assignments that the group gave this worker."
)
WORKER_LAST_OFFSET = Gauge(
    "kymograph_worker_last_offset",
    "The next offset to fold, of the partitions that this worker has.",
    {"topic": _ANY, "partition": _ANY},
)

CONSUMER_LAG_RECORDS = Gauge(
    "kymograph_consumer_lag_records",
    "Records behind the end of the partition that the group has not committed.",
    {"group": _ANY, "topic": _ANY, "partition": _ANY},
)
CONSUMER_LAG = Gauge(
    "kymograph_consumer_lag_seconds",
    "How long the oldest of them has been in the log; 0 at the end, +Inf where it is no longer kept.",
    {"group": _ANY, "topic": _ANY, "partition": _ANY},
)
CONSUMER_LAG_MEASURED = Gauge(
    "kymograph_consumer_lag_measured_timestamp_seconds",
    "When the lag was last measured, since 1970: an old one says nothing.",
    {"group": _ANY},
)

PROJECTION_RECORDS = Counter(
    "kymograph_projection_records_total",
    "Records read for the store, by what became of them.",
    {"topic": _ANY, "outcome": ("projected", "unreadable", "damaged")},
)
PROJECTION_ROWS = Counter("kymograph_projection_rows_total", "Rows written into the store.", {"table": _ANY})
PROJECTION_FLUSH_DURATION = Histogram(
    "kymograph_projection_flush_duration_seconds", "One write into the store.", buckets=_DURATIONS_S
)
PROJECTION_LAST_OFFSET = Gauge(
    "kymograph_projection_last_offset",
    "The next offset to project.",
    {"topic": _ANY, "partition": _ANY},
)

SERIES = tuple(value for value in list(globals().values()) if isinstance(value, Series))


# ---------------------------------------------------------------------------------------------------------- the registry


class Metrics:
    """The numbers of this process. Threads may share it."""

    def __init__(self) -> None:
        """Counts whose labels are closed begin at 0, so that a rate sees the first one; all else is absent until it is known."""
        self._registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=self._registry)
        self._families: dict[str, _Backing] = {}
        self._children: dict[tuple[str, tuple[str, ...]], _Backing] = {}
        self._lock = threading.Lock()
        for series in SERIES:
            if not isinstance(series, Gauge):
                for values in product(*series.labels.values()):
                    self._child(series, dict(zip(series.labels, values, strict=True)))

    def add(self, series: Counter, amount: float = 1, **labels: str | int) -> None:
        """Count so many more. Raises NotInTable."""
        child = self._child(series, labels)
        assert isinstance(child, prometheus.Counter)
        child.inc(amount)

    def add_each(self, series: Counter, amounts: Mapping[str, float], **labels: str | int) -> None:
        """Count by the values of the one label that is not given. Raises NotInTable, and then counts nothing."""
        open_labels = series.labels.keys() - labels.keys()
        if len(open_labels) != 1:
            raise NotInTable(f"{series.name} has the labels {_listed(series.labels)}: give all but one")
        (label,) = open_labels
        for value in amounts:
            self._child(series, {**labels, label: value})
        for value, amount in amounts.items():
            self.add(series, amount, **{**labels, label: value})

    def set(self, series: Gauge, value: float, **labels: str | int) -> None:
        """It is this now. Raises NotInTable."""
        child = self._child(series, labels)
        assert isinstance(child, prometheus.Gauge)
        child.set(value)

    def observe(self, series: Histogram, value: float, **labels: str | int) -> None:
        """One observation. Raises NotInTable."""
        child = self._child(series, labels)
        assert isinstance(child, prometheus.Histogram)
        child.observe(value)

    def forget(self, series: Gauge, **labels: str | int) -> None:
        """It is not known here any more, such as of a partition that another worker has now."""
        values = _values(series, labels)
        assert values, "without labels there is one, and it stays"
        with self._lock:
            if self._children.pop((series.name, values), None) is not None:
                self._families[series.name].remove(*values)

    def read(self, series: Counter | Gauge, **labels: str | int) -> float | None:
        """The sum of what has these labels (fewer than it has: of all); None where nothing was counted or set."""
        if not labels.keys() <= series.labels.keys():
            raise NotInTable(f"{series.name} has the labels {_listed(series.labels)}")
        family = self._families.get(series.name)
        wanted = {(name, str(value)) for name, value in labels.items()}
        values = [
            sample.value
            for collected in (family.collect() if family is not None else ())
            for sample in collected.samples
            if sample.name == series.name and wanted <= sample.labels.items()
        ]
        return sum(values) if values else None

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """All of it as a scraper reads it, and the content type: what ``accept`` prefers of Prometheus' text and OpenMetrics."""
        encode, content_type = choose_encoder(accept)
        return encode(_Told(self._registry)), content_type

    def _child(self, series: Series, labels: Mapping[str, str | int]) -> _Backing:
        values = _values(series, labels)
        child = self._children.get((series.name, values))
        return child if child is not None else self._new_child(series, values)

    def _new_child(self, series: Series, values: tuple[str, ...]) -> _Backing:
        if not any(series is known for known in SERIES):
            raise NotInTable(f"{series.name} is not in the table of telemetry/metrics.py")
        for (name, allowed), value in zip(series.labels.items(), values, strict=True):
            if allowed and value not in allowed:
                raise NotInTable(f"{series.name}: {name} is one of {_listed(allowed)}, not {value!r}")
        with self._lock:
            family = self._families.get(series.name)
            if family is None:
                family = self._families[series.name] = _family(series, self._registry)
            if sum(name == series.name for name, _ in self._children) >= LABEL_SETS_MAX:
                raise NotInTable(f"{series.name} has {LABEL_SETS_MAX} sets of labels: is there an id in one?")
            child = family.labels(*values) if values else family
            self._children[series.name, values] = child
            return child


class _Told(Collector):
    """What is shown: without the time of birth that the library adds to each counter as a series of its own."""

    def __init__(self, registry: prometheus.CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[prometheus.Metric]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def _family(series: Series, registry: prometheus.CollectorRegistry) -> _Backing:
    names = tuple(series.labels)
    match series:
        case Counter():
            return prometheus.Counter(series.name, series.help, names, registry=registry)
        case Gauge():
            return prometheus.Gauge(series.name, series.help, names, registry=registry)
        case Histogram(buckets=buckets):
            return prometheus.Histogram(series.name, series.help, names, registry=registry, buckets=buckets)


def _values(series: Series, labels: Mapping[str, str | int]) -> tuple[str, ...]:
    if labels.keys() != series.labels.keys():
        has, got = _listed(series.labels), _listed(labels)
        raise NotInTable(f"{series.name} has the labels {has}, and got {got}")
    return tuple([str(labels[name]) for name in series.labels])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def page() -> str:
    """The table in Markdown, for the page of the series."""
    lines = ["| series | kind | labels | what it is |", "| --- | --- | --- | --- |"]
    for series in SERIES:
        labels = ", ".join(
            f"`{name}`" + (f" ({', '.join(values)})" if values else "")
            for name, values in series.labels.items()
        )
        kind = type(series).__name__.lower()
        lines.append(f"| `{series.name}` | {kind} | {labels or '-'} | {series.help} |")
    return "\n".join(lines)
