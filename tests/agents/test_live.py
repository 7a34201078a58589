"""What a worker's rounds make durable, and what a new owner knows of them: ``agents/live.py`` and ``agents/changelog.py``."""

import random
from collections.abc import Sequence
from itertools import zip_longest

import pytest

from agents.changelog import Known, Owner, known
from agents.fetched import records_of
from agents.live import Live
from agents.sessions import Snapshot
from streams.log import Log, LogUnavailable, Message, OffsetsLost, Record
from streams.memory import MemoryLog
from streams.partitioner import partition_of
from streams.topics import CHANGELOG, EVENTS, LIVE_WINDOWS, PARTITIONS, SESSION_METRICS, TRAIT_PROFILES
from tests.agents.doors import metrics, profiles, the_log
from tests.agents.test_partition import PARTITION, SCORER, one_by_one, sessions, told


def log_of(messages: Sequence[Message]) -> MemoryLog:
    """A log that holds them."""
    log = MemoryLog()
    log.append(EVENTS.name, messages)
    return log


def sent(log: Log) -> list[tuple[str, Message]]:
    """What was sent of sessions."""
    return [
        (topic, Message(record.key, record.value))
        for topic in (SESSION_METRICS.name, TRAIT_PROFILES.name)
        for record in the_log(log, topic)
    ]


def events(log: Log, start: int = 0, end: int | None = None) -> list[Record]:
    """Records of the partition."""
    return list(log.read(EVENTS.name, PARTITION, start, end))


def side_by_side() -> list[Message]:
    """Whole sessions, an event of each in turn."""
    turns = zip_longest(*sessions())
    return [message for turn in turns for message in turn if message is not None]


@pytest.mark.parametrize("seed", range(6))
def test_owners_who_follow_each_other_say_what_one_would(seed: int) -> None:
    """Each knows what the one before made durable, wherever it stopped; what it had not committed comes again."""
    log, dice, committed = log_of(side_by_side()), random.Random(seed), 0
    end = log.end_offsets(EVENTS.name)[PARTITION]
    while committed < end:
        live = Live(log, SCORER)
        at = own(live, committed)
        assert at >= committed
        for _ in range(dice.randint(1, 3)):
            upto = min(end, at + dice.randint(1, 40))
            if at < upto:
                live.take(PARTITION, records_of(events(log, at, upto)))
            at = max(at, upto)
            made = live.prepare()
            if made is not None:
                made.write(log)
                if dice.random() < 0.7:  # or it dies before the commit
                    committed = made.offsets[PARTITION]
        live.take(PARTITION, records_of(events(log, at - 1)))  # and this nobody ever hears of
    sends, _, _ = one_by_one(events(log))
    assert set(told(sent(log))) == set(told(sends))


def test_what_a_driver_left_out_is_read_from_the_log() -> None:
    """A consumer that dropped records of its own, at a rebalance, loses none of ours."""
    log = log_of(side_by_side())
    live = Live(log, SCORER)
    own(live, 0)
    live.take(PARTITION, records_of(events(log, 0, 20)))
    live.take(PARTITION, records_of(events(log, 50)))
    made = live.prepare()
    assert made is not None
    made.write(log)
    sends, _, _ = one_by_one(events(log))
    assert set(told(sent(log))) == set(told(sends))
    assert made.done.counts.outcomes == {"counted": len(events(log))}


def test_the_beginning_of_the_log_is_not_left_out_either() -> None:
    """The first records that a consumer ever fetched may be those that it dropped."""
    log = log_of(side_by_side())
    live = Live(log, SCORER)
    assert own(live, 0) == 0
    live.take(PARTITION, records_of(events(log, 9)))
    made = live.prepare()
    assert made is not None
    assert made.done.counts.outcomes == {"counted": len(events(log))}


def own(live: Live, committed: int) -> int:
    return live.own(PARTITION, live.remember(PARTITION, committed))


class Cut(MemoryLog):
    """A log whose beginning has passed its retention."""

    first: int = 0
    topic: str = EVENTS.name

    def first_offsets(self, topic: str) -> dict[int, int]:
        return super().first_offsets(topic) | ({PARTITION: self.first} if topic == self.topic else {})

    def read(self, topic: str, partition: int, start: int, end: int | None = None):  # type: ignore[no-untyped-def]
        if topic == self.topic and start < self.first:
            raise OffsetsLost(
                f"offsets {start} to {self.first - 1} of {topic}/{partition} are no longer kept"
            )
        return super().read(topic, partition, start, end)


def test_a_log_that_loses_what_was_not_folded_yet_is_named_and_never_jumped() -> None:
    """The consumer would go on at what is left: the fold does not."""
    log = Cut()
    log.append(EVENTS.name, side_by_side())
    live = Live(log, SCORER)
    own(live, 0)
    live.take(PARTITION, records_of(events(log, 0, 10)))
    log.first = 30
    with pytest.raises(OffsetsLost, match="offsets 10 to 29"):
        live.take(PARTITION, records_of(events(log, 30)))


def test_a_changelog_that_lies_behind_is_made_again_from_the_log() -> None:
    """Nothing is known of what was committed: the fold begins where the log does."""
    log = log_of(side_by_side())
    live = Live(log, SCORER)
    assert own(live, 25) == 0
    assert live.prepare() is None, "what was committed stays so until more is known"
    live.take(PARTITION, records_of(events(log)))
    made = live.prepare()
    assert made is not None
    made.write(log)
    sends, _, _ = one_by_one(events(log))
    assert set(told(sent(log))) == set(told(sends))


def folded(log: MemoryLog, upto: int | None = None) -> int:
    """A worker folds the log up to here, and all of it is durable; what it committed."""
    live = Live(log, SCORER)
    own(live, 0)
    live.take(PARTITION, records_of(events(log, 0, upto)))
    made = live.prepare()
    assert made is not None
    made.write(log)
    return made.offsets[PARTITION]


def changed(log: MemoryLog, number: int) -> None:
    """A byte of a record of the changelog is another."""
    record = the_log(log, CHANGELOG.name)[number]
    log.append(CHANGELOG.name, [Message(record.key, record.value[:-1] + bytes([record.value[-1] ^ 1]))])


@pytest.mark.parametrize("number", [0, 1])
def test_a_damaged_changelog_is_left_behind(number: int) -> None:
    """It is a cache: the log says the same."""
    log = log_of(side_by_side())
    committed = folded(log, 30)
    changed(log, number)
    assert own(Live(log, SCORER), committed) == 0


def test_a_changelog_whose_beginning_is_gone_is_read_from_what_is_left() -> None:
    """Nothing may be known then, but nothing fails."""
    log = Cut()
    log.topic = CHANGELOG.name
    log.append(EVENTS.name, side_by_side())
    committed = folded(log, 30)
    log.first = log.end_offsets(CHANGELOG.name)[PARTITION]
    assert own(Live(log, SCORER), committed) == 0


def test_what_was_folded_before_it_passed_its_retention_is_not_missed() -> None:
    """Without a changelog the fold begins where the log does."""
    log = Cut()
    log.append(EVENTS.name, side_by_side())
    log.first = 30
    live = Live(log, SCORER)
    assert own(live, 40) == 30
    live.take(PARTITION, records_of(events(log, 30)))
    assert live.position(PARTITION) == log.end_offsets(EVENTS.name)[PARTITION]


def test_a_log_that_lost_what_was_committed_or_never_folded_is_named() -> None:
    """Neither is gone over."""
    log = Cut()
    log.append(EVENTS.name, side_by_side())
    committed, end = folded(log, 30), log.end_offsets(EVENTS.name)[PARTITION]
    log.first = 35
    with pytest.raises(OffsetsLost, match="offsets 30 to 34 are gone"):
        own(Live(log, SCORER), committed)
    log.first = 0
    with pytest.raises(OffsetsLost, match=f"offsets {end} to {end + 4} are gone"):
        own(Live(log, SCORER), end + 5)


def test_a_log_that_is_shorter_than_the_changelog_is_named() -> None:
    """A topic that was made again, or a log that was restored from an older copy: its new records are others."""
    whole = log_of(side_by_side())
    committed = folded(whole)
    shorter = log_of(side_by_side()[:20])
    shorter.append(CHANGELOG.name, [Message(one.key, one.value) for one in the_log(whole, CHANGELOG.name)])
    with pytest.raises(OffsetsLost, match=f"offsets 20 to {committed - 1} are gone"):
        own(Live(shorter, SCORER), 0)


def test_what_the_log_does_not_show_yet_is_waited_for() -> None:
    """A broker that has just taken over may show less than another gave."""
    log, whole = log_of(side_by_side()[:40]), log_of(side_by_side())
    live = Live(log, SCORER)
    own(live, 0)
    with pytest.raises(LogUnavailable, match="shows records up to 40"):
        live.take(PARTITION, records_of(events(whole, 50)))


def test_what_a_driver_could_not_read_is_read_from_the_log() -> None:
    """Before and behind what it could."""
    log = log_of(side_by_side())
    live = Live(log, SCORER)
    own(live, 0)
    live.take(PARTITION, records_of(events(log, 5, 10))._replace(unread_to=14))
    assert live.position(PARTITION) == 14
    live.take(PARTITION, records_of([])._replace(unread_to=20))
    live.take(PARTITION, records_of(events(log, 20)))
    made = live.prepare()
    assert made is not None
    assert made.done.counts.outcomes == {"counted": len(events(log))}


def test_what_closed_is_remembered_as_long_as_the_log_holds_it() -> None:
    """A whole session that comes again, years later, is late; once the log has let go of it, it is a new one, as for a replay."""
    log = Cut()
    whole = [message for one in sessions() for message in one]
    log.append(EVENTS.name, whole)
    committed = folded(log)
    log.append(EVENTS.name, whole)
    for first, outcome in ((0, "late"), (committed, "counted")):
        log.first = first
        live = Live(log, SCORER)
        own(live, committed)
        live.take(PARTITION, records_of(events(log, committed)))
        made = live.prepare()
        assert made is not None
        assert made.done.counts.outcomes == {outcome: len(whole)}


def test_a_round_of_nothing_is_none() -> None:
    """Where no record came, nothing is to be made durable."""
    live = Live(MemoryLog(), SCORER)
    assert live.prepare() is None
    own(live, 0)
    assert live.prepare() is None


def written(log: MemoryLog, owner: Owner, to: int, blocks: list[bytes], *, whole: bool = False) -> None:
    """One snapshot, step after step."""
    for step in owner.steps(to, Snapshot(whole, blocks)):
        log.append(CHANGELOG.name, step)


def test_keys_lie_in_the_partition_that_they_are_of() -> None:
    """Whoever reads the partition finds them."""
    log = MemoryLog()
    owner = Owner(PARTITION, PARTITIONS, Known(0, [], []))
    written(log, owner, 5, [b"one", bytes(2_000_000)], whole=True)
    assert {record.partition for record in the_log(log, CHANGELOG.name)} == {PARTITION}
    assert all(partition_of(record.key, PARTITIONS) == PARTITION for record in the_log(log, CHANGELOG.name))
    assert max(len(record.value) for record in the_log(log, CHANGELOG.name)) <= 900_000
    assert known(log, CHANGELOG.name, PARTITION).blocks == [b"one", bytes(2_000_000)]


def test_the_whole_head_that_knows_the_log_furthest_is_taken() -> None:
    """An owner that was thought dead writes on: that disturbs nobody, whoever is ahead."""
    log = MemoryLog()
    first = Owner(PARTITION, PARTITIONS, Known(0, [], []))
    written(log, first, 5, [b"a"], whole=True)
    second = Owner(PARTITION, PARTITIONS, known(log, CHANGELOG.name, PARTITION))
    written(log, second, 7, [b"b"], whole=True)
    assert (known(log, CHANGELOG.name, PARTITION).to, known(log, CHANGELOG.name, PARTITION).blocks) == (
        7,
        [b"b"],
    )
    written(log, first, 6, [b"late"])  # its first block was struck out: its head is not whole
    assert known(log, CHANGELOG.name, PARTITION).to == 7
    written(log, second, 9, [b"c"])
    assert known(log, CHANGELOG.name, PARTITION).blocks == [b"b", b"c"]
    blocks, head, _ = second.steps(11, Snapshot(is_whole=False, blocks=[b"never durable"]))
    log.append(CHANGELOG.name, head)  # a head without its block
    assert blocks
    assert known(log, CHANGELOG.name, PARTITION).to == 0, "a head takes the place of the owner's head before"


def test_a_head_whose_bytes_changed_is_none() -> None:
    """Nothing is known then, which is right and slow."""
    log = MemoryLog()
    owner = Owner(PARTITION, PARTITIONS, Known(0, [], []))
    blocks, (head,), _ = owner.steps(5, Snapshot(is_whole=True, blocks=[b"a"]))
    log.append(CHANGELOG.name, blocks)
    log.append(CHANGELOG.name, [Message(head.key, head.value[:-1] + bytes([head.value[-1] ^ 1]))])
    assert known(log, CHANGELOG.name, PARTITION).to == 0


def test_profiles_and_windows_are_told_in_the_round() -> None:
    """Of whole sessions: one metrics record and one profile each, and the windows of all."""
    log = log_of([message for one in sessions() for message in one])
    live = Live(log, SCORER)
    own(live, 0)
    live.take(PARTITION, records_of(events(log)))
    made = live.prepare()
    assert made is not None
    made.write(log)
    assert len(metrics(log)) == len(profiles(log)) == len(sessions())
    assert made.done.counts.closed == {"completed": len(sessions())}
    assert made.done.counts.profiles.total() == len(sessions())
    assert made.done.open_sessions == 0
    assert the_log(log, LIVE_WINDOWS.name)
