"""What an importer tells, measured by the science itself: no door, no log."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

import msgspec
import pytest

from agents.event_logger import Verdict
from importers.importing import Parsed
from science.canonical import canonical
from science.event import Event
from science.kinds import KINDS
from science.measure import Measures
from tests.science.builders import measures_of

Fields = dict[str, object]


def told(parsed: Iterable[Parsed]) -> tuple[dict[str, list[Fields]], list[Parsed]]:
    """The events by session, and the places that were refused. Numbers run from 0 and leave one out for each refused place."""
    sessions: dict[str, list[Fields]] = {}
    refused = []
    for item in parsed:
        if isinstance(item.event, Verdict):
            refused.append(item)
        else:
            sessions.setdefault(str(item.event["session_id"]), []).append(dict(item.event))
    return sessions, refused


def events_of(events: Sequence[Mapping[str, object]]) -> list[Event]:
    """The events of one session as the log would give them."""
    return [_event(fields) for fields in events]


def measured(parsed: Iterable[Parsed]) -> dict[str, Measures]:
    """What each session amounts to."""
    return {session: measures_of(events_of(events)) for session, events in told(parsed)[0].items()}


def the_one(parsed: Iterable[Parsed]) -> Measures:
    """What the only session amounts to."""
    (measures,) = measured(parsed).values()
    return measures


def gives(measures: Measures, golden: Mapping[str, float | str]) -> None:
    """Each metric within 1e-6 of the golden one; a text is the reason why there is none."""
    for name, value in golden.items():
        metric = measures.metrics[name]
        if isinstance(value, str):
            assert (metric.value, metric.reason) == (None, value), name
        else:
            assert metric.value is not None, (name, metric.reason)
            assert metric.value / 1_000_000 == pytest.approx(value, abs=1e-6), name


def _event(fields: Mapping[str, object]) -> Event:
    said = dict(fields)
    session_id, kind = str(said.pop("session_id")), str(said.pop("kind"))
    seq, t_us = said.pop("seq"), said.pop("t_us")
    assert isinstance(seq, int)
    assert isinstance(t_us, int)
    said = {name: canonical(v).decode() if isinstance(v, dict) else v for name, v in said.items()}
    if "protocol" in said:
        said["config_hash"] = sha256(str(said["protocol"]).encode()).hexdigest()
        said.setdefault("subject_id", said.pop("participant_ref", None))
    payload = KINDS[kind](
        **{field.name: said.pop(field.name, None) for field in msgspec.structs.fields(KINDS[kind])}
    )
    assert not said, f"{kind} has no field {', '.join(said)}"
    assert payload.contradiction(seq, t_us) is None
    return Event(
        session_id=session_id,
        seq=seq,
        t_us=t_us,
        kind=kind,
        payload=payload,
        digest=sha256(repr((seq, t_us, payload)).encode()).digest(),
        schema_sha256=sha256(kind.encode()).digest(),
        event_id=f"{session_id}/{seq}",
        device_time_ms=None,
        sent_time_ms=0,
        received_time_ms=0,
    )
