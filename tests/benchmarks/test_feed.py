"""The feed of the live benchmark: real sessions, as many at once as asked, and the windows that must come out."""

from collections import Counter, defaultdict

from benchmarks.feed import Part, digest_of, digest_of_parts, people, records
from streams.codec import Codec
from streams.partitioner import partition_of
from streams.topics import PARTITIONS

CODEC = Codec()
PLAYED = people(4)
Found = dict[tuple[str, int, int], list[int]]


def test_every_session_is_whole_and_in_order_and_its_windows_are_the_oracles() -> None:
    """The oracle knows the windows from who played what; here they are counted again from the bytes."""
    parts: list[Part] = []
    sequences: dict[str, list[int | None]] = defaultdict(list)
    windows: Found = defaultdict(lambda: [0, 0, 0, 0])
    for key, partition, value in records(PLAYED, 7, 9_000, parts, is_completed=True):
        event = CODEC.decode(value)
        assert (event.session_id.encode(), partition_of(key, PARTITIONS)) == (key, partition)
        sequences[event.session_id].append(event.seq)
        if event.t_us is not None:
            latency_us = getattr(event.payload, "latency_us", None)
            for width_us in (10_000_000, 60_000_000):
                window = windows[event.session_id, width_us, event.t_us // width_us]
                window[0] += 1
                if latency_us is not None:
                    window[1:] = [window[1] + 1, window[2] + latency_us, max(window[3], latency_us)]
    assert all(found == list(range(len(found))) for found in sequences.values())
    assert {part.session_id: part.events for part in parts} == {
        session_id: len(found) for session_id, found in sequences.items()
    }
    assert all(part.events == len(PLAYED[part.person].events) for part in parts)
    lines = (",".join(map(str, (*place, *window))) + "\n" for place, window in windows.items())
    assert (len(windows), digest_of(lines)) == digest_of_parts(PLAYED, parts)


def test_as_many_sessions_are_under_way_as_asked_in_different_stages() -> None:
    """A feed that is cut has exactly so many events; at its cut so many sessions are open, far along and just begun."""
    parts: list[Part] = []
    sent = Counter(key for key, _, _ in records(PLAYED, 20, 40_000, parts, is_completed=False))
    assert sent.total() == 40_000
    assert {part.session_id.encode(): part.events for part in parts} == sent
    shares = [part.events / len(PLAYED[part.person].events) for part in parts]
    open_shares = [share for share in shares if share < 1]
    assert 18 <= len(open_shares) <= 20
    assert min(open_shares) < 0.25
    assert max(open_shares) > 0.75


def test_the_same_feed_comes_again() -> None:
    """Seeded, to the byte: also what the door makes up, as ids and times, and so the profiles."""
    first, second = (
        list(records(played, 5, 2_000, [], is_completed=False)) for played in (PLAYED, people(4))
    )
    assert first == second
