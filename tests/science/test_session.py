"""The fold: a session is the set of its events, so how they were delivered cannot matter."""

from collections.abc import Sequence
from hashlib import sha256
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from science.canonical import digest
from science.event import Event
from science.games.balloon_risk.vocabulary import Shown, TimedOut
from science.measure import measure
from science.profile import infer
from science.session import Session
from science.vocabulary import Completed, EventVoided, Interaction, Withdrawn
from tests.science.builders import (
    Balloon,
    abandoned,
    close,
    codes_of,
    event,
    events_of,
    fold,
    measures_of,
    pilot,
    profile_of,
    session_events,
    session_steps,
)

BALLOONS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 3), st.just("collected")),
        st.tuples(st.integers(1, 3), st.sampled_from(["exploded", "timed_out", "unfinished"])),
    ),
    max_size=4,
)
SEEDS = st.integers(0, 2**32)
PERSON: list[Balloon] = [(3, "collected"), (2, "exploded"), (4, "collected")]


def outcome_of(session: Session) -> str:
    """All that a session can say: the digests of its measures and of its profile."""
    measures = measure(session)
    return digest([measures, infer(measures, pilot())])


def contents(session: Session) -> tuple[object, ...]:
    """Everything a session holds, entries in order of seq."""
    return (
        sorted(session.entries.items()),
        session.closed,
        session.last_seq,
        session.contiguous,
        session.terminals,
        session.withdrawn,
    )


# ------------------------------------------------------------------------------------------------------ set semantics


@settings(max_examples=2_000, deadline=None)
@given(BALLOONS, SEEDS)
def test_any_delivery_of_the_same_events_gives_one_profile(balloons: list[Balloon], seed: int) -> None:
    """Shuffled, repeated, late (after the end event, before the session is whole), in batches: one digest, and one close."""
    events = session_events(balloons, planned=max(1, len(balloons)))
    rng = Random(seed)
    repeated = rng.choices(events, k=rng.randint(0, 10))
    deliveries = [*events, *repeated]
    rng.shuffle(deliveries)
    size = rng.randint(1, len(deliveries))
    session = Session("s-1")
    batches = [deliveries[start : start + size] for start in range(0, len(deliveries), size)]
    outcomes = [session.step(one) for batch in batches for one in batch]
    assert session.closed == "completed"
    assert session.missing() == []
    assert outcomes.count("counted") == len(events)
    assert outcomes.count("duplicate") == len(repeated)
    assert outcome_of(session) == outcome_of(fold(events))


@settings(max_examples=2_000, deadline=None)
@given(BALLOONS, SEEDS)
def test_any_part_of_a_session_that_was_abandoned_gives_one_profile(
    balloons: list[Balloon], seed: int
) -> None:
    """What lies before the closer's word in the log is the session; its order there does not matter."""
    events = session_events(balloons, planned=max(1, len(balloons)))
    rng = Random(seed)
    lost = rng.sample(range(len(events)), rng.randint(1, len(events)))
    left = [one for one in events if one.seq not in lost]
    shuffled = [*left, *left[: rng.randint(0, len(left))]]
    rng.shuffle(shuffled)
    one, other = fold([*left, abandoned()]), fold([*shuffled, abandoned()])
    assert one.closed == other.closed == "abandoned"
    assert outcome_of(one) == outcome_of(other)


@settings(max_examples=2_000, deadline=None)
@given(BALLOONS, SEEDS)
def test_conflicts_in_any_order_give_one_profile(balloons: list[Balloon], seed: int) -> None:
    """Two or three different events of one identity, before the session is whole: none counts, whichever came first."""
    events = session_events(balloons, planned=max(1, len(balloons)))
    rng = Random(seed)
    held = rng.choice(events)  # keeps the session open till all the others are there
    others = [one for one in events if one is not held]
    contested = rng.sample(others, rng.randint(1, len(others)))
    rivals = [
        event(one.seq, one.t_us, TimedOut(900 + n)) for one in contested for n in range(rng.randint(1, 2))
    ]
    deliveries = [one for one in events if one is not held] + rivals
    plain = close(fold([*deliveries, held]))
    deliveries += rng.choices(deliveries, k=rng.randint(0, 5))
    rng.shuffle(deliveries)
    session = close(fold([*deliveries, held]))
    assert measure(session).conflicting == len(contested)
    assert outcome_of(session) == outcome_of(plain)
    assert all(session.entries[one.seq] is None for one in contested if one.seq is not None)


@given(BALLOONS, st.data())
def test_step_is_idempotent(balloons: list[Balloon], data: st.DataObject) -> None:
    """Taking an event up again, at any time, changes nothing, and a lone event's repeat is called a duplicate."""
    events = session_events(balloons, planned=max(1, len(balloons)))
    rivals = [event(one.seq, one.t_us, TimedOut(900)) for one in events[::3]]
    deliveries = data.draw(st.permutations([*events, *rivals, abandoned()]))
    session = Session("s-1")
    for one in deliveries:
        first = session.step(one)
        before = contents(session)
        again = session.step(one)
        assert contents(session) == before
        assert again == ("duplicate" if first == "counted" else first)


def test_a_session_takes_only_its_own_events() -> None:
    """An event of another session is a programming error."""
    with pytest.raises(AssertionError):
        Session("s-1").step(event(0, 0, TimedOut(1), "s-2"))


def test_only_the_houses_events_have_no_time() -> None:
    """A numbered event without t_us is a programming error."""
    with pytest.raises(AssertionError):
        Session("s-1").step(event(0, None, TimedOut(1)))


# ---------------------------------------------------------------------------------------------------------- conflicts


def test_a_conflict_never_heals() -> None:
    """Two rivals, then the first again: none of them counts, and each says conflict."""
    events = session_events(PERSON)
    rival = event(3, events[3].t_us, TimedOut(900))
    session = Session("s-1")
    assert [session.step(one) for one in (events[3], rival, events[3], rival)] == [
        "counted",
        "conflict",
        "conflict",
        "conflict",
    ]
    assert session.entries == {3: None}


def test_a_conflict_after_the_close_is_late() -> None:
    """The log's order decides: a rival of a closed session changes nothing."""
    events = session_events(PERSON)
    session = fold(events)
    assert session.step(event(3, events[3].t_us, TimedOut(900))) == "late"
    assert outcome_of(session) == outcome_of(fold(events))


def test_a_contested_end_closes_nothing() -> None:
    """Two different terminals of one place: neither is the end; the closer has to come."""
    events = session_events(PERSON)
    last = len(events) - 1
    rival = event(last, events[-1].t_us, TimedOut(900))
    for deliveries in ([*events[1:], rival, events[0]], [rival, *events]):
        session = fold(deliveries)
        assert session.closed is None
        assert close(session).closed == "abandoned"
        assert measure(session).conflicting == 1


def test_only_a_conflict_at_both_places_counts_as_one() -> None:
    """The same payload at two places is two events, not a conflict."""
    session = fold([event(0, 0, TimedOut(1)), event(1, 0, TimedOut(1))])
    assert None not in session.entries.values()


def test_the_conflicts_digest_hides_the_rivals() -> None:
    """Which two events contradict one another does not matter to the digest; that they do does."""
    events = session_events(PERSON, terminal=None)
    plain = close(fold(events)).events_digest()
    found = {
        close(fold([event(3, 0, TimedOut(n)), *events])).events_digest() for n in range(900, 905)
    }  # fmt: skip
    assert len(found) == 1
    assert plain not in found


# ------------------------------------------------------------------------------------------------------------ closing


def test_a_session_closes_when_its_end_and_all_before_it_are_there() -> None:
    """The end event may arrive first; the session closes with the last missing event and not before."""
    events = session_events(PERSON)
    for order in (events, events[::-1], [events[-1], *events[:-1]]):
        session = Session("s-1")
        for one in order[:-1]:
            session.step(one)
            assert session.closed is None
        session.step(order[-1])
        assert (session.closed, session.last_seq) == ("completed", len(events) - 1)


def test_an_aborted_session_is_closed_too() -> None:
    """The other terminal of the client's."""
    session = fold(session_events(PERSON, terminal="aborted"))
    assert session.closed == "aborted"
    assert measure(session).closed == "aborted"


def test_a_session_with_gaps_stays_open() -> None:
    """A terminal without its predecessors closes nothing, and the gaps are named."""
    events = session_events(PERSON)
    session = fold([one for one in events if one.seq not in {2, 5, 6}])
    assert session.closed is None
    assert session.missing() == [2, 5, 6]
    session.step(events[5])
    assert session.missing() == [2, 6]


@pytest.mark.parametrize(("present", "missing"), [([], []), ([0], []), ([2], [0, 1]), ([0, 1, 4], [2, 3])])
def test_missing_is_what_lies_below_the_largest(present: list[int], missing: list[int]) -> None:
    """Nothing is known of what may come after the largest number."""
    session = Session("s-1")
    for seq in present:
        session.step(event(seq, 0, TimedOut(1)))
    assert session.missing() == missing


def test_the_first_word_of_the_closer_wins() -> None:
    """After it every event is late, the terminal too, and a second closer is a duplicate."""
    events = session_events(PERSON)
    session = fold(events[:8])
    assert session.step(abandoned()) == "counted"
    before = outcome_of(session)
    assert session.step(abandoned()) == "duplicate"
    assert {session.step(one) for one in events[8:]} == {"late"}
    assert {session.step(one) for one in events[:8]} == {"duplicate"}
    assert (session.closed, session.last_seq) == ("abandoned", None)
    assert outcome_of(session) == before


def test_the_closer_comes_too_late_for_a_whole_session() -> None:
    """A session that its client closed is not abandoned afterwards."""
    session = fold(session_events(PERSON))
    assert session.step(abandoned()) == "late"
    assert session.closed == "completed"


def test_an_abandoned_session_is_not_the_same_as_a_completed_one() -> None:
    """How a session was closed is in its digest."""
    steps = session_steps(PERSON, terminal=None)
    completed, aborted = (
        events_of(session_steps(PERSON, terminal=terminal)) for terminal in ("completed", "aborted")
    )
    digests = {close(fold(one)).events_digest() for one in (completed, aborted, events_of(steps))}
    assert len(digests) == 3
    whole = fold(completed)
    by_closer = fold([*completed[1:], abandoned()])
    by_closer.entries = dict(whole.entries)
    assert by_closer.events_digest() != whole.events_digest()


def with_tail(tail: Sequence[object]) -> list[Event]:
    """PERSON's session, with more events after its end."""
    events = session_events(PERSON)
    return [*events, *(event(len(events) + n, 10**8, payload) for n, payload in enumerate(tail))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "tail", [[Shown(4, "none", 12, 5, False)], [Interaction("blur"), EventVoided(2, "no")]]
)
def test_what_follows_the_end_is_not_of_the_session(tail: list[object]) -> None:
    """Larger numbers than the end's change nothing, whether they arrive before the close or after it."""
    events = session_events(PERSON)
    expected = outcome_of(fold(events))
    longer = with_tail(tail)
    for order in (longer, longer[::-1], [*longer[5:], *longer[:5]]):
        session = fold(order)
        assert (session.closed, session.last_seq) == ("completed", len(events) - 1)
        assert max(session.entries) == session.last_seq
        assert outcome_of(session) == expected


@settings(deadline=None)
@given(st.randoms(use_true_random=False))
def test_of_two_ends_the_first_that_is_whole_counts(rng: Random) -> None:
    """Two terminals: the smaller number ends the session, in any order of arrival."""
    events = session_events(PERSON)
    longer = [*with_tail([TimedOut(9)]), event(len(events) + 1, 10**8, Completed(len(events) + 1))]
    rng.shuffle(longer)
    session = fold(longer)
    assert session.last_seq == len(events) - 1
    assert outcome_of(session) == outcome_of(fold(events))


def test_an_end_in_the_middle_of_an_abandoned_session_is_impossible() -> None:
    """A gap kept the terminal from closing, events followed it, the closer came: S1."""
    events = with_tail([TimedOut(9)])
    measures = measures_of([one for one in events if one.seq != 4])
    assert measures.closed == "abandoned"
    assert codes_of(measures)["S1"] == 1


def test_an_empty_session_may_be_abandoned() -> None:
    """The closer may find nothing at all; measuring it says so and raises nothing."""
    session = Session("s-1")
    session.step(abandoned())
    measures = measure(session)
    assert (measures.counted, measures.duration_us, codes_of(measures)) == (0, 0, {"S1": 1})
    assert infer(measures, pilot()).traits["risk_tolerance"].status == "insufficient"


def test_an_open_session_is_not_measured() -> None:
    """Asking is a programming error."""
    with pytest.raises(AssertionError, match="closed"):
        measure(fold(session_events(PERSON)[:-1]))


# --------------------------------------------------------------------------------------------------- the house's word


def test_withdrawal_is_remembered_before_and_after_the_close() -> None:
    """It closes nothing, is counted once, and leaves the set of events as it is."""
    withdrawn = event(None, None, Withdrawn("r-1"))
    events = session_events(PERSON)
    for place in (0, 5, len(events)):
        session = Session("s-1")
        deliveries = [*events[:place], withdrawn, withdrawn, *events[place:]]
        outcomes = [session.step(one) for one in deliveries]
        assert outcomes.count("counted") == len(events) + 1
        assert outcomes[place + 1] == "duplicate"
        assert session.withdrawn
        assert session.closed == "completed"
        assert session.events_digest() == fold(events).events_digest()


def test_a_session_put_back_from_a_cache_goes_on_as_before() -> None:
    """resume() works out from the entries alone what the live session knows, wherever it was put away."""
    longer, rival = with_tail([TimedOut(9)]), event(7, 0, TimedOut(900))
    for events, place in [(order, place) for order in (longer, longer[::-1]) for place in range(len(longer))]:
        live = fold([rival, *events[:place]])
        thawed = Session("s-1")
        thawed.entries, thawed.closed = dict(live.entries), live.closed
        thawed.last_seq, thawed.withdrawn = live.last_seq, live.withdrawn
        thawed.resume()
        for one in events[place:]:
            assert thawed.step(one) == live.step(one)
        assert contents(thawed) == contents(live)


@pytest.mark.parametrize("terminal", ["completed", "aborted"])
def test_an_end_that_waits_in_a_cache_is_still_an_end(terminal: str) -> None:
    """Either terminal closes a thawed session as soon as what lay before it has come."""
    first, *others = session_events(PERSON, terminal=terminal)
    thawed = Session("s-1")
    thawed.entries = dict(fold(others).entries)
    thawed.resume()
    thawed.step(first)
    assert (thawed.closed, thawed.last_seq) == (terminal, len(others))


def test_the_digest_of_the_set_is_what_is_published() -> None:
    """Every stored profile names its set by these bytes: a head, then seq and 128 bits of each digest, then the close."""
    counted, rival = event(0, 0, TimedOut(1)), event(258, 0, TimedOut(1))
    session = fold([counted, rival, event(258, 0, TimedOut(2)), abandoned()])
    places = bytes(4) + counted.digest[:16] + bytes([0, 0, 1, 2]) + bytes(16)
    assert session.events_digest() == sha256(b"kymograph events 1\n" + places + b"abandoned").hexdigest()


def test_the_digest_of_the_set_sees_every_event() -> None:
    """Leaving any one event out, or changing any one, gives another digest and another profile."""
    events = session_events(PERSON, terminal=None)
    whole = profile_of(events)
    seen = {whole.canonical()}
    for one in events:
        assert one.seq is not None
        seen.add(profile_of([other for other in events if other is not one] or events[:1]).canonical())
        changed = event(one.seq, (one.t_us or 0) + 1, one.payload)
        seen.add(profile_of([*events[: one.seq], changed, *events[one.seq + 1 :]]).canonical())
    assert len(seen) == 1 + 2 * len(events)
