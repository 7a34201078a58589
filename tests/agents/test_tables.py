"""A session's row as bytes: ``agents/tables.py``."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.tables import SessionRow, freeze, thaw
from science.event import Event, Payload, Response
from science.measure import measure
from science.session import Session
from science.vocabulary import CheckAnswered, EventVoided, Interaction, Paused, Resumed, Withdrawn
from streams.log import Record
from tests.agents.doors import CODEC, door, fold, people, the_log
from tests.science.builders import abandoned, event, session_events

WHOLE = session_events(
    [(2, "collected"), (1, "exploded"), (0, "collected"), (1, "timed_out"), (1, "unfinished")]
)
LAST = len(WHOLE) - 1


def bent(payload: Payload) -> Payload:
    """The same a microsecond later: what one event says of itself stays true."""
    if isinstance(payload, Response):
        return msgspec.structs.replace(payload, onset_t_us=payload.onset_t_us + 1)
    return payload


# Two events for some places, so that conflicts come up; kinds of the frame; places beyond the end.
RIVALS = [event(one.seq, (one.t_us or 0) + 1, bent(one.payload)) for one in WHOLE[2:9]]
FRAME = [
    event(LAST + 1, 5, Paused()),
    event(LAST + 2, 0, Resumed()),
    event(LAST + 3, 9, Interaction("blur")),
    event(LAST + 9, 9, CheckAnswered("sky", passed=False)),
    event(LAST + 10, 9, EventVoided(3, "wrong button")),
    event(900, 86_400_000_000, Interaction("focus")),
]
HOUSE = [abandoned(), event(None, None, Withdrawn("receipt"))]
DELIVERIES = st.lists(st.sampled_from([*WHOLE, *RIVALS, *FRAME, *HOUSE]), max_size=60) | st.permutations(
    WHOLE
)


def row_of(deliveries: list[Event]) -> SessionRow:
    row = SessionRow(Session("s-1"), first_offset=3)
    for number, one in enumerate(deliveries):
        take(row, one, 3 + 2 * number)
    return row


def take(row: SessionRow, one: Event, offset: int) -> str:
    row.apply(Record(topic="t", partition=0, offset=offset, key=b"s-1", value=repr(one).encode(), time_ms=0))
    outcome = row.session.step(one)
    if row.session.closed is not None and row.closed_offset is None:
        row.closed_offset = offset
    return outcome


def known(row: SessionRow) -> tuple[object, ...]:
    session = row.session
    return (
        session.session_id,
        session.entries,
        session.terminals,
        session.missing(),
        session.closed,
        session.last_seq,
        session.withdrawn,
        session.events_digest(),
        (row.first_offset, row.last_offset, row.closed_offset, row.records),
    )


@settings(deadline=None, max_examples=100)
@given(DELIVERIES, DELIVERIES)
def test_a_row_that_rested_goes_on_as_if_it_had_not(before: list[Event], after: list[Event]) -> None:
    """Freezing and thawing at any moment changes no outcome, no digest and no measure: gaps, conflicts, ends and all."""
    awake = row_of(before)
    rested = thaw(freeze(awake))
    assert known(rested) == known(awake)
    assert freeze(rested) == freeze(awake)
    for number, one in enumerate(after):
        offset = 1000 + number
        assert take(rested, one, offset) == take(awake, one, offset)
        assert known(rested) == known(awake)
    for row in (awake, rested):
        row.session.step(abandoned())
    assert measure(rested.session) == measure(awake.session)


def test_a_row_that_rests_after_every_record_is_the_row_that_never_rested() -> None:
    """A driver that freezes once a record and one that freezes once a commit agree to the byte."""
    awake = row_of(WHOLE)
    rested = row_of([])
    for number, one in enumerate(WHOLE):
        take(rested, one, 3 + 2 * number)
        rested = thaw(freeze(rested))
    assert awake.session.closed == "completed"
    assert freeze(rested) == freeze(awake)


def test_a_whole_default_session_stays_small(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """30 balloons of at most 12 pumps: the state of the most eager of 60 people is at most 6,000 bytes."""
    logger = door(tmp_path)
    sizes = []
    for session in people(60):
        logger.record(session)
    by_key: dict[bytes, list[Record]] = {}
    for record in the_log(logger._log):
        by_key.setdefault(record.key, []).append(record)
    for records in by_key.values():
        sizes.append(len(freeze(fold(records[:-1]))))
        sizes.append(len(freeze(fold(records))))
    print(f"state of a default session: mean {sum(sizes) // len(sizes)}, largest {max(sizes)} bytes")
    assert len(by_key) == 60
    assert max(sizes) <= 6_000
    assert CODEC.decode(records[-1].value).kind in {"session.completed", "session.aborted"}
