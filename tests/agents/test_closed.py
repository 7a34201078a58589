"""Sessions that closed are remembered as long as the log holds them: ``agents/closed.py``."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.closed import ClosedSessions
from benchmarks.soak_judge import closed_session_bytes


@given(st.lists(st.tuples(st.integers(0, 5_000), st.booleans()), max_size=4_000), st.integers(0, 5_000))
def test_it_says_what_a_dictionary_would(sessions: list[tuple[int, bool]], before: int) -> None:
    """However many there are, in which order they closed, and whoever hears of them in two parts."""
    closed, known = ClosedSessions(), dict[bytes, tuple[int, bool]]()
    names: set[bytes] = set()
    for number, is_withdrawn in sessions:
        key = b"s-%d" % number
        if key not in known:
            names.add(closed.add(key, number))
            known[key] = number, False
        if is_withdrawn:
            names.add(closed.withdraw(key))
            known[key] = number, True
    heir, other = ClosedSessions(), ClosedSessions()
    heir.hear(closed.told(names))
    other.hear(closed.told())
    for one in (closed, heir, other):
        one.forget(before)
        for number in range(0, 5_000, 7):
            key = b"s-%d" % number
            place, is_withdrawn = known.get(key, (-1, False))
            assert (key in one) == (place >= before)
            assert one.is_withdrawn(key) == (place >= before and is_withdrawn)


def test_the_later_word_of_a_session_counts() -> None:
    """It was put in order with the others as closed, and is withdrawn afterwards; whoever hears it in that order knows it, too."""
    closed, heir = ClosedSessions(), ClosedSessions()
    names = {closed.add(b"s-%d" % number, number) for number in range(50)}
    heir.hear(closed.told(names))
    heir.told()
    heir.hear(closed.told({closed.withdraw(b"s-7")}))
    for one in (closed, heir):
        one.told()
        assert [number for number in range(50) if one.is_withdrawn(b"s-%d" % number)] == [7]


def test_one_takes_little_memory() -> None:
    """So that a year of them fits."""
    assert closed_session_bytes(200_000) < 64


def test_what_was_told_in_many_parts_is_heard_in_no_time() -> None:
    """Each part is a few sessions more, beside very many: none of them puts all in order anew."""
    closed, heir = ClosedSessions(), ClosedSessions()
    for number in range(20_000):
        closed.add(b"s-%d" % number, number)
    heir.hear(closed.told())
    merges = 0
    merge = heir._merge

    def counted(*arguments: Any) -> None:
        nonlocal merges
        merges += 1
        merge(*arguments)

    heir._merge = counted  # type: ignore[method-assign]
    for number in range(20_000, 30_000, 10):
        some = {closed.add(b"s-%d" % one, one) for one in range(number, number + 10)}
        heir.hear(closed.told(some))
    assert merges < 10
    assert all(b"s-%d" % number in heir for number in range(0, 30_000, 7))
