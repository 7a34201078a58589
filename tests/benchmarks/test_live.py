"""The live benchmark: its short form with a worker over sessions side by side, and what its peers are measured by."""

import itertools
from collections import defaultdict
from collections.abc import Iterator

import pytest

from benchmarks import live
from benchmarks.feed import Part, people, records
from benchmarks.peers import chain
from benchmarks.peers.environments import PEERS, WORKS
from tests.benchmarks.short_form import told_by
from tests.processes import ROOT


@pytest.mark.kafka
def test_the_worker_gives_the_windows_of_the_feed() -> None:
    """Every window of every session, right to the last integer, and a profile for every session that ended."""
    (told,) = [one for one in told_by("live") if one.get("system") == "kymograph"]
    assert told["is_right"]
    assert told["profiles"] == told["fed"]["complete"] > 0


def test_every_form_of_a_peer_has_its_program_and_its_pinned_environment() -> None:
    """A missing one would show only after a feed and a run of the worker."""
    folder = ROOT / "benchmarks" / "peers"
    for peer in PEERS:
        assert peer.work in WORKS
        assert (peer.active_max is not None) == (peer.work == "complete"), "sessions end in time"
        assert (folder / f"{peer.framework}_{peer.work}.py").exists()
        pins = (folder / f"{peer.framework}.txt").read_text("utf-8").splitlines()
        assert all("==" in pin for pin in pins)


def test_the_complete_work_is_a_profile_for_every_session_that_ends() -> None:
    """What a peer that does the same work is judged by, whatever order its partitions came in."""
    played, parts = people(3), list[Part]()
    offsets: dict[int, Iterator[int]] = defaultdict(itertools.count)
    log = [
        chain.record("events", partition, next(offsets[partition]), key=key, value=value)
        for key, partition, value in records(played, 3, 2_000, parts, is_completed=True)
    ]
    by_partition = sorted(log, key=lambda record: (record.partition, record.offset))
    digests = sorted(chain.lines(log))
    assert len(set(digests)) == len(parts) > 3
    assert digests == sorted(chain.lines(by_partition))


def test_ratios_are_told_by_work_and_not_for_a_run_too_short_to_time() -> None:
    """A peer that failed has no rate, and so no ratio."""
    own: live.Result = {
        "system": "kymograph",
        "active_sessions": 7,
        "events_per_second": 90,
        "is_timed": True,
    }
    others: list[live.Result] = [
        {"system": "a", "work": "complete", "events_per_second": 3},
        {"system": "a", "work": "windows", "events_per_second": 60},
        {"system": "b", "work": "windows", "events_per_second": None},
    ]
    told = live._ratios([own, *others])
    assert told == {"active_sessions": 7, "kymograph_over": {"complete": {"a": 30.0}, "windows": {"a": 1.5}}}
    assert live._ratios([own | {"is_timed": False}, *others])["kymograph_over"] == {}
