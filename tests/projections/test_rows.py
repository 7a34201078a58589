"""Rows are a pure function of what the log holds."""

import msgspec
import pytest

from projections.rows import SESSION, dead_letter_row, event_row, metric_rows, profile_rows
from science.event import Event
from science.vocabulary import Abandoned, Interaction, Withdrawn
from streams.records import SessionMetrics
from tests.projections.samples import a_dead_letter, a_profile, hexadecimal, some_metrics


def _event(kind: str, payload: object, *, seq: int | None = None) -> Event:
    return Event(
        session_id="s1",
        seq=seq,
        t_us=None if seq is None else 5_000,
        kind=kind,
        payload=payload,
        digest=b"\xab" * 32,
        schema_sha256=b"\xcd" * 32,
        event_id="e1",
        device_time_ms=None,
        sent_time_ms=2,
        received_time_ms=3,
    )


def test_an_event_s_row_names_its_place_in_the_log_and_holds_its_payload_canonically() -> None:
    """An auditor finds the record of a row, and equal payloads are equal bytes."""
    row = event_row(_event("session.interaction", Interaction(action="blur"), seq=7), partition=3, offset=11)
    assert (row.partition, row.offset) == (3, 11)
    assert (row.session_id, row.seq, row.kind, row.game) == ("s1", 7, "session.interaction", "session")
    assert row.payload == b'{"action":"blur"}'
    assert (row.event_digest, row.schema_sha256) == ("ab" * 32, "cd" * 32)
    assert (row.t_us, row.device_time, row.sent_time, row.received_time) == (5_000, None, 2, 3)


def test_an_erasure_does_not_hide_behind_an_abandonment() -> None:
    """Neither has a seq, yet both must be seen: each kind has a place of its own below 0."""
    abandoned = event_row(_event("session.abandoned", Abandoned(reason="timeout")), partition=0, offset=1)
    withdrawn = event_row(_event("session.withdrawn", Withdrawn(receipt_id="r1")), partition=0, offset=2)
    assert [abandoned.seq, withdrawn.seq] == [-1, -2]


def test_every_metric_has_a_row_and_the_session_s_own_row_holds_the_measures() -> None:
    """The canonical bytes are kept once a session; an absent value stays absent and says why."""
    record = some_metrics()
    session, aap, accuracy = metric_rows(record)
    assert (SESSION, 2, record.measures) == (session.metric, session.n, session.measures)
    assert (
        aap.metric,
        aap.value_micro,
        aap.n,
        aap.se_micro,
        aap.unit,
        aap.reason,
    ) == ("balloon.aap", 31_500_000, 12, 250_000, "pumps", None)
    assert (
        accuracy.metric,
        accuracy.value_micro,
        accuracy.reason,
    ) == ("memory.accuracy", None, "no_pairs — keine Paare")
    assert [aap.measures, accuracy.measures] == [b"", b""]
    assert {(hexadecimal("events"), hexadecimal("definitions"), 9)} == {
        (row.events_digest, row.definitions, row.last_offset) for row in (session, aap, accuracy)
    }


def test_a_session_that_measured_nothing_still_has_its_own_row() -> None:
    """Nothing is dropped silently."""
    record = msgspec.structs.replace(
        some_metrics(), measures=b'{"definitions":"d","events_digest":"e","metrics":{},"session_id":"s1"}'
    )
    (session,) = metric_rows(record)
    assert (session.metric, session.n) == (SESSION, 0)


def test_every_trait_has_a_row_with_the_whole_profile() -> None:
    """What is refused has no number and keeps its reasons; what is scored keeps its interval."""
    record = a_profile()
    memory, risk = profile_rows(record)
    assert (
        memory.trait,
        memory.status,
        memory.score_micro,
        memory.ci_low_micro,
        memory.ci_high_micro,
    ) == ("memory", "insufficient", None, None, None)
    assert (memory.reasons, memory.provisional) == (("too_few_balloons",), True)
    assert (
        risk.trait,
        risk.score_micro,
        risk.ci_low_micro,
        risk.ci_high_micro,
    ) == ("risk_tolerance", 54_000_000, 49_000_000, 59_000_000)
    assert (
        risk.t_micro,
        risk.reliability_micro,
        risk.quality_micro,
        risk.completeness_micro,
    ) == (52_000_000, 810_000, 97_000_000, 100_000_000)
    assert {record.profile} == {memory.profile, risk.profile}
    assert {hexadecimal("pilot@0.1.0")} == {memory.mapping_hash, risk.mapping_hash}


def test_a_dead_letter_s_row_holds_it_whole() -> None:
    """What could not be taken must be recoverable to the byte."""
    letter = a_dead_letter(5)
    row = dead_letter_row(letter, partition=2, offset=8)
    assert msgspec.structs.asdict(letter) | {"partition": 2, "offset": 8} == msgspec.structs.asdict(row)


@pytest.mark.parametrize("measures", [b"", b"{}", b"not json", b'{"metrics":{"a":{"value":1.5}}}'])
def test_measures_that_are_no_measures_are_refused(measures: bytes) -> None:
    """A record of another form is an error that the projector counts, never a row of guesses."""
    record: SessionMetrics = msgspec.structs.replace(some_metrics(), measures=measures)
    with pytest.raises(msgspec.DecodeError):
        metric_rows(record)
