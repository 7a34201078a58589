"""What the tests above the log share: people, a door for them, and what lies in the log afterwards."""

from functools import cache
from hashlib import sha256
from pathlib import Path

from agents.event_logger import EventLogger, Verdict
from agents.metric_extractor import MetricExtractor
from agents.replayer import Replayer
from agents.scoring import Scoring
from agents.tables import SessionRow
from agents.trait_inferencer import TraitInferencer
from science.mapping import load
from simulators.balloon_risk import Design
from simulators.people import crowd
from streams.codec import Codec
from streams.log import Log, Message, Record
from streams.memory import MemoryLog
from streams.records import SessionMetrics, TraitProfile
from streams.topics import DEAD_LETTERS, EVENTS, SESSION_METRICS, TRAIT_PROFILES

CODEC = Codec()
NOW_MS = 1_790_000_000_000
Fields = dict[str, object]


def known(event: Fields) -> Fields:
    """The event with an id of its subject that is the same at every door: a digest covers it."""
    if "participant_ref" not in event:
        return event
    plain = dict(event)
    reference = str(plain.pop("participant_ref"))
    return plain | {"subject_id": sha256(reference.encode()).hexdigest()[:32]}


class HandClock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.ms = NOW_MS
        self.s = 100.0

    def now_ms(self) -> int:
        return self.ms

    def monotonic_s(self) -> float:
        return self.s


def door(folder: Path, log: Log | None = None) -> EventLogger:
    """The door over a log, with its control plane in the folder and a clock that stands still."""
    log = log if log is not None else MemoryLog()
    return EventLogger(
        log, control_url=f"sqlite:///{folder / 'control.sqlite'}", codec=CODEC, clock=HandClock()
    )


def started(session_id: str = "s-1", **changes: object) -> Fields:
    """The first event of a session, in the form that the door takes; a change to None leaves the field out."""
    fields: Fields = {
        "kind": "session.started",
        "session_id": session_id,
        "seq": 0,
        "t_us": 0,
        "participant_ref": "Ada Lovelace",
        "consent_basis": "declared:test",
        "battery": "test",
        "protocol": {"games": []},
        "device_input": "mouse",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def paused(session_id: str = "s-1", seq: int = 1, t_us: int = 1, **changes: object) -> Fields:
    """The smallest event there is."""
    return {"kind": "session.paused", "session_id": session_id, "seq": seq, "t_us": t_us, **changes}


@cache
def people(sessions: int, seed: int = 1, balloons: int = 30) -> tuple[tuple[Fields, ...], ...]:
    """The events of simulated people, a tuple a session."""
    return tuple(tuple(events) for _, _, events in crowd(sessions, seed, Design(balloons=balloons)))


@cache
def sealed(session_id: str = "tiny", balloons: int = 1, seed: int = 4) -> tuple[Message, ...]:
    """One whole simulated session as it lies in a log; its subject stands in clear to make the bytes repeatable."""
    ((_, _, events),) = crowd(1, seed, Design(balloons=balloons))
    messages = []
    for number, event in enumerate(events):
        fields = {name: value for name, value in event.items() if name not in {"kind", "participant_ref"}}
        times = {"sent_time_ms": NOW_MS, "received_time_ms": NOW_MS}
        fields |= {"session_id": session_id, "event_id": f"00000000-0000-7000-8000-{number:012x}", **times}
        messages.append(Message(session_id.encode(), CODEC.encode(str(event["kind"]), _plain(fields))))
    return tuple(messages)


def _plain(fields: Fields) -> Fields:
    from hashlib import sha256  # noqa: PLC0415

    from science.canonical import canonical  # noqa: PLC0415

    plain = {
        name: canonical(value).decode() if isinstance(value, dict) else value
        for name, value in fields.items()
    }
    if "protocol" in plain:
        protocol = str(plain["protocol"])
        plain |= {"subject_id": "nobody", "config_hash": sha256(protocol.encode()).hexdigest()}
    return plain


def the_log(log: Log, topic: str = EVENTS.name) -> list[Record]:
    """Every record of a topic, a partition after the other."""
    return [record for partition in range(log.partitions(topic)) for record in log.read(topic, partition, 0)]


def size(log: Log, topic: str = EVENTS.name) -> int:
    """How many records a topic holds by its end offsets."""
    return sum(log.end_offsets(topic).values())


def counts(verdicts: list[Verdict]) -> tuple[int, int, int]:
    """Accepted, duplicate, rejected."""
    statuses = [verdict.status for verdict in verdicts]
    return statuses.count("accepted"), statuses.count("duplicate"), statuses.count("rejected")


def inferencer() -> TraitInferencer:
    """By the pilot mapping."""
    return TraitInferencer(load("pilot@0.1.0"))


def scoring() -> Scoring:
    """The chain of agents."""
    return Scoring(CODEC, [inferencer()])


def replayer(log: Log) -> Replayer:
    """The auditor."""
    return Replayer(log, CODEC, inferencer())


def fold(records: list[Record], row: SessionRow | None = None) -> SessionRow:
    """The row after these records."""
    extractor = MetricExtractor(CODEC)
    for record in records:
        row = extractor.advance(row, record).row
    assert row is not None
    return row


def profiles(log: Log) -> list[TraitProfile]:
    """What the worker said of traits, in order."""
    found = [CODEC.decode_record(record.value) for record in the_log(log, TRAIT_PROFILES.name)]
    return [record for record in found if isinstance(record, TraitProfile)]


def metrics(log: Log) -> list[SessionMetrics]:
    """What the worker said of sessions, in order."""
    found = [CODEC.decode_record(record.value) for record in the_log(log, SESSION_METRICS.name)]
    return [record for record in found if isinstance(record, SessionMetrics)]


def letters(log: Log) -> int:
    """How many dead letters were written."""
    return size(log, DEAD_LETTERS.name)
