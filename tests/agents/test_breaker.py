"""When the inbox stops: ``agents/breaker.py``."""

from collections.abc import Iterable
from pathlib import Path

from agents.breaker import Breaker, Limits, TooManyDeadLetters
from agents.control import open_control
from agents.places import Places
from streams.log import Record

LETTER, TAKEN = "malformed", None


def record(offset: int, partition: int = 0) -> Record:
    return Record(topic="inbox", partition=partition, offset=offset, key=b"k", value=b"secret", time_ms=0)


def stopped_at(breaker: Breaker, codes: Iterable[str | None], first: int = 0) -> int | None:
    """The offset of the record at which the breaker stops."""
    for offset, code in enumerate(codes, first):
        if breaker.stop(record(offset), code) is not None:
            return offset
    return None


def by_row(consecutive: int) -> Breaker:
    return Breaker(Limits(consecutive=consecutive, ratio=1.0, window=10))


def by_ratio(ratio: float, window: int) -> Breaker:
    return Breaker(Limits(consecutive=1_000_000, ratio=ratio, window=window))


def test_so_many_in_a_row_are_allowed_and_no_more() -> None:
    """The limit itself passes; one more stops; a record that is taken begins a new row."""
    assert stopped_at(by_row(3), [LETTER] * 3 + [TAKEN]) is None
    assert stopped_at(by_row(3), [LETTER] * 4) == 3
    assert stopped_at(by_row(3), ([LETTER] * 3 + [TAKEN]) * 50) is None
    assert stopped_at(by_row(3), ([LETTER] * 3 + [TAKEN]) * 5 + [LETTER] * 4) == 23


def test_so_large_a_part_of_the_window_is_allowed_and_no_more() -> None:
    """Half of ten is five; the sixth among ten stops, wherever it stands."""
    half = [LETTER, TAKEN] * 5
    assert stopped_at(by_ratio(0.5, 10), half * 20) is None
    assert stopped_at(by_ratio(0.5, 10), [*half, LETTER]) is None  # a letter left the window
    assert stopped_at(by_ratio(0.5, 10), [*half, LETTER, LETTER]) == 11
    assert stopped_at(by_ratio(0.0, 10), [TAKEN] * 30 + [LETTER]) == 30


def test_a_window_that_is_not_full_is_not_judged() -> None:
    """One of one is no ratio; the tenth of ten is."""
    assert stopped_at(by_ratio(0.5, 10), [LETTER] * 9) is None
    assert stopped_at(by_ratio(0.5, 10), [LETTER] * 10) == 9


def test_a_ratio_of_one_is_never_exceeded() -> None:
    """Whoever wants no breaker by ratio says 1."""
    assert stopped_at(by_ratio(1.0, 5), [LETTER] * 500) is None


def test_old_letters_are_forgotten() -> None:
    """The window slides: what was long ago does not stop anything today."""
    breaker = by_ratio(0.2, 10)
    assert stopped_at(breaker, [TAKEN] * 8 + [LETTER] * 2 + [TAKEN] * 8) is None
    assert stopped_at(breaker, [TAKEN] * 2 + [LETTER] * 2, first=18) is None
    assert stopped_at(breaker, [LETTER], first=22) == 22


def test_a_record_that_comes_again_is_not_counted_again() -> None:
    """After a crash or a rebalance the same letters are seen once more; partitions are told apart."""
    breaker = by_row(3)
    for _ in range(5):
        assert stopped_at(breaker, [LETTER] * 3) is None
    assert breaker.stop(record(0, partition=1), LETTER) is not None
    assert breaker.stop(record(3), LETTER) is not None
    assert breaker.stop(record(3), LETTER) is not None  # and it stays so


def started(folder: Path) -> Breaker:
    """In a new process."""
    marks = Places(open_control(f"sqlite:///{folder / 'control.sqlite'}"), "reader", "inbox", log="sqlite")
    return Breaker(Limits(consecutive=3, ratio=1.0, window=10), marks)


def test_what_stopped_stays_stopped_in_every_process_that_starts(tmp_path: Path) -> None:
    """Letters of any partition, for the reason that the first one gave; what can be taken is taken."""
    first = started(tmp_path)
    reason = [first.stop(record(offset), LETTER) for offset in range(4)]
    assert [said is None for said in reason] == [True, True, True, False]
    for _ in range(3):
        again = started(tmp_path)
        assert again.stop(record(7, partition=1), TAKEN) is None
        for place in (record(8, partition=1), record(3), record(0, partition=2)):
            assert str(again.stop(place, LETTER)) == str(reason[-1])


def test_it_goes_on_when_what_stopped_it_is_taken(tmp_path: Path) -> None:
    """There or behind it, where that one is no longer kept; then counting begins anew. What lies before it opens nothing."""
    for place in (3, 5):
        assert stopped_at(started(tmp_path), [LETTER] * 4) == 3
        mended = started(tmp_path)
        assert stopped_at(mended, [TAKEN], first=2) is None
        assert mended.stop(record(0, partition=1), LETTER) is not None
        assert stopped_at(mended, [TAKEN, *[LETTER] * 3], first=place) is None
        assert stopped_at(started(tmp_path), [LETTER] * 3, first=place + 4) is None


def test_a_partition_that_comes_from_another_process_brings_its_mark(tmp_path: Path) -> None:
    """Whoever takes over what stopped the other stops there too, and diverts nothing first."""
    other, ours = started(tmp_path), started(tmp_path)
    assert stopped_at(ours, [TAKEN] * 2) is None
    assert stopped_at(other, [LETTER] * 4, first=4) == 7
    assert stopped_at(ours, [LETTER], first=7) == 7


def test_what_stopped_one_process_stops_the_others_at_their_next_letter(tmp_path: Path) -> None:
    """Also those that have run for long; and all go on when they are told to."""
    steady, stopping = started(tmp_path), started(tmp_path)
    assert stopped_at(steady, [TAKEN, LETTER, TAKEN]) is None
    for offset in range(9):
        stopping.stop(record(offset, 1), LETTER)
    assert steady.stop(record(3), TAKEN) is None
    assert steady.stop(record(4), LETTER) is not None
    assert stopping._marks is not None
    stopping._marks.drop(1)
    assert steady.stop(record(4), LETTER) is None


def test_the_message_says_what_was_seen_and_what_to_do() -> None:
    """The counts, the limit, the place, the command and the settings; never a value."""
    breaker = Breaker(Limits(consecutive=1, ratio=1.0, window=10))
    breaker.stop(record(0), LETTER)
    reason = breaker.stop(record(1), LETTER)
    assert isinstance(reason, TooManyDeadLetters)
    for part in (
        "2 records in a row",
        "1 are allowed",
        "inbox/0 at offset 1",
        "malformed",
        "kymograph dlq list",
        "kymograph dlq resume",
    ):
        assert part in str(reason)
    assert "KYMOGRAPH__INBOX_DEAD_LETTERS_MAX_CONSECUTIVE" in str(reason)
    assert "secret" not in str(reason)
    breaker = by_ratio(0.5, 10)
    reasons = [breaker.stop(record(offset), LETTER if offset > 3 else TAKEN) for offset in range(10)]
    assert "6 of the last 10 records are refused, 50% are allowed" in str(reasons[-1])


def test_the_defaults_stop_a_fleet_with_a_wrong_schema() -> None:
    """Everything refused: a thousand letters, then it stops; three of four refused: at the end of the first window."""
    assert stopped_at(Breaker(), [LETTER] * 5_000) == 1_000
    assert stopped_at(Breaker(), [LETTER, LETTER, LETTER, TAKEN] * 5_000) == 2_000
    assert stopped_at(Breaker(), [LETTER, TAKEN] * 5_000) is None
