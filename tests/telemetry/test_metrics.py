"""The table of series, the registry behind it, and the page that shows it."""

import ast
import os
import re
import threading
from pathlib import Path
from typing import Any, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families

from projections.projector import Projected
from science.session import Outcome
from telemetry import metrics as table
from telemetry.metrics import (
    BUILD_INFO,
    DLQ_RECORDS,
    FOLD_EVENTS,
    FOLD_OPEN_SESSIONS,
    LABEL_SETS_MAX,
    PROJECTION_RECORDS,
    PROJECTION_ROWS,
    SERIES,
    WORKER_CHUNK_EVENTS,
    WORKER_COMMITS,
    WORKER_LAST_OFFSET,
    Counter,
    Gauge,
    Histogram,
    Metrics,
    NotInTable,
    Series,
    page,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operations" / "metrics.md"
WRITERS = {"add", "add_each", "set", "observe", "count_by"}
BLOCK = re.compile(r"(?<=<!-- series -->\n).*?(?=<!-- /series -->)", re.DOTALL)
UNITS = {"seconds", "bytes", "ratio", "records", "events", "sessions", "offset", "info", "rows"}
IDS = {"session", "session_id", "event_id", "subject", "subject_id", "participant_ref", "user", "offset"}


def samples(metrics: Metrics, accept: str = "") -> dict[str, float]:
    """What a scraper reads, by name and labels."""
    return {
        sample.name
        + "".join(f" {name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.render(accept)[0].decode())
        for sample in family.samples
        if sample.name.startswith("kymograph_")
    }


def test_names_follow_one_rule() -> None:
    """Subsystem, what, base unit, and _total for counters alone: what a dashboard can guess."""
    for series in SERIES:
        words = series.name.split("_")
        assert re.fullmatch(r"kymograph(_[a-z]+){2,}", series.name)
        assert (words[-1] == "total") == isinstance(series, Counter), series.name
        if not isinstance(series, Counter):
            assert words[-1] in UNITS, series.name
        assert series.help.endswith(".")
    assert len({series.name for series in SERIES}) == len(SERIES) > 20


def test_no_label_is_an_id() -> None:
    """A series for each person would be a leak, and would fill the scraper's memory."""
    assert [series.name for series in SERIES if IDS & set(series.labels)] == []


def test_the_outcomes_are_those_of_the_fold_and_of_the_projector() -> None:
    """Lists that must agree: a new outcome needs its place in the table."""
    assert FOLD_EVENTS.labels["outcome"] == (*get_args(Outcome), "dead_letter")
    assert set(PROJECTION_RECORDS.labels["outcome"]) == set(Projected.__struct_fields__) - {"records", "rows"}


def test_what_was_counted_is_what_is_scraped() -> None:
    """In Prometheus' text and in OpenMetrics, whichever is asked for."""
    metrics = Metrics()
    metrics.add(FOLD_EVENTS, 3, outcome="counted")
    metrics.add_each(FOLD_EVENTS, {"counted": 4, "late": 1})
    metrics.add(WORKER_COMMITS)
    metrics.set(WORKER_LAST_OFFSET, 17, topic="kymograph.events.v1", partition=3)
    for events in (50, 5_000):
        metrics.observe(WORKER_CHUNK_EVENTS, events)
    told = samples(metrics)
    assert told["kymograph_fold_events_total outcome=counted"] == 7
    assert told["kymograph_fold_events_total outcome=late"] == 1
    assert told["kymograph_worker_commits_total"] == 1
    assert told["kymograph_worker_last_offset partition=3 topic=kymograph.events.v1"] == 17
    assert told["kymograph_worker_chunk_events_bucket le=100.0"] == 1
    assert told["kymograph_worker_chunk_events_sum"] == 5_050
    body, content_type = metrics.render("application/openmetrics-text;version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert b'kymograph_fold_events_total{outcome="counted"} 7.0\n' in body
    assert body.endswith(b"# EOF\n")
    assert metrics.render()[1].startswith("text/plain; version=0.0.4")


def test_closed_counts_begin_at_zero_and_what_is_not_known_is_absent() -> None:
    """A rate sees the first late event; a lag that nobody measured is not 0. Nothing is shown that is not in the table."""
    told = samples(Metrics())
    assert told["kymograph_fold_events_total outcome=late"] == 0
    assert told["kymograph_worker_commit_duration_seconds_count"] == 0
    gauges = [series.name for series in SERIES if isinstance(series, Gauge)]
    assert [name for name in told if name.startswith(tuple(gauges))] == []
    known = {series.name for series in SERIES}
    assert {re.sub(r"_(bucket|count|sum)( .*)?$", "", name).split(" ")[0] for name in told} <= known


def test_the_process_is_shown_too() -> None:
    """Its memory and processor time, by their usual names."""
    assert b"process_resident_memory_bytes" in Metrics().render()[0]
    assert b"_created" not in Metrics().render()[0]


@pytest.mark.parametrize(
    ("series", "labels", "said"),
    [
        (FOLD_EVENTS, {}, "has the labels outcome, and got none"),
        (FOLD_EVENTS, {"outcom": "late"}, "has the labels outcome, and got outcom"),
        (FOLD_EVENTS, {"outcome": "late", "session": "s"}, "got outcome, session"),
        (FOLD_EVENTS, {"outcome": "lat"}, "outcome is one of counted, duplicate, .*, not 'lat'"),
        (WORKER_COMMITS, {"outcome": "late"}, "has the labels none"),
        (Counter("kymograph_fold_event_total", "Misspelt."), {}, "is not in the table"),
    ],
)
def test_what_is_not_in_the_table_is_refused(series: Counter, labels: dict[str, str], said: str) -> None:
    """At the first call, and nothing was counted."""
    metrics = Metrics()
    before = metrics.render()[0].count(b"\n")
    with pytest.raises(NotInTable, match=said):
        metrics.add(series, 1, **labels)
    assert metrics.render()[0].count(b"\n") == before


def test_the_wrong_kind_is_refused() -> None:
    """A gauge is not added to, nor a counter set: the type checker says so, and the registry too."""
    metrics: Any = Metrics()
    with pytest.raises(AssertionError):
        metrics.add(FOLD_OPEN_SESSIONS, 1)
    with pytest.raises(AssertionError):
        metrics.set(WORKER_COMMITS, 1)
    with pytest.raises(AssertionError):
        metrics.observe(WORKER_COMMITS, 1)


def test_a_batch_with_an_unknown_outcome_counts_nothing() -> None:
    """Half a batch would be a wrong number."""
    metrics = Metrics()
    with pytest.raises(NotInTable):
        metrics.add_each(FOLD_EVENTS, {"counted": 4, "lost": 1})
    with pytest.raises(NotInTable, match="give all but one"):
        metrics.add_each(FOLD_EVENTS, {"counted": 4}, outcome="late")
    assert metrics.read(FOLD_EVENTS) == 0


def test_an_id_in_a_label_is_found() -> None:
    """An open label takes few values; the one too many is a bug, and is said to be."""
    metrics = Metrics()
    for number in range(LABEL_SETS_MAX):
        metrics.add(DLQ_RECORDS, 1, code=f"code_{number}")
    metrics.add(DLQ_RECORDS, 1, code="code_7")
    with pytest.raises(NotInTable, match="is there an id in one"):
        metrics.add(DLQ_RECORDS, 1, code="one_more")
    assert metrics.read(DLQ_RECORDS) == LABEL_SETS_MAX + 1


def test_numbers_are_read_back() -> None:
    """The sum over the labels that are not given; None where nothing is known."""
    metrics = Metrics()
    assert metrics.read(PROJECTION_ROWS) is None
    assert metrics.read(FOLD_OPEN_SESSIONS) is None
    metrics.add(PROJECTION_RECORDS, 5, topic="a", outcome="projected")
    metrics.add(PROJECTION_RECORDS, 2, topic="a", outcome="damaged")
    metrics.add(PROJECTION_RECORDS, 1, topic="b", outcome="projected")
    metrics.set(FOLD_OPEN_SESSIONS, 0)
    assert metrics.read(PROJECTION_RECORDS, topic="a") == 7
    assert metrics.read(PROJECTION_RECORDS, outcome="projected") == 6
    assert metrics.read(PROJECTION_RECORDS) == 8
    assert metrics.read(FOLD_OPEN_SESSIONS) == 0
    with pytest.raises(NotInTable):
        metrics.read(PROJECTION_RECORDS, tpic="a")


def test_a_partition_that_went_elsewhere_is_forgotten() -> None:
    """Its last value would stand for ever. It may come back."""
    metrics = Metrics()
    metrics.set(WORKER_LAST_OFFSET, 17, topic="a", partition=3)
    metrics.set(WORKER_LAST_OFFSET, 18, topic="a", partition=4)
    metrics.forget(WORKER_LAST_OFFSET, topic="a", partition=3)
    assert list(samples(metrics).items())[-1] == ("kymograph_worker_last_offset partition=4 topic=a", 18)
    assert metrics.read(WORKER_LAST_OFFSET, partition=3) is None
    metrics.forget(WORKER_LAST_OFFSET, topic="a", partition=3)
    with pytest.raises(AssertionError):
        metrics.forget(FOLD_OPEN_SESSIONS)
    metrics.set(WORKER_LAST_OFFSET, 19, topic="a", partition=3)
    assert metrics.read(WORKER_LAST_OFFSET, partition=3) == 19


def test_two_registries_share_nothing() -> None:
    """There is no global state: one a process, or one a test."""
    one, two = Metrics(), Metrics()
    one.set(BUILD_INFO, 1, version="1", mapping="core@1.0.0")
    one.add(WORKER_COMMITS)
    assert (two.read(BUILD_INFO), two.read(WORKER_COMMITS)) == (None, 0)


def test_threads_lose_nothing() -> None:
    """Also where each is the first to count."""
    metrics = Metrics()

    def count() -> None:
        for number in range(200):
            metrics.add(DLQ_RECORDS, 1, code=f"code_{number % 50}")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.read(DLQ_RECORDS) == 1_600


def test_every_series_of_the_module_is_in_the_table() -> None:
    """None is made beside it."""
    found = [value for value in vars(table).values() if isinstance(value, Series)]
    assert tuple(found) == SERIES
    assert {type(series) for series in SERIES} == {Counter, Gauge, Histogram}


def written() -> set[str]:
    """The names of the series that something outside of this table adds to, sets or observes."""
    found = set()
    for package in ("agents", "cli", "importers", "projections", "simulators", "streams"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                match node:
                    case ast.Call(func=ast.Attribute(attr=act), args=[ast.Name(id=name), *_]) if (
                        act in WRITERS
                    ):
                        series = getattr(table, name, None)
                        found |= {series.name} if isinstance(series, Series) else set()
    return found


def test_every_series_is_written_somewhere() -> None:
    """One that nothing feeds says 0 for ever, and its alarm never rings."""
    assert {series.name for series in SERIES} - written() == set()


def test_every_alarm_can_ring() -> None:
    """It asks for series of the table, by labels that they have, and where values are listed by one of them."""
    known = {series.name: series for series in SERIES}
    section = PAGE.read_text(encoding="utf-8").partition("## What to be woken for")[2].partition("\n## ")[0]
    alarms = re.findall(r"^\| `(.+?)` \|", section, re.MULTILINE)
    assert len(alarms) > 5
    for alarm in alarms:
        for name, _, matched in re.findall(r"(kymograph_[a-z_]+)({(.*?)})?", alarm):
            assert name in known, alarm
            for label, value in re.findall(r'([a-z]+)!?="([^"]*)"', matched):
                assert value in known[name].labels[label], alarm


def test_the_page_has_the_table() -> None:
    """Written from the code by `make docs`; each series once."""
    text = PAGE.read_text(encoding="utf-8")
    assert len(BLOCK.findall(text)) == 1
    fresh = BLOCK.sub(lambda _: f"\n{page()}\n\n", text)
    if os.environ.get("KYMOGRAPH_WRITE_DOCS") == "1":
        PAGE.write_text(fresh, encoding="utf-8")
    else:
        assert fresh == text, "run make docs: the table of series is not of this code"
    assert all(fresh.count(f"| `{series.name}` |") == 1 for series in SERIES)
