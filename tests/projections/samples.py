"""Records and rows in the words of the house, small enough to read in a test."""

from hashlib import sha256

import msgspec

from projections.rows import EventRow, ReliabilityRow
from science.canonical import canonical
from streams.records import DeadLetter, SessionMetrics, TraitProfile

MAPPING = "pilot@0.1.0"


def hexadecimal(text: str) -> str:
    """A digest that stands for ``text``."""
    return sha256(text.encode()).hexdigest()


def a_row(session_id: str = "s1", seq: int = 0, **changes: object) -> EventRow:
    """An event's row; what the test is about is changed."""
    row = EventRow(
        session_id=session_id,
        seq=seq,
        kind="session.paused",
        game="session",
        event_id="01890000-0000-7000-8000-000000000000",
        event_digest=hexadecimal(f"{session_id} {seq}"),
        schema_sha256=hexadecimal("schema"),
        t_us=1_000,
        device_time=1_700_000_000_123,
        sent_time=1_700_000_000_456,
        received_time=1_700_000_000_789,
        payload=b"{}",
        partition=3,
        offset=abs(seq),
    )
    return msgspec.structs.replace(row, **changes)


def some_metrics(
    session_id: str = "s1", *, last_offset: int = 9, aap: int | None = 31_500_000, names: tuple[str, ...] = ()
) -> SessionMetrics:
    """What a closed session measured: two metrics (or those named), one of which may be absent."""
    measure = {"value": aap, "n": 12, "se": None if aap is None else 250_000, "unit": "pumps", "reason": None}
    absent = {"value": None, "n": 0, "se": None, "unit": "us", "reason": "no_pairs — keine Paare"}
    metrics = dict.fromkeys(names, measure) if names else {"memory.accuracy": absent, "balloon.aap": measure}
    measures = {
        "session_id": session_id,
        "events_digest": hexadecimal("events"),
        "metrics": metrics,
        "definitions": hexadecimal("definitions"),
        "quality": {"completeness": 1_000_000},
    }
    return SessionMetrics(
        session_id=session_id,
        measures=canonical(measures),
        records_digest=hexadecimal("records"),
        partition=3,
        first_offset=0,
        last_offset=last_offset,
        engine_version="0.1.0",
    )


def a_profile(
    session_id: str = "s1", *, last_offset: int = 9, score: int | None = 54_000_000, mapping: str = MAPPING
) -> TraitProfile:
    """A profile of two traits; with ``score`` None neither is scored."""
    refused = {
        "status": "insufficient",
        "score": None,
        "ci": None,
        "t": None,
        "reliability": None,
        "quality": None,
        "completeness": 400_000_000,
        "reasons": [
            {
                "code": "too_few_balloons",
                "message": "7 of 10",
                "observed": 7,
                "required": 10,
                "suggestion": "3",
            }
        ],
        "provisional": True,
    }
    scored = {
        "status": "scored",
        "score": score,
        "ci": [score - 5_000_000, score + 5_000_000] if score is not None else None,
        "t": 52_000_000,
        "reliability": 810_000,
        "quality": 97_000_000,
        "completeness": 100_000_000,
        "reasons": [],
        "provisional": False,
    }
    profile = canonical(
        {
            "session_id": session_id,
            "mapping": {"id": "pilot", "semver": "0.1.0", "hash": hexadecimal(mapping)},
            "events_digest": hexadecimal("events"),
            "traits": {"risk_tolerance": refused if score is None else scored, "memory": refused},
        }
    )
    return TraitProfile(
        session_id=session_id,
        mapping=mapping,
        profile=profile,
        profile_digest=sha256(profile).hexdigest(),
        records_digest=hexadecimal("records"),
        partition=3,
        last_offset=last_offset,
        engine_version="0.1.0",
    )


def a_dead_letter(offset: int = 0, value: bytes = bytes(range(256))) -> DeadLetter:
    """A record that could not be taken, with bytes that are no text."""
    return DeadLetter(
        source_topic="kymograph.inbox.v1",
        source_partition=0,
        source_offset=offset,
        key=b"\x00\xff",
        value=value,
        code="malformed",
        pointer="/t_us",
        message="the frame begins with 00ff, naïve",
        suggestion="use Avro single-object encoding",
        stage="logger",
        engine_version="0.1.0",
    )


def a_reliability(**changes: object) -> ReliabilityRow:
    """A metric's reliability among 186 people, of whom nobody came again; what the test is about is changed."""
    row = ReliabilityRow(
        norm_set="ds000030_controls_p12.v1",
        metric="balloon.ln_intended_km",
        permutations=1_000,
        game="balloon_risk",
        people=186,
        units=30,
        split_half_micro=955_527,
        split_half_low_micro=943_000,
        split_half_high_micro=964_500,
        split_half_reason=None,
        pairs=0,
        retest_micro=None,
        retest_reason="too_few_pairs",
        published_micro=899_100,
        published_units=0,
        published_retest_micro=None,
        sessions=200,
        first_sessions=186,
        second_sessions=0,
        left_out={"not_completed": 13, "open": 1},
        input_digest=hexadecimal("sessions"),
        position=32_265,
        engine_version="0.1.0",
    )
    return msgspec.structs.replace(row, **changes)
