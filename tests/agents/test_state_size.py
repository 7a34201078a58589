"""What a worker keeps of an open session in its changelog: ``agents/blocks.py``."""

from collections import defaultdict
from pathlib import Path

import pytest

from agents.fetched import records_of
from agents.partition import Partition
from benchmarks.scoring import PROTOCOLS
from simulators.people import crowd
from streams.digests import Digests
from streams.log import Record
from streams.memory import MemoryLog
from streams.topics import EVENTS
from tests.agents.doors import door, the_log
from tests.agents.test_partition import SCORER

STATE_BYTES_MAX = 4_096


def sessions_of(name: str, folder: Path) -> list[list[Record]]:
    """People on a default protocol, but for the last event of each."""
    log, found = MemoryLog(), defaultdict(list)
    logger = door(folder, log)
    for _, _, events in crowd(12, 5, *PROTOCOLS[name]):
        logger.record(events[:-1])
    for record in the_log(log, EVENTS.name):
        found[record.key].append(record)
    return list(found.values())


@pytest.mark.parametrize("name", ["balloon_risk", "reaction_timer", "memory_cards"])
def test_a_session_on_the_default_protocol_is_small(name: str, tmp_path: Path) -> None:
    """By itself, at its largest: the last event is yet to come."""
    sizes = []
    for records in sessions_of(name, tmp_path):
        partition = Partition(EVENTS.name, records[0].partition, SCORER)
        partition.take(records_of(records))
        sizes.append(sum(len(block) for block in partition.snapshot().blocks))
    assert len(sizes) == 12
    assert max(sizes) <= STATE_BYTES_MAX


def test_digests_that_do_not_come_out_as_they_were_are_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """They are not kept, but whether they are the same is."""
    records = sessions_of("balloon_risk", tmp_path)[0]
    partition = Partition(EVENTS.name, records[0].partition, SCORER)
    partition.take(records_of(records))
    blocks = partition.snapshot().blocks
    number, to = records[0].partition, partition.applied
    Partition.restore(EVENTS.name, number, SCORER, to=to, blocks=blocks)
    before = Digests.of
    monkeypatch.setattr(Digests, "of", lambda self, *arguments: before(self, *arguments) ^ 1)
    with pytest.raises(ValueError, match="digests"):
        Partition.restore(EVENTS.name, number, SCORER, to=to, blocks=blocks)
