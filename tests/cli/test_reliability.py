"""The reliability command, from people who play on two days to the table and the screen."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli.reliability import sittings_of, studied
from projections.clickhouse import ClickHouseStore
from projections.rows import EventRow, ReliabilityRow, SessionMetricRow, metric_rows
from projections.store import SessionSummary
from science.canonical import canonical
from science.mapping import load, names
from streams.codec import Codec
from streams.log import Message
from streams.records import SessionMetrics
from streams.sqlite import SqliteLog
from streams.topics import EVENTS
from tests.agents.test_event_logger import TIMES
from tests.cli.kymograph import kymograph, told
from tests.projections.samples import a_row, some_metrics
from tests.science.builders import measures_of, session_events

engine = pytest.mark.clickhouse

PILOT = "pilot@0.1.0"  # of one metric
CORE = next(name for name in names() if name.startswith("core@"))
ALL = ("reliability", "--mapping", CORE, "--permutations", 8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People who play everything on two days; a few of them leave early."""
    folder = tmp_path_factory.mktemp("people") / "data"
    kymograph("simulate", "--game", "all", "--sessions", 26, "--occasions", 2, data=folder)
    return folder


def table(folder: Path) -> list[ReliabilityRow]:
    store = ClickHouseStore.embedded(folder / "clickhouse")
    try:
        return list(store.every(ReliabilityRow))
    finally:
        store.close()


def a_start(session: str, seq: int = 0, *, subject: str = "anna", **times: int) -> EventRow:
    payload = json.dumps({"subject_id": subject, "battery": "b"}).encode()
    known = {"device_time": None, "received_time": 7} | times
    return a_row(session, seq, kind="session.started", payload=payload, **known)


class Begun:
    """A store of sessions that have begun."""

    def __init__(self, starts: list[EventRow], measured: tuple[SessionMetrics, ...] = ()) -> None:
        self.starts = starts
        self.measured = measured

    def events_of(self, kind: str) -> list[EventRow]:
        assert kind == "session.started"
        return self.starts

    def every(self, kind: object) -> Iterator[SessionMetricRow]:
        return (row for record in self.measured for row in metric_rows(record))

    def position(self) -> int:
        return 1

    def sessions(self) -> list[SessionSummary]:
        names = dict.fromkeys([*(row.session_id for row in self.starts), "s4"])
        nothing = {"events": 1, "metrics": 0, "traits": 0, "traits_scored": 0}
        return [SessionSummary(session_id=name, status="open", **nothing) for name in names]


def by_metric(lines: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(line["norm_set"], line["metric"]): line for line in lines}


@engine
def test_every_metric_of_every_norm_set_is_told_and_stored(folder: Path) -> None:
    """A line and a row each, the same; every session is a first, a second or left out; the published figures stand beside."""
    lines = told(kymograph(*ALL, "--json", data=folder))
    norm_sets = load(CORE).norms
    assert [(line["norm_set"], line["metric"]) for line in lines] == sorted(
        (name, metric) for name, norms in norm_sets.items() for metric in norms.metrics
    )
    rows = [row for row in table(folder) if row.permutations == 8]
    assert len(rows) == len(lines)
    for line, row in zip(lines, rows, strict=True):
        published = norm_sets[line["norm_set"]].metrics[line["metric"]]
        left_out = sum(line["left_out"].values())
        assert line["first_sessions"] + line["second_sessions"] + left_out == line["sessions"] == 52
        assert line["people"] <= line["first_sessions"]
        assert line["pairs"] <= line["second_sessions"]
        assert (line["split_half"] is None) == (line["split_half_reason"] is not None)
        assert (line["retest"] is None) == (line["retest_reason"] is not None)
        assert (line["published"], line["published_units"]) == (published.reliability / 1e6, published.length)
        assert row.split_half_micro == (line["split_half"] and round(line["split_half"] * 1e6))
        assert (row.people, row.left_out, row.position) == (
            line["people"],
            line["left_out"],
            line["position"],
        )
    found = by_metric(lines)
    pumps = found["ds000030_controls_p12.v2", "balloon.ln_intended_km"]
    assert pumps["units"] == 30
    assert set(pumps["left_out"]) == {"not_completed"}
    assert pumps["split_half_low"] < pumps["split_half"] < pumps["split_half_high"]
    assert pumps["split_half"] > 0.85
    assert pumps["retest"] < pumps["split_half"]
    art = found["sro_art_keep_p128.v1", "balloon.ln_intended_km"]
    assert (art["people"], art["split_half_reason"], art["retest_reason"]) == (
        0,
        "too_few_people",
        "too_few_pairs",
    )
    assert set(art["left_out"]) == {"not_completed", "other_configuration"}


@engine
def test_a_second_time_says_the_same_and_finer_figures_stand_beside(folder: Path) -> None:
    """To the byte; and twice as many permutations are rows of their own."""
    first = kymograph(*ALL, "--json", data=folder).stdout
    before = table(folder)
    assert kymograph(*ALL, "--json", data=folder).stdout == first
    assert table(folder) == before
    kymograph(*ALL[:-1], 9, data=folder)
    finer = [row for row in table(folder) if row.permutations == 9]
    assert [row for row in table(folder) if row.permutations == 8] == [
        row for row in before if row.permutations == 8
    ]
    assert len(finer) == len([row for row in before if row.permutations == 8])


@engine
def test_a_figure_that_was_changed_is_put_right(folder: Path) -> None:
    """The table is a view: what is computed from the log is written, also when it was written before."""
    kymograph(*ALL, data=folder)
    before = table(folder)
    store = ClickHouseStore.embedded(folder / "clickhouse")
    store.write([msgspec.structs.replace(before[0], people=999)], source="a mistake")
    store.close()
    assert table(folder)[0].people == 999
    kymograph(*ALL, data=folder)
    assert table(folder) == before


@engine
def test_people_read_it_as_a_table(folder: Path) -> None:
    """A heading a norm set with everybody accounted for, and a line a metric; by default by the settings' mapping."""
    text = kymograph("reliability", "--permutations", 5, data=folder, mapping=PILOT).stdout
    heading, columns, line = text.splitlines()
    assert re.fullmatch(
        r"ds000030_controls_p12\.v1: (\d+) people of 30 units; 52 sessions = \1 first \+ \d+ second "
        r"\+ \d+ left out \(not_completed \d+\)",
        heading,
    )
    assert columns.split() == [
        "metric",
        "people",
        "split",
        "half",
        "published",
        "pairs",
        "retest",
        "published",
    ]
    pattern = r"  balloon\.ln_intended_km +\d+  0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]   0\.899 +\d+  -?0\.\d{3} +-"
    assert re.fullmatch(pattern, line)
    every = kymograph(*ALL, data=folder).stdout
    assert re.search(
        r"^  rt\.cv +0  too_few_people +0\.828 of 30 +0  too_few_pairs +0\.436$", every, re.MULTILINE
    )
    assert every.count(" people of ") == len(load(CORE).norms)


@engine
def test_who_is_erased_or_still_plays_does_not_count(folder: Path, tmp_path: Path) -> None:
    """The figures are made anew without them, every session is told, and the older row gives way."""
    copy = Path(shutil.copytree(folder, tmp_path / "copy", symlinks=True))
    one = ("reliability", "--permutations", 5, "--json")
    (before,) = told(kymograph(*one, data=copy, mapping=PILOT))
    first = next(event for event in told(kymograph("simulate", "--sessions", 1, "--jsonl", "-")))
    begun = [{**first, "session_id": "begun"}, {**first, "session_id": "timed", "device_time_ms": 5}]
    begun.append({"kind": "session.paused", "session_id": "headless", "seq": 3, "t_us": 9})
    lines = "".join(f"{json.dumps(event)}\n" for event in begun)
    kymograph("import", "jsonl", "-", "--keep-open", data=copy, stdin=lines.encode())
    log = SqliteLog(copy / "log.sqlite")
    withdrawn = {**TIMES, "session_id": "sim.1.00003", "receipt_id": "r-1"}
    log.append(EVENTS.name, [Message(b"sim.1.00003", Codec().encode("session.withdrawn", withdrawn))])
    log.close()
    (after,) = told(kymograph(*one, data=copy, mapping=PILOT))
    assert after["left_out"] == {**before["left_out"], "open": 3, "withdrawn": 1}
    assert after["sessions"] == before["sessions"] + 3
    # whose first session is gone, has their second as the first
    assert after["first_sessions"] == before["first_sessions"]
    assert after["second_sessions"] == before["second_sessions"] - 1
    assert after["position"] == before["position"] + 4
    assert after["split_half"] != before["split_half"]
    (row,) = [row for row in table(copy) if row.permutations == 5]
    assert (row.position, row.left_out) == (after["position"], after["left_out"])


def test_the_first_of_two_sessions_is_the_one_that_began_first() -> None:
    """By the device's clock where an event tells it, whichever came in first; else by when it came in."""
    store = Begun(
        [a_start("s1", received_time=9), a_start("s2", device_time=3), a_start("s3", seq=4, subject="x")]
    )
    store.starts.append(a_start("s3", seq=8, subject="y"))
    store.starts.sort(key=lambda row: (row.session_id, row.seq))
    sittings = {sitting.session_id: sitting for sitting in sittings_of(store)}  # type: ignore[arg-type]  # of the port what it asks
    assert [(sittings[name].subject_id, sittings[name].began_ms) for name in ("s1", "s2", "s3", "s4")] == [
        ("anna", 9),
        ("anna", 3),
        ("x", 7),
        (None, 0),
    ]


def test_norm_sets_that_share_their_people_have_reasons_of_their_own() -> None:
    """Three balloons of at most twelve pumps are too few for one norm set, and none of the other's: nobody counts for either."""
    measures = canonical(measures_of(session_events([(4, "collected")] * 3)))
    record = msgspec.structs.replace(some_metrics("s1"), measures=measures)
    norm_sets = [load(CORE).norms[name] for name in ("ds000030_controls_p12.v2", "sro_art_keep_p128.v1")]
    rows = studied(Begun([a_start("s1")], (record,)), norm_sets, 2)  # type: ignore[arg-type]
    assert len({row.input_digest for row in rows}) == 1
    assert [row.left_out for row in rows if row.metric == "balloon.ln_intended_km"] == [
        {"open": 1, "too_few_units": 1},
        {"open": 1, "other_configuration": 1},
    ]


@engine
@pytest.mark.parametrize("wrong", [("--permutations", 0), ("--mapping", "core@9.9")])
def test_a_wrong_use_is_told(folder: Path, wrong: tuple[object, ...]) -> None:
    """And nothing is written."""
    before = table(folder)
    result = kymograph("reliability", *wrong, data=folder, code=2)
    assert str(wrong[1]) in result.stderr
    assert result.stdout == ""
    assert table(folder) == before
